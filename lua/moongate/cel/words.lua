--- words: cuts an expression into its words.
local function fail(message) error({ cel = message }, 0) end

local function quoted(text, at)
  local quote, out, i = text:sub(at, at), {}, at + 1
  while text:sub(i, i) ~= quote do
    if i > #text then fail("a text without its end") end
    if text:sub(i, i) == "\\" then i = i + 1 end
    out[#out + 1], i = text:sub(i, i), i + 1
  end
  return { kind = "text", value = table.concat(out) }, i + 1
end

local PATTERNS = { { "name", "^[%a_][%w_]*" }, { "number", "^%d+%.?%d*" }, { "sign", "^[=!<>]=" }, { "sign", "^&&" },
  { "sign", "^||" }, { "sign", "^[-+<>!().,?:%[%]]" } }

--- The words of an expression: array of { kind = "name", "number", "sign" or "text", value = }; raises { cel = why }.
return function(text)
  local list, at = {}, text:find("%S")
  while at do
    local word
    if text:find("^['\"]", at) then word, at = quoted(text, at) end
    for i = 1, word and 0 or #PATTERNS do
      local found = text:match(PATTERNS[i][2], at)
      if found then
        word, at = { kind = PATTERNS[i][1], value = found }, at + #found
        break
      end
    end
    if not word then fail("unexpected " .. text:sub(at, at)) end
    list[#list + 1], at = word, text:find("%S", at)
  end
  return list
end
