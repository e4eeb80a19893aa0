--- positions: finds the source line of a part of a Lua config, such as routes[2].policies[1].percent.
-- Reads the table constructor after the last `return`, and those of `local name = { ... }` where names stand in it.
-- What a program computes has no position of its own: its nearest ancestor's line serves.
local lexer = require "moongate.config.lexer"

local positions = {}

local NAME, NUMBER, STRING, SYMBOL = lexer.NAME, lexer.NUMBER, lexer.STRING, lexer.SYMBOL

local OPENING = { ["{"] = "}", ["("] = ")", ["["] = "]" }
local CLOSING = { ["}"] = true, [")"] = true, ["]"] = true }
local BLOCK = { ["function"] = 1, ["if"] = 1, ["do"] = 1, ["repeat"] = 1, ["end"] = -1, ["until"] = -1 }

local parse_table

-- Moves past the rest of an expression, up to a ',' ';' or closing bracket of the constructor around it.
local function skip_expression(tokens, at)
  local kinds, texts, depth, blocks = tokens.kinds, tokens.texts, 0, 0
  while kinds[at] do
    local text = texts[at]
    if kinds[at] == SYMBOL then
      local closes = CLOSING[text]
      if blocks == 0 and depth == 0 and (closes or text == "," or text == ";") then return at end
      if OPENING[text] then depth = depth + 1 end
      if closes then depth = depth - 1 end
    elseif kinds[at] == NAME and BLOCK[text] then
      blocks = blocks + BLOCK[text]
    end
    at = at + 1
  end
  return at
end

local function is_symbol(tokens, at, text)
  return tokens.kinds[at] == SYMBOL and tokens.texts[at] == text
end

-- A node is { line =, fields = { [key] = node } or nil, name = of the variable that holds it or nil }.
local function parse_value(tokens, at)
  if is_symbol(tokens, at, "{") then
    local node, after = parse_table(tokens, at)
    return node, skip_expression(tokens, after)
  end
  local node, after = { line = tokens.lines[at] or 1 }, skip_expression(tokens, at)
  if tokens.kinds[at] == NAME and after == at + 1 then node.name = tokens.texts[at] end
  if tokens.kinds[at] == STRING then -- a line's end right behind "[[" is not part of the text
    node.text_line = node.line + (tokens.texts[at]:find("^\r?\n") and 1 or 0)
  end
  return node, after
end

-- The key of an entry, and where its value starts; nil for an item of a list.
local function parse_key(tokens, at)
  if tokens.kinds[at] == NAME and is_symbol(tokens, at + 1, "=") then return tokens.texts[at], at + 2 end
  if is_symbol(tokens, at, "[") and is_symbol(tokens, at + 2, "]") and is_symbol(tokens, at + 3, "=") then
    local text = tokens.texts[at + 1]
    return tokens.kinds[at + 1] == NUMBER and tonumber(text) or text, at + 4
  end
  return nil, at
end

function parse_table(tokens, at)
  local node = { line = tokens.lines[at], fields = {} }
  local count = 0
  at = at + 1
  while tokens.kinds[at] and not is_symbol(tokens, at, "}") do
    local line = tokens.lines[at]
    local key, value_at = parse_key(tokens, at)
    if key == nil then
      count = count + 1
      key = count
    end
    local value
    value, at = parse_value(tokens, value_at)
    value.line = line
    node.fields[key] = value
    if is_symbol(tokens, at, ",") or is_symbol(tokens, at, ";") then
      at = at + 1
    elseif not is_symbol(tokens, at, "}") then
      break
    end
  end
  return node, at + 1
end

local function is_local_table(tokens, at)
  return tokens.kinds[at + 1] == NAME and is_symbol(tokens, at + 2, "=") and is_symbol(tokens, at + 3, "{")
end

--- Reads the positions of a source text; never fails, at worst it knows nothing.
function positions.parse(source)
  local tokens = lexer.tokens(source)
  local root, names, blocks = { line = 1 }, {}, 0
  for at = 1, tokens.count do
    local word = tokens.kinds[at] == NAME and tokens.texts[at]
    if word then blocks = blocks + (BLOCK[word] or 0) end
    if blocks == 0 and word == "local" and is_local_table(tokens, at) then
      names[tokens.texts[at + 1]] = parse_table(tokens, at + 3)
    elseif blocks == 0 and word == "return" then
      root = parse_value(tokens, at + 1)
      break
    end
  end
  root.names = names
  return root
end

local function target(node, names)
  return not node.fields and node.name and names[node.name] or node
end

--- The line of the part at `path`, or of its nearest known ancestor; of a string that of its first character, too.
function positions.line(root, path)
  local node, line = target(root, root.names), root.line
  for _, key in ipairs(path) do
    node = node.fields and node.fields[key]
    if not node then break end
    line = node.line
    node = target(node, root.names)
  end
  return line, node and node.text_line
end

return positions
