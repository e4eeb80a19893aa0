--- price: what a policy costs: the time and the memory of each phase, over many requests in this process, and where the
-- compiler gave up.
-- Each call is measured where it happens, with caches as a request leaves them. What measuring costs is taken off: just
-- before, a function that does nothing is measured the same way. A call that waits is counted and not timed.
local core = require "moongate.rehearsal_core"
local inside = require "moongate.test.inside"
local traces = require "moongate.price.traces"
local world = require "moongate.test.world"

local price = {}

price.REQUESTS = 1000 -- measured, after as many to warm up
local LIMIT = 86400000
local PHASES = { "request", "request_body", "try", "tried", "response", "response_body", "log" }

local ticks, collect = core.ticks, collectgarbage

-- Samples of one phase: ns and bytes of each call that did not wait.
local function samples_of()
  return { calls = 0, ns = {}, bytes = {} }
end

local function note(samples, ns, bytes, turns)
  if world.turns ~= turns then return end
  local n = #samples.ns + 1
  samples.ns[n], samples.bytes[n] = ns, bytes
end

-- Time and memory are measured in turn: asking for one costs the other.
local function nothing() end

local function timed(fn, samples)
  return function(...)
    local turns = world.turns
    samples.calls = samples.calls + 1
    nothing(ticks()) -- brings the clock into the caches
    local first = ticks()
    nothing(...)
    local before = ticks()
    local one, two = fn(...)
    local after = ticks()
    note(samples, after - before - (before - first), 0, turns)
    return one, two
  end
end

local function weighed(fn, samples)
  return function(...)
    local turns = world.turns
    samples.calls = samples.calls + 1
    local before = collect "count"
    local one, two = fn(...)
    note(samples, 0, (collect("count") - before) * 1024, turns)
    return one, two
  end
end

local function middle(list, part)
  if #list == 0 then return 0 end
  table.sort(list)
  return list[math.max(1, math.ceil(#list * part))]
end

-- A policy whose phases are measured.
local function wrap(policy, measure, all)
  local wrapped = {}
  for key, value in pairs(policy) do wrapped[key] = value end
  for _, phase in ipairs(PHASES) do
    all[phase] = policy[phase] and samples_of() or nil
    if policy[phase] then wrapped[phase] = measure(policy[phase], all[phase]) end
  end
  return wrapped
end

local function ask(model, request)
  local done
  local leave = inside.send({ listener = model.listeners[1], index = 1, address = "127.0.0.1", request = request },
    function(response, ended) if ended or not response.cut then done = response end end)
  if not inside.run(function() return done ~= nil end, LIMIT) then error("a request does not come to its end", 0) end
  leave()
  return done
end

local function run(model, request, upstream_of, measure)
  local use, all = model.routes[1].policies[1], {}
  local policy = use.policy
  use.policy = wrap(policy, measure, all)
  inside.start(model, upstream_of)
  use.policy = policy
  local answer
  for i = 1, 2 * price.REQUESTS do
    answer = ask(model, request)
    if i == price.REQUESTS then
      for _, samples in pairs(all) do samples.calls, samples.ns, samples.bytes = 0, {}, {} end
      collect()
    end
    if i % 100 == 0 then collect("step", 200) end
  end
  return all, answer
end

--- Measures the first policy of the first route of `model`.
-- @param request for moongate.rehearsal.message
-- @param upstream_of function(address) giving the moongate.test.upstream there
-- @return { status = of the last answer, phases = array of { phase =, calls =, waits =, ns = median, p99 =, bytes =
-- median }, aborts = of moongate.price.traces }
function price.measure(model, request, upstream_of)
  local policy = model.routes[1].policies[1].policy
  traces.start(policy)
  local times, answer = run(model, request, upstream_of, timed)
  local aborts = traces.stop()
  local weights = run(model, request, upstream_of, weighed)
  local phases = {}
  for _, phase in ipairs(PHASES) do
    local time, weight = times[phase], weights[phase]
    if time then
      phases[#phases + 1] = { phase = phase, calls = time.calls, waits = time.calls - #time.ns,
        ns = math.max(0, middle(time.ns, 0.5)), p99 = math.max(0, middle(time.ns, 0.99)),
        bytes = middle(weight.bytes, 0.5) }
    end
  end
  return { status = answer.status, phases = phases, aborts = aborts }
end

return price
