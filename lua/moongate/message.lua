--- message: ctx.req and ctx.res, the two messages of an exchange as a policy sees them.
local abi = require "moongate.abi"
local closed = require "moongate.closed"
local cookie = require "moongate.cookie"
local headers = require "moongate.headers"
local query = require "moongate.query"

local C, span = abi.C, abi.span
local ffi_string, text, check_running = abi.string, abi.text, closed.check_running

local message = {}

local METHODS = {
  [C.MG_METHOD_GET] = "GET", [C.MG_METHOD_HEAD] = "HEAD", [C.MG_METHOD_POST] = "POST", [C.MG_METHOD_PUT] = "PUT",
  [C.MG_METHOD_DELETE] = "DELETE", [C.MG_METHOD_PATCH] = "PATCH", [C.MG_METHOD_OPTIONS] = "OPTIONS",
  [C.MG_METHOD_TRACE] = "TRACE", [C.MG_METHOD_CONNECT] = "CONNECT",
}

local function refuse(what, value, rc)
  error(("ctx.req.%s: cannot be %q: %s"):format(what, tostring(value), abi.error_text(rc)), 3)
end

-- ---- ctx.req ------------------------------------------------------------------------------

local req_get, req_set, req_methods = {}, {}, {}
local req_of -- { x =, headers =, trailers = } of each

--- ctx.req's fields as the client sent them (query: nil without "?"; host: lower case, no port), or as a policy set
-- them; those that may be set go upstream so.  What cannot stand in a request raises.
function req_get.method(x) return METHODS[x.method_id] or text(x.method) end
function req_get.path(x) return ffi_string(x.path.ptr, x.path.len) end
function req_get.query(x) return x.has_query and text(x.query) or nil end
function req_get.authority(x) return text(x.authority) end
function req_get.host(x) return text(x.host) end
function req_get.has_body(x) return x.has_body end
function req_get.scheme(x) return x.tls and "https" or "http" end
function req_get.principal(x) return x.principal.len > 0 and text(x.principal) or nil end

function req_set.method(x, v) return C.mg_set_method(x, v, #v) end
function req_set.path(x, v) return C.mg_set_path(x, v, #v) end
function req_set.query(x, v) return C.mg_set_query(x, v or "", v and #v or 0) end
function req_set.authority(x, v) return C.mg_set_authority(x, v, #v) end

--- The value of a cookie that the client sent, or nil.
function req_methods:cookie(name)
  local sent = self.headers.cookie
  return sent and cookie.get(sent, name)
end

--- The first query parameter of that name, decoded, or nil.
function req_methods:param(name)
  local q = self.query
  return q and query.get(q, name)
end

--- The whole request body; only where a policy of the chain declared body.request = "whole".
function req_methods:body()
  local x = req_of[self].x
  check_running(x)
  if C.mg_request_body(x, span) ~= 0 then error("ctx.req:body(): the body is not in memory", 2) end
  return text(span[0])
end

local function req_index(self, key)
  local get = req_get[key]
  if get then
    local x = req_of[self].x
    check_running(x)
    return get(x)
  end
  if key == "headers" or key == "trailers" then return req_of[self][key] end
  return req_methods[key]
end

local function req_newindex(self, key, value)
  local set = req_set[key]
  if not set then error(("ctx.req.%s cannot be assigned"):format(tostring(key)), 2) end
  if type(value) ~= "string" and not (key == "query" and value == nil) then
    error(("ctx.req.%s: expected a string, got a %s"):format(key, type(value)), 2)
  end
  local x = req_of[self].x
  check_running(x)
  local rc = set(x, value)
  if rc ~= 0 then refuse(key, value, rc) end
end

local make_request, requests = closed.class(req_index, req_newindex)
req_of = requests

--- ctx.req of the exchange `x`.
function message.request(x)
  return make_request { x = x, headers = headers.new(x, C.MG_REQUEST),
    trailers = headers.new(x, C.MG_REQUEST_TRAILERS) }
end

-- ---- ctx.res ------------------------------------------------------------------------------

local res_methods = {}
local res_of -- { x =, headers =, trailers = } of each

--- The whole response body; only where a policy of the chain declared body.response = "whole".
function res_methods:body()
  local x = res_of[self].x
  check_running(x)
  if C.mg_response_body(x, span) ~= 0 then error("ctx.res:body(): the body is not in memory", 2) end
  return text(span[0])
end

--- Whether the response to an exchange's method with its status has a body (RFC 9112, section 6.3).
function message.has_body(x)
  return x.method_id ~= C.MG_METHOD_HEAD and x.status ~= 204 and x.status ~= 304 and x.status ~= 101
end

local function res_index(self, key)
  if key == "status" then
    local x = res_of[self].x
    check_running(x)
    return (x.gone and not x.response_started) and 0 or x.status
  end
  if key == "has_body" then
    local x = res_of[self].x
    check_running(x)
    return message.has_body(x)
  end
  if key == "headers" or key == "trailers" then return res_of[self][key] end
  return res_methods[key]
end

local function res_newindex(self, key, value)
  if key ~= "status" then error(("ctx.res.%s cannot be assigned"):format(tostring(key)), 2) end
  if type(value) ~= "number" then error("ctx.res.status: expected a number, got a " .. type(value), 2) end
  local x = res_of[self].x
  check_running(x)
  local rc = C.mg_set_status(x, value)
  if rc ~= 0 then error(("ctx.res.status: cannot be %s: %s"):format(tostring(value), abi.error_text(rc)), 2) end
end

local make_response, responses = closed.class(res_index, res_newindex)
res_of = responses

--- ctx.res of the exchange `x`.
function message.response(x)
  return make_response { x = x, headers = headers.new(x, C.MG_RESPONSE),
    trailers = headers.new(x, C.MG_RESPONSE_TRAILERS) }
end

return message
