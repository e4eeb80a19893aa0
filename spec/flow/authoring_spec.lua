--- What a policy author may count on, by policies written here and run by a real gateway.
local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local loop = require "spec.support.loop"
local stream = require "spec.support.stream"
local upstream = require "spec.support.upstream"

local POLICIES = {
  ["whole.lua"] = [[
    local whole = { schema = {}, body = { request = "whole", response = "whole", limit = 1000 } }
    function whole.request_body(_, ctx, bytes, last)
      if bytes == "stop" then return ctx:respond(422, "no") end
      if bytes == "wait" then ctx:sleep(20) end
      return "<" .. bytes .. (last and ">" or "")
    end
    function whole.response_body(_, ctx, bytes)
      ctx:sleep(5)
      ctx.res.headers["x-length"] = tostring(#bytes)
      return bytes:upper()
    end
    return whole]],
  ["chunks.lua"] = [[
    local chunks = { schema = {}, body = { request = "chunks", response = "chunks" } }
    local function note(ctx, name, bytes, last)
      ctx:sleep(1)
      ctx.own[name] = (ctx.own[name] or 0) + #bytes
      return bytes:gsub("secret", "******") .. (last and "." or "")
    end
    function chunks.request_body(_, ctx, bytes, last) return note(ctx, "up", bytes, last) end
    function chunks.response_body(_, ctx, bytes, last) return note(ctx, "down", bytes, last) end
    return chunks]],
  ["waits.lua"] = [[
    local waits = { schema = {} }
    for _, phase in ipairs { "request", "response", "log" } do
      waits[phase] = function(_, ctx) ctx:sleep(10) end
    end
    return waits]],
  ["raises.lua"] = [[
    local raises = { schema = { { "phase", type = "string" } } }
    for _, phase in ipairs { "request", "response", "log" } do
      raises[phase] = function(conf)
        if conf.phase == phase then local nothing; return nothing.here end
      end
    end
    return raises]],
  ["calls.lua"] = [[
    local http = require "moongate.http"
    local calls = { schema = {} }
    function calls.request(_, ctx)
      local answer, err = http.request { service = "side", method = "POST", path = "/asked?x=1", body = "question",
        headers = { ["x-from"] = "policy" }, timeout = 1000 }
      if not answer then return ctx:respond(502, err) end
      ctx.req.headers["x-side"] = answer.status .. " " .. answer.body .. " " .. answer.headers["x-mark"]
    end
    return calls]],
  ["counts.lua"] = [[
    local metrics = require "moongate.metrics"
    local shared = require "moongate.shared"
    local timer = require "moongate.timer"
    local counts = { schema = {} }
    function counts.prepare()
      local dict = shared.open("spec", { size = "64KiB" })
      local hits = metrics.counter { name = "spec_hits_total", help = "Hits.", labels = { "path" }, max_series = 5 }
      timer.every(0.02, function() dict:incr("ticks", 1, 0) end)
      return { dict = dict, hits = hits }
    end
    function counts.request(conf, ctx)
      if ctx.req.path == "/read" then
        return ctx:respond(200, (conf.dict:get "hits" or "0") .. " " .. (conf.dict:get "ticks" or "0"))
      elseif ctx.req.path == "/expire" then
        conf.dict:set("short", "1", 0.05)
        local before = conf.dict:get "short"
        ctx:sleep(100)
        return ctx:respond(200, tostring(before) .. tostring(conf.dict:get "short"))
      end
      conf.dict:incr("hits", 1, 0)
      conf.hits:with(ctx.req.path):add(1)
    end
    return counts]],
  ["inject.lua"] = [[
    local inject = { schema = {} }
    function inject.request(_, ctx)
      local byte = string.char(tonumber(ctx.req:param "byte"))
      local where, evil = ctx.req:param "where", "a" .. byte .. "b"
      local ok, err
      if where == "request" then ok, err = pcall(function() ctx.req.headers["x-evil"] = evil end)
      elseif where == "name" then ok, err = pcall(function() ctx.req.headers["x" .. byte .. "evil"] = "1" end)
      elseif where == "path" then ok, err = pcall(function() ctx.req.path = "/" .. evil end)
      elseif where == "query" then ok, err = pcall(function() ctx.req.query = evil end)
      elseif where == "authority" then ok, err = pcall(function() ctx.req.authority = evil end)
      elseif where == "method" then ok, err = pcall(function() ctx.req.method = evil end)
      elseif where == "response" then
        local answer = ctx:respond(200, "")
        ok, err = pcall(function() answer.headers["x-evil"] = evil end)
        if not ok then answer.headers["x-refused"] = "1" end
        return answer
      end
      if not ok then ctx.req.headers["x-refused"] = "1" end
    end
    return inject]],
  ["misuses.lua"] = [[
    local http = require "moongate.http"
    local metrics = require "moongate.metrics"
    local misuses = { schema = {} }
    local calls = {
      function() metrics.counter {} end,
      function() metrics.histogram { name = "spec_seconds", buckets = { "x" } } end,
      function(ctx) ctx:sleep(-1) end,
      function(ctx) ctx:sleep(0 / 0) end,
      function(ctx) ctx:sleep "1s" end,
      function() http.request {} end,
      function() http.request { service = "side", timeout = "1s" } end,
      function() http.request { service = 5 } end,
      function() http.request { url = "http://side.test/", body = {} } end,
    }
    function misuses.request(_, ctx)
      local call = calls[tonumber(ctx.req:param "call")]
      if not call then return ctx:respond(200, "no more") end
      call(ctx)
    end
    return misuses]],
  ["naps.lua"] = [[
    local naps, kept = { schema = {} }, {}
    function naps.request(_, ctx)
      local path = ctx.req.path
      if path == "/keep" or path == "/nap" then kept[#kept + 1] = ctx:waker() end
      if path == "/nap" then ctx:sleep(60000) end
      if path == "/others" then
        for _, waker in ipairs(kept) do waker:wake() end
        ctx:sleep(20)
        for _, waker in ipairs(kept) do waker:wake() end
        kept = {}
      end
      if path == "/sleep" then ctx:sleep(400) end
      return ctx:respond(200, path)
    end
    return naps]],
  ["notes.lua"] = [[
    local notes = { schema = { { "name", type = "string" } } }
    function notes.request(conf, ctx)
      assert(ctx.own.name == nil, "own is not fresh")
      ctx.own.name = conf.name
      ctx.shared.trail = (ctx.shared.trail or "") .. conf.name
    end
    function notes.response(conf, ctx)
      assert(ctx.own.name == conf.name, "own is another's")
      ctx.res.headers["x-trail"] = ctx.shared.trail
    end
    return notes]],
}

describe("a policy", function()
  local gw, up, side

  setup(function()
    up = upstream.start()
    side = upstream.start(function(request)
      request:read()
      return { status = 201, headers = { ["X-Mark"] = "m" }, body = request.body .. "!" }
    end)
    local files = POLICIES
    gw = gateway.start { values = { up = up.address, side = side.address }, files = files, workers = 2,
      args = { "--policy-path", "$folder" }, config = [[
      local function route(host, ...)
        return { hosts = { host }, policies = { ... }, backends = { { service = "up" } } }
      end
      return {
        listeners = { web = { address = "127.0.0.1:$web" } },
        admin = { address = "127.0.0.1:$admin" },
        services = {
          up = { endpoints = { { address = "$up" } } },
          side = { endpoints = { { address = "$side" } } },
        },
        routes = {
          route("whole.test", "whole"), route("chunks.test", "chunks"), route("waits.test", "waits"),
          route("request.test", { "raises", phase = "request" }),
          route("response.test", { "raises", phase = "response" }), route("log.test", { "raises", phase = "log" }),
          route("calls.test", "calls"), route("counts.test", "counts"),
          route("inject.test", "inject"), route("misuses.test", "misuses"),
          route("naps.test", "naps"), route("notes.test", { "notes", name = "a" }, { "notes", name = "b" }),
        },
      }]] }
  end)

  teardown(gateway.stop_all)
  before_each(function() up.answer = nil end)

  local function ask(host, request)
    request = request or {}
    request.host = host
    return assert(gw:ask(request))
  end

  local function echo(request)
    request:read()
    return { body = request.body }
  end

  describe("that reads whole bodies", function()
    it("changes them, both ways, and may wait meanwhile", function()
      up.answer = echo
      for _, body in ipairs { "abc", "wait", "" } do
        local response = ask("whole.test", { method = "POST", body = body })
        local expected = body == "" and "" or "<" .. body:upper() .. ">"
        if body ~= "" then assert.equal(expected, response.body) end
        assert.equal(tostring(#response.body), response.headers["content-length"])
        assert.equal(response.headers["x-length"], response.headers["content-length"])
      end
      assert.equal("<ABCD>", ask("whole.test", { method = "POST", chunks = { "ab", "cd" } }).body)
    end)

    it("may answer instead", function()
      local before = #up.requests
      assert.equal(422, ask("whole.test", { method = "POST", body = "stop" }).status)
      assert.equal(before, #up.requests)
    end)

    it("is not given more than its limit", function()
      assert.equal(413, ask("whole.test", { method = "POST", body = ("x"):rep(1001) }).status)
      assert.equal(413, ask("whole.test", { method = "POST", chunks = { ("x"):rep(600), ("x"):rep(600) } }).status)
      up.answer = function(request)
        request:read()
        return { body = ("x"):rep(1001) }
      end
      local response = ask "whole.test"
      assert.equal(500, response.status)
      assert.equal("Internal Server Error", response.body)
    end)
  end)

  describe("that reads bodies in chunks", function()
    it("changes them as they pass, of any size", function()
      up.answer = echo
      local body = ("a secret "):rep(100000)
      local response = ask("chunks.test", { method = "POST", body = body })
      assert.equal(#body + 2, #response.body)
      assert.equal("..", response.body:sub(-2))
      assert.equal("secret ", up:last().body:match "secret " or "secret ") -- a word may be cut by a chunk's end
    end)

    it("sees a chunk before the next one is sent", function()
      local gate
      up.answer = function(request)
        request.stream:send "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nsecret\r\n"
        loop.poll(function() return gate end)
        return "2\r\nxy\r\n0\r\n\r\n"
      end
      local conn = stream.connect(gw.ports.web)
      conn:send(http.format { host = "chunks.test" })
      assert.equal(200, assert(http.read_response_head(conn)).status)
      assert.truthy(conn:read_until "******")
      gate = true
      assert.truthy(conn:read_until "0\r\n\r\n")
      conn:close()
    end)
  end)

  it("may wait in every phase", function()
    for _ = 1, 3 do assert.equal("ok", ask("waits.test").body) end
  end)

  it("ends another's sleep by its waker, and no later one of the same place", function()
    local function begin(path)
      local conn = stream.connect(gw.ports.web)
      conn:send(http.format { host = "naps.test", path = path })
      return conn
    end
    local woken = {}
    for i = 1, 4 do woken[i] = begin "/nap" end
    for _ = 1, 8 do ask("naps.test", { path = "/others" }) end
    for _, conn in ipairs(woken) do
      loop.poll(function() -- in its worker, to which a request comes sooner or later
        ask("naps.test", { path = "/others" })
        return conn:read_until("/nap", 0.05)
      end)
      conn:close()
    end
    for _ = 1, 8 do ask("naps.test", { path = "/keep" }) end
    local began, asleep = loop.now(), {}
    for i = 1, 8 do asleep[i] = begin "/sleep" end
    for _ = 1, 8 do ask("naps.test", { path = "/others" }) end
    for _, conn in ipairs(asleep) do
      assert.truthy(conn:read_until "/sleep")
      assert.is_true(loop.now() - began >= 0.39)
      conn:close()
    end
  end)

  it("that raises is answered 500, logged with its place, counted, and nothing passes", function()
    local before = #up.requests
    local response = ask "request.test"
    assert.equal(500, response.status)
    assert.is_nil(response.body:find "nothing")
    assert.equal(before, #up.requests)
    local logged = gw:logged "a policy raised"
    assert.truthy(logged:find("policy=raises", 1, true))
    assert.truthy(logged:find("raises%.lua:4"))
    assert.equal(500, ask("response.test").status)
    assert.equal(200, ask("log.test").status)
    assert.equal(3, gw:counts("moongate_policy_errors_total", { policy = "raises" }, 3))
  end)

  it("that misuses a call is told so at its own line, and harms nobody", function()
    for call = 1, 9 do
      assert.equal(500, ask("misuses.test", { path = "/?call=" .. call }).status)
      local said = assert(gw:logged(('error="%s/misuses.lua:%d: '):format(gw.folder, call + 4)), "nothing of " .. call)
      assert.truthy(said:find("expected", 1, true), said)
    end
    assert.equal("no more", ask("misuses.test", { path = "/?call=10" }).body)
  end)

  it("calls services over HTTP", function()
    assert.equal(200, ask("calls.test").status)
    assert.equal("201 question! m", up:last().headers["x-side"])
    assert.equal("POST", side:last().method)
    assert.equal("/asked?x=1", side:last().target)
    assert.equal("policy", side:last().headers["x-from"])
  end)

  it("counts in a dictionary and by metrics across all workers", function()
    for i = 1, 20 do ask("counts.test", { path = "/p" .. i % 2 }) end
    assert.equal("20", ask("counts.test", { path = "/read" }).body:match "^%d+")
    assert.equal(20, gw:counts("spec_hits_total", nil, 20))
    assert.equal("1nil", ask("counts.test", { path = "/expire" }).body)
  end)

  it("has timers that run by themselves", function()
    local function ticks() return tonumber(ask("counts.test", { path = "/read" }).body:match " (%d+)$") end
    local before = ticks()
    assert.truthy(loop.poll(function() return ticks() > before + 2 end))
  end)

  it("gets one series for all label values past the cap", function()
    for i = 1, 30 do ask("counts.test", { path = "/many" .. i }) end
    assert.truthy(loop.poll(function() return gw:scrape():find('spec_hits_total{path="_other"}', 1, true) end, 5))
    local _, series = gw:metric "spec_hits_total"
    assert.is_true(series <= 6)
  end)

  it("has notes of its own, fresh for each request, and some that all share", function()
    local conn = stream.connect(gw.ports.web)
    for _ = 1, 3 do
      assert.equal("ab", assert(http.send(conn, { host = "notes.test" })).headers["x-trail"])
    end
    conn:close()
  end)

  it("cannot split a message by any byte in a header, name, path, query, authority or method", function()
    local refused = {}
    for _, where in ipairs { "request", "name", "path", "query", "authority", "method", "response" } do
      refused[where] = 0
      local conn = stream.connect(gw.ports.web)
      for byte = 0, 255 do
        local before = #up.requests
        local path = ("/?where=%s&byte=%d"):format(where, byte)
        local response, err = http.send(conn, { host = "inject.test", path = path })
        assert(response, ("%s, byte %d: %s"):format(where, byte, tostring(err)))
        local message = where == "response" and response or up:last()
        if message.headers["x-refused"] then refused[where] = refused[where] + 1 end
        for _, field in ipairs(message.headers) do assert.is_nil(field[2]:find "[%z\r\n]") end
        assert.is_true(#up.requests <= before + 1)
        if byte == 0 or byte == 10 or byte == 13 then
          assert.equal("1", message.headers["x-refused"], ("%s took byte %d"):format(where, byte))
        end
      end
      conn:close()
    end
    assert.same({}, up.errors)
    assert.is_true(refused.path > 100 and refused.name > 100 and refused.method > 100)
  end)
end)
