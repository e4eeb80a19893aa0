--- Peers that abuse TLS: each is ended within a bound, and others are served meanwhile.
local certs = require "spec.support.certs"
local gateway = require "spec.support.gateway"
local loop = require "spec.support.loop"
local process = require "spec.support.process"
local stream = require "spec.support.stream"

local SLOW = 200 -- handshakes that do not go on
local HANDSHAKE = 10 -- seconds that one may take (core/net/tls.h)

describe("hostile TLS:", function()
  local gw, folder

  setup(function()
    folder = certs.make(gateway.folder())
    gw = gateway.start { values = { certs = folder }, config = [[
      return {
        listeners = { web = { address = "127.0.0.1:$web", tls = { cert = "$certs/a.test.crt", key = "$certs/a.test.key",
          client_ca = "$certs/ca.crt", client_auth = "request" } } },
        routes = { { policies = { { "respond", body = "served" } } } },
      }]] }
  end)

  teardown(gateway.stop_all)

  -- What openssl's client says when it has sent this, and `words` are its own.
  local function s_client(input, words)
    return process.read(("%s | timeout 20 openssl s_client -connect 127.0.0.1:%d -tls1_2 %s 2>&1"):format(input,
      gw.ports.web, words or ""))
  end

  local function is_served()
    local said = process.read(("curl -sk --max-time 20 https://127.0.0.1:%d/"):format(gw.ports.web))
    assert.equal("served", said)
  end

  it("a renegotiation is refused", function()
    local said = s_client("(sleep 0.5; echo R; sleep 1)")
    assert.truthy(said:find "RENEGOTIATING")
    assert.truthy(said:find "no renegotiation" or said:find "unexpected eof" or said:find "errno", said)
    assert.is_nil(said:match "RENEGOTIATING.*verify return") -- no second handshake went through
    is_served()
  end)

  it("a certificate that is too large ends the handshake", function()
    local names = {}
    for i = 1, 3000 do names[i] = ("DNS:%s%d.example"):format(("x"):rep(40), i) end
    gateway.write(folder .. "/large.cnf", "subjectAltName=" .. table.concat(names, ","))
    process.read(("cd '%s' && openssl x509 -req -in sleep.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 "
      .. "-extfile large.cnf -out large.crt 2>&1"):format(folder))
    assert.is_true(#process.file(folder .. "/large.crt") > 65536)
    local said = s_client("echo", ("-cert '%s/large.crt' -key '%s/sleep.key'"):format(folder, folder))
    assert.is_nil(said:find("served", 1, true))
    assert.truthy(said:find "alert" or said:find "errno" or said:find "unexpected eof", said)
    is_served()
  end)

  it("handshakes that do not go on are ended, and others served meanwhile #slow", function()
    local held = {}
    for i = 1, SLOW do
      held[i] = stream.connect(gw.ports.web)
      held[i]:send "\22\3\1\0\200\1\0\0\196\3\3" -- the beginning of a ClientHello
    end
    is_served()
    local began = loop.now()
    for i = 1, SLOW do
      assert.is_true(held[i]:closed(HANDSHAKE + 20 - (loop.now() - began)))
      held[i]:close()
    end
    is_served()
  end)
end)
