--- ext_authz: asks another service by HTTP whether a request may pass.
-- It is asked with the request's method, host and path (behind `path_prefix`), its Authorization, the fields that
-- `request_headers` names and those of `add_headers`.  Status 200 lets the request pass; 5xx, no answer within
-- `timeout` or one that makes no sense is a failure, which refuses with `status_on_error` unless `fail_open`; any
-- other status refuses, and the client gets this status, body and headers.  As Envoy's ext_authz, a refusal has the
-- flag UAEX and the details ext_authz_denied, after a failure ext_authz_error.
-- Names of headers: "x-user" is the same name, "x-*" starts so, "*-user" ends so, in any case.
-- Letting a request pass bypasses nothing that stands below.  As with Envoy, a field of `upstream_headers` that the
-- answer lacks stays as the client sent it: where it names the user, take it away above, by policy headers.
-- The metric moongate_ext_authz_total counts by service and outcome (allowed, denied, failed, failed_open).
-- Phases: request, response.
-- Place it first, before rbac and whatever costs or changes something.
local answer = require "policies.ext_authz.answer"
local check = require "policies.ext_authz.check"
local compile = require "policies.rbac.compile"
local http = require "moongate.http"
local log = require "moongate.log"
local metrics = require "moongate.metrics"
local rbac = require "policies.rbac"
local settings = require "policies.rbac.settings"
local ext_authz = {}

local function names(name, doc) return { name, type = "list", items = { type = "string", min = 1 }, doc = doc } end

ext_authz.schema = {
  { "service", type = "string", doc = "Service that is asked." },
  { "subset", type = "string", doc = "Subset of the service." },
  { "url", type = "string", pattern = "^https?://[^/?#]+$", doc = 'In place of a service: "http://host:port".' },
  { "path_prefix", type = "string", default = "", doc = "Stands before the request's path." },
  { "timeout", type = "duration", min = 1, default = "5s", doc = "Time until the whole answer." },
  settings.rules("rules", "Asks for requests that meet one of these (as rbac's); left out: for all."), settings.port,
  names("request_headers", "Fields of the request that are sent too."),
  { "add_headers", type = "map", values = { type = "string" }, default = {}, doc = "Fields that are always sent." },
  { "body", type = "record", doc = "Sends the request's body too.", fields = {
    { "limit", type = "size", min = 1, max = 1073741824, required = true, doc = "Longest body that is sent." },
    { "allow_partial", type = "boolean", default = false,
      doc = "Sends the first `limit` bytes of a longer one; else that is answered 413." },
  } },
  names("upstream_headers", "Fields of its answer that a request takes along that may pass, over its own."),
  names("allow_headers", "Fields of its answer that are added to the response of a request that may pass."),
  names("deny_headers", "Fields of its answer that a refused client gets, beside location and www-authenticate; "
    .. "left out: all."),
  { "fail_open", type = "boolean", default = false, doc = "A failure lets the request pass." },
  { "status_on_error", type = "integer", min = 200, max = 599, default = 403, doc = "Status after a failure." },
  { "answer_limit", type = "size", min = 1, default = "64KiB", doc = "Longest body of an answer." },
}

function ext_authz.check(conf)
  if (conf.service == nil) == (conf.url == nil) then return nil, "service: expected one of 'service' and 'url'" end
  if conf.subset and not conf.service then return nil, "subset: stands with 'service' only" end
  for _, field in ipairs { "request_headers", "upstream_headers", "allow_headers", "deny_headers" } do
    local why = answer.mistake(conf[field])
    if why then return nil, field .. why end
  end
  local _, why = rbac.check { deny = conf.rules }
  if why then return nil, (why:gsub("^deny", "rules")) end
  return check.mistake(conf)
end

function ext_authz.prepare(conf)
  local counts = metrics.counter { name = "moongate_ext_authz_total", labels = { "service", "outcome" },
    help = "Requests that another service was asked about, by that service and the outcome." }
  local prepared = {
    make = check.maker(conf), take = answer.taker(conf), body = conf.body, fail_open = conf.fail_open,
    matches = conf.rules and compile.rules(conf.rules, "first", conf.port), status_on_error = conf.status_on_error,
    who = conf.service or conf.url, counts = {},
  }
  for _, outcome in ipairs { "allowed", "denied", "failed", "failed_open" } do
    prepared.counts[outcome] = counts:with(prepared.who, outcome)
  end
  return prepared
end

local function refuse(ctx, details, status, body, headers)
  ctx:flag("UAEX")
  ctx.details = details
  return ctx:respond(status, body, headers)
end

local function fail(conf, ctx, why)
  log.warn("ext_authz: no decision", { service = conf.who, request_id = ctx.request_id, error = why })
  conf.counts[conf.fail_open and "failed_open" or "failed"]:add(1)
  if not conf.fail_open then return refuse(ctx, "ext_authz_error", conf.status_on_error) end
end

function ext_authz.request(conf, ctx)
  if conf.matches and not conf.matches(ctx) then return end
  local body, whole = nil, true
  if conf.body and ctx.req.has_body and not ctx.upgrade then
    body, whole = ctx:peek_body(conf.body.limit)
    if not whole and not conf.body.allow_partial then
      ctx.details = "request_payload_too_large"
      return ctx:respond(413, "Payload Too Large")
    end
  end
  local response, why = http.request(conf.make(ctx, body, whole))
  if not response or response.status >= 500 or response.status < 200 then
    return fail(conf, ctx, why or "status " .. response.status)
  end
  local allowed = response.status == 200
  conf.counts[allowed and "allowed" or "denied"]:add(1)
  if not allowed then
    return refuse(ctx, "ext_authz_denied", response.status, response.body, conf.take.refusal(response))
  end
  conf.take.upstream(ctx, response)
  ctx.own.added = conf.take.downstream(response)
end

function ext_authz.response(_, ctx)
  local added = ctx.own.added
  for i = 1, added and #added or 0 do ctx.res.headers:add(added[i][1], added[i][2]) end
end

return ext_authz
