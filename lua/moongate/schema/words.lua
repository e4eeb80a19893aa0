--- words: how messages about settings name types and values.
local words = {}

--- What each type is called; its keys are all the types that there are.
words.NOUNS = {
  string = "a string", number = "a number", integer = "an integer", boolean = "true or false", list = "a list",
  duration = 'a duration such as "5s"', size = 'a size such as "64KiB"', map = "a map", record = "a table of settings",
  ["function"] = "a function", any = "a value", code = "the text of a program",
}

--- What a value is, for messages: `the string "x"`, `the number 3`, `a table`.
function words.show(value)
  local kind = type(value)
  if kind == "string" then return ("the string %q"):format(#value > 60 and value:sub(1, 57) .. "..." or value) end
  if kind == "number" or kind == "boolean" then return ("the %s %s"):format(kind, tostring(value)) end
  return "a " .. kind
end

--- The types that a field may have, as a list.
function words.types(field)
  return type(field.type) == "table" and field.type or { field.type }
end

--- What a field takes: "a string or a list".
function words.expected(field)
  local nouns = {}
  for i, name in ipairs(words.types(field)) do nouns[i] = words.NOUNS[name] end
  return table.concat(nouns, " or ")
end

return words
