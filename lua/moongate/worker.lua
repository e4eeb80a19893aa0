--- worker: makes the model of a config serve in a worker; again on a reload, beside the requests.
local abi = require "moongate.abi"
local bodies = require "moongate.bodies"
local bounded = require "moongate.bounded"
local checks = require "moongate.health.checks"
local collector = require "moongate.collector"
local compiled = require "moongate.compiled"
local health = require "moongate.health"
local image = require "moongate.model.image"
local pause = require "moongate.pause"
local policy = require "moongate.policy"
local runtime = require "moongate.runtime"
local succession = require "moongate.health.succession"
local timer = require "moongate.timer"
local tls = require "moongate.tls"
local uses = require "moongate.model.uses"

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

-- ---- one load -----------------------------------------------------------------------------

local function model_of(bytes)
  local given = image.decode(bytes)
  for _, path in ipairs(given.policy_path) do policy.add_path(path) end
  policy.forget(given.policies)
  uses.bind_all(given.model)
  return given.model
end

-- All contexts before any listener changes, so that a reload that fails has changed nothing.
local function open_contexts(model)
  local contexts = {}
  for i, listener in ipairs(model.listeners) do
    local context, err = tls.server(listener)
    if err then error(("%s: listener %s: %s"):format(listener.at, listener.name, err), 0) end
    contexts[i] = context and abi.gc(context, C.mg_tls_put) or false
    pause.here()
  end
  return contexts
end

local function configure(model, contexts)
  local names = {}
  for i, listener in ipairs(model.listeners) do
    local context = contexts[i] or nil
    if context then abi.gc(context, nil) end -- the core takes it over
    C.mg_listener_configure(i - 1, worker.listener_conf(listener, context))
    names[i] = listener.name
  end
  C.mg_overload_configure(model.overload and model.overload.memory or 0)
  timer.allow(model.budgets.timers)
  bodies.allow(bounded.longest(model.budgets.memory))
  return names
end

-- Until the end nothing has changed: the old model serves on.
local function take(bytes)
  local model = model_of(bytes)
  local before = runtime.model()
  local ready = compiled.new(model, before)
  if model.explain then ready.explaining = require("moongate.explain.live").new(ready, model.explain.token) end
  local contexts = open_contexts(model)
  if not before then coroutine.yield "made" end
  local taken, err = policy.hand_over()
  if not taken then error(err, 0) end
  local names = configure(model, contexts)
  if before then succession.hand_over(before.health, ready.health) end
  runtime.swap(ready)
  checks.begin(ready.health, health.now)
  return names
end

-- ---- in pieces ----------------------------------------------------------------------------

local PIECE = 0.0002 -- seconds at a time, beside requests
local SMALL = 262144 -- bytes of an image
local ROOM = 131072 -- KiB, before a first load looks for garbage
-- Percent to which memory grows between two collections.  One that ended while a model is made would mark at once, with
-- requests waiting, all that was made since it began; so it is to begin later.
local USUAL, LOADING = 200, 300
local INEXACT = 1 / 16 -- of budgets.memory, by which that may be wrong what policies keep

local work -- the coroutine of the load that goes on, or nil
local taking = false -- whether its model is still to be taken; afterwards there is only garbage to collect
local held -- bytes that policies kept before it, or nil: not measured

-- Lets the collector end the round that it is in, or else do a whole one.
local function collect()
  while not collectgarbage("step", 0) do pause.here() end
end

-- What policies keep.  A round that began before took for kept what has become garbage since; a second one does not.
local function measure_held()
  held = tonumber(C.mg_load_begins())
  if held <= runtime.model().source.budgets.memory * INEXACT then return end
  collect()
  held = tonumber(C.mg_load_begins())
end

-- A process's first load: there are neither requests nor an old model.  Of what is made nearly all stays, so little is
-- looked for that may go, and to compile what makes a small model would cost more than it saves.
local function take_first(bytes)
  collector.wait(ROOM)
  if #bytes < SMALL then return bounded.interpreted(take, bytes) end
  return pcall(take, bytes)
end

-- What the model and policies hold is known: what comes is the policies'.
local function end_measure()
  C.mg_load_ends(runtime.model().source.budgets.memory, held)
  held = nil
end

local function load_all(bytes)
  local first = not runtime.model()
  local at_once = first and #bytes < SMALL -- whoever asks first finds it over
  local old = setmetatable({ runtime.model() }, { __mode = "v" })
  collectgarbage("setpause", LOADING)
  if first then
    held = tonumber(C.mg_load_begins())
  else
    collect()
    if not held then measure_held() end
  end
  local ok, result
  if first then ok, result = take_first(bytes) else ok, result = pcall(take, bytes) end
  collectgarbage("setpause", USUAL)
  timer.end_load(ok)
  taking = false
  if jit then jit.flush() end -- traces hold what they were specialised to: the old model
  if first and ok then
    if at_once then collectgarbage() end
    end_measure() -- the bound holds; what is garbage counts as the config's as yet
  end
  coroutine.yield(ok and "ready" or "failed", ok and result or tostring(result))
  if not at_once then
    held = held or tonumber(C.mg_load_begins())
    collect()
    if ok and old[1] then collect() end -- requests made so much meanwhile that a round began before it had gone
    end_measure()
  end
  work = nil
  return "done"
end

--- Begins to load what `moongate run` made of a config (see moongate.cli.load); a load that goes on is given up.
-- @param bytes the image
function worker.begin(bytes)
  if taking then timer.end_load(false) end
  timer.begin_load()
  taking = true
  work = coroutine.create(function() return load_all(bytes) end)
end

--- Goes on with it for a fraction of a millisecond, so that requests do not wait.
-- @return "more": call again; "made": as well, all of a first load is made and nothing of it begun; "ready" and the
--   listeners' names in order: they are configured, and the model serves;
--   "failed" and "file:line: why": the old one serves on; and after both "more", until "done"
function worker.go_on()
  timer.pause_load(false)
  local ok, word, result = pause.piece(work, PIECE)
  timer.pause_load(true)
  if not ok then error(word, 0) end
  return word or "more", result
end

return worker
