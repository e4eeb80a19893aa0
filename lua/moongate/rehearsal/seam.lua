--- seam: the core's functions that would reach the world outside, replaced for a rehearsal.
-- Nothing connects, waits, opens a file or starts a timer; what would have happened is told to the rehearsal.
local abi = require "moongate.abi"

local seam = {}

local real = abi.C
local NEVER = 2 ^ 31 -- ms; a wait that only the rehearsal ends

local stage -- the rehearsal that is told

--- Texts that spans point to, until the next one of their kind.
seam.kept = {}

local function show(span, name, text)
  seam.kept[name] = text
  span[0].ptr, span[0].len = text, #text
end

local calls = {}

-- ---- upstream -----------------------------------------------------------------------------

local function await_answer(x)
  stage:forwarded(x)
  return real.mg_sleep(x, NEVER)
end

--- The lane waits until the rehearsal answers in the endpoint's place; a body that policies stream goes first.
function calls.mg_forward(x, _, _, stream)
  x.attempts = x.attempts + 1
  if stream then return real.MG_OK end
  return await_answer(x)
end

function calls.mg_upstream_wait(x) return await_answer(x) end
function calls.mg_upstream_send() return real.MG_OK end
function calls.mg_upstream_end() return real.MG_OK end

function calls.mg_upstream_address(_, span)
  local address = stage.upstream_address()
  if not address then return real.MG_ENOENT end
  show(span, "address", address)
  return real.MG_OK
end

-- ---- the rest of the world ----------------------------------------------------------------

function calls.mg_sleep(_, ms)
  stage:note(("waits %s"):format(stage.duration(ms)))
  return real.MG_OK
end

function calls.mg_call_new(x, method, path, authority)
  stage:note(("calls %s %s of %s: not done here"):format(abi.text(method), abi.text(path), abi.text(authority)))
  return real.mg_call_new(x, method, path, authority)
end

function calls.mg_call_send() return real.MG_ECONNECT end
function calls.mg_call_connect() return real.MG_ECONNECT end
function calls.mg_call_why(_, span) show(span, "why", "a rehearsal calls nobody") end
function calls.mg_timer_start() return real.MG_OK end
function calls.mg_timer_stop() end
function calls.mg_sink_get() return 0 end
function calls.mg_sink_write(_, line, len) stage:logged(line:sub(1, tonumber(len))) end
function calls.mg_log_text(_, text, len) stage:note("log: " .. text:sub(1, tonumber(len))) end

-- ---- putting it in place ------------------------------------------------------------------

--- From now on modules that are loaded see these functions in abi.C; none that calls them may be loaded before.
function seam.install()
  assert(not package.loaded["moongate.ctx"], "rehearsal: the runtime is loaded already")
  if abi.C == real then abi.C = setmetatable(calls, { __index = real }) end
end

--- `told` hears from now on: forwarded(x), note(text), logged(line), and asked
-- without itself duration(ms) → text and upstream_address() → text or nil.
function seam.tell(told) stage = told end

return seam
