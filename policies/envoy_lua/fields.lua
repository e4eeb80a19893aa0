--- fields: Envoy's header object over the fields of a message, or over its trailers.
-- Of a head the first entries are those that HTTP/2 writes as pseudo fields: ":method", ":path" and so on.
local text = require "policies.envoy_lua.text"

local fields = {}
local methods = {}
local mt = { __index = methods, __metatable = false }

-- The core frames messages itself: what scripts write here has no effect.
local FRAMING = { ["content-length"] = true, ["transfer-encoding"] = true }

local READ = {
  request = {
    [":method"] = function(ctx) return ctx.req.method end,
    [":path"] = function(ctx) return ctx.req.query and ctx.req.path .. "?" .. ctx.req.query or ctx.req.path end,
    [":authority"] = function(ctx) return ctx.req.authority end,
    [":scheme"] = function(ctx) return ctx.req.scheme end,
  },
  response = { [":status"] = function(ctx) return tostring(ctx.res.status) end },
}
local ORDER = { request = { ":authority", ":path", ":method", ":scheme" }, response = { ":status" } }

local WRITE = {
  request = {
    [":method"] = function(ctx, value) ctx.req.method = value end,
    [":path"] = function(ctx, value)
      local path, query = value:match("^([^?]*)%??(.*)$")
      ctx.req.path, ctx.req.query = path, value:find("?", 1, true) and query or nil
    end,
    [":authority"] = function(ctx, value) ctx.req.authority = value end,
    [":scheme"] = function() end, -- what the connection is
  },
  response = {
    [":status"] = function(ctx, value)
      ctx.res.status = tonumber(value) or error(":status: expected a number, got " .. value, 0)
    end,
  },
}

local NONE = {}

-- A head that has gone on with its first chunk is only read.
local function check_open(self)
  if self.owner and self.owner.head_is_out then error("header map can no longer be modified", 3) end
end

local function values(self, name)
  local read = self.read[name]
  if read then return { read(self.ctx) } end
  return self.list:get_all(name)
end

--- The values of the field, joined by ",", or nil.
function methods:get(key)
  local all = values(self, text(key, "headers:get"):lower())
  return all[1] and table.concat(all, ",") or nil
end

--- The value at `index`, counted from 0, or nil.
function methods:getAtIndex(key, index)
  local all = values(self, text(key, "headers:getAtIndex"):lower())
  return index >= 0 and all[index + 1] or nil
end

function methods:getNumValues(key)
  return #values(self, text(key, "headers:getNumValues"):lower())
end

function methods:add(key, value)
  check_open(self)
  local name = text(key, "headers:add"):lower()
  value = text(value, "headers:add")
  if FRAMING[name] then return end
  if self.write[name] then return self.write[name](self.ctx, value) end
  self.list:add(name, value)
end

function methods:replace(key, value)
  check_open(self)
  local name = text(key, "headers:replace"):lower()
  value = text(value, "headers:replace")
  if FRAMING[name] then return end
  if self.write[name] then return self.write[name](self.ctx, value) end
  self.list:set(name, value)
end

function methods:remove(key)
  check_open(self)
  local name = text(key, "headers:remove"):lower()
  if not FRAMING[name] and not self.read[name] then self.list:remove(name) end
end

-- A copy is gone through, so that fields may be changed meanwhile.
function methods:__pairs()
  local all, i = {}, 0
  for _, name in ipairs(self.order) do all[#all + 1] = { name, self.read[name](self.ctx) } end
  for name, value in self.list:each() do all[#all + 1] = { name:lower(), value } end
  return function()
    i = i + 1
    if all[i] then return all[i][1], all[i][2] end
  end
end

--- The fields of the head of a handle's message.
function fields.head(handle)
  local ctx, side = handle.ctx, handle.side
  local list = (side == "request" and ctx.req or ctx.res).headers
  return setmetatable({ owner = handle, ctx = ctx, list = list, read = READ[side], write = WRITE[side],
    order = ORDER[side] }, mt)
end

--- Trailers that are there, or nil.
function fields.trailers(ctx, side)
  local list = (side == "request" and ctx.req or ctx.res).trailers
  local self = setmetatable({ ctx = ctx, list = list, read = NONE, write = NONE, order = NONE }, mt)
  local next_field, state = list:each()
  return next_field(state) and self or nil
end

return fields
