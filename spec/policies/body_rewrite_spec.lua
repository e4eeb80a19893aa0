require "spec.support.init"
local body_rewrite = require "policies.body_rewrite"
local fake = require "spec.support.fake_ctx"
local gzip = require "moongate.gzip"
local replace = require "policies.body_rewrite.replace"

local function encode(text) return assert(gzip.encoder()):push(text, true) end
local function decode(bytes) return assert(gzip.decoder()):push(bytes, true) end

-- The same done the slow way, at once.
local function expected(list, text)
  local out, at = {}, 1
  while at <= #text do
    local hit
    for _, pair in ipairs(list) do
      if not hit and text:sub(at, at + #pair.from - 1) == pair.from then hit = pair end
    end
    out[#out + 1] = hit and hit.to or text:sub(at, at)
    at = at + (hit and #hit.from or 1)
  end
  return table.concat(out)
end

describe("policy body_rewrite's replace", function()
  it("does the same whatever pieces a text comes in", function()
    math.randomseed(11)
    local function word(most)
      local letters = {}
      for i = 1, math.random(most) do letters[i] = ("ab"):sub(math.random(2)):sub(1, 1) end
      return table.concat(letters)
    end
    for _ = 1, 3000 do
      local list, text = {}, word(30)
      for i = 1, math.random(4) do list[i] = { from = word(5), to = math.random(2) == 1 and "" or "<" .. i .. ">" } end
      local program, held, parts, at = replace.prepare(list), "", {}, 1
      while at <= #text do
        local size = math.random(0, 4)
        parts[#parts + 1], held = replace.push(program, held, text:sub(at, at + size - 1), false)
        assert.is_true(#held < program.longest)
        at = at + size
      end
      parts[#parts + 1] = replace.push(program, held, "", true)
      assert.equal(expected(list, text), table.concat(parts))
    end
  end)
end)

describe("policy body_rewrite", function()
  local HTML = { ["content-type"] = "text/html; charset=utf-8" }

  local function pass(settings, headers, pieces, more)
    local conf = fake.conf(body_rewrite, settings)
    more = more or {}
    more.response_headers, more.status = headers, more.status or 200
    local ctx, out = fake.new(more), {}
    function ctx.respond(_, status, body)
      ctx.answer = { status = status, body = body }
      return ctx.answer
    end
    body_rewrite.request(conf, ctx)
    body_rewrite.response(conf, ctx)
    for i = 1, #pieces + 1 do
      out[#out + 1] = body_rewrite.response_body(conf, ctx, pieces[i] or "", i > #pieces)
    end
    body_rewrite.log(conf, ctx)
    return table.concat(out), ctx
  end

  local SWAP = { replace = { { from = "http://inner", to = "https://outer" } } }

  it("replaces texts across the borders of pieces, plain or in gzip", function()
    assert.equal("see https://outer/a", (pass(SWAP, HTML, { "see htt", "p://in", "ner/a" })))
    local bytes = encode(("x"):rep(100000) .. "http://inner")
    local pieces = {}
    for i = 1, #bytes, 10 do pieces[#pieces + 1] = bytes:sub(i, i + 9) end
    local out = pass(SWAP, { ["content-type"] = "text/plain", ["content-encoding"] = "gzip" }, pieces)
    assert.equal(("x"):rep(100000) .. "https://outer", decode(out))
  end)

  it("takes a coding that is none for none", function()
    for _, coding in ipairs { "", "identity", "Identity, ,identity" } do
      assert.equal("https://outer", (pass(SWAP, { ["content-type"] = "text/html", ["content-encoding"] = coding },
        { "http://inner" })))
    end
    assert.equal("https://outer", decode((pass(SWAP, { ["content-type"] = "text/html",
      ["content-encoding"] = { "identity", "GZIP" } }, { encode "http://inner" }))))
  end)

  it("sets values in JSON, after the texts", function()
    local settings = { replace = { { from = "inner", to = "outer" } }, set = { { path = "a.b", value = "x" },
      { path = "list", value = { 1, true } } } }
    local head = { ["content-type"] = "application/json", etag = '"1"' }
    assert.equal('{"a":{"b":"x"},"h":"outer","list":[1,true]}', (pass(settings, head, { '{"a":{"b"',
      ':1},"h":"inner"}' })))
    local out, ctx = pass(settings, head, { "<html>" })
    assert.same({ "", 502 }, { out, ctx.answer.status })
    settings.limit = 10
    assert.equal(502, select(2, pass(settings, head, { "[1,2,3,4", ",5,6]" })).answer.status)
    assert.equal("", (pass(settings, head, {})))
  end)

  it("says of the head what is true of the new body", function()
    local _, ctx = pass(SWAP, { ["content-type"] = "text/html", etag = '"1"', ["accept-ranges"] = "bytes",
      ["content-digest"] = "sha-256=:x:", ["content-md5"] = "y" }, { "a" }, { headers = { range = "bytes=0-1",
      ["if-range"] = '"1"', ["accept-encoding"] = "br, gzip;q=0.5" } })
    assert.same({ 'W/"1"', "gzip" }, { ctx.res.headers.etag, ctx.req.headers["accept-encoding"] })
    for _, name in ipairs { "accept-ranges", "content-digest",
      "content-md5" } do assert.is_nil(ctx.res.headers[name]) end
    assert.is_nil(ctx.req.headers.range)
    assert.is_nil(ctx.req.headers["if-range"])
    for given, asked in pairs { [""] = "identity", br = "identity", ["gzip;q=0, *"] = "identity", ["*"] = "gzip",
      ["GZIP"] = "gzip", ["*;q=0"] = "identity", ["deflate, gzip; q=0.0"] = "identity" } do
      ctx = select(2, pass(SWAP, HTML, {}, { headers = { ["accept-encoding"] = given } }))
      assert.equal(asked, ctx.req.headers["accept-encoding"], given)
    end
  end)

  it("knows whose tag a 304 confirms", function()
    for known, tag in pairs { ['W/"1"'] = 'W/"1"', ['"1"'] = '"1"', ['"0", W/"1"'] = 'W/"1"', ["*"] = '"1"' } do
      local _, ctx = pass(SWAP, { etag = '"1"' }, {}, { status = 304, headers = { ["if-none-match"] = known } })
      assert.equal(tag, ctx.res.headers.etag)
    end
  end)

  it("leaves other types alone", function()
    for _, kind in ipairs { "image/png", "text", "application/jsonp", "" } do
      local out, ctx = pass(SWAP, { ["content-type"] = kind, etag = '"1"' }, { "http://inner" })
      assert.same({ "http://inner", '"1"' }, { out, ctx.res.headers.etag })
    end
    assert.equal("http://inner", (pass(SWAP, { ["content-type"] = "multipart/byteranges" }, { "http://inner" })))
    assert.equal("https://outer", (pass(SWAP, { ["content-type"] = "TEXT/Html ;x" }, { "http://inner" })))
  end)

  it("passes nothing that it cannot rewrite", function()
    local function answered(headers, more)
      headers["content-type"] = "text/html"
      return select(2, pass(SWAP, headers, {}, more)).answer.status
    end
    assert.equal(502, answered { ["content-encoding"] = "br" })
    assert.equal(502, answered { ["content-encoding"] = "gzip, gzip" })
    assert.equal(502, answered { ["content-encoding"] = "gzip, identity, deflate" })
    assert.equal(502, answered({}, { status = 206 }))
    assert.equal(502, answered { ["content-range"] = "bytes 0-1/2" })
    local parts = { ["content-type"] = "multipart/byteranges; boundary=a" }
    assert.equal(502, select(2, pass(SWAP, parts, {}, { status = 206 })).answer.status)
    local zipped = { ["content-type"] = "text/html", ["content-encoding"] = "gzip" }
    assert.has_error(function() pass(SWAP, zipped, { "no gzip" }) end, nil)
    assert.has_error(function() pass(SWAP, zipped, { encode("text"):sub(1, -3) }) end, nil)
    assert.has_error(function() pass(SWAP, zipped, { encode(("0"):rep(5000000)) }) end, nil)
  end)

  it("rewrites requests, or refuses them", function()
    local settings = { side = "request", set = { { path = "user", value = "ada" } }, limit = 100 }
    local function send(headers, body)
      local conf = fake.conf(body_rewrite, settings)
      local ctx = fake.new { method = "POST", headers = headers, body = body }
      ctx.req.has_body = true
      local answer = body_rewrite.request(conf, ctx)
      if answer then return answer.status, answer end
      local out = body_rewrite.request_body(conf, ctx, body, true)
      return type(out) == "table" and out.status or out
    end
    local JSON = { ["content-type"] = "application/json" }
    assert.equal('{"a":1,"user":"ada"}', (send(JSON, '{"a":1}')))
    assert.equal("{", (send({ ["content-type"] = "image/png" }, "{")))
    assert.equal(400, (send(JSON, "{")))
    assert.equal(413, (send(JSON, "[" .. ("1,"):rep(100) .. "1]")))
    local zipped = { ["content-type"] = "application/json", ["content-encoding"] = "gzip" }
    assert.equal('{"user":"ada"}', decode((send(zipped, encode "{}"))))
    assert.equal(400, (send(zipped, "{}")))
    local status, answer = send({ ["content-type"] = "application/json", ["content-encoding"] = "br" }, "x")
    assert.same({ 415, "gzip" }, { status, answer.headers["accept-encoding"] })
  end)

  it("refuses settings that make no sense", function()
    local function wrong(settings) return (fake.mistakes(body_rewrite, settings))[1] end
    assert.matches("^replace: expected it, or 'set'", wrong {})
    assert.matches("^replace.1.from: ", wrong { replace = { { from = "" } } })
    assert.matches("^set.1.path: expected", wrong { set = { { path = "a..b", value = 1 } } })
    assert.matches("^set.1.value: json", wrong { set = { { path = "a", value = { a = print } } } })
    assert.matches("^content_types.1: ", wrong { replace = { { from = "a" } }, content_types = { "html" } })
    assert.matches("^gzip_ratio: ", wrong { replace = { { from = "a" } }, gzip_ratio = 1 })
  end)
end)
