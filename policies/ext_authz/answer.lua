--- answer: what of the service's answer goes where (Envoy: ext_authz.v3.AuthorizationResponse).
local pattern = require "policies.rbac.pattern"
local answer = {}

--- Fields that frame a message or belong to one connection; they are never passed on (RFC 9110, section 7.6.1).
answer.OWN = { host = true, ["content-length"] = true, ["transfer-encoding"] = true, connection = true,
  ["keep-alive"] = true, ["proxy-connection"] = true, te = true, trailer = true, upgrade = true, expect = true }

local REMOVE = "x-envoy-auth-headers-to-remove" -- names, for the request that may pass
local ALWAYS = { location = true, ["www-authenticate"] = true } -- a refused client needs them

--- ".i: reason" of the first entry of a list of names that is none; "*" alone stands for no name (as in Istio).
function answer.mistake(list)
  for i, name in ipairs(list or {}) do
    local _, core = pattern.form(name)
    if core == "" or core:find("[^%w!#$%%&'+.^_`|~-]") then
      return (".%d: expected the name of a header, or its start or end with *, got %q"):format(i, name)
    end
  end
end

--- A function(name in lower case): whether one of `list` means it.
function answer.names(list)
  local lower = {}
  for i, name in ipairs(list) do lower[i] = name:lower() end
  local test = #lower > 0 and pattern.any(lower) or nil
  return function(name) return test ~= nil and test(name) and not answer.OWN[name] end
end

local function everything(name) return not answer.OWN[name] and name ~= REMOVE end

local function selected(response, wanted)
  local list = {}
  for _, field in ipairs(response.fields) do
    if wanted(field[1]) and field[1] ~= REMOVE then list[#list + 1] = field end
  end
  return list
end

local function remove(ctx, response)
  for _, field in ipairs(response.fields) do
    for name in (field[1] == REMOVE and field[2] or ""):gmatch("[^,%s]+") do
      if not answer.OWN[name:lower()] and name:sub(1, 1) ~= ":" then ctx.req.headers:remove(name) end
    end
  end
end

--- { upstream(ctx, response): changes the request, downstream(response) -> fields for the response or nil,
-- refusal(response) -> headers for ctx:respond() }.
function answer.taker(conf)
  local upstream, downstream = answer.names(conf.upstream_headers or {}), answer.names(conf.allow_headers or {})
  local listed = conf.deny_headers and answer.names(conf.deny_headers)
  local function denied(name) return everything(name) and (not listed or ALWAYS[name] or listed(name)) end
  return {
    upstream = function(ctx, response)
      remove(ctx, response)
      for _, field in ipairs(selected(response, upstream)) do ctx.req.headers:set(field[1], field[2]) end
    end,
    downstream = function(response)
      local list = selected(response, downstream)
      return list[1] and list
    end,
    refusal = function(response)
      local headers = {}
      for _, field in ipairs(selected(response, denied)) do
        headers[field[1]] = headers[field[1]] or {}
        table.insert(headers[field[1]], field[2])
      end
      return headers
    end,
  }
end

return answer
