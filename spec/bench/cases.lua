--- cases: what is asked of which server, and the targets that the answers are held against.
-- A request is a line of requests.h.  `header`: every answer must bear it.  `split`: one answer in ten comes from
-- backend b.  `refused`: requests that must not pass.  The cases of a pair of which one is a multiple of the other
-- send the same number of different requests, spread over all rules or routes.
local VARIETY = 64

local cases = {}

local function get(size, ...) return table.concat({ 200, size, "GET", "/b/" .. size, ... }, "\t") end

local function spread(count, line)
  local lines = {}
  for i = 1, VARIETY do lines[i] = line(1 + math.floor((i - 1) * (count - 1) / (VARIETY - 1))) end
  return lines
end

local function rules(count)
  return {
    id = count .. " rules", servers = { "moongate " .. count .. " rules" },
    requests = spread(count, function(i) return get(100, "x-user: user-" .. i) end),
    refused = { "403\t-\tGET\t/b/100\tx-user: nobody", "403\t-\tDELETE\t/b/100\tx-user: user-1" },
  }
end

--- The case of so many routes.
function cases.routes(count)
  return {
    id = count .. " routes", servers = { "moongate " .. count .. " routes" },
    requests = spread(count, function(i)
      if i % 2 == 0 then return get(100, "Host: host-" .. i .. ".example") end
      return "200\t100\tGET\t/route-" .. i .. "/b/100"
    end),
    refused = { "404\t-\tGET\t/b/100\tHost: host-0.example", "404\t-\tGET\t/route-0/b/100" },
  }
end

-- HTTPRoutes by YAML, and half as many AuthorizationPolicies, of which each lets one user in.
local function manifests(count)
  local function user(i) return "x-user: user-" .. math.ceil(i / 2) end
  return {
    id = count .. " manifests", servers = { "moongate " .. count .. " manifests" },
    requests = spread(count, function(i)
      if i % 2 == 0 then return get(100, "Host: host-" .. i .. ".example", user(i)) end
      return ("200\t100\tGET\t/route-%d/b/100\t%s"):format(i, user(i))
    end),
    refused = { "404\t-\tGET\t/route-0/b/100\tx-user: user-1", "403\t-\tGET\t/route-1/b/100\tx-user: nobody" },
  }
end

local plain = { "relay", "haproxy plain", "nginx plain", "moongate plain" }

cases.all = {
  { id = "plain", requests = { get(100) }, servers = { "backend", unpack(plain) } },
  { id = "chain", requests = { get(100, "x-user: amy") }, header = "x-bench", split = true,
    refused = { "403\t-\tGET\t/b/100\tx-user: bob", "403\t-\tGET\t/b/100", "403\t-\tDELETE\t/b/100\tx-user: amy" },
    servers = { "haproxy chain", "haproxy labels", "haproxy lua", "nginx lua", "moongate chain",
      "moongate chain, all metrics", "moongate chain by YAML" } },
  { id = "64 KiB", requests = { get(65536) }, servers = plain },
  { id = "1 MiB", requests = { get(1048576) }, servers = plain },
  rules(10), rules(10000), cases.routes(10), cases.routes(10000), manifests(10), manifests(10000),
}

--- CPU time of the first over that of the second, { case, server } each, at most `limit`.
cases.ratios = {
  { { "plain", "moongate plain" }, { "plain", "relay" }, limit = 1.25 },
  { { "chain", "moongate chain" }, { "chain", "haproxy chain" }, limit = 0.80 },
  { { "chain", "moongate chain" }, { "chain", "haproxy labels" }, limit = 0.80 },
  { { "chain", "moongate chain" }, { "chain", "nginx lua" }, limit = 0.60 },
  { { "64 KiB", "moongate plain" }, { "64 KiB", "relay" }, limit = 1.20 },
  { { "1 MiB", "moongate plain" }, { "1 MiB", "relay" }, limit = 1.20 },
  { { "10000 rules", "moongate 10000 rules" }, { "10 rules", "moongate 10 rules" }, limit = 1.10 },
  { { "10000 routes", "moongate 10000 routes" }, { "10 routes", "moongate 10 routes" }, limit = 1.10 },
  { { "10000 manifests", "moongate 10000 manifests" }, { "10 manifests", "moongate 10 manifests" }, limit = 1.15 },
  { { "chain", "moongate chain by YAML" }, { "chain", "moongate chain, all metrics" }, limit = 1.10 },
}

--- Cases in which the p99 latency of the first must be no worse than that of the best of the others.
cases.latency = {
  { case = "plain", server = "moongate plain", peers = { "haproxy plain", "nginx plain" } },
  { case = "chain", server = "moongate chain",
    peers = { "haproxy chain", "haproxy labels", "haproxy lua", "nginx lua" } },
}

return cases
