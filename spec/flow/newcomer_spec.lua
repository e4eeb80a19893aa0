--- The newcomer's way: from nothing to a tested policy that runs, and to an edit that shows, with the time it took.
local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local loop = require "spec.support.loop"
local net = require "spec.support.net"
local process = require "spec.support.process"

local function edit(path, from, to)
  local text, count = process.file(path):gsub(from, to)
  assert.is_true(count > 0, path)
  gateway.write(path, text)
end

describe("moongate new", function()
  after_each(function() process.stop_all() end)
  teardown(gateway.stop_all)

  it("leads from nothing to a policy that runs, and to an edit that shows", function()
    local folder, began = gateway.folder() .. "/my", process.now()
    local steps = {}
    local function step(name)
      steps[#steps + 1] = ("%s %.1f s"):format(name, process.now() - began)
    end
    local code, text = gateway.run("new", "policy", "gate", folder)
    assert.equal(0, code, text)
    local policy, spec, example = folder .. "/gate.lua", folder .. "/gate_spec.lua", folder .. "/gate_example.lua"
    step "new"

    code, text = gateway.run("test", folder)
    assert.equal(0, code, text)
    assert.truthy(text:find("2 successes / 0 failures", 1, true), text)
    code, text = gateway.run("check", "--policy-path", folder, example)
    assert.equal(0, code, text)
    step "test"

    edit(policy, "403", "401")
    code, text = gateway.run("test", folder)
    assert.equal(1, code, text)
    assert.truthy(text:find("gate_spec.lua", 1, true) and text:find("401", 1, true), text)
    edit(spec, "403", "401")
    assert.equal(0, (gateway.run("test", folder)))
    step "edit"

    local port = net.free_port()
    edit(example, "127%.0%.0%.1:8080", "127.0.0.1:" .. port)
    local p = process.start({ gateway.binary, "run", "--workers", "1", "--watch", "--policy-path", folder, example },
      folder .. "/log")
    assert(loop.poll(function() return process.file(folder .. "/log"):find "ready\n" end, 60))
    local function status() return http.get(port, "/").status end
    assert.equal(401, status())
    step "run"

    edit(policy, "401", "402")
    assert(loop.poll(function() return status() == 402 end, 60), "the edit does not show")
    edit(policy, "ctx:respond", "ctx:respnod") -- loads, and raises
    assert(loop.poll(function() return status() == 500 end, 60))
    assert.truthy(process.file(folder .. "/log"):find("gate.lua:14", 1, true))
    edit(policy, "local gate", "local = gate") -- does not load: the one before serves on
    assert(loop.poll(function() return process.file(folder .. "/log"):find("gate.lua:5", 1, true) end, 60))
    assert.equal(500, status())
    process.stop(p)
    step "reload"
    print("\nthe newcomer's way: " .. table.concat(steps, ", "))
    assert.is_true(process.now() - began < 120)
  end)

  it("writes nothing over what is there, and checks the name", function()
    local folder = gateway.folder()
    gateway.write(folder .. "/gate_spec.lua", "mine")
    local code, text = gateway.run("new", "policy", "gate", folder)
    assert.equal(1, code)
    assert.truthy(text:find("gate_spec.lua is there already; nothing was written", 1, true), text)
    assert.is_nil(process.file(folder .. "/gate.lua"))
    for name, why in pairs { ["a-b"] = "letters, digits", ["end"] = "a word of Lua", rbac = "moongate's own",
                             ["../x"] = "letters, digits" } do
      code, text = gateway.run("new", "policy", name, folder)
      assert.equal(2, code, name)
      assert.truthy(text:find(why, 1, true), text)
    end
    assert.equal(2, (gateway.run("new")))
    assert.equal(2, (gateway.run("new", "policy")))
    assert.equal(2, (gateway.run("new", "policy", "a", folder, "b")))
    assert.equal(1, (gateway.run("new", "policy", "a", "/proc/nothing")))
    assert.equal("gate_spec.lua\n", process.read("ls " .. folder))
  end)

  it("hides no policy that is a folder, and names none as a spec", function()
    local folder = gateway.folder()
    process.read(("mkdir %s/gate && touch %s/gate/init.lua"):format(folder, folder))
    local code, text = gateway.run("new", "policy", "gate", folder)
    assert.equal(1, code)
    assert.truthy(text:find("gate/init.lua is there already; nothing was written", 1, true), text)
    code, text = gateway.run("new", "policy", "gate_spec", folder)
    assert.equal(2, code)
    assert.truthy(text:find("a spec's name", 1, true), text)
    assert.equal("gate\n", process.read("ls " .. folder))
  end)

  it("writes files that lint and docs are content with", function()
    local folder = gateway.folder()
    assert.equal(0, (gateway.run("new", "policy", "gate", folder)))
    local _, text = gateway.run("docs", "--policy-path", folder, "gate")
    assert.truthy(text:find("^gate: lets only requests pass"), text)
    assert.equal("", process.read(("luacheck -q --std luajit+busted %s/*.lua | grep -v Total"):format(folder)))
    assert.is_nil(process.read(("cat %s/*"):format(folder)):find "NAME")
  end)
end)
