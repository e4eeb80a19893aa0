--- escapes: what a policy might try to get out of its sandbox, as data.
-- Each is Lua that runs in a policy with `ctx` as its parameter; it returns what is true where it got out.  Another
-- policy of the same chain is the witness: where it was tampered with, what it says changes.
return {
  -- libraries that are not there
  { "io", "return io" },
  { "os.execute", "return os.execute or os.exit or os.getenv or os.remove or os.rename or os.tmpname or os.setlocale" },
  { "debug", "return debug" },
  { "ffi", "return ffi" },
  { "jit", "return jit" },
  { "package", "return package or module" },
  { "dofile", "return dofile or loadfile" },
  { "getfenv", "return getfenv or setfenv" },
  { "newproxy", "return newproxy" },
  { "collectgarbage", "return collectgarbage or gcinfo" },
  { "string.dump", "return string.dump or (''):reverse().dump or (function() return ('').dump end)()" },
  { "math.randomseed", "return math.randomseed" },
  { "table.foreach", "return table.foreach or table.foreachi or table.getn" },
  -- modules that a policy may not have
  { "require ffi", "return require 'ffi'" },
  { "require io", "return require 'io'" },
  { "require os", "return require('os').execute" },
  { "require debug", "return require 'debug'" },
  { "require package", "return require 'package'" },
  { "require jit", "return require 'jit'" },
  { "require jit.util", "return require 'jit.util'" },
  { "require jit.profile", "return require 'jit.profile'" },
  { "require table.new", "return require 'table.new'" },
  { "require string.buffer", "return require 'string.buffer'" },
  { "require cjson", "return require 'cjson'" },
  { "to say what a token says", "local jwt = require 'moongate.jwt' return jwt.remember or jwt.recall" },
  { "require _G", "return require '_G'" },
  { "require moongate.abi", "return require 'moongate.abi'" },
  { "require moongate.ctx", "return require 'moongate.ctx'" },
  { "require moongate.face", "return require 'moongate.face'" },
  { "require moongate.closed", "return require 'moongate.closed'" },
  { "require moongate.runtime", "return require 'moongate.runtime'" },
  { "require moongate.worker", "return require 'moongate.worker'" },
  { "require moongate.policy", "return require 'moongate.policy'" },
  { "require moongate.sandbox", "return require 'moongate.sandbox'" },
  { "require moongate.budget", "return require 'moongate.budget'" },
  { "require moongate.cdef", "return require 'moongate.cdef'" },
  { "read a file", "return require('moongate.config.sources').read '/etc/passwd'" },
  { "the gateway's own dictionary", "return require('moongate.shared').open 'moongate health'" },
  { "write to a file", "return require('moongate.log').sink '/dev/null'" },
  { "write to a file, by a path that is none", "return require('moongate.log').sink './stdout'" },
  { "another policy's file", "return require 'policies.witness'" },
  { "a stock policy's file", "return require 'policies.rbac.pattern'" },
  { "a path in a name", "return require 'policies.escape.../../../etc/passwd'" },
  { "functions for moongate alone", "local t = require 'moongate.timer' return t.run or t.begin_load or t.end_load" },
  { "what is behind a key set", "return require('moongate.jwk').behind" },
  -- code that is not text
  { "bytecode by load", "local f = load('\\27LJ\\2\\8\\0') return f" },
  { "bytecode by loadstring", "local f = loadstring('\\27LJ\\2\\8\\0') return f" },
  { "bytecode in mode b", "local f = load('\\27LJ\\2\\8\\0', 'x', 'b') return f" },
  { "bytecode from a reader", [[
    local parts = { '\27LJ', '\2\8\0' }
    return load(function() return table.remove(parts, 1) end)]] },
  { "load with globals that are none", [[
    for _, own in ipairs { 5, 'x', true, ctx, print, coroutine.create(print), 1LL } do
      local ok, f = pcall(load, 'return io or debug or package', 'x', 't', own)
      if ok and f and f() then return type(own) end
    end
    local ok, f = pcall(load, 'return io', 'x', 't', false)
    return ok and f and f()]] },
  { "load's environment", "return load('return io or debug or require')() ~= require or load 'return io' ()" },
  -- what is behind the objects
  { "ctx's fields", "return ctx._x or ctx._s or ctx._f or ctx.__index" },
  { "ctx as a table", "return type(ctx) == 'table' or pcall(next, ctx) or pcall(pairs, ctx)" },
  { "rawget of ctx", "return pcall(rawget, ctx, '_x')" },
  { "ctx's metatable", "return getmetatable(ctx)" },
  { "another metatable for ctx", "return pcall(setmetatable, ctx, {})" },
  { "the metatables of its parts", [[
    return getmetatable(ctx.req) or getmetatable(ctx.req.headers) or getmetatable(ctx.res) or getmetatable(ctx.peer)
      or getmetatable(ctx.listener) or getmetatable(ctx.route)]] },
  { "the iteration of headers", [[
    local step, state = ctx.req.headers:each()
    return type(state) == 'table' or getmetatable(state) or state.x]] },
  { "a forged self", [[
    local keys = {}
    local spy = setmetatable({}, { __index = function(_, key)
      if type(key) ~= 'string' or key:find '^_' then keys[#keys + 1] = key end
    end })
    for _, name in ipairs { 'respond', 'sleep', 'flag', 'flags_text', 'use_backend', 'peek_body' } do
      if pcall(ctx[name], spy, 1) then return name end
    end
    for _, f in ipairs { ctx.req.headers.get, ctx.req.cookie, ctx.res.body } do
      if pcall(f, spy, 'a') then return 1 end
    end
    return keys[1] ]] },
  { "the wrong self", "return pcall(ctx.req.headers.get, ctx, 'a') or pcall(ctx.sleep, ctx.req, 1)" },
  { "the model", "return ctx.route.chain or ctx.listener.tls or ctx.route.policies or ctx.listener.at" },
  { "a change of the model", "return pcall(function() ctx.route.name = 'mine' end)" },
  { "ctx.route of rawset", "return pcall(rawset, ctx.route, 'name', 'mine') or pcall(table.insert, ctx.route, 'a')" },
  { "slots of a metric", [[
    local series = require('moongate.metrics').counter { name = 'escape_total' }:with()
    return series.slots or series.family or getmetatable(series)]] },
  { "a metric's family", [[
    local family = require('moongate.metrics').counter { name = 'escape_total' }
    return family.known or family.id or getmetatable(family)]] },
  { "a dictionary's handle", "local d = require('moongate.shared').open 'escape' return d.handle or getmetatable(d)" },
  { "a pattern's handle", "local r = require('moongate.regex').compile 'a' return r.handle or getmetatable(r)" },
  { "a gzip stream's handle", [[
    local stream = require('moongate.gzip').encoder()
    return stream.handle or getmetatable(stream) or pcall(rawset, stream, 'push', 1)]] },
  { "redis's null", "return pcall(rawset, require('moongate.redis').null, 'mine', 1)" },
  { "a key set's methods", [[
    local set = require('moongate.jwk').read '{"kty":"oct","k":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}'
    return set.__index]] },
  { "a key set's metatable", [[
    local set = require('moongate.jwk').read '{"kty":"oct","k":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}'
    return getmetatable(set)]] },
  { "a shared key source", [[
    local jwks = require 'moongate.jwks'
    local source = jwks.fixed '{"kty":"oct","k":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}'
    return source.set or getmetatable(source) or jwks.set(source, ctx).keys or getmetatable(jwks.set(source, ctx))]] },
  { "a number of C", "local n = 1LL return getmetatable(n) ~= 'ffi' or pcall(function() return n[0] end)" },
  -- what all share
  { "strings' metatable", "return getmetatable ''" },
  { "strings' methods", "return pcall(function() (('').x).y = 1 end) or pcall(rawset, '', 'x', 1)" },
  { "the string library", "string.upper = function() return 'mine' end return ('a'):upper() == 'mine'" },
  { "the table library", "table.concat = function() return 'mine' end" },
  { "tostring", "tostring = function() return 'mine' end _G.tostring = tostring" },
  { "a global", "escaped = true _G.escaped = true" },
  { "_G's metatable", "setmetatable(_G, { __index = function() return true end })" },
  { "a module's function", "require('moongate.json').encode = function() return 'mine' end" },
  { "json's array", "return getmetatable(require('moongate.json').array {}) ~= 'json.array'" },
  { "json's array, given a metatable", [[
    return pcall(setmetatable, require('moongate.json').array {}, { __index = function() return 1 end })]] },
  { "rawset on ctx", "return pcall(rawset, ctx, 'req', 1)" },
  { "rawset on headers", "return pcall(rawset, ctx.req.headers, 'get', 1)" },
  { "an assignment to ctx", [[
    return pcall(function() ctx.req = 1 end) or pcall(function() ctx.sleep = 1 end)]] },
  { "another policy's notes", "return ctx.own.secret" },
  -- the lane
  { "the lane", "return coroutine.running()" },
  { "a yield of the lane", "return pcall(coroutine.yield, 1)" },
  { "a resume of the lane", [[
    local lane = coroutine.running()
    return pcall(coroutine.resume, lane or 1)]] },
  { "the lane's wait", [[
    local co = coroutine.create(function() ctx:sleep(1) return 'slept' end)
    local ok, said = coroutine.resume(co)
    return said ~= 'slept']] },
  { "everything that can be reached", [[
    local seen, found = {}, nil
    local function visit(value, path)
      local kind = type(value)
      if kind == 'cdata' or kind == 'thread' then found = found or path .. ' is a ' .. kind end
      if kind ~= 'table' or seen[value] then return end
      seen[value] = true
      if rawget(value, '_x') or rawget(value, 'execute') or rawget(value, 'getinfo') then found = found or path end
      visit(getmetatable(value), path .. '@')
      for key, one in pairs(value) do
        visit(key, path .. '.key')
        visit(one, path .. '.' .. tostring(key))
      end
    end
    visit(_G, '_G')
    for name in ('base64 cel claims cookie field hash http json jwk jwks jwt log metrics normalize prefix query random '
      .. 'regex shared time timer units'):gmatch '%S+' do visit(require('moongate.' .. name), name) end
    for name in ('route backend endpoint listener own shared peer req res'):gmatch '%S+' do visit(ctx[name], name) end
    return found]] },
}
