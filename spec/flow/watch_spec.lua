--- run --watch: an edit is served at once, and nobody who is connected notices.
local certs = require "spec.support.certs"
local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local loop = require "spec.support.loop"
local process = require "spec.support.process"
local stream = require "spec.support.stream"

describe("run --watch", function()
  local gw

  after_each(gateway.stop_all)

  local function config(word)
    return ([[return { listeners = { web = { address = "127.0.0.1:$web" } },
      routes = { { policies = { { "respond", body = "%s" } } } } }]]):format(word)
  end

  local function edit(word)
    gateway.write(gw.path, (config(word):gsub("%$web", gw.ports.web)))
  end

  local function answers(word)
    return http.ask_until(gw.ports.web, {}, function(response) return response.body == word end, 10)
  end

  local function count(text)
    return select(2, gw:log():gsub(text, ""))
  end

  it("serves an edit, and keeps connections and requests", function()
    gw = gateway.start { config = config "one", args = { "--watch" }, workers = 2 }
    local conn, stop, asked = stream.connect(gw.ports.web), false, 0
    assert.equal("one", assert(http.send(conn, {})).body)
    local function client()
      local own = stream.connect(gw.ports.web)
      while not stop do
        assert.equal(200, assert(http.send(own, {})).status)
        assert.equal(200, assert(gw:ask {}).status)
        asked = asked + 2
      end
      own:close()
    end
    for _ = 1, 3 do loop.spawn(client) end
    for i = 1, 5 do
      edit("n" .. i)
      assert.truthy(answers("n" .. i))
    end
    assert.truthy(loop.poll(function() return http.send(conn, {}).body == "n5" or nil end))
    stop = true
    loop.sleep(0.1)
    assert.is_true(asked > 10)
    conn:close()
  end)

  it("says once why an edit is refused, and serves the next good one", function()
    gw = gateway.start { config = config "one", args = { "--watch" }, workers = 2 }
    gateway.write(gw.path, "return {")
    assert.truthy(gw:logged "reload refused")
    gateway.write(gw.folder .. "/notes", "no part of the config")
    loop.sleep(0.5)
    assert.equal(1, count "reload refused")
    assert.equal(1, count "gateway%.lua:1: unexpected symbol")
    assert.equal("one", assert(gw:ask {}).body)
    edit "two"
    assert.truthy(answers "two")
  end)

  it("sees files that take the place of others, and links that are swapped", function()
    gw = gateway.start { config = config "one", args = { "--watch" } }
    edit "two"
    assert.truthy(answers "two")
    local text = process.file(gw.path)
    gateway.write(gw.folder .. "/new", (text:gsub("two", "three")))
    os.rename(gw.folder .. "/new", gw.path)
    assert.truthy(answers "three")
    for i, word in ipairs { "four", "five" } do -- as a ConfigMap is mounted
      local here = ("cd '%s' && mkdir v%d && "):format(gw.folder, i)
      os.execute(here .. ("sed s/three/%s/ gateway.lua >v%d/gateway.lua"):format(word, i))
    end
    os.execute(("cd '%s' && ln -s v1 ..data && ln -s ..data/gateway.lua next && mv next gateway.lua"):format(gw.folder))
    assert.truthy(answers "four")
    os.execute(("cd '%s' && ln -s v2 ..next && mv -T ..next ..data"):format(gw.folder))
    assert.truthy(answers "five")
  end)

  it("serves the last of many edits, in whatever way an editor saves", function()
    gw = gateway.start { config = config "one", args = { "--watch" } }
    local conn = stream.connect(gw.ports.web)
    for i = 1, 100 do edit("n" .. i) end
    assert.truthy(answers "n100")
    local text = process.file(gw.path)
    assert(os.rename(gw.path, gw.path .. "~")) -- what was there is kept, and the new text a file of its own
    gateway.write(gw.path, (text:gsub("n100", "backup")))
    assert(os.remove(gw.path .. "~"))
    assert.truthy(answers "backup")
    local file = assert(io.open(gw.path, "w")) -- half of it first
    file:write(config("whole"):sub(1, 20))
    file:flush()
    loop.sleep(0.02)
    file:write((config("whole"):sub(21):gsub("%$web", gw.ports.web)))
    file:close()
    assert.truthy(answers "whole")
    assert.equal(200, assert(http.send(conn, {})).status)
    conn:close()
  end)

  it("looks at certificates and policies too", function()
    local folder = certs.make(gateway.folder())
    gw = gateway.start { args = { "--watch", "--policy-path", "$folder" }, values = { dir = folder },
      files = { ["mine.lua"] = "return { request = function(_, ctx) return ctx:respond(200, 'one') end }" },
      config = [[return { listeners = { web = { address = "127.0.0.1:$web" }, tls = { address = "127.0.0.1:$tls",
        tls = { cert = "$dir/a.test.crt", key = "$dir/a.test.key" } } }, routes = { { policies = { "mine" } } } }]] }
    assert.equal("one", assert(gw:ask {}).body)
    gateway.write(gw.folder .. "/mine.lua", "return { request = function(_, ctx) return ctx:respond(200, 'two') end }")
    assert.truthy(answers "two")
    os.execute(("cd '%s' && cp b.test.key a.test.key && cp b.test.crt a.test.crt"):format(folder))
    assert.truthy(loop.poll(function()
      return process.read(("openssl s_client -connect 127.0.0.1:%d </dev/null 2>/dev/null | grep ^subject"):format(
        gw.ports.tls)):find("b.test", 1, true)
    end, 10))
  end)

  it("sees files that come to a folder and leave it", function()
    local up = [[
apiVersion: v1
kind: Service
metadata: {name: %s}
spec: {clusterIP: %s, ports: [{port: $%s}]}
]]
    gw = gateway.start { name = "a.yaml", config = up:format("a", "127.0.0.1", "web"), run_folder = true,
      args = { "--watch" } }
    local port = gw.ports.web
    gateway.write(gw.folder .. "/b.yaml", (up:format("b", "127.0.0.2", "web"):gsub("%$web", port)))
    assert.truthy(gw:logged "reloaded: 2 listeners")
    os.remove(gw.folder .. "/b.yaml")
    assert.truthy(gw:logged "reloaded: 1 listeners")
  end)
end)
