local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local loop = require "spec.support.loop"
local stream = require "spec.support.stream"
local upstream = require "spec.support.upstream"

local BEFORE = "upstream connect error or disconnect/reset before headers. "

describe("upstream failures", function()
  local gw, up

  setup(function()
    up = upstream.start()
    local dead = upstream.start()
    dead:stop()
    gw = gateway.start { values = { up = up.address, dead = dead.address }, config = [[
      return {
        listeners = { web = { address = "127.0.0.1:$web" } },
        services = {
          up = { endpoints = { { address = "$up" } } },
          dead = { endpoints = { { address = "$dead" } } },
          none = { endpoints = {} },
          nameless = { endpoints = { { address = "no-such-name.invalid:80" } } },
          small = { endpoints = { { address = "$up" } }, pool = { max_connections = 1 } },
          tls = { endpoints = { { address = "$up" } }, tls = { insecure = true } },
        },
        policies = { { "access_log", path = "stdout",
          format = "ACCESS %REQ(:PATH)% %RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS%" } },
        routes = {
          { hosts = { "up.test" }, backends = { { service = "up" } } },
          { hosts = { "dead.test" }, backends = { { service = "dead" } } },
          { hosts = { "again.test" }, backends = { { service = "dead" } },
            retries = { attempts = 1, on = { "connect-failure" }, back_off = "1ms" } },
          { hosts = { "none.test" }, backends = { { service = "none" } } },
          { hosts = { "nameless.test" }, backends = { { service = "nameless" } } },
          { hosts = { "small.test" }, backends = { { service = "small" } } },
          { hosts = { "tls.test" }, backends = { { service = "tls" } } },
          { hosts = { "hurry.test" }, backends = { { service = "up" } }, timeout = "100ms" },
          { hosts = { "try.test" }, backends = { { service = "up" } }, per_try_timeout = "100ms" },
        },
      }]] }
  end)

  teardown(gateway.stop_all)

  local paths = 0

  -- Asks `host`; checks the status, the start of the body, and what the access log says of it.
  local function fails(host, status, body, flags, details)
    paths = paths + 1
    local path = "/" .. paths
    local response = assert(gw:ask { host = host, path = path })
    assert.equal(status, response.status)
    assert.equal(body, response.body:sub(1, #body))
    assert.equal(tostring(#response.body), response.headers["content-length"])
    local logged = assert(gw:logged("ACCESS " .. path .. " "), "no line in the access log")
    assert.equal(("%d %s %s"):format(status, flags, details or ""), logged:sub(1, #logged))
    return response
  end

  it("answers 503 UF when nobody listens, as text/plain", function()
    local response = fails("dead.test", 503, BEFORE .. "reset reason: remote connection failure, "
      .. "transport failure reason: delayed connect error: ", "UF",
      "upstream_reset_before_response_started{remote_connection_failure}")
    assert.equal("text/plain", response.headers["content-type"])
    assert.truthy(response.headers.date)
  end)

  it("says so when a retry did not help", function()
    fails("again.test", 503, BEFORE .. "retried and the latest reset reason: remote connection failure", "URX,UF",
      "upstream_reset_before_response_started{remote_connection_failure}")
  end)

  it("tells gRPC clients in their own way", function()
    local response = assert(gw:ask { host = "none.test", method = "POST", body = "x",
      headers = { ["Content-Type"] = "application/grpc" } })
    assert.equal(200, response.status)
    assert.equal("14", response.headers["grpc-status"])
    assert.equal("no healthy upstream", response.headers["grpc-message"])
    assert.equal("", response.body)
  end)

  it("answers 503 UH when there is no endpoint", function()
    fails("none.test", 503, "no healthy upstream", "UH", "no_healthy_upstream")
  end)

  it("answers 503 DF when the name does not resolve", function()
    fails("nameless.test", 503, BEFORE, "DF", "upstream_reset_before_response_started{remote_connection_failure}")
  end)

  it("answers 503 UC when the upstream closes before its answer, or inside its head", function()
    up.answer = function(request)
      request:read()
      return nil
    end
    fails("up.test", 503, BEFORE .. "reset reason: connection termination", "UC",
      "upstream_reset_before_response_started{connection_termination}")
    up.answer = function(request)
      request.stream:send "HTTP/1.1 200 OK\r\nX-A: "
      return nil
    end
    fails("up.test", 503, BEFORE .. "reset reason: connection termination", "UC",
      "upstream_reset_before_response_started{connection_termination}")
  end)

  it("answers 503 UR when the upstream resets", function()
    up.answer = function(request)
      request.stream:close(true)
      return nil
    end
    fails("up.test", 503, BEFORE .. "reset reason: ", "UR", "upstream_reset_before_response_started{remote_reset}")
  end)

  it("answers 502 UPE when the upstream talks nonsense", function()
    for _, nonsense in ipairs { "220 mail.test ESMTP\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
      "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab" } do
      up.answer = function() return nonsense end
      fails("up.test", 502, BEFORE .. "reset reason: protocol error", "UPE",
        "upstream_reset_before_response_started{protocol_error}")
    end
  end)

  it("does not wait for the end of a head that is none", function()
    for _, nonsense in ipairs { "220 mail.test ESMTP\r\n", "HTTP/1.1 200 OK\nX: y\n\n" } do
      up.answer = function() return nonsense end
      fails("up.test", 502, BEFORE .. "reset reason: protocol error", "UPE",
        "upstream_reset_before_response_started{protocol_error}")
    end
  end)

  it("answers 503 when TLS meets clear text", function()
    up.raw = function(conn)
      conn:read_some(10)
      conn:send "HTTP/1.1 400 Bad Request\r\n\r\n"
    end
    finally(function() up.raw = nil end)
    fails("tls.test", 503, BEFORE, "UF", "upstream_reset_before_response_started{remote_connection_failure}")
  end)

  it("answers 504 UT when the answer does not come in time", function()
    up.answer = function(request)
      loop.sleep(0.5)
      request:read()
      return { body = "late" }
    end
    fails("hurry.test", 504, "upstream request timeout", "UT", "response_timeout")
    fails("try.test", 504, "upstream request timeout", "UT", "upstream_per_try_timeout")
  end)

  it("cuts an answer that does not end in time", function()
    up.answer = function(request)
      request.stream:send "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"
      loop.sleep(0.5)
      return nil
    end
    assert.is_nil((gw:ask { host = "hurry.test", path = "/cut" }))
    assert.truthy(gw:logged("ACCESS /cut "):find "UT")
  end)

  it("says in the log that the client left", function()
    up.answer = function(request)
      loop.sleep(0.3)
      request:read()
      return { body = "late" }
    end
    local conn = stream.connect(gw.ports.web)
    conn:send(http.format { host = "up.test", path = "/left" })
    loop.sleep(0.05)
    conn:close()
    assert.equal("0 DC downstream_remote_disconnect", gw:logged "ACCESS /left ")
  end)

  it("answers 503 UO at once when the endpoint has no connection left", function()
    local gate = false
    up.answer = function(request)
      loop.poll(function() return gate end)
      request:read()
      return { body = "ok" }
    end
    local first = stream.connect(gw.ports.web)
    first:send(http.format { host = "small.test" })
    loop.poll(function() return up:last() and up:last().headers.host == "small.test" end)
    local response = fails("small.test", 503, BEFORE .. "reset reason: overflow", "UO",
      "upstream_reset_before_response_started{overflow}")
    assert.equal("true", response.headers["x-envoy-overloaded"])
    gate = true
    assert.equal("ok", assert(http.read_response(first)).body)
    first:close()
  end)
end)
