--- worker: loads the config in a worker and makes it serve; again on a reload.
local abi = require "moongate.abi"
local checks = require "moongate.health.checks"
local compiled = require "moongate.compiled"
local health = require "moongate.health"
local load = require "moongate.cli.load"
local policy = require "moongate.policy"
local runtime = require "moongate.runtime"
local timer = require "moongate.timer"
local tls = require "moongate.tls"

local C = abi.C

local worker = {}

local CLIENT_CERT = { remove = 0, set = 1, trust = 2 }

--- The core's settings for a listener of the model; `context` is its TLS context, or nil.
function worker.listener_conf(listener, context)
  local l = listener.limits
  return abi.new("struct mg_listener_conf", {
    port = listener.port, tls = context, permissive = listener.tls and listener.tls.permissive or false,
    proxied = listener.proxy_protocol,
    client_cert_header = CLIENT_CERT[listener.client_cert_header], trust_request_id = listener.trust_request_id,
    append_forwarded_for = listener.append_forwarded_for, trusted_hops = listener.trusted_hops,
    request_line_bytes = l.request_line_bytes, header_bytes = l.header_bytes, header_count = l.header_count,
    trailer_bytes = l.trailer_bytes, body_bytes = l.body_bytes, header_timeout_ms = l.header_timeout,
    body_timeout_ms = l.body_timeout, body_rate = l.body_rate, idle_timeout_ms = l.idle_timeout,
    write_timeout_ms = l.write_timeout, requests_per_connection = l.requests_per_connection,
    connections = l.connections, connections_per_client = l.connections_per_client,
  })
end

local function load_model(words)
  local said = {}
  local values, err = load.options(words)
  local model = values and load.model(values, function(text) said[#said + 1] = text end)
  if not model then error(err or table.concat(said):gsub("\n$", ""), 0) end
  return model
end

-- All contexts before any listener changes, so that a reload that fails has changed nothing.
local function open_contexts(model)
  local contexts = {}
  for i, listener in ipairs(model.listeners) do
    local context, err = tls.server(listener)
    if err then error(("%s: listener %s: %s"):format(listener.at, listener.name, err), 0) end
    contexts[i] = context and abi.gc(context, C.mg_tls_put) or false
  end
  return contexts
end

local function start(words)
  local model = load_model(words)
  local ready = compiled.new(model, runtime.model())
  if model.explain then ready.explaining = require("moongate.explain.live").new(ready, model.explain.token) end
  local contexts = open_contexts(model)
  local taken, err = policy.hand_over()
  if not taken then error(err, 0) end
  local names = {}
  for i, listener in ipairs(model.listeners) do
    local context = contexts[i] or nil
    if context then abi.gc(context, nil) end -- the core takes it over
    C.mg_listener_configure(i - 1, worker.listener_conf(listener, context))
    names[i] = listener.name
  end
  C.mg_overload_configure(model.overload and model.overload.memory or 0)
  timer.allow(model.budgets.timers)
  runtime.swap(ready)
  checks.begin(ready.health, health.now)
  return names, model.budgets.memory
end

--- Loads the config that the command line `words` (its first word is the command) names, and swaps it in.
-- @return the names of its listeners in order; or nil and a text of "file:line: why" lines: then the old one serves on
function worker.start(words)
  local rest = {}
  for i = 2, #words do rest[i - 1] = words[i] end
  timer.begin_load()
  collectgarbage()
  local held = C.mg_budget_memory_held()
  local ok, result, memory = pcall(start, rest)
  timer.end_load(ok)
  if jit then jit.flush() end -- traces hold what they were specialised to: the old model
  collectgarbage() -- marks it dead and runs its finalizers;
  collectgarbage() -- frees what they held
  if not ok then return nil, tostring(result) end
  C.mg_budget_memory(memory, held) -- the rest is the config's
  return result
end

return worker
