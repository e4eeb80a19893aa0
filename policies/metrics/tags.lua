--- tags: labels that a row of Istio's metrics sets by expressions, or leaves out.
local cel = require "moongate.cel"
local tags = {}
tags.__index = tags

local UNKNOWN = "unknown" -- what Istio writes where an expression has no value
local REMOVED = 0

--- "tags.FAMILY.LABEL: reason" of the first mistake in a row; nil when there is none.
-- @param families set of the families that there are
function tags.mistake(row, families)
  for family, labels in pairs(row.tags or {}) do
    if not families[family] then return ("tags.%s: no metric of Istio's"):format(family) end
    for label, expression in pairs(labels) do
      local _, why = cel.compile(expression ~= "" and expression or "true")
      if why then return ("tags.%s.%s: %s"):format(family, label, why) end
    end
  end
end

--- The tags of a row ready to be evaluated: by_family = { [name] = { [label] = index of its value, or 0: left out } };
-- false when it has none.
function tags.prepare(row)
  if not row.tags then return false end
  local self = { values = {}, by_family = {} }
  for name, labels in pairs(row.tags) do
    self.by_family[name] = {}
    for label, expression in pairs(labels) do
      if expression ~= "" then self.values[#self.values + 1] = assert(cel.compile(expression)) end
      self.by_family[name][label] = expression ~= "" and #self.values or REMOVED
    end
  end
  return setmetatable(self, tags)
end

--- The values for one request, and a key that tells them (and `first`) from others.
function tags:evaluate(ctx, first)
  local values = {}
  for i, value in ipairs(self.values) do
    local found = value(ctx)
    values[i] = found == nil and UNKNOWN or tostring(found)
  end
  return values, first .. "\0" .. table.concat(values, "\0")
end

return tags
