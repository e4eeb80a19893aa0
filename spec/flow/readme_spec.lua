--- README.md, held against the code: its files and commands are run as a reader would, its tables compared.
require "spec.support.init"
local defaults = require "moongate.model.defaults"
local fields = require "moongate.config.fields"
local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local loop = require "spec.support.loop"
local net = require "spec.support.net"
local policy = require "moongate.policy"
local process = require "spec.support.process"
local readme_bench = require "spec.bench.readme"
local stream = require "spec.support.stream"
local units = require "moongate.units"
local upstream = require "spec.support.upstream"

local COMMAND_LIMIT = 120 -- seconds

local README = assert(process.file "README.md")
local PROSE = README:gsub("\n```%w*\n.-\n```\n", "\n\n")

-- ---- reading the page -----------------------------------------------------------------------

-- Its fenced blocks in order: { kind = "lua", text = }.
local function blocks()
  local list = {}
  for kind, text in README:gmatch "\n```(%w*)\n(.-\n)```\n" do list[#list + 1] = { kind = kind, text = text } end
  return list
end

-- The rows of the table below a head line that begins so: arrays of cells.
local function rows(head)
  local at = README:find("\n| " .. head, 1, true)
  assert(at, "no table: " .. head)
  local list = {}
  for line in README:sub(at + 1):gmatch "([^\n]*)\n" do
    if line:sub(1, 1) ~= "|" then break end
    local row = {}
    for cell in line:gmatch "|%s*([^|]-)%s*%f[|]" do row[#row + 1] = cell end
    list[#list + 1] = row
  end
  table.remove(list, 1)
  table.remove(list, 1)
  return list
end

local function codes(text)
  local list = {}
  for code in text:gmatch "`([^`]+)`" do list[#list + 1] = code end
  return list
end

local function set(list)
  local found = {}
  for _, name in ipairs(list) do found[name] = true end
  return found
end

-- All that the patterns find in the files that the shell makes of `files`.
local function names_in(files, ...)
  local found = {}
  local text = process.read("cat " .. files)
  for _, pattern in ipairs { ... } do
    for name in text:gmatch(pattern) do found[name] = true end
  end
  return found
end

-- The value of a constant in the source of C ("NAME = 64 << 20", also in a list) or Lua ("local A, NAME = 1, 2").
local function constant(file, name)
  local source = "\n" .. assert(process.file(file), file)
  local text = source:match("[^%w_]" .. name:gsub("%p", "%%%0") .. " = ([%w <*()]+)")
  for names, values in source:gmatch "\nlocal ([%u_, ]+) = ([%d, ]+)" do
    local list = {}
    for value in values:gmatch "%d+" do list[#list + 1] = value end
    local i = 0
    for one in names:gmatch "[%u_]+" do
      i = i + 1
      if one == name then text = list[i] end
    end
  end
  assert(text, file .. " has no " .. name)
  return assert(load("return " .. text:gsub("(%d+) << (%d+)", "%1 * 2 ^ %2")))()
end

-- ---- running its commands -------------------------------------------------------------------

-- A folder that looks like the tree, with the build under test, so that commands run as they are written.
local function tree()
  local folder = gateway.folder()
  local here = process.read("pwd"):gsub("\n", "")
  local binary = process.read("realpath " .. gateway.binary):gsub("\n", "")
  os.execute(("ln -s %s/* %s/ && rm -f %s/build*"):format(here, folder, folder))
  os.execute(("ln -s %s %s/build && mkdir %s/my"):format(binary:match "^(.*)/", folder, folder))
  return folder
end

local ports = {}

-- The same text with free ports in place of its own.
local function move_ports(text)
  return (text:gsub("(127%.0%.0%.1:)(%d+)", function(host, port)
    ports[port] = ports[port] or net.free_port()
    return host .. ports[port]
  end))
end

local function sh(folder, command)
  local out = os.tmpname()
  local p = process.start({ "sh", "-c", ("cd %s && %s"):format(folder, command) }, out)
  local code = process.wait(p, COMMAND_LIMIT)
  if not code then process.stop(p) end
  local text = process.file(out)
  os.remove(out)
  assert(code, "does not end: " .. command)
  return text, code
end

-- Starts a gateway by a command that ends in a path, and waits until it is ready.
local function start(folder, command)
  local log = os.tmpname()
  local p = process.start({ "sh", "-c", ("cd %s && exec %s --workers 1"):format(folder, command) }, log)
  local ready = loop.poll(function()
    return process.file(log):find "ready\n" or not process.alive(p) and "ended"
  end, 60)
  local text = process.file(log)
  os.remove(log)
  assert(ready and ready ~= "ended", command .. ":\n" .. text)
  return p
end

-- The commands of a console block: { command =, expected = array of lines }.
local function commands(text)
  local list = {}
  for line in text:gmatch "([^\n]*)\n" do
    local command = line:match "^%$ (.*)$"
    if command then
      list[#list + 1] = { command = command, expected = {} }
    else
      table.insert(list[#list].expected, line)
    end
  end
  return list
end

-- Whether an output is what was shown, where "..." stands for anything.
local function shown(expected, output)
  local pattern = table.concat(expected, "\n"):gsub("[%^%$%(%)%%%[%]%*%+%-%?]", "%%%0")
  pattern = pattern:gsub("%f[.]%.%.%.%f[^.]", "\0"):gsub("%.", "%%."):gsub("%z", ".*")
  return output:gsub("\r", ""):gsub("\27%[[%d;]*m", ""):find("^" .. pattern .. "\n*$") ~= nil
end

describe("README", function()
  after_each(function() process.stop_all() end)
  teardown(gateway.stop_all)

  it("shows files and commands that do what it says", function()
    local folder, running, count = tree(), nil, 0
    for _, block in ipairs(blocks()) do
      local name = block.text:match "^%-%- file: (%S+)\n"
      if name then gateway.write(folder .. "/" .. name, move_ports(block.text)) end
      for _, step in ipairs(block.kind == "console" and commands(block.text) or {}) do
        local command = move_ports(step.command)
        count = count + 1
        if command:find "^build/moongate run" then
          if running then process.stop(running) end
          running = start(folder, command)
        else
          local output = sh(folder, command)
          assert.is_true(shown(step.expected, output), ("$ %s\n%s"):format(step.command, output))
        end
      end
    end
    assert.is_true(count >= 8)
  end)

  it("names two commands that set everything up", function()
    local found = {}
    for _, block in ipairs(blocks()) do
      if block.kind == "sh" then
        for script in block.text:gmatch "sh (%S+)\n" do found[#found + 1] = script end
      end
    end
    assert.same({ "examples/walkthrough/run", "spec/run" }, found)
    for _, script in ipairs(found) do
      assert.truthy(process.file(script):find "^#!/bin/sh\n")
      local _, code = sh(".", "sh -n " .. script .. " && test -x " .. script)
      assert.equal(0, code)
    end
  end)

  it("names files that are there", function()
    local count = 0
    for _, name in ipairs(codes(PROSE)) do
      if name:find "^[%w_./-]+$" and name:find "^%l+/" and not name:find "^my/" and not name:find "^build/" then
        count = count + 1
        local file = io.open(name) -- a folder opens, too
        assert.truthy(file, name)
        file:close()
      end
    end
    assert.is_true(count > 60)
    for folder in process.read("ls -d core/*/ policies/ spec/*/"):gmatch "[^\n]+" do
      local empty = process.read("find " .. folder .. " -type f") == ""
      assert.truthy(empty or README:find("`" .. folder, 1, true), folder .. " is not in the tour")
    end
  end)

  it("has every default of the config, and no other", function()
    local function compare(head, known)
      local seen = {}
      for _, row in ipairs(rows("`" .. head .. "`")) do
        local name, default = codes(row[1])[1], row[2]:gsub("`", "")
        local value = load("return " .. default)()
        if type(value) == "string" and type(known[name]) == "number" then
          value = units.duration(value) or units.size(value)
        end
        assert.same(known[name], value, head .. "." .. name)
        seen[name] = true
      end
      for name in pairs(known) do assert.is_true(seen[name], head .. "." .. name .. " is not there") end
    end
    local retries = defaults.fill({ on = defaults.retry_on }, defaults.retries)
    compare("listeners.NAME", defaults.listener)
    compare("listeners.NAME.limits", defaults.limits)
    compare("listeners.NAME.tls", defaults.tls)
    compare("services.NAME.pool", defaults.pool)
    compare("routes[].retries", retries)
    compare("budgets", defaults.budgets)
  end)

  it("has every limit in one table, as the config and the code have it", function()
    local config = {
      ["listeners.NAME.limits"] = defaults.limits, ["services.NAME.pool"] = defaults.pool, budgets = defaults.budgets,
      ["services.NAME.circuit_breaker"] = defaults.circuit_breaker, ["routes[].retries"] = defaults.retries,
    }
    local UNITS = { [""] = 1, KiB = 1024, MiB = 1048576, ms = 1, s = 1000, min = 60000 }
    local seen, count = {}, 0
    for _, row in ipairs(rows "limit |") do
      local place, name = unpack(codes(row[3]))
      local number, unit = row[2]:gsub(",", ""):match "^(%d+) ?(%a*)$"
      local wanted = row[2] == "no limit" and 0 or tonumber(number) * UNITS[unit]
      local value = name and constant(place, name)
      if not name then
        place, name = place:match "^(.*)%.([%w_]+)$"
        value = config[place][name]
      end
      assert.equal(wanted, value, row[1])
      seen[place .. "." .. name], count = true, count + 1
    end
    for place, known in pairs(config) do
      for name in pairs(place:find "retries" and {} or known) do
        local needed = not name:find "retry_budget"
        assert.is_true(not needed or seen[place .. "." .. name], place .. "." .. name .. " is not there")
      end
    end
    assert.is_true(count > 60)
  end)

  it("says of each promise by what it is tested: specs, or what spec/run runs", function()
    local scripts = process.file "spec/support/jobs.lua"
    for _, row in ipairs(rows "promise |") do
      local names = codes(row[2])
      assert.is_true(#names > 0, row[1])
      for _, name in ipairs(names) do
        assert.truthy(process.file(name), name)
        local is_run = name:find "^spec/flow/.*_spec%.lua$" or name:find "^spec/lua/.*_spec%.lua$"
          or name:find "^spec/core/%w+/test_[%w_]+%.c$" or scripts:find(name, 1, true)
        assert.truthy(is_run, name)
      end
    end
  end)

  it("names every field of the config", function()
    local words = set(codes(PROSE))
    local function look(list, path)
      for _, field in ipairs(list) do
        local name = path == "" and field[1] or path .. "." .. field[1]
        local used = words[field[1]] or README:find("[^%w_]" .. field[1] .. " = ")
        assert.truthy(used, name)
        for _, inner in ipairs { field, field.items or {}, field.values or {} } do
          if inner.fields then look(inner.fields, name) end
        end
      end
    end
    look(fields.config, "")
  end)

  it("has the kinds of YAML that are read", function()
    local text = README:match "%*%*YAML%.%*%*(.-)\n\n"
    for _, group in ipairs { "core", "istio", "virtual_service", "gateway_api", "http_route" } do
      for kind in pairs(require("moongate.config.manifests.kinds." .. group)) do
        assert.truthy(text:find("`" .. kind .. "`", 1, true), kind)
      end
    end
  end)

  it("has the stock policies", function()
    local found = {}
    for i, row in ipairs(rows "policy |") do found[i] = codes(row[1])[1] end
    assert.same(policy.stock, found)
    for _, name in ipairs(found) do
      assert.truthy(process.file("policies/" .. name .. ".lua") or process.file("policies/" .. name .. "/init.lua"))
    end
  end)

  it("has what a policy sees, and what it may require", function()
    local source, words = process.file "lua/moongate/ctx.lua", set(codes(PROSE))
    local known = names_in("lua/moongate/ctx.lua", "\nfunction get%.([%w_]+)", "\nfunction methods:([%w_]+)")
    for name in pairs(known) do
      local found = words["ctx." .. name] or README:find("`ctx:" .. name .. "(", 1, true)
      assert.truthy(found, "ctx." .. name)
    end
    for code in pairs(words) do
      local name = code:match "^ctx[.:]([%w_]+)"
      assert.truthy(not name or known[name] or source:find("[{ ]" .. name .. " = "), code)
      local module = code:match "^moongate%.([%w_]+)$"
      assert.truthy(not module or process.file("lua/moongate/" .. module .. ".lua"), code)
    end
  end)

  it("has the command line, the signals and the admin pages", function()
    local _, help = gateway.run "help"
    local function has(text) assert.truthy(README:find("`" .. text .. "`", 1, true), text) end
    for option in help:gmatch "\n  (%-%-[%w%s-]-)  " do has(option) end
    for usage in help:gmatch "\n  (%l[^\n]-)  " do has("moongate " .. usage) end
    for signal in pairs(names_in("core/app/master.c", "sigaddset%(&mask, (SIG%u+%d?)%)")) do
      assert.truthy(signal == "SIGCHLD" or README:find("| " .. signal) or README:find(", " .. signal), signal)
    end
    local pages = names_in("core/app/admin.c", '\n    {"(/[%w/]+)"')
    local found = {}
    for _, row in ipairs(rows "admin page") do found[codes(row[1])[1]] = true end
    assert.same(pages, found)
    assert.equal(2, (gateway.run("check", "--no-such-option")))
  end)

  it("has the metrics", function()
    local known = names_in("$(find core lua policies -name '*.[cl]*')", '"(moongate_[%l_]+)"', '"(istio_[%l_]+)"')
    local found, labels = {}, {}
    for _, row in ipairs(rows "metric |") do
      found[codes(row[1])[1]] = true
      labels[codes(row[1])[1]] = row[2]
    end
    assert.same(known, found)

    local gw = gateway.start { config = [[
      return {
        listeners = { web = { address = "127.0.0.1:$web" } }, admin = { address = "127.0.0.1:$admin" },
        services = { none = { endpoints = { { address = "127.0.0.1:$none" } } } },
        policies = { { "metrics", istio = { {} } } },
        routes = { { name = "r", backends = { { service = "none" } }, retries = { attempts = 1 } } },
      }]] }
    assert.equal(503, assert(gw:ask {}).status)
    assert.equal(400, assert(gw:ask { host = false }).status)
    assert.equal(1, gw:counts("moongate_requests_total", { code = "503" }, 1))
    local series = 0
    for line in gw:scrape():gmatch "[^\n]+" do
      local name = line:match "^# TYPE (%S+)"
      assert.truthy(not name or found[name], name)
      local own, given = line:match "^(moongate_[%l_]+)(%b{})"
      local listed = own and labels[own:gsub("_bucket$", ""):gsub("_sum$", ""):gsub("_count$", "")]
      if listed then
        local names = {}
        for label in given:gmatch "([%l_]+)=" do if label ~= "le" then names[#names + 1] = label end end
        assert.equal(listed, table.concat(names, ", "), own)
        series = series + 1
      end
    end
    assert.is_true(series > 3)
    gw:stop()
  end)

  it("says which requests are refused, and how", function()
    local up = upstream.start()
    local gw = gateway.start { values = { up = up.address }, config = [[
      return {
        listeners = { web = { address = "127.0.0.1:$web" } },
        services = { up = { endpoints = { { address = "$up" } } } },
        routes = { { backends = { { service = "up" } } } },
      }]] }
    local ESCAPES = { r = "\r", n = "\n", ["0"] = "\0" }
    local count = 0
    for _, row in ipairs(rows "input |") do
      local example = codes(row[2])[1]
      if example then
        local bytes = example:gsub("\\(.)", ESCAPES)
        if not bytes:find " HTTP/" then bytes = "POST / HTTP/1.1\r\nHost: a.test\r\n" .. bytes end
        local conn = stream.connect(gw.ports.web)
        conn:send(bytes .. "\r\n\r\n")
        local response = assert(http.read_response(conn), example)
        assert.equal(row[3], tostring(response.status), example)
        assert.is_true(conn:closed(), example)
        conn:close()
        count = count + 1
      end
    end
    assert.is_true(count >= 14)
    for _, request in ipairs(up.requests) do assert.is_nil(request.body) end -- none came whole
    gw:stop()
  end)

  it("quotes the last run of the bench", function()
    assert.truthy(README:find("\n<!%-%- bench %-%->\n.*\n<!%-%- /bench %-%->\n"))
    local page = "a\n<!-- bench -->\nold\n<!-- /bench -->\nb\n"
    assert.equal("a\n<!-- bench -->\n100% new\n<!-- /bench -->\nb\n", readme_bench.replace(page, "100% new\n", "bench"))
    assert.equal(page, readme_bench.replace(page, "old", "bench"))
    assert.is_nil(readme_bench.replace("no markers", "new", "bench"))
  end)
end)

describe("the heads of the examples", function()
  after_each(function() process.stop_all() end)

  -- The commands in a file's first comment: { command =, note = what stands behind it }.
  local function head_of(path)
    local list = {}
    for line in process.file(path):match("^(.-)\nreturn"):gmatch "[^\n]+" do
      local command = line:match "^%-%-   (.*)$"
      if command then
        local first, note = command:match "^(.-)%s%s+(.*)$"
        list[#list + 1] = { command = first or command, note = note or "" }
      end
    end
    return list
  end

  local function try(path)
    local folder, where, tried = tree(), ".", 0
    os.execute(("cd %s && rm examples && cp -rL %s examples"):format(folder,
      process.read("realpath examples"):gsub("\n", "")))
    local text = move_ports(process.file(path))
    gateway.write(folder .. "/" .. path, text)
    for _, step in ipairs(head_of(path)) do
      local command = move_ports(step.command):gsub("localhost:(%d+)", function(port)
        return "localhost:" .. (ports[port] or port)
      end)
      if command:find "^moongate run" then
        start(folder, "build/" .. command)
      elseif command:find "^cd " then
        where = command:match "^cd (.*)"
      else
        local options = "export PATH=../build:build:$PATH; cd " .. where .. " && "
        local output, code = sh(folder, options .. command)
        local refused = step.note:find "^no answer"
        assert.is_true((code == 0) == not refused, ("%s: %s\n%s"):format(path, command, output))
        local status = step.note:match "^(%d%d%d)%f[%D]"
        if status and command:find "curl %-i" then
          assert.truthy(output:find("HTTP/1.1 " .. status, 1, true), command .. "\n" .. output)
        end
        tried = tried + 1
      end
    end
    assert.is_true(tried > 0, path)
  end

  for path in process.read("ls examples/*.lua examples/*/gateway.lua"):gmatch "[^\n]+" do
    it("of " .. path .. " hold", function() try(path) end)
  end
end)
