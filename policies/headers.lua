--- headers: removes, sets and adds header fields of the request and of the response, in that order.
-- `host` among a request's set names the authority that goes upstream.  With `templates` values may hold the operators
-- of policy access_log ("%REQ(X-USER)%"; %% is a percent sign); one that comes out empty changes nothing.
-- Phases: request, response.
-- Place it anywhere; a policy above it sees the request as it came and the response as it leaves.
local field = require "moongate.field"
local operators = require "policies.access_log.operators"
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
  { "templates", type = "boolean", default = false, doc = "Whether values hold %OPERATORS%." },
}

local function list_of(value) return type(value) == "table" and value or { value } end

local function template_error(map, path)
  for name, values in pairs(map or {}) do
    for _, value in ipairs(list_of(values)) do
      local _, why = operators.template(value)
      if why then return ("%s.%s: %s"):format(path, name, why) end
    end
  end
end

function headers.check(conf)
  for _, side in ipairs { "request", "response" } do
    local change = conf[side] or {}
    local why = field.map_error(change.set, side .. ".set") or field.map_error(change.add, side .. ".add")
    if conf.templates then
      why = why or template_error(change.set, side .. ".set") or template_error(change.add, side .. ".add")
    end
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

local function shown(template)
  return function(ctx)
    local out = {}
    for i, part in ipairs(template) do
      out[i] = type(part) == "string" and part or tostring(part(ctx) or ""):gsub("[%z\r\n]", "")
    end
    return table.concat(out):match("^%s*(.-)%s*$")
  end
end

-- A function(message, ctx) that makes the changes of one side, one call a line.
local function compile(change, of_request, templates)
  if not change then return nil end
  local code, values = { "local values = ... return function(message, ctx) local h = message.headers" }, {}
  local function line(text, ...) code[#code + 1] = text:format(...) end
  -- `call` makes the change, with %s where its value stands.
  local function write(call, value)
    if not templates or not value:find("%", 1, true) then return line(call, ("%q"):format(value)) end
    values[#values + 1] = shown(operators.template(value))
    line("local value = values[%d](ctx) if value ~= '' then %s end", #values, call:format("value"))
  end
  for _, name in ipairs(change.remove or {}) do line("h:remove(%q)", name) end
  for _, name in ipairs(sorted_names(change.set)) do
    local is_host = of_request and name:lower() == "host"
    write(is_host and "message.authority = %s" or ("h:set(%q, %%s)"):format(name), change.set[name])
  end
  for _, name in ipairs(sorted_names(change.add)) do
    for _, value in ipairs(list_of(change.add[name])) do write(("h:add(%q, %%s)"):format(name), value) end
  end
  code[#code + 1] = "end"
  return assert(loadstring(table.concat(code, "\n"), "=headers"))(values)
end

function headers.prepare(conf)
  return { request = compile(conf.request, true, conf.templates),
    response = compile(conf.response, false, conf.templates) }
end

function headers.request(conf, ctx)
  if conf.request then conf.request(ctx.req, ctx) end
end

function headers.response(conf, ctx)
  if conf.response then conf.response(ctx.res, ctx) end
end

return headers
