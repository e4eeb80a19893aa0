--- tls: TLS contexts of the core from a model's listeners and services.
local abi = require "moongate.abi"

local C, span = abi.C, abi.span

local tls = {}

local AUTH = { none = 0, request = 1, require = 2, any = 3 }

--- The context of a listener (nil when it is clear text), or nil and "server.crt: why".
-- Free it with C.mg_tls_put().
function tls.server(listener)
  local t = listener.tls
  if not t then return nil end
  local certs = abi.new("struct mg_tls_pem[?]", #t.certs)
  for i, cert in ipairs(t.certs) do
    certs[i - 1].cert, certs[i - 1].key, certs[i - 1].name = abi.str(cert.cert), abi.str(cert.key), abi.str(cert.name)
  end
  local context = C.mg_tls_server(certs, #t.certs, abi.str(t.client_ca or ""), AUTH[t.client_auth],
    abi.str(table.concat(t.alpn, ",")), t.min_version == "1.3" and 13 or 12, t.tickets, span)
  if context == nil then return nil, abi.text(span[0]) end
  return context
end

--- The context for a service's endpoints (nil when they are clear text), or nil and why.
function tls.client(service)
  local t = service.tls
  if not t then return nil end
  local context = C.mg_tls_client(abi.str(t.ca or ""), abi.str(t.cert or ""), abi.str(t.key or ""),
    abi.str(service.name), t.insecure or false, span)
  if context == nil then return nil, abi.text(span[0]) end
  return context
end

local function trial(ca, cert, key, name, insecure)
  local context = C.mg_tls_client(abi.str(ca), abi.str(cert), abi.str(key), abi.str(name), insecure, span)
  if context == nil then return abi.text(span[0]) end
  C.mg_tls_put(context)
end

--- Why a certificate chain and its key cannot be used, nil when they can.
-- @param pair { cert =, key = PEM texts, name = what the mistake calls them }
function tls.pair_mistake(pair) return trial("", pair.cert, pair.key, pair.name, true) end

--- Why authorities cannot be used, nil when they can.
-- @param text PEM
function tls.authority_mistake(text)
  local err = trial(text, "", "", "", false)
  return err and err:gsub("^ca: ", "")
end

--- Whether a chain's first certificate can be used now: nil, or "has expired on DATE" or "is not valid before DATE".
function tls.out_of_date(pem)
  local from, until_ = abi.new "double[1]", abi.new "double[1]"
  if C.mg_tls_times(abi.str(pem), from, until_) ~= 0 then return nil end
  local now = C.mg_wall_time()
  if now > until_[0] then return "has expired on " .. os.date("!%Y-%m-%d", until_[0]) end
  if now < from[0] then return "is not valid before " .. os.date("!%Y-%m-%d", from[0]) end
end

--- Opens all contexts of a model and throws them away; returns the mistakes as { at =, message = } in a list.
function tls.try(model)
  local mistakes = {}
  local function try(make, owner, what)
    local context, err = make(owner)
    if context then C.mg_tls_put(context) end
    if err then mistakes[#mistakes + 1] = { at = owner.at, message = ("%s %s: %s"):format(what, owner.name, err) } end
  end
  for _, listener in ipairs(model.listeners) do try(tls.server, listener, "listener") end
  for _, service in pairs(model.services) do try(tls.client, service, "service") end
  return mistakes
end

return tls
