--- json_edit: sets values inside a JSON text and leaves every other byte of it as it is: numbers, order, blanks.
local json = require "moongate.json"

local json_edit = {}

local ALL = {} -- the step [*]

-- ---- paths --------------------------------------------------------------------------------

-- One step at `at`: the step (a name, an index from 0, or ALL) and where the next one begins; nil: there is none.
local function step_at(path, at)
  local name, after = path:match("^%.([^.%[%]]+)()", at)
  if name then return name == "*" and ALL or name, after end
  local index
  index, after = path:match("^%[(%d+)%]()", at)
  if index then return tonumber(index), after end
  after = path:match("^%[%*%]()", at)
  if after then return ALL, after end
  name, after = path:match([[^%["(.-)"%]()]], at)
  if after then return name, after end
  return path:match([[^%['(.-)'%]()]], at)
end

--- Reads a path: "$.user.tags[0]", "items[*].price", "$['a.b']".
-- @return its steps, or nil and why
function json_edit.path(text)
  local rest = text:gsub("^%$", "", 1)
  if rest ~= "" and not rest:find "^[.%[]" then rest = "." .. rest end
  local steps, at = {}, 1
  while at <= #rest do
    local step, after = step_at(rest, at)
    if not after then return nil, ("expected .name, [number], [*] or ['name'] at %q"):format(rest:sub(at)) end
    steps[#steps + 1], at = step, after
  end
  return steps
end

-- ---- places in a text that is known to be JSON --------------------------------------------

local function skip_blanks(text, at) return text:match("^[ \t\r\n]*()", at) end

local function skip_string(text, at)
  at = at + 1
  while true do
    local found = text:find('["\\]', at)
    if text:sub(found, found) == '"' then return found + 1 end
    at = found + 2
  end
end

-- Strings inside may hold any bracket.
local function skip_nested(text, at)
  local depth = 0
  repeat
    at = text:find('["{}%[%]]', at)
    local char = text:sub(at, at)
    if char == '"' then
      at = skip_string(text, at)
    else
      depth = depth + ((char == "{" or char == "[") and 1 or -1)
      at = at + 1
    end
  until depth == 0
  return at
end

-- Where the value that begins at `at` has ended.
local function skip_value(text, at)
  local char = text:sub(at, at)
  if char == '"' then return skip_string(text, at) end
  if char == "{" or char == "[" then return skip_nested(text, at) end
  return text:match("^[^,%]} \t\r\n]+()", at)
end

local function name_of(text, from, after)
  local raw = text:sub(from + 1, after - 2)
  return raw:find("\\", 1, true) and json.decode("[" .. text:sub(from, after - 1) .. "]")[1] or raw
end

local walk

-- Calls walk for the members that the step means; an object that lacks the last one gets it.
local function walk_object(text, at, steps, i, value, edits)
  local step, found, empty = steps[i], false, true
  at = skip_blanks(text, at + 1)
  while text:sub(at, at) ~= "}" do
    local after = skip_string(text, at)
    local name = name_of(text, at, after)
    local from = skip_blanks(text, skip_blanks(text, after) + 1) -- past the colon
    if step == ALL or step == name then
      walk(text, from, steps, i + 1, value, edits)
      found = true
    end
    at, empty = skip_blanks(text, skip_value(text, from)), false
    if text:sub(at, at) == "," then at = skip_blanks(text, at + 1) end
  end
  if not found and i == #steps and type(step) == "string" then
    local member = json.encode(step) .. ":" .. value
    edits[#edits + 1] = { from = at, to = at - 1, text = (empty and "" or ",") .. member }
  end
end

local function walk_list(text, at, steps, i, value, edits)
  local step, index = steps[i], 0
  at = skip_blanks(text, at + 1)
  while text:sub(at, at) ~= "]" do
    if step == ALL or step == index then walk(text, at, steps, i + 1, value, edits) end
    at, index = skip_blanks(text, skip_value(text, at)), index + 1
    if text:sub(at, at) == "," then at = skip_blanks(text, at + 1) end
  end
end

function walk(text, at, steps, i, value, edits)
  if i > #steps then
    edits[#edits + 1] = { from = at, to = skip_value(text, at) - 1, text = value }
  elseif text:sub(at, at) == "{" then
    walk_object(text, at, steps, i, value, edits)
  elseif text:sub(at, at) == "[" then
    walk_list(text, at, steps, i, value, edits)
  end
end

--- Sets what a path means to `value` (JSON itself); where an object lacks the path's last name, it gets it.
-- @param steps of json_edit.path()
-- @return the new text and how many values were set; or nil and why (no JSON)
function json_edit.set(text, steps, value)
  local known, why = json.decode(text)
  if known == nil then return nil, why end
  local edits, parts, at = {}, {}, 1
  walk(text, skip_blanks(text, 1), steps, 1, value, edits)
  for _, edit in ipairs(edits) do
    parts[#parts + 1] = text:sub(at, edit.from - 1)
    parts[#parts + 1] = edit.text
    at = edit.to + 1
  end
  parts[#parts + 1] = text:sub(at)
  return table.concat(parts), #edits
end

return json_edit
