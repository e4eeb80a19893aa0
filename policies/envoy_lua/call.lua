--- call: Envoy's httpCall() and what it takes.
local http = require "moongate.http"
local log = require "moongate.log"
local timer = require "moongate.timer"

local call = {}

local NO_LIMIT = 4294967295 -- ms; a timeout of 0 means none

local function options_of(timeout, asynchronous)
  if type(timeout) == "table" then return timeout end
  return { timeout_ms = timeout, asynchronous = asynchronous }
end

--- What http.request() takes.
local function request_of(conf, cluster, headers, body, options)
  local pseudo, rest = {}, {}
  for name, value in pairs(headers) do
    name = tostring(name):lower()
    if name:sub(1, 1) == ":" then pseudo[name] = value else rest[name] = value end
  end
  if not (pseudo[":method"] and pseudo[":path"] and pseudo[":authority"]) then
    error("httpCall: headers must include ':path', ':method', and ':authority'", 0)
  end
  rest["content-length"], rest["transfer-encoding"] = nil, nil
  local timeout = tonumber(options.timeout_ms) or 0
  return { service = conf.clusters[cluster] or cluster, method = pseudo[":method"], path = pseudo[":path"],
    authority = pseudo[":authority"], headers = rest, body = body, limit = conf.limit,
    timeout = timeout > 0 and timeout or NO_LIMIT }
end

-- Names to values: the last of a name, or with `duplicates` all of it.
local function headers_of(response, duplicates)
  local headers = { [":status"] = tostring(response.status) }
  for _, field in ipairs(response.fields) do
    local name, value = field[1], field[2]
    local known = headers[name]
    if not duplicates or known == nil then
      headers[name] = value
    else
      headers[name] = type(known) == "table" and known or { known }
      table.insert(headers[name], value)
    end
  end
  return headers
end

--- Calls a service: headers (with ":status") and body (nil: empty); nothing where nobody waits for them.
-- A service that gives no answer counts as one that answers 503, as in Envoy.
function call.http(conf, cluster, headers, body, timeout, asynchronous)
  if type(cluster) ~= "string" or type(headers) ~= "table" then
    error("httpCall: expected the name of a cluster and a table of headers", 0)
  end
  local options = options_of(timeout, asynchronous)
  local request = request_of(conf, cluster, headers, body, options)
  if options.asynchronous then
    timer.after(0, function() http.request(request) end)
    return
  end
  local response, err = http.request(request)
  if not response then
    log.info("httpCall", { cluster = cluster, error = err })
    return { [":status"] = "503" }, "upstream failure"
  end
  return headers_of(response, options.return_duplicate_headers), response.body ~= "" and response.body or nil
end

return call
