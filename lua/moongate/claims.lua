--- claims: what a verified token says, found by name.
-- ctx.shared.jwt is { iss, sub, claims } of the token that policy jwt has verified: a copy (see moongate.verified).
local claims = {}

local function table_of(value) return type(value) == "table" and value or nil end

-- The claim below `value` whose name is parts[i] and what follows; a name may hold dots itself.
local function below(value, parts, i)
  local name
  for j = i, #parts do
    name = name and name .. "." .. parts[j] or parts[j]
    local found = value[name]
    if j == #parts and found ~= nil then return found end
    if table_of(found) then
      found = below(found, parts, j + 1)
      if found ~= nil then return found end
    end
  end
end

--- A function(claims) that finds the claim of a dotted name ("realm.roles"), or gives nil.
function claims.finder(name)
  local parts = {}
  for part in (name .. "."):gmatch("([^.]*)%.") do parts[#parts + 1] = part end
  return function(value) return below(value, parts, 1) end
end

--- The names in "@request.auth.claims.a.b" or "@request.auth.claims[a][b]" ({ "a", "b" }), with which a VirtualService
-- asks for a claim as if it were a header; nil where the text is nothing of the kind.
function claims.names(text)
  local rest = text:lower():sub(1, 20) == "@request.auth.claims" and text:sub(21)
  if not rest then return nil end
  local names = {}
  if rest:find "^%." then
    for name in rest:gmatch("%.([^.]*)") do names[#names + 1] = name end
  elseif rest:gsub("%[[^%[%]]+%]", "") == "" then
    for name in rest:gmatch("%[([^%[%]]+)%]") do names[#names + 1] = name end
  end
  for _, name in ipairs(names) do
    if name == "" then return nil end
  end
  return #names > 0 and names or nil
end

--- The texts of a claim: a string's own, or those in a list of strings; an empty list for anything else.
-- @param token ctx.shared.jwt, or nil
-- @param names { "a", "b" }
function claims.texts(token, names)
  local value = token and token.claims
  for _, name in ipairs(names) do value = table_of(value) and value[name] end
  if type(value) == "string" then return { value } end
  local texts = {}
  for _, item in ipairs(table_of(value) or {}) do
    if type(item) == "string" then texts[#texts + 1] = item end
  end
  return texts
end

return claims
