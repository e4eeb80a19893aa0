--- attributes: what expressions may ask about an exchange, by Envoy's names.
local attributes = {}

local function certificate(name)
  return function(ctx)
    local found = ctx.peer.certificate
    return found and found[name]
  end
end

local function target(ctx)
  local req = ctx.req
  return req.query and req.path .. "?" .. req.query or req.path
end

local function request_header(name) return function(ctx) return ctx.req.headers[name] end end

--- name -> function(ctx): what can be asked about.
attributes.values = {
  ["request.path"] = target, ["request.url_path"] = function(ctx) return ctx.req.path end,
  ["request.query"] = function(ctx) return ctx.req.query or "" end,
  ["request.host"] = function(ctx) return ctx.req.authority end,
  ["request.scheme"] = function(ctx) return ctx.req.scheme end,
  ["request.method"] = function(ctx) return ctx.req.method end,
  ["request.protocol"] = function(ctx) return ctx.protocol end,
  ["request.id"] = function(ctx) return ctx.request_id end,
  ["request.referer"] = request_header "referer", ["request.useragent"] = request_header "user-agent",
  ["request.total_size"] = function(ctx) return ctx.bytes_in end,
  ["response.code"] = function(ctx) return ctx.res.status end,
  ["response.code_details"] = function(ctx) return ctx.details end,
  ["response.grpc_status"] = function(ctx) return tonumber(ctx.res.headers["grpc-status"]) end,
  ["response.total_size"] = function(ctx) return ctx.bytes_out end,
  ["source.address"] = function(ctx) return ctx.peer.address .. ":" .. ctx.peer.port end,
  ["source.port"] = function(ctx) return ctx.peer.port end,
  ["destination.address"] = function(ctx)
    local address = ctx.local_address
    return address and address .. ":" .. ctx.port
  end,
  ["destination.port"] = function(ctx) return ctx.port end,
  ["upstream.address"] = function(ctx) return ctx.upstream_address end,
  ["connection.mtls"] = function(ctx) return ctx.peer.principal ~= nil end,
  ["connection.requested_server_name"] = certificate "sni",
  ["connection.tls_version"] = certificate "version",
  ["connection.uri_san_peer_certificate"] = function(ctx) return ctx.peer.principal end,
  ["connection.subject_peer_certificate"] = certificate "subject",
  ["xds.route_name"] = function(ctx) return ctx.route and ctx.route.name end,
  ["xds.cluster_name"] = function(ctx) return ctx.backend and ctx.backend.service end,
}

--- The same for headers, which are asked about by name.
attributes.headers = {
  ["request.headers"] = function(ctx) return ctx.req.headers end,
  ["response.headers"] = function(ctx) return ctx.res.headers end,
}

return attributes
