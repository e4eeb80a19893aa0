--- labels: which namespaces a `from` with its selector means (metav1.LabelSelector).
local labels = {}

local function has(list, value)
  for _, item in ipairs(list or {}) do
    if item == value then return true end
  end
  return false
end

local OPERATORS = {
  In = function(value, values) return value ~= nil and has(values, value) end,
  NotIn = function(value, values) return value == nil or not has(values, value) end,
  Exists = function(value) return value ~= nil end,
  DoesNotExist = function(value) return value == nil end,
}

local function selected(selector, found)
  for name, value in pairs(selector.matchLabels or {}) do
    if found[name] ~= value then return false end
  end
  for _, expression in ipairs(selector.matchExpressions or {}) do
    if not OPERATORS[expression.operator](found[expression.key], expression.values) then return false end
  end
  return true
end

-- Every namespace carries its name as a label, whether or not it stands in the files.
local function labels_of(store, namespace)
  local object, found = store:get("/Namespace", nil, namespace), {}
  for name, value in pairs(object and object.labels or {}) do found[name] = value end
  found["kubernetes.io/metadata.name"] = namespace
  return found
end

--- Whether `rule` ({ from = "All"|"Same"|"Selector"|"None", selector = }) of an object in the namespace `own` lets
-- objects of `other` in. A Selector without a selector lets nobody in.
function labels.allow(store, rule, own, other)
  if rule.from == "All" then return true end
  if rule.from == "Same" then return own == other end
  if rule.from ~= "Selector" or not rule.selector then return false end
  return selected(rule.selector, labels_of(store, other))
end

return labels
