--- text: the record of a request (moongate.explain) as lines for people.
local steps = require "moongate.explain.steps"

local text = {}

local SOME = 12 -- candidates that are shown; the record has more

local function at(part)
  return part.at and (" (%s)"):format(part.at) or ""
end

local function target(request)
  return request.query and request.path .. "?" .. request.query or request.path
end

local function percent(share)
  return ("%d of %d"):format(share.weight, share.of)
end

local say = {}

function say.listener(record, add)
  local listener = record.listener
  add(("listener  %s on %s%s"):format(listener.name, listener.address, at(listener)))
  if listener.why then add("          " .. listener.why) end
end

function say.request(record, add)
  local request = record.request
  add(("request   %s %s, host %s, from %s"):format(request.method, target(request), request.authority,
    request.client_address))
  if request.principal then add("          as " .. request.principal) end
  local changed = record.normalized
  if changed then add(("          the path %s is taken for %s"):format(changed.from, changed.to)) end
end

local function candidate_line(entry)
  local name = ("%s%s%s"):format(entry.route or "(no name)", entry.match and " match " .. entry.match or "", at(entry))
  if entry.won then return "  * " .. name end
  if entry.after then return ("  - %s: fits, but another is tried before"):format(name) end
  return ("  - %s: %s: wanted %s, found %s"):format(name, entry.lost.what, entry.lost.wanted, entry.lost.found)
end

function say.routes(record, add)
  local route = record.route
  add(route and ("route     %s%s"):format(route.name or "(no name)", at(route)) or "route     none")
  local left = record.more_routes or 0
  for i, entry in ipairs(record.routes) do
    if i <= SOME or entry.won then add("        " .. candidate_line(entry)) else left = left + 1 end
  end
  if left > 0 then add(("          and %d more"):format(left)) end
end

function say.steps(record, add)
  for _, step in ipairs(record.steps) do
    if #step.did > 0 or step.why or step.phase == "request" then
      local phase = step.phase == "request" and "" or ", " .. step.phase:gsub("_", " ")
      add(("policy    %s%s%s%s"):format(step.policy, phase, at(step), #step.did == 0 and not step.why and
        ": changes nothing" or ""))
      for _, line in ipairs(step.why or {}) do add(("          %s%s"):format(line.text, at(line))) end
      for _, line in ipairs(step.did) do add("          " .. line) end
    end
  end
end

local function limits_line(limits)
  local parts = {}
  if limits.timeout then parts[#parts + 1] = "timeout " .. limits.timeout end
  if limits.per_try_timeout then parts[#parts + 1] = "per try " .. limits.per_try_timeout end
  local retries = limits.retries
  if retries then
    parts[#parts + 1] = ("retries %d on %s after %s to %s"):format(retries.attempts, table.concat(retries.on, ","),
      retries.back_off or "0s", retries.max_back_off or "0s")
  end
  return #parts > 0 and "          " .. table.concat(parts, ", ")
end

function say.backend(record, add)
  local backend = record.backend
  if not backend then return end
  add(("backend   %s%s"):format(steps.backend_name(backend), backend.chosen_by and ", chosen by policy "
    .. backend.chosen_by or ""))
  if not backend.chosen_by and #record.shares > 1 then
    for _, share in ipairs(record.shares) do
      add(("          %s gets %s%s"):format(steps.backend_name(share), percent(share), at(share)))
    end
  end
  local limits = limits_line(record.limits or {})
  if limits then add(limits) end
  if not record.endpoint then return add "endpoint  none" end
  add(("endpoint  %s%s%s"):format(record.endpoint.address, at(record.endpoint), #backend.endpoints > 1
    and (", one of %d"):format(#backend.endpoints) or ""))
  if record.sent then add(("          gets %s %s, host %s"):format(record.sent.method, record.sent.target,
    record.sent.authority)) end
end

function say.answer(record, add)
  local answer = record.answer
  add(("answer    %d%s%s%s"):format(answer.status, answer.is_local and "" or record.next and " of the next listener"
    or ", as the endpoint would", answer.details and ", details " .. answer.details or "",
    answer.flags ~= "-" and ", flags " .. answer.flags or ""))
end

local ORDER = { "listener", "request", "routes", "steps", "backend", "answer" }

local function describe(record, indent, lines)
  local function add(line) lines[#lines + 1] = indent .. line end
  for _, part in ipairs(ORDER) do
    if part == "answer" and record.next then describe(record.next, indent .. "    ", lines) end
    say[part](record, add)
  end
end

--- The lines of a record and of those that continue it, as one text.
function text.of(record)
  local lines = {}
  describe(record, "", lines)
  return table.concat(lines, "\n") .. "\n"
end

return text
