--- Chunks, their extensions and trailers (RFC 9112, 7.1).
local HEAD = "POST /a HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n"

local function good(name, chunks, body, trailers)
  return { name, HEAD .. chunks, reaches = { HEAD .. (body or "hello") }, trailers = trailers or {} }
end

-- The head has gone on by then, so the upstream may have seen half a request, which it cannot take for a whole one.
local function bad(name, chunks, status) return { name, HEAD .. chunks, refused = status or 400, partly = true } end

return {
  good("one", "5\r\nhello\r\n0\r\n\r\n"),
  good("two", "2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"),
  good("none", "0\r\n\r\n", ""),
  good("hex digits", "a\r\n0123456789\r\nB\r\n0123456789a\r\n0\r\n\r\n", "01234567890123456789a"),
  good("zeros in front", "0005\r\nhello\r\n000\r\n\r\n"),
  good("CRLF inside", "4\r\n\r\n\r\n\r\n0\r\n\r\n", "\r\n\r\n"),
  good("a body like a request", "1a\r\nGET /end HTTP/1.1\r\nHost: t\r\n0\r\n\r\n", "GET /end HTTP/1.1\r\nHost: t"),
  good("an extension", "5;a=b\r\nhello\r\n0;c\r\n\r\n"),
  good("an extension in quotes", '5;a="b;c\\"d"\r\nhello\r\n0\r\n\r\n'),
  good("blanks before an extension", "5 \t;a\r\nhello\r\n0\r\n\r\n"),
  good("an empty extension", "5;\r\nhello\r\n0\r\n\r\n"),
  good("a trailer", "5\r\nhello\r\n0\r\nX-T: 1\r\n\r\n", nil, { ["x-t"] = "1" }),
  good("trailers that may not be",
    "5\r\nhello\r\n0\r\nContent-Length: 9\r\nHost: u\r\nAuthorization: x\r\nCookie: x\r\n"
    .. "X-Forwarded-For: 1.2.3.4\r\nX-Request-Id: 5\r\nX-T: 1\r\n\r\n", nil,
    { ["x-t"] = "1", ["content-length"] = false, host = false, authorization = false, cookie = false,
      ["x-forwarded-for"] = false, ["x-request-id"] = false }),
  { "a trailer that Connection names",
    HEAD:sub(1, -3) .. "Connection: x-t\r\n\r\n5\r\nhello\r\n0\r\nX-T: 1\r\nX-U: 2\r\n\r\n",
    reaches = { HEAD .. "hello" }, trailers = { ["x-t"] = false, ["x-u"] = "2" } },
  bad("an empty size", "\r\nhello\r\n0\r\n\r\n"),
  bad("a blank in front of the size", " 5\r\nhello\r\n0\r\n\r\n"),
  bad("a blank behind the size", "5 \r\nhello\r\n0\r\n\r\n"),
  bad("a blank inside the size", "0 5\r\nhello\r\n0\r\n\r\n"),
  bad("0x", "0x5\r\nhello\r\n0\r\n\r\n"),
  bad("a plus", "+5\r\nhello\r\n0\r\n\r\n"),
  bad("a minus", "-5\r\nhello\r\n0\r\n\r\n"),
  bad("a letter past f", "g\r\nhello\r\n0\r\n\r\n"),
  bad("a comma", "5,\r\nhello\r\n0\r\n\r\n"),
  bad("a NUL behind the size", "5\0\r\nhello\r\n0\r\n\r\n"),
  bad("a size past 2^64", "10000000000000005\r\nhello\r\n0\r\n\r\n"),
  bad("a size past the limit", "ffffffffffffff\r\nhello\r\n0\r\n\r\n", 413),
  bad("an LF behind the size", "5\nhello\r\n0\r\n\r\n"),
  bad("a CR behind the size", "5\rhello\r\n0\r\n\r\n"),
  bad("an LF in an extension", "5;a\nb\r\nhello\r\n0\r\n\r\n"),
  bad("a CR in an extension", "5;a\rb\r\nhello\r\n0\r\n\r\n"),
  bad("a NUL in an extension", "5;a\0\r\nhello\r\n0\r\n\r\n"),
  bad("an extension of 300 bytes", "5;" .. ("a"):rep(300) .. "\r\nhello\r\n0\r\n\r\n", 413),
  bad("a size of 300 zeros", ("0"):rep(300) .. "5\r\nhello\r\n0\r\n\r\n", 413),
  bad("extensions without end", ("1;" .. ("e"):rep(200) .. "\r\nx\r\n"):rep(200) .. "0\r\n\r\n", 413),
  bad("blanks without end", ("1" .. (" "):rep(200) .. ";\r\nx\r\n"):rep(200) .. "0\r\n\r\n", 413),
  bad("more bytes than said", "5\r\nhello!\r\n0\r\n\r\n"),
  bad("fewer bytes than said", "5\r\nhel\r\n0\r\n\r\n"),
  bad("an LF behind the bytes", "5\r\nhello\n0\r\n\r\n"),
  bad("no line end behind the bytes", "5\r\nhello0\r\n\r\n"),
  bad("an LF at the end", "5\r\nhello\r\n0\r\n\n"),
  bad("a CR at the end", "5\r\nhello\r\n0\r\n\rX"),
  bad("a folded trailer", "5\r\nhello\r\n0\r\nX-T: 1\r\n 2\r\n\r\n"),
  bad("a trailer with a blank behind its name", "5\r\nhello\r\n0\r\nX-T : 1\r\n\r\n"),
  bad("a trailer without a colon", "5\r\nhello\r\n0\r\nX-T\r\n\r\n"),
  bad("a trailer with an LF", "5\r\nhello\r\n0\r\nX-T: 1\nX-U: 2\r\n\r\n"),
  bad("a trailer that starts with a blank", "5\r\nhello\r\n0\r\n X-T: 1\r\n\r\n"),
  bad("10,000 bytes of trailers", "5\r\nhello\r\n0\r\nX-T: " .. ("a"):rep(10000) .. "\r\n\r\n", 413),
  bad("101 trailers", "5\r\nhello\r\n0\r\n" .. ("X: 1\r\n"):rep(101) .. "\r\n", 413),
}
