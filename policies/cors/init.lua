--- cors: tells browsers which other sites may call (the CORS protocol of the WHATWG's Fetch standard).
-- An origin is "https://shop.example", with ":port" where it is not the scheme's usual one; "https://*.shop.example"
-- allows every name below it, "https://*" every host, "*" every origin.  Among them may stand { exact = }, { prefix = }
-- and { regex = } (of the whole), which are compared with the text of the header.
-- A preflight (OPTIONS with Origin and Access-Control-Request-Method) is answered here, 200, with headers that allow
-- the call where its origin is allowed, and without any where it is not.  Another request goes on whatever its origin
-- is: it is the browser that keeps the answer from the site.  "*" among methods and headers allows all of them; the
-- answer then repeats what was asked for, so that it holds with credentials too.  "*" as an exposed header becomes,
-- with credentials, the names that the answer has.  With `literal` lists go out as they are written, joined by commas,
-- as Envoy sends them.
-- Phases: request (answers preflights), response (marks).
-- Place it before policies that ask who the client is: a preflight carries no credentials.
local origins = require "policies.cors.origins"
local cors = {}

local function names(name, doc) return { name, type = "list", items = { type = "string" }, default = {}, doc = doc } end

cors.schema = {
  { "allow_origins", type = "list", default = {}, doc = "Origins that may call.",
    items = { type = { "string", "record" }, fields = origins.fields } },
  names("allow_methods", "Methods they may use beside GET, HEAD and POST; \"*\": any."),
  names("allow_headers", "Headers they may send; \"*\": any."),
  names("expose_headers", "Headers of the answer that their scripts may read."),
  { "allow_credentials", type = "boolean", default = false, doc = "Whether they may send cookies and the like." },
  { "max_age", type = "duration", min = 0, doc = "How long a browser may keep a preflight's answer." },
  { "unmatched_preflights", type = "string", one_of = { "answer", "forward" }, default = "answer",
    doc = "What becomes of a preflight whose origin is not allowed." },
  { "literal", type = "boolean", default = false, doc = "Send lists as they are written." },
}

function cors.check(conf)
  for _, list in ipairs { "allow_methods", "allow_headers", "expose_headers" } do
    for i, name in ipairs(conf[list]) do
      if name:find("[^%w!#$%%&'*+.^_`|~-]") or name == "" then
        return nil, ("%s.%d: %q is no token"):format(list, i, name)
      end
      if name == "*" and #conf[list] > 1 and not conf.literal then
        return nil, ("%s.%d: \"*\" stands alone"):format(list, i)
      end
    end
  end
  for i, origin in ipairs(conf.allow_origins) do
    local why = origins.error(origin)
    if why then return nil, ("allow_origins.%d: %s"):format(i, why) end
  end
end

function cors.prepare(conf)
  local comma = conf.literal and "," or ", "
  local function joined(list) return #list > 0 and table.concat(list, comma) or nil end
  local function allowed(list) return (conf.literal or list[1] ~= "*") and joined(list) or nil end
  return {
    origins = origins.new(conf.allow_origins),
    methods = allowed(conf.allow_methods), headers = allowed(conf.allow_headers),
    any_method = not conf.literal and conf.allow_methods[1] == "*",
    any_header = not conf.literal and conf.allow_headers[1] == "*",
    expose = joined(conf.expose_headers),
    expose_each = conf.allow_credentials and conf.expose_headers[1] == "*" and not conf.literal,
    credentials = conf.allow_credentials and "true" or nil, forward = conf.unmatched_preflights == "forward",
    max_age = conf.max_age and ("%d"):format(conf.max_age / 1000),
  }
end

function cors.request(conf, ctx)
  local asked = ctx.req.headers
  local origin = asked.origin
  if not origin then return end
  local allowed, method = origins.allow(conf.origins, origin), asked["access-control-request-method"]
  ctx.own.origin = allowed and origin or nil
  if ctx.req.method ~= "OPTIONS" or not method or (conf.forward and not allowed) then return end
  if not allowed then return ctx:respond(200) end
  return ctx:respond(200, nil, {
    ["access-control-allow-methods"] = conf.any_method and method or conf.methods,
    ["access-control-allow-headers"] = conf.any_header and asked["access-control-request-headers"] or conf.headers,
    ["access-control-max-age"] = conf.max_age,
  })
end

local function names_in(headers)
  local list, seen = {}, {}
  for name in headers:each() do
    local key = name:lower()
    if not seen[key] then list[#list + 1] = key end
    seen[key] = true
  end
  return table.concat(list, ", ")
end

-- The answer depends on who asks, which caches must know.
function cors.response(conf, ctx)
  local headers, origin = ctx.res.headers, ctx.own.origin
  local expose = origin and (conf.expose_each and names_in(headers) or conf.expose)
  headers:add("vary", "origin")
  if not origin then return end
  headers:set("access-control-allow-origin", origin)
  if conf.credentials then headers:set("access-control-allow-credentials", conf.credentials) end
  if expose then headers:set("access-control-expose-headers", expose) end
end

return cors
