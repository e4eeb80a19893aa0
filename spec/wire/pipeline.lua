--- Several requests on one connection (RFC 9112, 9.3 and 9.6).
local A = "GET /a HTTP/1.1\r\nHost: t\r\n\r\n"
local B = "POST /b HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\n\r\nhello"
local C = "POST /c HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n"
local CHUNKS = "5\r\nhello\r\n0\r\n\r\n"
local BAD = "GET /bad HTTP/1.1\r\nHost: t\r\nX A: 1\r\n\r\n"

return {
  { "in order", A .. B .. C .. CHUNKS .. A, reaches = { A, B, C .. "hello", A } },
  { "an empty line between", A .. "\r\n" .. A, reaches = { A, A } },
  { "an error in the middle", A .. BAD .. A, reaches = { A }, refused = 400 },
  { "an error behind a body", B .. BAD .. A, reaches = { B }, refused = 400 },
  { "bytes behind a body", B .. "@" .. A, reaches = { B }, refused = 400 },
  { "bytes behind chunks", C .. CHUNKS .. "0\r\n\r\n" .. A, reaches = { C .. "hello" }, refused = 400 },
  { "nothing behind close", "GET /x HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n" .. A,
    reaches = { "GET /x HTTP/1.1\r\nHost: t\r\n\r\n" }, closes = true },
  { "nothing behind close with a body",
    "POST /b HTTP/1.1\r\nHost: t\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello" .. A,
    reaches = { B }, closes = true },
  { "a request as the body of another", "POST /b HTTP/1.1\r\nHost: t\r\nContent-Length: " .. #A .. "\r\n\r\n" .. A,
    reaches = { "POST /b HTTP/1.1\r\nHost: t\r\nContent-Length: " .. #A .. "\r\n\r\n" .. A } },
  { "HEAD among others", "HEAD /h HTTP/1.1\r\nHost: t\r\n\r\n" .. A,
    reaches = { "HEAD /h HTTP/1.1\r\nHost: t\r\n\r\n", A } },
  { "CONNECT among others", A .. "CONNECT t:80 HTTP/1.1\r\nHost: t:80\r\n\r\n" .. A, reaches = { A }, refused = 501 },
  { "TLS on a port of clear text", "\22\3\1\0\5hello\r\n\r\n", refused = 400 },
}
