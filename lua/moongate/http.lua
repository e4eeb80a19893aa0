--- http: requests of policies, on the same connection pools as the traffic.
local abi = require "moongate.abi"
local context = require "moongate.ctx"
local suggest = require "moongate.suggest"
local wait = require "moongate.wait"

local C, span, span2 = abi.C, abi.span, abi.span2
local text = abi.text
local yield = coroutine.yield

local http = {}

local LIMIT, TIMEOUT = 1048576, 10000
local MAX_URLS = 256 -- endpoints kept for url =, so that a policy cannot make them without end

local by_url, url_count = {}, 0

local function endpoint_conf(address, tls, host)
  return abi.new("struct mg_endpoint_conf", {
    address = abi.str(address), sni = abi.str(tls and host or ""), verify = abi.str(""), tls = tls,
    connect_timeout_ms = 3000, idle_timeout_ms = 60000, max_idle = 16,
  })
end

-- "http://host:port/path" → endpoint, authority, path.
local function by_address(url)
  local scheme, authority, path = url:match("^(https?)://([^/?#]+)([^#]*)$")
  if not scheme then return nil, "http: not a URL: " .. url end
  if path:sub(1, 1) ~= "/" then path = "/" .. path end
  local key = scheme .. "://" .. authority
  if not by_url[key] then
    if url_count == MAX_URLS then return nil, "http: too many different URLs" end
    local port = authority:match(":(%d+)$") or (scheme == "https" and "443" or "80")
    local host = authority:gsub(":%d+$", "")
    local tls -- the endpoint counts its own reference
    if scheme == "https" then
      local empty = abi.str("")
      tls = C.mg_tls_client(empty, empty, empty, abi.str(host), false, span)
      if tls == nil then return nil, "http: " .. text(span[0]) end
      abi.gc(tls, C.mg_tls_put)
    end
    local address = host .. ":" .. port
    local handle = C.mg_endpoint_get(endpoint_conf(address, tls, host:match "^%[(.*)%]$" or host), span)
    if handle == nil then return nil, "http: " .. text(span[0]) end
    by_url[key], url_count = abi.gc(handle, C.mg_endpoint_put), url_count + 1
  end
  return by_url[key], authority, path
end

local function by_service(ctx, request)
  local backend, err = ctx._s.model:backend(request.service, request.subset)
  if not backend then return nil, "http: " .. err end
  local endpoint = backend.picker:pick(ctx)
  if not endpoint then return nil, "http: no healthy endpoint of " .. request.service end
  return endpoint.handle, request.service, request.path or "/"
end

local function response_headers(call)
  local headers, fields, pos = {}, {}, abi.new "uint32_t[1]"
  while C.mg_call_header_next(call, pos, span, span2) == 0 do
    local name, value = text(span[0]):lower(), text(span2[0])
    if headers[name] == nil then headers[name] = value end
    fields[#fields + 1] = { name, value }
  end
  return headers, fields
end

local function send(ctx, call, handle, request)
  for name, values in pairs(request.headers or {}) do
    for _, value in ipairs(type(values) == "table" and values or { values }) do
      value = tostring(value)
      local rc = C.mg_call_header(call, name, #name, value, #value)
      if rc ~= 0 then return nil, ("http: header %s: %s"):format(name, abi.error_text(rc)) end
    end
  end
  local body = request.body or ""
  local rc = C.mg_call_send(call, handle, body, #body, request.timeout or TIMEOUT, request.limit or LIMIT)
  if rc == C.MG_AGAIN then rc = yield() end
  if rc == C.MG_EGONE and ctx._x.gone then error(wait.GONE, 0) end
  if rc ~= 0 then
    C.mg_call_why(call, span)
    return nil, "http: " .. text(span[0])
  end
  local headers, fields = response_headers(call)
  C.mg_call_body(call, span)
  return { status = C.mg_call_status(call), headers = headers, fields = fields, body = text(span[0]) }
end

local TYPES = {
  service = "string", subset = "string", url = "string", method = "string", path = "string", authority = "string",
  headers = "table", body = "string", timeout = "number", limit = "number",
}

-- What no request can be made of: the author's mistake, not the network's.
local function request_error(request)
  for key, value in pairs(request) do
    local kind = TYPES[key]
    if not kind then return ("unknown key '%s'%s"):format(key, suggest.hint(tostring(key), suggest.keys(TYPES))) end
    if type(value) ~= kind then return ("%s: expected a %s, got %s"):format(key, kind, type(value)) end
    if kind == "number" and not (value >= 1 and value < 2 ^ 32) then return key .. ": expected at least 1" end
  end
  if (request.service == nil) == (request.url == nil) then return "expected one of 'service' and 'url'" end
end

--- Sends a request and waits for the whole response.
-- `request`: service (and subset) of the config, or url; method ("GET"), path ("/"), authority, headers (name to
-- value or list of values), body, timeout (ms, 10000), limit (bytes of the response's body, 1 MiB).
-- Returns { status, headers (lower-case names, first values), fields (all, as { name, value }), body }, or nil and why.
function http.request(request)
  local ctx = context.current()
  if not ctx then error("http.request: only while a request or a timer runs", 2) end
  local mistake = request_error(request)
  if mistake then error("http.request: " .. mistake, 2) end
  local handle, authority, path
  if request.url then handle, authority, path = by_address(request.url) else
    handle, authority, path = by_service(ctx, request)
  end
  authority = handle and request.authority or authority
  if not handle then return nil, authority end
  local call = C.mg_call_new(ctx._x, abi.str(request.method or "GET"), abi.str(path), abi.str(authority))
  if call == nil then return nil, "http: the method, path or authority cannot stand in a request" end
  local response, err = send(ctx, call, handle, request)
  C.mg_call_free(call)
  return response, err
end

return http
