--- compact: the record of a request (moongate.explain) as one header value: printable ASCII, at most LONGEST bytes.
local steps = require "moongate.explain.steps"

local LONGEST, FEW = 2000, 4 -- bytes; routes that lost and are named

local function at(part) return part.at and "@" .. part.at or "" end

-- "; " parts the items, so it stands in none of them.
local function clean(text)
  return (tostring(text):gsub("[^\32-\126]", "?"):gsub(";", ","))
end

local function lost_routes(record, add)
  local named = 0
  for _, entry in ipairs(record.routes) do
    if entry.lost and entry.host and named < FEW then
      named = named + 1
      add("lost", ("%s%s %s: wanted %s, found %s"):format(entry.route or "-", at(entry), entry.lost.what,
        entry.lost.wanted, entry.lost.found))
    end
  end
end

local function policies(record, add)
  for _, step in ipairs(record.steps) do
    local first = step.why and step.why[1]
    local said = first and first.text .. at(first) or table.concat(step.did, ", ")
    if said ~= "" then add("policy", ("%s%s: %s"):format(step.policy, at(step), said)) end
  end
end

--- The text, from what decides most to what decides least.
return function(record)
  local items = {}
  local function add(name, value) items[#items + 1] = name .. "=" .. clean(value) end
  local answer = record.answer
  add("status", answer.status)
  if answer.details then add("details", answer.details) end
  if answer.flags ~= "-" then add("flags", answer.flags) end
  add("listener", record.listener.name)
  add("route", record.route and (record.route.name or "-") .. at(record.route) or "none")
  if record.backend then
    add("backend", steps.backend_name(record.backend) .. (record.backend.chosen_by and " by policy "
      .. record.backend.chosen_by or ""))
  end
  if record.endpoint then add("endpoint", record.endpoint.address) end
  if record.normalized then add("path", record.normalized.to) end
  policies(record, add)
  lost_routes(record, add)
  local text = table.concat(items, "; ")
  return #text <= LONGEST and text or text:sub(1, LONGEST - 3) .. "..."
end
