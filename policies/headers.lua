--- headers: removes, sets and adds header fields of the request and of the response, in that order.
-- `host` among a request's set names the authority that goes upstream.
-- Phases: request, response.
-- Place it anywhere; a policy above it sees the request as it came and the response as it leaves.
local field = require "moongate.field"
local headers = {}

local function fields_of(doc)
  local values = { type = { "string", "list" }, items = { type = "string" } }
  return { type = "record", doc = doc, fields = {
    { "remove", type = "list", items = { type = "string" }, doc = "Names of fields to take away." },
    { "set", type = "map", values = { type = "string" }, doc = "Name to value; replaces all fields of that name." },
    { "add", type = "map", values = values, doc = "Name to value or list of values; adds to what is there." },
  } }
end

local function named(name, field_of) field_of[1] = name return field_of end

headers.schema = {
  named("request", fields_of "Changes to what goes upstream."),
  named("response", fields_of "Changes to what goes to the client."),
}

function headers.check(conf)
  for _, side in ipairs { "request", "response" } do
    local change = conf[side] or {}
    local why = field.map_error(change.set, side .. ".set") or field.map_error(change.add, side .. ".add")
    for i, name in ipairs(change.remove or {}) do
      local reason = field.name_error(name)
      why = why or reason and ("%s.remove.%d: %s"):format(side, i, reason)
    end
    if why then return nil, why end
  end
end

local function sorted_names(map)
  local names = {}
  for name in pairs(map or {}) do names[#names + 1] = name end
  table.sort(names)
  return names
end

-- A function(message) that makes the changes of one side, one call a line.
local function compile(change, of_request)
  if not change then return nil end
  local code = { "return function(message) local h = message.headers" }
  local function line(text, ...) code[#code + 1] = text:format(...) end
  for _, name in ipairs(change.remove or {}) do line("h:remove(%q)", name) end
  for _, name in ipairs(sorted_names(change.set)) do
    if of_request and name:lower() == "host" then
      line("message.authority = %q", change.set[name])
    else
      line("h:set(%q, %q)", name, change.set[name])
    end
  end
  for _, name in ipairs(sorted_names(change.add)) do
    local values = change.add[name]
    for _, value in ipairs(type(values) == "table" and values or { values }) do line("h:add(%q, %q)", name, value) end
  end
  code[#code + 1] = "end"
  return assert(loadstring(table.concat(code, "\n"), "=headers"))()
end

function headers.prepare(conf)
  return { request = compile(conf.request, true), response = compile(conf.response, false) }
end

function headers.request(conf, ctx)
  if conf.request then conf.request(ctx.req) end
end

function headers.response(conf, ctx)
  if conf.response then conf.response(ctx.res) end
end

return headers
