--- Access logs, by Telemetries and the mesh's settings, as uses of policy access_log around every route.
local cel = require "moongate.cel"
local extension_providers = require "moongate.config.manifests.extension_providers"
local telemetries = require "moongate.config.manifests.telemetries"

local access_logs = {}

local function names_of(entry)
  local list = {}
  for i, provider in ipairs(entry.providers or {}) do list[i] = provider.name end
  return list[1] and list
end

-- The entries of all levels that count in this mode, each { spec, object, path }.
local function entries_of(objects, mode)
  local list = {}
  for _, object in ipairs(objects) do
    for i, entry in ipairs(object.spec.accessLogging or {}) do
      local own = entry.match and entry.match.mode or "CLIENT_AND_SERVER"
      if own == "CLIENT_AND_SERVER" or own == mode then
        list[#list + 1] = { spec = entry, object = object, path = { "spec", "accessLogging", i } }
      end
    end
  end
  return list
end

-- Names of the providers that log, and the last filter: a level without providers speaks of those above it, and what a
-- lower level does not name any more is not logged.
local function merge(entries, defaults)
  local scope, filter = defaults, nil
  for _, entry in ipairs(entries) do
    scope = names_of(entry.spec) or scope
    filter = entry.spec.filter and entry.spec.filter.expression or filter
  end
  local in_scope, above, on, by = {}, defaults, {}, {}
  for _, name in ipairs(scope) do in_scope[name] = true end
  for _, entry in ipairs(entries) do
    above = names_of(entry.spec) or above
    for _, name in ipairs(above) do
      if in_scope[name] then on[name], by[name] = not entry.spec.disabled, entry end
    end
  end
  local list = {}
  for name, logs in pairs(on) do list[#list + 1] = logs and { name = name, entry = by[name] } or nil end
  table.sort(list, function(a, b) return a.name < b.name end)
  return list, filter
end

-- { conf, at } of each log of a proxy.
local function logs_of(self, proxy, listener)
  local mesh, objects = self.mesh, self.telemetries:at(proxy)
  for _, object in ipairs(objects) do object:attach("listener " .. listener) end
  local entries = entries_of(objects, proxy.mode)
  if #entries == 0 and #mesh.default_logs == 0 then return { mesh.access_log } end
  local providers, filter = merge(entries, mesh.default_logs)
  if #entries == 0 then
    for _, name in ipairs(mesh.default_logs) do providers[#providers + 1] = { name = name } end
  end
  local list = {}
  for _, provider in ipairs(providers) do
    local conf, why = extension_providers.access_log(provider.name, mesh)
    local entry = provider.entry
    if conf then
      local copy = { filter = filter }
      for name, value in pairs(conf) do copy[name] = value end
      list[#list + 1] = { conf = copy, at = entry and entry.object:place(entry.path) or mesh.at }
    elseif entry then
      entry.object:warn(entry.path, why .. "; nothing is logged there")
    end
  end
  return list
end

local function key_of(conf)
  local parts = { conf.path, conf.format or "", conf.filter or "" }
  for name, format in pairs(conf.fields or {}) do parts[#parts + 1] = name .. "=" .. format end
  table.sort(parts)
  return table.concat(parts, "\0")
end

local function check(object)
  for i, entry in ipairs(object.spec.accessLogging or {}) do
    local text = entry.filter and entry.filter.expression
    local _, why = cel.compile(text or "true")
    if why then object:refuse({ "spec", "accessLogging", i, "filter", "expression" }, why) end
  end
end

--- Adds the logs of all listeners to the draft's policies; one that is the same for several is one use.
-- @param context as for mesh.add(), and proxies = { [listener of a gateway] = proxy }
function access_logs.add(context)
  local store, uses, order = context.store, {}, {}
  for _, object in ipairs(context.telemetries.all) do check(object) end
  local self = { mesh = store.mesh, telemetries = context.telemetries }
  for _, listener in ipairs(context.draft.listeners) do
    local mesh = context.mesh_listeners[listener.name]
    local proxy = mesh and telemetries.mesh_proxy(mesh.service) or context.proxies[listener.name]
    for _, found in ipairs(logs_of(self, proxy, listener.name)) do
      local key = key_of(found.conf)
      if not uses[key] then
        uses[key] = { name = "access_log", conf = found.conf, at = found.at, listeners = {} }
        order[#order + 1] = uses[key]
      end
      table.insert(uses[key].listeners, listener.name)
    end
  end
  for _, use in ipairs(order) do
    local conf = { listeners = #use.listeners < #context.draft.listeners and use.listeners or nil }
    for name, value in pairs(use.conf) do conf[name] = value end
    table.insert(context.draft.policies, { name = "access_log", conf = conf, at = use.at })
  end
  self.telemetries:warn_unused()
end

return access_logs
