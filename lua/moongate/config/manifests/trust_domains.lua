--- Trust domains in rules: a mesh may be known by several names, and a rule that says one of them means all.
-- "cluster.local" stands for the mesh's own trust domain, whatever that is (Istio: MeshConfig.trustDomainAliases).
local trust_domains = {}

local PLACEHOLDER = "cluster.local"

-- Whether a trust domain as a rule writes it ("td", "td*", "*td") means one of these.
local function means(text, domain)
  if text:sub(1, 1) == "*" then return domain:sub(-(#text - 1)) == text:sub(2) or #text == 1 end
  if text:sub(-1) == "*" then return domain:sub(1, #text - 1) == text:sub(1, -2) end
  return text == domain
end

local function is_ours(text, domains)
  if text == PLACEHOLDER then return true end
  for _, domain in ipairs(domains) do
    if means(text, domain) then return true end
  end
  return false
end

local function add(list, seen, text)
  if not seen[text] then list[#list + 1] = text end
  seen[text] = true
end

local function expanded(texts, domains, split)
  local list, seen = {}, {}
  for _, text in ipairs(texts) do
    local written, rest = split(text)
    if written and is_ours(written, domains) then
      for _, domain in ipairs(domains) do add(list, seen, means(written, domain) and text or domain .. rest) end
    else
      add(list, seen, text)
    end
  end
  return list
end

-- Only what has all five parts says a trust domain: td/ns/namespace/sa/account.
local function split_principal(text)
  local domain, rest = text:match("^([^/]+)(/[^/]*/[^/]*/[^/]*/[^/]*)$")
  return domain ~= "*" and domain or nil, rest
end

local function split_domain(text) return text ~= "*" and text or nil, "" end

--- Principals, each in one form per name of the mesh.
-- @param domains the mesh's trust domain and its aliases
function trust_domains.principals(texts, domains) return expanded(texts, domains, split_principal) end

--- Trust domains, with the mesh's other names.
function trust_domains.domains(texts, domains) return expanded(texts, domains, split_domain) end

return trust_domains
