--- export: a checked model as a tree that can be printed: settings by the names of a config in Lua, durations as people
-- write them, secrets masked, everything in one order.
-- A node is a scalar, { kind = "list", node... }, { kind = "map", at = "file:line" or nil, { key, node }...,
-- apart = array of keys that a config in Lua does not have }, or { kind = "use", name =, at =, settings = map }.
local fields = require "moongate.config.fields"
local suggest = require "moongate.suggest"
local units = require "moongate.units"

local export = {}

export.MASK = "(masked)"

local SECRET_NAMES = { password = true, secret = true, client_secret = true, token = true, api_key = true }
-- What is derived, or stands elsewhere in the tree.
local LEFT_OUT = { at = true, name = true, host = true, port = true, rank = true, origin = true, handle = true }

-- ---- scalars ------------------------------------------------------------------------------

-- A private or a symmetric key, whatever field it stands in.
local function masked_text(text)
  if text:find("PRIVATE KEY", 1, true) then return export.MASK end
  if not text:find('"kty"', 1, true) then return text end
  for _, name in ipairs { "k", "d", "p", "q", "dp", "dq", "qi" } do
    text = text:gsub(('("%s"%%s*:%%s*)"[^"]*"'):format(name), '%1"' .. export.MASK .. '"')
  end
  return text
end

local function has_type(field, name)
  if type(field.type) ~= "table" then return field.type == name end
  for _, other in ipairs(field.type) do
    if other == name then return true end
  end
end

local function scalar(value, field, name)
  if field.secret or SECRET_NAMES[name] and type(value) == "string" then return export.MASK end
  if type(value) == "string" then return masked_text(value) end
  if type(value) == "number" and has_type(field, "duration") then return units.show_duration(value) end
  if type(value) == "function" then return nil end
  return value
end

-- ---- tables by their schema ---------------------------------------------------------------

local node_of

local function is_list(value, field)
  return #value > 0 or next(value) == nil and has_type(field, "list")
end

local function list_of(value, item, name)
  local list = { kind = "list" }
  for i, part in ipairs(value) do list[i] = node_of(part, item, name) end
  return list
end

local function add(map, key, node)
  if node ~= nil then map[#map + 1] = { key, node } end
end

-- First what the schema names, in its order, then the rest by name.
local function map_of(value, list, values, skip)
  local map, known = { kind = "map", at = type(value.at) == "string" and value.at or nil, apart = {} }, {}
  for _, field in ipairs(list or {}) do
    known[field[1]] = true
    if value[field[1]] ~= nil and not (skip and skip[field[1]]) then
      add(map, field[1], node_of(value[field[1]], field, field[1]))
    end
  end
  for _, key in ipairs(suggest.keys(value)) do
    if not known[key] and key ~= (map.at and "at") and not (skip and (skip[key] or LEFT_OUT[key])) then
      add(map, key, node_of(value[key], values or { type = "any" }, key))
      if list and #list > 0 then map.apart[key] = true end
    end
  end
  return map
end

function node_of(value, field, name)
  if has_type(field, "code") and type(value) == "table" then value = value.text end
  if type(value) ~= "table" then return scalar(value, field, name) end
  if is_list(value, field) then return list_of(value, field.items or { type = "any" }, name) end
  return map_of(value, field.fields, field.values)
end

-- ---- the parts of a model -----------------------------------------------------------------

local function field_of(list, name)
  for _, field in ipairs(list) do
    if field[1] == name then return field end
  end
end

local SKIP = {}
local LISTENER = field_of(fields.config, "listeners").values.fields
local SERVICE = field_of(fields.config, "services").values.fields
local ROUTE = field_of(fields.config, "routes").items.fields
local BACKEND = field_of(ROUTE, "backends").items.fields
local MATCH = field_of(ROUTE, "match").fields

local function uses_of(uses)
  local list = { kind = "list" }
  for i, use in ipairs(uses or {}) do
    local settings = map_of(use.conf or {}, use.policy.schema)
    if use.on_error then add(settings, "on_error", use.on_error) end
    if use.cpu_budget then add(settings, "cpu_budget", scalar(use.cpu_budget, { type = "duration" }, "cpu_budget")) end
    if use.shadow then table.insert(settings, 1, { "shadow", true }) end
    list[i] = { kind = "use", name = use.name, at = use.at, settings = settings }
  end
  return list
end

local function put(map, key, node)
  for _, entry in ipairs(map) do
    if entry[1] == key then
      entry[2] = node
      return
    end
  end
  map[#map + 1] = { key, node }
end

local function backend_of(backend)
  local map = map_of(backend, BACKEND, nil, { policies = true })
  if backend.policies and #backend.policies > 0 then put(map, "policies", uses_of(backend.policies)) end
  return map
end

local function mapped(list, make)
  local node = { kind = "list" }
  for i, item in ipairs(list or {}) do node[i] = make(item) end
  return node
end

-- Names must differ in a config in Lua; several routes of one resource may share theirs.
local function route_of(route, seen)
  local map = map_of(route, ROUTE, nil, { policies = true, backends = true, matches = true, name = true })
  local name = route.name or "route"
  seen[name] = (seen[name] or 0) + 1
  table.insert(map, 1, { "name", seen[name] > 1 and ("%s (%d)"):format(name, seen[name]) or name })
  put(map, "match", mapped(route.matches, function(match) return map_of(match, MATCH, nil, SKIP) end))
  put(map, "policies", uses_of(route.policies))
  put(map, "backends", mapped(route.backends, backend_of))
  return map
end

local function listener_of(listener)
  local map = map_of(listener, LISTENER, nil, { policies = true })
  if #(listener.policies or {}) > 0 then put(map, "policies", uses_of(listener.policies)) end
  return map
end

local function service_of(service)
  return map_of(service, SERVICE, nil, SKIP)
end

--- The tree of a checked model (moongate.model).
function export.tree(model)
  local listeners, services, seen = { kind = "map", apart = {} }, { kind = "map", apart = {} }, {}
  for _, listener in ipairs(model.listeners) do add(listeners, listener.name, listener_of(listener)) end
  table.sort(listeners, function(a, b) return a[1] < b[1] end)
  for _, name in ipairs(suggest.keys(model.services)) do add(services, name, service_of(model.services[name])) end
  local tree = { kind = "map", apart = {}, { "listeners", listeners } }
  if model.admin then add(tree, "admin", map_of({ address = model.admin.address }, {})) end
  if model.explain then
    add(tree, "explain", map_of({ token = model.explain.token }, field_of(fields.config, "explain").fields))
  end
  if model.overload then add(tree, "overload", map_of(model.overload, field_of(fields.config, "overload").fields)) end
  add(tree, "process", map_of(model.process, field_of(fields.config, "process").fields))
  add(tree, "order", model.order)
  add(tree, "budgets", map_of(model.budgets, field_of(fields.config, "budgets").fields))
  add(tree, "services", services)
  add(tree, "policies", uses_of(model.policies))
  add(tree, "routes", mapped(model.routes, function(route) return route_of(route, seen) end))
  return tree
end

return export
