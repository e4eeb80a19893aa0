--- The cases of spec/wire on a real gateway: bytes in, bytes out, on both of its sides.
--
-- A request's case is { name, bytes, ... }: `reaches` lists what the upstream must see (heads, without what the gateway
-- says of the client, and decoded bodies), each answered with 200; `refused` is the status that then ends the
-- connection, and what was `partly` sent on by then ends broken; `closes`: the connection ends with the last answer;
-- `interims`: how many answers of 1xx the client sees; `trailers`: what must be (false: must not be) in those upstream.
-- One more request follows each case on the same connection: it is served exactly where the case leaves it whole.
-- For the case of a response see spec/wire/responses.lua.
local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local loop = require "spec.support.loop"
local stream = require "spec.support.stream"
local upstream = require "spec.support.upstream"

local REQUESTS = { "request_line", "host", "framing", "chunks", "fields", "pipeline" }
local END = "GET /end HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n" -- sent behind every case
local SPLIT_MOST = 2048

local function cases_of(name) return dofile("spec/wire/" .. name .. ".lua") end

-- What the gateway says of the client, and when it answered, differs each time.
local OWN = { ["x-forwarded-for"] = true, ["x-forwarded-proto"] = true, ["x-request-id"] = true, date = true }

local function without_own(head)
  return (head:gsub("([^\r\n:]+):[^\r\n]*\r\n", function(name) return OWN[name:lower()] and "" or nil end))
end

describe("the wire", function()
  local gw, up, seen

  setup(function()
    up = upstream.start()
    gw = gateway.start { values = { up = up.address }, config = [[
      return {
        listeners = { web = { address = "127.0.0.1:$web", limits = { body_bytes = "1MiB" } } },
        services = { up = { endpoints = { "$up" } } },
        routes = { { backends = { { service = "up" } } } },
      }]] }
  end)

  teardown(gateway.stop_all)

  -- ---- requests ---------------------------------------------------------------------------

  -- Notes each whole request as one text: its head, and its body as decoded.
  local function note(request)
    request:read()
    request.text = without_own(request.raw) .. (request.body or "")
    seen[#seen + 1] = request
    return request.method == "HEAD" and "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n" or { body = "ok" }
  end

  -- Reads what the client must see: an answer a request, then the refusal or that of /end, then the end.
  local function read_answers(case, conn)
    local interims = 0
    for _, text in ipairs(case.reaches or {}) do
      local response = assert(http.read_response(conn, text:match "^%S+"))
      assert.equal(200, response.status)
      interims = interims + #response.interim
    end
    assert.equal(case.interims or 0, interims)
    if not case.closes then
      local last = assert(http.read_response(conn, nil))
      assert.equal(case.refused or 200, last.status)
      assert.equal("close", last.headers.connection)
    end
    assert.is_true(conn:closed())
  end

  local function read_requests(case)
    local expected = { unpack(case.reaches or {}) }
    if not case.refused and not case.closes then expected[#expected + 1] = "GET /end HTTP/1.1\r\nHost: t\r\n\r\n" end
    local texts = {}
    for i, request in ipairs(seen) do texts[i] = request.text end
    assert.same(expected, texts)
    for name, value in pairs(case.trailers or {}) do assert.equal(value or nil, seen[1].trailers[name]) end
    if not case.partly then assert.same({}, up.errors) end
  end

  -- `at`: how many bytes go out first; nil: all at once.
  local function try(case, at)
    local conn, bytes = stream.connect(gw.ports.web), case[2] .. END
    seen, up.errors, up.answer = {}, {}, note
    if at then
      conn:send(bytes:sub(1, at))
      loop.sleep(0.0005)
    end
    conn:send(bytes:sub((at or 0) + 1))
    read_answers(case, conn)
    conn:close()
    read_requests(case)
  end

  for _, name in ipairs(REQUESTS) do
    describe(name, function()
      for _, case in ipairs(cases_of(name)) do
        it(case[1], function() try(case) end)
      end

      it("is the same however it is split #slow", function()
        for _, case in ipairs(cases_of(name)) do
          for at = 1, #case[2] <= SPLIT_MOST and #case[2] or 0 do
            local ok, err = pcall(try, case, at)
            assert(ok, ("%s, split at %d: %s"):format(case[1], at, tostring(err)))
          end
        end
      end)
    end)
  end

  -- ---- responses --------------------------------------------------------------------------

  local function answer_of(case)
    return function(request)
      request:read()
      seen[#seen + 1] = request
      if request.target == "/end" then return { body = "end" } end
      request.stream:send(case[2])
      return not case.ends or nil
    end
  end

  -- The client must see exactly these bytes; an answer of the gateway's own only has its status.
  local function read_client(case, conn)
    if type(case.client) == "number" then
      local response
      repeat response = assert(http.read_response_head(conn)) until response.status >= 200
      assert.equal(case.client, response.status)
      return assert(http.read_response_body(conn, response))
    end
    local text, heads = "", select(2, case.client:gsub("HTTP/1%.1 ", ""))
    for _ = 1, heads do text = text .. without_own(assert(conn:read_until "\r\n\r\n")) end
    if case.cut then
      local rest = conn:read_all()
      assert.equal(case.client, (text .. rest):sub(1, #case.client))
      assert.is_nil(rest:find("0\r\n\r\n", 1, true))
      return
    end
    assert.equal(case.client, text .. (conn:read(#case.client - #text) or ""))
  end

  describe("responses", function()
    for _, case in ipairs(cases_of "responses") do
      it(case[1], function()
        local conn = stream.connect(gw.ports.web)
        seen, up.errors, up.answer = {}, {}, answer_of(case)
        conn:send((case.method or "GET") .. " /a HTTP/1.1\r\nHost: t\r\n" .. (case.request or "") .. "\r\n")
        read_client(case, conn)
        if not case.cut then
          assert.equal("end", assert(http.send(conn, { path = "/end", host = "t" })).body)
          assert.equal(case.kept or false, seen[1].connection == seen[#seen].connection)
        end
        conn:close()
      end)
    end
  end)
end)
