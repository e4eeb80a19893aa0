--- delegates: the routes of a VirtualService with those it delegates to others in their places.
-- Rules: Delegate (networking.istio.io). A route of a delegate keeps what it says; the rest is that of the route which
-- delegates. Its matches must be narrower than one of that route's, and each such pair makes one match.
local binding = require "moongate.config.manifests.virtual_services.binding"
local path_to = require "moongate.config.manifests.path"

local delegates = {}

local KIND = "networking.istio.io/VirtualService"
local TEXTS = { "uri", "scheme", "method", "authority" }
local MAPS = { "headers", "withoutHeaders", "queryParams" }
local INHERITED = { "rewrite", "timeout", "retries", "fault", "mirror", "mirrorPercent", "mirrorPercentage", "mirrors",
  "corsPolicy", "headers" }

-- ---- merging ------------------------------------------------------------------------------

local function starts_with(text, start) return text:sub(1, #start) == start end

-- Whether a leaf's StringMatch is no part of the root's.
local function conflicts(root, leaf)
  if not root or not leaf then return false end
  if root.regex or leaf.regex then return true end
  if root.exact then return leaf.exact ~= root.exact end
  local text = leaf.prefix or leaf.exact
  return not (root.prefix and text and starts_with(text, root.prefix))
end

local function map_conflicts(root, leaf)
  for name, value in pairs(leaf or {}) do
    if conflicts((root or {})[name], value) then return true end
  end
  return false
end

local function match_conflicts(root, leaf)
  for _, name in ipairs(TEXTS) do
    if conflicts(root[name], leaf[name]) then return true end
  end
  return map_conflicts(root.headers, leaf.headers) or map_conflicts(root.headers, leaf.withoutHeaders)
    or map_conflicts(root.queryParams, leaf.queryParams)
    or (root.ignoreUriCase or false) ~= (leaf.ignoreUriCase or false)
    or root.port and leaf.port and root.port ~= leaf.port or false
end

local function joined(a, b) return a and b and a .. "-" .. b or b or a end

local function merged_map(root, leaf)
  if not root and not leaf then return nil end
  local made = {}
  for name, value in pairs(root or {}) do made[name] = value end
  for name, value in pairs(leaf or {}) do made[name] = value end
  return made
end

local function merge_match(root, leaf)
  local made = {}
  for name, value in pairs(leaf) do made[name] = value end
  made.name, made.port = joined(root.name, leaf.name), leaf.port or root.port
  for _, name in ipairs(TEXTS) do made[name] = leaf[name] or root[name] end
  for _, name in ipairs(MAPS) do made[name] = merged_map(root[name], leaf[name]) end
  return made
end

-- nil: a match of the leaf is narrower than none of the root's.
local function merge_matches(root, leaf)
  if #(root or {}) == 0 then return leaf or {} end
  if #(leaf or {}) == 0 then return root end
  local list = {}
  for _, inner in ipairs(leaf) do
    local before = #list
    for _, outer in ipairs(root) do
      if not match_conflicts(outer, inner) then list[#list + 1] = merge_match(outer, inner) end
    end
    if #list == before then return nil end
  end
  return list
end

local function merge(root, leaf, matches)
  local made = {}
  for name, value in pairs(leaf) do made[name] = value end
  for _, name in ipairs(INHERITED) do
    if made[name] == nil then made[name] = root[name] end
  end
  made.name, made.match = joined(root.name, leaf.name), matches
  return made
end

-- ---- looking up ---------------------------------------------------------------------------

local function find(context, object, path, said)
  local namespace = said.namespace and said.namespace ~= "" and said.namespace or object.namespace
  local found = context.store:get(KIND, namespace, said.name)
  local function without(why)
    object:warn(path, ("%s; this route takes nothing"):format(why:format(said.name, namespace)))
  end
  if not found then return without "there is no VirtualService %s in the namespace %s" end
  if not binding.is_delegate(found) then return without "VirtualService %s in the namespace %s has hosts of its own" end
  if not binding.is_visible(found, object.namespace) then
    return without("VirtualService %s in the namespace %s does not export to " .. object.namespace)
  end
  return found
end

local function add_delegated(context, object, path, http, list)
  local found = find(context, object, path_to(path, "delegate"), http.delegate)
  if found then context.looked_at[found] = true end
  for i, leaf in ipairs(found and found.spec.http or {}) do
    local at = { "spec", "http", i }
    local matches = merge_matches(http.match, leaf.match)
    if leaf.delegate then
      found:refuse(path_to(at, "delegate"), "cannot stand in what is delegated to itself")
    elseif matches then
      list[#list + 1] = { object = found, path = at, http = merge(http, leaf, matches) }
    else
      found:warn(at, ("is no part of what %s/%s delegates: this route takes nothing"):format(object.namespace,
        object.name))
    end
  end
end

--- The routes of a VirtualService in order.
-- @param context { store, looked_at = set of VirtualServices, added to }
-- @return array of { object = whose words count, path = of the route there, http = HTTPRoute }
function delegates.routes(context, object)
  local list = {}
  for i, http in ipairs(object.spec.http or {}) do
    local path = { "spec", "http", i }
    if not http.delegate then
      list[#list + 1] = { object = object, path = path, http = http }
    elseif http.redirect or http.directResponse or #(http.route or {}) > 0 then
      object:refuse(path_to(path, "delegate"), "cannot stand beside route, redirect or directResponse")
    else
      add_delegated(context, object, path, http, list)
    end
  end
  return list
end

return delegates
