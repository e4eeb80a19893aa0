--- What Telemetries change of Istio's metrics, as settings of a row of policy metrics.
local cel = require "moongate.cel"
local istio = require "policies.metrics.istio"
local path_to = require "moongate.config.manifests.path"

local telemetry_metrics = {}

local PROVIDER = "prometheus" -- the provider that every mesh has, and the only one here
local FAMILIES = { REQUEST_COUNT = "istio_requests_total", REQUEST_DURATION = "istio_request_duration_milliseconds",
  REQUEST_SIZE = "istio_request_bytes", RESPONSE_SIZE = "istio_response_bytes" }

local function known_labels()
  local set = {}
  for _, name in ipairs(istio.LABELS) do set[name] = true end
  return set
end

local function check_tags(object, path, tags)
  for name, tag in pairs(tags) do
    local at = path_to(path, "tagOverrides", name)
    if not name:find("^[%a_][%w_]*$") or name:sub(1, 2) == "__" then
      object:refuse(at, "expected the name of a label")
    elseif tag.operation == "UPSERT" then
      local _, why = cel.compile(tag.value or "")
      if why then object:refuse(path_to(at, "value"), why) end
    elseif tag.value then
      object:refuse(path_to(at, "value"), "stands without operation REMOVE")
    end
  end
end

--- Refuses expressions that are not understood.
function telemetry_metrics.check(object)
  for i, entry in ipairs(object.spec.metrics or {}) do
    for j, override in ipairs(entry.overrides or {}) do
      check_tags(object, { "spec", "metrics", i, "overrides", j }, override.tagOverrides or {})
    end
    for j, provider in ipairs(entry.providers or {}) do
      if provider.name ~= PROVIDER then
        object:warn({ "spec", "metrics", i, "providers", j }, provider.name .. " counts nothing here; prometheus does")
      end
    end
  end
end

--- Labels beyond Istio's that any Telemetry sets, sorted: every row must know them all.
function telemetry_metrics.more_labels(objects)
  local known, list = known_labels(), {}
  for _, object in ipairs(objects) do
    for _, entry in ipairs(object.spec.metrics or {}) do
      for _, override in ipairs(entry.overrides or {}) do
        for name in pairs(override.tagOverrides or {}) do
          if not known[name] then list[#list + 1] = name end
          known[name] = true
        end
      end
    end
  end
  table.sort(list)
  return list[1] and list
end

local function is_ours(entry, above)
  local providers = entry.providers or {}
  if #providers == 0 then return above end
  for _, provider in ipairs(providers) do
    if provider.name == PROVIDER then return true end
  end
  return false
end

local function families_of(match)
  local metric = match and match.metric or "ALL_METRICS"
  if metric ~= "ALL_METRICS" then return { FAMILIES[metric] } end
  local list = {}
  for _, name in pairs(FAMILIES) do list[#list + 1] = name end
  return list
end

local function apply(state, override)
  local all = not override.match or (override.match.metric or "ALL_METRICS") == "ALL_METRICS"
  if all and override.disabled then
    state.off = true
    return
  end
  state.off = false
  for _, family in ipairs(families_of(override.match)) do
    if override.disabled ~= nil then state.disabled[family] = override.disabled end
    for name, tag in pairs(override.tagOverrides or {}) do
      state.tags[family] = state.tags[family] or {}
      state.tags[family][name] = tag.operation == "REMOVE" and "" or tag.value
    end
  end
end

--- Changes a row of policy metrics as the objects say, the mesh's first.
-- @param mode "SERVER" or "CLIENT": which side the row counts
-- @return the row, or nil when nothing of it is counted
function telemetry_metrics.apply(row, objects, mode)
  local state, ours = { disabled = {}, tags = {}, off = false }, true
  for _, object in ipairs(objects) do
    for _, entry in ipairs(object.spec.metrics or {}) do
      ours = is_ours(entry, ours)
      for _, override in ipairs(ours and entry.overrides or {}) do
        local own = override.match and override.match.mode or "CLIENT_AND_SERVER"
        if own == "CLIENT_AND_SERVER" or own == mode then apply(state, override) end
      end
    end
  end
  if state.off then return nil end
  local without = {}
  for family, off in pairs(state.disabled) do without[#without + 1] = off and family or nil end
  row.without, row.tags = without[1] and without, next(state.tags) and state.tags or nil
  return row
end

return telemetry_metrics
