--- jwks: where sets of keys come from: a text, or an address that is asked again before what it said is old.
--
-- A source is shared by all that name the same one, and lives on across reloads. One timer a worker looks after all:
-- each is fetched when a config is loaded, again after `refresh`, and after failures less and less often. What was
-- good last serves on for `keep`. A token whose key is not there may have the set fetched at once, once in `gap`.
-- Requests wait for a set only while there is none, or while such a fetch runs, and never longer than its `timeout`.
local closed = require "moongate.closed"
local http = require "moongate.http"
local json = require "moongate.json"
local jwk = require "moongate.jwk"
local log = require "moongate.log"
local metrics = require "moongate.metrics"
local protected = require "moongate.protected"
local time = require "moongate.time"
local timer = require "moongate.timer"

local jwks = {}

local LIMIT = 262144 -- bytes of an answer
local TICK = 0.5 -- seconds between two looks at all sources
local RETRY, RETRY_MOST = 1, 60 -- seconds after a failure, doubled each time
local FIRST_PAUSE, LONGEST_PAUSE = 4, 50 -- ms between two looks of a request that waits
local DISCOVERY = "/.well-known/openid-configuration" -- OpenID Connect Discovery 1.0, section 4

local sources = setmetatable({}, { __mode = "v" }) -- by what they are; a model's policies keep them

-- Policies share sources, so none may look inside of one, or of its set: it could put a key there.
local make_handle, source_of = closed.class(nil)
local kept_by -- number of the load whose timer looks after them

local fetches

local function count(outcome)
  fetches = fetches or metrics.counter { name = "moongate_jwks_fetches_total", labels = { "outcome" },
    help = "Fetches of key sets, by outcome." }
  fetches:with(outcome):add(1)
end

-- ---- fetching -----------------------------------------------------------------------------

-- The body of a 200 answer within the time that is left, or nil and why.
local function get(request, deadline)
  local left = math.floor((deadline - time.monotonic()) * 1000)
  if left < 1 then return nil, "its time is over" end
  request.timeout, request.limit = left, LIMIT
  local response, why = http.request(request)
  if not response then return nil, why end
  if response.status ~= 200 then return nil, "the answer has status " .. response.status end
  return response.body
end

-- Where the provider says that its keys are. What an https issuer vouches for must not be fetched in clear.
local function discovered(source, deadline)
  local text, why = get({ url = source.issuer:gsub("/$", "") .. DISCOVERY }, deadline)
  if not text then return nil, why end
  local value = json.decode(text)
  local uri = type(value) == "table" and value.jwks_uri
  if type(uri) ~= "string" or not uri:find "^https?://" then return nil, "the answer has no [jwks_uri]" end
  if source.issuer:find "^https:" and not uri:find "^https:" then return nil, "[jwks_uri] is not https" end
  return { url = uri }
end

local function fetch(source)
  local deadline = time.monotonic() + source.timeout / 1000
  local request, why = { url = source.url, service = source.service, path = source.path, authority = source.authority }
  if source.issuer then request, why = discovered(source, deadline) end
  local text
  if request then text, why = get(request, deadline) end
  if not text then return nil, why end
  if source.set and source.set.text == text then return source.set end
  return jwk.read(text)
end

local function succeed(source, set)
  count "fetched"
  if set ~= source.set and set.left_out[1] then
    log.warn("jwks: keys left out", { source = source.name, first = set.left_out[1], count = #set.left_out })
  end
  if source.trouble then log.info("jwks: fetched again", { source = source.name }) end
  source.set, source.good_at, source.trouble, source.retry = set, time.monotonic(), nil, RETRY
  source.due = source.good_at + source.refresh / 1000
end

local function fail(source, why)
  count "failed"
  if source.trouble ~= why then log.warn("jwks: not fetched", { source = source.name, error = why }) end
  source.trouble = why
  source.due = time.monotonic() + source.retry
  source.retry = math.min(source.retry * 2, RETRY_MOST)
end

local function run(source)
  local ok, set, why = protected.pcall(fetch, source)
  if ok and set then succeed(source, set) else fail(source, tostring(not ok and set or why)) end
  source.busy = false
end

-- On a lane of its own, so that it goes on when the request that asked for it does not.
local function start(source)
  source.busy = true
  if not timer.after(0, function() run(source) end) then source.busy = false end
end

-- ---- looking after them -------------------------------------------------------------------

local function look()
  local now = time.monotonic()
  for _, source in pairs(sources) do
    if source.due and now >= source.due and not source.busy then start(source) end
    if source.good_at and now - source.good_at > source.keep / 1000 then source.set = nil end
  end
end

local function look_after()
  local number = timer.load_number()
  if kept_by == number then return end
  kept_by = number
  timer.after(0, look)
  timer.every(TICK, look)
end

local function key_of(...)
  local parts = { ... }
  for i = 1, select("#", ...) do parts[i] = tostring(parts[i]) end
  return table.concat(parts, "\0")
end

--- A source whose set never changes, of a set's text; or nil and what is wrong with it.
function jwks.fixed(text)
  local key = key_of("text", text)
  local source = sources[key]
  if source then return make_handle(source) end
  local set, why = jwk.read(text)
  if not set then return nil, why end
  source = { set = set }
  sources[key] = source
  return make_handle(source)
end

local TIMES = { "timeout", "refresh", "keep", "gap" }

-- All sources are looked after in one loop, which what one policy has left out must not end for the others.
local function check(from)
  if type(from) ~= "table" then error("jwks.remote: expected a table, got a " .. type(from), 3) end
  for _, name in ipairs(TIMES) do
    local ms = from[name]
    local known = type(ms) == "number" and ms >= 0
    if not known then
      error(("jwks.remote: %s: expected milliseconds, got %s"):format(name, tostring(ms)), 3)
    end
  end
  for _, name in ipairs { "url", "service", "path", "authority", "issuer" } do
    if from[name] ~= nil and type(from[name]) ~= "string" then
      error(("jwks.remote: %s: expected a string, got a %s"):format(name, type(from[name])), 3)
    end
  end
  if not (from.url or from.service or from.issuer) then
    error("jwks.remote: expected one of url, service and issuer", 3)
  end
end

--- A source that is fetched.
-- @param from one of url; service with path and authority; issuer, whose discovery document names the address. And,
-- in ms: timeout of a fetch, refresh = time between two, keep = how long a set outlives failures, gap = least time
-- between two fetches that tokens with unknown keys cause
function jwks.remote(from)
  check(from)
  local key = key_of("remote", from.url, from.service, from.path, from.authority, from.issuer, from.timeout,
    from.refresh, from.keep, from.gap)
  local source = sources[key]
  if not source then
    source = { url = from.url, service = from.service, path = from.path, authority = from.authority,
      issuer = from.issuer, timeout = from.timeout, refresh = from.refresh, keep = from.keep, gap = from.gap,
      name = from.url or from.service or from.issuer, due = 0, retry = RETRY, renewed_at = -math.huge, busy = false }
    sources[key] = source
  end
  look_after()
  return make_handle(source)
end

-- ---- for a request ------------------------------------------------------------------------

-- Until the fetch that runs has ended, or should have.
local function await(source, ctx)
  local deadline, pause = time.monotonic() + source.timeout / 1000 + 1, FIRST_PAUSE
  while source.busy and time.monotonic() < deadline do
    ctx:sleep(pause)
    pause = math.min(pause * 2, LONGEST_PAUSE)
  end
end

--- The set of a source if it is there, else nil; never waits.
function jwks.at_hand(handle)
  local set = source_of[handle].set
  return set and set.handle
end

--- The set of a source, for which the request may have to wait while there is none; nil: there is none yet.
function jwks.set(handle, ctx)
  local source = source_of[handle]
  if not source.set then
    if not source.busy and time.monotonic() >= source.due then start(source) end
    await(source, ctx)
  end
  return source.set and source.set.handle
end

--- The set that came in place of `old`, which lacks a key, or nil.
function jwks.renewed(handle, ctx, old)
  local source = source_of[handle]
  if jwks.at_hand(handle) ~= old then return jwks.at_hand(handle) end
  if not source.due then return nil end
  if not source.busy then
    local now = time.monotonic()
    if now - source.renewed_at < source.gap / 1000 then return nil end
    source.renewed_at = now
    start(source)
  end
  await(source, ctx)
  local set = jwks.at_hand(handle)
  return set ~= old and set or nil
end

return jwks
