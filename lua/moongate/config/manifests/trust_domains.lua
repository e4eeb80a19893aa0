--- Trust domains in rules: a mesh may be known by several names, and a rule that says one of them means all.
-- In a principal "cluster.local" stands for the mesh's own trust domain, whatever that is (Istio:
-- MeshConfig.trustDomainAliases).
local trust_domains = {}

local PLACEHOLDER = "cluster.local"

local function ends_so(domain, text)
  return text:sub(1, 1) == "*" and domain:sub(-(#text - 1)) == text:sub(2)
end

-- Whether a trust domain as a principal writes it ("td", "td*", "*td") means one of these.
local function is_ours(text, domains)
  if text == PLACEHOLDER then return true end
  for _, domain in ipairs(domains) do
    local starts_so = text:sub(-1) == "*" and domain:sub(1, #text - 1) == text:sub(1, -2)
    if text == domain or starts_so or ends_so(domain, text) then return true end
  end
  return false
end

local function adder()
  local list, seen = {}, {}
  return list, function(text)
    if not seen[text] then list[#list + 1] = text end
    seen[text] = true
  end
end

--- Principals, each in one form per name of the mesh. One without all five parts (td/ns/namespace/sa/account), or for
-- any trust domain, stays as it is; so does "*td" for the names that end so.
-- @param domains the mesh's trust domain and its aliases
function trust_domains.principals(texts, domains)
  local list, add = adder()
  for _, text in ipairs(texts) do
    local written, rest = text:match("^([^/]+)(/[^/]*/[^/]*/[^/]*/[^/]*)$")
    if written and written ~= "*" and is_ours(written, domains) then
      for _, domain in ipairs(domains) do add(ends_so(domain, written) and text or domain .. rest) end
    else
      add(text)
    end
  end
  return list
end

--- Trust domains: one of the mesh's names with all the others. Nothing is a placeholder here.
function trust_domains.domains(texts, domains)
  local list, add = adder()
  for _, text in ipairs(texts) do
    local ours = false
    for _, domain in ipairs(domains) do ours = ours or domain == text end
    for _, name in ipairs(ours and domains or { text }) do add(name) end
  end
  return list
end

return trust_domains
