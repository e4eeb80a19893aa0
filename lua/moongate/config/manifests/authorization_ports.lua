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

local function refuse(policy, path, part, fields, service, port)
  for _, field in ipairs(fields) do
    if part[field] and divide(part[field], port) then
      policy:refuse(path_to(path, field), ("cannot be judged: endpoints of %s:%d have the ports %s, and all are taken "
        .. "for %d"):format(service.fqdn, port.number, table.concat(port.numbers, ", "), number_of(port)))
    end
  end
end

local function check_rule(policy, i, service, port)
  local rule, path = policy.spec.rules[i], { "spec", "rules", i }
  for j, entry in ipairs(rule.to or {}) do
    refuse(policy, path_to(path, "to", j, "operation"), entry.operation, FIELDS, service, port)
  end
  for j, condition in ipairs(rule.when or {}) do
    if condition.key == "destination.port" then
      refuse(policy, path_to(path, "when", j), condition, VALUES, service, port)
    end
  end
end

--- The number of a port where its workloads are called. The policies are asked before an endpoint is chosen, so rules
-- that mean one of them by its number alone are refused.
-- @param policies array; @param port of a service of services.lua
function authorization_ports.of_workloads(policies, service, port)
  for _, policy in ipairs(policies) do
    for i in pairs(policy.converted or {}) do check_rule(policy, i, service, port) end
  end
  return number_of(port)
end

return authorization_ports
