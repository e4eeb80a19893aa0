--- replace: plain texts replaced in a stream, the same whatever pieces it comes in.
-- Of several texts the leftmost counts, of those that begin together the first listed.  What was put in is not read
-- again.
local replace = {}

--- `list` of { from =, to = }, made ready.
function replace.prepare(list)
  local longest = 0
  for _, pair in ipairs(list) do longest = math.max(longest, #pair.from) end
  return { list = list, longest = longest }
end

-- Where at the end of `text` some `from` may have begun that is not complete: { position, the first that may }.
local function open_ends(program, text)
  local ends = {}
  for at = math.max(1, #text - program.longest + 2), #text do
    local rest = text:sub(at)
    for i, pair in ipairs(program.list) do
      if #rest < #pair.from and pair.from:sub(1, #rest) == rest then
        ends[#ends + 1] = { at, i }
        break
      end
    end
  end
  return ends
end

-- The next text that is complete at or after `at`: position, which; nil: none.  `known` remembers what find() said.
local function next_match(program, text, at, known)
  local where, which
  for i, pair in ipairs(program.list) do
    if known[i] == nil or known[i] and known[i] < at then known[i] = text:find(pair.from, at, true) or false end
    if known[i] and (not where or known[i] < where) then where, which = known[i], i end
  end
  return where, which
end

--- Takes the next bytes.
-- @param held what was kept back before ("")
-- @return the bytes that can go on, and what is kept back now: less than the longest text
function replace.push(program, held, bytes, last)
  local text = held .. bytes
  local ends, next_end, known, parts, at = last and {} or open_ends(program, text), 1, {}, {}, 1
  while true do
    while ends[next_end] and ends[next_end][1] < at do next_end = next_end + 1 end
    local open, where, which = ends[next_end], next_match(program, text, at, known)
    if open and (not where or where > open[1] or where == open[1] and which > open[2]) then
      parts[#parts + 1] = text:sub(at, open[1] - 1)
      return table.concat(parts), text:sub(open[1])
    end
    if not where then
      parts[#parts + 1] = text:sub(at)
      return table.concat(parts), ""
    end
    parts[#parts + 1] = text:sub(at, where - 1)
    parts[#parts + 1] = program.list[which].to
    at = where + #program.list[which].from
  end
end

return replace
