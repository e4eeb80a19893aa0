--- chain: the policies of a route as one function a phase.
-- The functions are generated, so a phase is a straight line of calls that compiles to one trace: no loop over a
-- list, no look at a config, nothing for a policy that lacks the phase.
local bounded = require "moongate.bounded"
local cost = require "moongate.cost"
local guard = require "moongate.guard"
local policy = require "moongate.policy"
local watch = require "moongate.watch"

local chain = {}

local PHASES = { "request", "request_body", "try", "tried", "response", "response_body", "log" }
local ARGUMENTS = { request = "", response = ", entered", log = ", from", try = "", tried = ", failure" }

local makers = {} -- by code: chains of one shape share one prototype, and so its traces, however many routes there are

-- P, K and N hold the phase's functions, the policies' confs and their names, by position in the chain; `face` is what
-- policies get of ctx.
local function generate(lines, functions, confs, uses, name)
  local code = [[local P, K, N, decided = ...
    return function(ctx%s)
      local state, face = ctx._s, ctx._f
      %s
    end]]
  code = code:format(ARGUMENTS[name], table.concat(lines, "\n"))
  makers[code] = makers[code] or assert(load(code, "=chain:" .. name, "t"))
  return makers[code](functions, confs, uses.names, cost.decided)
end

local function function_of(uses, i, phase)
  local fn, at = uses[i].policy[phase], uses.offset + i
  return watch.watched(uses.watchers, at, uses.names[at], phase, uses[i].guards and guard(fn) or fn)
end

-- In the lines "$i" is a policy's position in the chain, "$n" the one by which its notes are known.
local function each(uses, phase, line, first, last, step)
  local functions, confs, lines = {}, {}, {}
  for i = first, last, step do
    local use = uses[i]
    if use.policy[phase] then
      functions[i], confs[i] = function_of(uses, i, phase), use.prepared
      lines[#lines + 1] = line:gsub("%$%a", { ["$i"] = i, ["$n"] = uses.offset + i })
    end
  end
  return lines, functions, confs
end

local function request_phase(uses)
  local lines, functions, confs = each(uses, "request",
    [[state.i = $n
      do
        local answer = P[$i](K[$i], face)
        if answer ~= nil then decided(N[$n], "request", ctx) return answer, $i end
      end]], 1, #uses, 1)
  lines[#lines + 1] = "return nil, " .. #uses
  return generate(lines, functions, confs, uses, "request")
end

-- Answers run back up the list, through the policies whose request phase was entered.
local function response_phase(uses)
  local lines, functions, confs = each(uses, "response", "if entered >= $i then state.i = $n; P[$i](K[$i], face) end",
    #uses, 1, -1)
  return generate(lines, functions, confs, uses, "response")
end

local function log_phase(uses)
  local line = "if from <= $i then state.i = $n; P[$i](K[$i], face) end"
  local lines, functions, confs = each(uses, "log", line, 1, #uses, 1)
  if #lines == 0 then return false end
  return generate(lines, functions, confs, uses, "log")
end

-- Around each try upstream: what is set up last before it is asked first after it.
local function try_phase(uses)
  local lines, functions, confs = each(uses, "try", "state.i = $n; P[$i](K[$i], face)", 1, #uses, 1)
  if #lines == 0 then return false end
  table.insert(lines, 1, 'state.phase = "try"')
  return generate(lines, functions, confs, uses, "try")
end

local function tried_phase(uses)
  local lines, functions, confs = each(uses, "tried", "state.i = $n; P[$i](K[$i], face, failure)", #uses, 1, -1)
  if #lines == 0 then return false end
  table.insert(lines, 1, 'state.phase = "tried"')
  return generate(lines, functions, confs, uses, "tried")
end

-- What the chain wants of one body: nil, or { whole =, limit =, hold =,
-- run = function(ctx, bytes, last) → bytes, answer }.
local function body_phase(uses, side)
  local phase, steps, whole, limit, hold = side .. "_body", {}, false, nil, false
  for i, use in ipairs(uses) do
    local body = use.body
    local kind = body and body[side] or "none"
    if kind ~= "none" then
      hold = hold or body.hold
      if kind == "whole" then
        whole, limit = true, math.min(limit or math.huge, body.limit)
      end
      if use.policy[phase] then
        local step = { i = uses.offset + i, fn = function_of(uses, i, phase), conf = use.prepared }
        table.insert(steps, side == "response" and 1 or #steps + 1, step)
      end
    end
  end
  if #steps == 0 and not whole then return nil end
  return {
    whole = whole,
    limit = limit,
    hold = hold,
    run = function(ctx, bytes, last)
      ctx._s.phase = phase
      local face = ctx._f
      for _, step in ipairs(steps) do
        ctx._s.i = step.i
        local result = step.fn(step.conf, face, bytes, last)
        if type(result) == "string" then
          bytes = result
        elseif result ~= nil then
          return bytes, result
        end
      end
      return bytes
    end,
  }
end

--- Calls prepare() of one use of a policy.
-- @return true and the settings for its phases; or false and "policy 'NAME': FILE:LINE: why"
function chain.prepare(use)
  if not use.policy.prepare then return true, use.conf end
  local ok, conf = bounded.pcall(use.policy.prepare, use.conf)
  if not ok then return false, ("policy '%s': %s"):format(use.name, tostring(conf)) end
  return true, conf or use.conf
end

local function build(uses)
  return {
    names = uses.names,
    budgets = uses.budgets,
    request = request_phase(uses),
    response = response_phase(uses),
    log = log_phase(uses),
    try = try_phase(uses),
    tried = tried_phase(uses),
    request_body = body_phase(uses, "request"),
    response_body = body_phase(uses, "response"),
    uses = uses,
  }
end

--- The chain of `uses` (see moongate.model): names, budgets (ms of CPU time, of uses that say so), and
-- request(ctx) → answer or nil, position reached; response(ctx, entered); log(ctx, from): those from position `from`
-- on, or false; try(ctx) and tried(ctx, failure), or false; request_body and response_body (nil when no policy
-- declares them).
-- A chain that runs inside another one gets an `offset` (0 when absent) greater than any position there: names and the
-- notes of its policies are kept by position plus offset.
-- `known` maps uses to what they were prepared to: prepare() runs once a worker for each use, that is once for a route
-- (and once in all for the policies around every route).  Raises "file:line: why" when one fails.
function chain.new(uses, known, offset)
  local prepared = { offset = offset or 0, names = {}, budgets = {} }
  for i, use in ipairs(uses) do
    if not known[use] then
      local ok, conf = chain.prepare(use)
      if not ok then error(use.at and use.at .. ": " .. conf or conf, 0) end
      known[use] = { policy = use.policy, prepared = conf, guards = use.on_error == "skip",
        body = assert(policy.body(use.policy, use.conf)) }
    end
    prepared[i] = known[use]
    prepared.names[prepared.offset + i], prepared.budgets[prepared.offset + i] = use.name, use.cpu_budget
  end
  prepared.watchers = watch.watchers(prepared)
  local self = build(prepared)
  self.timed = false
  return self
end

-- The same uses, each of whose phases tells how long it took.
local function timed_uses(uses)
  local timed = { offset = uses.offset, names = uses.names, budgets = uses.budgets, watchers = uses.watchers }
  for i, use in ipairs(uses) do
    local module = {}
    for name, value in pairs(use.policy) do module[name] = value end
    for _, phase in ipairs(PHASES) do
      local fn = module[phase]
      module[phase] = fn and cost.timed(uses.names[uses.offset + i], phase, fn)
    end
    timed[i] = { policy = module, prepared = use.prepared, guards = use.guards, body = use.body }
  end
  return timed
end

--- The form of a chain that the request of `ctx` runs through: itself, or its timed one, made when first asked for.
function chain.form(self, ctx)
  if not ctx._x.timed then return self end
  self.timed = self.timed or build(timed_uses(self.uses))
  return self.timed
end

return chain
