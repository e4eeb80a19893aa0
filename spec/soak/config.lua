--- config: what the gateway of the soak runs, in as many editions as there are reloads.
local config = {}

local TEXT = [===[
local function route(path, backends, ...)
  return { match = { path = { prefix = path } }, policies = { ... }, backends = backends }
end
local up = { { service = "up" } }
local tls = { certs = { { cert = "$folder/a.test.crt", key = "$folder/a.test.key" } } }
local limits = { requests_per_connection = 200, body_bytes = "1MiB", header_bytes = "8KiB",
  header_timeout = "60s", body_timeout = "60s" } -- a machine that is slow makes no error
local pool = { idle_timeout = "2s", connect_timeout = "60s" }
local silent, split = route("/silent", up), route("/split", { { service = "up", weight = 3 }, { service = "named" } })
silent.timeout = "300ms"
split.retries = { attempts = 1 }
return {
  listeners = {
    web = { address = "127.0.0.1:$web", limits = limits },
    tls = { address = "127.0.0.1:$tls", limits = limits, tls = tls },
    MORE
  },
  admin = { address = "127.0.0.1:$admin" },
  services = {
    up = { endpoints = { ENDPOINTS }, pool = pool, outlier_detection = { consecutive_5xx = 0 } },
    named = { endpoints = { "localhost:$port" }, pool = pool },
    odd = { endpoints = { "$odd" }, pool = pool },
    secure = { endpoints = { "127.0.0.1:$far" }, pool = pool,
      tls = { ca = "$folder/ca.crt", sni = "a.test" } },
    dead = { endpoints = { "127.0.0.1:$dead" } },
  },
  policies = { "metrics", { "access_log", path = "$folder/access" }, { "edited" } },
  routes = {
    route("/", up), split, silent,
    route("/denied", up, { "rbac", deny = { { paths = { "/denied*" } } } }),
    route("/limited", up, { "rate_limit", limit = 20, per = "1s", key = { "constant:all" } }),
    route("/canary", up, { "canary", service = "named", percent = 50, header = "x-user" }),
    route("/aborted", up, { "fault", abort = { status = 418 } }),
    route("/delayed", up, { "fault", delay = { fixed = "20ms" } }),
    route("/mirrored", up, { "mirror", service = "odd" }),
    route("/raised", up, { "lua", request = [[ error "on purpose" ]] }),
    route("/reversed", up, { "whole" }),
    route("/asked", up, { "asks" }),
    route("/refused", { { service = "dead" } }),
    route("/garbage", { { service = "odd" } }),
    route("/secure", { { service = "secure" } }, { "rewrite", prefix = { from = "/secure", to = "/bytes" } }),
  },
}]===]

--- The config's text as spec.support.gateway fills it in: every third edition has one endpoint less, every second one
-- listener more.
function config.text(edition)
  local endpoints = edition % 3 == 2 and '"$a"' or '"$a", "$b"'
  local more = edition % 2 == 1 and 'more = { address = "127.0.0.1:$more" },' or ""
  return (TEXT:gsub("ENDPOINTS", endpoints):gsub("MORE", more))
end

--- What stands behind TLS for it.
config.FAR = [===[return {
  listeners = { far = { address = "127.0.0.1:$far",
    tls = { cert = "$folder/a.test.crt", key = "$folder/a.test.key" } } },
  services = { up = { endpoints = { "$a" } } },
  routes = { { backends = { { service = "up" } } } },
}]===]

--- The policies of an edition, by file name.
function config.policies(edition)
  return {
    -- Marks every answer with the request's id and the edition, and keeps a count that reloads hand on.
    ["edited.lua"] = ([[
      local shared = require "moongate.shared"
      local seen = shared.open "seen"
      local edited = { state = { count = { n = 0 } } }
      function edited.request(_, ctx)
        edited.state.count.n = edited.state.count.n + 1
        seen:incr("requests", 1, 0)
      end
      function edited.response(_, ctx)
        ctx.res.headers["x-edition"] = "%d"
        ctx.res.headers["x-asked"] = ctx.req.headers["x-id"]
      end
      return edited]]):format(edition),
    ["whole.lua"] = [[
      local whole = { schema = {}, body = { request = "whole", response = "chunks", limit = "1MiB" } }
      function whole.request_body(_, _, bytes) return bytes:reverse() end
      function whole.response_body(_, _, bytes) return bytes end
      return whole]],
    -- Waits, and makes a call of its own.
    ["asks.lua"] = [[
      local http = require "moongate.http"
      local asks = { schema = {} }
      function asks.request(_, ctx)
        ctx:sleep(2)
        local answer, err = http.request { service = "up", path = "/bytes/100",
          headers = { ["x-id"] = ctx.req.headers["x-id"] }, timeout = 60000 }
        if not answer then return ctx:respond(503, err) end
        return ctx:respond(200, answer.body)
      end
      return asks]],
  }
end

return config
