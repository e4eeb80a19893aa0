--- operations: what the operators, methods and functions of expressions do; nil where CEL has an error.
local operations = {}

local function same_type(a, b) return a ~= nil and type(a) == type(b) end
local function ordered(a, b) return same_type(a, b) and type(a) ~= "boolean" end

local function number_or_text(a, b)
  return same_type(a, b) and (type(a) == "number" and a + b or type(a) == "string" and a .. b) or nil
end

--- By sign.
operations.signs = {
  ["=="] = function(a, b) if same_type(a, b) then return a == b end end,
  ["!="] = function(a, b) if same_type(a, b) then return a ~= b end end,
  ["<"] = function(a, b) if ordered(a, b) then return a < b end end,
  ["<="] = function(a, b) if ordered(a, b) then return a <= b end end,
  [">"] = function(a, b) if ordered(a, b) then return a > b end end,
  [">="] = function(a, b) if ordered(a, b) then return a >= b end end,
  ["+"] = number_or_text,
  ["&&"] = function(a, b)
    if a == false or b == false then return false end
    if a == true and b == true then return true end
  end,
  ["||"] = function(a, b)
    if a == true or b == true then return true end
    if a == false and b == false then return false end
  end,
}

--- By name, of two texts.
operations.methods = {
  startsWith = function(text, part) return text:sub(1, #part) == part end,
  endsWith = function(text, part) return part == "" or text:sub(-#part) == part end,
  contains = function(text, part) return text:find(part, 1, true) ~= nil end,
}

--- By name, of one value.
operations.functions = {
  string = function(value) if value ~= nil then return tostring(value) end end,
  int = function(value) return tonumber(value) end,
  size = function(value) if type(value) == "string" then return #value end end,
}

return operations
