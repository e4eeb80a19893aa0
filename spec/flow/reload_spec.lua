--- A policy that is edited while the gateway runs: the new one takes over with the old one's state, or not at all.
local gateway = require "spec.support.gateway"
local loop = require "spec.support.loop"
local process = require "spec.support.process"
local stream = require "spec.support.stream"

local CONFIG = [[return {
  listeners = { web = { address = "127.0.0.1:$web" } },
  routes = { { policies = { "counts" } } },
}]]

local function counts(answer, more)
  return ([[
    local counts = { state = { seen = { n = 0 } } %s }
    function counts.request(_, ctx)
      local seen = counts.state.seen
      seen.n = seen.n + 1
      if ctx.req.path == "/slow" then ctx:sleep(2000) end
      return ctx:respond(200, %s)
    end
    return counts]]):format(more or "", answer)
end

describe("a policy that is edited", function()
  local gw

  before_each(function()
    gw = gateway.start { files = { ["counts.lua"] = counts '"one " .. seen.n' }, config = CONFIG,
      args = { "--policy-path", "$folder" } }
  end)
  after_each(gateway.stop_all)

  local function edit(text, expected)
    gateway.write(gw.folder .. "/counts.lua", text)
    local before = #process.file(gw.out)
    gw:signal(1)
    assert.truthy((loop.poll(function()
      return gw:log():find(expected or "reloaded", before + 1, true) ~= nil or nil
    end, 30)))
  end

  local function ask() return assert(gw:ask {}).body end

  it("counts on, and requests in progress end on the old one", function()
    assert.equal("one 1", ask())
    local slow = stream.connect(gw.ports.web)
    slow:send "GET /slow HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    assert.truthy((loop.poll(function() return tonumber(ask():match "%d+") >= 3 or nil end, 5)))
    local before = tonumber(ask():match "%d+")
    edit(counts '"two " .. seen.n')
    assert.equal("two " .. before + 1, ask())
    assert.truthy(slow:read_all(10):find("one %d+$"))
    slow:close()
  end)

  it("takes a state of another form from its migrate()", function()
    ask()
    local migrate = ", migrate = function(old) return { seen = { n = 10 * old.seen.n }, more = 1 } end"
    edit((counts('"three " .. seen.n', migrate):gsub("seen = { n = 0 } }", "seen = { n = 0 }, more = 0 }", 1)))
    assert.equal("three 11", ask())
  end)

  it("is refused with file and line where it does not load, and the old one serves on", function()
    ask()
    edit("local counts = {}\nfunction counts.request(\nreturn counts\n", "counts.lua:3: ")
    assert.equal("one 2", ask())
  end)

  it("is refused where its migrate() raises, and no reload is told of", function()
    ask()
    local migrate = ", migrate = function() error 'lost' end"
    edit((counts('"four " .. seen.n', migrate):gsub("seen = { n = 0 } }", "seen = { n = 0 }, more = 0 }", 1)),
      "reload refused by 1 of 1 workers")
    assert.is_nil(gw:log():find("reloaded", 1, true))
    assert.equal("one 2", ask())
  end)
end)
