--- shown: what the metrics say of endpoints that are out, as long as they are endpoints.
local metrics = require "moongate.metrics"

local shown = {}

local leaving = metrics.gauge {
  name = "moongate_upstream_endpoint_out", labels = { "service", "endpoint" },
  help = "Workers that send an endpoint nothing, since it failed or was found unwell.",
}

local function show(service, address, state, out)
  if state.shown == out then return end
  state.shown = out
  leaving:with(service, address):set(out and 1 or 0)
end

--- Whether the endpoint is out.
-- @param state of moongate.health: until_, down
function shown.tell(service, address, state)
  if not state.gone then show(service, address, state, (state.until_ or state.down) and true or false) end
end

--- Says no more of an endpoint that has gone, also when a check of it ends later.
function shown.forget(service, address, state)
  show(service, address, state, false)
  state.gone = true
end

return shown
