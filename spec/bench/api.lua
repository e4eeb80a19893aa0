--- api: what each call of the API costs a policy, by a real gateway: the mean of many calls in a loop, which is
-- compiled as a policy is that serves many requests, and has its caches warm; the best of five rounds.
-- usage: luajit spec/bench/api.lua [--quick | --readme] [JSON]     from the top of the tree
--   --quick   calls each a few times only; --readme   quotes some in README.md; JSON   where the figures go
local CONFIG = [[return {
  listeners = { web = { address = "127.0.0.1:$web", limits = { request_line_bytes = "32KiB" } } },
  services = { up = { endpoints = { "127.0.0.1:9" } } },
  budgets = { cpu = "60s" },
  routes = { { policies = { "priced" } } },
}]]

-- The loop's body calls what does not depend on the round; `kept` keeps the compiler from leaving it out.
local POLICY = [[
local time = require "moongate.time"
local priced = {}
function priced.request(_, ctx)
  local run = assert(load(ctx.req.headers["x-code"]))
  local times, best = tonumber(ctx.req.headers["x-times"]), math.huge
  local first = time.monotonic()
  run(ctx, 100)
  times = math.min(times, math.ceil(2 / (time.monotonic() - first))) -- a round takes 20 ms at most
  for _ = 1, 5 do
    local began = time.monotonic()
    run(ctx, times)
    best = math.min(best, time.monotonic() - began)
  end
  return ctx:respond(200, ("%.17g"):format(best / times * 1e9))
end
return priced]]

-- What README quotes: what most policies call.
local QUOTED = {
  "headers:get", "headers[name]", "headers[name] of none", "headers[name] = value", "headers:get_all", "headers:each",
  "ctx.req.path", "ctx.req.method", "req:param", "req:cookie", "ctx.client_address", "ctx.peer.principal", "ctx.own",
  "ctx.route", "ctx:respond", "counter:add", "histogram:observe", "dictionary:get", "dictionary:incr", "json.decode",
  "json.encode", "hash.sha256", "compiled:match", "time.now", "random.uuid",
}

local api = {}

local function chunk(entry)
  local is_value = not entry.call:find "^for " and not entry.call:find "[%w%]]+ = "
  return ("local ctx, times = ... %s local kept for _ = 1, times do %s%s end return kept"):format(entry.setup,
    is_value and not entry.call:find "%) h:" and "kept = " or "", entry.call)
end

local function ask(gw, code, times)
  local answer = assert(gw:ask { path = "/?q=moon&r=gate",
    headers = { ["x-code"] = code, ["x-times"] = tostring(times), ["x-user"] = "amy", cookie = "a=1; session=abc" } })
  return answer.status == 200 and tonumber(answer.body) or nil
end

--- Prices all that is to be; raises where a call fails.
-- @param times calls of each
-- @return array of { name =, ns = }
function api.run(times)
  local gateway = require "spec.support.gateway"
  local prices = require "spec.bench.prices"
  local gw = gateway.start { files = { ["priced.lua"] = POLICY }, config = CONFIG,
    args = { "--policy-path", "$folder" } }
  local rows = {}
  local empty = assert(ask(gw, chunk { setup = "", call = "1" }, times))
  for i, entry in ipairs((prices.list(require("moongate.reference").classes()))) do
    local ns = ask(gw, chunk(entry), math.min(times, entry.most or times))
    if not ns then error(entry.name .. ": " .. gw:log():match "[^\n]*\n?$") end
    rows[i] = { name = entry.name, ns = math.max(0, ns - empty) }
  end
  gateway.stop_all()
  return rows
end

--- The rows as a table in Markdown.
function api.text(rows)
  local lines = { "| call | ns |", "|---|--:|" }
  for _, row in ipairs(rows) do lines[#lines + 1] = ("| `%s` | %.0f |"):format(row.name, row.ns) end
  return table.concat(lines, "\n") .. "\n"
end

local function quote(rows)
  local by_name, quoted = {}, {}
  for _, row in ipairs(rows) do by_name[row.name] = row end
  for i, name in ipairs(QUOTED) do quoted[i] = assert(by_name[name], name) end
  require("spec.bench.readme").write("prices", api.text(quoted))
end

local function main(words)
  require "spec.support.init"
  local flag = words[1] and words[1]:find "^%-%-" and table.remove(words, 1)
  local rows = api.run(flag == "--quick" and 10 or 100000)
  io.write(api.text(rows))
  if flag == "--readme" then quote(rows) end
  if not words[1] then return end
  local file = assert(io.open(words[1], "w"))
  file:write(require("cjson").encode(rows), "\n")
  file:close()
end

if not pcall(debug.getlocal, 4, 1) then -- run as a program, not required
  package.path = "./?.lua;" .. package.path
  main(arg)
end

return api
