--- cel: expressions about one exchange, in the part of Google's CEL that logs and metrics need.
-- Attributes are Envoy's (request.path, response.code, ...). What is not there is nil, as CEL's errors are: && and ||
-- go on where the other side decides, everything else of nil is nil.
local attributes = require "moongate.cel.attributes"
local operations = require "moongate.cel.operations"
local suggest = require "moongate.suggest"
local words_of = require "moongate.cel.words"

local protected = require "moongate.protected"

local cel = {}

local DEEPEST = 50
local ATTRIBUTES, HEADERS = attributes.values, attributes.headers
local OPERATORS, METHODS, FUNCTIONS = operations.signs, operations.methods, operations.functions

local function fail(message) error({ cel = message }, 0) end

local LEVELS = { { "||" }, { "&&" }, { "==", "!=", "<", "<=", ">", ">=", "in" }, { "+" } }

local function constant(value) return function() return value end end

local function binary(name, left, right)
  local operator = OPERATORS[name]
  return function(ctx) return operator(left(ctx), right(ctx)) end
end

-- ---- grammar: each function reads from self.words and returns function(ctx) -----------------

local parse

local function peek(self, value)
  local word = self.words[self.at]
  return word and word.kind ~= "text" and word.value == value
end

local function take(self, value)
  if not peek(self, value) then return false end
  self.at = self.at + 1
  return true
end

local function expect(self, value)
  if not take(self, value) then
    local word = self.words[self.at]
    fail(("expected '%s', got %s"):format(value, word and "'" .. word.value .. "'" or "the end"))
  end
end

-- The function of an attribute, whose name goes on as long as there are dots; a header: its index.
local function attribute(self, name)
  while not ATTRIBUTES[name] and not HEADERS[name] and take(self, ".") do
    local word = self.words[self.at] or fail("expected a name after '.'")
    name, self.at = name .. "." .. word.value, self.at + 1
  end
  if ATTRIBUTES[name] then return ATTRIBUTES[name] end
  local headers = HEADERS[name]
  if not headers then
    fail(("unknown attribute '%s'%s"):format(name, suggest.hint(name, suggest.keys(ATTRIBUTES))))
  end
  if not take(self, "[") then
    expect(self, ".")
    local key = self.words[self.at]
    self.at = self.at + 1
    return function(ctx) return headers(ctx):get(key.value) end
  end
  local index = parse(self)
  expect(self, "]")
  return function(ctx)
    local key = index(ctx)
    if type(key) == "string" then return headers(ctx):get(key) end
  end
end

local function call(self, name)
  local argument = parse(self)
  expect(self, ")")
  if name == "has" then return function(ctx) return argument(ctx) ~= nil end end
  local f = FUNCTIONS[name] or fail(("unknown function '%s'; has, string, int and size are known"):format(name))
  return function(ctx) return f(argument(ctx)) end
end

local function primary(self)
  local word = self.words[self.at] or fail("expected a value, got the end")
  self.at = self.at + 1
  if word.kind == "text" then return constant(word.value) end
  if word.kind == "number" then return constant(tonumber(word.value)) end
  if word.value == "true" or word.value == "false" then return constant(word.value == "true") end
  if word.value == "(" then
    local inner = parse(self)
    expect(self, ")")
    return inner
  end
  if word.kind ~= "name" then fail(("expected a value, got '%s'"):format(word.value)) end
  if take(self, "(") then return call(self, word.value) end
  return attribute(self, word.value)
end

local function suffixes(self)
  local value = primary(self)
  while take(self, ".") do
    local word = self.words[self.at]
    local method = word and METHODS[word.value]
    if not method then fail(("unknown method '%s'; startsWith, endsWith and contains are known")
      :format(word and word.value or "")) end
    self.at = self.at + 1
    expect(self, "(")
    local of, argument = value, parse(self)
    expect(self, ")")
    value = function(ctx)
      local text, part = of(ctx), argument(ctx)
      if type(text) == "string" and type(part) == "string" then return method(text, part) end
    end
  end
  return value
end

local function unary(self)
  if take(self, "!") then
    local value = unary(self)
    return function(ctx)
      local found = value(ctx)
      if type(found) == "boolean" then return not found end
    end
  end
  if take(self, "-") then
    local value = unary(self)
    return function(ctx) return type(value(ctx)) == "number" and -value(ctx) or nil end
  end
  return suffixes(self)
end

-- 'name' in request.headers, or value in [a, b].
local function membership(self, value)
  local first, third = self.words[self.at], self.words[self.at + 2]
  local headers = third and HEADERS[first.value .. "." .. third.value]
  if headers then
    self.at = self.at + 3
    return function(ctx)
      local name = value(ctx)
      if type(name) == "string" then return headers(ctx):get(name) ~= nil end
    end
  end
  expect(self, "[")
  local list = {}
  repeat list[#list + 1] = parse(self) until not take(self, ",")
  expect(self, "]")
  return function(ctx)
    local found = value(ctx)
    for i = 1, found ~= nil and #list or 0 do
      if list[i](ctx) == found then return true end
    end
    if found ~= nil then return false end
  end
end

local function level(self, n)
  if not LEVELS[n] then return unary(self) end
  local left = level(self, n + 1)
  local again = true
  while again do
    again = false
    for _, name in ipairs(LEVELS[n]) do
      if take(self, name) then
        left = name == "in" and membership(self, left) or binary(name, left, level(self, n + 1))
        again = true
        break
      end
    end
  end
  return left
end

function parse(self)
  self.depth = self.depth + 1
  if self.depth > DEEPEST then fail("too deep") end
  local value = level(self, 1)
  if take(self, "?") then
    local condition, yes = value, parse(self)
    expect(self, ":")
    local no = parse(self)
    value = function(ctx)
      local found = condition(ctx)
      if found == true then return yes(ctx) elseif found == false then return no(ctx) end
    end
  end
  self.depth = self.depth - 1
  return value
end

--- Makes a function(ctx) of an expression: its value, or nil where CEL has an error.
-- @return the function; or nil and what is not understood
function cel.compile(text)
  local ok, result = protected.pcall(function()
    local self = { words = words_of(text), at = 1, depth = 0 }
    local value = parse(self)
    local rest = self.words[self.at]
    if rest then fail(("unexpected '%s'"):format(rest.value)) end
    return value
  end)
  if ok then return result end
  if type(result) ~= "table" then error(result, 0) end
  return nil, result.cel
end

return cel
