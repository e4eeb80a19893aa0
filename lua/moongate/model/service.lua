--- service: checks one service of a model: endpoints, balance, connections, limits, ejection, TLS.
local address = require "moongate.model.address"
local consistent = require "moongate.balance.consistent"
local defaults = require "moongate.model.defaults"
local join = require("moongate.schema").join
local suggest = require "moongate.suggest"

local service_check = {}

local BALANCE = { "round_robin", "least_request", "random", "consistent_hash" }
local KEYS = { "header", "cookie", "source_address", "query" }
local KEY_NAMES = "'header', 'cookie', 'source_address', 'query'"

local function check_endpoints(service, path, report)
  for i, endpoint in ipairs(service.endpoints) do
    endpoint.labels = endpoint.labels or {}
    endpoint.weight = endpoint.weight or 1
    local host, err = address.parse_any(endpoint.address or "")
    if endpoint.address and not host then
      report(join(join(path, i), "address"), ("bad address %q; %s"):format(endpoint.address, err))
    end
  end
end

local function check_keys(balance, path, report)
  local count = 0
  for _, name in ipairs(KEYS) do count = count + (balance[name] and 1 or 0) end
  if balance.kind == "consistent_hash" and count ~= 1 then
    report(path, ("consistent_hash needs exactly one of %s"):format(KEY_NAMES))
  elseif balance.kind ~= "consistent_hash" and count > 0 then
    report(path, ("%s stand with consistent_hash, not %s"):format(KEY_NAMES, balance.kind))
  end
  for _, name in ipairs { "cookie_ttl", "cookie_path", "cookie_attributes" } do
    if balance[name] and not balance.cookie then report(join(path, name), "stands with 'cookie' only") end
    if balance[name] and not balance.cookie_ttl then report(join(path, name), "needs 'cookie_ttl'") end
  end
  if balance.table_size and not consistent.is_prime(balance.table_size) then
    report(join(path, "table_size"), ("expected a prime, got %d"):format(balance.table_size))
  end
end

local function check_balance(service, path, report)
  if type(service.balance) ~= "table" then service.balance = { kind = service.balance or "round_robin" } end
  local balance = service.balance
  balance.kind = balance.kind or "round_robin"
  local known = false
  for _, kind in ipairs(BALANCE) do known = known or kind == balance.kind end
  if not known then
    local text = "unknown balance '%s'%s; expected one of '%s'"
    report(path, text:format(balance.kind, suggest.hint(balance.kind, BALANCE), table.concat(BALANCE, "', '")))
  end
  check_keys(balance, path, report)
  if balance.warmup then
    defaults.fill(balance.warmup, defaults.warmup)
    if balance.kind ~= "round_robin" and balance.kind ~= "least_request" then
      report(join(path, "warmup"), "stands with round_robin and least_request only")
    end
  end
end

local function check_tls(service, path, report)
  local tls = service.tls
  for _, endpoint in ipairs(service.endpoints) do
    if address.is_unix(endpoint.address or "") and not tls.sni then
      report(path, "a Unix socket has no name to verify; expected 'sni'")
      break
    end
  end
  if (tls.cert == nil) ~= (tls.key == nil) then report(path, "'cert' and 'key' stand only together") end
  for i, name in ipairs(type(tls.verify) == "table" and tls.verify or {}) do
    if name:find("[%s%c]") then
      report(join(path, "verify"), ("name %d is %q; no name in a certificate has a blank"):format(i, name))
    end
  end
end

local function check_health(check, path, report)
  defaults.fill(check, defaults.health_check)
  check.statuses = check.statuses or { 200 }
  if not check.path:find("^/") or check.path:find("[%s%c#]") then
    report(join(path, "path"), ("expected a path that starts with '/', got %q"):format(check.path))
  end
end

--- Checks and completes one service.
function service_check.check(service, name, path, report)
  service.name = name
  service.subsets = service.subsets or {}
  service.endpoints = service.endpoints or {}
  check_endpoints(service, join(path, "endpoints"), report)
  check_balance(service, join(path, "balance"), report)
  service.pool = defaults.fill(service.pool, defaults.pool)
  if service.circuit_breaker then defaults.fill(service.circuit_breaker, defaults.circuit_breaker) end
  local out = service.outlier_detection
  if out then defaults.fill(out, defaults.outlier_detection) end
  if out and out.success_rate then defaults.fill(out.success_rate, defaults.success_rate) end
  if service.health_check then check_health(service.health_check, join(path, "health_check"), report) end
  if service.tls then check_tls(service, join(path, "tls"), report) end
end

return service_check
