--- grpc_match: the path that a GRPCRoute's match means: a call is a POST to /SERVICE/METHOD.
local path_of = require "moongate.config.manifests.path"

local grpc_match = {}

-- GRPCMethodMatch: names with dots between them, and perhaps one before.
local function is_service(text)
  return text:find("^[%a_.][%w_.]*$") and text:find("[%w_]$") and not text:find("%.[%d.]")
end

local function is_method(text) return text:find("^[%a_][%w_]*$") end

local function check(route, path, name, value, fits)
  if value and not fits(value) then
    route:refuse(path_of(path, name), ("expected the name of a %s, got %q"):format(name, value))
  end
end

--- @param spec a GRPCMethodMatch or nil
-- @return the model's path match; nil: any path
function grpc_match.path(route, path, spec)
  if not spec then return nil end
  local service, method = spec.service, spec.method
  if not service and not method then
    return route:refuse(path, "expected service, method or both")
  elseif spec.type == "RegularExpression" then
    return { regex = ("/(?:%s)/(?:%s)"):format(service or "[^/]+", method or "[^/]+") }
  end
  check(route, path, "service", service, is_service)
  check(route, path, "method", method, is_method)
  if service and method then return { exact = ("/%s/%s"):format(service, method) } end
  if service then return { prefix = "/" .. service } end
  return { regex = "/[^/]+/" .. method }
end

return grpc_match
