--- policy: a trafficPolicy's blocks as settings of the model's service.
-- Rules: DestinationRule's TrafficPolicy, and what Istio makes of it for Envoy; the defaults are theirs.
local consistent = require "moongate.balance.consistent"
local path_of = require "moongate.config.manifests.path"

local policy = {}

local CONNECT_TIMEOUT = 10000 -- Istio's, for all of a mesh
local FOR_EVER = 2147483647
local RING_SIZE = 1024 -- Envoy's minimum
local MOST_POINTS, LARGEST_TABLE = 65536, 655373
local NEVER_HTTP2 = "has no effect: upstreams are asked by HTTP/1.1"

local BLOCKS = { "loadBalancer", "connectionPool", "outlierDetection", "tls" }

-- ---- which blocks ---------------------------------------------------------------------------

-- Blocks that stand beside portLevelSettings, and count for all ports.
local function add_common(into, own)
  into.proxyProtocol = own.value.proxyProtocol or into.proxyProtocol
end

-- A block with where it stands: { value =, rule =, path = }.
local function blocks_of(into, rule, path, settings)
  for _, name in ipairs(BLOCKS) do
    if settings[name] then into[name] = { value = settings[name], rule = rule, path = path_of(path, name) } end
  end
  return into
end

local function for_port(rule, path, settings, number)
  for i, level in ipairs(settings.portLevelSettings or {}) do
    if level.port and level.port.number == number then
      return blocks_of({}, rule, path_of(path, "portLevelSettings", i), level)
    end
  end
end

--- The blocks that count for a port: those of its portLevelSettings alone, where there are some, else the policy's own;
-- a subset's blocks stand in place of them, one by one, or all by its portLevelSettings.
-- @param own { rule =, path =, value = trafficPolicy } or nil; @param subset the same of the subset, or nil
function policy.blocks(own, subset, number)
  local blocks = {}
  if own then
    blocks = for_port(own.rule, own.path, own.value, number)
    if not blocks then
      blocks = blocks_of({}, own.rule, own.path, own.value)
      local budget = own.value.retryBudget
      blocks.retryBudget = budget and { value = budget, rule = own.rule, path = path_of(own.path, "retryBudget") }
    end
  end
  if own then add_common(blocks, own) end
  if not subset then return blocks end
  add_common(blocks, subset)
  local port_level = for_port(subset.rule, subset.path, subset.value, number)
  if port_level then
    port_level.proxyProtocol = blocks.proxyProtocol
    return port_level
  end
  local budget = subset.value.retryBudget
  if budget then
    blocks.retryBudget = { value = budget, rule = subset.rule, path = path_of(subset.path, "retryBudget") }
  end
  return blocks_of(blocks, subset.rule, subset.path, subset.value)
end

-- ---- loadBalancer ---------------------------------------------------------------------------

local SIMPLE = { UNSPECIFIED = "least_request", LEAST_CONN = "least_request", LEAST_REQUEST = "least_request",
  ROUND_ROBIN = "round_robin", RANDOM = "random" }

local function smaller(block, path, value, most, what)
  if value <= most then return value end
  block.rule:warn(path, ("%d %s make no difference here; %d are used"):format(value, what, most))
  return most
end

local function cookie_of(block, path, cookie, balance)
  balance.cookie = cookie.name
  if not cookie.ttl then
    for _, name in ipairs { "path", "attributes" } do
      if cookie[name] then block.rule:warn(path_of(path, name), "has no effect without ttl: no cookie is made") end
    end
    return
  end
  balance.cookie_ttl, balance.cookie_path = cookie.ttl, cookie.path ~= "" and cookie.path or nil
  for i, attribute in ipairs(cookie.attributes or {}) do
    balance.cookie_attributes = balance.cookie_attributes or {}
    local text = attribute.value ~= "" and attribute.name .. "=" .. attribute.value or attribute.name
    if text:find("[;,%c]") then
      block.rule:refuse(path_of(path, "attributes", i), ("expected no ';', ',' or control byte, got %q"):format(text))
    end
    table.insert(balance.cookie_attributes, text)
  end
  if (cookie.path or ""):find("[;%c]") then
    block.rule:refuse(path_of(path, "path"), ("expected no ';' or control byte, got %q"):format(cookie.path))
  end
end

local function consistent_hash(block, hash)
  local path = path_of(block.path, "consistentHash")
  local balance = { kind = "consistent_hash", header = hash.httpHeaderName, query = hash.httpQueryParameterName,
    source_address = hash.useSourceIp or nil }
  if hash.httpCookie then cookie_of(block, path_of(path, "httpCookie"), hash.httpCookie, balance) end
  local keys = 0
  for _, name in ipairs { "header", "query", "source_address", "cookie" } do
    keys = keys + (balance[name] and 1 or 0)
  end
  if keys ~= 1 then
    block.rule:refuse(path, "expected one of httpHeaderName, httpCookie, useSourceIp and httpQueryParameterName")
  end
  if hash.ringHash and hash.maglev then block.rule:refuse(path, "expected one of ringHash and maglev") end
  if hash.maglev then
    balance.algorithm = "maglev"
    local size = hash.maglev.tableSize or 0
    local at = path_of(path, "maglev", "tableSize")
    if size > 0 and not consistent.is_prime(size) then
      block.rule:refuse(at, ("expected a prime, got %d"):format(size))
    elseif size > 0 then
      balance.table_size = smaller(block, at, size, LARGEST_TABLE, "slots")
    end
    return balance
  end
  local size = hash.ringHash and hash.ringHash.minimumRingSize or hash.minimumRingSize or 0
  local at = hash.ringHash and path_of(path, "ringHash", "minimumRingSize") or path_of(path, "minimumRingSize")
  balance.ring_size = smaller(block, at, size > 0 and size or RING_SIZE, MOST_POINTS, "points")
  return balance
end

local function warn_of_locality(block, locality)
  if not locality or locality.enabled == false then return end
  for _, name in ipairs { "distribute", "failover" } do
    if locality[name] then
      block.rule:warn(path_of(block.path, "localityLbSetting", name),
        "has no effect: the gateway has no locality; failoverPriority goes by labels")
    end
  end
end

local function warmup_of(block, kind)
  local warmup, old = block.value.warmup, block.value.warmupDurationSecs
  if not warmup and not old then return nil end
  local name = warmup and "warmup" or "warmupDurationSecs"
  if kind ~= "round_robin" and kind ~= "least_request" then
    return block.rule:warn(path_of(block.path, name), "has an effect with ROUND_ROBIN and LEAST_REQUEST only")
  end
  if warmup and not warmup.duration then
    return block.rule:refuse(path_of(block.path, name), "'duration' is missing; expected a duration")
  end
  return { duration = warmup and warmup.duration or old, minimum_percent = warmup and warmup.minimumPercent,
    aggression = warmup and warmup.aggression }
end

-- @param service for what a rule does not say: a Kubernetes Service may keep clients at their endpoints
local function balance_of(block, service)
  if not block and service.keeps_clients then return { kind = "consistent_hash", source_address = true } end
  if not block then return { kind = "least_request" } end
  local settings = block.value
  if settings.simple and settings.consistentHash then
    block.rule:refuse(block.path, "expected one of simple and consistentHash")
  elseif settings.simple == "PASSTHROUGH" then
    block.rule:refuse(path_of(block.path, "simple"),
      "PASSTHROUGH is not supported: no caller here has an address of its own choice")
  end
  warn_of_locality(block, settings.localityLbSetting)
  local balance = settings.consistentHash and consistent_hash(block, settings.consistentHash)
    or { kind = SIMPLE[settings.simple or "UNSPECIFIED"] or "least_request" }
  balance.warmup = warmup_of(block, balance.kind)
  return balance
end

-- ---- connectionPool -------------------------------------------------------------------------

-- 0 is as good as absent.
local function some(number) return number and number > 0 and number or nil end

-- As long as the core can wait: 24 days.
local function span(ms) return ms and math.min(ms, FOR_EVER) end

local function pool_of(block)
  local tcp, http = {}, {}
  if block then tcp, http = block.value.tcp or {}, block.value.http or {} end
  local idle = http.idleTimeout or tcp.idleTimeout
  local pool = { connect_timeout = span(tcp.connectTimeout or CONNECT_TIMEOUT),
    max_requests = http.maxRequestsPerConnection,
    idle_timeout = idle and span(some(idle) or FOR_EVER), max_age = span(tcp.maxConnectionDuration) }
  local probes = tcp.tcpKeepalive
  if probes then
    pool.keepalive = { idle = probes.time, interval = probes.interval, probes = some(probes.probes) or 9 }
  end
  for _, name in ipairs { "maxConcurrentStreams", "http2KeepAlive" } do
    if http[name] then block.rule:warn(path_of(block.path, "http", name), NEVER_HTTP2) end
  end
  if http.useClientProtocol then block.rule:warn(path_of(block.path, "http", "useClientProtocol"), NEVER_HTTP2) end
  if http.h2UpgradePolicy == "UPGRADE" then
    block.rule:warn(path_of(block.path, "http", "h2UpgradePolicy"), NEVER_HTTP2)
  end
  return pool
end

local function breaker_of(block, budget)
  local tcp, http = {}, {}
  if block then tcp, http = block.value.tcp or {}, block.value.http or {} end
  local limits = { max_connections = some(tcp.maxConnections), max_pending = some(http.http1MaxPendingRequests),
    max_requests = some(http.http2MaxRequests), max_retries = some(http.maxRetries) }
  if budget then
    limits.retry_budget_percent = budget.value.percent or 20
    limits.retry_budget_min = budget.value.minRetryConcurrency
  end
  if not next(limits) then return nil end
  limits.max_pending = limits.max_pending or 0
  return limits
end

-- ---- outlierDetection -----------------------------------------------------------------------

local function ejection_of(block)
  if not block then return nil end
  local settings, local_failures = block.value, block.value.consecutiveLocalOriginFailures or 0
  if local_failures > 0 and not settings.splitExternalLocalOriginErrors then
    block.rule:refuse(path_of(block.path, "consecutiveLocalOriginFailures"),
      "needs splitExternalLocalOriginErrors: true")
  end
  return {
    consecutive_5xx = settings.consecutive5xxErrors,
    consecutive_gateway_errors = settings.consecutiveGatewayErrors or settings.consecutiveErrors,
    split_local_failures = settings.splitExternalLocalOriginErrors,
    consecutive_local_failures = some(local_failures),
    interval = settings.interval, base_ejection_time = settings.baseEjectionTime,
    max_ejection_percent = some(settings.maxEjectionPercent), min_health_percent = settings.minHealthPercent,
    error_codes = settings.outlierDetectionHttpErrorCodes and #settings.outlierDetectionHttpErrorCodes > 0
      and settings.outlierDetectionHttpErrorCodes or nil,
  }
end

-- ---- the whole ------------------------------------------------------------------------------

--- The model's settings of a service for these blocks; TLS is for destination_rules/tls.lua.
-- @param service of services.lua
-- @return { balance, pool, circuit_breaker, outlier_detection, proxy_protocol, failover = labels in order or nil }
function policy.settings(blocks, service)
  local locality = blocks.loadBalancer and blocks.loadBalancer.value.localityLbSetting
  return {
    balance = balance_of(blocks.loadBalancer, service), pool = pool_of(blocks.connectionPool),
    circuit_breaker = breaker_of(blocks.connectionPool, blocks.retryBudget),
    outlier_detection = ejection_of(blocks.outlierDetection),
    proxy_protocol = blocks.proxyProtocol and (blocks.proxyProtocol.version == "V2" and 2 or 1) or nil,
    -- As in Istio: without ejection nobody would ever go on to the next.
    failover = locality and locality.enabled ~= false and blocks.outlierDetection and locality.failoverPriority or nil,
  }
end

return policy
