--- Policy body_rewrite in a running gateway: long and slow bodies, gzip, JSON, ranges, HEAD, and what must not pass.
local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local loop = require "spec.support.loop"
local process = require "spec.support.process"
local stream = require "spec.support.stream"
local upstream = require "spec.support.upstream"

local folder

-- What a program makes of bytes.
local function filter(command, bytes)
  local path = gateway.write(folder .. "/bytes", bytes)
  return process.read(("%s < '%s' 2>&1"):format(command, path))
end

local function zip(text) return filter("gzip -c", text) end
local function unzip(bytes) return filter("gzip -dc", bytes) end

describe("policy body_rewrite on real sockets", function()
  local gw, main

  setup(function()
    folder = gateway.folder()
    main = upstream.start()
    gw = gateway.start { values = { main = main.address }, args = { "--policy-path", "spec/support/policies" },
      config = [[
      local function rewritten(path, settings)
        settings[1] = settings[1] or "body_rewrite"
        return { match = { path = { prefix = path } }, policies = { settings }, backends = { { service = "main" } } }
      end
      return {
        listeners = { web = { address = "127.0.0.1:$web" } },
        admin = { address = "127.0.0.1:$admin" },
        services = { main = { endpoints = { { address = "$main" } } } },
        routes = {
          rewritten("/text", { replace = { { from = "http://inner.test", to = "https://shop.test" } } }),
          rewritten("/json", { set = { { path = "user.name", value = "ada" } }, limit = "100KiB" }),
          rewritten("/up", { side = "request", replace = { { from = "secret", to = "******" } } }),
          rewritten("/upjson", { side = "request", set = { { path = "user", value = "ada" } }, limit = "100KiB" }),
          rewritten("/judge", { "judge" }),
        },
      }]] }
  end)
  teardown(gateway.stop_all)
  before_each(function() main.requests, main.answer = {}, nil end)

  local HTML = { ["Content-Type"] = "text/html" }

  local function with(headers, more)
    local copy = {}
    for name, value in pairs(headers) do copy[name] = value end
    for name, value in pairs(more or {}) do copy[name] = value end
    return copy
  end

  local function serves(headers, body, status)
    main.answer = function(request)
      request:read()
      return { status = status, headers = headers, body = body }
    end
  end

  it("replaces texts wherever a body is cut into pieces, and says no length that is wrong", function()
    local pieces = { "<a href='htt", "p://inner.t", "est/cart'>" }
    local head = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nETag: \"v1\"\r\nContent-Length: %d\r\n\r\n"
    main.answer = function(request)
      request:read()
      request.stream:send(head:format(#table.concat(pieces)))
      for _, piece in ipairs(pieces) do
        loop.sleep(0.05)
        request.stream:send(piece)
      end
      return true
    end
    local response = assert(gw:ask { path = "/text" })
    assert.same({ "<a href='https://shop.test/cart'>", 'W/"v1"', nil, "chunked" }, { response.body,
      response.headers.etag, response.headers["content-length"], response.headers["transfer-encoding"] })
  end)

  it("streams what is long, under back-pressure and in little memory", function()
    local piece, sent = ("0123456789"):rep(10000) .. "http://inner.test", 0
    local head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n"
    main.answer = function(request)
      request:read()
      request.stream:send(head:format(#piece * 400))
      while sent < 400 do
        if not request.stream:send(piece, 60) then return nil end
        sent = sent + 1
      end
      return true
    end
    local conn = stream.connect(gw.ports.web)
    conn:send(http.format { path = "/text" })
    loop.sleep(0.7)
    assert.is_true(sent > 0 and sent < 300, tostring(sent)) -- nobody takes what the client does not read
    local response = assert(http.read_response(conn, "GET", 60))
    conn:close()
    local _, count = response.body:gsub("https://shop%.test", "")
    assert.same({ 400, 400 * #piece }, { count, #response.body })
  end)

  it("decodes and encodes gzip, and asks for nothing else", function()
    local text = ("see http://inner.test/a\n"):rep(20000)
    serves(with(HTML, { ["Content-Encoding"] = "gzip", Vary = "Accept-Encoding" }), zip(text))
    local response = assert(gw:ask { path = "/text", headers = { ["accept-encoding"] = "br, gzip, zstd",
      range = "bytes=0-3" } })
    assert.same({ 200, "gzip" }, { response.status, response.headers["content-encoding"] })
    assert.is_true(unzip(response.body) == text:gsub("http://inner", "https://shop"):gsub("inner", "shop"))
    assert.equal("gzip", main:last().headers["accept-encoding"])
    assert.is_nil(main:last().headers.range)
    assert.equal(200, assert(gw:ask { path = "/text", headers = { ["accept-encoding"] = "br" } }).status)
    assert.equal("identity", main:last().headers["accept-encoding"])
  end)

  it("tells HEAD and conditional requests the truth", function()
    serves(with(HTML, { ETag = '"v1"' }), "http://inner.test")
    local response = assert(gw:ask { path = "/text" })
    assert.equal("https://shop.test", response.body)
    main.answer = function(request)
      request:read()
      return "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nETag: \"v1\"\r\nContent-Length: 17\r\n\r\n"
    end
    response = assert(gw:ask { path = "/text", method = "HEAD" })
    assert.same({ 200, 'W/"v1"', nil }, { response.status, response.headers.etag, response.headers["content-length"] })
    main.answer = function() return "HTTP/1.1 304 Not Modified\r\nETag: \"v1\"\r\nContent-Length: 17\r\n\r\n" end
    response = assert(gw:ask { path = "/text", headers = { ["if-none-match"] = 'W/"v1"' } })
    assert.same({ 304, 'W/"v1"', nil }, { response.status, response.headers.etag, response.headers["content-length"] })
  end)

  it("sets values in JSON, or answers 502", function()
    local JSON = { ["Content-Type"] = "application/json; charset=utf-8" }
    serves(JSON, '{"id": 12345678901234567890, "user": {"name": "eve"}}')
    local response = assert(gw:ask { path = "/json" })
    assert.equal('{"id": 12345678901234567890, "user": {"name": "ada"}}', response.body)
    serves(with(JSON, { ["Content-Encoding"] = "gzip" }), zip '{"user": {}}')
    assert.equal('{"user": {"name":"ada"}}', unzip(assert(gw:ask { path = "/json",
      headers = { ["accept-encoding"] = "gzip" } }).body))
    for _, bad in ipairs { { JSON, "<html>" }, { JSON, '{"user"' }, { JSON, "[" .. ("1,"):rep(60000) .. "1]" },
      { with(JSON, { ["Content-Encoding"] = "br" }), "{}" }, { with(JSON, { ["Content-Encoding"] = "gzip" }), "{}" },
      { with(JSON, { ["Content-Encoding"] = "gzip" }), zip(("0"):rep(20000000)) },
      { with(JSON, { ["Content-Encoding"] = "gzip" }), zip('{"user": {}}'):sub(1, -2) } } do
      serves(bad[1], bad[2])
      response = assert(gw:ask { path = "/json" })
      assert.equal(502, response.status)
      assert.truthy(response.headers.date)
    end
    serves({ ["Content-Type"] = "image/png" }, ("x"):rep(300000))
    assert.equal(300000, #assert(gw:ask { path = "/json" }).body) -- none of its business
  end)

  it("cuts a response that turns out to be bad when it has begun", function()
    local bytes = zip(("some text "):rep(300000))
    serves(with(HTML, { ["Content-Encoding"] = "gzip" }), bytes:sub(1, -5))
    local response = gw:ask { path = "/text" }
    assert.is_true(not response or response.status == 502) -- nothing may have gone out yet
    serves(with(HTML, { ["Content-Encoding"] = "gzip" }), zip(("0"):rep(20000000)))
    response = gw:ask { path = "/text" }
    assert.is_true(not response or response.status == 502)
    serves(HTML, "part", 206)
    assert.equal(502, assert(gw:ask { path = "/text" }).status)
  end)

  it("rewrites requests, and refuses those that it cannot", function()
    local seen
    main.answer = function(request)
      seen = request:read().body
      return {}
    end
    local PLAIN = { ["content-type"] = "text/plain" }
    local response = assert(gw:ask { method = "POST", path = "/up", headers = PLAIN, chunks = { "a sec", "ret",
      " b" } })
    assert.same({ 200, "a ****** b" }, { response.status, seen })
    assert.equal(200, assert(gw:ask { method = "POST", path = "/up", body = zip "my secret",
      headers = with(PLAIN, { ["content-encoding"] = "gzip", ["content-digest"] = "sha-256=:x:" }) }).status)
    assert.equal("my ******", unzip(seen))
    assert.is_nil(main:last().headers["content-digest"])
    local count = #main.requests
    assert.equal(415, assert(gw:ask { method = "POST", path = "/up", body = "x",
      headers = with(PLAIN, { ["content-encoding"] = "br" }) }).status)
    assert.equal(count, #main.requests)
    local JSON = { ["content-type"] = "application/json" }
    assert.equal(200, assert(gw:ask { method = "PUT", path = "/upjson", body = '{"a":1}', headers = JSON }).status)
    assert.equal('{"a":1,"user":"ada"}', seen)
    seen = nil
    assert.equal(400, assert(gw:ask { method = "PUT", path = "/upjson", body = '{"a":', headers = JSON }).status)
    assert.equal(413, assert(gw:ask { method = "PUT", path = "/upjson", body = "[" .. ("1,"):rep(60000) .. "1]",
      headers = JSON }).status)
    assert.is_nil(seen) -- no body of theirs came through whole
    assert.equal(200, assert(gw:ask { method = "PUT", path = "/upjson", body = "{}", headers = JSON }).status)
  end)

  it("lets any policy answer while bodies pass, until they have begun to", function()
    serves({}, "fine")
    local response = assert(gw:ask { method = "POST", path = "/judge", body = "fine" })
    assert.same({ 200, "fine", "4" }, { response.status, response.body, response.headers["x-length"] })
    response = assert(gw:ask { method = "POST", path = "/judge", chunks = { "a", "bad", "one" } })
    assert.same({ 422, "a bad request" }, { response.status, response.body })
    serves({}, "a bad one")
    response = assert(gw:ask { path = "/judge" })
    assert.same({ 502, "a bad response" }, { response.status, response.body })
    assert.equal(0, (gw:metric "moongate_policy_errors_total") - (gw:metric("moongate_policy_errors_total",
      { policy = "body_rewrite" })))
  end)
end)
