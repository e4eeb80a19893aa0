--- places: who stands at an address of a model.
local places = {}

--- The name of the service that has an endpoint there, or nil.
function places.service_at(model, address)
  for name, service in pairs(model.services) do
    for _, endpoint in ipairs(service.endpoints or {}) do
      if endpoint.address == address then return name end
    end
  end
end

--- Whether a listener does.
function places.is_listener(model, address)
  for _, listener in ipairs(model.listeners) do
    if listener.address == address then return true end
  end
  return false
end

return places
