--- test: the kit of `moongate test`: a gateway for a spec, with made-up clients and upstreams.
--
--   local test = require "moongate.test"
--   local gateway = test.policy("greet", { greeting = "Hi" })
--   assert.equal("Hi, Ada!\n", gateway:get("/hello?name=Ada").body)
--
-- In process nothing is opened and nothing waits: the clock stands still until whatever is asked needs it to move, so
-- `sleep` of an hour takes no time; random numbers, ids and the order of pairs() are the same in every run.
local fields_of = require "moongate.test.fields"
local golden = require "moongate.test.golden"
local journal = require "moongate.test.journal"
local places = require "moongate.test.places"
local policy = require "moongate.policy"
local source = require "moongate.test.source"
local suggest = require "moongate.suggest"
local upstream = require "moongate.test.upstream"

local test = {}

local LIMIT = 86400000 -- ms that an answer may take
local ADDRESS, UPSTREAM = "127.0.0.1:8080", "127.0.0.1:9000"

local settings = { seed = 1, driver = false, current = false }

local gateway = {}

-- A real gateway's log is read when it is asked for.
function gateway.__index(_, key)
  if key == "log" then return settings.driver.log() end
  return rawget(gateway, key)
end

-- ---- asking -------------------------------------------------------------------------------

local REQUEST = { method = "string", path = "string", host = "string", headers = "table", body = "string",
  address = "string", principal = "string", sni = "string", listener = "string" }

local function check_current(self, level)
  if settings.current == self then return end
  error("gateway: there is one at a time, and another one took its place", level)
end

local function check(given, level)
  if type(given) ~= "table" then error("request: expected a table, got a " .. type(given), level) end
  for key, value in pairs(given) do
    local kind = REQUEST[key]
    if not kind then
      error(("request: unknown key '%s'%s"):format(key, suggest.hint(key, suggest.keys(REQUEST))), level)
    end
    if type(value) ~= kind then error(("request: %s: expected a %s"):format(key, kind), level) end
  end
end

local function listener_of(model, name, level)
  if not name and #model.listeners > 1 then
    error(("request: expected a listener, one of %d"):format(#model.listeners), level)
  end
  for i, listener in ipairs(model.listeners) do
    if not name or listener.name == name then return listener, i end
  end
  error(("request: no listener '%s'"):format(name), level)
end

local function answer_of(response, began, now)
  local headers = {}
  for _, one in ipairs(response.headers) do
    local name = one[1]:lower()
    if headers[name] == nil then headers[name] = one[2] end
  end
  return { status = response.status, reason = response.reason, headers = headers, fields = response.headers,
    body = response.body, cut = response.cut, took = (now - began) / 1000 }
end

local pending = {}
pending.__index = pending

--- Waits for the whole answer; see gateway:ask().
function pending:answer()
  local driver = settings.driver
  if not driver.run(function() return self.done ~= nil end, LIMIT) then error("no answer comes", 2) end
  self.leave()
  return self.done
end

--- The client closes its connection, whatever there is of an answer.
function pending:cancel() self.leave() end

-- Errors are those of the function `level` calls above this one.
local function begin(self, given, level)
  check_current(self, level + 2)
  check(given, level + 2)
  local driver = settings.driver
  local listener, index = listener_of(self.model, given.listener, level + 2)
  local self_pending, began = setmetatable({}, pending), driver.now()
  self_pending.leave = driver.send({
    listener = listener, index = index, address = given.address or "127.0.0.1", principal = given.principal,
    sni = given.sni, request = { method = given.method or "GET", target = given.path or "/",
      authority = given.host or "localhost", headers = fields_of(given.headers), body = given.body or "" },
  }, function(response, ended)
    if not self_pending.done and (ended or not response.cut) then
      self_pending.done = answer_of(response, began, driver.now())
    end
  end)
  return self_pending
end

--- Sends a request, and does not wait: { method = "GET", path = "/", host = "localhost", headers = { name = value or
-- list of values }, body =, address = the client's ("127.0.0.1"), principal = whom its certificate names, sni =,
-- listener = name of one, where there are several }.
-- @return an object with answer(), which waits, and cancel()
function gateway:begin(given)
  local one = begin(self, given, 2) -- no tail call, which would be no level
  return one
end

--- Sends a request, as begin() does, and waits for its answer.
-- @return { status = (0: the connection was closed without one), reason =, headers = by name in lower case, the first
-- of each, fields = all, as { name, value }, body =, cut = whether it ended before it was whole, took = seconds }
function gateway:ask(given)
  return begin(self, given, 2):answer()
end

--- Asks for `path`.
function gateway:get(path) return self:ask { path = path } end

-- ---- what is around it --------------------------------------------------------------------

--- Lets `seconds` pass.
function gateway:advance(seconds)
  check_current(self, 3)
  settings.driver.run(function() return false end, seconds * 1000)
end

--- The upstream (answers(), requests) in place of a service by its name, or of an address ("auth.example:80") alone.
-- Until it is told otherwise it answers 200 and nothing. An endpoint that is a listener of the same config is served by
-- that listener, unless upstream() was asked for before the first request. `requests` is a list of { method =, path =,
-- query =, host =, headers =, fields =, body =, endpoint = address, at = seconds }. What no config names refuses
-- connections.
function gateway:upstream(name)
  if not self.upstreams[name] then
    local services = self.model.services
    if not services[name] and not tostring(name):find ":" then
      local hint = suggest.hint(tostring(name), suggest.keys(services))
      error(("gateway: neither a service nor an address with its port: '%s'%s"):format(tostring(name), hint), 2)
    end
    self.upstreams[name] = upstream.new()
  end
  return self.upstreams[name]
end

local function value_in(text, name, labels)
  for line in text:gmatch("[^\n]+") do
    local found, rest, value = line:match("^([%w_:]+)(%b{}) (%S+)$")
    if not found then found, value = line:match("^([%w_:]+) (%S+)$") end
    local fits = found == name
    for label, wanted in pairs(labels or {}) do
      fits = fits and rest ~= nil and rest:find(('%s="%s"'):format(label, wanted), 1, true) ~= nil
    end
    if fits then return tonumber(value) end
  end
  return 0
end

--- By how much a metric has grown since the gateway began: "moongate_requests_total", of the first series that has
-- these labels (nil: of any).
function gateway:metric(name, labels)
  check_current(self, 3)
  return value_in(settings.driver.metrics(), name, labels) - value_in(self.metrics_before, name, labels)
end

-- ---- making one ---------------------------------------------------------------------------

-- Of an endpoint that is a listener of the same config there is none, unless a test has asked for it.
local function upstream_of(self, address)
  local name = self.upstreams[address] and address or places.service_at(self.model, address)
  if not name or not self.upstreams[name] and places.is_listener(self.model, address) then return nil end
  return self:upstream(name)
end

local function load(config)
  local model, mistakes
  if type(config) == "table" then
    policy.forget()
    model, mistakes = require("moongate.config.lua").read(source.text(config), "config")
  else
    model, mistakes = require("moongate.config").load({ config }, {})
  end
  if model then return model end
  local lines = {}
  for i, entry in ipairs(mistakes) do lines[i] = require("moongate.config").message(entry) end
  return nil, table.concat(lines, "\n")
end

--- A gateway with this config: a table as a config in Lua returns it, or the path of one (a file, or a folder of YAML).
-- There is one at a time: the next takes the place of this one. What is wrong with the config raises.
-- @return an object with ask(), get(), begin(), advance(), upstream(), metric(), and log = the lines logged so far
-- ("error a policy raised ..."), lines = by sink ("stdout", a path) the whole lines written to it
function test.gateway(config)
  local self = setmetatable({ upstreams = {}, lines = {}, log = not settings.driver.log and {} or nil }, gateway)
  journal.begin(self, settings.seed)
  local model, mistakes = load(config)
  if not model then error(mistakes, 2) end
  self.model, settings.current = model, self
  settings.driver.start(model, function(address) return upstream_of(self, address) end, config)
  self.metrics_before = settings.driver.metrics()
  return self
end

--- A gateway of one policy with these settings: whatever it passes on goes to upstream(), which answers 200 and nothing
-- until it is told otherwise.
function test.policy(name, conf)
  local use = { name }
  for key, value in pairs(conf or {}) do use[key] = value end
  return test.gateway {
    listeners = { web = { address = ADDRESS } }, services = { upstream = { endpoints = { UPSTREAM } } },
    routes = { { policies = { use }, backends = { { service = "upstream" } } } },
  }
end

--- Whether `text` is that of the file at `path`, relative to the spec's folder; if not, raises with the first line that
-- differs. With `moongate test --update-golden` the file is written instead.
function test.golden(path, text)
  golden.compare(debug.getinfo(2, "S").source, path, text)
end

--- Called once by `moongate test`: how the gateways of this run are made.
function test.setup(given)
  settings.seed, settings.driver = given.seed, given.driver
end

return test
