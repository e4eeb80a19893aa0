--- protected: pcall and xpcall for whatever a policy may call: they catch no error that ends a policy.
local pcall, xpcall = pcall, xpcall

local protected = {}

--- The text of the error that ends a policy which has passed its budget (moongate.budget), or false.
protected.breach = false

local function settle(ok, ...)
  if not ok and protected.breach then error(protected.breach, 0) end
  return ok, ...
end

--- @return what pcall or resume gave; raises where that is the end of a policy
protected.settle = settle

--- As pcall.
function protected.pcall(f, ...)
  return settle(pcall(f, ...))
end

--- As xpcall.
function protected.xpcall(f, handler, ...)
  return settle(xpcall(f, function(err)
    if protected.breach then return err end
    return handler(err)
  end, ...))
end

return protected
