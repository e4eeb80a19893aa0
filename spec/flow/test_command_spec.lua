--- `moongate test`: what a spec of a policy may count on, each in a folder of its own.
local gateway = require "spec.support.gateway"
local process = require "spec.support.process"

local POLICIES = {
  ["naps.lua"] = [[
    local naps = { schema = { { "ms", type = "integer", required = true } } }
    function naps.request(conf, ctx)
      ctx:sleep(conf.ms)
    end
    return naps]],
  ["chance.lua"] = [[
    local random = require "moongate.random"
    local chance = { schema = {} }
    function chance.request(_, ctx)
      local order = {}
      for name in pairs { one = 1, two = 2, three = 3, four = 4 } do order[#order + 1] = name end
      return ctx:respond(200, table.concat({ random.number(), random.uuid(), ctx.request_id,
        table.concat(order, ",") }, "\n"))
    end
    return chance]],
  ["ticks.lua"] = [[
    local log, timer = require "moongate.log", require "moongate.timer"
    local ticks = { schema = {} }
    function ticks.prepare(conf)
      timer.after(7200, function() log.info("late") end)
      timer.after(60, function() log.info("soon") end)
      timer.every(3600, function() log.info("hour") end)
      return conf
    end
    function ticks.request() end
    return ticks]],
  ["counts.lua"] = [[
    local metrics, shared = require "moongate.metrics", require "moongate.shared"
    local counts = { schema = {} }
    function counts.prepare(conf)
      return { dict = shared.open("counts"), seen = metrics.counter { name = "seen_total", labels = { "path" } } }
    end
    function counts.request(conf, ctx)
      conf.seen:with(ctx.req.path):add(1)
      return ctx:respond(200, tostring(conf.dict:incr("n", 1)))
    end
    return counts]],
  ["asks.lua"] = [[
    local http = require "moongate.http"
    local asks = { schema = {} }
    function asks.request(_, ctx)
      local answer, err = http.request { url = "http://auth.example:81/may?x=1", timeout = 500 }
      if not answer then return ctx:respond(502, err) end
      if answer.status ~= 200 then return ctx:respond(403, "no") end
    end
    return asks]],
  ["raises.lua"] = [[
    local raises = { schema = {} }
    function raises.request() error("on purpose") end
    return raises]],
}

local function folder_of(spec)
  local folder = gateway.folder()
  for name, text in pairs(POLICIES) do gateway.write(folder .. "/" .. name, text) end
  gateway.write(folder .. "/it_spec.lua", 'local test = require "moongate.test"\n' .. spec)
  return folder
end

local function run(folder, ...)
  return gateway.run("test", folder, ...)
end

-- The spec passes, with so many tests.
local function passes(count, spec, ...)
  local code, text = run(folder_of(spec), ...)
  assert.equal(0, code, text)
  assert.truthy(text:find(count .. " success", 1, true), text)
  return text
end

describe("moongate test", function()
  teardown(gateway.stop_all)

  it("lets an hour pass at once, and timers fire in order", function()
    local began = process.now()
    passes(2, [[
      it("sleeps", function()
        local answer = test.policy("naps", { ms = 3600000 }):get "/"
        assert.equal(200, answer.status)
        assert.equal(3600, math.floor(answer.took))
      end)
      it("ticks", function()
        local gateway = test.policy "ticks"
        gateway:advance(59)
        assert.same({}, gateway.log)
        gateway:advance(3600 * 2 + 60)
        assert.same({ "info soon", "info hour", "info late", "info hour" }, gateway.log)
        assert.same({}, test.policy("naps", { ms = 0 }).log)
      end)]])
    assert.is_true(process.now() - began < 60)
  end)

  it("finds policies beside their specs, in folders of a folder, too", function()
    local folder = gateway.folder()
    local spec = [[local test = require "moongate.test"
      it("runs", function() assert.equal(%d, test.policy("%s", %s):get("/").status) end)]]
    local specs = { naps = spec:format(200, "naps", "{ ms = 1 }"), raises = spec:format(500, "raises", "{}") }
    for name, text in pairs(specs) do
      process.read("mkdir " .. folder .. "/" .. name)
      gateway.write(("%s/%s/%s.lua"):format(folder, name, name), POLICIES[name .. ".lua"])
      gateway.write(("%s/%s/it_spec.lua"):format(folder, name), text)
    end
    local code, text = run(folder)
    assert.equal(0, code, text)
    assert.truthy(text:find("2 successes", 1, true), text)
  end)

  it("makes every run the same, and another for another seed", function()
    local spec = [[
      it("draws", function()
        local gateway = test.policy "chance"
        local first = gateway:get("/").body
        assert.equal("four,one,three,two", first:match "[^\n]*$")
        test.golden("drawn.txt", first .. "\n" .. gateway:get("/").body)
      end)]]
    local folder = folder_of(spec)
    local code, text = run(folder)
    assert.equal(1, code)
    assert.truthy(text:find("write it by --update-golden", 1, true), text)
    assert.equal(0, (run(folder, "--update-golden")))
    assert.equal(0, (run(folder)))
    assert.equal(0, (run(folder)))
    code, text = run(folder, "--seed", "2")
    assert.equal(1, code)
    assert.truthy(text:find("drawn.txt:1: expected ", 1, true), text)
  end)

  it("lets upstreams answer, wait, break and refuse as a script says", function()
    passes(8, [[
      local function gateway_of(script)
        local gateway = test.gateway {
          listeners = { web = { address = "127.0.0.1:80" } },
          services = { shop = { endpoints = { "shop.example:80" } } },
          routes = { { backends = { { service = "shop" } }, timeout = "30s",
            retries = { attempts = 1, on = { "503", "connect-failure", "reset" } } } },
        }
        gateway:upstream("shop"):answers(script)
        return gateway
      end
      it("in turn", function()
        local gateway = gateway_of { { status = 404, headers = { ["x-a"] = { "1", "2" } }, body = "none" },
          { status = 201, delay = 1500 } }
        local answer = gateway:ask { method = "POST", path = "/a?b=c", body = "sent", host = "a.test" }
        assert.same({ 404, "none", "1" }, { answer.status, answer.body, answer.headers["x-a"] })
        local asked = gateway:upstream("shop").requests[1]
        assert.same({ "POST", "/a", "b=c", "sent", "a.test", "shop.example:80" },
          { asked.method, asked.path, asked.query, asked.body, asked.host, asked.endpoint })
        for _ = 1, 2 do
          answer = gateway:get "/"
          assert.same({ 201, 1.5 }, { answer.status, math.floor(answer.took * 10) / 10 })
        end
      end)
      it("with a head that says how long it is", function()
        local gateway = gateway_of { headers = { ["content-length"] = "9" }, body = "short" }
        local answer = gateway:ask { method = "HEAD", path = "/" }
        assert.same({ 200, "9" }, { answer.status, answer.headers["content-length"] })
        assert.is_true(gateway:get("/").cut)
      end)
      it("with numbers as they are", function()
        local gateway = test.policy("body_rewrite", { set = { { path = "a", value = 1700000000000001 } } })
        gateway:upstream("upstream"):answers { headers = { ["content-type"] = "application/json" }, body = "{}" }
        assert.equal('{"a":1700000000000001}', gateway:get("/").body)
      end)
      it("with pauses", function()
        local answer = gateway_of({ body = { "a", 2000, "b", 3000, "c" } }):get "/"
        assert.same({ "abc", 5, false }, { answer.body, math.floor(answer.took), answer.cut })
      end)
      it("and break at a byte", function()
        local answer = gateway_of({ body = ("x"):rep(1000), reset_at = 300 }):get "/"
        assert.same({ 200, true }, { answer.status, answer.cut })
        assert.is_true(#answer.body > 200 and #answer.body < 300)
        answer = gateway_of({ { reset_at = 10 }, { body = "second" } }):get "/"
        assert.same({ 200, "second" }, { answer.status, answer.body })
        assert.equal(503, gateway_of({ close_at = 0 }):get("/").status)
      end)
      it("refuse, and be tried again", function()
        local gateway = gateway_of { { refuse = true }, { status = 200 } }
        local answer = gateway:get "/"
        assert.equal(200, answer.status)
        assert.is_true(answer.took < 1) -- the core was told, and waited for no connection
        assert.equal(1, #gateway:upstream("shop").requests)
      end)
      it("or say nothing", function()
        local answer = gateway_of({ silent = true }):get "/"
        assert.same({ 504, 30 }, { answer.status, math.floor(answer.took) })
      end)
      it("answers by a function", function()
        local gateway = gateway_of(function(request) return { body = request.method .. " " .. request.path } end)
        assert.equal("PUT /p", gateway:ask({ method = "PUT", path = "/p" }).body)
        assert.equal("", gateway:ask({ method = "HEAD" }).body)
      end)]])
  end)

  it("goes on where an endpoint is a listener of the same config", function()
    local folder = folder_of(([[
      it("takes an example as it is", function()
        local gateway = test.gateway "%s/examples/rbac.lua"
        local function ask(method, to)
          return (to or gateway):ask { method = method, path = "/cart", listener = "web" }
        end
        assert.same({ 200, "done\n" }, { ask("GET").status, ask("GET").body })
        assert.equal(403, ask("DELETE").status)
        assert.has_error(function() gateway:get "/" end, "request: expected a listener, one of 2")
        local mocked = test.gateway "%s/examples/rbac.lua"
        mocked:upstream("shop"):answers { status = 418 }
        assert.equal(418, ask("GET", mocked).status)
      end)]]):gsub("%%s", (process.read("pwd"):gsub("\n", ""))))
    local code, text = run(folder)
    assert.equal(0, code, text)
    passes(1, [[
      it("in a table, too", function()
        local gateway = test.gateway {
          listeners = { web = { address = "127.0.0.1:80" }, inner = { address = "127.0.0.1:81" } },
          services = { inner = { endpoints = { "127.0.0.1:81" } } },
          routes = { { listeners = { "web" }, backends = { { service = "inner" } } },
            { listeners = { "inner" }, policies = { { "respond", status = 418 } } } },
        }
        for _ = 1, 2 do assert.equal(418, gateway:ask({ listener = "web" }).status) end
      end)]], "--live")
  end)

  it("has calls of policies answered, and those that nobody expects refused", function()
    passes(1, [[
      it("asks", function()
        local gateway = test.policy "asks"
        assert.equal(502, gateway:get("/").status)
        gateway:upstream("auth.example:81"):answers { { status = 200 }, { status = 401 }, { delay = 600 } }
        assert.equal(200, gateway:get("/").status)
        assert.equal(403, gateway:get("/").status)
        assert.equal(502, gateway:get("/").status)
        assert.equal("x=1", gateway:upstream("auth.example:81").requests[1].query)
        assert.equal(1, #gateway:upstream("upstream").requests)
      end)]])
  end)

  it("keeps tests apart, and several requests at once", function()
    passes(3, [[
      for _ = 1, 2 do
        it("counts anew", function()
          local gateway = test.policy "counts"
          assert.equal("1", gateway:get("/a").body)
          assert.equal("2", gateway:get("/a").body)
          assert.equal(2, gateway:metric("seen_total", { path = "/a" }))
          assert.equal(0, gateway:metric("seen_total", { path = "/b" }))
        end)
      end
      it("waits for two", function()
        local gateway = test.policy("naps", { ms = 1000 })
        local first, second = gateway:begin { path = "/1" }, gateway:begin { path = "/2" }
        assert.same({ 1, 1 }, { math.floor(first:answer().took), math.floor(second:answer().took) })
        local third = gateway:begin { path = "/3" }
        third:cancel()
        gateway:advance(2)
        assert.equal(2, #gateway:upstream("upstream").requests)
      end)]])
  end)

  it("runs the same spec on real sockets", function()
    local spec = [[
      local function gateway_of(script)
        local gateway = test.gateway {
          listeners = { web = { address = "127.0.0.1:80" } },
          services = { shop = { endpoints = { { address = "shop.example:80" } } } },
          policies = { "metrics" },
          routes = { { name = "r", policies = { { "naps", ms = 10 } }, backends = { { service = "shop" } },
            timeout = "5s", retries = { attempts = 1, on = { "503", "connect-failure", "reset" } } } },
        }
        gateway:upstream("shop"):answers(script)
        return gateway
      end
      it("asks", function()
        local gateway = gateway_of { { status = 404, headers = { ["x-a"] = { "1", "2" } }, body = "none" },
          { status = 201, delay = 50 } }
        local answer = gateway:ask { method = "POST", path = "/a?b=c", body = "sent", host = "a.test",
          address = "127.0.0.9" }
        assert.same({ 404, "none", "1" }, { answer.status, answer.body, answer.headers["x-a"] })
        local asked = gateway:upstream("shop").requests[1]
        assert.same({ "POST", "/a", "b=c", "sent", "a.test", "shop.example:80", "127.0.0.9" }, { asked.method,
          asked.path, asked.query, asked.body, asked.host, asked.endpoint, asked.headers["x-forwarded-for"] })
        assert.is_true(gateway:get("/").took >= 0.05)
        gateway:advance(0.5)
        assert.equal(1, gateway:metric("moongate_requests_total", { code = "404" }))
      end)
      it("has answers break", function()
        local answer = gateway_of({ body = { "a", 20, "b" } }):get "/"
        assert.same({ "ab", false }, { answer.body, answer.cut })
        answer = gateway_of({ body = ("x"):rep(1000), reset_at = 300 }):get "/"
        assert.same({ 200, true }, { answer.status, answer.cut })
        assert.equal(503, gateway_of({ close_at = 0 }):get("/").status)
        assert.equal(200, gateway_of({ { refuse = true }, { body = "second" } }):get("/").status)
      end)
      it("logs", function()
        local gateway = test.policy "raises"
        assert.equal(500, gateway:get("/").status)
        assert.truthy(gateway.log[1]:find("^error a policy raised .*on purpose"), gateway.log[1])
      end)]]
    passes(3, spec)
    passes(3, spec, "--live")
    assert.equal("", process.read "ps -eo args | grep '[w]orkers 1 --admin 127.0.0.1:.*/tmp/lua_' || true")
    local code, text = run(folder_of [[it("is TLS", function()
      test.policy("naps", { ms = 0 }):ask { principal = "spiffe://a" } end)]], "--live")
    assert.equal(1, code)
    assert.truthy(text:find("with --live a client speaks clear text", 1, true), text)
  end)

  it("fails where a spec fails, is wrong, or a config has mistakes", function()
    local code, text = run(folder_of [[it("fails", function() assert.equal(1, 2) end)]])
    assert.equal(1, code)
    assert.truthy(text:find("it_spec.lua @ 2", 1, true), text)
    assert.equal(1, (run(folder_of "this is no Lua")))
    code, text = run(folder_of [[it("is wrong", function() test.policy("naps", { sm = 1 }) end)]])
    assert.equal(1, code)
    assert.truthy(text:find("unknown key 'sm'; did you mean 'ms'?", 1, true), text)
    passes(1, [[it("raises", function()
      local gateway = test.policy "raises"
      assert.equal(500, gateway:get("/").status)
      assert.truthy(gateway.log[1]:find("raises.lua:2: on purpose", 1, true))
      assert.has_error(function() gateway:ask { pth = "/" } end, "request: unknown key 'pth'; did you mean 'path'?")
      assert.has_error(function() gateway:upstream("upstream"):answers { statsu = 1 } end)
    end)]])
  end)

  it("writes coverage and a report", function()
    local folder = folder_of [[it("naps", function() test.policy("naps", { ms = 1 }) end)]]
    local code, text = run(folder, "--coverage", folder .. "/lcov", "--junit", folder .. "/junit.xml")
    assert.equal(0, code, text)
    assert.truthy(text:find("naps.lua: 4 of 5 lines (80 %); not lines 3", 1, true), text)
    local lcov = process.file(folder .. "/lcov")
    assert.truthy(lcov:find("naps.lua\nDA:1,1\nDA:2,1\nDA:3,0\n", 1, true), lcov)
    assert.truthy(process.file(folder .. "/junit.xml"):find("tests='1'", 1, true))
    code = run(folder, "--coverage", "/nowhere/lcov")
    assert.equal(1, code)
    code, text = run(folder, "--junit", "/nowhere/junit.xml")
    assert.equal(1, code)
    assert.truthy(text:find("cannot write /nowhere/junit.xml", 1, true), text)
  end)

  it("writes a report that is XML, whatever a failing test has shown", function()
    local folder = folder_of [=[it("<&>", function() assert.equal("\255]]>", "\228\184\1") end)]=]
    assert.equal(1, (run(folder, "--junit", folder .. "/junit.xml")))
    local report = process.file(folder .. "/junit.xml")
    assert.truthy(report:find("&lt;&amp;&gt;", 1, true), report)
    assert.truthy(report:find("(string) &apos;\239\191\189]]&gt;&apos;", 1, true), report)
    assert.is_nil(report:find "[%z\1-\8\255\228]")
  end)

  it("says where a spec is wrong", function()
    local folder = folder_of [[
      local function gateway() return test.policy("naps", { ms = 1 }) end
      it("1", function() gateway():upstream("upstream"):answers { stauts = 200 } end)
      it("2", function() gateway():upstream("upstream"):answers() end)
      it("3", function() gateway():upstream("upstrem") end)
      it("4", function()
        local first = gateway()
        gateway()
        first:get "/"
      end)
      it("5", function()
        local one = gateway()
        one:upstream("upstream"):answers(function() return 200 end)
        one:get "/"
      end)
      it("6", function() gateway():ask() end)]]
    local code, text = run(folder)
    assert.equal(1, code)
    for _, line in ipairs { "3: upstream: unknown key 'stauts'; did you mean 'status'?",
      "4: upstream: expected an answer to be a table, got nil",
      "5: gateway: neither a service nor an address with its port: 'upstrem'; did you mean 'upstream'?",
      "9: gateway: there is one at a time, and another one took its place",
      "13: upstream: expected an answer to be a table, got number", "16: request: expected a table, got a nil" } do
      assert.truthy(text:find("it_spec.lua:" .. line, 1, true), line .. " in " .. text)
    end
  end)

  it("says what it lacks", function()
    local folder = gateway.folder()
    local code, text = run(folder)
    assert.equal(2, code)
    assert.truthy(text:find("no spec (*_spec.lua) in", 1, true), text)
    for name, content in pairs { ["notes.txt"] = "a note", ["empty_spec.lua"] = "local nothing = 1" } do
      gateway.write(folder .. "/" .. name, content)
      code, text = run(folder .. "/" .. name)
      assert.equal(2, code)
      assert.truthy(text:find("no test stands in " .. folder .. "/" .. name, 1, true), text)
    end
    assert.equal(2, (run(folder .. "/nothing")))
    assert.equal(2, (run(folder, "--sed", "1")))
    assert.equal(2, (run(folder, "--live", "--coverage", folder .. "/lcov")))
    local out = process.read(("LUA_PATH='/nowhere/?.lua' %s test %s 2>&1; echo code $?"):format(gateway.binary, folder))
    assert.truthy(out:find("needs busted (Debian: apt install lua-busted)", 1, true), out)
    assert.truthy(out:find("code 2", 1, true), out)
  end)
end)
