--- source: where a rule's keys come from, checked and opened.
local jwks = require "moongate.jwks"
local read = require("moongate.config.sources").read
local source = {}

local SOURCES = { "jwks", "jwks_file", "jwks_url", "jwks_service" }
local ANY_SOURCE = table.concat(SOURCES, ", ")

--- What is wrong with the source of a rule, as "field: reason", or nil.
function source.mistake(one)
  local given = {}
  for _, name in ipairs(SOURCES) do given[#given + 1] = one[name] and name or nil end
  if #given > 1 then return ("%s: stands beside %s; one is enough"):format(given[2], given[1]) end
  if not given[1] and not one.issuer then return "issuer: expected it, or one of " .. ANY_SOURCE end
  if not given[1] and not one.issuer:find "^https?://[^/?#]+[^?#]*$" then
    return "issuer: is no URL, so its keys cannot be found; expected one of " .. ANY_SOURCE
  end
  if one.jwks_url and not one.jwks_url:find "^https?://[^/?#@]+[^#]*$" then
    return ("jwks_url: expected http://... or https://..., got %q"):format(one.jwks_url)
  end
  for _, name in ipairs { "jwks", "jwks_file" } do
    local text, why = one[name], nil
    if text and name == "jwks_file" then text, why = read(text) end
    if text then text, why = jwks.fixed(text) end
    if one[name] and not text then return name .. ": " .. why end
  end
end

--- The source (moongate.jwks) of a rule without mistakes.
function source.open(one)
  local text = one.jwks
  if one.jwks_file then text = assert(read(one.jwks_file)) end
  if text then return assert(jwks.fixed(text)) end
  local service = one.jwks_service
  return jwks.remote {
    url = one.jwks_url, service = service and service.service, path = service and service.path,
    authority = service and service.authority, issuer = not one.jwks_url and not service and one.issuer or nil,
    timeout = one.timeout, refresh = one.refresh, keep = one.keep, gap = one.refetch,
  }
end

return source
