--- The parts of the kit of `moongate test` that need no core: spec/flow/test_command_spec.lua has the rest.
local message = require "moongate.rehearsal.message"
local order = require "moongate.test.order"
local source = require "moongate.test.source"
local upstream = require "moongate.test.upstream"

describe("order", function()
  local original = pairs
  after_each(function() _G.pairs = original end)

  it("walks a table by its keys, and stands what is removed on the way", function()
    order.install()
    local t, seen = { "x", "y", b = 1, a = false, [10] = 3, [true] = 4 }, {}
    for key in pairs(t) do
      seen[#seen + 1] = tostring(key)
      t.b = nil
    end
    assert.same({ "1", "2", "10", "a", "true" }, seen)
  end)
end)

describe("message", function()
  it("reads a request once it is whole, and where the next begins", function()
    local bytes = "POST /a?b HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nT: 1\r\n\r\nGET"
    for cut = 1, #bytes - 4 do assert.is_nil(message.request(bytes:sub(1, cut), 1)) end
    local request, after = message.request(bytes, 1)
    assert.same({ "POST", "/a?b", "abc", #bytes - 2 }, { request.method, request.target, request.body, after })
  end)

  it("reads a response, and says whether it is whole", function()
    local head = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 Fine\r\nContent-Length: 3\r\n\r\n"
    assert.is_true(message.read(head .. "ab", "GET", true).cut)
    assert.is_false(message.read(head .. "abc", "GET", false).cut)
    assert.is_false(message.read(head, "HEAD", false).cut)
    local open = message.read("HTTP/1.1 200 OK\r\n\r\nabc", "GET", false)
    assert.same({ true, "abc" }, { open.cut, open.body })
    assert.is_false(message.read("HTTP/1.1 200 OK\r\n\r\nabc", "GET", true).cut)
    assert.same({ 0, true }, { message.read("", "GET", true).status, message.read("", "GET", true).cut })
  end)
end)

describe("source", function()
  it("writes a config that reads as the table it was", function()
    local config = { a = { 1, "two\n\r\"", true }, ["b-c"] = { d = 0.5 } }
    assert.same(config, assert(loadstring(source.text(config)))())
    assert.has_error(function() source.text { f = print } end, "a config holds no function")
    local loop = {}
    loop.loop = loop
    assert.has_error(function() source.text(loop) end, "a config holds a table that holds itself")
  end)
end)

describe("upstream", function()
  -- What it writes for a GET, where pauses take no time: texts and "reset", "close", "refuse".
  local function written(script)
    local out = {}
    local function note(word) return function() out[#out + 1] = word end end
    local wire = { write = function(bytes) out[#out + 1] = bytes end, close = note "close", reset = note "reset",
      refuse = note "refuse", stand = function() end, after = function(_, fn) fn() end, now = function() return 0 end }
    local on_bytes = upstream.new():answers(script):accept(wire, "a:1")
    if on_bytes then on_bytes("GET / HTTP/1.1\r\nHost: h\r\n\r\n") end
    return out
  end

  it("cuts an answer at its byte, and ends it so", function()
    assert.same({ "HTTP/1", "reset" }, written { reset_at = 6 })
    assert.same({ "", "close" }, written { close_at = 0 })
    assert.same({ "refuse" }, written { refuse = true })
    assert.same({}, written { silent = true })
    assert.same({ "HTTP/1.1 200 Mock\r\nTransfer-Encoding: chunked\r\n\r\n", "1\r\na\r\n", "1\r\nb\r\n", "0\r\n\r\n" },
      written { body = { "a", 10, "b" }, delay = 5 })
  end)
end)
