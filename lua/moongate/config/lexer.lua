--- lexer: cuts Lua source into tokens; keywords are names, comments are left out.
-- Made for sources that the compiler has accepted already, and for long ones: no table a token.
local lexer = {}

lexer.NAME, lexer.NUMBER, lexer.STRING, lexer.SYMBOL = 1, 2, 3, 4
local NAME, NUMBER, STRING, SYMBOL = 1, 2, 3, 4

local find, byte, sub = string.find, string.byte, string.sub

local DASH, BRACKET, BACKSLASH = byte "-", byte "[", byte "\\"
local QUOTES = { [byte '"'] = true, [byte "'"] = true }
local COMPARISONS = { ["=="] = true, ["~="] = true, ["<="] = true, [">="] = true }

-- Of the escapes only those that keys need are undone: \" \' and \\.
local function read_quoted(source, at)
  local quote, i = byte(source, at), at + 1
  while i <= #source do
    local c = byte(source, i)
    if c == quote then break end
    i = i + (c == BACKSLASH and 2 or 1)
  end
  local text = sub(source, at + 1, i - 1)
  if find(text, "\\", 1, true) then text = text:gsub("\\([\"'\\])", "%1") end
  return text, i + 1
end

-- "[[...]]" or "[==[...]==]" at `at`: its text and the place after it, or nil.
local function read_long(source, at)
  local equals = source:match("^%[(=*)%[", at)
  if not equals then return nil end
  local first = at + #equals + 2
  local last, after = find(source, "]" .. equals .. "]", first, true)
  if not last then return sub(source, first), #source + 1 end
  return sub(source, first, last - 1), after + 1
end

local function skip_comment(source, at)
  local _, after = read_long(source, at + 2)
  return after or find(source, "\n", at, true) or #source + 1
end

local function read_token(source, at)
  local c = byte(source, at)
  local _, last = find(source, "^[%a_][%w_]*", at)
  if last then return NAME, sub(source, at, last), last + 1 end
  if QUOTES[c] then return STRING, read_quoted(source, at) end
  _, last = find(source, "^%d[%w.]*", at)
  if last then return NUMBER, sub(source, at, last), last + 1 end
  if c == BRACKET then
    local text, after = read_long(source, at)
    if text then return STRING, text, after end
  end
  local two = sub(source, at, at + 1)
  if COMPARISONS[two] then return SYMBOL, two, at + 2 end
  return SYMBOL, sub(two, 1, 1), at + 1
end

--- All tokens of a source text: three arrays, `kinds` (NAME, NUMBER, STRING, SYMBOL), `texts` and `lines`.
function lexer.tokens(source)
  local kinds, texts, lines, count = {}, {}, {}, 0
  local line, newline = 1, find(source, "\n", 1, true) or math.huge
  local at = find(source, "%S")
  while at do
    while newline < at do
      line, newline = line + 1, find(source, "\n", newline + 1, true) or math.huge
    end
    if byte(source, at) == DASH and byte(source, at + 1) == DASH then
      at = skip_comment(source, at)
    else
      count = count + 1
      lines[count] = line
      kinds[count], texts[count], at = read_token(source, at)
    end
    at = find(source, "%S", at)
  end
  return { kinds = kinds, texts = texts, lines = lines, count = count }
end

return lexer
