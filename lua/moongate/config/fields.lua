--- fields: the schema of the Lua config. Defaults are the model's, so that every front end has the same.
local normalize = require "moongate.normalize"
local service = require "moongate.config.fields.service"

local fields = {}

local STRINGS = { type = "list", items = { type = "string" } }

local function with(field, extra)
  for key, value in pairs(extra) do field[key] = value end
  return field
end

local function list_of(item, name, doc)
  return { name, type = "list", items = item, doc = doc }
end

local use = { type = { "string", "any" } }

local function uses(doc)
  return list_of(use, "policies", doc)
end

local cert = {
  { "cert", type = "string", required = true, doc = "File with the certificate chain (PEM), or its text." },
  { "key", type = "string", required = true, doc = "File with the private key (PEM), or its text." },
}

local listener_tls = {
  { "cert", type = "string", doc = "File with the certificate chain (PEM), or its text." },
  { "key", type = "string", doc = "File with the private key (PEM), or its text." },
  list_of({ type = "record", fields = cert }, "certs", "Several, chosen by SNI; the first is the default."),
  { "client_ca", type = "string", doc = "File with the authorities that sign clients' certificates." },
  { "client_auth", type = "string", one_of = { "none", "request", "require", "any" },
    doc = "Ask for a client certificate." },
  with({ "alpn", doc = "Protocols offered, the preferred one first." }, STRINGS),
  { "min_version", type = "string", one_of = { "1.2", "1.3" }, doc = "Lowest TLS version." },
  { "tickets", type = "boolean", doc = "Whether sessions resume by ticket." },
  { "permissive", type = "boolean", doc = "Whether clear text is served beside TLS." },
}

local limits = {
  { "request_line_bytes", type = "size", min = 1, max = 1048576, doc = "Longest request line (414)." },
  { "header_bytes", type = "size", min = 1, max = 1048576, doc = "All header fields together (431)." },
  { "header_count", type = "integer", min = 1, max = 10000, doc = "Header fields (431)." },
  { "body_bytes", type = "size", doc = "Request body (413); 0: no limit." },
  { "trailer_bytes", type = "size", max = 1048576, doc = "Trailer fields." },
  { "header_timeout", type = "duration", min = 1, doc = "From a request's first byte to the end of its head (408)." },
  { "body_timeout", type = "duration", min = 1, doc = "Longest pause inside a request body (408)." },
  { "body_rate", type = "size", max = 4294967295,
    doc = "Slowest request body, in bytes a second over any body_timeout (408); 0: no limit." },
  { "idle_timeout", type = "duration", min = 1, doc = "Kept-alive connection without a request." },
  { "write_timeout", type = "duration", min = 1, doc = "Longest wait for a client that reads nothing." },
  { "requests_per_connection", type = "integer", min = 0, max = 4294967295, doc = "0: no limit." },
  { "connections", type = "integer", min = 1, max = 4294967295, doc = "At once, per worker." },
  { "connections_per_client", type = "integer", min = 0, max = 4294967295, doc = "Of one address; 0: no limit." },
}

local listener = {
  { "address", type = "string", required = true, doc = "IP address and port to listen on, or unix:/path." },
  { "mode", type = "string", pattern = "^0?[0-7][0-7][0-7]$", doc = "Of a Unix socket; absent: as the umask says." },
  { "proxy_protocol", type = "boolean", doc = "Each connection begins with a PROXY header (version 1 or 2)." },
  { "tls", type = "record", fields = listener_tls, doc = "Serve TLS." },
  { "trusted_hops", type = "integer", min = 0, max = 255, doc = "Proxies in front whose X-Forwarded-For counts." },
  { "trust_request_id", type = "boolean", doc = "Keep the client's X-Request-Id." },
  { "client_cert_header", type = "string", one_of = { "remove", "set", "trust" }, doc = "X-Forwarded-Client-Cert." },
  { "append_forwarded_for", type = "boolean", doc = "Append the client's address to X-Forwarded-For." },
  { "path_normalization", type = "string", one_of = normalize.MODES, doc = "One spelling of paths, before the match." },
  with({ "names", doc = "Hosts that clients reach it by, for those who ask why." }, STRINGS),
  with({ "sections", doc = "Hosts told apart: a request takes the routes of the most specific alone." }, STRINGS),
  { "strict_hosts", type = "boolean", doc = "No fall back from a matching host to a less specific one." },
  uses("Of its requests before they have a route, so that routes may ask for claims."),
  { "limits", type = "record", fields = limits, doc = "What a client may ask at most." },
}

local value_rule = {
  { "name", type = "string", doc = "In the list form: which header or parameter." },
  { "exact", type = "string" }, { "prefix", type = "string" }, { "suffix", type = "string" },
  { "regex", type = "string", doc = "Of the whole value." },
  { "present", type = "boolean" }, { "invert", type = "boolean" },
  { "empty_if_absent", type = "boolean", doc = "Takes a value that is not there for an empty one." },
}
-- { user = "Amy", ["x-debug"] = { present = true } } or a list of records with names.
local values = { type = { "list", "map" }, items = { type = "record", fields = value_rule },
                 values = { type = { "string", "record" }, fields = value_rule } }

local function text_rule(name, doc)
  return { name, type = { "string", "record" }, doc = doc, fields = {
    { "exact", type = "string" }, { "prefix", type = "string" }, { "suffix", type = "string" },
    { "regex", type = "string" }, { "invert", type = "boolean" } } }
end

-- Of a token that policy jwt has verified for the listener.
local claim_rule = {
  { "path", type = "list", items = { type = "string" }, min = 1, required = true,
    doc = "Its name, and those of the claims within it." },
  { "exact", type = "string" }, { "prefix", type = "string" }, { "suffix", type = "string" },
  { "regex", type = "string" }, { "present", type = "boolean" }, { "invert", type = "boolean" },
}

local match = {
  { "path", type = "record", fields = {
    { "exact", type = "string" }, { "prefix", type = "string" }, { "starts_with", type = "string" },
    { "regex", type = "string" }, { "ignore_case", type = "boolean", doc = "Whether capitals count as small." } },
    doc = "One of: the whole path, whole elements of it, any first characters, a regular expression of the whole." },
  text_rule("method", "As sent, in capitals."),
  text_rule("authority", "Host as sent, with its port."),
  text_rule("scheme", "\"http\" or \"https\"."),
  text_rule("principal", "Identity of the client's certificate: spiffe://..."),
  with({ "headers", doc = "All must hold." }, values),
  with({ "query", doc = "All must hold." }, values),
  list_of({ type = "record", fields = claim_rule }, "claims", "All must hold."),
}

local retries = {
  { "attempts", type = "integer", min = 0, max = 100, doc = "Tries after the first." },
  with({ "on", doc = "Conditions to try again on." }, STRINGS),
  { "back_off", type = "duration", min = 1, doc = "First pause." },
  { "max_back_off", type = "duration", min = 1, doc = "Longest pause." },
  { "buffer", type = "size", max = 4294967295, doc = "Longest body kept to be sent again." },
  { "avoid_tried", type = "boolean", doc = "Prefer endpoints that have not been tried." },
}

local backend = {
  { "service", type = "string", required = true, doc = "Name of a service." },
  { "subset", type = "string", doc = "Name of one of its subsets." },
  { "weight", type = "integer", min = 0, max = 1000000, doc = "Share among the backends." },
  uses("Policies of the requests that go there."),
}

local route = {
  { "name", type = "string", min = 1, doc = "For logs and metrics." },
  with({ "hosts", doc = "Hosts, \"*.example\" for all below one; absent: any." }, STRINGS),
  with({ "listeners", doc = "Names of listeners; absent: all." }, STRINGS),
  { "section", type = "string", doc = "The section of these that it belongs to; absent: each." },
  { "match", type = { "list", "record" }, items = { type = "record", fields = match }, fields = match,
    doc = "What a request must look like; of a list, one must hold." },
  uses("In the order in which requests meet them."),
  list_of({ type = "record", fields = backend }, "backends", "Where requests go, by weight."),
  { "timeout", type = "duration", doc = "For the whole answer, tries included; absent or 0: none." },
  { "per_try_timeout", type = "duration", doc = "For the head of one try's answer." },
  { "retries", type = "record", fields = retries, doc = "Trying again." },
}

local budgets = {
  { "cpu", type = "duration", min = 10, doc = "Time of the CPU for one call of a policy, from one wait to the next." },
  { "memory", type = "size", min = 16777216, doc = "Lua memory that the policies of one worker keep." },
  { "timers", type = "integer", min = 1, max = 1024, doc = "Of one policy, that wait or run, in one worker." },
}

local process = {
  { "user", type = "string", min = 1, doc = "To become once the sockets are open." },
  { "group", type = "string", min = 1, doc = "Its group; absent: the user's own." },
  { "pid_file", type = "string", pattern = "^/", doc = "File that holds the master's process id." },
  { "seccomp", type = "boolean", doc = "Whether the system refuses workers what no worker does." },
}

fields.config = {
  { "listeners", type = "map", values = { type = "record", fields = listener }, required = true,
    doc = "Where clients connect, by name." },
  { "admin", type = "record", fields = { { "address", type = "string", required = true } },
    doc = "Where metrics and health are served." },
  { "process", type = "record", fields = process, doc = "What the processes are to the system." },
  { "explain", type = "record", fields = { { "token", type = "string", min = 16, required = true, secret = true,
    doc = "Who sends it in x-moongate-explain is told why." } }, doc = "Explanations of live requests." },
  { "overload", type = "record", fields = { { "memory", type = "size", min = 16777216,
    doc = "A worker's memory, past which new requests get 503; absent: the machine's, shared." } },
    doc = "When to give something up." },
  { "services", type = "map", values = { type = "record", fields = service }, doc = "Upstreams by name." },
  { "budgets", type = "record", fields = budgets, doc = "What policies may use up." },
  uses("Around every route."),
  list_of({ type = "record", fields = route }, "routes", "Tried in the order that `order` says."),
  { "order", type = "string", one_of = { "specificity", "written" }, doc = "How the routes of one host are tried." },
}

return fields
