--- Whatever is forwarded, other parsers read as the same one request: node's (llhttp) and HAProxy's.
--
-- The requests of the HTTP/1.1 corpus and mutations of them go through the gateway to an upstream that records their
-- bytes. Each of these is then given to both, with a second request right behind it: the first must be read with the
-- same method, target, number of fields and body, and the second as itself. SPEC_MUTATIONS says how many mutations
-- there are, SPEC_SEED which.
local gateway = require "spec.support.gateway"
local h1 = require "spec.support.h1"
local http = require "spec.support.http"
local loop = require "spec.support.loop"
local mime = require "mime"
local net = require "spec.support.net"
local process = require "spec.support.process"
local stream = require "spec.support.stream"
local upstream = require "spec.support.upstream"

local MOST, LANES = 2048, 12
local MUTATIONS = tonumber(os.getenv "SPEC_MUTATIONS") or gateway.binary:find "asan" and 200 or 1000
local SEED = tonumber(os.getenv "SPEC_SEED") or os.time()
local END = "GET /end HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n"
local SECOND = "GET /second HTTP/1.1\r\nHost: t\r\n\r\n"
local PIECES = {
  "\r", "\n", "\r\n", "\0", " ", "\t", ":", ";", ",", "0", "1", "a", "\r\n ", "\11", "\255", "chunked", "HTTP/1.1", "?",
  "#", "%00", "/", "+", "Content-Length: 1\r\n", "Transfer-Encoding: chunked\r\n", "Host: b\r\n", "0\r\n\r\n",
}

local HAPROXY = [[
defaults
  mode http
  timeout client 5s
  timeout http-request 5s
  option http-buffer-request
frontend f
  bind 127.0.0.1:%d
  http-request return status 200 content-type text/plain lf-string "%s"
]]

local SAYS = "%[method] %[url] %[req.fhdr_cnt] %[req.body,base64]"

local mutate = {}

function mutate.insert(text, at) return text:sub(1, at) .. PIECES[math.random(#PIECES)] .. text:sub(at + 1) end

function mutate.remove(text, at) return text:sub(1, at) .. text:sub(at + 1 + math.random(4)) end

function mutate.change(text, at) return text:sub(1, at) .. string.char(math.random(0, 255)) .. text:sub(at + 2) end

function mutate.repeated(text, at)
  local last = math.min(#text, at + math.random(30))
  return text:sub(1, last) .. text:sub(at + 1)
end

local KINDS = { "insert", "remove", "change", "repeated" }

local function mutation(text)
  for _ = 1, math.random(3) do text = mutate[KINDS[math.random(#KINDS)]](text, math.random(0, #text)) end
  return text
end

local function inputs()
  local list, all = h1.requests(MOST), {}
  for _, case in ipairs(list) do all[#all + 1] = case.text end
  for _ = 1, #list > 0 and MUTATIONS or 0 do all[#all + 1] = mutation(list[math.random(#list)].text) end
  return all
end

-- ---- recording -----------------------------------------------------------------------------

local function read_chunks(conn, raw, body)
  while true do
    local line = conn:read_until("\r\n", 10)
    local size = line and tonumber(line:match "^%x+", 16)
    local bytes = size and size > 0 and conn:read(size + 2, 10)
    if not size or size > 0 and not bytes then return nil end
    raw[#raw + 1], raw[#raw + 2] = line, bytes or ""
    if size == 0 then break end
    body[#body + 1] = bytes:sub(1, -3)
  end
  local trailers = ""
  repeat
    local line = conn:read_until("\r\n", 10)
    if not line then return nil end
    trailers = trailers .. line
  until line == "\r\n"
  raw[#raw + 1] = trailers
  return true
end

-- One request as it comes: { raw =, said = what a reader must say of it }; nil when it is not whole.
local function record(conn)
  local head = conn:read_until("\r\n\r\n", 10)
  if not head then return nil end
  local raw, body = { head }, {}
  local length = head:match "\r\nContent%-Length: (%d+)\r\n"
  if head:find("\r\nTransfer-Encoding: chunked\r\n", 1, true) then
    if not read_chunks(conn, raw, body) then return nil end
  elseif length then
    body[1] = conn:read(tonumber(length), 10)
    if not body[1] then return nil end
    raw[2] = body[1]
  end
  local method, target = head:match "^(%S+) (%S+) HTTP/1%.1\r\n"
  local fields = select(2, head:gsub("\r\n", "")) - 2
  return { raw = table.concat(raw), method = method,
    said = ("%s %s %d %s"):format(method, target, fields, mime.b64(table.concat(body)) or "") }
end

-- ---- replaying -----------------------------------------------------------------------------

-- Nil, or what a reader made of a request that it should not have.
local function misread(port, request)
  local conn = stream.connect(port)
  conn:send(request.raw .. SECOND)
  local first = http.read_response(conn, request.method, 20)
  local second = first and first.status == 200 and http.read_response(conn, "GET", 20)
  conn:close()
  if not first then return "no answer" end
  if first.status ~= 200 then return first.status >= 400 and "refused" or "status " .. first.status end
  if request.method ~= "HEAD" and first.body ~= request.said then
    return ("%q, not %q"):format(first.body, request.said)
  end
  if request.raw:find("\r\nUpgrade: ", 1, true) then return nil end -- nothing follows before its answer
  local said = second and second.body or "no answer"
  return said:find("^GET /second 1 ") == nil and "the second: " .. said or nil
end

describe("other parsers #slow", function()
  local gw, readers, recorded = nil, {}, {}

  local function start_readers()
    local folder = gateway.folder()
    local ports = { node = net.free_port(), haproxy = net.free_port() }
    gateway.write(folder .. "/cfg", HAPROXY:format(ports.haproxy, SAYS))
    for name, words in pairs { node = { "node", "spec/support/reader.js", tostring(ports.node) },
      haproxy = { "haproxy", "-db", "-f", folder .. "/cfg" } } do
      readers[name] = { port = ports[name], process = process.start(words, folder .. "/" .. name) }
      assert(loop.poll(function() return net.accepts(ports[name]) or nil end, 20),
        process.file(folder .. "/" .. name))
    end
  end

  setup(function()
    start_readers()
    local up = upstream.start()
    up.raw = function(conn)
      while true do
        local request = record(conn)
        if not request then return end
        if not request.said:find "^GET /end " then recorded[request.raw] = request end
        if not conn:send(upstream.format { body = request.method ~= "HEAD" and "ok" or "" }) then return end
      end
    end
    gw = gateway.start { values = { up = up.address }, config = [[
      return {
        listeners = { web = { address = "127.0.0.1:$web",
          limits = { header_timeout = "300ms", body_timeout = "300ms", idle_timeout = "300ms" } } },
        services = { up = { endpoints = { "$up" } } },
        routes = { { backends = { { service = "up" } }, timeout = "5s" } },
      }]] }
  end)

  teardown(function()
    for _, reader in pairs(readers) do process.stop(reader.process) end
    gateway.stop_all()
  end)

  -- Calls work(item) for each, several side by side.
  local function each(list, work)
    local next_item, running = 1, LANES
    for _ = 1, LANES do
      loop.spawn(function()
        while list[next_item] do
          next_item = next_item + 1
          work(list[next_item - 1])
        end
        running = running - 1
      end)
    end
    assert(loop.poll(function() return running == 0 or nil end, 500), "it takes too long")
  end

  it("read what is forwarded as the same one request", function()
    math.randomseed(SEED)
    local all = inputs()
    if #all == 0 then pending("there is no " .. h1.folder) return end
    each(all, function(text)
      local conn = stream.connect(gw.ports.web)
      conn:send(text .. END)
      assert(conn:read_all(20), "it hangs")
      conn:close()
    end)
    local list, refused, wrong = {}, { node = 0, haproxy = 0 }, {}
    for _, request in pairs(recorded) do list[#list + 1] = request end
    assert.is_true(#list > 100)
    for name, reader in pairs(readers) do
      each(list, function(request)
        local why = misread(reader.port, request)
        if why == "refused" then
          refused[name] = refused[name] + 1
        elseif why then
          wrong[#wrong + 1] = ("%s reads %q as %s"):format(name, request.raw, why)
        end
      end)
    end
    assert(#wrong == 0, ("%d of %d, SPEC_SEED=%d:\n%s"):format(#wrong, #list, SEED, table.concat(wrong, "\n", 1,
      math.min(5, #wrong))))
    -- Who refuses is not misled; node knows some methods only.
    assert.is_true(refused.haproxy < #list / 20, refused.haproxy .. " of " .. #list)
    assert.is_true(refused.node < #list / 5, refused.node .. " of " .. #list)
  end)
end)
