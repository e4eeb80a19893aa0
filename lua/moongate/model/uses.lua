--- uses: the uses of policies in a model, wherever they stand.
local pause = require "moongate.pause"
local policy = require "moongate.policy"
local shadow = require "moongate.shadow"

local uses = {}

local function each_of(list, owner, fn)
  for _, use in ipairs(list or {}) do fn(use, owner) end
end

--- Calls fn(use, owner) for each use in `model`, or in what there is of one that has mistakes; `owner` is the listener,
-- route or model that it is of.  Those that routes share come again.
function uses.each(model, fn)
  each_of(model.policies, model, fn)
  for _, listener in ipairs(model.listeners or {}) do each_of(listener.policies, listener, fn) end
  for _, route in ipairs(model.routes or {}) do
    each_of(route.policies, route, fn)
    for _, backend in ipairs(route.backends or {}) do each_of(backend.policies, route, fn) end
  end
end

--- Gives a use the module of its policy, in the form that it runs in.
function uses.bind(use, module)
  use.policy = use.shadow and shadow.wrap(use, module) or module
end

--- Leaves nothing but data in a checked model, for moongate.model.image.
function uses.unbind_all(model)
  uses.each(model, function(use) use.policy, use.text_at = nil, nil end)
end

--- Undoes that, with the policies of this process, with pauses; raises "file:line: why" where one cannot be had.
function uses.bind_all(model)
  uses.each(model, function(use, owner)
    pause.here()
    if use.policy then return end
    local module, err = policy.load(use.name)
    if not module then error(("%s: %s"):format(use.at or owner.at, err), 0) end
    uses.bind(use, module)
  end)
end

return uses
