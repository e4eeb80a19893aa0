require "spec.support.init"
local abi = require "spec.support.fake_abi"
local file = require "moongate.file"
local timer = require "moongate.timer"

local path

local function write(text)
  local handle = assert(io.open(path, "wb"))
  handle:write(text)
  handle:close()
end

local function number_of(text)
  local number = tonumber(text)
  if not number then return nil, "1: no number" end
  return number
end

describe("file", function()
  local every, jobs = timer.every, {}

  setup(function()
    path = os.tmpname()
    timer.every = function(_, job) jobs[#jobs + 1] = job end
  end)
  teardown(function()
    timer.every = every
    os.remove(path)
  end)
  before_each(function()
    abi.reset()
    timer.begin_load()
    timer.end_load(true)
  end)

  it("reads what is small enough, or says why not", function()
    write "0123456789"
    assert.equal("0123456789", file.read(path, 10))
    assert.same({ nil, "has more than 9 bytes" }, { file.read(path, 9) })
    assert.same({ nil, "No such file or directory" }, { file.read "/nowhere/at/all" })
    assert.same({ nil, "Is a directory" }, { file.read "/" })
    write ""
    assert.equal("", file.read(path))
  end)

  it("gives a watched file's value anew when it has changed, and keeps it through what is wrong", function()
    write "1"
    local watch = assert(file.watch(path, number_of))
    assert.equal(1, watch.value)
    assert.equal(watch, file.watch(path, number_of))
    assert.equal(1, #jobs) -- one timer a load, however many watch
    write "2"
    jobs[1]()
    assert.equal(2, watch.value)
    write "two"
    jobs[1]()
    jobs[1]()
    assert.equal(2, watch.value)
    assert.equal(1, #abi.logged)
    assert.truthy(abi.logged[1]:find(path .. ":1: no number", 1, true))
    os.remove(path)
    jobs[1]()
    assert.equal(2, watch.value)
    assert.equal(2, #abi.logged)
    write "3"
    jobs[1]()
    assert.equal(3, watch.value)
  end)

  it("refuses to begin with what is wrong", function()
    write "x"
    assert.same({ nil, path .. ":1: no number" }, { file.watch(path, function(text) return number_of(text) end) })
    assert.same({ nil, "/nowhere/x: No such file or directory" }, { file.watch("/nowhere/x", number_of) })
  end)
end)
