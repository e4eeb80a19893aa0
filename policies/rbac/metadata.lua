--- metadata: tests of what other policies noted in ctx.shared.metadata[NAME][key] (Envoy's dynamic metadata).
local pattern = require "policies.rbac.pattern"
local metadata = {}

-- "[abc]" asks that a list holds abc; any form may stand within.
local function in_list(text)
  local inner = text:match("^%[(.*)%]$")
  if not inner then return nil end
  local test = pattern.any({ inner }, pattern.not_empty)
  return function(value)
    for _, item in ipairs(type(value) == "table" and value or {}) do
      if type(item) == "string" and test(item) then return true end
    end
    return false
  end
end

--- A test of the note `key` of `name`: a string, or a list of strings where the text stands in brackets.
function metadata.note(name, key, texts)
  local plain, lists = {}, {}
  for _, text in ipairs(texts) do
    local list = in_list(text)
    if list then lists[#lists + 1] = list else plain[#plain + 1] = text end
  end
  local test = #plain > 0 and pattern.any(plain, pattern.not_empty)
  return function(notes)
    local value = notes and notes[name] and notes[name][key]
    if test and type(value) == "string" and test(value) then return true end
    for _, list in ipairs(lists) do
      if list(value) then return true end
    end
    return false
  end
end

return metadata
