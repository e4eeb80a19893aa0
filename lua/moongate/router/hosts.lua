--- hosts: finds the most specific of a set of host patterns that takes a host.
local hosts = {}
hosts.__index = hosts

--- @param patterns array of "shop.example", "*.example" or "*", in lower case
function hosts.new(patterns)
  local self, seen = setmetatable({ exact = {}, suffixes = {}, lengths = {}, any = nil }, hosts), {}
  for _, pattern in ipairs(patterns) do
    local suffix = pattern:match("^%*(%..+)$")
    if pattern == "*" then
      self.any = pattern
    elseif suffix then
      self.suffixes[suffix] = pattern
      if not seen[#suffix] then table.insert(self.lengths, #suffix) end
      seen[#suffix] = true
    else
      self.exact[pattern] = pattern
    end
  end
  table.sort(self.lengths, function(a, b) return a > b end)
  return self
end

--- The pattern that takes `host` (in lower case, without a port): the same one, the longest wildcard, "*"; or nil.
function hosts:find(host)
  local found = self.exact[host]
  if found then return found end
  for _, length in ipairs(self.lengths) do
    found = #host > length and self.suffixes[host:sub(-length)]
    if found then return found end
  end
  return self.any
end

return hosts
