--- Field lines (RFC 9112, 5; RFC 9110, 5.5 and 5.6.2), those of one hop (RFC 9110, 7.6.1 and 7.8), Expect (10.1.1).
local LINE, H = "GET /a HTTP/1.1\r\n", "Host: t\r\n"
local PLAIN = LINE .. H .. "\r\n"

local function good(name, lines, seen) -- seen: the field lines that go on
  return { name, LINE .. H .. lines .. "\r\n", reaches = { LINE .. H .. (seen or lines) .. "\r\n" } }
end

local function bad(name, lines, status) return { name, LINE .. H .. lines .. "\r\n", refused = status or 400 } end

local POST = "POST /a HTTP/1.1\r\n" .. H
local BODY = "Content-Length: 5\r\n\r\nhello"

return {
  good("a field", "X-A: 1\r\n"),
  good("no blank behind the colon", "X-A:1\r\n", "X-A: 1\r\n"),
  good("blanks around the value", "X-A: \t a b\t \r\n", "X-A: a b\r\n"),
  good("an empty value", "X-A:\r\n", "X-A: \r\n"),
  good("colons in the value", "X-A: a:b: c\r\n"),
  good("the order stays", "X-A: 1\r\nX-B: 2\r\nx-a: 3\r\n"),
  good("all of a token", "!#$%&'*+-.^_`|~09azAZ: 1\r\n"),
  good("bytes above ASCII in a value", "X-A: \128\160\255\r\n"),
  good("a tab inside a value", "X-A: a\tb\r\n"),
  good("100 fields", ("X: 1\r\n"):rep(99)),
  bad("101 fields", ("X: 1\r\n"):rep(100), 431),
  bad("a head of 40,000 bytes", ("X: " .. ("a"):rep(390) .. "\r\n"):rep(100):sub(1, -3) .. "\r\n", 431),
  bad("a value of 40,000 bytes", "X: " .. ("a"):rep(40000) .. "\r\n", 431),
  bad("a name of 40,000 bytes", ("X"):rep(40000) .. ": 1\r\n", 431),
  bad("no colon", "X-A\r\n"),
  bad("no name", ": 1\r\n"),
  bad("a blank before the colon", "X-A : 1\r\n"),
  bad("a tab before the colon", "X-A\t: 1\r\n"),
  bad("a blank inside the name", "X A: 1\r\n"),
  bad("a blank before the name", " X-A: 1\r\n"),
  bad("a fold", "X-A: 1\r\n 2\r\n"),
  bad("a fold by a tab", "X-A: 1\r\n\t2\r\n"),
  bad("a fold of nothing", "X-A: 1\r\n \r\n"),
  bad("a bare CR in a value", "X-A: 1\rX-B: 2\r\n"),
  bad("a bare LF in a value", "X-A: 1\nX-B: 2\r\n"),
  bad("a CR before CRLF", "X-A: 1\r\r\n"),
  bad("an LF before the end", "X-A: 1\n\r\n"),
  { "a blank line of LF", LINE .. H .. "\n", refused = 400 },
  { "a blank before the first field", LINE .. " X-A: 1\r\n" .. H .. "\r\n", refused = 400 },

  good("Connection goes, with what it names",
    "Connection: x-drop , close-ish,,\r\nX-Drop: 1\r\nx-drop: 2\r\nX-A: 1\r\n",
    "X-A: 1\r\n"),
  good("two lines of Connection", "Connection: X-B\r\nX-B: 1\r\nConnection: X-C\r\nX-C: 1\r\n", ""),
  bad("100 options", "Connection: " .. ("a,"):rep(100) .. "\r\n"),
  bad("nine lines of Connection", ("Connection: a\r\n"):rep(9)),
  good("an option that is no token", "Connection: \"a\", b c\r\nX-A: 1\r\n", "X-A: 1\r\n"),
  good("the usual fields of one hop",
    "Keep-Alive: timeout=5\r\nProxy-Connection: keep-alive\r\nTrailer: X\r\nTE: gzip\r\n", ""),
  good("TE: trailers is said anew", "TE: gzip, trailers\r\n", "Connection: te\r\nTE: trailers\r\n"),
  good("TE: trailers with a weight", "TE: trailers;q=0\r\n", ""),
  good("the fields that tell of the client", "Connection: x-forwarded-for, x-forwarded-proto, x-request-id\r\n", ""),
  good("what CGI takes for one of them", "X_Forwarded_For: 1.1.1.1\r\nx-request_id: 1\r\nX_A: 1\r\n", "X_A: 1\r\n"),
  good("a claim about the client", "X-Forwarded-Client-Cert: Hash=1\r\n", ""),

  { "Connection: close", LINE .. H .. "Connection: close\r\n\r\n", reaches = { PLAIN }, closes = true },
  { "Connection: close among others", LINE .. H .. "Connection: x, CLOSE\t, keep-alive\r\n\r\n", reaches = { PLAIN },
    closes = true },
  { "Proxy-Connection: close means nothing", LINE .. H .. "Proxy-Connection: close\r\n\r\n", reaches = { PLAIN } },
  { "HTTP/1.0", "GET /a HTTP/1.0\r\n" .. H .. "\r\n", reaches = { PLAIN }, closes = true },
  { "HTTP/1.0 kept alive", "GET /a HTTP/1.0\r\n" .. H .. "Connection: keep-alive\r\n\r\n", reaches = { PLAIN } },
  { "HTTP/1.0 that says both", "GET /a HTTP/1.0\r\n" .. H .. "Connection: keep-alive, close\r\n\r\n",
    reaches = { PLAIN },
    closes = true },
  { "HTTP/1.0 and TE", "GET /a HTTP/1.0\r\n" .. H .. "TE: trailers\r\n\r\n", reaches = { PLAIN }, closes = true },

  good("an upgrade", "Connection: upgrade\r\nUpgrade: websocket\r\n"),
  good("an upgrade to a version", "Connection: Upgrade\r\nUpgrade: a/1, b\r\n",
    "Connection: upgrade\r\nUpgrade: a/1, b\r\n"),
  good("an upgrade that Connection does not name", "Upgrade: websocket\r\n", ""),
  good("an upgrade to nothing", "Connection: upgrade\r\nUpgrade:\r\n", ""),
  good("an upgrade to what is no protocol", "Connection: upgrade\r\nUpgrade: web socket\r\n", ""),
  good("an upgrade to HTTP/2", "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMA\r\n", ""),
  good("an upgrade to HTTP/2 or another", "Connection: Upgrade\r\nUpgrade: websocket, h2c\r\nHTTP2-Settings: AA\r\n",
    ""),
  { "an upgrade in HTTP/1.0", "GET /a HTTP/1.0\r\n" .. H .. "Connection: upgrade\r\nUpgrade: websocket\r\n\r\n",
    reaches = { PLAIN }, closes = true },
  { "an upgrade beside a body", POST .. "Connection: upgrade\r\nUpgrade: websocket\r\n" .. BODY,
    reaches = { POST .. BODY } },
  { "an upgrade beside an empty body", POST .. "Connection: upgrade\r\nUpgrade: x\r\nContent-Length: 0\r\n\r\n",
    reaches = { POST .. "Content-Length: 0\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n" } },

  { "Expect: 100-continue", POST .. "Expect: 100-continue\r\n" .. BODY, reaches = { POST .. BODY }, interims = 1 },
  { "Expect in capitals", POST .. "Expect: 100-CONTINUE\r\n" .. BODY, reaches = { POST .. BODY }, interims = 1 },
  { "Expect as a list", POST .. "Expect: ,100-continue\r\nExpect: 100-continue\r\n" .. BODY, reaches = { POST .. BODY },
    interims = 1 },
  { "Expect of nothing", POST .. "Expect:\r\n" .. BODY, reaches = { POST .. BODY } },
  { "Expect without a body", LINE .. H .. "Expect: 100-continue\r\n\r\n", reaches = { PLAIN } },
  { "Expect in HTTP/1.0", "POST /a HTTP/1.0\r\n" .. H .. "Expect: magic\r\n" .. BODY, reaches = { POST .. BODY },
    closes = true },
  { "another expectation", POST .. "Expect: magic\r\n" .. BODY, refused = 417 },
  { "another expectation beside it", POST .. "Expect: 100-continue, magic\r\n" .. BODY, refused = 417 },
  { "an expectation with a parameter", POST .. "Expect: 100-continue;a\r\n" .. BODY, refused = 417 },
}
