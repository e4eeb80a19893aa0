--- model: checks what a front end read and makes it the whole, plain table that the runtime runs.
-- A front end gives a draft: a model (listeners, admin, services, policies, routes) in which whatever has a default may
-- be absent, a use of a policy is { name =, conf =, at = }, and values have their types and units already. (A front end
-- that has found mistakes itself may still have the rest checked: required fields may then be absent too.)
-- Here come defaults, policy modules and their settings, and everything that needs two parts at once.
local address = require "moongate.model.address"
local bounded = require "moongate.bounded"
local defaults = require "moongate.model.defaults"
local order = require "moongate.model.order"
local policy = require "moongate.policy"
local route_check = require "moongate.model.route"
local service_check = require "moongate.model.service"
local schema = require "moongate.schema"
local shadow = require "moongate.shadow"
local suggest = require "moongate.suggest"
local uses_of = require "moongate.model.uses"

local join = schema.join
local model = {}

local ANY_ADDRESS = { ["0.0.0.0"] = true, ["::"] = true }
local NOT_OF_BACKENDS = { "request_body", "try", "tried", "response_body", "log" }
local NOT_OF_LISTENERS = { "request_body", "try", "tried", "response", "response_body", "log" }
local MOST_LISTENERS = 1024 -- MG_PLAN_LISTENERS of the core

-- What the use says of itself.  To go on without a policy that failed is safe where it could only have looked on.
local function check_way(use, module, path, report)
  local said = { cpu_budget = use.cpu_budget, on_error = use.on_error }
  local way = schema.check(policy.OF_A_USE, said, join(path, "conf"), report)
  use.cpu_budget, use.on_error = way.cpu_budget, way.on_error
  if use.on_error ~= "skip" or module.decides == false then return end
  local text = "\"skip\" is for policies that declare decides = false, which '%s' does not"
  report(join(join(path, "conf"), "on_error"), text:format(use.name))
end

-- Code is told where it stands, for its messages.
local function place_code(use, module)
  for _, field in ipairs(module.schema) do
    local text = field.type == "code" and use.conf and use.conf[field[1]]
    if type(text) == "string" and use.text_at then
      local file, line = use.text_at(field[1])
      use.conf[field[1]] = { text = text, file = file, line = line }
    end
  end
end

-- A body that is read whole becomes one string.
local function check_body(use, module, path, largest, report)
  local body, why = policy.body(module, use.conf)
  local shadowed = body and use.shadow and shadow.refusal(module, body)
  if not body then
    report(path, ("policy '%s': %s"):format(use.name, why))
  elseif (body.request == "whole" or body.response == "whole") and body.limit > largest then
    report(path, ("policy '%s' reads bodies of up to %d bytes whole, and one string of a policy may be %d long; "
      .. "expected a lower limit or a higher 'memory' in 'budgets'"):format(use.name, body.limit, largest))
  elseif shadowed then
    report(join(path, "shadow"), ("policy '%s' cannot run in the shadow: it %s"):format(use.name, shadowed))
  end
end

local function check_use(use, path, largest, report)
  local module, err = policy.load(use.name)
  if not module then return report(path, err) end
  place_code(use, module)
  if use.cpu_budget or use.on_error then check_way(use, module, path, report) end
  uses_of.bind(use, module)
  use.sound = true
  local function unsound(...)
    use.sound = false
    report(...)
  end
  use.conf = policy.settings(module, use.conf or {}, join(path, "conf"), unsound)
  if use.sound then check_body(use, module, path, largest, unsound) end
end

-- Whether the phase is one that this use of a policy needs: that of a body may be its settings' matter.
local function needs(use, phase)
  if not use.policy or not use.policy[phase] then return false end
  local side = phase:match "^(%l+)_body$"
  local body = side and (type(use.policy.body) == "table" or use.sound) and policy.body(use.policy, use.conf)
  return not body or body[side] ~= "none", body
end

-- Routes may share a use: it is checked where it is met first.
local function check_uses(uses, path, largest, report)
  for i, use in ipairs(uses) do
    if not use.policy then check_use(use, join(path, i), largest, report) end
  end
  return uses
end

-- Policies of a backend: it is chosen when the request's body may have been read whole already, and the log is the
-- route's. Policies of a listener: before there is a route there is nothing but a request's head.
local function check_uses_without(phases, uses, path, largest, report)
  for i, use in ipairs(check_uses(uses, path, largest, report)) do
    for _, phase in ipairs(phases) do
      local needed, body = needs(use, phase)
      local streams = phases == NOT_OF_BACKENDS and phase == "request_body" and body and body.request == "chunks"
      if needed and not streams then
        local text = "policy '%s' has the phase %s, which runs for routes only; expected it among the route's policies"
        report(join(path, i), text:format(use.name, phase))
        break
      end
    end
  end
end

local function check_tls(listener, path, report)
  local tls = defaults.fill(listener.tls, defaults.tls)
  tls.alpn = tls.alpn or { "http/1.1" }
  if #(tls.certs or {}) == 0 then report(path, "expected a certificate: 'cert' and 'key', or 'certs'") end
  if tls.client_auth ~= "none" and tls.client_ca == "" then
    report(path, ("client_auth = %q needs 'client_ca'"):format(tls.client_auth))
  end
end

local function claim(taken, host, port, what, path, report)
  local key = host .. ":" .. port
  if taken[key] then
    report(path, ("%s is taken already by %s; expected an address of its own"):format(key, taken[key]))
  else
    taken[key] = what
  end
end

local function check_unix(listener, taken, path, report)
  local file, err = address.parse_unix(listener.address)
  if not file then return report(join(path, "address"), ("bad address %q; %s"):format(listener.address, err)) end
  listener.port = listener.port or 0
  claim(taken, "unix", file, ("listener '%s'"):format(listener.name), join(path, "address"), report)
end

local function check_admin(admin, taken, report)
  local path = { "admin", "address" }
  local host, port
  if address.is_unix(admin.address) then
    host, port = address.parse_unix(admin.address)
    if host then return claim(taken, "unix", host, "a listener", path, report) end
  else
    host, port = address.parse_ip(admin.address)
    if host then return claim(taken, host, port, "a listener", path, report) end
  end
  report(path, ("bad address %q; %s"):format(admin.address, port))
end

local function check_listener(listener, known, taken, path, report)
  defaults.fill(listener, defaults.listener)
  listener.limits = defaults.fill(listener.limits, defaults.limits)
  if known[listener.name] then report(path, ("a second listener named '%s'"):format(listener.name)) end
  known[listener.name] = listener
  address.check_patterns(listener.sections or {}, function(i, message)
    report(join(join(path, "sections"), i), message)
  end)
  if listener.tls then check_tls(listener, join(path, "tls"), report) end
  check_uses_without(NOT_OF_LISTENERS, listener.policies or {}, join(path, "policies"), math.huge, report)
  if not listener.address then return end
  if address.is_unix(listener.address) then return check_unix(listener, taken, path, report) end
  if listener.mode then report(join(path, "mode"), "stands with the address of a Unix socket only") end
  local host, port = address.parse_ip(listener.address)
  if not host then
    return report(join(path, "address"), ("bad address %q; %s"):format(listener.address, port))
  end
  listener.port = listener.port or port
  listener.host = not ANY_ADDRESS[host] and host or nil -- what ctx.local_address is
  claim(taken, host, port, ("listener '%s'"):format(listener.name), join(path, "address"), report)
end

local function check_listeners(draft, options, report)
  local known, taken = {}, {}
  for i, listener in ipairs(draft.listeners) do
    check_listener(listener, known, taken, { "listeners", i }, report)
  end
  if #draft.listeners == 0 and not options.may_be_idle then
    report({ "listeners" }, "expected at least one listener")
  end
  if #draft.listeners > MOST_LISTENERS then
    report({ "listeners" }, ("expected at most %d listeners, got %d"):format(MOST_LISTENERS, #draft.listeners))
  end
  if draft.admin and draft.admin.address then check_admin(draft.admin, taken, report) end
  return known
end

local function check_routes(draft, listeners, largest, report)
  local known = { listeners = listeners, services = draft.services, answers = #draft.policies > 0 }
  for i, route in ipairs(draft.routes) do
    local path = { "routes", i }
    route.name = route.name or ("route-" .. i)
    route.policies = check_uses(route.policies or {}, join(path, "policies"), largest, report)
    route_check.check(route, known, path, report)
    for j, backend in ipairs(route.backends) do
      if backend.policies then
        check_uses_without(NOT_OF_BACKENDS, backend.policies, join(join(join(path, "backends"), j), "policies"),
          largest, report)
      end
    end
  end
end

--- Checks and completes a draft, in place.
-- @param report called as report(path, message) for every mistake, `path` an array of keys into the draft
-- @param options { by_specificity = true: sort the routes so; false: keep the order written;
-- may_be_idle = true: a model without listeners is one too }
-- @return the model, or nil when anything was reported
function model.check(draft, report, options)
  local count = 0
  local function counted(path, message)
    count = count + 1
    report(path, message)
  end
  draft.process = defaults.fill(draft.process, defaults.process)
  if draft.process.group and not draft.process.user then
    counted({ "process", "group" }, "stands with 'user' only")
  end
  for _, part in ipairs { "listeners", "services", "policies", "routes" } do draft[part] = draft[part] or {} end
  draft.budgets = defaults.fill(draft.budgets, defaults.budgets)
  local listeners = check_listeners(draft, options, counted)
  for _, name in ipairs(suggest.keys(draft.services)) do
    service_check.check(draft.services[name], name, { "services", name }, counted)
  end
  local largest = bounded.longest(draft.budgets.memory)
  check_uses(draft.policies, { "policies" }, largest, counted)
  check_routes(draft, listeners, largest, counted)
  if count > 0 then return nil end
  draft.routes = order.rank(draft.routes, options.by_specificity)
  draft.order = options.by_specificity and "specificity" or "written"
  return draft
end

--- The "file:line" of the innermost part on the way of `path` that has one, for front ends that keep `at` fields.
function model.at(draft, path)
  local part, at = draft, nil
  for _, key in ipairs(path) do
    if type(part) ~= "table" then break end
    at = part.at or at
    part = part[key]
  end
  return type(part) == "table" and part.at or at
end

return model
