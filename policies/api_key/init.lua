--- api_key: lets requests pass that bring a key which the file knows, and says whose it is.
-- The file has one hashed key a line: `CONSUMER sha256:DIGEST`, in 64 hexadecimal digits (printf %s KEY | sha256sum),
-- or `CONSUMER hmac-sha256:DIGEST`, keyed by what `secret_file` holds; blank lines and lines with # count for nothing.
-- It is looked at every second: a change counts at once, one that cannot be read is logged and changes nothing.
-- A key may stand in the header x-api-key, or where the settings say; several must be one and the same.  Without a good
-- one the answer is 401; what stood in the place of one is not logged then.  The service gets the consumer's name in
-- `consumer_header` and not the key; the policies below find the name in ctx.shared.api_key.consumer.
-- Phases: request.
-- Place it before what asks who the client is.
local field = require "moongate.field"
local keys = require "policies.api_key.keys"
local locations = require "moongate.locations"
local metrics = require "moongate.metrics"
local api_key = {}

local from_headers, from_params, from_cookies = locations.schema "a key"

api_key.schema = {
  { "file", type = "string", required = true, min = 1, doc = "File with the hashed keys." },
  { "secret_file", type = "string", min = 1, doc = "File with the secret of hmac-sha256; read at a reload only." },
  from_headers, from_params, from_cookies,
  { "optional", type = "boolean", default = false,
    doc = "Whether requests without a key pass, as nobody's.  A wrong key never does." },
  { "forward", type = "boolean", default = false, doc = "Whether the service gets the key too." },
  { "consumer_header", type = "string", default = "x-consumer",
    doc = "Request header that gets the consumer's name; empty: none." },
  { "realm", type = "string", pattern = '^[^"\\%c]*$', default = "api", doc = "What the challenge of a 401 names." },
}

local DEFAULT = { { kind = "header", name = "x-api-key", prefix = "" } }
local OUTCOMES = { "verified", "missing", "refused" }

function api_key.check(conf)
  local why = locations.mistake(conf) or conf.consumer_header ~= "" and field.name_error(conf.consumer_header)
  if why then return nil, (why:find "^from_headers" and "" or "consumer_header: ") .. why end
  local known
  known, why = keys.open(conf.file, conf.secret_file)
  if not known then return nil, why end
end

function api_key.prepare(conf)
  local family = metrics.counter { name = "moongate_api_key_requests_total", labels = { "outcome" },
    help = "Requests that policy api_key has seen, by what became of them." }
  conf.places = locations.add({}, conf, DEFAULT)
  for _, place in ipairs(conf.places) do place.every = true end
  conf.keys = assert(keys.open(conf.file, conf.secret_file))
  conf.forged = conf.consumer_header ~= "" and { [field.as_cgi(conf.consumer_header)] = true }
  conf.challenge = ('ApiKey realm="%s"'):format(conf.realm)
  conf.counts = {}
  for _, outcome in ipairs(OUTCOMES) do conf.counts[outcome] = family:with(outcome) end
  return conf
end

-- The one key that was found, or nil when there are several.
local function only(found)
  local key
  for _, texts in pairs(found) do
    for _, text in ipairs(texts) do
      if key and text ~= key then return nil end
      key = text
    end
  end
  return key
end

local function refuse(conf, ctx, outcome)
  conf.counts[outcome]:add(1)
  ctx.details = "api_key_" .. outcome
  return ctx:respond(401, outcome == "missing" and "API key is missing" or "API key is not valid",
    { ["www-authenticate"] = conf.challenge })
end

function api_key.request(conf, ctx)
  local req = ctx.req
  if conf.forged then field.drop_forged(conf.forged, req.headers) end
  local found = locations.find(conf.places, req)
  if not found then
    if conf.optional then return conf.counts.missing:add(1) end
    return refuse(conf, ctx, "missing")
  end
  local key = only(found)
  local consumer = key and keys.consumer(conf.keys.value, key)
  if not (consumer and conf.forward) then locations.remove(conf.places, found, req) end
  if not consumer then return refuse(conf, ctx, "refused") end
  if conf.forged then req.headers:set(conf.consumer_header, consumer) end
  ctx.shared.api_key = { consumer = consumer }
  conf.counts.verified:add(1)
end

--- Whose key it was, or why not.
function api_key.explain(_, ctx, answer)
  if answer then return { "refused: " .. ctx.details } end
  local known = ctx.shared.api_key
  return { known and "a key of " .. known.consumer or "no key: passes as nobody's" }
end

return api_key
