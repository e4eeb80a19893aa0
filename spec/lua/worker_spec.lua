--- How a worker takes a config: in what order, and when another one comes meanwhile.
require "spec.support.init"
require "spec.support.native"
require "spec.support.fake_abi"
local C = require("moongate.abi").C
local image = require "moongate.model.image"
local lua_config = require "moongate.config.lua"
local policy = require "moongate.policy"
local runtime = require "moongate.runtime"
local timer = require "moongate.timer"
local uses = require "moongate.model.uses"
local worker = require "moongate.worker"

local events

-- The image of a config with so many routes, each of which answers.
local function image_of(routes, body)
  local text = 'local routes = {} for i = 1, %d do routes[i] = { name = "route-" .. i, match = { path = '
    .. '{ prefix = "/" .. i } }, policies = { { "respond", body = "%s" } } } end '
    .. 'return { listeners = { web = { address = "127.0.0.1:80" } }, routes = routes }'
  local model = assert(lua_config.read(text:format(routes, body), "config"))
  uses.unbind_all(model)
  return assert(image.encode { model = model, policies = policy.sources(), policy_path = {} })
end

-- Goes on until it says one of these.
local function go_on_until(...)
  for _ = 1, 1e6 do
    local word, result = worker.go_on()
    for _, wanted in ipairs { ... } do
      if word == wanted then return word, result end
    end
  end
  error "it does not end"
end

local function nothing() end

local function note(name, result)
  return function()
    events[#events + 1] = name
    return result
  end
end

-- A clock that goes on whenever it is read, so that pieces end however fast the machine is.
local ns = 0
local function clock()
  ns = ns + 50000
  return ns
end

local CALLS = { mg_load_begins = note("mg_load_begins", 0), mg_load_ends = note "mg_load_ends",
  mg_timer_start = note("mg_timer_start", 0), mg_timer_stop = note "mg_timer_stop",
  mg_listener_configure = nothing, mg_overload_configure = nothing, mg_now_ns = clock }

describe("a worker", function()
  local before = {}

  setup(function()
    for name, fn in pairs(CALLS) do before[name], C[name] = rawget(C, name), fn end
  end)

  teardown(function()
    for name in pairs(CALLS) do C[name] = before[name] end
  end)

  before_each(function() events = {} end)

  it("serves a large config before it has looked for garbage, and bounds what policies keep from then on", function()
    worker.begin(image_of(3000, "one"))
    go_on_until "made"
    assert.is_nil(runtime.model()) -- nor is anything begun
    local word, names = go_on_until("ready", "failed")
    assert.same({ "ready", { "web" } }, { word, names })
    assert.same({ "mg_load_begins", "mg_load_ends" }, events)
    assert.equal("done", (go_on_until "done"))
    assert.same({ "mg_load_begins", "mg_load_ends", "mg_load_begins", "mg_load_ends" }, events)
  end)

  it("takes a reload that comes while the last one's garbage is collected", function()
    worker.begin(image_of(3000, "two"))
    assert.equal("ready", (go_on_until("ready", "failed")))
    local last = runtime.model()
    assert.equal("more", (worker.go_on()))
    worker.begin(image_of(1, "three"))
    assert.equal("ready", (go_on_until("ready", "failed")))
    assert.is_true(runtime.model() ~= last)
    assert.equal(1, #runtime.model().source.routes)
    assert.equal("done", (go_on_until "done"))
  end)

  it("gives up a load, with the timers that it has set, for the next one", function()
    local last = runtime.model()
    worker.begin(image_of(3000, "four"))
    assert.equal("more", (worker.go_on()))
    timer.pause_load(false)
    timer.every(1, nothing)
    timer.pause_load(true)
    assert.is_nil(events[#events]:match "stop")
    worker.begin(image_of(2, "five"))
    assert.equal("mg_timer_stop", events[#events])
    assert.equal("ready", (go_on_until("ready", "failed")))
    assert.is_true(runtime.model() ~= last)
    assert.equal(2, #runtime.model().source.routes)
    assert.equal("done", (go_on_until "done"))
  end)
end)
