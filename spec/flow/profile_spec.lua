--- The flame graph at the admin address.
local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local loop = require "spec.support.loop"
local stream = require "spec.support.stream"

local BUSY = [[
  local function spin(n) local x = 0 for i = 1, n do x = x + i % 7 end return x end
  return {
    request = function(_, ctx)
      if ctx.req.path == "/forever" then while true do spin(1000) end end
      local until_ns = os.clock() + 0.02
      while os.clock() < until_ns do spin(1000) end
      return ctx:respond(200, "done")
    end,
  }]]

describe("the profile at the admin address", function()
  local gw

  setup(function()
    local folder = gateway.folder()
    gateway.write(folder .. "/busy.lua", BUSY)
    gw = gateway.start { workers = 2, args = { "--policy-path", folder }, config = [[
      return {
        listeners = { web = { address = "127.0.0.1:$web" } },
        admin = { address = "127.0.0.1:$admin" },
        routes = { { name = "all", policies = { "busy" } } },
      }]] }
  end)

  teardown(gateway.stop_all)

  local function profile(query, done)
    return function()
      local response = assert(http.ask(gw.ports.admin, { path = "/debug/profile?" .. query, limit = 30 }))
      if done then done.yes = true end
      return response
    end
  end

  -- Asks until the profile is there.
  local function traffic(done)
    return function()
      while not done.yes do assert.equal(200, assert(gw:ask { path = "/" }).status) end
    end
  end

  it("shows where the time of policies goes, and in which state", function()
    local done = {}
    local text = loop.all(profile("seconds=2&format=folded", done), traffic(done))[1].body
    local own = text:match "[^\n]*busy%.lua:spin[^\n]*"
    assert.truthy(own, text)
    assert.truthy(own:find("^moongate/runtime%.lua:[^;]*;"), own)
    assert.truthy(own:find("%[%l+%] %d+$"), own)
    for line in text:gmatch "[^\n]+" do assert.truthy(line:find("^[^ ].* %d+$"), line) end
  end)

  it("is a picture where nothing else is asked for", function()
    local done = {}
    local response = loop.all(profile("seconds=1", done), traffic(done))[1]
    assert.equal(200, response.status)
    assert.equal("image/svg+xml", response.headers["content-type"])
    assert.truthy(response.body:find("^<svg xmlns"))
    assert.truthy(response.body:find("<title>[^<]*busy%.lua:spin: %d+ samples"), response.body)
    assert.truthy(response.body:find("1 s, 2 workers", 1, true))
    assert.truthy(response.body:find("</svg>\n$"))
  end)

  it("is taken one at a time; one whose client leaves makes room", function()
    local conn = stream.connect(gw.ports.admin)
    assert(conn:send(http.format { path = "/debug/profile?seconds=60" }))
    local busy = loop.poll(function()
      return http.get(gw.ports.admin, "/debug/profile?seconds=1").status == 409 or nil
    end, 20)
    assert.is_true(busy)
    assert.equal("ready\n", http.get(gw.ports.admin, "/healthz/ready").body)
    conn:close()
    assert.is_true(loop.poll(function()
      return http.get(gw.ports.admin, "/debug/profile?seconds=1&format=folded").status == 200 or nil
    end, 30))
  end)

  it("leaves the budgets of policies as they are", function()
    local answers = loop.all(profile "seconds=1", function() return assert(gw:ask { path = "/forever" }) end)
    assert.same({ 200, 500 }, { answers[1].status, answers[2].status })
    assert.equal(500, assert(gw:ask { path = "/forever" }).status)
  end)

  it("says what it takes", function()
    for _, query in ipairs { "seconds=0", "seconds=61", "seconds=1e1", "seconds=", "seconds", "format=png", "hz=99" } do
      local response = http.get(gw.ports.admin, "/debug/profile?" .. query)
      assert.equal(400, response.status, query)
      assert.equal("expected seconds=1 to 60, format=svg or folded\n", response.body)
    end
    assert.equal(405, assert(http.ask(gw.ports.admin, { path = "/debug/profile", method = "POST" })).status)
  end)

  it("does not keep a gateway from stopping", function()
    local conn = stream.connect(gw.ports.admin)
    assert(conn:send(http.format { path = "/debug/profile?seconds=60" }))
    loop.sleep(0.5)
    gw:stop()
    conn:close()
  end)
end)
