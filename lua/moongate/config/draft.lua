--- draft: turns a checked Lua config into the draft of a model, and remembers which part came from where.
local policy = require "moongate.policy"
local schema = require "moongate.schema"
local suggest = require "moongate.suggest"

local join = schema.join

local draft = {}

-- `context` is { folder =, read =, report =, at =, text_at = function(path) giving file and line of a text's first
-- character, tls = moongate.tls to try certificates with, or nil, origins = path in the config by table of the draft }.

local function note(context, part, path)
  context.origins[part] = path
  part.at = context.at(path)
  return part
end

local function is_pem(text) return text ~= nil and text:find("-----BEGIN", 1, true) ~= nil end

-- PEM text of a setting that names a file relative to the config, or is the text itself.
local function pem(context, value, path)
  if not value or is_pem(value) then return value, "inline" end
  local name = value:sub(1, 1) == "/" and value or context.folder .. value
  local text, err = context.read(name)
  if not text then
    context.report(path, ("cannot read %q: %s; expected a readable PEM file"):format(value, err))
  elseif not is_pem(text) then
    context.report(path, ("%q holds no PEM text; expected a line \"-----BEGIN ...\""):format(value))
  end
  return text or "", value
end

-- What was read is tried at once, so that its mistakes are said with all others.
local function try_pair(context, pair, path)
  if not context.tls or not is_pem(pair.cert) or not is_pem(pair.key) then return end
  local err = context.tls.pair_mistake(pair)
  if err then context.report(join(path, err:find(": the key", 1, true) and "key" or "cert"), err) end
end

local function authorities(context, value, path)
  local text = pem(context, value, path)
  local err = context.tls and is_pem(text) and context.tls.authority_mistake(text)
  if err then context.report(path, err) end
  return text
end

local function certificate(context, from, path)
  if (from.cert == nil) ~= (from.key == nil) then context.report(path, "'cert' and 'key' stand only together") end
  if not from.cert then return nil end
  local cert, name = pem(context, from.cert, join(path, "cert"))
  local pair = { cert = cert, key = pem(context, from.key, join(path, "key")) or "", name = name }
  try_pair(context, pair, path)
  return pair
end

local function listener_tls(context, from, path)
  local tls = { certs = {} }
  for _, key in ipairs { "client_auth", "alpn", "min_version", "tickets", "permissive" } do tls[key] = from[key] end
  tls.certs[1] = certificate(context, from, path)
  for i, pair in ipairs(from.certs or {}) do
    tls.certs[#tls.certs + 1] = certificate(context, pair, join(join(path, "certs"), i))
  end
  tls.client_ca = authorities(context, from.client_ca, join(path, "client_ca"))
  return tls
end

-- What a use says of itself; everything else beside its name is the policy's own setting.
local OF_A_USE = {}
for _, field in ipairs(policy.OF_A_USE) do OF_A_USE[field[1]] = true end

local function uses(context, from, path)
  local list = {}
  for i, item in ipairs(from or {}) do
    local at = join(path, i)
    local settings = type(item) == "table" and item or { item }
    if type(settings[1]) == "string" then
      local use = { name = settings[1], conf = {} }
      for key, value in pairs(settings) do
        if OF_A_USE[key] then use[key] = value elseif key ~= 1 then use.conf[key] = value end
      end
      function use.text_at(key) return context.text_at(join(at, key)) end
      list[#list + 1] = note(context, use, at)
      if use.shadow ~= nil and type(use.shadow) ~= "boolean" then
        context.report(join(at, "shadow"), "expected true or false, got " .. schema.show(use.shadow))
      end
    else
      context.report(at, 'expected a policy such as "metrics" or { "rbac", allow = ... }')
    end
  end
  return list
end

local function listeners(context, from)
  local list = {}
  for _, name in ipairs(suggest.keys(from)) do
    local path = { "listeners", name }
    local listener = note(context, from[name], path)
    listener.name = name
    if listener.policies then listener.policies = uses(context, listener.policies, join(path, "policies")) end
    if listener.tls then listener.tls = listener_tls(context, listener.tls, join(path, "tls")) end
    list[#list + 1] = listener
  end
  return list
end

local function service_tls(context, tls, path)
  if not tls then return nil end
  if tls == true then tls = {} end
  tls.ca = authorities(context, tls.ca, join(path, "ca"))
  local name = tls.cert
  for _, key in ipairs { "cert", "key" } do tls[key] = pem(context, tls[key], join(path, key)) end
  try_pair(context, { cert = tls.cert, key = tls.key, name = is_pem(name) and "inline" or name }, path)
  tls.insecure = tls.insecure or false
  return tls
end

local function services(context, from, raw)
  local map = {}
  for _, name in ipairs(suggest.keys(raw)) do
    local path = { "services", name }
    local service = note(context, from[name] or {}, path)
    local endpoints = {}
    for i, endpoint in pairs(service.endpoints or {}) do
      if type(endpoint) == "string" then endpoint = { address = endpoint } end
      endpoints[#endpoints + 1] = note(context, endpoint, join(join(path, "endpoints"), i))
    end
    service.endpoints = endpoints
    service.tls = service_tls(context, service.tls, join(path, "tls"))
    map[name] = service
  end
  return map
end

local function value_rules(context, from, path)
  if not from then return nil end
  local list = {}
  local keys = #from > 0 and {} or suggest.keys(from)
  for i = 1, #from do keys[i] = i end
  for _, key in ipairs(keys) do
    local rule = from[key]
    if type(rule) == "string" then rule = { exact = rule } end
    context.origins[rule] = join(path, key)
    rule.name = rule.name or type(key) == "string" and key or nil
    if rule.name then
      list[#list + 1] = rule
    else
      context.report(join(path, key), "'name' is missing; expected a string")
    end
  end
  return list
end

local function matches(context, from, path)
  if not from then return nil end
  local is_list, list = #from > 0, {}
  for i, match in ipairs(is_list and from or { from }) do
    local at = is_list and join(path, i) or path
    context.origins[match] = at
    match.headers = value_rules(context, match.headers, join(at, "headers"))
    match.query = value_rules(context, match.query, join(at, "query"))
    for _, name in ipairs { "authority", "scheme" } do
      if type(match[name]) == "string" then match[name] = { exact = match[name] } end
    end
    list[i] = match
  end
  return list
end

local function backends(context, from, path)
  for i, backend in ipairs(from or {}) do
    local at = join(path, i)
    note(context, backend, at)
    if backend.policies then backend.policies = uses(context, backend.policies, join(at, "policies")) end
  end
  return from
end

local function routes(context, from, count)
  local list, seen = {}, {}
  for i = 1, count do
    local path, route = { "routes", i }, from[i]
    if route then
      note(context, route, path)
      route.matches, route.match = matches(context, route.match, join(path, "match")), nil
      route.policies = uses(context, route.policies, join(path, "policies"))
      route.backends = backends(context, route.backends, join(path, "backends"))
      route.name = route.name or ("route-" .. i)
      if seen[route.name] then
        context.report(path, ("a second route named '%s'; the first is at %s"):format(route.name, seen[route.name]))
      end
      seen[route.name] = route.at
      list[#list + 1] = route
    end
  end
  return list
end

local function count_of(list)
  return type(list) == "table" and #list or 0
end

--- Makes the draft.
-- @param checked the config as schema.check() gave it; it is used up
-- @param raw the config as written: tells a part that is malformed from one that is absent
-- @return draft, and a function that gives the path in the config for a path in the draft
function draft.make(checked, raw, context)
  context.origins = {}
  local made = {
    listeners = listeners(context, checked.listeners or {}),
    admin = checked.admin and note(context, checked.admin, { "admin" }),
    explain = checked.explain, process = checked.process, overload = checked.overload, budgets = checked.budgets,
    services = services(context, checked.services or {}, type(raw.services) == "table" and raw.services or {}),
    policies = uses(context, checked.policies, { "policies" }),
    routes = routes(context, checked.routes or {}, count_of(raw.routes)),
  }
  local function source_path(path)
    local part, found = made, {}
    for _, key in ipairs(path) do
      part = type(part) == "table" and part[key] or nil
      local origin = part ~= nil and context.origins[part]
      if origin then
        found = origin
      elseif key ~= "conf" then
        found = join(found, key == "matches" and "match" or key)
      end
    end
    return found
  end
  return made, source_path
end

return draft
