--- Policies that run on live requests with their effects thrown away.
local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local loop = require "spec.support.loop"
local upstream = require "spec.support.upstream"

local POLICY = [[
  return {
    request = function(_, ctx)
      local req = ctx.req
      local what = req.headers["x-do"]
      req.headers["x-edited"] = "1"
      ctx.shared.seen.text = "in the shadow"
      ctx.shared.seen = { text = "in the shadow" }
      ctx:flag("DI")
      if what == "path" then req.path = "/other" end
      if what == "backend" then ctx:use_backend("other") end
      if what == "sleep" then ctx:sleep(60000) end
      if what == "raise" then error("oops") end
      if what == "refuse" then
        ctx.details = "because"
        return ctx:respond(403, "no", { ["x-why"] = "because" })
      end
      if what == "nothing" then req.headers["x-edited"] = nil end
    end,
    response = function(_, ctx)
      ctx.res.status = 299
      ctx.res.headers["x-shadow"] = "1"
      if ctx.req.headers["x-do"] == "respond late" then ctx:respond(500, "late") end
    end,
  }]]

local WITNESS = [[
  return {
    request = function(_, ctx) ctx.shared.seen = ctx.shared.seen or { text = "before" } end,
    response = function(_, ctx)
      ctx.res.headers["x-seen"] = ctx.shared.seen.text .. " " .. ctx:flags_text() .. " " .. (ctx.details or "none")
    end,
  }]]

describe("a policy in the shadow", function()
  local gw, up, folder

  setup(function()
    up = upstream.start()
    folder = gateway.folder()
    gateway.write(folder .. "/meddler.lua", POLICY)
    gateway.write(folder .. "/witness.lua", WITNESS)
    gateway.write(folder .. "/reader.lua", [[
      return { body = { request = "whole" }, request = function() end, request_body = function() end }]])
    gw = gateway.start { values = { up = up.address }, args = { "--policy-path", folder }, config = [[
      return {
        listeners = { web = { address = "127.0.0.1:$web" } },
        admin = { address = "127.0.0.1:$admin" },
        services = { up = { endpoints = { { address = "$up" } } }, other = { endpoints = { "127.0.0.1:1" } } },
        policies = { "witness", { "meddler", shadow = true } },
        routes = { { name = "all", backends = { { service = "up", policies = {
          { "respond", shadow = true, status = 418, body = "teapot" } } } } } },
      }]] }
  end)

  teardown(gateway.stop_all)

  local function ask(what)
    local before = #up.requests
    local response = assert(gw:ask { path = "/here?a=1", headers = { ["x-do"] = what } })
    assert.equal(before + 1, #up.requests)
    return response, up.requests[#up.requests]
  end

  for _, what in ipairs { "edit", "path", "backend", "sleep", "raise", "refuse", "respond late", "nothing" } do
    it("changes nothing of a request: " .. what, function()
      local response, request = ask(what)
      assert.equal(200, response.status)
      assert.equal("/here?a=1", request.target)
      assert.is_nil(request.headers["x-edited"])
      assert.is_nil(response.headers["x-shadow"])
      assert.is_nil(response.headers["x-why"])
      assert.equal("before - none", response.headers["x-seen"])
    end)
  end

  it("counts what it would have done, and says so once a second at most", function()
    local metric = "moongate_policy_shadow_total"
    local before = gw:metric(metric, { policy = "meddler", phase = "request", outcome = "answer", code = "403" })
    local same = gw:metric(metric, { policy = "meddler", phase = "request", outcome = "none" })
    local late = gw:metric(metric, { policy = "meddler", phase = "response", outcome = "answer", code = "500" })
    ask "refuse"
    ask "nothing"
    ask "respond late"
    local labels = { policy = "meddler", phase = "request", outcome = "answer", code = "403" }
    assert.equal(before + 1, gw:counts(metric, labels, before + 1))
    assert.equal(same + 1, gw:metric(metric, { policy = "meddler", phase = "request", outcome = "none" }))
    labels = { policy = "meddler", phase = "response", outcome = "answer", code = "500" }
    assert.equal(late + 1, gw:counts(metric, labels, late + 1))
    assert.is_true(gw:metric(metric, { policy = "meddler", outcome = "error" }) >= 1)
    assert.is_true(gw:metric(metric, { policy = "respond", outcome = "answer", code = "418" }) >= 8)
    assert.equal(gw:metric(metric, { outcome = "error" }), (gw:metric("moongate_policy_errors_total")))
    assert.equal(0, gw:metric("moongate_policy_decisions_total"))
    loop.sleep(1.1)
    ask "refuse"
    local line = assert(gw:logged "details=because")
    assert.truthy(line:find("policy=meddler", 1, true))
  end)

  it("is refused where effects could not be undone, or there are none", function()
    local path = gateway.write(folder .. "/wrong.lua", [[
      return {
        listeners = { web = { address = "127.0.0.1:8080" } },
        routes = { { policies = {
          { "reader", shadow = true },
          { "access_log", shadow = true },
          { "respond", shadow = "yes", status = 200 },
        } } },
      }]])
    local code, text = gateway.run("check", "--policy-path", folder, path)
    assert.equal(1, code)
    local wanted = {
      "4: routes[1].policies[1].shadow: policy 'reader' cannot run in the shadow: it has the phase request_body",
      "5: routes[1].policies[2].shadow: policy 'access_log' cannot run in the shadow: it has only a log phase",
      '6: routes[1].policies[3].shadow: expected true or false, got the string "yes"',
    }
    for _, part in ipairs(wanted) do assert.truthy(text:find("/wrong.lua:" .. part, 1, true), text) end
  end)

  it("says so when a request is explained, and in the printed config", function()
    local code, text = gateway.run("explain", "--policy-path", folder, gw.path, "--header", "x-do: refuse")
    assert.equal(0, code)
    assert.truthy(text:find("runs in the shadow", 1, true), text)
    assert.truthy(text:find("answer    200", 1, true), text)
    code, text = gateway.run("config", "--policy-path", folder, gw.path)
    assert.equal(0, code)
    assert.truthy(text:find('"meddler",?%s*shadow = true'), text)
    assert.truthy(http.get(gw.ports.admin, "/config").body:find('"shadow":true', 1, true))
  end)
end)
