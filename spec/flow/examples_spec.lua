--- Starts every example as it stands, but on ports of its own, and tries what its comment promises.
local MOONGATE = os.getenv("MOONGATE") or "build/moongate"
local net = require "spec.support.net"

local folder, pid

local function sh(command)
  local pipe = assert(io.popen(command .. " 2>&1"))
  local output = pipe:read("*a")
  pipe:close()
  return output
end

local function read(path)
  local file = assert(io.open(path))
  local text = file:read("*a")
  file:close()
  return text
end

local ports = {}

-- A free port in place of one that an example names, always the same.
local function port(number)
  ports[number] = ports[number] or net.free_port()
  return ports[number]
end

-- A copy of an example whose addresses have other ports.
local function move_ports(path)
  local function moved(before, number) return before .. port(tonumber(number)) end
  local text = read(path):gsub("(127%.0%.0%.1:)(%d+)", moved):gsub("(port: )(%d%d%d%d)", moved)
  local file = assert(io.open(path, "w"))
  file:write(text)
  file:close()
end

local function start(arguments)
  local log = folder .. "/log"
  local command = "cd %s && { %s run --workers 2 %s > %s 2>&1 & echo $!; }"
  pid = sh(command:format(folder, MOONGATE, arguments, log)):match("%d+")
  for _ = 1, 100 do
    if read(log):find("ready\n") then return end
    os.execute("sleep 0.1")
  end
  error("the gateway did not start: " .. read(log))
end

-- What curl gets: the status and the body.
local function get(number, path, options)
  local url = ("https://localhost:%d%s"):format(port(number), path)
  if number < 8443 or number > 8444 then url = ("http://127.0.0.1:%d%s"):format(port(number), path) end
  local output = sh(("cd %s && curl -s -w '\\n%%{http_code}' %s '%s'"):format(folder, options or "", url))
  local body, status = output:match("^(.*)\n(%d+)$")
  return tonumber(status), body
end

describe("examples", function()
  setup(function()
    if MOONGATE:sub(1, 1) ~= "/" then MOONGATE = sh("pwd"):gsub("\n", "") .. "/" .. MOONGATE end
    folder = sh("mktemp -d"):gsub("\n", "")
    sh(("cp -r examples/*.lua examples/*.yaml examples/*.keys examples/jwt-token %s"):format(folder))
    sh(("cp -r examples/tls examples/custom_policy %s"):format(folder))
    for path in sh(("find %s -name '*.lua' -o -name '*.yaml'"):format(folder)):gmatch("[^\n]+") do move_ports(path) end
  end)
  after_each(function()
    if pid then sh(("kill %s; while kill -0 %s; do sleep 0.05; done"):format(pid, pid)) end
    pid = nil
  end)
  teardown(function() sh("rm -r " .. folder) end)

  it("hello", function()
    start "hello.lua"
    assert.same({ 200, "Hello from moongate!\n" }, { get(8080, "/") })
    assert.equal(404, (get(8080, "/nothing")))
  end)

  it("rbac", function()
    start "rbac.lua"
    assert.same({ 200, "done\n" }, { get(8080, "/cart") })
    assert.same({ 403, "RBAC: access denied" }, { get(8080, "/cart", "-X DELETE") })
    assert.equal(200, (get(8080, "/cart", "-X DELETE -H 'x-role: staff'")))
    assert.equal(403, (get(8080, "/internal/keys", "-H 'x-role: staff'")))
  end)

  it("gateway_api", function()
    start("gateway_api.yaml --admin 127.0.0.1:" .. port(15020))
    assert.equal(302, (get(8080, "/old/cart")))
    assert.matches("/shop/cart", sh(("curl -s -i http://127.0.0.1:%d/old/cart"):format(port(8080))))
    local answer = sh(("curl -s -i http://127.0.0.1:%d/shop/cart"):format(port(8080))):lower()
    assert.matches("^http/1.1 303", answer)
    assert.matches("\nlocation: [^\n]*/thanks\r\n", answer)
    assert.matches("\nx%-shop: example\r\n", answer)
    assert.equal(500, (get(8080, "/lost")))
  end)

  it("ext_authz", function()
    start "ext_authz.lua"
    assert.same({ 401, "who are you?\n" }, { get(8080, "/cart") })
    assert.same({ 200, "hello, ada\n" }, { get(8080, "/cart", "-H 'authorization: Bearer ada'") })
    assert.equal(200, (get(8080, "/open")))
    assert.same({ 200, "hello\n" }, { get(8080, "/open", "-H 'x-user: ada'") })
  end)

  it("jwt", function()
    start "jwt.lua"
    local function ask(subject, expiry, options)
      local token = sh(("sh %s/jwt-token %s %d"):format(folder, subject, expiry)):gsub("\n", "")
      return get(8080, "/", ("-H 'authorization: Bearer %s' %s"):format(token, options or ""))
    end
    assert.same({ 200, "nobody\n" }, { get(8080, "/") })
    assert.same({ 200, "ada\n" }, { ask("ada", 4102444800) })
    assert.same({ 401, "Jwt is expired" }, { ask("ada", 1) })
    assert.equal(401, (get(8080, "/", "-H 'authorization: Bearer x'")))
    assert.equal(403, (get(8080, "/", "-X DELETE")))
    assert.equal(403, (ask("bob", 4102444800, "-X DELETE")))
    assert.equal(200, (ask("ada", 4102444800, "-X DELETE")))
  end)

  it("api_key", function()
    sh(("mkdir %s/examples && cp %s/api_key.keys %s/examples"):format(folder, folder, folder))
    start "api_key.lua"
    assert.equal(401, (get(8080, "/")))
    assert.equal(401, (get(8080, "/", "-H 'x-api-key: letmein'")))
    assert.same({ 200, "hello, ada\n" }, { get(8080, "/", "-H 'x-api-key: open-sesame'") })
    assert.same({ 200, "hello, ada\n" }, { get(8080, "/?key=open-sesame") })
  end)

  it("rate_limit", function()
    start "rate_limit.lua"
    for _ = 1, 3 do assert.same({ 200, "welcome\n" }, { get(8080, "/") }) end
    assert.same({ 429, "Too Many Requests" }, { get(8080, "/") })
    for _ = 1, 2 do assert.equal(200, (get(8080, "/tenants", "-H 'x-tenant: blue'"))) end
    assert.equal(429, (get(8080, "/tenants", "-H 'x-tenant: blue'")))
    assert.equal(200, (get(8080, "/tenants", "-H 'x-tenant: red'")))
  end)

  it("traceparent", function()
    start "traceparent.lua"
    assert.same({ 200, "a trace of the gateway\n" }, { get(8080, "/") })
    local given = "-H 'traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'"
    assert.same({ 200, "the trace of the client\n" }, { get(8080, "/", given) })
    assert.same({ 200, "a trace of the gateway\n" }, { get(8080, "/", given:gsub("00f0", "00F0")) })
  end)

  it("body_rewrite", function()
    start "body_rewrite.lua"
    assert.same({ 200, "<a href='https://shop.example/cart'>cart</a>\n" }, { get(8080, "/") })
    assert.same({ 200, '{"name":"ada","password":"***","plan":"free"}\n' }, { get(8080, "/user") })
  end)

  it("normalize", function()
    start "normalize.lua"
    assert.equal(403, (get(8080, "/open/../internal", "--path-as-is")))
    assert.equal(403, (get(8080, "/open/%2e%2e/internal", "--path-as-is")))
    assert.equal(400, (get(8080, "/open/%00")))
    assert.same({ 200, "here\n" }, { get(8080, "/open//a/./b", "--path-as-is") })
    assert.equal(403, (get(8081, "/open/../internal", "--path-as-is")))
    assert.same({ 200, "here\n" }, { get(8081, "/open/./a", "--path-as-is") })
  end)

  it("canary", function()
    start "canary.lua"
    local seen = {}
    for i = 1, 20 do
      local _, version = get(8080, "/", "-b user=u" .. i)
      assert.same({ 200, version }, { get(8080, "/", "-b user=u" .. i) })
      seen[version] = true
    end
    assert.same({ ["v1\n"] = true, ["v2\n"] = true }, seen)
    assert.equal(200, (get(8080, "/plain")))
  end)

  it("resilience", function()
    start "resilience.lua"
    local broken = 0
    for _ = 1, 30 do
      local status = get(8080, "/")
      if status == 500 then broken = broken + 1 end
    end
    assert.is_true(broken <= 4, broken .. " of 30") -- twice for each of two workers
    local _, seat = get(8080, "/seat", "-b seat=7")
    for _ = 1, 5 do assert.same({ 200, seat }, { get(8080, "/seat", "-b seat=7") }) end
    assert.same({ 200, "slow\n" }, { get(8080, "/slow") })
  end)

  it("retry", function()
    start "retry.lua"
    for _ = 1, 6 do
      assert.same({ 200, "welcome\n" }, { get(8080, "/") })
      assert.equal(503, (get(8080, "/busy")))
    end
    assert.truthy(read(folder .. "/log"):find("/busy 503 tries: 3", 1, true))
  end)

  it("redirect", function()
    start "redirect.lua"
    local location = "-o /dev/null -w '%{redirect_url}\n%{http_code}'"
    assert.same({ 301, ("http://127.0.0.1:%d/shop/cart?id=7"):format(port(8080)) },
      { get(8080, "/old/cart?id=7", location) })
    assert.same({ 308, "https://shop.example/account" }, { get(8080, "/account", location) })
    local asked = "-o /dev/null -w '%header{x-asked}\n%{http_code}'"
    assert.same({ 200, "/items/7/v2" }, { get(8080, "/v2/items/7", asked) })
  end)

  it("cors", function()
    start "cors.lua"
    local function preflight(origin)
      local told = "-o /dev/null -w '%header{access-control-allow-origin} "
        .. "%header{access-control-allow-methods}\n%{http_code}'"
      local asks = "-X OPTIONS -H 'access-control-request-method: PUT' -H 'origin: %s' %s"
      return { get(8080, "/cart", asks:format(origin, told)) }
    end
    assert.same({ 200, "https://pay.shop.example PUT, DELETE" }, preflight "https://pay.shop.example")
    assert.same({ 200, " " }, preflight "https://evil.example")
    assert.same({ 200, "https://any.example" }, { get(8080, "/prices",
      "-H 'origin: https://any.example' -o /dev/null -w '%header{access-control-allow-origin}\n%{http_code}'") })
    assert.same({ 200, "your cart\n" }, { get(8080, "/cart", "-H 'origin: https://evil.example'") })
  end)

  it("mirror", function()
    start "mirror.lua"
    assert.same({ 200, "ordered\n" }, { get(8080, "/orders", "-d tea") })
    local copied = 'moongate_mirrored_requests_total{service="next",outcome="answered"} 1\n'
    for _ = 1, 100 do -- the copy is on its way beside the order
      if select(2, get(15020, "/stats/prometheus")):find(copied, 1, true) then return end
      os.execute "sleep 0.1"
    end
    error "no copy was counted"
  end)

  it("fault", function()
    start "fault.lua"
    assert.same({ 200, "at once\n" }, { get(8080, "/") })
    local before = os.time()
    assert.same({ 200, "late\n" }, { get(8080, "/", "-H 'user: Amy'") })
    assert.is_true(os.time() - before >= 1)
    local codes = {}
    for _ = 1, 30 do codes[get(8080, "/flaky")] = true end -- all alike once in 2^29
    assert.same({ [200] = true, [503] = true }, codes)
  end)

  it("metrics", function()
    start "metrics.lua"
    assert.same({ 200, "counted\n" }, { get(8080, "/") })
    assert.equal(404, (get(8080, "/nothing")))
    local _, text = get(15020, "/stats/prometheus")
    local function shows(line) assert.truthy(text:find(line, 1, true), line) end
    shows 'moongate_requests_total{listener="web",route="shop",backend="shop",method="GET",code="200"} 1\n'
    shows 'istio_requests_total{response_code="200",reporter="destination",source_workload="curl"'
  end)

  it("tls", function()
    sh(("sh %s/tls/make-certs"):format(folder))
    start "tls/gateway.lua"
    local ca = "--cacert tls/certs/ca.crt"
    local function as(name) return ("%s --cert tls/certs/%s.crt --key tls/certs/%s.key"):format(ca, name, name) end
    assert.same({ 200, "hello over TLS\n" }, { get(8443, "/", ca) })
    assert.equal(0, (get(8444, "/", ca)))
    assert.same({ 200, "hello, sleep\n" }, { get(8444, "/", as "sleep") })
    assert.equal(403, (get(8444, "/", as "other")))
  end)

  it("custom_policy", function()
    start "--policy-path custom_policy/policies custom_policy/gateway.lua"
    for _ = 1, 3 do assert.equal(200, (get(8080, "/"))) end
    assert.equal(429, (get(8080, "/")))
  end)
end)
