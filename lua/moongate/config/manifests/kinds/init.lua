--- Every kind that is read: which versions of it, and its fields in the form of moongate.schema.
--
-- Three marks go beyond the schema's own: `ignored` fields are taken and mean nothing to a gateway;
-- `later` fields exist in Kubernetes or Istio but nothing honours them yet, so they are refused by
-- name: a file must never do less than it says; `check` is a function of a text or a list that says what is wrong
-- with it, and (of a list) at which item.
local suggest = require "moongate.suggest"
local fields = require "moongate.config.manifests.kinds.fields"

local kinds = {}

local by_version = {} -- [apiVersion][kind] = definition
local versions_of = {} -- [kind] = every apiVersion known for it

local function add(name, definition)
  definition.kind = name
  definition.group = definition.versions[1]:match("^(.+)/") or ""
  table.insert(definition.fields, { "apiVersion", type = "string", doc = "Group and version of the kind." })
  table.insert(definition.fields, { "kind", type = "string", doc = "The kind." })
  table.insert(definition.fields, { "metadata", type = "record", required = true, fields = fields.metadata(true),
    doc = "Name, namespace, labels and annotations." })
  table.insert(definition.fields, fields.ignored "status")
  versions_of[name] = versions_of[name] or {}
  for _, version in ipairs(definition.versions) do
    by_version[version] = by_version[version] or {}
    by_version[version][name] = definition
    table.insert(versions_of[name], version)
  end
end

local GROUPS = { "core", "istio", "gateway", "peer_authentication", "request_authentication", "telemetry",
  "virtual_service", "destination_rule", "service_entry", "endpoints", "gateway_api", "http_route",
  "traffic_extension" }
for _, group in ipairs(GROUPS) do
  for name, definition in pairs(require("moongate.config.manifests.kinds." .. group)) do add(name, definition) end
end

--- The definition of a kind: { kind, group, versions, fields, cluster_scoped }.
-- @return table, or nil, the step of the path at fault ("kind" or "apiVersion") and a message
function kinds.find(version, kind)
  local known = by_version[version] and by_version[version][kind]
  if known then return known end
  local versions = versions_of[kind]
  if versions then
    return nil, "apiVersion", ("%s of %s is not supported; %s %s"):format(version, kind,
      table.concat(versions, ", "), #versions == 1 and "is" or "are")
  end
  local list = suggest.keys(versions_of)
  local near = suggest.nearest(kind, list)
  local hint = near and ("did you mean %s?"):format(near) or table.concat(list, ", ") .. " are"
  return nil, "kind", ("%s (%s) is not supported yet; %s"):format(kind, version, hint)
end

return kinds
