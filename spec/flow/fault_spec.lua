--- The scenarios of spec/fault: what an upstream, a client or an operator does, and what the client must see of it.
--
-- Every request has an id of its own, which the answer must carry: none is answered with another's bytes, and after
-- each scenario the next request gets its own. None is left without a status but those whose worker was killed.
local certs = require "spec.support.certs"
local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local loop = require "spec.support.loop"
local process = require "spec.support.process"
local stream = require "spec.support.stream"
local upstream = require "spec.support.upstream"

local CONFIG = [[
  return {
    listeners = { web = { address = "127.0.0.1:$web", limits = { body_timeout = "5s" } } },
    services = { up = { endpoints = { "$up" }, pool = { max_idle = 64 } } },
    policies = { { "access_log", path = "stdout", format = "ACCESS %REQ(:PATH)% %RESPONSE_CODE% %RESPONSE_FLAGS%" },
      { "access_log", path = "/dev/full" }, { "edited" } },
    routes = { { match = { path = { prefix = "/hurry" } }, backends = { { service = "up" } }, timeout = "300ms" },
      { backends = { { service = "up" } } } },
  }]]

local function edition(number)
  return ([[
    local edited = {}
    function edited.response(_, ctx) ctx.res.headers["x-edition"] = "%d" end
    return edited]]):format(number)
end

local count = 0

local function new_id()
  count = count + 1
  return ("%08x"):format(count)
end

describe("fault", function()
  local gw, up

  local function start(options)
    up = upstream.start()
    options = options or {}
    options.config, options.args, options.values = CONFIG, { "--policy-path", "$folder" }, { up = up.address }
    options.files = { ["edited.lua"] = edition(1) }
    gw = gateway.start(options)
  end

  -- What an upstream that is well says: the id of the request, and of its body.
  local function echo(request)
    request:read()
    local body = request.body and #request.body > 0 and " " .. request.body or ""
    return { body = "id " .. request.headers["x-id"] .. body }
  end

  local function ask(id, conn)
    local request = { path = "/" .. id, headers = { ["X-Id"] = id } }
    if tonumber(id, 16) % 3 == 0 then request.method, request.body = "POST", ("body %s "):format(id):rep(200) end
    local response, err = (conn and http.send or http.ask)(conn or gw.ports.web, request)
    if not response then return nil, err end
    local wanted = "id " .. id .. (request.body and " " .. request.body or "")
    if response.status == 200 then assert.equal(wanted, response.body) end
    return response
  end

  local function is_well() assert.equal(200, assert(ask(new_id())).status) end

  local function flags_of(path)
    return assert(gw:logged("ACCESS " .. path .. " ", 10), "no line in the access log for " .. path):match "%S+ (%S+)"
  end

  -- ---- the upstream's ----------------------------------------------------------------------

  local function end_as(conn, how)
    if how then conn:close(how == "reset") end
    return how == nil or nil
  end

  -- The upstream of one try: it says the bytes, up to `at`, and ends as the scenario says.
  local function behave(case, at)
    local function say(conn, id)
      local bytes = case.says:gsub("%%id%%", id)
      conn:send(bytes:sub(1, at or #bytes))
      if case.ends == "reset" then loop.sleep(0.01) end -- a reset may overtake what came before
      return end_as(conn, case.ends)
    end
    if case.first then
      for _, conn in ipairs(up.open) do conn:close() end -- so that a fresh one is made
      up.raw = function(conn)
        say(conn, "")
        if not case.ends then conn:read_all(10) end
      end
      return
    end
    up.answer = function(request)
      local id = request.headers["x-id"]
      if not case.idle then
        if not case.sends then request:read() end
        return say(request.stream, id)
      end
      loop.spawn(function()
        loop.sleep(0.02)
        request.stream:send((case.says:gsub("%%id%%", id)))
      end)
      return echo(request)
    end
  end

  local function see_cut(conn, id)
    local head, err = http.read_response_head(conn)
    assert(head, err) -- before the first byte of it has gone, there is a status of the gateway's own
    if head.status ~= 200 then return assert.is_true(head.status >= 502, "status " .. head.status) end
    local response = http.read_response_body(conn, head)
    assert.is_nil(response)
    local wrong = conn.buffer:find "deadbeef"
    assert.is_nil(wrong)
    assert.truthy(id)
  end

  local function see(case, conn, id)
    if case.cut then return see_cut(conn, id) end
    local response = assert(http.read_response(conn, case.method, 20))
    assert.equal(case.status, response.status)
    if case.status == 200 and case.method ~= "HEAD" then
      assert.equal("id " .. id, response.body:sub(1, 3 + #id))
    end
  end

  local function try(case, at)
    local id = new_id()
    local path = (case.flag == "UT" and "/hurry/" or "/") .. id
    behave(case, at)
    local conn = stream.connect(gw.ports.web)
    conn:send(("%s %s HTTP/1.1\r\nHost: a\r\nX-Id: %s\r\n%s\r\n"):format(case.method or "GET", path, id,
      case.sends and "Content-Length: " .. case.sends .. "\r\n" or ""))
    if case.sends then conn:send(("x"):rep(math.floor(case.sends / 2))) end
    see(case, conn, id)
    conn:close()
    if case.flag then assert.equal(case.flag, flags_of(path):sub(1, #case.flag)) end
    if case.idle then loop.sleep(0.05) end
    up.raw, up.answer = nil, echo
    is_well()
  end

  -- After which bytes it ends: once, or after each of the head or of the body.
  local function places(case)
    local bytes = case.says:gsub("%%id%%", "00000000")
    local _, head = bytes:find("\r\n\r\n", 1, true)
    local from, to = #bytes, #bytes
    if case.every == true then from = 1 end
    if case.every == "body" then from, to = head, #bytes - 1 end
    return from, to
  end

  describe("an upstream that", function()
    setup(start)
    teardown(gateway.stop_all)

    for _, case in ipairs(dofile "spec/fault/upstream.lua") do
      it(case[1] .. (case.every and " #slow" or ""), function()
        if not case.every then return try(case) end
        local from, to = places(case)
        for at = from, to do
          local ok, err = pcall(try, case, at)
          assert(ok, ("after byte %d: %s"):format(at, tostring(err)))
        end
      end)
    end
  end)

  -- ---- the client's -----------------------------------------------------------------------

  describe("a client that", function()
    setup(start)
    teardown(gateway.stop_all)

    for _, case in ipairs(dofile "spec/fault/client.lua") do
      it(case[1] .. (case.every and " #slow" or ""), function()
        up.answer = echo
        local other = stream.connect(gw.ports.web) -- of whom the next request must know nothing
        local last = case.every and #case.sends - 1 or 1
        for at = 1, last do
          local conn = stream.connect(gw.ports.web)
          conn:send(case.every and case.sends:sub(1, at) or case.sends)
          if case.status then assert.equal(case.status, assert(http.read_response(conn, "GET", 20)).status) end
          if case.ends then conn:close(case.ends == "reset") end
          assert.equal(200, assert(ask(new_id(), other)).status)
          if not case.ends then assert.is_true(conn:closed(20)) end
          conn:close()
        end
      end)
    end
  end)

  -- ---- the operator's ---------------------------------------------------------------------

  -- Each asks again and again, on a connection of its own, until told to stop: how many had which status.
  local function under_load(work)
    local seen, stopped, running = {}, false, 16
    up.answer = echo
    for _ = 1, 16 do
      loop.spawn(function()
        local conn
        while not stopped do
          conn = conn or stream.connect(gw.ports.web)
          local response = ask(new_id(), conn)
          local status = response and response.status or "none"
          seen[status] = (seen[status] or 0) + 1
          if not response or response.headers.connection == "close" then
            conn:close()
            conn = nil
          end
        end
        if conn then conn:close() end
        running = running - 1
      end)
    end
    loop.sleep(0.05)
    work(seen)
    stopped = true
    assert(loop.poll(function() return running == 0 or nil end, 60), "a request hangs")
    return seen
  end

  local operator = {}

  function operator.reload()
    for _ = 1, 5 do assert(gw:reload(CONFIG, { up = up.address })) end
  end

  function operator.edit()
    for number = 2, 4 do
      gateway.write(gw.folder .. "/edited.lua", edition(number))
      assert(gw:reload(CONFIG, { up = up.address }))
    end
    assert.equal("4", assert(ask(new_id())).headers["x-edition"])
  end

  function operator.break_policy()
    gateway.write(gw.folder .. "/edited.lua", "return {")
    assert(gw:reload(CONFIG, { up = up.address }, "refused"))
    gateway.write(gw.folder .. "/edited.lua", edition(1))
  end

  function operator.break_config()
    assert(gw:reload("return {", {}, "refused"))
    assert(gw:reload(CONFIG, { up = up.address }))
  end

  function operator.kill()
    local pids = gw:children()
    process.signal(pids[1], 9)
    loop.poll(function() return gw:children()[1] ~= pids[1] and gw:log():find("killed by signal", 1, true) end, 10)
  end

  function operator.kill_in_reload()
    for i = 1, 3 do
      local before = #gw:log()
      local pids = assert(loop.poll(function()
        local now = gw:children()
        return #now == 2 and now or nil
      end, 10))
      gw:signal(1)
      loop.sleep(0.04 * i)
      process.signal(pids[i % 2 + 1], 9)
      assert(loop.poll(function() return gw:log(before):find("reloaded", 1, true) end, 30), gw:log(before))
    end
  end

  function operator.pause()
    local pid = gw:children()[1]
    process.signal(pid, 19)
    loop.sleep(0.3)
    process.signal(pid, 18)
  end

  -- Whenever it is, as far as it still runs: the next one is taken.
  function operator.kill_loader()
    for i = 1, 5 do
      local old = {}
      for _, pid in ipairs(gw:children()) do old[pid] = true end
      local before = #gw:log()
      gw:signal(1)
      loop.sleep(0.01 * i)
      for _, pid in ipairs(gw:children()) do
        if not old[pid] then process.signal(pid, 9) end
      end
      assert(loop.poll(function()
        local text = gw:log(before)
        return text:find("reload refused", 1, true) or text:find("reloaded", 1, true)
      end, 30), gw:log(before))
    end
    assert(gw:reload(CONFIG, { up = up.address }))
  end

  function operator.restart_upstream()
    for _ = 1, 3 do
      for _, conn in ipairs(up.open) do conn:close(true) end
      loop.sleep(0.02)
    end
  end

  describe("an operator who", function()
    before_each(function() start { workers = 2 } end)

    after_each(function()
      gw:stop { crash = true }
      gateway.stop_all()
    end)

    for _, case in ipairs(dofile "spec/fault/operator.lua") do
      it(case[1], function()
        local seen = under_load(function(sofar)
          operator[case.does]()
          local before = sofar[200] or 0
          loop.poll(function() return (sofar[200] or 0) > before + 32 or nil end, 20)
        end)
        for status, times in pairs(seen) do
          local allowed = false
          for _, one in ipairs(case.sees) do allowed = allowed or one == status end
          assert(allowed, ("%d times %s"):format(times, status))
        end
        assert.is_true(seen[200] > 32)
        is_well()
      end)
    end
  end)

  -- ---- a worker that dies -----------------------------------------------------------------

  describe("a worker that is killed", function()
    setup(start)

    teardown(function()
      gw:stop { crash = true }
      gateway.stop_all()
    end)

    for _, case in ipairs(dofile "spec/fault/killed.lua") do
      it(case[1], function()
        local reached = false
        up.answer = function(request)
          reached = true
          if not case.says then http.read_request_body(request.stream, request, 10) end
          if case.says then request.stream:send(case.says) end
          request.stream:read_all(20)
          return nil
        end
        local conn = stream.connect(gw.ports.web)
        conn:send(case.sends)
        if case.reaches then assert(loop.poll(function() return reached or nil end, 10)) end
        if case.head then assert.equal(200, assert(http.read_response_head(conn)).status) else loop.sleep(0.05) end
        process.signal(gw:children()[1], 9)
        local rest, how = conn:read_all(10)
        assert.truthy(rest, how)
        assert.is_nil(rest:find("HTTP/1.1", 1, true)) -- no answer of anybody's
        conn:close()
        up.answer = echo
        assert.truthy(loop.poll(function()
          local response = ask(new_id())
          return response and response.status == 200 or nil
        end, 10))
      end)
    end
  end)

  -- ---- certificates (names: spec/flow/names_spec.lua) --------------------------------------

  it("an upstream whose certificate has run out is not asked", function()
    local folder = gateway.folder()
    certs.make(folder)
    process.read(("cd '%s' && echo subjectAltName=DNS:a.test >ext && openssl x509 -req -in a.test.csr -CA ca.crt "
      .. "-CAkey ca.key -CAcreateserial -days -1 -extfile ext -out old.crt 2>&1"):format(folder))
    local old = gateway.start { values = { folder = folder }, config = [[
      return {
        listeners = { web = { address = "127.0.0.1:$web" },
          old = { address = "127.0.0.1:$old", tls = { cert = "$folder/old.crt", key = "$folder/a.test.key" } } },
        services = { old = { endpoints = { "127.0.0.1:$old" }, tls = { ca = "$folder/ca.crt", sni = "a.test" } } },
        policies = {
          { "access_log", path = "stdout", format = "ACCESS %REQ(:PATH)% %RESPONSE_CODE% %RESPONSE_FLAGS%" } },
        routes = { { listeners = { "web" }, backends = { { service = "old" } } },
          { listeners = { "old" }, policies = { { "respond", status = 200, body = "reached" } } } },
      }]] }
    finally(gateway.stop_all)
    local response = assert(old:ask { path = "/expired" })
    assert.equal(503, response.status)
    assert.equal("503 UF", old:logged "ACCESS /expired ")
    assert.truthy(response.body:find "expired")
  end)
end)
