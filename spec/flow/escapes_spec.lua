--- The sandbox of policies: every attempt of spec/support/escapes.lua fails, and hurts nobody else.
local escapes = require "spec.support.escapes"
local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local stream = require "spec.support.stream"

local POLICIES = {
  -- Answers what a request's body, run as code, got hold of.
  ["escape.lua"] = [[
    local escape = { body = { request = "whole" } }
    function escape.request_body(_, ctx, bytes)
      local code, err = load("local ctx = ... " .. bytes, "=attempt")
      if not code then return ctx:respond(400, err) end
      local ok, got = pcall(code, ctx)
      return ctx:respond(200, ok and got and "escaped: " .. tostring(got) or "held")
    end
    return escape]],
  -- Says "sound" as long as all that it uses is what it was.
  ["witness.lua"] = [[
    local json = require "moongate.json"
    local witness = {}
    function witness.request(_, ctx) ctx.own.secret = "kept" end
    function witness.response(_, ctx)
      local said = table.concat({ ("sound"):upper(), tostring(1), json.encode { a = 1 }, tostring(escaped),
        ctx.own.secret, ctx.req.headers:get "x-mark", tostring(no_such_global) }, " ")
      ctx.res.headers["x-witness"] = said
    end
    return witness]],
}

local SOUND = 'SOUND 1 {"a":1} nil kept mark nil'

describe("escapes", function()
  local gw

  setup(function()
    gw = gateway.start {
      files = POLICIES, args = { "--policy-path", "$folder" },
      config = [[return {
        listeners = { web = { address = "127.0.0.1:$web" } },
        routes = { { name = "all", policies = { "witness", "escape" } } },
      }]],
    }
  end)
  teardown(gateway.stop_all)

  local function try(code)
    return gw:ask { method = "POST", path = "/", headers = { ["x-mark"] = "mark" }, body = code }
  end

  it("sees an escape where there is one", function()
    assert.equal("escaped: true", try("return true").body)
    assert.equal(SOUND, try("return true").headers["x-witness"])
  end)

  for _, attempt in ipairs(escapes) do
    it("are stopped: " .. attempt[1], function()
      local answer = try(attempt[2])
      assert.equal(200, answer.status)
      assert.equal("held", answer.body, attempt[1])
      assert.equal(SOUND, answer.headers["x-witness"])
      assert.equal(SOUND, try("return true").headers["x-witness"])
    end)
  end
end)

-- What is kept from one request for another, and what is of other policies beside requests.
local OTHERS = {
  -- Keeps its ctx and a coroutine; another request says what can be done with them.
  ["keeper.lua"] = [[
    local shared, timer = require "moongate.shared", require "moongate.timer"
    local keeper, kept, waiting = {}, nil, nil
    local USES = {
      function() return kept.ctx.own.secret end, function() return kept.ctx.shared end,
      function() return kept.ctx.client_address end, function() return kept.ctx.route end,
      function() return kept.req.path end, function() return kept.req:param "a" end,
      function() return kept.req:body() end,
      function() return kept.headers["x-mark"] end, function() return kept.headers:get "x-mark" end,
      function() return kept.headers:get_all "x-mark" end, function() return kept.headers:next_of("x-mark", 0) end,
      function() return kept.headers:each() end, function() return kept.step(kept.fields) end,
      function() return kept.res.status end, function() return kept.res.headers.date end,
      function() return kept.peer.address end,
      function() kept.headers["x-mark"] = "mine" end, function() kept.headers:add("x-mark", "mine") end,
      function() kept.headers:remove "x-mark" end, function() kept.req.path = "/mine" end,
      function() kept.res.status = 299 end, function() kept.ctx.details = "mine" end,
      function() kept.ctx:respond(299) end, function() kept.ctx:sleep(1) end, function() kept.ctx:flag "MINE" end,
      function() kept.ctx:use_backend "none" end, function() kept.ctx:read_body(1) end,
      function() kept.ctx:replace_body "mine" end, function() kept.ctx:peek_body(1) end,
    }
    local function used()
      local which = {}
      for i, use in ipairs(USES) do
        local ok, why = pcall(use)
        if ok or not why:find("alone, while it runs", 1, true) then which[#which + 1] = i .. ": " .. tostring(why) end
      end
      return #which == 0 and "held" or table.concat(which, ", ")
    end
    local function when(ctx, dict, what)
      while not dict:get(what) do ctx:sleep(5) end
    end
    function keeper.prepare() return shared.open "others" end
    function keeper.request(dict, ctx)
      if ctx.req.path == "/keep" then
        local step, fields = ctx.req.headers:each()
        kept = { ctx = ctx, req = ctx.req, res = ctx.res, peer = ctx.peer, headers = ctx.req.headers, step = step,
          fields = fields }
      elseif ctx.req.path == "/use" then
        when(ctx, dict, "inside")
        timer.after(0, function() dict:set("timer", used()) end)
        when(ctx, dict, "timer")
        local said = used() .. " " .. dict:get "timer"
        dict:set("looked", 1)
        return ctx:respond(200, said)
      elseif ctx.req.path == "/wait" then
        waiting = coroutine.create(function()
          dict:set("waits", 1)
          when(ctx, dict, "resumed")
          return "waited"
        end)
        return ctx:respond(200, select(2, coroutine.resume(waiting)))
      elseif ctx.req.path == "/resume" then
        when(ctx, dict, "waits")
        local said = coroutine.status(waiting) .. " " .. tostring(coroutine.resume(waiting, 0))
        dict:set("resumed", 1)
        return ctx:respond(200, said)
      elseif ctx.req.path == "/cancel" then
        for id = 1, 1000 do timer.cancel(id) end
      end
      return ctx:respond(200, "kept")
    end
    return keeper]],
  ["other.lua"] = [[
    local shared, timer = require "moongate.shared", require "moongate.timer"
    local other = {}
    function other.prepare()
      local dict = shared.open "others"
      timer.every(0.01, function() dict:incr("ticks", 1, 0) end)
      return dict
    end
    function other.request(dict, ctx)
      if ctx.req.path == "/ticks" then
        local ticks = dict:get "ticks" or 0
        while (dict:get "ticks" or 0) == ticks do ctx:sleep(5) end
        return ctx:respond(200, "ticks")
      end
      ctx.own.secret = "kept"
      dict:set("inside", 1)
      while not dict:get "looked" do ctx:sleep(5) end
      return ctx:respond(200, ctx.req.path .. " " .. ctx.req.headers["x-mark"])
    end
    return other]],
}

describe("a wrong argument", function()
  teardown(gateway.stop_all)

  it("is said with the policy's own line", function()
    local gw = gateway.start {
      files = { ["wrong.lua"] = [[
        local wrong = { body = { request = "whole" } }
        function wrong.request_body(_, ctx, bytes)
          local _, why = pcall(assert(load("local ctx = ... " .. bytes .. " return 'taken'", "=it")), ctx)
          return ctx:respond(200, why)
        end
        return wrong]] },
      args = { "--policy-path", "$folder" },
      config = [[return {
        listeners = { web = { address = "127.0.0.1:$web" } }, routes = { { policies = { "wrong" } } },
      }]],
    }
    for code, said in pairs {
      ["local x = ctx.req.headers[nil]"] = "headers: expected a field's name, got a nil",
      ["local x = ctx.req.headers:get(5)"] = "headers: expected a field's name, got a number",
      ["ctx.req.headers[{}] = 'a'"] = "headers: expected a field's name, got a table",
      ["ctx.req.headers['a b'] = 'a'"] = "headers: cannot set 'a b': invalid value",
      ["ctx.req.path = nil"] = "ctx.req.path: expected a string, got a nil",
      ["ctx.req.query = 5"] = "ctx.req.query: expected a string, got a number",
      ["ctx.res.status = 'ok'"] = "ctx.res.status: expected a number, got a string",
      ["ctx:use_backend()"] = "ctx:use_backend: expected a service's name, got a nil",
      ["ctx:flag()"] = "ctx:flag: expected a string, got a nil",
      ["local x = require('moongate.hash').sha256()"] = "expected a string, got a nil",
      ["local x = require('moongate.shared').open('wrong'):get(5)"] = "expected a string, got a number",
    } do
      assert.equal("it:1: " .. said, assert(gw:ask { method = "POST", path = "/", body = code }).body)
    end
    assert.equal("taken", assert(gw:ask { method = "POST", path = "/", body = "ctx.req.query = nil" }).body)
  end)
end)

describe("what a policy keeps", function()
  local gw

  setup(function()
    gw = gateway.start {
      files = OTHERS, args = { "--policy-path", "$folder" },
      config = [[return {
        listeners = { web = { address = "127.0.0.1:$web" } },
        routes = { { hosts = { "keeper" }, policies = { "keeper" } }, { hosts = { "other" }, policies = { "other" } } },
      }]],
    }
  end)
  teardown(gateway.stop_all)

  it("of ctx is of no use to another request, nor to a timer", function()
    local conn = stream.connect(gw.ports.web)
    assert.equal("kept", assert(http.send(conn, { host = "keeper", path = "/keep" })).body)
    conn:send "GET /b HTTP/1.1\r\nHost: other\r\nX-Mark: mark\r\n\r\n"
    assert.equal("held held", assert(gw:ask { host = "keeper", path = "/use" }).body)
    assert.equal("/b mark", assert(http.read_response(conn, "GET")).body)
    conn:close()
  end)

  it("of a coroutine in which a request waits is of no use to another one", function()
    local conn = stream.connect(gw.ports.web)
    conn:send "GET /wait HTTP/1.1\r\nHost: keeper\r\n\r\n"
    assert.equal("normal false", assert(gw:ask { host = "keeper", path = "/resume" }).body)
    assert.equal("waited", assert(http.read_response(conn, "GET")).body)
    conn:close()
  end)

  it("cancels no timer of others", function()
    assert.equal("kept", assert(gw:ask { host = "keeper", path = "/cancel" }).body)
    assert.equal("ticks", assert(gw:ask { host = "other", path = "/ticks" }).body)
  end)
end)
