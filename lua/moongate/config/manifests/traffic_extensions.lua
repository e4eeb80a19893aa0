--- TrafficExtensions (Istio: extensions.istio.io) as uses of policy envoy_lua: which count at which listener, and where
-- among the others they stand.
local age = require "moongate.config.manifests.gateway_api.age"
local attachment = require "moongate.config.manifests.attachment"
local lexer = require "moongate.config.lexer"
local script = require "policies.envoy_lua.script"
local telemetries = require "moongate.config.manifests.telemetries"

local traffic_extensions = {}

local KIND = "extensions.istio.io/TrafficExtension"
local CODE = { "spec", "lua", "inlineCode" }

-- ---- one extension ------------------------------------------------------------------------

-- A block of text begins below its key.
local function code_of(object)
  local text = object.spec.lua.inlineCode
  return { text = text, file = object.file, line = object:line_of(CODE) + (text:find("\n", 1, true) and 1 or 0) }
end

local function check(object)
  attachment.check(object)
  if not object.spec.lua then
    object:refuse({ "spec" }, "'lua' is missing; wasm is not supported yet")
    return false
  end
  local _, why = script.load(code_of(object))
  local line, rest = (why or ""):match("^.-:(%d+): (.*)$")
  if why then object:refuse(CODE, rest or why, tonumber(line)) end
  return why == nil
end

-- The services of the model by the names that Envoy's clusters have in a mesh: "outbound|PORT|SUBSET|HOST".
local function clusters_of(context, object)
  local code, clusters = code_of(object), {}
  local tokens = lexer.tokens(code.text)
  for i = 1, tokens.count do
    local port, subset, host = tokens.texts[i]:match("^outbound|(%d+)|([^|]*)|([^|]+)$")
    if port and tokens.kinds[i] == lexer.STRING then
      local service = context.services_by_name[host]
      local known
      for _, own in ipairs(service and service.ports or {}) do
        if own.number == tonumber(port) then known = own end
      end
      if known and subset == "" then
        clusters[tokens.texts[i]] = context.backends:direct(service, known)
      else
        object:refuse(CODE, ("there is no cluster %s here"):format(tokens.texts[i]), code.line + tokens.lines[i] - 1)
      end
    end
  end
  return clusters
end

-- One use for all routes: what a script knows is known to all of them.
local function use_of(context, object)
  return { name = "envoy_lua", at = object:place(CODE),
    conf = { script = code_of(object), clusters = clusters_of(context, object) } }
end

-- ---- where it counts ----------------------------------------------------------------------

local function matches(object, proxy, listener)
  local list = object.spec.match or {}
  for _, selector in ipairs(list) do
    local mode, ports = selector.mode, selector.ports or {}
    local fits = mode == proxy.mode or mode == "CLIENT_AND_SERVER" or mode == "UNDEFINED"
    local has_port = #ports == 0
    for _, port in ipairs(ports) do has_port = has_port or port.number == listener.port end
    if fits and has_port then return true end
  end
  return #list == 0
end

local function proxy_of(context, listener)
  local mesh = context.mesh_listeners[listener.name]
  if not mesh then return context.proxies[listener.name] end
  local proxy, waypoint = telemetries.mesh_proxy(mesh.service), mesh.service.waypoint
  proxy.refs_only = waypoint ~= nil and not waypoint.legacy
  return proxy
end

-- The higher priority first, then the older.
local function in_order(store)
  local list, rank = age.sorted(store:all(KIND)), {}
  for i, object in ipairs(list) do rank[object] = i end
  table.sort(list, function(a, b)
    if a.spec.priority ~= b.spec.priority then return a.spec.priority > b.spec.priority end
    return rank[a] < rank[b]
  end)
  return list
end

-- ---- where it stands ----------------------------------------------------------------------

-- The guards of a route, in their order, by the phase that stands before them.
local STAGE = { metrics = 0, ext_authz = 1, jwt = 1, rbac = 2 }
local BEFORE = { AUTHN = 1, AUTHZ = 2, STATS = 3, UNSPECIFIED = 4 }

-- `uses` with those of `found` among them: before the guards that their phase names, or behind all guards.
local function merged(uses, found)
  local list, at, guards = {}, 1, 0
  while uses[guards + 1] and STAGE[uses[guards + 1].name] do guards = guards + 1 end
  for before = 1, 4 do
    while at <= guards and STAGE[uses[at].name] < before do
      list[#list + 1] = uses[at]
      at = at + 1
    end
    for _, one in ipairs(found) do
      if BEFORE[one.object.spec.phase] == before then list[#list + 1] = one.use end
    end
  end
  for i = at, #uses do list[#list + 1] = uses[i] end
  return list
end

--- Puts the extensions among the policies of the draft's routes.
-- @param context as for mesh.add(), with all listeners and routes in the draft
function traffic_extensions.add(context)
  local at, extensions = {}, {}
  for _, object in ipairs(in_order(context.store)) do
    if check(object) then extensions[#extensions + 1] = { object = object, use = use_of(context, object) } end
  end
  for _, listener in ipairs(context.draft.listeners) do
    local proxy, found = proxy_of(context, listener), {}
    for _, one in ipairs(extensions) do
      if attachment.attaches(one.object, proxy, context.store.mesh.root_namespace)
        and matches(one.object, proxy, listener) then
        one.object:attach("listener " .. listener.name)
        found[#found + 1] = one
      end
    end
    at[listener.name] = found
  end
  -- The listeners of one route are the addresses of one Gateway's port: what counts at one counts at all.
  for _, route in ipairs(context.draft.routes) do
    local found = #extensions > 0 and not route.unrouted and at[route.listeners[1]] or {}
    if #found > 0 then route.policies = merged(route.policies, found) end
  end
  for _, one in ipairs(extensions) do
    if not one.object.attached[1] then one.object:warn({ "spec" }, "counts nowhere: it selects no proxy here") end
  end
end

return traffic_extensions
