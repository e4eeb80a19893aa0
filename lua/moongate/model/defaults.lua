--- defaults: what a model's parts are when nobody says otherwise. Times in milliseconds, sizes in bytes.
local defaults = {}

defaults.process = { seccomp = true }

defaults.listener = {
  trusted_hops = 0, trust_request_id = false, client_cert_header = "remove", append_forwarded_for = true,
  strict_hosts = false, path_normalization = "none", proxy_protocol = false,
}

defaults.tls = { client_ca = "", client_auth = "none", min_version = "1.2", tickets = true, permissive = false }

defaults.limits = {
  request_line_bytes = 8192, header_bytes = 32768, header_count = 100, body_bytes = 0, trailer_bytes = 8192,
  header_timeout = 10000, body_timeout = 15000, body_rate = 500, idle_timeout = 60000,
  write_timeout = 30000, requests_per_connection = 0, connections = 10000, connections_per_client = 0,
}

defaults.pool = { connect_timeout = 3000, idle_timeout = 60000, max_idle = 64, max_requests = 0, max_connections = 0,
  max_age = 0 }

defaults.circuit_breaker = { max_connections = 0, max_pending = 1024, max_requests = 0, max_retries = 0,
  retry_budget_percent = 0, retry_budget_min = 3 }

-- As Envoy and Istio have them.
defaults.outlier_detection = {
  consecutive_5xx = 5, consecutive_gateway_errors = 0, consecutive_local_failures = 5, split_local_failures = false,
  interval = 10000, base_ejection_time = 30000, max_ejection_time = 300000, max_ejection_percent = 10,
  min_health_percent = 0,
}

-- Envoy's.
defaults.success_rate = { minimum_hosts = 5, request_volume = 100, stdev_factor = 1.9 }

defaults.health_check = { kind = "http", path = "/", interval = 5000, timeout = 1000, healthy = 2, unhealthy = 3,
  min_health_percent = 0 }

defaults.warmup = { minimum_percent = 10, aggression = 1 }

defaults.budgets = { cpu = 50, memory = 268435456, timers = 256 }

-- Full jitter from 25 ms up to ten times that, as Envoy has it.
defaults.retries = { attempts = 2, back_off = 25, max_back_off = 250, buffer = 65536, avoid_tried = true }
defaults.retry_on = { "connect-failure", "503" }

--- Fills what `target` (nil: a new table) lacks, one level deep.
function defaults.fill(target, from)
  target = target or {}
  for key, value in pairs(from) do
    if target[key] == nil then target[key] = value end
  end
  return target
end

return defaults
