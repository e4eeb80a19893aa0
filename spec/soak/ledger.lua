--- ledger: what the clients of a soak saw, and which errors are excused.
--
-- Only one thing excuses a connection that breaks: the worker that had it was killed. Which connections those are is
-- known to the port (spec/soak/procs.lua); that of who only waited to be accepted is not among them, for the listening
-- socket outlives its worker.
local ledger = {}

local methods = {}

local SHOWN = 10 -- of each kind

--- @return { edition = { served =, written = }: the oldest and newest that may answer, busy = clients at work,
-- quiet = they are to close their connections and wait, stopping = they are to end, statuses =, wrong_answers =,
-- unexpected =, excused =, killed = connections of killed workers, leavers =, shown = array of texts }
function ledger.new()
  return setmetatable({ edition = { served = 1, written = 1 }, busy = 0, statuses = {}, total = 0, wrong_answers = 0,
    unexpected = 0, excused = 0, killed = 0, leavers = 0, dead = {}, shown = {} }, { __index = methods })
end

function methods:show(nth, text)
  if nth <= SHOWN then self.shown[#self.shown + 1] = os.date "!%H:%M:%S " .. text end
end

--- A connection is new: its port may have been another's.
function methods:opened(conn) self.dead[conn.port] = nil end

--- The worker that has the connections from these ports (a set) is being killed.
function methods:kill(ports)
  for port in pairs(ports) do
    self.dead[port] = true
    self.killed = self.killed + 1
  end
end

--- An answer came that is right in every byte.
function methods:answered(status)
  self.statuses[status] = (self.statuses[status] or 0) + 1
  self.total = self.total + 1
end

--- A client left of its own will.
function methods:left() self.leavers = self.leavers + 1 end

--- An answer, or a request at the upstream, that is not what it must be.
function methods:wrong(text)
  self.wrong_answers = self.wrong_answers + 1
  self:show(self.wrong_answers, "wrong: " .. text)
end

--- No answer came.
function methods:failed(text, conn)
  if conn and self.dead[conn.port] then
    self.excused = self.excused + 1
    return
  end
  self.unexpected = self.unexpected + 1
  self:show(self.unexpected, "error: " .. text)
end

return ledger
