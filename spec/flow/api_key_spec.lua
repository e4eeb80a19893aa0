--- Policy api_key in a running gateway: its file changes, breaks and comes back while two workers serve.
local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local loop = require "spec.support.loop"
local process = require "spec.support.process"
local upstream = require "spec.support.upstream"

local function line(consumer, key)
  local digest = process.read(("printf %%s '%s' | sha256sum"):format(key)):match "^%x+"
  return ("%s sha256:%s\n"):format(consumer, digest)
end

local CONFIG = [[
  return {
    listeners = { web = { address = "127.0.0.1:$web" } },
    admin = { address = "127.0.0.1:$admin" },
    services = { main = { endpoints = { { address = "$main" } } } },
    routes = { { policies = { { "api_key", file = "$file" } }, backends = { { service = "main" } } } },
  }]]

describe("policy api_key on real sockets", function()
  local gw, main, keys

  setup(function()
    main = upstream.start()
    keys = gateway.write(gateway.folder() .. "/keys", line("ada", "k-ada"))
    gw = gateway.start { values = { main = main.address, file = keys }, config = CONFIG, workers = 2 }
  end)
  teardown(gateway.stop_all)

  local function status(key)
    return assert(gw:ask { headers = { ["X-API-Key"] = key, ["X-Consumer"] = "root" } }).status
  end

  -- Until every worker has been asked, most likely: each connection goes to any of them.
  local function until_status(key, wanted)
    local in_a_row = 0
    return http.ask_until(gw.ports.web, { headers = { ["x-api-key"] = key } }, function(response)
      in_a_row = response.status == wanted and in_a_row + 1 or 0
      return in_a_row == 20
    end, 15)
  end

  -- Waits until the log has said of the file so many times that `what`.
  local function said(what, times)
    return loop.poll(function()
      local _, count = gw:log():gsub((keys .. what):gsub("%p", "%%%0"), "")
      return count == times or nil
    end)
  end

  it("lets keys of the file pass and no others", function()
    assert.equal(200, status "k-ada")
    assert.equal("ada", main:last().headers["x-consumer"])
    assert.is_nil(main:last().headers["x-api-key"])
    local response = assert(gw:ask { headers = { ["x-api-key"] = "k-eve" } })
    assert.same({ 401, 'ApiKey realm="api"' }, { response.status, response.headers["www-authenticate"] })
    assert.equal(401, assert(gw:ask { headers = { ["x-api-key"] = { "k-ada", "k-eve" } } }).status)
    assert.equal(401, assert(gw:ask {}).status)
    assert.equal(1, gw:counts("moongate_api_key_requests_total", { outcome = "missing" }, 1))
    assert.equal(1, #main.requests)
  end)

  it("takes a changed file at once, and keeps the old keys when it is broken or gone", function()
    gateway.write(keys, line("bob", "k-bob"))
    assert.truthy(until_status("k-bob", 200))
    assert.truthy(until_status("k-ada", 401))
    gateway.write(keys, line("ada", "k-ada") .. "nonsense\n")
    assert.truthy(said(":2: expected CONSUMER SCHEME:DIGEST", 2)) -- by either worker
    os.remove(keys)
    assert.truthy(said(": No such file or directory", 2))
    assert.same({ 200, 401 }, { status "k-bob", status "k-ada" })
    gateway.write(keys, line("ada", "k-ada"))
    assert.truthy(until_status("k-ada", 200))
    assert.truthy(until_status("k-bob", 401))
    local _, count = gw:log():gsub(":2: expected CONSUMER", "")
    assert.equal(2, count) -- once a worker
  end)

  it("refuses a broken file at load: with its line, and a reload leaves the old config", function()
    local broken = gateway.write(gateway.folder() .. "/broken", "ada sha256:00\n")
    assert.truthy(gw:reload(CONFIG, { main = main.address, file = broken },
      "policies[1].file: " .. broken .. ":1: expected a digest of 64 hexadecimal digits"))
    assert.equal(200, status "k-ada")
    local path = gateway.write(gateway.folder() .. "/gateway.lua", (CONFIG:gsub("%$(%w+)",
      { file = broken, main = main.address, web = "1", admin = "2" })))
    local code, text = gateway.run("check", path)
    assert.equal(1, code)
    assert.truthy(text:find("gateway.lua:5: routes[1].policies[1].file: " .. broken .. ":1: ", 1, true), text)
  end)
end)
