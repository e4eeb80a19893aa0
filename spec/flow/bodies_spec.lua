--- Bodies and trailers that policies read and replace in the phases request and response.
local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local stream = require "spec.support.stream"
local upstream = require "spec.support.upstream"

local POLICY = [[
  local function look(ctx, message, name)
    local body = ctx:read_body(10)
    message.headers["x-" .. name] = body and "body=" .. body or "too long"
    for field, value in message.trailers:each() do message.headers["x-" .. name .. "-" .. field] = value end
    if body == "replace" then ctx:replace_body(name .. " replaced") end
    if body == "edit" then message.trailers["x-t"] = "edited" end
  end
  return {
    request = function(_, ctx) look(ctx, ctx.req, "request") end,
    response = function(_, ctx)
      look(ctx, ctx.res, "response")
      ctx.res.headers["x-sent"] = ctx.req.headers["x-request"]
    end,
    log = function(_, ctx)
      local ok, err = pcall(ctx.read_body, ctx, 1)
      if ok or not tostring(err):find("only in the phases", 1, true) then error("it can be read in the log") end
    end,
  }]]

-- What each call says that is misused.
local MISUSES = {
  { "ctx:read_body()", "ctx:read_body: expected a number of bytes, got nil" },
  { "ctx:read_body('10')", "ctx:read_body: expected a number of bytes, got 10" },
  { "ctx:read_body(-1)", "ctx:read_body: expected a number of bytes, got -1" },
  { "ctx:read_body(2 ^ 32)", "ctx:read_body: expected a number of bytes, got 4294967296" },
  { "ctx:peek_body()", "ctx:peek_body: expected a number of bytes, got nil" },
  { "ctx:replace_body()", "ctx:replace_body: expected a string, got nil" },
  { "ctx:replace_body({})", "ctx:replace_body: expected a string, got table" },
}

describe("bodies in the phases request and response", function()
  local gw, answer

  setup(function()
    local up = upstream.start(function(request)
      request:read()
      if answer then return answer end
      local told = {}
      for _, field in ipairs(request.trailers or {}) do told["x-up-" .. field[1]] = field[2] end
      return { status = 200, headers = told, body = request.body }
    end)
    local folder = gateway.folder()
    gateway.write(folder .. "/look.lua", POLICY)
    gateway.write(folder .. "/misuses.lua", [[
      return { request = function(_, ctx)
        local call = "local ctx = ... " .. ctx.req.headers["x-call"]
        return ctx:respond(200, tostring(select(2, pcall(load(call, "=call"), ctx))))
      end }]])
    gw = gateway.start { values = { up = up.address }, args = { "--policy-path", folder }, config = [[
      return {
        listeners = { web = { address = "127.0.0.1:$web" } },
        admin = { address = "127.0.0.1:$admin" },
        services = { up = { endpoints = { { address = "$up" } } } },
        routes = {
          { name = "misused", match = { path = { prefix = "/misused" } }, policies = { "misuses" } },
          { name = "retried", match = { path = { prefix = "/retried" } }, policies = { "look" },
            backends = { { service = "up" } }, retries = { attempts = 1, on = { "503" } } },
          { name = "all", policies = { "look" }, backends = { { service = "up" } } },
        },
      }]] }
  end)

  before_each(function() answer = nil end)
  teardown(gateway.stop_all)

  local function post(body, path)
    local response = assert(gw:ask { method = "POST", path = path or "/", body = body })
    assert.equal(200, response.status)
    return response
  end

  for _, path in ipairs { "/", "/retried" } do
    it("are read whole and go on: " .. path, function()
      local response = post("hello", path)
      assert.equal("hello", response.body)
      assert.same({ "body=hello", "body=hello" }, { response.headers["x-sent"], response.headers["x-response"] })
      response = assert(gw:ask { path = path })
      assert.equal("", response.body)
      assert.same({ "body=", "body=" }, { response.headers["x-sent"], response.headers["x-response"] })
    end)

    it("go on where they are too long to be read: " .. path, function()
      for _, size in ipairs { 11, 100000, 3000000 } do
        local body = ("0123456789"):rep(size / 10 + 1):sub(1, size)
        local response = post(body, path)
        assert.equal(#body, #response.body)
        assert.equal(body, response.body)
        assert.same({ "too long", "too long" }, { response.headers["x-sent"], response.headers["x-response"] })
      end
    end)

    it("are replaced: " .. path, function()
      assert.equal("request replaced", post("replace", path).body)
      answer = { status = 200, body = "replace" }
      local response = post("x", path)
      assert.equal("response replaced", response.body)
      assert.equal("17", response.headers["content-length"])
    end)
  end

  it("come in chunks, too, with trailers that can be read and edited", function()
    local response = assert(gw:ask { method = "POST", chunks = { "ed", "it" }, trailers = { ["x-t"] = "1" } })
    assert.equal("edit", response.body)
    assert.equal("body=edit", response.headers["x-sent"])
    assert.equal("edited", response.headers["x-up-x-t"])
  end)

  for _, misuse in ipairs(MISUSES) do
    it("say what is wrong with " .. misuse[1], function()
      local response = assert(gw:ask { path = "/misused", headers = { ["x-call"] = misuse[1] } })
      assert.equal("call:1: " .. misuse[2], response.body)
    end)
  end

  it("have no one to send them where the client leaves before their end", function()
    local conn = stream.connect(gw.ports.web)
    assert(conn:send "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab")
    conn:close()
    assert.equal("hello", post("hello").body)
    assert.equal(0, gw:metric("moongate_policy_errors_total"))
    assert.is_nil(http.get(gw.ports.web, "/").headers["x-none"])
  end)
end)

describe("a body that is as long as one string of a policy may be", function()
  teardown(gateway.stop_all)

  it("is read whole, and a longer one is too long", function()
    local longest = 4 * 1048576
    local gw = gateway.start { args = { "--policy-path", "$folder" }, files = { ["weigh.lua"] = [[
      return { request = function(_, ctx)
        local body = ctx:read_body(2 ^ 24)
        local first, whole = ctx:peek_body(2 ^ 24)
        return ctx:respond(200, ("%s %d %s"):format(body and #body, #first, tostring(whole)))
      end }]] }, config = [[return {
        listeners = { web = { address = "127.0.0.1:$web", limits = { body_bytes = "16MiB" } } },
        budgets = { memory = "32MiB" },
        routes = { { policies = { "weigh" } } },
      }]] }
    local function weigh(size) return assert(gw:ask { method = "POST", body = ("x"):rep(size) }).body end
    assert.equal(("%d %d true"):format(longest, longest), weigh(longest))
    assert.equal(("nil %d false"):format(longest), weigh(longest + 1))
  end)
end)
