--- lexer: cuts Lua source into tokens { kind = "name"|"number"|"string"|"symbol", text =, line = }.
-- Keywords are names. Made for sources that the compiler has accepted already.
local lexer = {}

local function count_lines(text)
  local _, count = text:gsub("\n", "")
  return count
end

-- Strings in quotes: the escapes that matter to keys are few, so only \" \' and \\ are undone.
local function read_quoted(source, at)
  local quote, i = source:sub(at, at), at + 1
  while i <= #source do
    local c = source:sub(i, i)
    if c == "\\" then
      i = i + 1
    elseif c == quote then
      break
    end
    i = i + 1
  end
  return (source:sub(at + 1, i - 1):gsub("\\([\"'\\])", "%1")), i + 1
end

-- "[[...]]" or "[==[...]==]" at `at`: its text and the place after it, or nil.
local function read_long(source, at)
  local equals = source:match("^%[(=*)%[", at)
  if not equals then return nil end
  local first = at + #equals + 2
  local last, after = source:find("]" .. equals .. "]", first, true)
  if not last then return source:sub(first), #source + 1 end
  return source:sub(first, last - 1), after + 1
end

local function skip_comment(source, at)
  local _, after = read_long(source, at + 2)
  return after or source:find("\n", at, true) or #source + 1
end

local function read_token(source, at)
  local name = source:match("^[%a_][%w_]*", at)
  if name then return "name", name, at + #name end
  local number = source:match("^0[xX][%x.]+", at) or source:match("^%d[%w.]*", at)
  if number then return "number", number, at + #number end
  if source:find("^[\"']", at) then
    return "string", read_quoted(source, at)
  end
  local text, after = read_long(source, at)
  if text then return "string", text, after end
  local symbol = source:match("^[=~<>]=", at) or source:sub(at, at)
  return "symbol", symbol, at + #symbol
end

--- All tokens of a source text, comments left out.
function lexer.tokens(source)
  local tokens, line, at = {}, 1, 1
  while true do
    local start = source:find("%S", at)
    if not start then return tokens end
    line = line + count_lines(source:sub(at, start - 1))
    local after
    if source:find("^%-%-", start) then
      after = skip_comment(source, start)
    else
      local kind, text
      kind, text, after = read_token(source, start)
      tokens[#tokens + 1] = { kind = kind, text = text, line = line }
    end
    line = line + count_lines(source:sub(start, after - 1))
    at = after
  end
end

return lexer
