require "spec.support.init"
local resp = require "moongate.redis.resp"

-- A socket on which these bytes have come, and then the end.
local function socket_of(bytes)
  local at = 1
  return {
    read = function(_, count)
      if at + count - 1 > #bytes then return nil, "closed" end
      at = at + count
      return bytes:sub(at - count, at - 1)
    end,
    read_until = function(_, mark)
      local _, last = bytes:find(mark, at, true)
      if not last then return nil, "closed" end
      local line = bytes:sub(at, last)
      at = last + 1
      return line
    end,
  }
end

local function read(bytes) return resp.read(socket_of(bytes), 1000) end

describe("redis.resp", function()
  it("writes commands, whatever bytes they hold", function()
    assert.equal("*3\r\n$3\r\nSET\r\n$4\r\na\r\nb\r\n$2\r\n10\r\n", resp.encode { "SET", "a\r\nb", 10 })
    assert.equal("*1\r\n$0\r\n\r\n", resp.encode { "" })
  end)

  it("reads every kind of reply", function()
    assert.equal("OK", read "+OK\r\n")
    assert.same({ error = "NOSCRIPT none" }, read "-NOSCRIPT none\r\n")
    assert.equal(-7, read ":-7\r\n")
    assert.equal("a\r\nb", read "$4\r\na\r\nb\r\n")
    assert.equal("", read "$0\r\n\r\n")
    assert.equal(resp.null, read "$-1\r\n")
    assert.equal(resp.null, read "*-1\r\n")
    assert.same({}, read "*0\r\n")
    assert.same({ 1, "x", { resp.null, { error = "e" } } }, read "*3\r\n:1\r\n$1\r\nx\r\n*2\r\n$-1\r\n-e\r\n")
  end)

  it("refuses what is no reply, what is cut, and what is too much", function()
    for _, bytes in ipairs { "", "+OK", "OK\r\n", "\r\n",
      ":1.5\r\n", ":x\r\n", "$-2\r\n", "$x\r\n", "$3\r\nab", "$1\r\nabc", "$1048577\r\n", "*65537\r\n", "*1\r\n",
      "*2\r\n:1\r\n", "*x\r\n", ("*1\r\n"):rep(9) .. ":1\r\n", "$1e3\r\n" } do
      local reply, why = read(bytes)
      assert.is_nil(reply, bytes)
      assert.is_string(why)
    end
  end)
end)
