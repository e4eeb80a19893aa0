--- Host (RFC 9112, 3.2; RFC 9110, 4.2.1 and 7.2; RFC 3986, 3.2.2).
local function with(host, seen)
  local reaches = seen ~= false and { "GET /a HTTP/1.1\r\nHost: " .. (seen or host) .. "\r\n\r\n" } or nil
  return "GET /a HTTP/1.1\r\nHost: " .. host .. "\r\n\r\n", reaches
end

local function good(name, host, seen)
  local send, reaches = with(host, seen)
  return { name, send, reaches = reaches }
end

local function bad(name, host) return { name, (with(host, false)), refused = 400 } end

return {
  good("a name", "t"),
  good("capitals stay", "T.Example"),
  good("blanks around", "\t t \t", "t"),
  good("a port", "t:8080"),
  good("an empty port", "t:"),
  good("the last port", "t:65535"),
  good("zeros in front of a port", "t:00080"),
  good("a dot at the end", "t.example."),
  good("sub-delims", "a!$&'()*+,;=b"),
  good("an escape", "t%41"),
  good("an underscore", "a_b.example"),
  good("an IPv4 address", "127.0.0.1:80"),
  good("an IPv6 address", "[::1]"),
  good("an IPv6 address and a port", "[2001:db8::1]:8080"),
  good("an IPv6 address that ends in an IPv4 one", "[::ffff:192.0.2.1]"),
  good("an address of the future", "[v1.a:b]"),
  bad("nothing", ""),
  bad("a port only", ":80"),
  bad("a port past 65535", "t:65536"),
  bad("a port of 20 digits", "t:18446744073709551697"),
  bad("a port of letters", "t:http"),
  bad("a negative port", "t:-1"),
  bad("a port with a sign", "t:+80"),
  bad("two ports", "t:80:80"),
  bad("a blank inside", "t u"),
  bad("a tab inside", "t\tu"),
  bad("two names", "t, u"),
  bad("user information", "a@t"),
  bad("user and password", "a:b@t"),
  bad("a path", "t/a"),
  bad("a query", "t?a"),
  bad("a fragment", "t#a"),
  bad("a URL", "http://t"),
  bad("a backslash", "t\\a"),
  bad("quotes", '"t"'),
  bad("a letter above ASCII", "t\195\169"),
  bad("a broken escape", "t%4"),
  bad("an escape that is none", "t%zz"),
  bad("an open bracket", "[::1"),
  bad("a closing bracket alone", "::1]"),
  bad("an IPv6 address without brackets", "2001:db8::1"),
  bad("nothing in brackets", "[]"),
  bad("a name in brackets", "[t]"),
  bad("an IPv4 address in brackets", "[127.0.0.1]"),
  bad("a zone", "[fe80::1%25eth0]"),
  bad("text behind the bracket", "[::1]t"),
  bad("text before the bracket", "t[::1]"),
  bad("two ports behind a bracket", "[::1]:80:80"),
  bad("a NUL", "t\0u"),
  bad("a DEL", "t\127"),

  { "none", "GET /a HTTP/1.1\r\n\r\n", refused = 400 },
  { "two", "GET /a HTTP/1.1\r\nHost: t\r\nHost: u\r\n\r\n", refused = 400 },
  { "two alike", "GET /a HTTP/1.1\r\nHost: t\r\nhost: t\r\n\r\n", refused = 400 },
  { "two, the first empty", "GET /a HTTP/1.1\r\nHost:\r\nHost: t\r\n\r\n", refused = 400 },
  { "two in HTTP/1.0", "GET /a HTTP/1.0\r\nHost: t\r\nHost: t\r\n\r\n", refused = 400 },
  { "empty in HTTP/1.0", "GET /a HTTP/1.0\r\nHost:\r\n\r\n", refused = 400 },
  { "a blank before the colon", "GET /a HTTP/1.1\r\nHost : t\r\n\r\n", refused = 400 },
  { "folded", "GET /a HTTP/1.1\r\nHost:\r\n t\r\n\r\n", refused = 400 },
  { "named by Connection", "GET /a HTTP/1.1\r\nConnection: host\r\nHost: t\r\n\r\n",
    reaches = { "GET /a HTTP/1.1\r\nHost: t\r\n\r\n" } },
}
