--- What an upstream says (RFC 9112, 4, 6.3 and 7.1; RFC 9110, 15.2): { name, its bytes, ... }.  `client`: what the
-- client sees, without Date, or the status of the gateway's own answer; `kept`: the connection upstream serves again;
-- `cut`: the client sees that the end is missing; `ends`: the upstream closes; `method`, `request`: what it was asked.
local OK = "HTTP/1.1 200 OK\r\n"
local GOOD = OK .. "Content-Length: 2\r\n\r\nok"
local CHUNKED = OK .. "Transfer-Encoding: chunked\r\n\r\n"
local GATEWAY = 502

local function line(name, text) return { "a start line: " .. name, text .. "\r\nContent-Length: 2\r\n\r\nok",
  client = GATEWAY } end

local function length(name, value)
  return { "Content-Length: " .. name, OK .. "Content-Length:" .. value .. "\r\n\r\nok", client = GATEWAY }
end

local function coding(name, value)
  return { "Transfer-Encoding: " .. name, OK .. "Transfer-Encoding:" .. value .. "\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    client = GATEWAY }
end

local function field(name, lines) return { name, OK .. lines .. "Content-Length: 2\r\n\r\nok", client = GATEWAY } end

-- Chunks of 2 bytes come first, so that the head has gone out when it breaks.
local function broken(name, rest) return { name, CHUNKED .. "2\r\nok\r\n" .. rest, client = CHUNKED, cut = true } end

return {
  { "a length", GOOD, client = GOOD, kept = true },
  { "a length of 0", OK .. "Content-Length: 0\r\n\r\n", client = OK .. "Content-Length: 0\r\n\r\n", kept = true },
  { "no reason", "HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok", client = GOOD, kept = true },
  { "an empty reason", "HTTP/1.1 200 \r\nContent-Length: 2\r\n\r\nok", client = GOOD, kept = true },
  { "a reason of its own", "HTTP/1.1 200 Fine \195\169\r\nContent-Length: 2\r\n\r\nok", client = GOOD, kept = true },
  { "a status nobody knows", "HTTP/1.1 299 X\r\nContent-Length: 2\r\n\r\nok",
    client = "HTTP/1.1 299 Unknown\r\nContent-Length: 2\r\n\r\nok", kept = true },
  { "HTTP/1.0", "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", client = GOOD, kept = false },
  { "HTTP/1.0 kept alive", "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok", client = GOOD,
    kept = true },
  { "Connection: close", OK .. "Connection: close\r\nContent-Length: 2\r\n\r\nok", client = GOOD, kept = false },
  { "Connection: close and a tab", OK .. "Connection: close\t\r\nContent-Length: 2\r\n\r\nok", client = GOOD,
    kept = false },
  line("two blanks", "HTTP/1.1  200 OK"),
  line("two digits", "HTTP/1.1 20 OK"),
  line("four digits", "HTTP/1.1 2000 OK"),
  line("letters", "HTTP/1.1 2OO OK"),
  line("a sign", "HTTP/1.1 +20 OK"),
  line("below 100", "HTTP/1.1 099 OK"),
  line("above 599", "HTTP/1.1 600 OK"),
  line("no status", "HTTP/1.1"),
  line("a tab", "HTTP/1.1\t200 OK"),
  line("a blank in front", " HTTP/1.1 200 OK"),
  line("HTTP/2.0", "HTTP/2.0 200 OK"),
  line("a small http", "http/1.1 200 OK"),
  line("another protocol", "ICY 200 OK"),
  line("an LF inside", "HTTP/1.1 200 O\nK"),
  line("a CR inside", "HTTP/1.1 200 O\rK"),
  line("a NUL inside", "HTTP/1.1 200 O\0K"),
  line("an empty line in front", "\r\nHTTP/1.1 200 OK"),
  length("empty", ""),
  length("a plus", " +2"),
  length("a minus", " -2"),
  length("hex", " 0x2"),
  length("a list", " 2, 2"),
  length("a list of two lengths", " 2, 3"),
  length("2^64", " 18446744073709551618"),
  field("two lengths alike", "Content-Length: 2\r\n"),
  field("two lengths", "Content-Length: 3\r\n"),
  field("a length and chunks", "Transfer-Encoding: chunked\r\n"),
  coding("empty", ""),
  coding("identity", " identity"),
  coding("gzip before chunked", " gzip, chunked"),
  coding("gzip behind chunked", " chunked, gzip"),
  coding("chunked twice", " chunked, chunked"),
  coding("a near miss", " xchunked"),
  { "chunks in HTTP/1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    client = GATEWAY },
  field("a fold", "X-A: 1\r\n 2\r\n"),
  field("a blank before the colon", "X-A : 1\r\n"),
  field("no colon", "X-A\r\n"),
  field("no name", ": 1\r\n"),
  field("a NUL", "X-A: \0\r\n"),
  field("a bare LF", "X-A: 1\nX-B: 2\r\n"),
  field("a bare CR", "X-A: 1\rX-B: 2\r\n"),
  field("201 fields", ("X: 1\r\n"):rep(201)),
  field("a value of 70,000 bytes", "X: " .. ("a"):rep(70000) .. "\r\n"),
  { "fields of one hop", OK
    .. "Connection: x-a, content-length\r\nX-A: 1\r\nKeep-Alive: 1\r\nProxy-Connection: close\r\n"
    .. "Upgrade: h2c\r\nTE: a\r\nTrailer: X\r\nX-B: 1\r\nContent-Length: 2\r\n\r\nok",
    client = OK .. "X-B: 1\r\nContent-Length: 2\r\n\r\nok", kept = true },
  { "cookies stay apart", OK .. "Set-Cookie: a=1\r\nSet-Cookie: b=2, c\r\nContent-Length: 2\r\n\r\nok",
    client = OK .. "Set-Cookie: a=1\r\nSet-Cookie: b=2, c\r\nContent-Length: 2\r\n\r\nok", kept = true },

  { "chunks", CHUNKED .. "2\r\nok\r\n0\r\n\r\n", client = CHUNKED .. "2\r\nok\r\n0\r\n\r\n", kept = true },
  { "extensions go", CHUNKED .. "2;a=b\r\nok\r\n0;c\r\n\r\n", client = CHUNKED .. "2\r\nok\r\n0\r\n\r\n", kept = true },
  { "trailers go to who asks for them", CHUNKED
    .. "2\r\nok\r\n0\r\nX-T: 1\r\nSet-Cookie: a\r\nContent-Length: 7\r\n\r\n",
    request = "TE: trailers\r\n", client = CHUNKED .. "2\r\nok\r\n0\r\nX-T: 1\r\n\r\n", kept = true },
  { "trailers go to nobody else", CHUNKED .. "2\r\nok\r\n0\r\nX-T: 1\r\n\r\n",
    client = CHUNKED .. "2\r\nok\r\n0\r\n\r\n",
    kept = true },
  { "a trailer that Connection names goes to nobody", CHUNKED:sub(1, -3)
    .. "Connection: X-T\r\n\r\n2\r\nok\r\n0\r\nx-t: 1\r\nX-U: 2\r\n\r\n",
    request = "TE: trailers\r\n", client = CHUNKED .. "2\r\nok\r\n0\r\nX-U: 2\r\n\r\n", kept = true },
  -- Nothing of the answer has gone by then; the connection ends all the same.
  { "a chunk that is none behind the head", CHUNKED .. "2\nok\r\n0\r\n\r\n", client = GATEWAY, cut = true },
  { "a chunk past 2^63 behind the head", CHUNKED .. "ffffffffffffffff\r\nok", client = GATEWAY, cut = true },
  broken("a size of letters", "g\r\nx\r\n0\r\n\r\n"),
  broken("a size of nothing", "\r\nx\r\n0\r\n\r\n"),
  broken("a size past 2^64", "10000000000000001\r\nx\r\n0\r\n\r\n"),
  broken("more bytes than said", "1\r\nxy\r\n0\r\n\r\n"),
  broken("an LF behind a chunk", "1\r\nx\n0\r\n\r\n"),
  broken("a trailer without a colon", "0\r\nX-T\r\n\r\n"),
  { "chunks that stop", CHUNKED .. "2\r\nok\r\n", client = CHUNKED, cut = true, ends = true },
  { "a length that is not reached", OK .. "Content-Length: 9\r\n\r\nok",
    client = OK .. "Content-Length: 9\r\n\r\nok", cut = true,
    ends = true },
  { "until the end", OK .. "\r\nok", client = CHUNKED .. "2\r\nok\r\n0\r\n\r\n", ends = true },
  { "nothing until the end", OK .. "\r\n", client = CHUNKED .. "0\r\n\r\n", ends = true },
  { "half a head", "HTTP/1.1 200 OK\r\nContent-", client = 503, ends = true },
  { "half a start line", "HTTP/1.", client = 503, ends = true },
  { "nothing", "", client = 503, ends = true },

  { "HEAD", OK .. "Content-Length: 5\r\n\r\n", method = "HEAD", client = OK .. "Content-Length: 5\r\n\r\n",
    kept = true },
  { "HEAD of chunks", CHUNKED, method = "HEAD", client = CHUNKED, kept = true },
  { "HEAD with a body", OK .. "Content-Length: 5\r\n\r\nhello", method = "HEAD",
    client = OK .. "Content-Length: 5\r\n\r\n",
    kept = false },
  { "HEAD with chunks", CHUNKED .. "2\r\nok\r\n0\r\n\r\n", method = "HEAD", client = CHUNKED, kept = false },
  { "204", "HTTP/1.1 204 X\r\n\r\n", client = "HTTP/1.1 204 No Content\r\n\r\n", kept = true },
  { "204 with a length", "HTTP/1.1 204 X\r\nContent-Length: 5\r\n\r\n", client = "HTTP/1.1 204 No Content\r\n\r\n",
    kept = true },
  { "204 with a body", "HTTP/1.1 204 X\r\nContent-Length: 5\r\n\r\nhello", client = "HTTP/1.1 204 No Content\r\n\r\n",
    kept = false },
  { "304 with a length", "HTTP/1.1 304 X\r\nContent-Length: 5\r\nETag: a\r\n\r\n",
    client = "HTTP/1.1 304 Not Modified\r\nETag: a\r\nContent-Length: 5\r\n\r\n", kept = true },
  { "304 with a body", "HTTP/1.1 304 X\r\nContent-Length: 5\r\n\r\nhello",
    client = "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", kept = false },
  { "304 that sends chunks", "HTTP/1.1 304 X\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    client = "HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n", kept = false },
  { "205", "HTTP/1.1 205 X\r\nContent-Length: 0\r\n\r\n",
    client = "HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\n\r\n",
    kept = true },
  { "a second response nobody asked for", GOOD .. GOOD, client = GOOD, kept = false },
  { "bytes behind a body", GOOD .. "!", client = GOOD, kept = false },
  { "bytes behind chunks", CHUNKED .. "2\r\nok\r\n0\r\n\r\n!", client = CHUNKED .. "2\r\nok\r\n0\r\n\r\n",
    kept = false },

  { "103 goes on", "HTTP/1.1 103 X\r\nLink: a\r\nConnection: x-a\r\nX-A: 1\r\n\r\n" .. GOOD,
    client = "HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n" .. GOOD, kept = true },
  { "100 that nobody waits for", "HTTP/1.1 100 X\r\n\r\n" .. GOOD, client = GOOD, kept = true },
  { "102 with a length", "HTTP/1.1 102 X\r\nContent-Length: 5\r\n\r\n" .. GOOD,
    client = "HTTP/1.1 102 Processing\r\n\r\n" .. GOOD, kept = true },
  { "102 with chunks", "HTTP/1.1 102 X\r\nTransfer-Encoding: chunked\r\n\r\n" .. GOOD,
    client = "HTTP/1.1 102 Processing\r\n\r\n" .. GOOD, kept = true },
  { "eight of 1xx", ("HTTP/1.1 102 X\r\n\r\n"):rep(8) .. GOOD,
    client = ("HTTP/1.1 102 Processing\r\n\r\n"):rep(8) .. GOOD,
    kept = true },
  { "a flood of 1xx", ("HTTP/1.1 100 X\r\n\r\n"):rep(1000) .. GOOD, client = GATEWAY },
  { "101 that nobody asked for", "HTTP/1.1 101 X\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
    client = GATEWAY },
  { "101 to another protocol", "HTTP/1.1 101 X\r\nConnection: upgrade\r\nUpgrade: other\r\n\r\n",
    request = "Connection: upgrade\r\nUpgrade: websocket\r\n", client = GATEWAY },
  { "101 that names none", "HTTP/1.1 101 X\r\n\r\n", request = "Connection: upgrade\r\nUpgrade: websocket\r\n",
    client = GATEWAY },
  { "426 says to what", "HTTP/1.1 426 X\r\nConnection: upgrade\r\nUpgrade: a/1\r\nContent-Length: 0\r\n\r\n",
    client = "HTTP/1.1 426 Upgrade Required\r\nContent-Length: 0\r\nConnection: upgrade\r\nUpgrade: a/1\r\n\r\n",
      kept = true },
}
