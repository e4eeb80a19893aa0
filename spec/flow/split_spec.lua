--- The requests of the HTTP/1.1 corpus, split anywhere: what comes of one does not depend on how its bytes arrive, nor
-- on whether a policy reads its body.
--
-- Several lanes (a listener, a route, an upstream of its own) work side by side. What the upstream sees it sends back,
-- so that all that the client gets is the verdict. The gateway as released is split at every byte, under the sanitizers
-- at every 64th, another one each time.
local gateway = require "spec.support.gateway"
local h1 = require "spec.support.h1"
local loop = require "spec.support.loop"
local stream = require "spec.support.stream"
local upstream = require "spec.support.upstream"

local STEP = gateway.binary:find "asan" and 64 or 1
local MOST, LANES = 2048, 12
local SLOW = 3 -- what waits for a time limit is split once
local READS = { "none", "whole", "chunks" }
local END = "GET /end HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n"

local function lane_reads(lane) return READS[lane % #READS + 1] end

local function config()
  local parts = { [[
    local limits = { header_timeout = "4s", body_timeout = "4s", idle_timeout = "4s" }
    local c = { listeners = {}, services = {}, routes = {} }
    local function lane(name, port, up, reads)
      c.listeners[name] = { address = "127.0.0.1:" .. port, limits = limits }
      c.services[name] = { endpoints = { up } }
      c.routes[#c.routes + 1] = { listeners = { name }, policies = reads ~= "none" and { "read_" .. reads } or {},
        backends = { { service = name } }, timeout = "5s" }
    end]] }
  for i = 1, LANES do
    parts[#parts + 1] = ('lane("l%d", "$l%d", "$u%d", %q)'):format(i, i, i, lane_reads(i))
  end
  return table.concat(parts, "\n") .. "\nreturn c"
end

-- Of what goes upstream and comes back, what differs each time.
local function steady(text)
  return (text:gsub("([Dd]ate): [^\r\n]*", "%1: -"):gsub("([%w-]+): [^\r\n]*\r\n", function(name)
    local own = name:lower()
    return (own == "x-request-id" or own == "x-forwarded-for" or own == "content-length") and name .. ": -\r\n" or nil
  end))
end

local function echo(request)
  if request.target == "/end" then return { body = "end" } end
  request:read()
  return { headers = { ["X-Saw"] = "it" }, body = steady(request.raw) .. (request.body or "") }
end

describe("requests of the corpus in pieces #slow", function()
  local gw, list

  setup(function()
    list = h1.requests(MOST)
    if #list == 0 then return end
    local values = {}
    for i = 1, LANES do values["u" .. i] = upstream.start(echo).address end
    gw = gateway.start { config = config(), values = values, args = { "--policy-path", "spec/support/policies" } }
  end)

  teardown(gateway.stop_all)

  -- All that the client gets until the end, which the gateway must make; and how long that took.
  local function converse(lane, text, at)
    local began, conn = loop.now(), stream.connect(gw.ports["l" .. lane])
    local rest = text .. END
    if at then
      conn:send(rest:sub(1, at))
      loop.sleep(0.001)
      rest = rest:sub(at + 1)
    end
    conn:send(rest)
    local got, how = conn:read_all(20)
    conn:close()
    assert(got, "it is not over after 20 s: " .. tostring(how))
    return steady(got), loop.now() - began
  end

  -- Works on jobs of each kind of lane, one after the other in each lane; the mistakes that were made.
  local function work(jobs)
    local mistakes, running = {}, LANES
    for lane = 1, LANES do
      loop.spawn(function()
        local own = jobs[lane_reads(lane)]
        while #own > 0 do
          local ok, err = pcall(table.remove(own), lane)
          if not ok then mistakes[#mistakes + 1] = tostring(err) end
        end
        running = running - 1
      end)
    end
    assert(loop.poll(function() return running == 0 or nil end, 500), "it takes too long")
    return mistakes
  end

  local function judge(case)
    return function(lane) case[lane_reads(lane)], case.took = converse(lane, case.text) end
  end

  local function compare(case, at)
    return function(lane)
      local got, wanted = converse(lane, case.text, at), case[lane_reads(lane)]
      if got == wanted then return end
      error(("%s at %d, bodies read: %s: got\n%s\nwanted\n%s"):format(case.id, at, lane_reads(lane), got, wanted), 0)
    end
  end

  local function no_jobs() return { none = {}, whole = {}, chunks = {} } end

  -- Which statuses there were, and which requests went upstream.
  local function outline(verdict)
    local lines = {}
    for status in verdict:gmatch "HTTP/1%.1 (%d+)" do lines[#lines + 1] = status end
    for request in verdict:gmatch "\n([^ \n]+ [^ \n]+) HTTP/1%.1\r\n" do lines[#lines + 1] = request end
    return table.concat(lines, ", ")
  end

  -- (HTTP/1.0 has no chunks: for it, a body of unknown length ends the connection.)
  it("come to the same, whoever reads bodies", function()
    if #list == 0 then pending("there is no " .. h1.folder) return end
    local jobs = no_jobs()
    for _, case in ipairs(list) do
      for _, reads in ipairs(READS) do table.insert(jobs[reads], judge(case)) end
    end
    assert.same({}, work(jobs))
    for _, case in ipairs(list) do
      for _, reads in ipairs(case.text:find("HTTP/1.0", 1, true) and {} or READS) do
        assert.equal(case.id .. ": " .. outline(case.none), case.id .. ": " .. outline(case[reads]))
      end
    end
  end)

  it("come to the same however they are split", function()
    if #list == 0 then pending("there is no " .. h1.folder) return end
    local jobs, count = no_jobs(), 0
    for _, case in ipairs(list) do
      local step = case.took > SLOW and #case.text or STEP
      for at = math.random(step), #case.text, step do
        count = count + 1
        table.insert(jobs[READS[count % #READS + 1]], compare(case, at))
      end
    end
    assert.is_true(count > #list)
    local mistakes = work(jobs)
    assert(#mistakes == 0, ("%d of %d:\n%s"):format(#mistakes, count, table.concat(mistakes, "\n\n", 1,
      math.min(#mistakes, 5))))
  end)
end)
