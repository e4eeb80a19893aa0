--- request: the options by which a command line describes a request.
local request = {}

local KNOWN = {
  ["method"] = { key = "method", type = "text" }, ["host"] = { key = "host", type = "text" },
  ["path"] = { key = "path", type = "text" }, ["header"] = { key = "headers", type = "text", list = true },
  ["jwt"] = { key = "jwt", type = "text" }, ["body"] = { key = "body", type = "text" },
}

--- These options and `others`, in the form of moongate.cli.options.
function request.options(others)
  local all = {}
  for name, option in pairs(KNOWN) do all[name] = option end
  for name, option in pairs(others) do all[name] = option end
  return all
end

local function read(path)
  local file = io.open(path, "rb")
  local text = file and file:read("*a")
  if file then file:close() end
  return text
end

local function read_headers(values)
  local list = {}
  for i, given in ipairs(values.headers or {}) do
    local name, value = given:match("^([^%s:]+):%s*(.-)%s*$")
    if not name then return nil, ('--header: expected "name: value", got %q'):format(given) end
    list[i] = { name, value }
  end
  if not values.jwt then return list end
  local token = read(values.jwt)
  if not token then return nil, ("--jwt: cannot read %s"):format(values.jwt) end
  list[#list + 1] = { "Authorization", "Bearer " .. token:gsub("%s+$", "") }
  return list
end

--- The request of a command line's values: { method =, target =, authority =, headers = array of { name, value },
-- body = }; or nil and what is wrong with them.
function request.read(values)
  local headers, err = read_headers(values)
  if not headers then return nil, err end
  local body = values.body and read(values.body) or ""
  if values.body and body == "" and not read(values.body) then
    return nil, ("--body: cannot read %s"):format(values.body)
  end
  local made = { method = values.method or "GET", target = values.path or "/",
    authority = values.host or "localhost", headers = headers, body = body }
  for _, name in ipairs { "method", "target", "authority" } do
    if made[name]:find("[%c ]") then return nil, ("--%s: a blank cannot stand there"):format(name) end
  end
  return made
end

return request
