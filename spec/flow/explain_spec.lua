--- `moongate explain`, held against the running gateway: the same requests to both, the same answers and reasons.
local gateway = require "spec.support.gateway"
local json = require "moongate.json"
local upstream = require "spec.support.upstream"

local CONFIG = [[
  return {
    listeners = { web = { address = "127.0.0.1:$web" }, inner = { address = "127.0.0.1:$inner" } },
    services = {
      one = { endpoints = { { address = "127.0.0.1:$up", labels = { v = "1" } } }, subsets = { first = { v = "1" } } },
      two = { endpoints = { { address = "127.0.0.1:$up" } } },
      hop = { endpoints = { { address = "127.0.0.1:$inner" } } },
      nobody = { endpoints = {} },
    },
    routes = {
      { name = "rules", listeners = { "web" }, match = { path = { prefix = "/rules" } },
        policies = { { "rbac", deny = { { id = "keys", paths = { "/rules/keys*" } } },
          allow = { { id = "read", methods = { "GET" } }, { id = "staff", headers = { ["x-role"] = "staff" } } } } },
        backends = { { service = "one", subset = "first" } } },
      { name = "inbound", listeners = { "web" }, match = { path = { exact = "/inbound" } },
        policies = { { "rbac", port = 9000, deny = {
          { id = "token", to = { { ports = { 9000 } } }, from = { { request_principals = { "a" } } } },
          { id = "other", ports = { 9001 } }, { id = "posts", ports = { 9000 }, methods = { "POST" } } } } },
        backends = { { service = "one" } } },
      { name = "edited", listeners = { "web" }, match = { path = { prefix = "/old" }, method = "GET" },
        policies = { { "rewrite", prefix = { from = "/old", to = "/new" } },
          { "headers", request = { set = { ["x-a"] = "b", authorization = "Basic c2VjcmV0" } },
            response = { add = { ["x-r"] = "s" } } } },
        backends = { { service = "two" } } },
      { name = "gone", listeners = { "web" }, match = { path = { exact = "/gone" }, headers = { ["x-go"] = "y" } },
        policies = { { "redirect", path = "/elsewhere" } } },
      { name = "broken", listeners = { "web" }, match = { path = { exact = "/broken" } },
        policies = { { "fault", abort = { status = 418 } } }, backends = { { service = "one" } } },
      { name = "empty", listeners = { "web" }, match = { path = { exact = "/empty" } },
        backends = { { service = "nobody" } } },
      { name = "hop", listeners = { "web" }, match = { path = { prefix = "/hop" } },
        policies = { { "headers", request = { set = { ["x-hop"] = "1" } } } }, backends = { { service = "hop" } } },
      { name = "inner", listeners = { "inner" }, match = { headers = { ["x-hop"] = { present = true } } },
        policies = { { "rbac", deny = { { id = "inner", paths = { "/hop/secret" } } } } },
        backends = { { service = "one" } } },
    },
  }]]

-- Fields that are made anew for each answer, or are of the wire alone.
local NOT_COMPARED = { date = true, ["content-length"] = true, ["transfer-encoding"] = true, connection = true }

local function fields_of(headers)
  local fields = {}
  for name, value in pairs(headers) do
    if type(name) == "number" then name, value = value[1], value[2] end
    if not NOT_COMPARED[name:lower()] then fields[name:lower()] = value end
  end
  return fields
end

describe("moongate explain", function()
  local gw, up

  setup(function()
    up = upstream.start(function(request)
      request:read()
      return { body = "" }
    end)
    gw = gateway.start { config = CONFIG, values = { up = up.port } }
  end)

  teardown(gateway.stop_all)

  local function words_of(request)
    local words = { "--path", request.path, "--method", request.method or "GET",
      "--host", "a.test", "--port", tostring(gw.ports.web) }
    for name, value in pairs(request.headers or {}) do
      words[#words + 1], words[#words + 2] = "--header", name .. ": " .. value
    end
    return words
  end

  local function explained(request, ...)
    local words = words_of(request)
    for _, word in ipairs { ... } do words[#words + 1] = word end
    local code, text = gateway.run("explain", gw.path, unpack(words))
    assert.equal(0, code, text)
    return text
  end

  -- The same request to both; the record, and what the endpoint got from the gateway (nil: nothing).
  local function both(request)
    local record = assert(json.decode(explained(request, "--json")))
    local before = #up.requests
    local real = assert(gw:ask(request))
    assert.same({ real.status, real.body }, { record.response.status, record.response.body })
    assert.same(fields_of(real.headers), fields_of(record.response.headers))
    local last = record
    while last.next do last = last.next end
    local seen = #up.requests > before and up:last() or nil
    assert.equal(seen ~= nil, last.sent ~= nil)
    if seen then assert.same({ seen.method, seen.target }, { last.sent.method, last.sent.target }) end
    return record, seen
  end

  it("agrees with the gateway about an answer, and says what decided", function()
    local record = both { path = "/rules/a" }
    assert.equal("rules", record.route.name)
    assert.equal("read", record.steps[1].rule)
    assert.same({ "one", "first" }, { record.backend.service, record.backend.subset })
    assert.equal("staff", both({ path = "/rules/a", method = "PUT", headers = { ["x-role"] = "staff" } }).steps[1].rule)
    record = both { path = "/rules/a", method = "PUT" }
    assert.same({ 403, "none" }, { record.answer.status, record.steps[1].rule })
    assert.equal("rbac_access_denied_matched_policy[none]", record.answer.details)
    assert.equal("keys", both({ path = "/rules/keys/1" }).steps[1].rule)
  end)

  it("reads rules on the port that stands for the listener's", function()
    local why = both({ path = "/inbound" }).steps[1].why
    assert.equal('other does not match: ports: wanted "9001", found "9000"', why[2].text)
    assert.equal('token does not match: request_principals: wanted "a", found none', why[4].text)
    assert.equal("posts", both({ path = "/inbound", method = "POST" }).steps[1].rule)
  end)

  it("agrees about what is rewritten, redirected, broken and not there", function()
    local record, seen = both { path = "/old/a?q=1" }
    assert.equal("/new/a?q=1", seen.target)
    assert.equal("b", seen.headers["x-a"])
    assert.same({ 'path: "/old/a" -> "/new/a"' }, record.steps[1].did)
    assert.equal("header authorization: none -> (masked)", record.steps[2].did[1])
    assert.equal(404, both({ path = "/old/a", method = "POST" }).answer.status)
    both { path = "/gone", headers = { ["x-go"] = "y" } }
    assert.equal("NR", both({ path = "/gone" }).answer.flags)
    record = both { path = "/broken" }
    assert.same({ "FI", "answers 418 to 100% of requests" }, { record.answer.flags, record.steps[1].why[1].text })
    assert.equal("UH", both({ path = "/empty" }).answer.flags)
    assert.is_nil(both({ path = "/rules/%zz" }).route)
  end)

  it("goes on where an endpoint is a listener of its own", function()
    local record = both { path = "/hop/a" }
    assert.same({ "hop", "inner" }, { record.route.name, record.next.route.name })
    record = both { path = "/hop/secret" }
    assert.equal("rbac_access_denied_matched_policy[inner]", record.next.answer.details)
  end)

  it("names each candidate and what it lacked", function()
    local text = explained { path = "/gone" }
    assert.truthy(text:find("route     none\n", 1, true), text)
    assert.truthy(text:find('header x-go: wanted exactly "y", found none', 1, true), text)
    assert.truthy(text:find('path: wanted prefix "/old", found "/gone"', 1, true), text)
  end)
end)

describe("x-moongate-explain", function()
  local TOKEN = "0123456789abcdef"
  local gw, up

  local LIVE = [[
    return {
      listeners = { web = { address = "127.0.0.1:$web" } }, admin = { address = "127.0.0.1:$admin" },
      explain = { token = "0123456789abcdef" },
      services = { up = { endpoints = { { address = "127.0.0.1:$up" } } } },
      policies = { { "headers", request = { set = { ["x-seen"] = "1" } } } },
      routes = {
        { name = "guarded", match = { path = { prefix = "/guarded" } },
          policies = { { "rbac", deny = { { id = "secret", paths = { "/guarded/secret" } } } } },
          backends = { { service = "up" } } },
        { name = "big", match = { path = { exact = "/big" } },
          policies = { { "headers", request = { set = { ["x-big"] = ("b"):rep(6000) } } } },
          backends = { { service = "up" } } },
      },
    }]]

  setup(function()
    up = upstream.start()
    gw = gateway.start { config = LIVE, values = { up = up.port } }
  end)

  teardown(gateway.stop_all)

  local function ask(path, token)
    local response = assert(gw:ask { path = path, headers = token and { ["x-moongate-explain"] = token } or {} })
    return response, response.headers["x-moongate-explain"]
  end

  it("tells who has the token what decided", function()
    local response, said = ask("/guarded/a", TOKEN)
    assert.equal(200, response.status)
    assert.truthy(said:find("status=200; listener=web; route=guarded@", 1, true), said)
    assert.truthy(said:find("backend=up; endpoint=127.0.0.1:" .. up.port, 1, true), said)
    assert.truthy(said:find("passes: no rule that denies matches", 1, true), said)
    response, said = ask("/guarded/secret", TOKEN)
    assert.equal(403, response.status)
    assert.truthy(said:find("details=rbac_access_denied_matched_policy[secret]", 1, true), said)
    assert.truthy(said:find("denied by secret", 1, true), said)
    response, said = ask("/none", TOKEN)
    assert.same({ 404, true }, { response.status, said:find("route=none", 1, true) ~= nil })
    assert.truthy(said:find('lost=guarded@', 1, true) and said:find('found "/none"', 1, true), said)
  end)

  it("tells nobody else, sends the token nowhere, and stays short", function()
    assert.is_nil(select(2, ask("/guarded/a")))
    assert.is_nil(select(2, ask("/guarded/a", TOKEN .. "x")))
    assert.is_nil(up:last().headers["x-moongate-explain"])
    local _, said = ask("/big", TOKEN)
    assert.is_nil(up:last().headers["x-moongate-explain"])
    assert.equal("1", up:last().headers["x-seen"])
    assert.is_true(#said == 2000 and said:sub(-3) == "...")
  end)

  it("takes a token of a file, for configs that cannot hold one", function()
    local folder = gateway.folder()
    local function with(text, command, path)
      local file = gateway.write(folder .. "/token", text)
      return gateway.run(command, "--explain-token", file, path)
    end
    assert.equal(2, (with("short\n", "check", gw.path)))
    assert.equal(2, (with("0123456789 abcdef\n", "check", gw.path)))
    assert.equal(0, (with(TOKEN .. "\n", "check", "examples/walkthrough")))
    local code, text = with(TOKEN .. "\n", "config", "examples/walkthrough")
    assert.same({ 0, nil }, { code, text:find(TOKEN, 1, true) })
    assert.truthy(text:find('explain = { token = "(masked)" }', 1, true))
  end)

  it("counts refusals under the rule that the log names", function()
    local labels = { rule = "secret" }
    local before = gw:metric("moongate_rbac_denied_total", labels)
    ask "/guarded/secret"
    ask("/guarded/secret", TOKEN)
    assert.equal(before + 2, gw:counts("moongate_rbac_denied_total", labels, before + 2))
  end)
end)
