--- service_entry_check: what may stand together in a ServiceEntry (ServiceEntry of networking.istio.io, and its
-- validation in Istio's pkg/config/validation).
local address = require "moongate.model.address"
local exports = require "moongate.config.manifests.exports"

local service_entry_check = {}

-- Whether its hosts are what is looked up.
local function asks_for_hosts(spec)
  return spec.resolution:find "^DNS" and #(spec.endpoints or {}) == 0 and not spec.workloadSelector
end

local function check_hosts(entry)
  local spec = entry.spec
  if #(spec.hosts or {}) == 0 then entry:refuse({ "spec", "hosts" }, "expected at least one host") end
  for i, host in ipairs(spec.hosts or {}) do
    local rest = host:gsub("^%*%.?", "")
    if host == "*" or not address.is_name(rest) then
      entry:refuse({ "spec", "hosts", i }, ("expected a host name, got %q"):format(host))
    elseif rest ~= host and asks_for_hosts(spec) then
      entry:refuse({ "spec", "hosts", i }, ("resolution %s without endpoints looks hosts up, and %s is none"):format(
        spec.resolution, host))
    end
  end
end

--- The path of "unix:///path" (ValidateUnixAddress of Istio's pkg/config/validation); nil: it is no such address.
function service_entry_check.path_of(host) return host:match "^unix://(.*)$" end
local path_of = service_entry_check.path_of

local function check_unix(entry, i, endpoint)
  local file = path_of(endpoint.address)
  local whole = address.parse_unix("unix:" .. file)
  if file:find "^@" then
    entry:refuse({ "spec", "endpoints", i, "address" }, "is an abstract Unix socket, which is not supported yet")
  elseif not whole or file:find "/$" then
    entry:refuse({ "spec", "endpoints", i, "address" }, "expected the whole path of a Unix socket behind unix://")
  elseif next(endpoint.ports) then
    entry:refuse({ "spec", "endpoints", i, "ports" }, "a Unix socket has no ports")
  elseif #(entry.spec.ports or {}) ~= 1 then
    entry:refuse({ "spec", "ports" }, "expected one port, as an endpoint is a Unix socket")
  end
end

local function check_ports(entry, i, endpoint)
  local known = {}
  for _, port in ipairs(entry.spec.ports or {}) do known[port.name] = true end
  for name in pairs(endpoint.ports) do
    if not known[name] then
      entry:refuse({ "spec", "endpoints", i, "ports", name }, "is no name of one of the ports")
    end
  end
end

local function check_endpoint(entry, i, endpoint, resolution)
  local path = { "spec", "endpoints", i, "address" }
  local host = endpoint.address
  if not (host and path_of(host)) then check_ports(entry, i, endpoint) end
  if not host then
    entry:refuse({ "spec", "endpoints", i }, "'address' is missing; expected an address")
  elseif path_of(host) and resolution == "STATIC" then
    check_unix(entry, i, endpoint)
  elseif resolution == "STATIC" and not address.is_ip(host) then
    entry:refuse(path, ("expected an IP address with resolution STATIC, got %q"):format(host))
  elseif resolution ~= "STATIC" and not address.is_ip(host) and not address.is_name(host) then
    entry:refuse(path, ("expected an IP address or a host name, got %q"):format(host))
  end
end

local function check_addresses(entry)
  local resolution = entry.spec.resolution
  for i, text in ipairs(entry.spec.addresses or {}) do
    local ip, bits = text:match("^(.*)/(%d+)$")
    if not address.is_ip(ip or text) or bits and tonumber(bits) > (ip:find(":", 1, true) and 128 or 32) then
      entry:refuse({ "spec", "addresses", i }, ("expected an IP address or a block of them, got %q"):format(text))
    elseif ip and resolution ~= "NONE" and resolution ~= "STATIC" then
      entry:refuse({ "spec", "addresses", i }, "a block stands with resolution NONE or STATIC")
    end
  end
end

local function check_selector(entry)
  local selector = entry.spec.workloadSelector
  if not selector then return end
  if #(entry.spec.endpoints or {}) > 0 then
    entry:refuse({ "spec", "workloadSelector" }, "expected one of endpoints and workloadSelector")
  end
  for name, value in pairs(selector.labels) do
    if name == "" or (name .. value):find("*", 1, true) then
      entry:refuse({ "spec", "workloadSelector", "labels", name }, "expected a label without '*'")
    end
  end
end

--- Refuses what the API server would not take of a ServiceEntry.
function service_entry_check.whole(entry)
  local spec = entry.spec
  local list = spec.endpoints or {}
  exports.check(entry, true)
  check_hosts(entry)
  check_addresses(entry)
  check_selector(entry)
  if spec.resolution == "NONE" and #list > 0 then
    entry:refuse({ "spec", "endpoints" }, "stand without resolution NONE")
  elseif spec.resolution == "STATIC" and #list == 0 and not spec.workloadSelector then
    entry:warn({ "spec", "endpoints" }, "nobody is behind it: resolution STATIC takes endpoints or a workloadSelector")
  elseif spec.resolution == "DNS_ROUND_ROBIN" and #list > 1 then
    entry:refuse({ "spec", "endpoints" }, "expected at most one with resolution DNS_ROUND_ROBIN")
  end
  for i, name in ipairs(spec.subjectAltNames or {}) do
    if name == "" or name:find("[%s%c]") then
      entry:refuse({ "spec", "subjectAltNames", i }, ("expected a name, got %q"):format(name))
    end
  end
  for i, endpoint in ipairs(list) do check_endpoint(entry, i, endpoint, spec.resolution) end
  local seen = {}
  for i, port in ipairs(spec.ports or {}) do
    for _, key in ipairs { port.number, port.name } do
      if seen[key] then entry:refuse({ "spec", "ports", i }, ("%s is there twice"):format(tostring(key))) end
      seen[key] = true
    end
  end
end

return service_entry_check
