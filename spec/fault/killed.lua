--- In which phase of a request its worker is killed: { name, sends = bytes of the client, says = bytes of the upstream,
-- ... }.  `reaches`: the upstream has the head by then; `head`: the client has that of the answer.  The client sees the
-- end of the connection and no answer, and the next one is served.
local POST = "POST /a HTTP/1.1\r\nHost: a\r\nX-Id: badc0de0\r\nContent-Length: 10\r\n\r\n"
local GET = "GET /a HTTP/1.1\r\nHost: a\r\nX-Id: badc0de0\r\n\r\n"

return {
  { "before a request", sends = "" },
  { "inside the request's head", sends = "GET /a HT" },
  { "inside the request's body", sends = POST .. "01234", reaches = true },
  { "before the answer", sends = GET, reaches = true },
  { "inside the answer's head", sends = GET, says = "HTTP/1.1 200 OK\r\nContent-", reaches = true },
  { "inside the answer's body", sends = GET, says = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n01234",
    reaches = true, head = true },
  { "inside the answer's chunks", sends = GET,
    says = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n01234\r\n", reaches = true, head = true },
}
