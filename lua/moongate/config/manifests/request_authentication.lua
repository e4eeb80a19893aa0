--- RequestAuthentications as settings of policy jwt. The rules of all that count at one place stand in one list.
local jwt = require "policies.jwt"
local names = require "moongate.config.manifests.names"
local path_to = require "moongate.config.manifests.path"
local schema = require "moongate.schema"
local services = require "moongate.config.manifests.services"

local request_authentication = {}

-- Fields of policy jwt by Istio's names.
local FIELDS = {
  issuer = "issuer", audiences = "audiences", fromHeaders = "from_headers", fromParams = "from_params",
  fromCookies = "from_cookies", outputPayloadToHeader = "payload_header", outputClaimToHeaders = "claim_headers",
  forwardOriginalToken = "forward", timeout = "timeout", spaceDelimitedClaims = "space_delimited",
}
local NAMES = { jwks_url = "jwksUri", jwks_service = "jwksUri", jwks = "jwks" }
for theirs, ours in pairs(FIELDS) do NAMES[ours] = theirs end

-- An address that means a Service among the files is asked there: nothing else knows its name. An empty text is none.
local function address_of(policy, uri, backends)
  local host, number, path = uri:match "^http://([^/:?#]+):?(%d*)([^#]*)$"
  local service = host and backends.by_name[names.expand(host, policy.namespace)]
  local port = service and services.port(service, tonumber(number) or 80)
  if not port then return { url = uri } end
  return { service = { service = backends:direct(service, port), path = path:find "^/" and path or "/" .. path,
    authority = number ~= "" and host .. ":" .. number or host } }
end

-- Keys that are written down count before an address (Istio: JWTRule.jwks).
local function convert(policy, rule, backends)
  local copy = {}
  for theirs, ours in pairs(FIELDS) do copy[ours] = rule[theirs] end
  if copy.timeout then copy.timeout = copy.timeout .. "ms" end
  if copy.issuer == "" then copy.issuer = nil end
  if copy.payload_header == "" then copy.payload_header = nil end
  local uri = rule.jwksUri or rule.jwks_uri or ""
  if rule.jwks and rule.jwks ~= "" then
    copy.jwks = rule.jwks
  elseif uri ~= "" then
    local address = address_of(policy, uri, backends)
    copy.jwks_url, copy.jwks_service = address.url, address.service
  end
  return copy
end

-- Outside of a cluster such a name is known to the files alone.
local function warn_of_unknown(policy, path, address)
  local host = (address.jwks_url or ""):match "^https?://([^/:?#]+%.svc%.cluster%.local)%f[/:?#%z]"
  if not host then return end
  policy:warn(path_to(path, "jwksUri"), ("%s is no Service of these files with such a port in clear text, so it is "
    .. "asked for by its name; tokens are refused while nothing answers there"):format(host))
end

-- What a mistake and its place are called in the file.
local function their_words(message) return (message:gsub("jwks_file, jwks_url, jwks_service", "jwksUri")) end

local function their_path(path, steps)
  for i, step in ipairs(steps) do path = path_to(path, i == 1 and NAMES[step] or step) end
  return path
end

-- What Istio's validation wants beyond policy jwt (validateJwtRule).
local function check_names(policy, path, rule)
  if (rule.issuer or "") == "" and (rule.jwksUri or rule.jwks_uri or "") == "" and (rule.jwks or "") ~= "" then
    policy:refuse(path_to(path, "issuer"), "expected it, or jwksUri: else everybody's tokens with these keys would do")
  end
  local authority = (rule.jwksUri or rule.jwks_uri or ""):match "^https?://([^/?#]*)"
  local port = authority and authority:match ":([^:@%]]*)$"
  if port and port ~= "" and not (port:find "^%d+$" and tonumber(port) <= 65535) then
    policy:refuse(path_to(path, rule.jwksUri and "jwksUri" or "jwks_uri"), ("expected a port, got %q"):format(port))
  end
  for i, output in ipairs(rule.outputClaimToHeaders or {}) do
    if output.header:find "[^%w_-]" then
      policy:refuse(path_to(path, "outputClaimToHeaders", i, "header"),
        ("expected letters, digits, '-' and '_', got %q"):format(output.header))
    end
  end
end

local function check_rule(policy, i, backends)
  local path, rule = { "spec", "jwtRules", i }, policy.spec.jwtRules[i]
  if rule.jwksUri and rule.jwks_uri then policy:refuse(path_to(path, "jwks_uri"), "stands beside jwksUri") end
  if rule.jwks and rule.jwks ~= "" and (rule.jwksUri or rule.jwks_uri or "") ~= "" then
    policy:warn(path_to(path, "jwksUri"), "is not asked: jwks stands beside it")
  end
  local found, converted = false, convert(policy, rule, backends)
  warn_of_unknown(policy, path, converted)
  check_names(policy, path, rule)
  local conf = schema.check(jwt.schema, { rules = { converted } }, {}, function(at, message)
    found = true
    policy:refuse(their_path(path, { unpack(at, 3) }), message)
  end)
  if found then return end
  local _, why = jwt.check(conf)
  if not why then return end
  local where, message = why:match "^rules%.1%.?([%w_.]*): (.*)$"
  local steps = {}
  for step in where:gmatch "[^.]+" do steps[#steps + 1] = tonumber(step) or step end
  policy:refuse(their_path(path, steps), their_words(message))
end

--- Refuses what is wrong with a RequestAuthentication's rules.
function request_authentication.check(policy, backends)
  for i in ipairs(policy.spec.jwtRules or {}) do check_rule(policy, i, backends) end
end

--- The use of policy jwt for the policies that count at one place, or nil when they have no rule. Where one rule wants
-- a token to be there (JWTRule.presence), a request needs one that is good for any of them.
function request_authentication.use(policies, backends)
  local list, required = {}, false
  for _, policy in ipairs(policies) do
    for _, rule in ipairs(policy.spec.jwtRules or {}) do
      list[#list + 1] = convert(policy, rule, backends)
      required = required or rule.presence == "REQUIRED"
    end
  end
  return list[1] and { name = "jwt", conf = { rules = list, required = required }, at = policies[1]:place { "spec" } }
    or nil
end

return request_authentication
