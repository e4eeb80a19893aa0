--- pattern: the pattern forms of Istio's AuthorizationPolicy as functions of one value.
-- Forms: "abc" the same text, "abc*" starts so, "*abc" ends so, "*" is there and not empty; a path may be a
-- template: {*} is one segment, {**} any rest.  A "*" elsewhere is a plain character (as in Istio), also the second one
-- of "*abc*".
local pattern = {}

local SPECIAL = "[%^%$%(%)%%%.%[%]%*%+%-%?]"

--- `text` as a Lua pattern that matches itself.
function pattern.literal(text) return (text:gsub(SPECIAL, "%%%0")) end

--- Each gives a function(value) that tells whether a value (nil: there is none) fits.
function pattern.exact(text) return function(value) return value == text end end

function pattern.prefix(text)
  local size = #text
  return function(value) return value ~= nil and value:sub(1, size) == text end
end

function pattern.suffix(text)
  local size = #text
  return function(value) return value ~= nil and (size == 0 or value:sub(-size) == text) end
end

--- A whole-text Lua pattern.
function pattern.lua(text)
  text = "^" .. text .. "$"
  return function(value) return value ~= nil and value:find(text) ~= nil end
end

function pattern.not_empty(value) return value ~= nil and value ~= "" end
function pattern.there(value) return value ~= nil end

--- Any of these values, as they are.
function pattern.one_of(texts)
  local set = {}
  for _, text in ipairs(texts) do set[text] = true end
  return function(value) return value ~= nil and set[value] == true end
end

local function either(first, second)
  return function(value) return first(value) or second(value) end
end

--- Whether the parts of `text` between its "*" stand in a value in this order, apart from each other.
function pattern.holds(text)
  local parts = {}
  for part in (text .. "*"):gmatch("([^*]*)%*") do parts[#parts + 1] = part end
  return function(value)
    local at = value and 1
    for i = 1, #parts do
      local _, last = (value or ""):find(parts[i], at, true)
      if not last then return false end
      at = last + 1
    end
    return true
  end
end

--- Whether a path is a template; other braces stand for themselves.
function pattern.is_template(text)
  return text:find("{*}", 1, true) ~= nil or text:find("{**}", 1, true) ~= nil
end

--- The Lua pattern of a path template, or nil and why it is none (Istio's rules, section "path templates").
function pattern.template(text)
  local out, open_end = {}, false
  if text:sub(1, 1) ~= "/" then return nil, "a path template starts with '/'" end
  if text:find("//", 1, true) then return nil, "a path template has no empty segments" end
  for segment in (text:sub(2) .. "/"):gmatch("([^/]*)/") do
    if open_end and segment == "{**}" then return nil, "{**} may stand once, as the last operator" end
    if segment == "{*}" then
      if open_end then return nil, "{**} must be the last operator" end
      out[#out + 1] = "[^/]+"
    elseif segment == "{**}" then
      out[#out + 1], open_end = ".*", true
    elseif segment:find("[{}*]") then
      return nil, "a segment of a path template is {*}, {**} or plain text"
    elseif segment:gsub("%%%x%x", ""):find("[^%w._~!$&'()+,;=:@-]") then -- pchar (RFC 3986, 3.3)
      return nil, "a path template may not hold what a path cannot"
    else
      out[#out + 1] = pattern.literal(segment)
    end
  end
  return "/" .. table.concat(out, "/")
end

--- Splits one text into its form: "exact", "prefix", "suffix" or "star", and the text that counts.
function pattern.form(text)
  if text == "*" then return "star", "" end
  if text:sub(1, 1) == "*" then return "suffix", text:sub(2) end
  if text:sub(-1) == "*" then return "prefix", text:sub(1, -2) end
  return "exact", text
end

-- When all texts are of one form and, as ends of a value, of one length: the texts and the arguments that make
-- string.sub cut a value to that end ("" for whole values).
local function keys_of(texts)
  local keys, cut = {}, nil
  for i, text in ipairs(texts) do
    local form, core = pattern.form(text)
    local own = form == "exact" and "" or form == "prefix" and "1, " .. #core or form == "suffix" and "-" .. #core
    if not own or (cut and own ~= cut) then return nil end
    keys[i], cut = core, own
  end
  return keys, cut
end

--- One function for all `texts` (OR).  `star` is what "*" asks; `of` makes the function of one text, or
-- returns nil to leave it to the forms above.
-- @return the function; if a table look-up can replace it, the keys and the cut that a value needs first
function pattern.any(texts, star, of)
  local exact, test, special = {}, nil, false
  for _, text in ipairs(texts) do
    local form, core = pattern.form(text)
    local own = of and of(text)
    special = special or own ~= nil and own ~= false
    if not own and form == "exact" then
      exact[#exact + 1] = core
    else
      own = own or (form == "star" and star) or pattern[form](core)
      test = test and either(test, own) or own
    end
  end
  if #exact > 0 then
    local fixed = #exact == 1 and pattern.exact(exact[1]) or pattern.one_of(exact)
    test = test and either(fixed, test) or fixed
  end
  if special then return test end
  return test, keys_of(texts)
end

return pattern
