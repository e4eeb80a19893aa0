--- What an upstream does wrong, and what the client sees of it.
--
-- { name, says = bytes, ... }.  In bytes "%id%" stands for the request's own id (8 characters).  `first`: says it
-- before it has read anything; `idle`: says it while no request is there, after a good answer; `ends`: then it closes,
-- resets or (nil) stays; `every`: it ends so after each byte of it (true), or of its body ("body"), once each.
-- `method`, `sends` (bytes of a body that the client announces and does not send whole): of the request.
-- The client must see `status`, with what begins with `flag` in the log and, of 200, the request's own id; or `cut`: an
-- answer of 200 whose end is missing, or 502 and up.
local LENGTH = "HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\nid %id%.."
local CHUNKED = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nb\r\nid %id%\r\n2\r\n..\r\n0\r\n"
local HEAD = "HTTP/1.1 200 OK\r\nContent-Length: 13\r\nX-Pad: 0123456789\r\n"

return {
  { "says nothing and stays", says = "", status = 504, flag = "UT" },
  { "says nothing and closes", says = "", ends = "close", status = 503, flag = "UC" },
  { "says nothing and resets", says = "", ends = "reset", status = 503, flag = "UR" },
  { "closes before the request", says = "", first = true, ends = "close", status = 503, flag = "U" },
  { "resets before the request", says = "", first = true, ends = "reset", status = 503, flag = "U" },
  { "closes inside a head", says = HEAD, ends = "close", every = true, status = 503, flag = "UC" },
  { "resets inside a head", says = HEAD, ends = "reset", every = true, status = 503, flag = "UR" },
  { "stops inside a head", says = HEAD, status = 504, flag = "UT" },
  { "closes inside a body", says = LENGTH, ends = "close", every = "body", cut = true, flag = "U" },
  { "resets inside a body", says = LENGTH, ends = "reset", every = "body", cut = true, flag = "U" },
  { "stops inside a body", says = LENGTH:sub(1, -2), cut = true, flag = "UT" },
  { "closes inside chunks", says = CHUNKED, ends = "close", every = "body", cut = true, flag = "U" },
  { "resets inside chunks", says = CHUNKED, ends = "reset", every = "body", cut = true, flag = "U" },
  { "stops inside chunks", says = CHUNKED, cut = true, flag = "UT" },
  { "resets inside a body that a close would end", says = "HTTP/1.1 200 OK\r\n\r\nid %id%", ends = "reset", cut = true,
    flag = "U" },
  { "speaks another protocol", says = "220 mail.test ESMTP\r\n", status = 502, flag = "UPE" },
  { "speaks another protocol before the request", says = "220 mail.test ESMTP\r\n", first = true, status = 502,
    flag = "UPE" },
  { "says zeros", says = ("\0"):rep(4096), status = 502, flag = "UPE" },
  { "says a chunk that is none", says = CHUNKED:gsub("2\r\n%.%.", "2x\r\n.."), cut = true, flag = "U" },
  { "ends a chunk with other bytes", says = CHUNKED:gsub("%.%.\r\n", "..xx"), cut = true, flag = "U" },
  { "answers twice at once", says = LENGTH .. LENGTH, status = 200 },
  { "answers twice, the second time another's", says = LENGTH .. LENGTH:gsub("%%id%%", "deadbeef"), status = 200 },
  { "answers a request that was not made", says = LENGTH:gsub("%%id%%", "deadbeef"), idle = true, status = 200 },
  { "says more than the answer", says = LENGTH .. "more", status = 200 },
  { "answers 204 with a body", says = "HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\nno", status = 204 },
  { "answers 304 with a body", says = "HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\nno", status = 304 },
  { "answers HEAD with a body", method = "HEAD", says = LENGTH, status = 200 },
  { "switches to a protocol nobody asked for",
    says = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n" .. LENGTH, status = 502,
    flag = "UPE" },
  { "says 100 without end", says = ("HTTP/1.1 100 Continue\r\n\r\n"):rep(9) .. LENGTH, status = 502, flag = "UPE" },
  { "says a head that is too large", says = "HTTP/1.1 200 OK\r\nX: " .. ("x"):rep(70000) .. "\r\n\r\n", status = 502,
    flag = "UPE" },
  { "says too many fields", says = "HTTP/1.1 200 OK\r\n" .. ("X: 1\r\n"):rep(300) .. "\r\n", status = 502,
    flag = "UPE" },
  { "answers before it has the body, and stays", method = "POST", sends = 100, says = LENGTH, status = 200 },
  { "refuses a body that it does not read", method = "POST", sends = 1000000, ends = "close",
    says = "HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", status = 413 },
}
