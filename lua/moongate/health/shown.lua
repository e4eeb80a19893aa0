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

--- Says no more of those that only `before` knows, also when a check of theirs ends later.
-- @param before, after health of each service: of the config that ends, and of the one that takes over
function shown.hand_over(before, after)
  for service, watch in pairs(before) do
    local stay = after[service] and after[service].by_address or {}
    for address, state in pairs(watch.by_address) do
      if stay[address] == state then
        shown.tell(service, address, state)
      else
        show(service, address, state, false)
        state.gone = true
      end
    end
  end
end

return shown
