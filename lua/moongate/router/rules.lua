--- rules: what one value of a request must be like: the whole text, its beginning or end, a regular expression of the
-- whole, or merely there.
local claims = require "moongate.claims"
local regex = require "moongate.regex"

local rules = {}

local EXACT, PREFIX, SUFFIX, PRESENT, ELEMENTS, REGEX = 1, 2, 3, 4, 5, 6
local SLASH = 47

rules.EXACT = EXACT

local byte, sub = string.byte, string.sub

local function kind_of(rule)
  if rule.exact then return EXACT, rule.exact end
  if rule.prefix then return PREFIX, rule.prefix end
  if rule.suffix then return SUFFIX, rule.suffix end
  if rule.regex then return REGEX, assert(regex.compile(rule.regex)) end
  return PRESENT, ""
end

local function is_so(kind, text, value)
  if kind == EXACT then return value == text end
  if kind == PREFIX then return sub(value, 1, #text) == text end
  if kind == SUFFIX then return #value >= #text and sub(value, #value - #text + 1) == text end
  if kind == PRESENT then return true end
  if kind == REGEX then return text:match(value) end
  return sub(value, 1, #text) == text and (#value == #text or byte(value, #text + 1) == SLASH)
end

local function compiled(name, kind, text, rule)
  local invert = rule.invert or false
  -- What holds where there is no value: an inverted rule, unless "" stands in for it and is so.
  local absent = invert
  if rule.empty_if_absent and kind ~= PRESENT then absent = is_so(kind, text, "") ~= invert end
  return { name = name, kind = kind, text = text, invert = invert, absent = absent, fold = rule.ignore_case or false }
end

--- The compiled form of a rule of the model: { name, exact | prefix | suffix | regex | present, invert,
-- empty_if_absent }.
function rules.new(rule)
  local kind, text = kind_of(rule)
  return compiled(rule.name, kind, text, rule)
end

--- The same for a rule of a path in the model: { exact | prefix (of elements) | starts_with | regex, ignore_case }.
function rules.path(path)
  local kind, text
  if path.prefix then
    kind, text = ELEMENTS, path.prefix:gsub("/+$", "")
  else
    kind, text = kind_of { exact = path.exact, prefix = path.starts_with, regex = path.regex }
  end
  if path.ignore_case then text = text:lower() end
  return compiled("path", kind, text, path)
end

--- Whether a compiled rule holds for a value (nil: there is none).
function rules.hold(rule, value)
  if not value then return rule.absent end
  if rule.fold then value = value:lower() end
  return is_so(rule.kind, rule.text, value) ~= rule.invert
end

-- ---- claims of a token --------------------------------------------------------------------

--- The same for a claim: { path = { "realm", "roles" }, exact | prefix | suffix | regex | present, invert }.
function rules.claim(rule)
  local made = rules.new(rule)
  made.name, made.claim = "token", rule.path
  return made
end

--- Whether a compiled rule of a claim holds for a token (see moongate.claims; nil: there is none). Of a list one string
-- must be so; numbers and booleans are never so (Istio: JWT claim based routing).
function rules.claim_holds(rule, token)
  for _, text in ipairs(claims.texts(token, rule.claim)) do
    if is_so(rule.kind, rule.text, text) then return not rule.invert end
  end
  return rule.invert
end

return rules
