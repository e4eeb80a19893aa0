--- Who runs: Deployments as workloads, the identities of their service accounts, and who is behind a service.
local base64 = require "moongate.base64"
local names = require "moongate.config.manifests.names"

local workloads = {}

--- What metrics call a workload. The canonical names follow Istio: labels of its own first, then the
-- recommended Kubernetes ones, then `app` and `version`.
local function metadata_of(name, namespace, labels, account, trust_domain)
  return {
    app = labels.app, version = labels.version,
    workload = name, workload_namespace = namespace,
    principal = names.principal(trust_domain, namespace, account),
    canonical_service = labels["service.istio.io/canonical-name"] or labels["app.kubernetes.io/name"] or labels.app
      or name,
    canonical_revision = labels["service.istio.io/canonical-revision"] or labels["app.kubernetes.io/version"]
      or labels.version or "latest",
  }
end

--- A workload of { name, namespace, labels, account, object }, completed in place.  Its `instances` are where it is
-- known to run, beside what endpoints of services say.
function workloads.make(store, workload)
  workload.instances = workload.instances or {}
  workload.metadata = metadata_of(workload.name, workload.namespace, workload.labels, workload.account,
    store.mesh.trust_domain)
  return workload
end

local function workload_of(store, deployment)
  local template = deployment.spec.template
  local labels = template.metadata.labels or {}
  for name, value in pairs(deployment.spec.selector.matchLabels or {}) do
    if labels[name] ~= value then
      deployment:refuse({ "spec", "selector", "matchLabels", name },
        ("expected spec.template.metadata.labels to carry it, found %s"):format(labels[name] or "none"))
    end
  end
  local account = template.spec.serviceAccountName or template.spec.serviceAccount or "default"
  return workloads.make(store, { name = deployment.name, namespace = deployment.namespace, labels = labels,
    account = account, object = deployment })
end

local function label_key(name, value) return name .. "=" .. value end

local function add_to_index(by_label, workload)
  for name, value in pairs(workload.labels) do
    local key = label_key(name, value)
    by_label[key] = by_label[key] or {}
    table.insert(by_label[key], workload)
  end
end

--- Adds a workload to a list of workloads.all().
function workloads.add(list, workload)
  list[#list + 1] = workload
  local key = workload.namespace .. "/" .. workload.name
  list.by_name[key] = list.by_name[key] or workload
  add_to_index(list.by_label, workload)
end

-- The Deployment that a pod belongs to, by the name that it gives its pods (NAME-HASH-SUFFIX); or nil.
local function deployment_of(all, pod, namespace)
  local name = pod:match("^(.+)%-%w+%-%w+$")
  return name and all.by_name[namespace .. "/" .. name]
end

local function add_instance(all, workload, instance)
  table.insert(workload.instances, instance)
  all.by_address[instance.host] = all.by_address[instance.host] or { workload = workload, labels = instance.labels }
end

local function runs(pod)
  local status = pod.body.status
  return status.podIP ~= nil and status.phase ~= "Succeeded" and status.phase ~= "Failed"
end

local function is_ready(pod)
  for _, condition in ipairs(pod.body.status.conditions or {}) do
    if condition.type == "Ready" then return condition.status == "True" end
  end
  return true
end

local function named_ports(pod)
  local named = {}
  for _, container in ipairs(pod.spec.containers or {}) do
    for _, port in ipairs(container.ports or {}) do
      if port.name then named[port.name] = port.containerPort end
    end
  end
  return named
end

-- Labels that a Deployment's controller adds to those of its template.
local ADDED = { ["pod-template-hash"] = true, ["controller-revision-hash"] = true }

local function has_labels_of(pod, workload)
  for name, value in pairs(pod.labels) do
    if workload.labels[name] ~= value and not ADDED[name] then return false end
  end
  return true
end

-- A pod that is as its Deployment says is one of its instances; any other one is a workload of its own, which policies
-- may select by labels that the Deployment does not know.
local function add_pod(store, all, pod)
  local workload = deployment_of(all, pod.name, pod.namespace)
  if not workload or not has_labels_of(pod, workload) then
    workload = workloads.make(store, { name = workload and workload.name or pod.name, namespace = pod.namespace,
      labels = pod.labels, object = pod,
      account = pod.spec.serviceAccountName or pod.spec.serviceAccount or "default" })
    workloads.add(all, workload)
  end
  all.by_pod[pod.namespace .. "/" .. pod.name] = { workload = workload, labels = pod.labels }
  if runs(pod) then
    add_instance(all, workload, { is_pod = true, ready = is_ready(pod), host = pod.body.status.podIP,
      named = named_ports(pod), ports = {},
      labels = pod.labels, object = pod, at = pod:place { "status", "podIP" } })
  end
end

local function add_entry(store, all, entry)
  local spec = entry.spec
  local labels = {}
  for name, value in pairs(entry.labels) do labels[name] = value end
  for name, value in pairs(spec.labels) do labels[name] = value end
  local workload = workloads.make(store, { name = labels["service.istio.io/workload-name"] or entry.name,
    namespace = entry.namespace, labels = labels, account = spec.serviceAccount or "default", object = entry })
  workloads.add(all, workload)
  if spec.address:find("^unix:") then
    return entry:refuse({ "spec", "address" }, "is a Unix socket, which is not supported yet")
  end
  add_instance(all, workload, { ready = true, host = spec.address, named = {}, ports = spec.ports,
    labels = labels, object = entry,
    weight = spec.weight > 0 and spec.weight or 1, at = entry:place { "spec", "address" } })
end

--- Every workload, in order of appearance; by_label["name=value"] holds those that carry the label, `deployments` says
-- how many Deployments there are.
function workloads.all(store)
  local deployments = store:all("apps/Deployment")
  local list = { by_label = {}, by_name = {}, by_pod = {}, by_address = {}, deployments = #deployments }
  for _, deployment in ipairs(deployments) do
    local workload = workload_of(store, deployment)
    local account = workload.account
    if account ~= "default" and not store:get("/ServiceAccount", workload.namespace, account) then
      deployment:refuse({ "spec", "template", "spec", "serviceAccountName" },
        ("there is no ServiceAccount %s in the namespace %s"):format(account, workload.namespace))
    end
    workloads.add(list, workload)
  end
  for _, pod in ipairs(store:all("/Pod")) do add_pod(store, list, pod) end
  for _, entry in ipairs(store:all("networking.istio.io/WorkloadEntry")) do add_entry(store, list, entry) end
  return list
end

--- Those who carry the rarest label of a selector; all when it asks for none.
local function candidates(all, selector)
  local found = all
  for name, value in pairs(selector) do
    local carriers = all.by_label[label_key(name, value)] or {}
    if #carriers < #found then found = carriers end
  end
  return found
end

--- Those of `all` that a selector of a namespace (nil: any) picks.
function workloads.select(all, selector, namespace)
  local list = {}
  for _, workload in ipairs(candidates(all, selector)) do
    if (not namespace or workload.namespace == namespace) and names.selects(selector, workload.labels) then
      list[#list + 1] = workload
    end
  end
  return list
end

--- The workload that a pod belongs to and, where they are known, the pod's own labels; or nil.
function workloads.of_pod(all, pod, namespace)
  local known = all.by_pod[namespace .. "/" .. pod]
  if known then return known.workload, known.labels end
  return deployment_of(all, pod, namespace)
end

--- The same of whoever is known to run at an address.
function workloads.at_address(all, host)
  local known = all.by_address[host]
  if known then return known.workload, known.labels end
end

--- The value of a Secret's key as text; nil when it is not there, or no base64, which is refused.
function workloads.secret_text(secret, key)
  local plain, coded = secret.body.stringData[key], secret.body.data[key]
  if plain or not coded then return plain end
  local value = base64.decode((coded:gsub("%s", "")))
  if not value then secret:refuse({ "data", key }, "expected base64") end
  return value
end

local function secret_value(secret, key)
  if not secret.body.stringData[key] and not secret.body.data[key] then
    secret:refuse({ "data" }, ("'%s' is missing"):format(key))
    return nil
  end
  return workloads.secret_text(secret, key)
end

--- Values of a Secret, by name; nil when one is missing or the Secret is of another type, which is refused.
function workloads.secret_values(secret, wanted_type, keys)
  if secret.body.type ~= wanted_type then
    secret:refuse({ "type" }, ("expected %s, found %s"):format(wanted_type, secret.body.type))
    return nil
  end
  local values, complete = {}, true
  for name, key in pairs(keys) do
    values[name] = secret_value(secret, key)
    complete = complete and values[name] ~= nil
  end
  return complete and values or nil
end

--- Tries the certificate and key of a Secret, once; mistakes are refused where they stand.
function workloads.try_pair(all, secret, values, cert_key, key_key)
  if not all.tls or secret.tried then return end
  secret.tried = true
  local err = all.tls.pair_mistake { cert = values.cert, key = values.key, name = cert_key }
  local key = err and err:find(": the key", 1, true) and key_key or cert_key
  if err then secret:refuse({ secret.body.data[key] and "data" or "stringData", key }, err) end
end

local function try_identity(all, secret, values)
  if not all.tls or secret.tried then return end
  local err = all.tls.authority_mistake(values.root)
  if err then secret:refuse({ "data", "root-cert.pem" }, err) end
  workloads.try_pair(all, secret, values, "cert-chain.pem", "key.pem")
end

--- The identity of a service account: the Secret istio.ACCOUNT that a mesh's authority keeps for it.
-- @return { principal, cert, key, root, at }, or nil when there is no such Secret
function workloads.identity(store, namespace, account)
  local secret = store:get("/Secret", namespace, "istio." .. account)
  if not secret then return nil end
  secret.identity = secret.identity or workloads.secret_values(secret, "istio.io/key-and-cert",
    { cert = "cert-chain.pem", key = "key.pem", root = "root-cert.pem" })
  local values = secret.identity
  if values then try_identity(store, secret, values) end
  return values and { principal = names.principal(store.mesh.trust_domain, namespace, account),
    cert = values.cert, key = values.key, root = values.root, at = secret:place() } or nil
end

return workloads
