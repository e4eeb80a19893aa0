--- failure: what the client gets when the upstream side fails, and what retries may do about it.
-- Statuses, bodies, flags and details are Envoy's (istio-semantics, section 8), so dashboards and clients that know
-- a mesh read them as they are.
local abi = require "moongate.abi"

local C, span, text = abi.C, abi.span, abi.text

local failure = {}

local RESET = "upstream connect error or disconnect/reset before headers. %sreset reason: %s"
local CONNECT = "remote connection failure, transport failure reason: "

-- `kind` is what retries see; `reason` the text after "reset reason: "; `more` adds why.
local KINDS = {
  [C.MG_ECONNECT] = {
    flag = "UF", kind = "connect-failure", reason = CONNECT .. "delayed connect error: ", more = true,
  },
  [C.MG_EDNS] = { flag = "DF", kind = "connect-failure", reason = CONNECT .. "DNS resolution failed: ", more = true },
  [C.MG_ETLS] = { flag = "UF", kind = "connect-failure", reason = CONNECT .. "TLS error: ", more = true },
  [C.MG_ECONNTIMEOUT] = { flag = "UF", kind = "connect-failure", reason = "connection timeout" },
  [C.MG_ESTALE] = { flag = "UC", kind = "reset", reason = "connection termination" },
  [C.MG_ECLOSED] = { flag = "UC", kind = "reset", reason = "connection termination" },
  [C.MG_ERESET] = { flag = "UR", kind = "reset", reason = "remote reset" },
  [C.MG_EPROTO] = { flag = "UPE", kind = "reset", reason = "protocol error", status = 502 },
  [C.MG_ELIMIT] = { flag = "UPE", kind = "reset", reason = "protocol error", status = 502 },
  [C.MG_EFULL] = { flag = "UO", reason = "overflow", headers = { ["x-envoy-overloaded"] = "true" } },
}
local UNKNOWN = { flag = "LR", kind = "reset", reason = "local reset" }

-- Envoy's: what was reset, in words without blanks.
local function name_details(known)
  known.details = ("upstream_reset_before_response_started{%s}"):format((known.reason:match("^[^,]*"):gsub(" ", "_")))
end

for _, known in pairs(KINDS) do name_details(known) end
name_details(UNKNOWN)

--- Retry conditions that this outcome of a try meets: "connect-failure", "reset", or nil.
function failure.kind(rc)
  if rc == C.MG_ETIMEOUT then return "per-try-timeout" end
  return (KINDS[rc] or UNKNOWN).kind
end

--- Answers for an upstream that failed with `rc`; `retried`: this was not the first try.
function failure.answer(ctx, rc, retried)
  if rc == C.MG_ETIMEOUT then
    ctx:flag("UT")
    ctx.details = ctx._x.expired and "response_timeout" or "upstream_per_try_timeout"
    return ctx:respond(504, "upstream request timeout")
  end
  local known = KINDS[rc] or UNKNOWN
  local reason = known.reason
  if known.more then
    reason = reason .. (C.mg_upstream_reason(ctx._x, span) == 0 and text(span[0]) or abi.error_text(rc))
  end
  if retried then ctx:flag("URX") end
  ctx:flag(known.flag)
  ctx.details = known.details
  return ctx:respond(known.status or 503, RESET:format(retried and "retried and the latest " or "", reason),
    known.headers)
end

--- Flags of a response that was cut after its head had gone out.
function failure.cut(ctx, rc)
  C.mg_settle(ctx._x)
  if rc == C.MG_EGONE then
    ctx:flag("DC")
    ctx.details = ctx.details or "downstream_remote_disconnect"
  elseif rc == C.MG_ETIMEOUT then
    ctx:flag("UT")
    ctx.details = "response_timeout"
  else
    ctx:flag((KINDS[rc] or UNKNOWN).flag)
    ctx.details = "upstream_reset_after_response_started"
  end
end

--- The path cannot be brought into one spelling (moongate.normalize): 400.
function failure.bad_path(ctx)
  ctx.details = "path_normalization_failed"
  return ctx:respond(400)
end

--- No route: 404.
function failure.no_route(ctx)
  ctx:flag("NR")
  ctx.details = "route_not_found"
  return ctx:respond(404)
end

--- The service has no endpoint that could take a request: 503.
function failure.no_endpoint(ctx)
  ctx:flag("UH")
  ctx.details = "no_healthy_upstream"
  return ctx:respond(503, "no healthy upstream")
end

--- A route without a backend that could be chosen: 500 (Gateway API).
function failure.no_backend(ctx)
  ctx:flag("NC")
  ctx.details = "cluster_not_found"
  return ctx:respond(500)
end

--- The request's body is longer than the policies that read it allow: 413.
function failure.request_too_large(ctx)
  ctx.details = "request_payload_too_large"
  return ctx:respond(413, "Payload Too Large")
end

--- The response's body is longer than the policies that read it allow: 500.
function failure.response_too_large(ctx)
  ctx.details = "response_payload_too_large"
  return ctx:respond(500, "Internal Server Error")
end

--- A policy raised, or the runtime did: 500, and nothing of why for the client.
function failure.policy_error(ctx)
  ctx.details = "policy_error"
  return ctx:respond(500, "Internal Server Error")
end

return failure
