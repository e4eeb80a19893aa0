--- What a client does wrong: { name, sends = bytes, ... }.  `every`: after each byte of it, once each, it `ends`
-- ("close", "reset"; nil: it waits until the gateway does).  `status`: what it is told before.  Another client's
-- requests go on beside it.
local POST = "POST /a HTTP/1.1\r\nHost: a\r\nX-Id: badc0de0\r\nContent-Length: 10\r\n\r\n0123456789"
local CHUNKS = "POST /a HTTP/1.1\r\nHost: a\r\nX-Id: badc0de1\r\nTransfer-Encoding: chunked\r\n\r\n"
local GET = "GET /a HTTP/1.1\r\nHost: a\r\nX-Id: badc0de2\r\n\r\n"

return {
  { "closes at every byte of a request", sends = POST, every = true, ends = "close" },
  { "resets at every byte of a request", sends = POST, every = true, ends = "reset" },
  { "resets at every byte of chunks", sends = CHUNKS .. "5;a=b\r\nhello\r\n0\r\nT: 1\r\n\r\n", every = true,
    ends = "reset" },
  { "resets at every byte of a pipeline", sends = GET .. POST .. GET, every = true, ends = "reset" },
  { "asks two thousand times and reads nothing", sends = GET:rep(2000), ends = "reset" },
  { "sends chunks of one byte", sends = CHUNKS .. ("1\r\nx\r\n"):rep(20000) .. "0\r\n\r\n", status = 200,
    ends = "close" },
  { "floods a chunk's extensions", sends = CHUNKS .. ("1;" .. ("e"):rep(200) .. "\r\nx\r\n"):rep(100), status = 413 },
  { "sends a chunk's line without end", sends = CHUNKS .. ("0"):rep(300), status = 413 },
  { "floods trailers", sends = CHUNKS .. "0\r\n" .. ("X: 1\r\n"):rep(2000), status = 413 },
  { "floods fields", sends = "GET /a HTTP/1.1\r\nHost: a\r\n" .. ("X: 1\r\n"):rep(200), status = 431 },
  { "floods empty lines", sends = ("\r\n"):rep(2000), status = 400 },
  { "names two hundred fields of the hop", sends = "GET /a HTTP/1.1\r\nHost: a\r\nConnection: "
    .. ("a, "):rep(200) .. "b\r\n\r\n", status = 400 },
  { "speaks TLS where there is none", sends = "\22\3\1\2\0\1\0\1\252\3\3" .. ("\0"):rep(64), status = 400 },
}
