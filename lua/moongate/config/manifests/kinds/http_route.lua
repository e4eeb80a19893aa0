--- Fields of the Gateway API's HTTPRoute and GRPCRoute.
local api_types = require "moongate.config.manifests.kinds.api_types"
local fields = require "moongate.config.manifests.kinds.fields"
local later = fields.later

local GROUP = "gateway.networking.k8s.io/"

local parent_ref = {
  { "group", type = "string", default = "gateway.networking.k8s.io", check = api_types.group,
    doc = "Group of the kind." },
  { "kind", type = "string", default = "Gateway", check = api_types.kind,
    doc = "Gateway or ListenerSet; Service in a mesh." },
  { "name", type = "string", required = true, min = 1, max = 253, doc = "Its name." },
  { "namespace", type = "string", check = api_types.namespace, doc = "Its namespace; the route's own when absent." },
  { "sectionName", type = "string", check = api_types.section,
    doc = "Name of one listener, or of a Service's port; all when absent." },
  { "port", type = "integer", min = 1, max = 65535, doc = "Port of the listeners; all when absent." },
}

local function backend_ref(more)
  local list = {
    { "group", type = "string", default = "", check = api_types.group, doc = "The core group." },
    { "kind", type = "string", default = "Service", check = api_types.kind, doc = "Service." },
    { "name", type = "string", required = true, min = 1, max = 253, doc = "Its name." },
    { "namespace", type = "string", check = api_types.namespace,
      doc = "Its namespace; another one needs a ReferenceGrant." },
    { "port", type = "integer", min = 1, max = 65535, doc = "Port of the service." },
  }
  for _, field in ipairs(more or {}) do list[#list + 1] = field end
  return list
end

-- A list of names of headers.
local function names(name, doc, max)
  return { name, type = "list", max = max, check = api_types.set, doc = doc,
    items = { type = "string", check = api_types.header } }
end

local function header_list(name, doc)
  return { name, type = "list", max = 16, check = api_types.unique "name", doc = doc, items = { type = "record",
    fields = {
      { "name", type = "string", required = true, check = api_types.header, doc = "Name of the header." },
      { "value", type = "string", required = true, min = 1, max = 4096, check = api_types.header_value,
        doc = "Its value." },
    } } }
end

local function header_modifier(name, doc)
  return { name, type = "record", doc = doc, fields = {
    header_list("set", "Headers with the only value they shall have."),
    header_list("add", "Values added to what is there."),
    names("remove", "Headers to take away.", 16),
  } }
end

local path_modifier = { "path", type = "record", doc = "The new path.", fields = {
  { "type", type = "string", one_of = { "ReplaceFullPath", "ReplacePrefixMatch" }, required = true,
    doc = "What is replaced." },
  { "replaceFullPath", type = "string", max = 1024, doc = "Takes the place of the whole path." },
  { "replacePrefixMatch", type = "string", max = 1024, doc = "Takes the place of the matched prefix." },
} }

local redirect = { "requestRedirect", type = "record", doc = "Answers with another place.", fields = {
  { "scheme", type = "string", one_of = { "http", "https" }, doc = "Scheme there." },
  { "hostname", type = "string", check = api_types.precise_host, doc = "Host there; the request's when absent." },
  path_modifier,
  { "port", type = "integer", min = 1, max = 65535, doc = "Port there; the scheme's, else the listener's." },
  { "statusCode", type = "integer", one_of = { 301, 302, 303, 307, 308 }, default = 302, doc = "Status." },
} }

local rewrite = { "urlRewrite", type = "record", doc = "Changes what the backend sees.", fields = {
  { "hostname", type = "string", check = api_types.precise_host, doc = "Its Host." }, path_modifier,
} }

local mirror = { "requestMirror", type = "record", doc = "Sends a copy elsewhere.", fields = {
  { "backendRef", type = "record", required = true, fields = backend_ref(), doc = "Where." },
  { "percent", type = "integer", min = 0, max = 100, doc = "Share of requests." },
  { "fraction", type = "record", doc = "Share of requests.", fields = {
    { "numerator", type = "integer", min = 0, required = true, doc = "So many" },
    { "denominator", type = "integer", min = 1, default = 100, doc = "of so many." },
  } },
} }

local METHODS = { "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH" }
local METHODS_OR_ANY = { "*", unpack(METHODS) }

local cors = { "cors", type = "record", doc = "Who may call from a browser.", fields = {
  { "allowOrigins", type = "list", max = 64, items = { type = "string", check = api_types.origin },
    check = api_types.lone_star, doc = "Origins, perhaps with '*' in the host." },
  { "allowCredentials", type = "boolean", default = false, doc = "Whether with cookies." },
  { "allowMethods", type = "list", max = 9, items = { type = "string", one_of = METHODS_OR_ANY },
    check = api_types.lone_star, doc = "Methods, or '*'." },
  { "allowHeaders", type = "list", max = 64, items = { type = "string", check = api_types.header },
    check = api_types.lone_star, doc = "Request headers, or '*'." },
  names("exposeHeaders", "Response headers, or '*'.", 64),
  { "maxAge", type = "integer", min = 1, default = 5, doc = "Seconds that a preflight's answer holds." },
} }

local external_auth = { "externalAuth", type = "record", doc = "Asks a service whether a request may pass.", fields = {
  { "protocol", type = "string", one_of = { "HTTP", "GRPC" }, required = true, doc = "HTTP; GRPC is refused." },
  { "backendRef", type = "record", required = true, fields = backend_ref(), doc = "Who is asked." },
  { "http", type = "record", doc = "How it is asked.", fields = {
    { "path", type = "string", pattern = "^[%w/._~!$&'()*+,;=:@%%-]*$", doc = "Stands before the request's path." },
    names("allowedHeaders", "Headers that are sent too.", 64),
    names("allowedResponseHeaders", "Headers of its answer that go to the backend.", 64),
  } },
  { "grpc", type = "any", doc = "For GRPC; refused with it." },
  { "forwardBody", type = "record", doc = "Sends the request's body too.", fields = {
    { "maxSize", type = "integer", min = 0, default = 0, doc = "Longest body sent; a longer one is answered 413." } } },
} }

local filter = {
  { "type", type = "string", required = true, doc = "Which of the filters below.", one_of = {
    "RequestHeaderModifier", "ResponseHeaderModifier", "RequestRedirect", "URLRewrite", "RequestMirror", "CORS",
    "ExtensionRef", "ExternalAuth" } },
  header_modifier("requestHeaderModifier", "Changes headers that go to the backend."),
  header_modifier("responseHeaderModifier", "Changes headers that go to the client."),
  redirect, rewrite, mirror, cors,
  { "extensionRef", type = "any", doc = "A filter of another implementation's; refused." },
  external_auth,
}

local filters = { "filters", type = "list", max = 16, items = { type = "record", fields = filter },
  doc = "What is done." }

local function value_matches(name, doc, longest)
  return { name, type = "list", max = 16, check = api_types.unique "name", doc = doc, items = { type = "record",
    fields = {
      { "type", type = "string", one_of = { "Exact", "RegularExpression" }, default = "Exact", doc = "How." },
      { "name", type = "string", required = true, check = api_types.header, doc = "Name." },
      { "value", type = "string", required = true, min = 1, max = longest, doc = "Value." },
    } } }
end

local match = {
  { "path", type = "record", default = {}, doc = "Path without its query.", fields = {
    { "type", type = "string", one_of = { "Exact", "PathPrefix", "RegularExpression" }, default = "PathPrefix",
      doc = "How." },
    { "value", type = "string", max = 1024, default = "/", doc = "The path." },
  } },
  value_matches("headers", "All of these headers.", 4096),
  value_matches("queryParams", "All of these query parameters.", 1024),
  { "method", type = "string", doc = "Method.", one_of = METHODS },
}

local rule = {
  { "name", type = "string", check = api_types.section, doc = "Name of the rule, in logs." },
  { "matches", type = "list", max = 64, items = { type = "record", fields = match }, doc = "Any of these." },
  filters,
  { "backendRefs", type = "list", max = 16, doc = "Where requests go, by weight.", items = { type = "record",
    fields = backend_ref { { "weight", type = "integer", min = 0, max = 1000000, default = 1, doc = "Share." },
      filters } } },
  { "timeouts", type = "record", default = {}, doc = "Limits of time; 0s is none.", fields = {
    { "request", type = "duration", check = api_types.duration, doc = "Until the answer is complete, tries included." },
    { "backendRequest", type = "duration", check = api_types.duration, doc = "Of one try." },
  } },
  { "retry", type = "record", doc = "When to try again; a broken connection always is.", fields = {
    { "codes", type = "list", check = api_types.set, doc = "Statuses.",
      items = { type = "integer", min = 400, max = 599 } },
    { "attempts", type = "integer", min = 1, default = 2, doc = "Tries after the first." },
    { "backoff", type = "duration", min = 1, check = api_types.duration, doc = "Least wait between tries." },
  } },
  later "sessionPersistence",
}

local grpc_match = {
  { "method", type = "record", doc = "What is called.", fields = {
    { "type", type = "string", one_of = { "Exact", "RegularExpression" }, default = "Exact", doc = "How." },
    { "service", type = "string", min = 1, doc = "The service with its package; any when absent." },
    { "method", type = "string", min = 1, doc = "The method; any when absent." },
  } },
  value_matches("headers", "All of these headers.", 4096),
}

local grpc_filter = { { "type", type = "string", required = true, doc = "Which of the filters below.", one_of = {
  "RequestHeaderModifier", "ResponseHeaderModifier", "RequestMirror", "ExtensionRef" } } }
for _, field in ipairs(filter) do
  for _, name in ipairs { "requestHeaderModifier", "responseHeaderModifier", "requestMirror", "extensionRef" } do
    if field[1] == name then grpc_filter[#grpc_filter + 1] = field end
  end
end
local grpc_filters = { "filters", type = "list", max = 16, items = { type = "record", fields = grpc_filter },
  doc = "What is done." }

local grpc_rule = {
  { "name", type = "string", check = api_types.section, doc = "Name of the rule, in logs." },
  { "matches", type = "list", max = 64, items = { type = "record", fields = grpc_match }, doc = "Any of these." },
  grpc_filters,
  { "backendRefs", type = "list", max = 16, doc = "Where calls go, by weight.", items = { type = "record",
    fields = backend_ref { { "weight", type = "integer", min = 0, max = 1000000, default = 1, doc = "Share." },
      grpc_filters } } },
  later "sessionPersistence",
}

local function spec_of(rules)
  return {
    { "parentRefs", type = "list", max = 32, items = { type = "record", fields = parent_ref }, default = {},
      check = api_types.references, doc = "What it attaches to." },
    { "hostnames", type = "list", max = 16, items = { type = "string", check = api_types.host },
      doc = "Hosts; those of the listener when absent." },
    { "rules", type = "list", min = 1, max = 16, items = { type = "record", fields = rules }, default = { {} },
      check = api_types.unique "name", doc = "What happens to which requests." },
    later "useDefaultGateways",
  }
end

local function kind(rules, ...)
  return { versions = { ... },
    fields = { { "spec", type = "record", required = true, fields = spec_of(rules), doc = "The route." } } }
end

return {
  HTTPRoute = kind(rule, GROUP .. "v1", GROUP .. "v1beta1", GROUP .. "v1alpha2"),
  GRPCRoute = kind(grpc_rule, GROUP .. "v1", GROUP .. "v1alpha2"),
}
