--- pick: which listener a request that nobody sent would have come to.
local address = require "moongate.model.address"
local suggest = require "moongate.suggest"

local pick = {}

local PORT_OF = { http = 80, https = 443 }

local function names_of(model)
  local names = {}
  for i, listener in ipairs(model.listeners) do names[i] = listener.name end
  return names
end

local function by_name(model, name)
  for i, listener in ipairs(model.listeners) do
    if listener.name == name then return i, "named by --listener" end
  end
  return nil, ("--listener: there is no '%s'%s"):format(name, suggest.hint(name, names_of(model)))
end

-- Does the listener answer under this name, or have a route for it?
local function knows(model, listener, host, compiled, index)
  if listener.host == host then return true end
  for _, name in ipairs(listener.names or {}) do
    if name == host then return true end
  end
  if listener.names then return false end
  local req = { host = host, path = "/", method = "GET", headers = { get = function() end },
    param = function() end }
  return compiled.router:match(index - 1, req) ~= nil or #model.listeners == 1
end

-- The port of "host:port", or nil.
local function split(authority)
  local host, port = address.parse(authority)
  if host then return host:lower(), port end
  return authority:lower():gsub("^%[(.*)%]$", "%1"), nil
end

local function candidates(model, port)
  local list = {}
  for i, listener in ipairs(model.listeners) do
    if not port or listener.port == port then list[#list + 1] = i end
  end
  return list
end

-- Where nobody knows the host: the usual port, or a listener that answers to any name.
local function fallback(model, list)
  for _, port in ipairs { PORT_OF.http, PORT_OF.https, false } do
    for _, i in ipairs(list) do
      local listener = model.listeners[i]
      if port and listener.port == port or not port and not listener.names then return i end
    end
  end
  return list[1]
end

--- The listener for the options --listener and --port, or else for the authority.
-- @return its place among the model's and why it is this one; or nil and why there is none
function pick.listener(model, values, authority, compiled)
  if values.listener then return by_name(model, values.listener) end
  local host, port = split(authority)
  local wanted = values.port or port
  local list = candidates(model, wanted)
  if #list == 0 and values.port then return nil, ("--port: no listener has port %d"):format(wanted) end
  if #list == 0 then return nil, ("no listener has port %d, which the host names; say --listener"):format(wanted) end
  for _, default in ipairs { wanted or PORT_OF.http, wanted or PORT_OF.https, false } do
    for _, i in ipairs(list) do
      local listener = model.listeners[i]
      if (not default or listener.port == default) and knows(model, listener, host, compiled, i) then
        return i, #list > 1 and ("chosen by the host; --listener names another") or nil
      end
    end
  end
  return fallback(model, list), #list > 1 and "the first of several; --listener names another" or nil
end

return pick
