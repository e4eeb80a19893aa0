--- checks: asks endpoints whether they are well, before requests do.  Of all workers one asks, and tells the others.
local abi = require "moongate.abi"
local board = require "moongate.health.board"
local context = require "moongate.ctx"
local log = require "moongate.log"
local metrics = require "moongate.metrics"
local random = require "moongate.random"
local succession = require "moongate.health.succession"
local timer = require "moongate.timer"

local C, span = abi.C, abi.span
local yield = coroutine.yield

local checks = {}

local TICK = 0.1 -- seconds between looks for what is due, and for what other workers found out
local AT_ONCE = 64 -- checks of a worker under way
local JITTER = 0.1 -- of the interval, so that checks do not march in step
local LIMIT = 1048576 -- bytes of an answer

local counted = metrics.counter {
  name = "moongate_health_checks_total", labels = { "service", "outcome" }, help = "Active checks of endpoints.",
}

-- ---- one check ------------------------------------------------------------------------------

-- Nil when the endpoint is well, else why not.
local function verdict(conf, call, rc)
  if rc ~= C.MG_OK then
    C.mg_call_why(call, span)
    return abi.text(span[0])
  end
  if conf.kind == "tcp" then return nil end
  local status = C.mg_call_status(call)
  for _, expected in ipairs(conf.statuses) do
    if status == expected then return nil end
  end
  return ("status %d"):format(status)
end

local function host_of(conf, endpoint)
  return conf.host or endpoint.address:find("^unix:") and "localhost" or endpoint.address
end

local function ask(conf, endpoint, handle)
  local call = C.mg_call_new(context.current()._x, abi.str "GET", abi.str(conf.path), abi.str(host_of(conf, endpoint)))
  if call == nil then return "the path or the host cannot stand in a request" end
  local rc
  if conf.kind == "tcp" then
    rc = C.mg_call_connect(call, handle, conf.timeout)
  else
    rc = C.mg_call_send(call, handle, "", 0, conf.timeout, LIMIT)
  end
  if rc == C.MG_AGAIN then rc = yield() end
  local why = verdict(conf, call, rc)
  C.mg_call_free(call)
  return why
end

--- The state after one more check: "up" or "down", and how many checks in a row have said otherwise.
-- The first check decides alone.
-- @param text as this gave it the time before, or nil; @param well what the check says
-- @return the text, and whether the endpoint is another one now
function checks.step(text, well, conf)
  local state, count = (text or ""):match "^(%a+) (%d+)$"
  local says = well and "up" or "down"
  if not state then return says .. " 0", not well end
  if state == says then return says .. " 0", false end
  count = tonumber(count) + 1
  if count < (well and conf.healthy or conf.unhealthy) then return ("%s %d"):format(state, count), false end
  return says .. " 0", true
end

--- Takes a check's result for what it counts.
-- @param watch, endpoint as when it began, maybe a config ago; @param why it failed, or nil
function checks.settle(watch, endpoint, why)
  watch, endpoint = succession.current(watch, endpoint)
  if not watch then return end
  local conf = watch.checked
  local text, changed = checks.step(board.read("check", watch.name, endpoint), not why, conf)
  board.note("check", watch.name, endpoint, text)
  counted:with(watch.name, why and "failed" or "passed"):add(1)
  watch:set_down(endpoint, text:find "^down" ~= nil)
  if not changed then return end
  local fields = { service = watch.name, endpoint = endpoint.address, why = why }
  if why then log.warn("endpoint unhealthy", fields) else log.info("endpoint healthy", fields) end
  board.change()
end

-- ---- all of them ----------------------------------------------------------------------------

local function run(self, item)
  self.busy = self.busy + 1
  local started = timer.after(0, function()
    local ok, why = pcall(ask, item.watch.checked, item.endpoint, item.handle)
    self.busy = self.busy - 1
    if not ok then error(why, 0) end
    checks.settle(item.watch, item.endpoint, why)
  end)
  if not started then self.busy = self.busy - 1 end
end

--- The next item whose time has come, from the one after `self.at` on: of very many, each has its turn.
-- @param self { items = array of { due = }, at = }
function checks.next_due(self, now)
  for _ = 1, #self.items do
    self.at = self.at % #self.items + 1
    local item = self.items[self.at]
    if now >= item.due then return item end
  end
end

-- A check that may take longer than the interval has all of its time: two of one endpoint never overlap.
local function take_turn(self, item, now)
  local conf = item.watch.checked
  local pause = math.max(conf.interval * (1 + JITTER * random.number()), conf.timeout)
  local mine, left = board.take("turn", item.watch.name, item.endpoint, pause / 1000)
  if mine then run(self, item) end
  item.due = now + (mine and pause or left * 1000 + 1)
end

local function look(self)
  local now = self.now()
  while self.busy < AT_ONCE do
    local item = checks.next_due(self, now)
    if not item then break end
    take_turn(self, item, now)
  end
  for _, watch in pairs(self.watches) do watch:bring_back(now) end
  local changes = board.changes()
  if changes == self.seen then return end
  self.seen = changes
  for _, watch in pairs(self.watches) do watch:look() end
end

--- Checks the endpoints of the services that ask for it, and keeps all workers of one mind about who is out, until the
-- next config takes over.
-- @param watches of moongate.health, by service; @param now function giving milliseconds
function checks.begin(watches, now)
  if not next(watches) then return end
  local self = { watches = watches, items = {}, at = 0, now = now, busy = 0, seen = nil }
  for _, watch in pairs(watches) do
    watch:refresh() -- what was found out while the config was made ready
    for endpoint, handle in pairs(watch.probes) do
      self.items[#self.items + 1] = { watch = watch, endpoint = endpoint, handle = handle, due = 0 }
    end
  end
  timer.after(0, function() look(self) end)
  timer.every(TICK, function() look(self) end)
end

return checks
