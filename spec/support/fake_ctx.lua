--- fake_ctx: what a policy sees of an exchange, without a gateway; same surface as moongate.ctx.
-- fake.new { method=, path=, query=, authority=, headers={name=value or list}, peer={...}, status=, ... }
-- What the policy did can be read: ctx.slept (ms), ctx.woken, ctx.backend, ctx:flags_text(), and its answer.
local cookie = require "moongate.cookie"
local query = require "moongate.query"
local random = require "moongate.random"
local schema = require "moongate.schema"
local fake = {}

local header_methods = {}

local function rows_of(headers) return rawget(headers, "rows") end

function header_methods.next_of(headers, name, pos)
  local rows = rows_of(headers)
  for i = pos + 1, #rows do
    if rows[i][1] == name:lower() then return rows[i][2], i end
  end
end

function header_methods.get(headers, name) return (header_methods.next_of(headers, name, 0)) end

function header_methods.get_all(headers, name)
  local all = {}
  local value, pos = header_methods.next_of(headers, name, 0)
  while value do
    all[#all + 1] = value
    value, pos = header_methods.next_of(headers, name, pos)
  end
  return all
end

function header_methods.remove(headers, name)
  local rows = rows_of(headers)
  for i = #rows, 1, -1 do
    if rows[i][1] == name:lower() then table.remove(rows, i) end
  end
end

function header_methods.add(headers, name, value)
  if name == "" or name:find("[^%w!#$%%&'*+.^_`|~-]") then error("bad header name " .. name, 2) end
  if tostring(value):find("[%z\r\n]") then error("bad value of header " .. name, 2) end
  table.insert(rows_of(headers), { name:lower(), tostring(value) })
end

function header_methods.set(headers, name, value)
  headers:remove(name)
  if value ~= nil then headers:add(name, value) end
end

function header_methods.each(headers)
  local i, rows = 0, { unpack(rows_of(headers)) } -- a copy: fields may be edited meanwhile
  return function()
    i = i + 1
    local row = rows[i]
    if row then return row[1], row[2] end
  end
end

local headers_type = {
  __index = function(headers, name) return header_methods[name] or header_methods.get(headers, name) end,
  __newindex = function(headers, name, value) headers:set(name, value) end,
}

--- A headers object made of { name = value or list of values }.
function fake.headers(given)
  local headers = setmetatable({ rows = {} }, headers_type)
  local names = {}
  for name in pairs(given or {}) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do
    local values = type(given[name]) == "table" and given[name] or { given[name] }
    for _, value in ipairs(values) do headers:add(name, value) end
  end
  return headers
end

local request_methods = {}
function request_methods.cookie(req, name)
  local line = req.headers["cookie"]
  return line and cookie.get(line, name)
end
function request_methods.param(req, name) return req.query and query.get(req.query, name) end
function request_methods.body(req) return req.bytes end

local response_methods = {}
function response_methods.body(res) return res.bytes end

local ctx_methods = {}
function ctx_methods.respond(_, status, body, headers)
  return { status = status, body = body or "", headers = fake.headers(headers) }
end
function ctx_methods.peek_body(ctx, bytes)
  local body = ctx.req.bytes or ""
  return body:sub(1, bytes), #body <= bytes
end
function ctx_methods.sleep(ctx, ms) ctx.slept = (ctx.slept or 0) + ms end
function ctx_methods.waker(ctx) return { wake = function() ctx.woken = true end } end
function ctx_methods.use_backend(ctx, service, subset) ctx.backend = { service = service, subset = subset } end
function ctx_methods.flag(ctx, name) table.insert(ctx.flag_list, name) end
function ctx_methods.flags_text(ctx)
  return #ctx.flag_list == 0 and "-" or table.concat(ctx.flag_list, ",")
end

local defaults = {
  client_address = "127.0.0.1", local_address = "127.0.0.1", request_id = "fake-request-id", port = 8080,
  bytes_in = 0, bytes_out = 0, duration = 0, attempts = 0, start_time = 0, protocol = "HTTP/1.1", grpc = false,
  upgrade = false,
}

local OF_MESSAGES = { method = true, path = true, query = true, authority = true, headers = true, body = true,
  status = true, response_headers = true, response_body = true, shared = true }

--- An exchange; every field of ctx that `given` names is taken as it is.
function fake.new(given)
  given = given or {}
  local ctx = setmetatable({ own = {}, _s = { shared = given.shared or {} }, flag_list = {} }, {
    __index = function(ctx, name) return name == "shared" and ctx._s.shared or ctx_methods[name] end })
  for name, value in pairs(defaults) do ctx[name] = value end
  for name, value in pairs(given) do
    if not OF_MESSAGES[name] then ctx[name] = value end
  end
  ctx.listener = given.listener or { name = "web", port = ctx.port }
  ctx.peer = given.peer or { address = "127.0.0.1", port = 40000, tls = false }
  local authority = given.authority or "shop.example"
  ctx.req = setmetatable({
    method = given.method or "GET", path = given.path or "/", query = given.query, authority = authority,
    host = authority:lower():gsub(":%d+$", ""), scheme = ctx.peer.tls and "https" or "http",
    principal = ctx.peer.principal,
    headers = fake.headers(given.headers), bytes = given.body,
  }, { __index = request_methods })
  ctx.res = setmetatable({
    status = given.status or 0, headers = fake.headers(given.response_headers), bytes = given.response_body,
  }, { __index = function(res, name)
    if name ~= "has_body" then return response_methods[name] end
    return ctx.req.method ~= "HEAD" and res.status ~= 204 and res.status ~= 304 and res.status ~= 101
  end })
  return ctx
end

--- Every mistake that the policy's schema and check find in `settings`, as "path: reason" texts.
function fake.mistakes(policy, settings)
  local found = {}
  local conf = schema.check(policy.schema, settings, {}, function(path, message)
    found[#found + 1] = table.concat(path, ".") .. ": " .. message
  end)
  if #found == 0 and policy.check then
    local _, reason = policy.check(conf)
    found[1] = reason
  end
  return found, conf
end

--- Settings as the policy's phases get them: checked by the real schema, then prepared.
function fake.conf(policy, settings)
  local found, conf = fake.mistakes(policy, settings)
  if #found > 0 then error("refused settings: " .. table.concat(found, "; "), 2) end
  return policy.prepare and policy.prepare(conf) or conf
end

--- Makes random.number() give `numbers` in turn, for ever.
function fake.draws(numbers)
  local i = 0
  random.number = function()
    i = i % #numbers + 1
    return numbers[i]
  end
end

return fake
