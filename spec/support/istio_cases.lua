--- istio_cases: Istio's own cases, as rows of data, and the files that they speak of.
-- MOONGATE_ISTIO_CASES names a folder with more rows; the policies stay beside the default ones.
local json = require "moongate.json"
local yaml = require "moongate.yaml"

local istio_cases = {}

istio_cases.default = "../shared/acceptance/istio"
istio_cases.folder = os.getenv "MOONGATE_ISTIO_CASES" or istio_cases.default
local DEFAULT, FOLDER = istio_cases.default, istio_cases.folder

--- The text of a file, or nil.
function istio_cases.read(path)
  local file = io.open(path, "rb")
  local text = file and file:read("*a")
  if file then file:close() end
  return text
end

-- nil for JSON's null, wherever it stands.
local function without_nulls(value)
  if value == json.null then return nil end
  if type(value) ~= "table" then return value end
  local copy = {}
  for key, item in pairs(value) do copy[key] = without_nulls(item) end
  return copy
end

--- The rows of a file; an empty list, and a text that says so, where it is absent.
function istio_cases.rows(name, list)
  local text = istio_cases.read(FOLDER .. "/" .. name)
  if not text then return {}, ("%s: there is no such file in %s"):format(name, FOLDER) end
  return without_nulls(assert(json.decode(text)))[list or "cases"] or {}
end

-- A rule that no request meets, in place of one that Istio drops when nobody has refused its file before.
local NEVER = { from = json.array { { source = { principals = json.array { "*" },
  notPrincipals = json.array { "*" } } } } }

--- A value of moongate.yaml as moongate.json writes it.
function istio_cases.as_json(value)
  if value == yaml.null then return json.null end
  if type(value) ~= "table" then return value end
  local copy = yaml.is_list(value) and json.array() or {}
  for key, item in pairs(value) do copy[key] = istio_cases.as_json(item) end
  return copy
end

--- The text of a file that a case names, or nil.
function istio_cases.text_of(name)
  return istio_cases.read(DEFAULT .. "/" .. name) or istio_cases.read(FOLDER .. "/" .. name)
end

--- Of the files of a case only the AuthorizationPolicies count here; the case says what the others make of the request.
function istio_cases.policies_of(case)
  local list = json.array()
  for _, name in ipairs(case.policies) do
    for _, document in ipairs(assert(yaml.parse(assert(istio_cases.text_of(name), name)))) do
      local object = document.value
      if type(object) == "table" and object.kind == "AuthorizationPolicy" then
        object = istio_cases.as_json(object)
        object.metadata.namespace = object.metadata.namespace or case.context.defaultNamespace
        list[#list + 1] = object
      end
    end
  end
  return list
end

-- The protected workload, a Service in front of it at the address that the case names, and the mesh.
local function surroundings(case)
  local context, destination = case.context, case.request.destination
  local metadata = { name = "protected", namespace = context.namespace }
  return {
    { apiVersion = "v1", kind = "Service", metadata = metadata, spec = { clusterIP = destination.ip,
      selector = context.labels, ports = json.array { { name = "http", port = destination.port } } } },
    { apiVersion = "apps/v1", kind = "Deployment", metadata = metadata, spec = { selector = {},
      template = { metadata = { labels = context.labels } } } },
    { apiVersion = "v1", kind = "ConfigMap", metadata = { name = "istio", namespace = "istio-system" }, data = {
      mesh = json.encode { rootNamespace = context.rootNamespace, trustDomain = context.trustDomain,
        trustDomainAliases = json.array(context.trustDomainAliases),
        pathNormalization = { normalization = context.pathNormalization } } } },
  }
end

--- A folder's worth of resources as one file: the case's surroundings, its policies, and `more` (array or nil).
function istio_cases.text(case, policies, more)
  local items = json.array(surroundings(case))
  for _, list in ipairs { policies, more or {} } do
    for _, object in ipairs(list) do items[#items + 1] = object end
  end
  return assert(json.encode { apiVersion = "v1", kind = "List", items = items })
end

--- moongate refuses a file with a condition that it does not know, as admission does. Where a case is about what Istio
-- makes of such a file all the same, the rule is dropped, as there.
function istio_cases.drop_refused(policies, errors)
  for _, mistake in ipairs(errors) do
    local name, i = mistake.message:match("^AuthorizationPolicy (%S+): spec%.rules%[(%d+)%]%S*%.key: unknown condition")
    assert(name, mistake.message)
    for _, policy in ipairs(policies) do
      if policy.metadata.name == name then policy.spec.rules[i + 1] = NEVER end
    end
  end
end

return istio_cases
