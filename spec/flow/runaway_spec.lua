--- Policies that run on: each is stopped, its request answered 500 and the worker lives on.
local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local loop = require "spec.support.loop"
local stream = require "spec.support.stream"
local upstream = require "spec.support.upstream"

-- What a policy might never come back from, as Lua.
local RUNAWAYS = {
  { "a compiled loop", "local n = 0 while true do n = n + 1 end" },
  { "repeat until false", "repeat until false" },
  { "a counted loop", "for _ = 1, 1e15 do end" },
  { "tail calls", "local function f() return f() end f()" },
  { "recursion, again and again", "local function f(n) return 1 + f(n + 1) end while true do pcall(f, 1) end" },
  { "coroutines that yield", [[
    local co = coroutine.wrap(function() while true do coroutine.yield() end end)
    while true do co() end]] },
  { "coroutines that run on", [[
    while true do coroutine.resume(coroutine.create(function() while true do end end)) end]] },
  { "pcall around it", "pcall(function() while true do end end)" },
  { "pcall that tries again", "while true do pcall(function() while true do end end) end" },
  { "pcall of an error", "while true do pcall(error, 'again') end" },
  { "xpcall whose handler runs on", "xpcall(error, function() while true do end end)" },
  { "an error that takes for ever to say", [[
    error(setmetatable({}, { __tostring = function() while true do end end }))]] },
  { "a string that doubles", "local s = 'x' while true do s = s .. s end" },
  { "a string of parts that doubles", "local s = 'x' while true do s = table.concat { s, s } end" },
  { "a text that gsub doubles", "local s = 'x' while true do s = s:gsub('x', 'xx') end" },
  { "many parts of one string", [[
    local s, t = ('x'):rep(1e6), {}
    for i = 1, 5000 do t[i] = s end
    while true do table.concat(t) end]] },
  { "a table that doubles", "local t = { 1 } while true do for i = 1, #t do t[#t + 1] = i end end" },
  { "many parts in compiled code", [[
    local function join(a) local t for i = 1, 200 do t = a .. a .. a .. a .. a end return t end
    join('x') join('y')
    local s = ('x'):rep(4e6) while true do join(s) end]] },
  { "string.rep", "local s = ('x'):rep(1e9) .. ('y'):rep(1e9)" },
  { "string.rep, again and again", "while true do pcall(string.rep, 'x', 2 ^ 30) end" },
  { "a table that grows", "local t = {} for i = 1, 1e15 do t[i] = {} end" },
  { "an array that grows", "local t = {} for i = 1, 1e15 do t[i] = i end" },
  { "a pattern of many ways", "return (('a'):rep(50000)):find('.-.-.-.-b')" },
  { "a pattern of options", "return (('a'):rep(50)):find(('a?'):rep(50) .. ('a'):rep(51))" },
  { "a pattern in gsub", "return (('a'):rep(1e6)):gsub('.-b', '')" },
  { "a long class", "while true do (('a'):rep(1e6)):find('[' .. ('b'):rep(20000) .. ']') end" },
  { "a long class in gsub", "while true do (('a'):rep(1e5)):gsub('%f[' .. ('b'):rep(20000) .. ']', '') end" },
  { "an insertion at no place", [[
    for _, at in ipairs { -1e9, '-1e9', 0, 0 / 0, -1 / 0, 1 / 0, 2 ^ 31, '1e10' } do
      if pcall(table.insert, {}, at, 1) then return end
    end
    error 'all are refused']] },
  { "moving what is not there", "table.move({}, 1, 2 ^ 31 - 2, 1)" },
  { "a long format of a date", "return os.date(('%c'):rep(1e6))" },
  { "a plain text in find", "return (('a'):rep(1e6)):find(('a'):rep(5e5) .. 'b', 1, true)" },
  { "sorting", "local t = {} for i = 1, 1e5 do t[i] = math.random() end while true do table.sort(t) end" },
  { "a function of moongate's", [[
    local json, t = require 'moongate.json', {}
    for i = 1, 1e5 do t[i] = i end
    while true do json.encode(t) end]] },
  { "compiling", "while true do load('return 1') end" },
  { "a wait that fails, again and again", "while true do pcall(ctx.sleep, ctx, 'long') end" },
}

local POLICY = [[
  local runs = { schema = { { "phase", type = "string", default = "request" } }, %s }
  local function run(phase, conf, ctx)
    local code = ctx.req.headers["x-code"]
    if conf.phase ~= phase or not code then return end
    return assert(load("local ctx = ... " .. code))(ctx)
  end
  for _, phase in ipairs { "request", "response", "log", %s } do
    runs[phase] = function(conf, ctx, bytes)
      run(phase, conf, ctx)
      return bytes
    end
  end
  return runs]]

local function in_header(code) return (code:gsub("%s+", " ")) end

describe("a policy that runs on", function()
  local gw, up

  setup(function()
    up = upstream.start()
    local routes = {}
    for _, phase in ipairs { "request", "response", "log", "request_body", "response_body" } do
      local name = phase:find "body" and "bodies" or "runs"
      routes[#routes + 1] = ([[{ hosts = { "%s.test" }, policies = { { "%s", phase = "%s" } },
        backends = { { service = "up" } } }]]):format(phase:gsub("_", "-"), name, phase)
    end
    gw = gateway.start {
      files = {
        ["runs.lua"] = POLICY:format("", ""),
        ["bodies.lua"] = POLICY:format('body = { request = "whole", response = "whole" }',
          '"request_body", "response_body"'),
        ["ticks.lua"] = [[
          local timer = require "moongate.timer"
          local ticks = {}
          function ticks.request(_, ctx)
            local ids = 0
            while timer.after(0, function() while true do end end) and ids < 3 do ids = ids + 1 end
            return ctx:respond(200, "started")
          end
          return ticks]],
        ["looks.lua"] = [[
          return { decides = false, request = function() while true do end end,
            response = function(_, ctx) ctx.res.headers["x-looks"] = "1" end }]],
        ["waits.lua"] = [[
          local timer = require "moongate.timer"
          local waits = {}
          function waits.request(_, ctx)
            local count, err = 0, nil
            repeat
              local id
              id, err = timer.after(60, print)
              count = count + 1
            until not id
            return ctx:respond(200, count .. " " .. err)
          end
          return waits]],
      },
      values = { up = up.address }, args = { "--policy-path", "$folder" },
      config = [[return {
        listeners = { web = { address = "127.0.0.1:$web" } }, admin = { address = "127.0.0.1:$admin" },
        services = { up = { endpoints = { "$up" } } },
        budgets = { memory = "64MiB", timers = 20 },
        routes = { ]] .. table.concat(routes, ", ") .. [[,
          { hosts = { "own.test" }, policies = { { "runs", cpu_budget = "10ms" } },
            backends = { { service = "up" } } },
          { hosts = { "ticks.test" }, policies = { "ticks" } },
          { hosts = { "waits.test" }, policies = { "waits" } },
          { hosts = { "skip.test" }, policies = { { "looks", on_error = "skip" }, { "respond", body = "on" } } },
          { hosts = { "well.test" }, policies = { { "respond", body = "well" } } } },
      }]],
    }
  end)
  teardown(gateway.stop_all)

  local function run(phase, code, request)
    request = request or {}
    request.host, request.headers = phase:gsub("_", "-") .. ".test", { ["x-code"] = in_header(code) }
    return gw:ask(request)
  end

  for _, runaway in ipairs(RUNAWAYS) do
    it("is stopped: " .. runaway[1], function()
      local answer = assert(run("request", runaway[2]))
      assert.equal(500, answer.status)
      assert.equal("well", assert(gw:ask { host = "well.test" }).body)
    end)
  end

  it("is stopped in every phase, and counted by kind", function()
    local loop_on = "while true do end"
    assert.equal(500, assert(run("response", loop_on)).status)
    assert.equal(200, assert(run("log", loop_on)).status)
    assert.equal(500, assert(run("request_body", loop_on, { method = "POST", body = "a" })).status)
    assert.equal(500, assert(run("response_body", loop_on)).status)
    for _, phase in ipairs { "response", "log" } do
      assert.equal(1, gw:counts("moongate_policy_errors_total", { policy = "runs", phase = phase, kind = "cpu" }, 1))
    end
    for _, phase in ipairs { "request_body", "response_body" } do
      assert.equal(1, gw:counts("moongate_policy_errors_total", { policy = "bodies", phase = phase, kind = "cpu" }, 1))
    end
    local memory = gw:metric("moongate_policy_errors_total", { phase = "request", kind = "memory" })
    assert.is_true(memory >= 1)
  end)

  it("may make a string of a sixteenth of the bound of memory, and none that is larger", function()
    local function made(code) return assert(run("request", "local s = " .. code)).status end
    local before = gw:metric("moongate_policy_errors_total", { policy = "runs", phase = "request", kind = "memory" })
    assert.equal(200, made "('x'):rep(4e6)") -- of 4 MiB
    assert.equal(500, made "('x'):rep(45e5)")
    assert.equal(500, made "table.concat({ ('x'):rep(2e6), ('y'):rep(3e6) })")
    assert.equal(500, made "('x'):rep(3e6) .. ('y'):rep(2e6)")
    assert.equal(500, made "('x'):rep(1e8)")
    assert.equal(before + 4,
      gw:counts("moongate_policy_errors_total", { policy = "runs", phase = "request", kind = "memory" }, before + 4))
  end)

  it("does not get further by strings that others before it have made", function()
    for _ = 1, 6 do
      assert.equal(500, assert(run("request", "local s = 'x' while true do s = s .. s print('is ' .. #s) end")).status)
    end
    assert.truthy(gw:log():find("is 65536 ", 1, true))
    assert.is_nil(gw:log():find("is 8388608 ", 1, true))
  end)

  it("is logged with its name, its budget and its stack", function()
    run("request", "local function spin() while true do end end spin()")
    local line = gw:log():match "[^\n]*function 'spin'[^\n]*"
    assert.truthy(line:find("policy=runs", 1, true))
    assert.truthy(line:find("used up its budget of 50 ms of CPU time", 1, true))
  end)

  it("has the budget of its use", function()
    assert.equal(500, assert(run("own", "while true do end")).status)
    assert.truthy(gw:log():find("used up its budget of 10 ms of CPU time", 1, true))
  end)

  it("is stopped in a timer", function()
    assert.equal("started", assert(gw:ask { host = "ticks.test" }).body)
    assert.equal(4, gw:counts("moongate_policy_errors_total", { policy = "ticks", phase = "timer", kind = "cpu" }, 4))
  end)

  it("is left out where its use says so and it decides nothing", function()
    local answer = assert(gw:ask { host = "skip.test" })
    assert.equal("on", answer.body)
    assert.equal("1", answer.headers["x-looks"])
    assert.equal(1, gw:counts("moongate_policy_errors_total", { policy = "looks", kind = "cpu" }, 1))
  end)

  it("has a bound on its timers", function()
    assert.equal("21 timer: the policy has too many", assert(gw:ask { host = "waits.test" }).body)
  end)

  it("delays another client of the worker once, by little more than its budget", function()
    local conn = stream.connect(gw.ports.web)
    assert.equal("well", assert(http.send(conn, { host = "well.test" })).body)
    local delays = {}
    for _ = 1, 5 do
      local slow = stream.connect(gw.ports.web)
      slow:send "GET / HTTP/1.1\r\nHost: request.test\r\nX-Code: while true do end\r\n\r\n"
      local began = loop.now()
      assert.equal("well", assert(http.send(conn, { host = "well.test" })).body)
      delays[#delays + 1] = loop.now() - began
      slow:close()
    end
    conn:close()
    table.sort(delays)
    assert.is_true(delays[1] < 1, "at best " .. delays[1] .. " s") -- 50 ms of CPU time, on a machine that others use
    assert.equal("well", assert(gw:ask { host = "well.test" }).body)
  end)
end)

describe("on_error", function()
  after_each(gateway.stop_all)

  it("\"skip\" is refused for a policy that may decide", function()
    local folder = gateway.folder()
    local path = gateway.write(folder .. "/gateway.lua", [[return {
      listeners = { web = { address = "127.0.0.1:1" } },
      routes = { { policies = {
        { "rbac", on_error = "skip" },
        { "respond", on_error = "pass" },
        { "respond", cpu_budget = "1ms" } } } } }]])
    local code, text = gateway.run("check", path)
    assert.equal(1, code)
    assert.truthy(text:find("gateway.lua:4: routes[1].policies[1].on_error: \"skip\" is for policies", 1, true))
    assert.truthy(text:find("gateway.lua:5: routes[1].policies[2].on_error: expected one of", 1, true))
    assert.truthy(text:find("gateway.lua:6: routes[1].policies[3].cpu_budget: expected a value of at least", 1, true))
  end)
end)
