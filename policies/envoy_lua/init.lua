--- envoy_lua: runs a script written for Envoy's Lua filter: its envoy_on_request(handle) and envoy_on_response(handle).
-- The handle has what Envoy documents (lua_filter.rst): headers, body, bodyChunks, trailers, httpCall, respond,
-- metadata, streamInfo, connection, log*, base64Escape, timestamp, importPublicKey, verifySignature.  A call that
-- nothing here answers is refused when the script is loaded.  What differs: a script that raises answers 500, and does
-- not let the request pass; setBytes() of a chunk that has gone on raises; keys are RSA's from 2048 bits on, with
-- SHA256, SHA384 or SHA512, and those of the curves P-256, P-384 and P-521, each with its own of these; a body is at
-- most `limit` long, else 413 (of a response: 500); Content-Length and Transfer-Encoding cannot be seen, and what is
-- written to them has no effect, since the core frames messages.
-- Phases: request, response, and request_body and response_body of scripts that call bodyChunks().
-- Place it where Envoy's filter stood among the others.
local handle = require "policies.envoy_lua.handle"
local script = require "policies.envoy_lua.script"

local envoy_lua = {}

envoy_lua.schema = {
  { "script", type = "code", required = true, doc = "Defines envoy_on_request, envoy_on_response, or both." },
  { "clusters", type = "map", values = { type = "string" }, default = {},
    doc = "Services by the names that httpCall() has for them; a name that is not here is a service's own." },
  { "limit", type = "size", min = 1, max = 1073741824, default = "1MiB", doc = "Longest body that it reads." },
}

function envoy_lua.check(conf)
  local ok, err = script.load(conf.script)
  if not ok then return nil, "script: " .. err end
  return true
end

--- Chunks, where the script goes through them.
function envoy_lua.body(conf)
  local streams = script.streams(conf.script)
  return { request = streams.request and "chunks" or "none", response = streams.response and "chunks" or "none" }
end

function envoy_lua.prepare(conf)
  local functions = assert(script.load(conf.script))
  return { clusters = conf.clusters, limit = conf.limit, request = functions.request or false,
    response = functions.response or false, streams = script.streams(conf.script) }
end

function envoy_lua.request(conf, ctx)
  if conf.request then return handle.run(conf, ctx, "request") end
end

function envoy_lua.response(conf, ctx)
  if conf.response then handle.run(conf, ctx, "response") end
end

function envoy_lua.request_body(_, ctx, bytes, last) return handle.push(ctx, "request", bytes, last) end

function envoy_lua.response_body(_, ctx, bytes, last) return handle.push(ctx, "response", bytes, last) end

return envoy_lua
