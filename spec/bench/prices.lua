--- prices: how spec/bench/api.lua calls each function that policies may call; the list of them is lua/moongate/api/.
-- By "object:function" or "module.function" as described there: an expression; or { what to set up once, expression,
-- most = calls at once }, where each call leaves something behind.
local prices = {}

local HEADERS = "local h = ctx.req.headers"
local TOKEN = "local jwt = require 'moongate.jwt' local text = '" .. ("eyJhbGciOiJSUzI1NiIsImtpZCI6ImEifQ."
  .. "eyJpc3MiOiJodHRwczovL2EiLCJzdWIiOiJiIiwiYXVkIjoiYyIsImV4cCI6NDEwMjQ0NDgwMH0.") .. ("A"):rep(342)
  .. "' local token = jwt.parse(text)"
local DICTIONARY = "local d = require('moongate.shared').open 'prices' d:set('key', 'value') d:set('n', 1)"
local BODY = "local body = ('0123456789abcdef'):rep(64)"

local function module(name, rest) return ("local m = require 'moongate.%s' %s"):format(name, rest or "") end

prices.calls = {
  ["ctx:respond"] = "ctx:respond(200, 'ok')",
  ["ctx:use_backend"] = "ctx:use_backend 'up'",
  ["ctx:waker"] = "ctx:waker()",
  ["waker:wake"] = { "local w = ctx:waker()", "w:wake()" },
  ["ctx:flag"] = "ctx:flag 'DI'",
  ["ctx:flags_text"] = "ctx:flags_text()",
  ["req:cookie"] = "ctx.req:cookie 'session'",
  ["req:param"] = "ctx.req:param 'q'",
  ["headers:get"] = { HEADERS, "h:get 'x-user'" },
  ["headers:get_all"] = { HEADERS, "h:get_all 'x-user'" },
  ["headers:next_of"] = { HEADERS, "h:next_of('x-user', 0)" },
  ["headers:set"] = { HEADERS, "h:set('x-user', 'amy')" },
  ["headers:add"] = { HEADERS, "h:add('x-more', 'amy')", most = 100 },
  ["headers:remove"] = { HEADERS, "h:remove 'x-absent'" },
  ["headers:each"] = { HEADERS, "for _ in h:each() do end" },
  ["base64.encode"] = { module("base64", BODY), "m.encode(body)" },
  ["base64.decode"] = { module("base64", BODY .. " body = m.encode(body)"), "m.decode(body)" },
  ["base64.encode_url"] = { module("base64", BODY), "m.encode_url(body)" },
  ["base64.decode_url"] = { module("base64", BODY .. " body = m.encode_url(body)"), "m.decode_url(body)" },
  ["claims.finder"] = { module "claims", "m.finder 'realm.roles'" },
  ["claims.names"] = { module "claims", "m.names '@request.auth.claims.sub'" },
  ["claims.texts"] = { module("claims", "local token, names = { claims = { sub = 'amy' } }, { 'sub' }"),
    "m.texts(token, names)" },
  ["cookie.get"] = { module "cookie", "m.get('a=1; session=abc', 'session')" },
  ["field.name_error"] = { module "field", "m.name_error 'x-user'" },
  ["field.value_error"] = { module "field", "m.value_error 'amy'" },
  ["field.as_cgi"] = { module "field", "m.as_cgi 'x-user'" },
  ["field.drop_forged"] = { module("field", HEADERS .. " local names = { [m.as_cgi 'x-absent'] = true }"),
    "m.drop_forged(names, h)" },
  ["gzip.decoder"] = { module "gzip", "m.decoder():close()" },
  ["gzip.encoder"] = { module "gzip", "m.encoder():close()" },
  ["stream:push"] = { module("gzip", BODY .. " local s = m.encoder()"), "s:push(body, false)" },
  ["hash.sha1"] = { module("hash", BODY), "m.sha1(body)" },
  ["hash.sha256"] = { module("hash", BODY), "m.sha256(body)" },
  ["hash.sha384"] = { module("hash", BODY), "m.sha384(body)" },
  ["hash.sha512"] = { module("hash", BODY), "m.sha512(body)" },
  ["hash.md5"] = { module("hash", BODY), "m.md5(body)" },
  ["hash.hmac"] = { module("hash", BODY), "m.hmac('sha256', 'key', body)" },
  ["hash.hex"] = { module "hash", "m.hex '0123456789abcdef'" },
  ["hash.u32"] = { module "hash", "m.u32 'amy'" },
  ["hash.unit"] = { module "hash", "m.unit 'amy'" },
  ["json.array"] = { module("json", "local list = {}"), "m.array(list)" },
  ["json.decode"] = { module "json", [[m.decode '{"user":"amy","roles":["a","b"],"age":30}']] },
  ["json.encode"] = { module("json", "local value = { user = 'amy', roles = { 'a', 'b' }, age = 30 }"),
    "m.encode(value)" },
  ["json_edit.path"] = { module "json_edit", "m.path '$.user.tags[0]'" },
  ["json_edit.set"] = { module("json_edit", "local steps = m.path '$.user'"),
    [[m.set('{"user":"amy","roles":["a","b"],"age":30}', steps, '"bob"')]] },
  ["jwk.is_known"] = { module "jwk", "m.is_known 'RS256'" },
  ["jwt.parse"] = { TOKEN, "jwt.parse(text)" },
  ["jwt.time_error"] = { TOKEN, "jwt.time_error(token, 1.7e9, 60)" },
  ["jwt.audiences"] = { TOKEN .. " local list = { 'c' }", "jwt.audiences(list)" },
  ["jwt.is_for"] = { TOKEN .. " local allowed = jwt.audiences { 'c' }", "jwt.is_for(token, allowed)" },
  ["log.format"] = { module("log", "local fields = { user = 'amy' }"), "m.format('text', fields)" },
  ["log.debug"] = { module "log", "m.debug 'text'" },
  ["counter:add"] = { module("metrics", "local s = m.counter({ name = 'p_c', labels = { 'a' } }):with 'b'"),
    "s:add(1)" },
  ["gauge:set"] = { module("metrics", "local s = m.gauge({ name = 'p_g', labels = { 'a' } }):with 'b'"), "s:set(1)" },
  ["gauge:add"] = { module("metrics", "local s = m.gauge({ name = 'p_g', labels = { 'a' } }):with 'b'"), "s:add(1)" },
  ["histogram:observe"] = { module("metrics",
    "local s = m.histogram({ name = 'p_h', labels = { 'a' }, buckets = { 1, 2, 4 } }):with 'b'"), "s:observe(3)" },
  ["prefix.replace"] = { module("prefix", "local conf = m.prepare { from = '/a', to = '/b' }"),
    "m.replace('/a/c', conf)" },
  ["query.decode"] = { module "query", "m.decode 'a%20b'" },
  ["query.encode"] = { module "query", "m.encode 'a b'" },
  ["query.each"] = { module "query", "for _ in m.each 'a=1&b=2' do end" },
  ["query.get_all"] = { module "query", "m.get_all('a=1&b=2', 'b')" },
  ["query.get"] = { module "query", "m.get('a=1&b=2', 'b')" },
  ["random.number"] = { module "random", "m.number()" },
  ["random.bytes"] = { module "random", "m.bytes(16)" },
  ["random.uuid"] = { module "random", "m.uuid()" },
  ["compiled:match"] = { module("regex", "local re = m.compile '/a/.*/c'"), "re:match '/a/b/c'" },
  ["compiled:find"] = { module("regex", "local re = m.compile 'b+'"), "re:find '/a/b/c'" },
  ["compiled:replace"] = { module("regex", "local re = m.compile 'b+'"), "re:replace('/a/b/c', 'x')" },
  ["dictionary:get"] = { DICTIONARY, "d:get 'key'" },
  ["dictionary:set"] = { DICTIONARY, "d:set('key', 'value')" },
  ["dictionary:add"] = { DICTIONARY, "d:add('key', 'value')" },
  ["dictionary:swap"] = { DICTIONARY, "d:swap('key', 'value', 'value')" },
  ["dictionary:delete"] = { DICTIONARY, "d:delete 'absent'" },
  ["dictionary:incr"] = { DICTIONARY, "d:incr('n', 1)" },
  ["dictionary:ttl"] = { DICTIONARY, "d:ttl 'key'" },
  ["time.now"] = { module "time", "m.now()" },
  ["time.monotonic"] = { module "time", "m.monotonic()" },
  ["time.rfc3339"] = { module "time", "m.rfc3339(1.7e9)" },
  ["time.http_date"] = { module "time", "m.http_date(1.7e9)" },
  ["time.http_date_now"] = { module "time", "m.http_date_now()" },
  ["timer.after"] = { module "timer", "m.cancel(m.after(60, print))" },
  ["units.duration"] = { module "units", "m.duration '1h30m'" },
  ["units.show_duration"] = { module "units", "m.show_duration(5400000)" },
  ["units.size"] = { module "units", "m.size '64KiB'" },
}

local WAITS = "it waits for the network"
local LOADS = "it is called when a config is loaded"
local NOT_ALONE = "it is priced with another, or means nothing alone"

--- Why the others have no price; a name without ":" or "." stands for all of that class.
prices.left_out = {
  test = "it is for tests", gateway = "it is for tests", pending = "it is for tests", upstream = "it is for tests",
  ["ctx:peek_body"] = WAITS, ["ctx:read_body"] = WAITS, ["ctx:sleep"] = "it waits", ["ctx:replace_body"] = NOT_ALONE,
  ["req:body"] = "a copy of the body", ["res:body"] = "a copy of the body",
  http = WAITS, redis = LOADS, client = WAITS, socket = WAITS, connection = WAITS, file = LOADS, otlp = LOADS,
  exporter = "it fills a queue", ["cel.compile"] = LOADS, ["field.map_error"] = LOADS, ["stream:close"] = NOT_ALONE,
  ["jwk.read"] = LOADS, jwks = "sources of keys are those of policy jwt",
  ["jwt.check"] = "a signature takes as long as its key says", ["jwt.recall"] = "it needs a set of keys",
  ["jwt.remember"] = "it needs a set of keys", ["log.info"] = "it writes", ["log.warn"] = "it writes",
  ["log.error"] = "it writes", ["log.sink"] = LOADS, sink = "it writes", metrics = LOADS, ["normalize.by_mode"] = LOADS,
  ["prefix.error"] = LOADS, ["prefix.prepare"] = LOADS, ["regex.compile"] = LOADS, ["shared.open"] = LOADS,
  ["compiled:rewrite_error"] = LOADS, ["timer.every"] = LOADS, ["timer.cancel"] = NOT_ALONE,
}

--- Fields of these classes are priced one and all, read from here.
prices.objects = { ["moongate.Ctx"] = "ctx", ["moongate.Request"] = "ctx.req", ["moongate.Peer"] = "ctx.peer" }

--- Reads and assignments that are no function's.
prices.others = {
  ["headers[name]"] = { HEADERS, "h['x-user']" },
  ["headers[name] of none"] = { HEADERS, "h['x-absent']" },
  ["headers[name] = value"] = { HEADERS, "h['x-user'] = 'amy'" },
}

--- What is to be priced, in the order of the description.
-- @param classes of moongate.reference
-- @return array of { name =, setup =, call = }, and an array of names that are neither priced nor left out
function prices.list(classes)
  local list, missing = {}, {}
  local function add(name, given)
    if type(given) == "string" then given = { "", given } end
    list[#list + 1] = { name = name, setup = given[1], call = given[2], most = given.most }
  end
  for _, class in ipairs(classes) do
    local object = prices.objects[class.name]
    for _, field in ipairs(object and class.fields or {}) do
      add(object .. "." .. field.name, object .. "." .. field.name)
    end
    for _, fn in ipairs(class.functions) do
      local name = fn.call:match "^[^(]*"
      local owner = name:match "^[%w_]+"
      if prices.calls[name] then
        add(name, prices.calls[name])
      elseif not prices.left_out[name] and not prices.left_out[owner] then
        missing[#missing + 1] = name
      end
    end
    if class.name == "moongate.Headers" then
      for _, name in ipairs { "headers[name]", "headers[name] of none", "headers[name] = value" } do
        add(name, prices.others[name])
      end
    end
  end
  return list, missing
end

return prices
