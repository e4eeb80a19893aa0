local certs = require "spec.support.certs"
local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local loop = require "spec.support.loop"
local process = require "spec.support.process"
local stream = require "spec.support.stream"
local upstream = require "spec.support.upstream"

describe("TLS", function()
  local gw, far, up, folder

  setup(function()
    folder = certs.make(gateway.folder())
    up = upstream.start()
    -- What the gateway calls by TLS: says who called.
    far = gateway.start { values = { certs = folder }, config = certs.CALLED }
    gw = gateway.start { workers = 2, values = { certs = folder, up = up.address, open = far.ports.open,
      mutual = far.ports.mutual }, config = [[
      local pair = { cert = "$certs/a.test.crt", key = "$certs/a.test.key" }
      local function tls(more)
        more.certs = { pair, { cert = "$certs/b.test.crt", key = "$certs/b.test.key" } }
        return more
      end
      local function far(address, tls) return { endpoints = { { address = address } }, tls = tls } end
      local function route(host, service) return { hosts = { host }, backends = { { service = service } } } end
      return {
        admin = { address = "127.0.0.1:$admin" },
        listeners = {
          plain = { address = "127.0.0.1:$plain" },
          tls = { address = "127.0.0.1:$tls", tls = tls {} },
          old = { address = "127.0.0.1:$old", tls = tls { tickets = false } },
          asks = { address = "127.0.0.1:$asks", client_cert_header = "set",
            tls = tls { client_ca = "$certs/ca.crt", client_auth = "request" } },
          needs = { address = "127.0.0.1:$needs", tls = tls { client_ca = "$certs/ca.crt", client_auth = "require" } },
          both = { address = "127.0.0.1:$both", tls = tls { permissive = true } },
        },
        services = {
          up = { endpoints = { { address = "$up" } } },
          good = far("127.0.0.1:$open", { ca = "$certs/ca.crt", sni = "a.test" }),
          wrong_ca = far("127.0.0.1:$open", { ca = "$certs/other.crt", sni = "a.test" }),
          wrong_name = far("127.0.0.1:$open", { ca = "$certs/ca.crt", sni = "c.test" }),
          blind = far("127.0.0.1:$open", { insecure = true }),
          mutual = far("127.0.0.1:$mutual", { ca = "$certs/ca.crt", sni = "a.test",
            cert = "$certs/sleep.crt", key = "$certs/sleep.key" }),
          nobody = far("127.0.0.1:$mutual", { ca = "$certs/ca.crt", sni = "a.test" }),
        },
        policies = { { "access_log", path = "stdout", format = "ACCESS %RESPONSE_CODE% %RESPONSE_FLAGS%" } },
        routes = {
          route("good.test", "good"), route("ca.test", "wrong_ca"), route("name.test", "wrong_name"),
          route("blind.test", "blind"), route("mutual.test", "mutual"), route("nobody.test", "nobody"),
          { hosts = { "sleep.test" }, backends = { { service = "up" } },
            policies = { { "rbac", allow = { { principals = { "cluster.local/ns/default/sa/sleep" } } } } } },
          { backends = { { service = "up" } } },
        },
      }]] }
  end)

  teardown(gateway.stop_all)

  -- Runs a shell command while the upstream answers: its exit code and output.
  local function run(command)
    local out = os.tmpname()
    local p = process.start({ "sh", "-c", command }, out)
    local code = loop.poll(function() return process.wait(p, 0) end, 30)
    local text = process.file(out)
    os.remove(out)
    return code, text
  end

  -- What curl gets from `name` at a listener: the body, then the status; nil and what it says when it fails.
  local function curl(listener, name, options)
    local port = gw.ports[listener]
    local command = "curl -sS --max-time 20 --cacert '%s/ca.crt' --resolve '%s:%d:127.0.0.1' "
      .. "-w '\\n%%{http_code}' %s 'https://%s:%d/'"
    local code, text = run(command:format(folder, name, port, options or "", name, port))
    if code ~= 0 then return nil, text end
    return text:match "^(.*)\n(%d+)$"
  end

  local function as(name) return ("--cert '%s/%s.crt' --key '%s/%s.key'"):format(folder, name, folder, name) end

  -- What openssl says of a connection on which it asks for something.
  local function s_client(listener, options)
    local command = "{ printf '%s'; sleep 0.3; } | openssl s_client -connect 127.0.0.1:%d -CAfile '%s/ca.crt' %s 2>&1"
    return select(2, run(command:format("GET / HTTP/1.1\\r\\nHost: a.test\\r\\n\\r\\n", gw.ports[listener], folder,
      options)))
  end

  it("chooses the certificate by SNI", function()
    assert.equal("ok", (curl("tls", "a.test")))
    assert.equal("ok", (curl("tls", "b.test")))
    assert.is_nil((curl("tls", "c.test")))
  end)

  it("tells the upstream that it was https", function()
    curl("tls", "a.test")
    assert.equal("https", up:last().headers["x-forwarded-proto"])
  end)

  it("speaks no TLS below 1.2", function()
    assert.is_nil((curl("tls", "a.test", "--tls-max 1.1")))
    assert.truthy(s_client("tls", "-servername a.test -tls1_2"):find "Protocol *: TLSv1.2")
  end)

  it("agrees on http/1.1 by ALPN", function()
    assert.truthy(s_client("tls", "-servername a.test -alpn h2,http/1.1"):find "ALPN protocol: http/1.1")
  end)

  it("resumes a session by ticket, with any worker", function()
    local session = folder .. "/session"
    assert.truthy(s_client("tls", "-tls1_2 -servername a.test -sess_out " .. session):find "New, TLSv1.2")
    for _ = 1, 6 do
      assert.truthy(s_client("tls", "-tls1_2 -servername a.test -sess_in " .. session):find "Reused, TLSv1.2")
    end
    s_client("old", "-tls1_2 -servername a.test -sess_out " .. session)
    assert.truthy(s_client("old", "-tls1_2 -servername a.test -sess_in " .. session):find "New, TLSv1.2")
  end)

  it("takes the client's SPIFFE identity as its principal", function()
    assert.equal("ok", (curl("asks", "a.test", as "sleep" .. " -H 'Host: sleep.test'")))
    local body, status = curl("asks", "a.test", "-H 'Host: sleep.test'")
    assert.equal("RBAC: access denied", body)
    assert.equal("403", status)
  end)

  it("sets X-Forwarded-Client-Cert of the certificate it saw, in place of what was sent", function()
    curl("asks", "a.test", as "sleep" .. " -H 'X-Forwarded-Client-Cert: URI=spiffe://evil'")
    local values = http.all(up:last(), "x-forwarded-client-cert")
    assert.equal(1, #values)
    assert.truthy(values[1]:find("URI=spiffe://cluster.local/ns/default/sa/sleep", 1, true))
    assert.truthy(values[1]:find "Hash=%x+")
    curl("asks", "a.test", "-H 'X-Forwarded-Client-Cert: URI=spiffe://evil'")
    assert.same({}, http.all(up:last(), "x-forwarded-client-cert"))
  end)

  it("refuses a certificate that another authority signed, and none where one is required", function()
    local before = #up.requests
    assert.is_nil((curl("asks", "a.test", as "stranger")))
    assert.is_nil((curl("needs", "a.test", as "stranger")))
    assert.is_nil((curl("needs", "a.test")))
    assert.equal(before, #up.requests)
    assert.equal(2, gw:counts("moongate_connections_refused_total", { listener = "needs", reason = "tls" }, 2))
    assert.equal("ok", (curl("needs", "a.test", as "sleep")))
  end)

  it("serves clear text beside TLS only where that was asked for", function()
    assert.equal("ok", assert(http.ask(gw.ports.both, {})).body)
    assert.equal("ok", (curl("both", "a.test")))
    assert.is_nil((http.ask(gw.ports.tls, {})))
  end)

  it("serves others while handshakes hang", function()
    local silent = {}
    for i = 1, 50 do silent[i] = stream.connect(gw.ports.tls) end
    assert.equal("ok", (curl("tls", "a.test")))
    for _, conn in ipairs(silent) do conn:close() end
  end)

  it("ends a large answer whole, and says so", function()
    up.answer = function(request)
      request:read()
      return { body = ("x"):rep(3000000) }
    end
    assert.equal(3000000, #curl("tls", "a.test"))
    up.answer = nil
  end)

  describe("upstream", function()
    local function ask(host)
      local response = assert(http.ask(gw.ports.plain, { host = host }))
      return response.status == 200 and response.body or response.status, response.body
    end

    it("verifies the name and the authority", function()
      assert.equal("somebody called", ask "good.test")
      for _, host in ipairs { "ca.test", "name.test" } do
        local status, body = ask(host)
        assert.equal(503, status)
        assert.truthy(body:find("TLS error", 1, true), body)
      end
      assert.equal("somebody called", ask "blind.test")
    end)

    it("shows its own certificate", function()
      assert.equal("sleep called", ask "mutual.test")
      assert.equal(503, (ask "nobody.test"))
    end)

    it("reuses its connections", function()
      for _ = 1, 5 do assert.equal("sleep called", ask "mutual.test") end
    end)
  end)
end)
