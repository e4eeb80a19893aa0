--- authorization_ports: the number that rules on ports are about (Istio: Operation.ports): a workload is called at its
-- own, a waypoint at the service's.
local path_to = require "moongate.config.manifests.path"

local authorization_ports = {}

local FIELDS = { "ports", "notPorts" }
local VALUES = { "values", "notValues" }

local function has(values, number)
  for _, value in ipairs(values) do
    if tonumber(value) == number then return true end
  end
  return false
end

local function number_of(port) return port.declared or port.numbers[1] end

-- Whether values say something else of an endpoint than of the number that is judged. What names the declared number
-- means the port, whoever is listed there.
local function divide(values, port)
  local named = has(values, number_of(port))
  if named and port.declared then return false end
  for _, number in ipairs(port.numbers) do
    if has(values, number) ~= named then return true end
  end
  return false
end

-- Why values cannot be judged at a port, or nil.
local function mistake(values, service, port, serves)
  if serves and port.unknown then
    return ("nothing here says which number the port %q of %s:%d has"):format(port.unknown, service.fqdn, port.number)
  end
  return divide(values, port) and ("endpoints of %s:%d have the ports %s, and all are taken for %d"):format(
    service.fqdn, port.number, table.concat(port.numbers, ", "), number_of(port))
end

-- Of each list of ports in a rule: its path and its values.
local function lists_of(rule, path)
  local lists = {}
  for j, entry in ipairs(rule.to or {}) do
    for _, field in ipairs(FIELDS) do
      lists[#lists + 1] = { path_to(path, "to", j, "operation", field), entry.operation[field] }
    end
  end
  for j, condition in ipairs(rule.when or {}) do
    for _, field in ipairs(condition.key == "destination.port" and VALUES or {}) do
      lists[#lists + 1] = { path_to(path, "when", j, field), condition[field] }
    end
  end
  return lists
end

--- The number of a port where its workloads are called. The policies are asked before an endpoint is chosen, so rules
-- that mean one of them by its number alone are refused.
-- @param policies array; @param port of a service of services.lua
-- @param serves whether somebody is there though no endpoint is known: a gateway; its number must then be known
function authorization_ports.of_workloads(policies, service, port, serves)
  for _, policy in ipairs(policies) do
    for i in pairs(policy.converted or {}) do
      for _, list in ipairs(lists_of(policy.spec.rules[i], { "spec", "rules", i })) do
        local why = list[2] and mistake(list[2], service, port, serves)
        if why then policy:refuse(list[1], "cannot be judged: " .. why) end
      end
    end
  end
  return number_of(port)
end

return authorization_ports
