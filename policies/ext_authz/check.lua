--- check: the request by which ext_authz asks (Envoy: ext_authz.v3.HttpService, AuthorizationRequest).
local answer = require "policies.ext_authz.answer"
local check = {}

local PARTIAL = "x-envoy-auth-partial-body"

--- nil, "field: reason" when the settings hold what cannot stand in a request.
function check.mistake(conf)
  if conf.path_prefix ~= "" and not conf.path_prefix:find("^/[^?#%c ]*$") then
    return nil, "path_prefix: expected a path that starts with '/', without a query"
  end
  for name, value in pairs(conf.add_headers) do
    if name:find("[^%w!#$%%&'*+.^_`|~-]") or name == "" or answer.OWN[name:lower()] then
      return nil, "add_headers: bad name of a field: " .. name
    end
    if value:find("[%z\r\n]") then return nil, "add_headers." .. name .. ": a value cannot hold a line end" end
  end
  return true
end

-- The fields of the request that the service gets, lower-case names to lists.
local function fields_of(ctx, wanted, partial)
  local headers = {}
  for name, value in ctx.req.headers:each() do
    name = name:lower()
    if wanted(name) then
      headers[name] = headers[name] or {}
      table.insert(headers[name], value)
    end
  end
  if partial ~= nil and wanted(PARTIAL) then headers[PARTIAL] = tostring(partial) end
  return headers
end

--- A function(ctx, body, whole) that gives what http.request() takes.
function check.maker(conf)
  local listed = answer.names(conf.request_headers or {})
  local function wanted(name) return name == "authorization" or listed(name) end
  return function(ctx, body, whole)
    local req = ctx.req
    local headers = fields_of(ctx, wanted, body and not whole)
    for name, value in pairs(conf.add_headers) do headers[name:lower()] = value end
    local path = conf.path_prefix .. req.path .. (req.query and "?" .. req.query or "")
    return { service = conf.service, subset = conf.subset, url = conf.url and conf.url .. path,
      path = conf.service and path, method = req.method, authority = req.authority, headers = headers, body = body,
      timeout = conf.timeout, limit = conf.answer_limit }
  end
end

return check
