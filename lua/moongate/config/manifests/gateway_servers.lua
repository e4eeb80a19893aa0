--- Servers of an Istio Gateway: the hosts and the port of each, as the API server takes them.
local gateway_servers = {}

-- HTTP/2 comes in the same ports of Envoy's; here HTTP/1.1 alone is served.
local PROTOCOLS = { HTTP = "HTTP", HTTPS = "HTTPS", HTTP2 = "HTTP", GRPC = "HTTP", ["GRPC-WEB"] = "HTTP" }
local HTTP_2 = { HTTP2 = true, GRPC = true }
local OTHER_TLS = { "credentialName", "credentialNames", "caCertCredentialName", "serverCertificate", "privateKey",
  "tlsCertificates", "caCertificates" }

local function host_mistake(text)
  local namespace, host = text:match("^([^/]*)/(.*)$")
  host = host or text
  if namespace and namespace ~= "*" and namespace ~= "." and not namespace:find("^%w[%w-]*$") then
    return "expected a namespace, '.' or '*' before '/'"
  end
  if host == "*" then return nil end
  if not host:find(".", 1, true) then return "expected a full host, not a short name" end
  local rest = host:gsub("^%*%.", "")
  if rest:find("[^%w._-]") or rest:find("..", 1, true) or rest:sub(1, 1) == "." then
    return "expected a host, with '*' only in place of its first part"
  end
end

--- Refuses what is wrong with the servers of a Gateway whatever the others say.
function gateway_servers.check(gateway)
  local ports, names = {}, {}
  if #gateway.spec.servers == 0 then gateway:refuse({ "spec", "servers" }, "expected at least one server") end
  for i, server in ipairs(gateway.spec.servers) do
    local path = { "spec", "servers", i }
    if ports[server.port.name] then
      gateway:refuse({ "spec", "servers", i, "port", "name" }, ("a second port named %s; the first is of servers[%d]")
        :format(server.port.name, ports[server.port.name] - 1))
    end
    ports[server.port.name] = i
    if server.name and names[server.name] then
      gateway:refuse({ "spec", "servers", i, "name" }, ("a second server named %s"):format(server.name))
    end
    names[server.name or path] = true
    if #server.hosts == 0 then gateway:refuse({ "spec", "servers", i, "hosts" }, "expected at least one host") end
    for j, host in ipairs(server.hosts) do
      local why = host_mistake(host)
      if why then gateway:refuse({ "spec", "servers", i, "hosts", j }, ("%s, found %q"):format(why, host)) end
    end
  end
end

--- "HTTP" or "HTTPS" for a server's port; nil when it cannot be served, which is refused.
function gateway_servers.protocol(gateway, i)
  local server = gateway.spec.servers[i]
  local path, tls = { "spec", "servers", i, "port", "protocol" }, server.tls
  local said = server.port.protocol:upper()
  local protocol = PROTOCOLS[said]
  if not protocol then
    return gateway:refuse(path, ("%s is not supported; HTTP, HTTPS, HTTP2, GRPC and GRPC-WEB are")
      :format(server.port.protocol))
  end
  if HTTP_2[said] then gateway:warn(path, "is served as HTTP/1.1 only") end
  if protocol == "HTTPS" and not tls then return gateway:refuse({ "spec", "servers", i }, "HTTPS needs tls") end
  for _, field in ipairs(protocol == "HTTP" and tls and OTHER_TLS or {}) do
    if tls[field] then
      return gateway:refuse({ "spec", "servers", i, "tls", field }, "stands with HTTPS only, not with clear text")
    end
  end
  if protocol == "HTTP" and tls and tls.mode ~= "PASSTHROUGH" then
    return gateway:refuse({ "spec", "servers", i, "tls", "mode" }, "stands with HTTPS only, not with clear text")
  end
  return protocol
end

--- Hosts of a server: { namespace = nil for any, host = }. "./host" is the Gateway's own namespace.
function gateway_servers.hosts(gateway, server)
  local list = {}
  for i, text in ipairs(server.hosts) do
    local namespace, host = text:match("^([^/]*)/(.*)$")
    if namespace == "." then namespace = gateway.namespace end
    if namespace == "*" then namespace = nil end
    list[i] = { namespace = namespace, host = (host or text):lower() }
  end
  return list
end

return gateway_servers
