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

--- A workload of { name, namespace, labels, account, object }, completed in place.
function workloads.make(store, workload)
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
  add_to_index(list.by_label, workload)
end

--- Every workload, in order of appearance; by_label["name=value"] holds those that carry the label, `deployments` says
-- how many Deployments there are.
function workloads.all(store)
  local deployments = store:all("apps/Deployment")
  local list = { by_label = {}, deployments = #deployments }
  for _, deployment in ipairs(deployments) do
    local workload = workload_of(store, deployment)
    local account = workload.account
    if account ~= "default" and not store:get("/ServiceAccount", workload.namespace, account) then
      deployment:refuse({ "spec", "template", "spec", "serviceAccountName" },
        ("there is no ServiceAccount %s in the namespace %s"):format(account, workload.namespace))
    end
    workloads.add(list, workload)
  end
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

--- The workload that a pod belongs to, by the name that its Deployment gives it (NAME-HASH-SUFFIX); or nil.
function workloads.of_pod(all, pod, namespace)
  local name = pod:match("^(.+)%-%w+%-%w+$")
  for _, workload in ipairs(all) do
    if workload.name == name and workload.namespace == namespace then return workload end
  end
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
