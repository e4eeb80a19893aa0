--- Scripts for Envoy's Lua filter, unchanged; the first are the examples of its documentation (lua_filter.rst).
local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local loop = require "spec.support.loop"
local mesh = require "spec.support.mesh"
local process = require "spec.support.process"
local stream = require "spec.support.stream"
local upstream = require "spec.support.upstream"

local SCRIPTS = {
  bodies = [[
-- Called on the request path.
function envoy_on_request(request_handle)
  -- Wait for the entire request body and add a request header with the body size.
  request_handle:headers():add("request_body_size", request_handle:body():length())
end

-- Called on the response path.
function envoy_on_response(response_handle)
  -- Wait for the entire response body and add a response header with the body size.
  response_handle:headers():add("response_body_size", response_handle:body():length())
  -- Remove a response header named 'foo'
  response_handle:headers():remove("foo")
end]],
  call = [[
function envoy_on_request(request_handle)
  -- Make an HTTP call to an upstream host with the following headers, body, and timeout.
  local headers, body = request_handle:httpCall(
  "lua_cluster",
  {
    [":method"] = "POST",
    [":path"] = "/",
    [":authority"] = "lua_cluster"
  },
  "hello world",
  5000)

  -- Add information from the HTTP call into the headers that are about to be sent to the next
  -- filter in the filter chain.
  request_handle:headers():add("upstream_foo", headers["foo"])
  request_handle:headers():add("upstream_body_size", #body)
end]],
  refuse = [[
function envoy_on_request(request_handle)
  -- Make an HTTP call.
  local headers, body = request_handle:httpCall(
  "lua_cluster",
  {
    [":method"] = "POST",
    [":path"] = "/",
    [":authority"] = "lua_cluster",
    ["set-cookie"] = { "lang=lua; Path=/", "type=binding; Path=/" }
  },
  "hello world",
  5000)

  -- Response directly and set a header from the HTTP call. No further filter iteration
  -- occurs.
  request_handle:respond(
    {[":status"] = "403",
     ["upstream_foo"] = headers["foo"]},
    "nope")
end]],
  log = [[
function envoy_on_request(request_handle)
  -- Log information about the request
  request_handle:logInfo("Authority: "..request_handle:headers():get(":authority"))
  request_handle:logInfo("Method: "..request_handle:headers():get(":method"))
  request_handle:logInfo("Path: "..request_handle:headers():get(":path"))
end

function envoy_on_response(response_handle)
  -- Log response status code
  response_handle:logInfo("Status: "..response_handle:headers():get(":status"))
end]],
  replace = [[
function envoy_on_response(response_handle)
  response_handle:body():setBytes("<html><b>Not Found<b></html>")
  response_handle:headers():replace("content-type", "text/html")
end]],
  chunks = [[
function envoy_on_response(response_handle)

  -- Sets the content-type.
  response_handle:headers():replace("content-type", "text/html")

  local last
  for chunk in response_handle:bodyChunks() do
    -- Clears each received chunk.
    chunk:setBytes("")
    last = chunk
  end

  last:setBytes("<html><b>Not Found<b></html>")
end]],
  metadata = [[
function envoy_on_request(request_handle)
  local headers = request_handle:headers()
  request_handle:streamInfo():dynamicMetadata():set("envoy.filters.http.lua", "request.info", {
    auth = headers:get("authorization"),
    token = headers:get("x-request-token"),
  })
end

function envoy_on_response(response_handle)
  local meta = response_handle:streamInfo():dynamicMetadata():get("envoy.filters.http.lua")["request.info"]
  response_handle:logInfo("Auth: "..meta.auth..", token: "..meta.token)
end]],
  -- The rest of the API.
  fields = [[
function envoy_on_request(handle)
  local headers, names = handle:headers(), {}
  headers:add("x-many", "1")
  headers:add("X-Many", 2)
  for key, value in pairs(headers) do
    if key:sub(1, 1) == ":" or key:find("^x%-many") then names[#names + 1] = key .. "=" .. value end
  end
  headers:replace(":path", "/other?b=2")
  headers:replace("content-length", "7")
  headers:replace("x-new", "new")
  headers:remove("x-gone")
  local info = handle:streamInfo()
  headers:add("x-told", table.concat({ table.concat(names, "|"), headers:get("x-many"), headers:getAtIndex("x-many", 1),
    headers:getNumValues("x-many"), tostring(headers:getAtIndex("x-many", 2)), tostring(headers:get("x-none")),
    info:protocol(), info:routeName(), info:virtualClusterName() .. info:requestedServerName(),
    tostring(handle:connection():ssl()),
    tostring(handle:metadata():get("x")), handle:base64Escape("foo"), type(handle:timestamp()),
    #handle:timestampString(EnvoyTimestampResolution.MICROSECOND) - #handle:timestampString() }, " "))
  headers:add("x-local", info:downstreamLocalAddress() .. " " .. info:downstreamDirectLocalAddress())
  headers:add("x-remote", info:downstreamRemoteAddress() .. " " .. info:downstreamDirectRemoteAddress())
end
function envoy_on_response(handle) handle:headers():replace(":status", "299") end]],
  made = [[
function envoy_on_request(handle)
  local body = handle:body(true)
  handle:headers():add("x-bytes", body:length() > 2 and body:getBytes(1, 2) or "short")
  body:setBytes("made of " .. body:length())
  if handle:body() then handle:headers():add("x-existed", "yes") end
end]],
  trailers = [[
function envoy_on_request(handle)
  handle:body()
  local trailers = handle:trailers()
  handle:headers():add("x-trailer", trailers and trailers:get("x-t") or "none")
  if trailers then trailers:add("x-more", "2") end
end]],
  later = [[
function envoy_on_request(handle)
  local headers, body = handle:httpCall("lua_cluster",
    { [":method"] = "GET", [":path"] = "/later", [":authority"] = "x" }, nil, { asynchronous = true })
  handle:headers():add("x-nothing", tostring(headers) .. tostring(body))
  headers, body = handle:httpCall("lua_cluster",
    { [":method"] = "GET", [":path"] = "/twice", [":authority"] = "x" }, "",
    { timeout_ms = 5000, return_duplicate_headers = true })
  handle:headers():add("x-twice", headers[":status"] .. " " .. table.concat(headers.key, "+") .. " " .. tostring(body))
  headers, body = handle:httpCall("down", { [":method"] = "GET", [":path"] = "/", [":authority"] = "x" }, "", 5000)
  handle:headers():add("x-down", headers[":status"] .. " " .. body)
end]],
  raises = [[
function envoy_on_request(handle)
  local nothing = handle:headers():get("x-none")
  handle:headers():add("x-length", nothing:len())
end]],
  swallows = [[
function envoy_on_request(handle)
  pcall(function() handle:respond({ [":status"] = "401" }, "first") end)
end]],
  signed = [[
function envoy_on_request(handle)
  local base64, headers = require "moongate.base64", handle:headers()
  local der, signature = base64.decode(headers:get "x-key"), base64.decode(headers:get "x-signature")
  local key = handle:importPublicKey(der, #der):get()
  if not key then return handle:respond({ [":status"] = "400" }, "no key") end
  local ok, why = handle:verifySignature(headers:get "x-hash", key, signature, #signature, "the data and more", 8)
  handle:respond({ [":status"] = ok and "200" or "403" }, why)
end]],
  streamed = [[
function envoy_on_request(handle)
  local count = 0
  for chunk in handle:bodyChunks() do
    count = count + 1
    handle:httpCall("lua_cluster", { [":method"] = "GET", [":path"] = "/chunk", [":authority"] = "x" }, "", 5000)
    chunk:setBytes("<" .. chunk:getBytes(0, chunk:length()) .. ">")
  end
  handle:logInfo("chunks of the request: " .. count)
end
function envoy_on_response(handle)
  local count, trailers = 0, nil
  handle:headers():add("x-before", "1")
  for chunk in handle:bodyChunks() do
    count = count + 1
    chunk:setBytes("[" .. chunk:getBytes(0, chunk:length()) .. "]")
  end
  trailers = handle:trailers()
  handle:logInfo("chunks of the response: " .. count .. " " .. (trailers and trailers:get("x-t") or "-"))
end]],
  some = [[
function envoy_on_response(handle)
  for chunk in handle:bodyChunks() do
    chunk:setBytes("first")
    break
  end
end]],
  late = [[
function envoy_on_request(handle)
  for chunk in handle:bodyChunks() do handle:respond({ [":status"] = "403" }, "late") end
end]],
  headed = [[
function envoy_on_request(handle)
  local headers = handle:headers()
  for _ in handle:bodyChunks() do headers:add("x-late", headers:get(":method")) end
end]],
  both = [[
function envoy_on_request(handle)
  for chunk in handle:bodyChunks() do handle:body() end
end]],
  after = [[
function envoy_on_response(handle)
  local kept
  for chunk in handle:bodyChunks() do kept = kept or chunk end
  kept:setBytes("too late")
end]],
  helper = [[
function envoy_on_request() end
local function count(handle)
  local count = 0
  for chunk in handle:bodyChunks() do count = count + chunk:length() end
  return count
end
function envoy_on_response(handle) handle:headers():add("x-count", tostring(count(handle))) end]],
  lost = [[
function envoy_on_response(handle)
  for chunk in handle:bodyChunks() do chunk:setBytes("ours") end
end]],
  counts = [[
local count = 0
function envoy_on_request(handle)
  count = count + 1
  handle:respond({ [":status"] = 200 }, count)
end]],
  texts = [[
function envoy_on_request(handle)
  local call = { [":method"] = "GET", [":path"] = "/", [":authority"] = "a" }
  for name, act in pairs {
    respond = function() handle:respond({ [":status"] = "200" }, {}) end,
    httpCall = function() handle:httpCall("lua_cluster", call, false, 5000) end,
    setBytes = function() handle:body(true):setBytes(nil) end,
  } do
    local ok, err = pcall(act)
    handle:headers():add("x-said", tostring(ok) .. " " .. tostring(err):match("%a+: expected .*"))
  end
end]],
}

local function config_of()
  local routes = {}
  for name, script in pairs(SCRIPTS) do
    routes[#routes + 1] = ([==[
      { name = "%s", match = { path = { prefix = "/%s" } }, policies = { { "envoy_lua", limit = 1000, script = [[
%s
      ]] } }, backends = { { service = "%s" } } },]==]):format(name, name, script, name == "lost" and "down" or "up")
  end
  return ([[
    return {
      listeners = { web = { address = "127.0.0.1:$web" } },
      admin = { address = "127.0.0.1:$admin" },
      services = { up = { endpoints = { { address = "$up" } } },
        lua_cluster = { endpoints = { { address = "$called" } } }, down = { endpoints = { "127.0.0.1:1" } } },
      policies = { { "access_log", format = "%%REQ(:PATH)%% by %%RESPONSE_CODE_DETAILS%%" } },
      routes = { %s },
    }]]):format(table.concat(routes, "\n"))
end

describe("scripts for Envoy's Lua filter", function()
  local gw, up, called

  setup(function()
    up = upstream.start(function(request)
      request:read()
      return { status = 404, headers = { foo = "bar", ["content-type"] = "text/plain" }, body = "0123456789" }
    end)
    called = upstream.start(function(request)
      request:read()
      if request.target == "/twice" then return "HTTP/1.1 204 X\r\nkey: 1\r\nkey: 2\r\n\r\n" end
      return { status = 200, headers = { foo = "of the call" }, body = "answer" }
    end)
    gw = gateway.start { values = { up = up.address, called = called.address }, config = config_of() }
  end)

  teardown(gateway.stop_all)

  local function ask(request)
    local response = assert(gw:ask(request))
    return response, up.requests[#up.requests]
  end

  it("wait for whole bodies", function()
    local response, request = ask { method = "POST", path = "/bodies", body = "hello" }
    assert.equal("5", request.headers["request_body_size"])
    assert.equal("10", response.headers["response_body_size"])
    assert.is_nil(response.headers.foo)
    assert.equal("0123456789", response.body)
    assert.equal(413, ask { method = "POST", path = "/bodies", body = ("x"):rep(1001) }.status)
  end)

  it("call services", function()
    local _, request = ask { path = "/call" }
    assert.equal("of the call", request.headers["upstream_foo"])
    assert.equal("6", request.headers["upstream_body_size"])
    local call = called.requests[#called.requests]
    assert.same({ "POST", "/", "hello world" }, { call.method, call.target, call.body })
    assert.equal("lua_cluster", call.headers.host)
  end)

  it("call services, and answer", function()
    local before = #up.requests
    local response = ask { path = "/refuse" }
    assert.same({ 403, "nope", "of the call" }, { response.status, response.body, response.headers["upstream_foo"] })
    assert.truthy(gw:logged "/refuse by lua_response")
    local sent = http.all(called.requests[#called.requests], "set-cookie")
    assert.same({ "lang=lua; Path=/", "type=binding; Path=/" }, sent)
    assert.equal(before, #up.requests)
  end)

  it("write to the log", function()
    ask { path = "/log?x=1", host = "shop.example" }
    for _, text in ipairs { "Authority: shop.example", "Method: GET", "Path: /log?x=1", "Status: 404" } do
      assert.truthy(gw:logged(text), text)
    end
  end)

  it("replace the response's body, by both ways", function()
    for _, path in ipairs { "/replace", "/chunks" } do
      local response = ask { path = path }
      assert.same({ 404, "<html><b>Not Found<b></html>" }, { response.status, response.body })
      assert.equal("text/html", response.headers["content-type"])
    end
  end)

  it("may stand at backends and in the shadow, unless they go through chunks", function()
    local folder = gateway.folder()
    local function check(body)
      local path = gateway.write(folder .. "/gateway.lua", ([==[return {
        listeners = { web = { address = "127.0.0.1:1" } },
        services = { up = { endpoints = { "127.0.0.1:2" } } },
        routes = { { policies = { { "envoy_lua", shadow = true, script = [[%s]] } }, backends = { { service = "up",
          policies = { { "envoy_lua", script = [[%s]] } } } } } },
      }]==]):format(body, body))
      return gateway.run("check", path)
    end
    assert.equal(0, check "function envoy_on_response(h) h:headers():add('x-a', '1') end")
    local code, said = check "function envoy_on_response(h) for c in h:bodyChunks() do c:setBytes('') end end"
    assert.equal(1, code)
    assert.truthy(said:find("cannot run in the shadow: it has the phase response_body", 1, true), said)
    assert.truthy(said:find("has the phase response_body, which runs for routes only", 1, true), said)
  end)

  describe("that go through chunks", function()
    local usual

    before_each(function() usual = up.answer end)
    after_each(function() up.answer = usual end)

    it("see those of a request as they come", function()
      local seen = ""
      up.answer = function(request)
        repeat
          local bytes = request.stream:read_some(1000)
          seen = seen .. (bytes or "")
        until not bytes or seen:find "\r\n0\r\n\r\n$"
        return { body = "" }
      end
      local conn = stream.connect(gw.ports.web)
      conn:send "POST /streamed HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n"
      assert.truthy(loop.poll(function() return seen:find("<a>", 1, true) end, 10))
      conn:send "1\r\nb\r\n0\r\n\r\n"
      assert.equal(200, assert(http.read_response(conn, "POST")).status)
      conn:close()
      assert.truthy(seen:find "<a>.*<b>")
      assert.truthy(gw:logged "chunks of the request: 2")
    end)

    it("see those of a response as they come, and then its trailers", function()
      local go_on = false
      up.answer = function(request)
        request:read()
        request.stream:send "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n"
        loop.poll(function() return go_on end, 10)
        request.stream:send "1\r\ny\r\n0\r\nx-t: t\r\n\r\n"
        return true
      end
      local conn = stream.connect(gw.ports.web)
      conn:send "GET /streamed HTTP/1.1\r\nHost: a\r\n\r\n"
      local head = assert(http.read_response_head(conn))
      assert.equal("1", head.headers["x-before"])
      local seen = ""
      repeat seen = seen .. assert(conn:read_some(1000)) until seen:find("[x]", 1, true)
      go_on = true
      repeat seen = seen .. assert(conn:read_some(1000)) until seen:find("[y]", 1, true)
      conn:close()
      assert.truthy(gw:logged "chunks of the response: 2 t")
    end)

    it("let the rest go on as it is once they have ended", function()
      up.answer = function(request)
        request:read()
        request.stream:send "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n"
        loop.sleep(0.1)
        request.stream:send "1\r\ny\r\n0\r\n\r\n"
        return true
      end
      assert.truthy(ask({ path = "/some" }).body:find "^firsty?$")
    end)

    it("see none of what has no body, and all of an answer of the gateway's own", function()
      assert.equal(404, ask({ path = "/streamed", method = "HEAD" }).status)
      assert.truthy(gw:logged "chunks of the response: 0 -")
      assert.truthy(gw:logged "chunks of the request: 0")
      local response = ask { path = "/lost" }
      assert.same({ 503, "ours" }, { response.status, response.body })
    end)

    it("see the whole as one where a function elsewhere asks", function()
      local response = ask { path = "/helper" }
      assert.same({ "10", "0123456789" }, { response.headers["x-count"], response.body })
    end)

    it("cannot answer, read the whole, or change what has gone on", function()
      assert.equal(500, ask({ path = "/late", method = "POST", body = "x" }).status)
      assert.truthy(gw:logged "respond() cannot be called if headers have been continued")
      assert.equal(500, ask({ path = "/headed", method = "POST", body = "x" }).status)
      assert.truthy(gw:logged "header map can no longer be modified")
      assert.equal(500, ask({ path = "/both", method = "POST", body = "x" }).status)
      assert.truthy(gw:logged "body: it has gone on in chunks")
      gw:ask { path = "/after" }
      assert.truthy(gw:logged "setBytes: the chunk has gone on")
    end)
  end)

  it("keep metadata for the request's other half", function()
    ask { path = "/metadata", headers = { authorization = "me", ["x-request-token"] = "t" } }
    assert.truthy(gw:logged "Auth: me, token: t")
  end)

  it("read and write fields, and know the stream", function()
    local response, request = ask { method = "POST", path = "/fields?a=1", host = "h.example", body = "1234",
      headers = { ["x-gone"] = "1" } }
    assert.equal(299, response.status)
    assert.equal("/other?b=2", request.target)
    assert.same({ "4", "new", nil }, { request.headers["content-length"], request.headers["x-new"], nil })
    assert.is_nil(request.headers["x-gone"])
    assert.equal(":authority=h.example|:path=/fields?a=1|:method=POST|:scheme=http|x-many=1|x-many=2 1,2 2 2 nil nil "
      .. "HTTP/1.1 fields  nil nil Zm9v number 3", request.headers["x-told"])
    local here = "127.0.0.1:" .. gw.ports.web
    assert.equal(here .. " " .. here, request.headers["x-local"])
    assert.truthy(request.headers["x-remote"]:find("^127%.0%.0%.1:%d+ 127%.0%.0%.1:%d+$"))
  end)

  it("make bodies, and see parts of them", function()
    local _, request = ask { path = "/made" }
    assert.same({ "made of 0", "short" }, { request.body, request.headers["x-bytes"] })
    assert.is_nil(request.headers["x-existed"])
    _, request = ask { method = "POST", path = "/made", body = "abcd" }
    assert.equal("made of 4", request.body)
    assert.same({ "bc", "yes" }, { request.headers["x-bytes"], request.headers["x-existed"] })
  end)

  it("see trailers", function()
    local _, request = ask { method = "POST", path = "/trailers", chunks = { "a" }, trailers = { ["x-t"] = "1" } }
    assert.equal("1", request.headers["x-trailer"])
    assert.same({ { "x-t", "1" }, { "x-more", "2" } }, { request.trailers[1], request.trailers[2] })
    _, request = ask { method = "POST", path = "/trailers", body = "a" }
    assert.equal("none", request.headers["x-trailer"])
  end)

  it("call without waiting, see repeated fields, and hear 503 from who does not answer", function()
    local _, request = ask { path = "/later" }
    assert.equal("nilnil", request.headers["x-nothing"])
    assert.equal("204 1+2 nil", request.headers["x-twice"])
    assert.equal("503 upstream failure", request.headers["x-down"])
    assert.is_true(loop.poll(function()
      for _, call in ipairs(called.requests) do
        if call.target == "/later" then return true end
      end
    end, 5))
  end)

  it("do not let a request pass when they raise, or when they swallow their own answer", function()
    local before = #up.requests
    assert.equal(500, ask { path = "/raises" }.status)
    assert.truthy(gw:logged "gateway.lua:")
    local response = ask { path = "/swallows" }
    assert.same({ 401, "first" }, { response.status, response.body })
    assert.equal(before, #up.requests)
  end)

  it("are told of what is no text", function()
    local _, request = ask { path = "/texts" }
    local said = http.all(request, "x-said")
    table.sort(said)
    assert.same({ "false httpCall: expected a string, got a boolean", "false respond: expected a string, got a table",
      "false setBytes: expected a string, got a nil" }, said)
  end)

  it("keep what they know from request to request", function()
    assert.equal("1", ask { path = "/counts" }.body)
    assert.equal("2", ask { path = "/counts" }.body)
  end)

  it("check signatures by public keys", function()
    local folder = gateway.folder()
    local function openssl(command) return process.read(("cd '%s' && { %s; } 2>/dev/null"):format(folder, command)) end
    local function signed_by(kind, options, hash)
      local key = openssl(("openssl genpkey -algorithm %s -pkeyopt %s -out k && "
        .. "openssl pkey -in k -pubout -outform DER | base64 -w0"):format(kind, options))
      local text = openssl(("printf 'the data' | openssl dgst -%s -sign k | base64 -w0"):format(hash))
      return function(name, other_key, other_text)
        local response = ask { path = "/signed", headers = { ["x-hash"] = name or hash:upper(),
          ["x-key"] = other_key or key, ["x-signature"] = other_text or text } }
        return ("%d %s"):format(response.status, response.body)
      end, key, text
    end
    local rsa, _, other_text = signed_by("RSA", "rsa_keygen_bits:2048", "sha256")
    assert.equal("200 ", rsa())
    assert.equal("403 Failed to verify digital signature", rsa "sha512")
    assert.equal("403 md5 is not supported", rsa "md5")
    for curve, hash in pairs { ["P-256"] = "sha256", ["P-384"] = "sha384", ["P-521"] = "sha512" } do
      local ec, key = signed_by("EC", "ec_paramgen_curve:" .. curve, hash)
      for _ = 1, 2 do assert.equal("200 ", ec(), curve) end
      assert.equal("403 Failed to verify digital signature", ec(nil, nil, other_text))
      assert.equal("403 Failed to verify digital signature", rsa("sha256", nil, "AAAA"))
      assert.equal("400 no key", ec(nil, key:sub(1, 40)))
    end
  end)

  it("are refused with file and line for what is not here", function()
    local path = gw.folder .. "/wrong.lua"
    local function refused(script)
      gateway.write(path, ([==[
return { listeners = { web = { address = "127.0.0.1:8080" } }, routes = { { policies = {
  { "envoy_lua", script = [[
%s
]] } } } } }]==]):format(script))
      local code, text = gateway.run("check", path)
      assert.equal(1, code)
      return (text:gsub("^.*/wrong%.lua", "wrong.lua"):gsub("routes.*script: ", ""))
    end
    assert.equal("wrong.lua:5: clearRouteCache() of Envoy's Lua API is not supported here\n",
      refused "function envoy_on_request(h)\n  h:headers():add('a', 'b')\n  h:clearRouteCache()\nend")
    assert.equal("wrong.lua:4: filterState() of Envoy's Lua API is not supported here\n",
      refused "function envoy_on_response(h)\n  return h:streamInfo():filterState()\nend")
    assert.equal("wrong.lua:4: stats() of Envoy's Lua API is not supported here\n",
      refused "function envoy_on_response(h)\n  h:stats():counter('a'):inc(1)\nend")
    assert.equal("wrong.lua:4: stats() of Envoy's Lua API is not supported here\n",
      refused "function envoy_on_response(h)\n  local stats = h:stats()\nend")
    assert.equal("wrong.lua:4: route() of Envoy's Lua API is not supported here\n",
      refused "local function name(route) return route end\nfunction envoy_on_request(h) name(h:route()) end")
    gateway.write(path, [==[return { listeners = { web = { address = "127.0.0.1:8080" } }, routes = { { policies = {
      { "envoy_lua", script = [[
        local mine = { inner = {}, sessionId = function() end }
        function mine:stats() return self end
        function mine.inner:filterState() return self end
        mine.route = function() end
        function envoy_on_request(h)
          return mine:stats():route(), mine.inner:filterState(), mine:sessionId()
        end]] } } } } }]==])
    assert.equal(0, (gateway.run("check", path)))
    assert.equal("wrong.lua:3: defines neither envoy_on_request nor envoy_on_response\n", refused "local x = 1")
    assert.equal("wrong.lua:5: 'end' expected (to close 'function' at line 3) near '<eof>'\n",
      refused "function envoy_on_request(h)\n")
  end)
end)

describe("a script for Envoy", function()
  teardown(gateway.stop_all)

  it("cannot change the objects of other scripts", function()
    local gw = gateway.start { config = [==[return {
      listeners = { web = { address = "127.0.0.1:$web" } },
      routes = {
        { match = { path = { prefix = "/mine" } }, policies = { { "envoy_lua", script = [[
          function envoy_on_request(h)
            local got = {}
            for name, o in pairs { handle = h, headers = h:headers(), body = h:body(true), metadata = h:metadata(),
                info = h:streamInfo(), dynamic = h:streamInfo():dynamicMetadata(), connection = h:connection(),
                key = h:importPublicKey("", 0) } do
              local mt = getmetatable(o) or rawget(o, "__index") or o.__index
              if mt or pcall(setmetatable, o, {}) then got[#got + 1] = name end
              for field, fn in pairs(type(mt) == "table" and mt or {}) do
                if type(fn) == "function" then mt[field] = function() return "mine" end end
              end
            end
            table.sort(got)
            h:respond({ [":status"] = "200" }, "got " .. table.concat(got, " "))
          end]] } } },
        { policies = { { "envoy_lua", script = [[
          function envoy_on_request(h)
            local seen = 0
            for _ in pairs(h:headers()) do seen = seen + 1 end
            h:streamInfo():dynamicMetadata():set("a", "b", "c")
            for name, value in pairs(h:streamInfo():dynamicMetadata()) do seen = seen .. name .. value.b end
            h:respond({ [":status"] = "200" }, h:headers():get(":method") .. h:body(true):length() .. seen)
          end]] } } },
      },
    }]==] }
    assert.equal("got ", assert(gw:ask { path = "/mine" }).body)
    assert.matches("^GET0%d+ac$", assert(gw:ask { path = "/" }).body)
  end)
end)

-- Istio's own examples of a TrafficExtension (traffic_extension.proto), with these names and ports.
local MESH = mesh.service("reviews",
    "{clusterIP: 127.0.0.1, selector: {app: reviews}, ports: [{name: http, port: $web}]}")
  .. mesh.service("called", "{clusterIP: 127.0.0.1, ports: [{name: http, port: $inner}]}")
  .. mesh.endpoint("reviews", "$up") .. mesh.endpoint("called", "$up") .. [[
apiVersion: v1
kind: ConfigMap
metadata: {name: istio, namespace: istio-system}
data: {mesh: ""}
---
apiVersion: extensions.istio.io/v1alpha1
kind: TrafficExtension
metadata:
  name: conditional-header-modifier
spec:
  match:
  - mode: SERVER
    ports:
    - number: $web
    - number: 8081
  phase: AUTHN
  priority: 1000
  lua:
    inlineCode: |
      function envoy_on_request(request_handle)
        local domain = "foo.com"
        local headers = request_handle:headers()
        local host = headers:get(":authority")
        local existing_auth_header = headers:get("Authorization")
        if (domain ~= nil and host ~= nil and existing_auth_header == nil and domain == host) then
          local bearer_token = headers:get("cookie"):match("foo")
          if (bearer_token ~= nil) then
            headers:add("Authorization", "Bearer " .. bearer_token)
          end
        end
      end
---
apiVersion: extensions.istio.io/v1alpha1
kind: TrafficExtension
metadata:
  name: reviews-header-logger
spec:
  match:
  - mode: SERVER
  phase: STATS
  lua:
    inlineCode: |
      function envoy_on_request(request_handle)
        local headers = request_handle:headers()
        local num_headers = 0
        for key, value in pairs(headers) do
          num_headers = num_headers + 1
        end
        request_handle:logInfo("Request to reviews service has " .. num_headers .. " headers")
      end
---
apiVersion: extensions.istio.io/v1alpha1
kind: TrafficExtension
metadata: {name: caller}
spec:
  lua:
    inlineCode: |
      function envoy_on_request(handle)
        if handle:headers():get("x-call") then
          local headers, body = handle:httpCall("outbound|$inner||called.default.svc.cluster.local",
            { [":method"] = "GET", [":path"] = "/called", [":authority"] = "called" }, nil, 5000)
          handle:headers():add("x-called", headers[":status"] .. " " .. body)
        end
      end
]]

describe("a TrafficExtension", function()
  local gw, up

  setup(function()
    up = upstream.start()
    gw = gateway.start_mesh { values = { up = up.port }, config = MESH }
  end)

  teardown(gateway.stop_all)

  it("runs Istio's examples", function()
    local function authorization(host, headers)
      assert.equal(200, assert(gw:ask { host = host, headers = headers }).status)
      return up.requests[#up.requests].headers.authorization
    end
    assert.equal("Bearer foo", authorization("foo.com", { cookie = "foo=1" }))
    assert.equal("mine", authorization("foo.com", { cookie = "foo=1", authorization = "mine" }))
    assert.is_nil(authorization("bar.com", { cookie = "foo=1" }))
    assert.truthy(gw:logged "Request to reviews service has ")
  end)

  it("calls clusters of the mesh", function()
    assert.equal(200, assert(gw:ask { headers = { ["x-call"] = "1" } }).status)
    assert.truthy(up.requests[#up.requests].headers["x-called"]:find("^200 "))
  end)
end)
