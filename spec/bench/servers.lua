--- servers: everything the bench can measure, and how each is started.
-- `@NAME@` in a command or a config file is replaced: PORT and ADMIN (free ports of this server), A and B (the
-- backends' ports), PROGRAMS and HERE and TEMP (folders), CONFIG (the config made of `template`), MOONGATE
-- (the program), COUNT (`count`), COUNTS (`counts`).  A template named NAME.yaml.lua is a program that gives the text.
-- `feeds`: a backend.
-- `counter` says how to ask the admin port for the count of answers with 200, and the pattern of each part of it.
local haproxy = { "haproxy", "-db", "-f", "@CONFIG@" }
local nginx = { "nginx", "-c", "@CONFIG@" }
local moongate = { "@MOONGATE@", "run", "@CONFIG@", "--workers", "1", "--policy-path", "@HERE@/moongate/policies" }
local mesh = { "@MOONGATE@", "run", "@CONFIG@", "--workers", "1", "--bind", "127.0.0.1",
  "--admin", "127.0.0.1:@ADMIN@" }
local get = "GET /stats/prometheus HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n"

local counts_200 = { ask = get, pattern = 'moongate_requests_total{[^\n]*code="200"[^\n]*} (%d+)' }

local function gateway(name, template, more)
  local server = { id = "moongate " .. name, gateway = true, template = "moongate/" .. template, command = moongate }
  for key, value in pairs(more or {}) do server[key] = value end
  return server
end

return {
  { id = "relay", command = { "@PROGRAMS@/relay", "@PORT@", "@A@" } },
  { id = "haproxy plain", template = "peers/haproxy-plain.cfg", command = haproxy },
  { id = "haproxy chain", template = "peers/haproxy-chain.cfg", command = haproxy,
    counter = { ask = get, pattern = 'haproxy_server_http_responses_total{[^\n]*code="2xx"} (%d+)' } },
  { id = "haproxy labels", template = "peers/haproxy-labels.cfg", command = haproxy,
    counter = { ask = "show table counted\n", pattern = "key=%w+\\ GET\\ 200 [^\n]*gpc0=(%d+)" } },
  { id = "haproxy lua", template = "peers/haproxy-lua.cfg", command = haproxy,
    counter = { ask = get, pattern = "200 GET %w+ (%d+)" } },
  { id = "nginx plain", template = "peers/nginx-plain.conf", command = nginx },
  { id = "nginx lua", template = "peers/nginx-lua.conf", command = nginx,
    counter = { ask = get, pattern = "GET 200 %S+ (%d+)" } },
  gateway("plain", "plain.lua"),
  gateway("chain", "chain.lua", {
    counts = "bench_count",
    counter = { ask = get, pattern = 'bench_requests_total{[^\n]*code="200"[^\n]*} (%d+)' },
  }),
  gateway("chain, all metrics", "chain.lua", { counts = "metrics", counter = counts_200 }),
  gateway("chain by YAML", "chain.yaml", { counter = counts_200, command = mesh }),
  gateway("10 rules", "rules.lua", { count = 10 }),
  gateway("10000 rules", "rules.lua", { count = 10000 }),
  gateway("10 routes", "routes.lua", { count = 10 }),
  gateway("10000 routes", "routes.lua", { count = 10000 }),
  gateway("10 manifests", "mesh.yaml.lua", { count = 10, command = mesh }),
  gateway("10000 manifests", "mesh.yaml.lua", { count = 10000, command = mesh }),
  gateway("series", "series.lua", { count = 50000, scrape = get }),
}
