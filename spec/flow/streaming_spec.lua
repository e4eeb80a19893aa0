local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local loop = require "spec.support.loop"
local process = require "spec.support.process"
local stream = require "spec.support.stream"
local upstream = require "spec.support.upstream"

-- SPEC_STREAM_MIB=10240 moves 10 GiB each way.
local TOTAL = tonumber(os.getenv "SPEC_STREAM_MIB" or 256) * 1048576
local BLOCK = ("0123456789abcdef"):rep(16384) -- 256 KiB
local MOST = 256 * 1024 -- what a transfer may hold in the gateway

describe("streaming #slow", function()
  local gw, up, worker

  setup(function()
    up = upstream.start()
    gw = gateway.start { values = { up = up.address }, config = [[
      return {
        listeners = { web = { address = "127.0.0.1:$web" } },
        services = { up = { endpoints = { { address = "$up" } } } },
        routes = { { backends = { { service = "up" } } } },
      }]] }
    worker = gw:children()[1]
    for _ = 1, 50 do assert(gw:ask { method = "POST", body = "warm" }) end
  end)

  teardown(gateway.stop_all)

  local function private() return process.memory(worker).private end

  -- Reads `total` bytes, slowly at first; the most memory the gateway held meanwhile.
  local function drain(conn, total, base)
    local have, most, step = 0, 0, 0
    while have < total do
      step = step + 1
      if step <= 40 then
        loop.sleep(0.01) -- the queues fill up
        most = math.max(most, private() - base)
      elseif step % 500 == 0 then
        most = math.max(most, private() - base)
      end
      local bytes, err = conn:read_some(65536)
      assert(bytes, err)
      have = have + #bytes
    end
    return most, have
  end

  local function pour(conn, total)
    local sent = 0
    while sent < total do
      if not conn:send(BLOCK) then return sent end
      sent = sent + #BLOCK
    end
    return sent
  end

  it("holds little of a large answer that is read slowly", function()
    up.answer = function(request)
      request.stream:send(("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n"):format(TOTAL))
      pour(request.stream, TOTAL)
      return true
    end
    local base, conn = private(), stream.connect(gw.ports.web)
    conn:send(http.format {})
    assert.equal(200, assert(http.read_response_head(conn)).status)
    local most, have = drain(conn, TOTAL, base)
    conn:close()
    assert.equal(TOTAL, have)
    assert.is_true(most < MOST, ("held %d KiB"):format(most / 1024))
  end)

  it("holds little of a large upload that is read slowly", function()
    local most, have
    local base = private()
    up.answer = function(request)
      most, have = drain(request.stream, TOTAL, base)
      return { body = "ok" }
    end
    local conn = stream.connect(gw.ports.web)
    conn:send(("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n"):format(TOTAL))
    assert.equal(TOTAL, pour(conn, TOTAL))
    assert.equal(200, assert(http.read_response(conn)).status)
    conn:close()
    assert.equal(TOTAL, have)
    assert.is_true(most < MOST, ("held %d KiB"):format(most / 1024))
  end)

  it("stops reading upstream while the client reads nothing", function()
    local sent = 0
    up.answer = function(request)
      request.stream:send "HTTP/1.1 200 OK\r\n\r\n"
      while request.stream:send(BLOCK) and sent < TOTAL do sent = sent + #BLOCK end
      return nil
    end
    local conn = stream.connect(gw.ports.web)
    conn:send(http.format {})
    local before
    repeat -- until nothing moves any more
      before = sent
      loop.sleep(0.3)
    until sent == before
    assert.is_true(sent < 32 * 1048576, ("%d MiB were taken from the upstream"):format(sent / 1048576))
    conn:close()
  end)
end)
