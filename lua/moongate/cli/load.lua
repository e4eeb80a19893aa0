--- load: what the commands that take a config have in common: options, the config itself, its mistakes printed.
local address = require "moongate.model.address"
local chain = require "moongate.chain"
local config = require "moongate.config"
local folder = require "moongate.config.folder"
local options = require "moongate.cli.options"
local policy = require "moongate.policy"

local load = {}

load.OPTIONS = {
  ["workers"] = { key = "workers", type = "count", min = 1, max = 64 },
  ["admin"] = { key = "admin", type = "text" },
  ["port-offset"] = { key = "port_offset", type = "count", min = 0, max = 65534 },
  ["bind"] = { key = "bind", type = "text" },
  ["explain-token"] = { key = "explain_token", type = "text" },
  ["policy-path"] = { key = "policy_path", type = "text", list = true },
}

local SHORTEST = 16 -- bytes of a token

-- The token in a file, without the line's end; or nil and what is wrong.
local function read_token(path)
  local file, err = io.open(path, "rb")
  local text = file and file:read("*a")
  if file then file:close() end
  if not text then return nil, ("--explain-token: cannot read %s"):format(err or path) end
  text = text:gsub("%s+$", "")
  if #text < SHORTEST or text:find("[^\33-\126]") then
    return nil, ("--explain-token: expected at least %d characters without a blank in %s"):format(SHORTEST, path)
  end
  return text
end

local function value_error(values)
  if values.explain_token then
    local err
    values.explain_token, err = read_token(values.explain_token)
    if err then return err end
  end
  if values.admin then
    local host, err = address.parse_ip(values.admin)
    if not host then return ("--admin: %s, got %q"):format(err, values.admin) end
  end
  local bind = values.bind and (values.bind:match("^%[(.*)%]$") or values.bind)
  if bind and not address.is_ip(bind) then
    return ('--bind: expected an IP address such as "127.0.0.1", got %q'):format(values.bind)
  end
  values.bind = bind
  for _, path in ipairs(values.policy_path or {}) do
    if not folder.list(path) then return ("--policy-path: expected a folder, got %q"):format(path) end
  end
end

--- Reads the words after the command.
-- @param known the options that this command takes, in the form of load.OPTIONS, if others than those
-- @return values with `paths`; or nil and what is wrong
function load.options(words, known)
  local values, rest = options.parse(words, known or load.OPTIONS)
  if not values then return nil, rest end
  local err = value_error(values)
  if err then return nil, err end
  if #rest == 0 then return nil, "expected the path of a config" end
  values.paths = rest
  values.policy_path = values.policy_path or {}
  values.port_offset = values.port_offset or 0
  return values
end

local function mistake(at, message)
  local file, line = (at or ""):match("^(.*):(%d+)$")
  return { file = file or at, line = tonumber(line), message = message }
end

-- Certificates and keys are tried by the core's TLS library; it is not there in unit specs.
local function try_tls(model, mistakes)
  if not package.loaded["moongate.cdef"] then return end
  for _, found in ipairs(require("moongate.tls").try(model)) do
    mistakes[#mistakes + 1] = mistake(found.at, found.message)
  end
end

-- Some mistakes only prepare() can see: a file that cannot be written, a metric that has other labels elsewhere.
-- `tried` is a set of uses: routes may share one.
local function try_uses(uses, owner, tried, mistakes)
  for _, use in ipairs(uses or {}) do
    local ok, err = true, nil
    if not tried[use] then ok, err = chain.prepare(use) end
    tried[use] = true
    if not ok then mistakes[#mistakes + 1] = mistake(use.at or owner.at, err) end
  end
end

-- What takes more than looking at the config: everything is made as a worker makes it, and thrown away.
local function try(model)
  local mistakes, tried = {}, {}
  try_tls(model, mistakes)
  try_uses(model.policies, model, tried, mistakes)
  for _, route in ipairs(model.routes) do
    try_uses(route.policies, route, tried, mistakes)
    for _, backend in ipairs(route.backends) do try_uses(backend.policies, route, tried, mistakes) end
  end
  if #mistakes > 0 then return nil, mistakes end
  return model, {}
end

-- What is legal and dangerous is said, every time.
local function warn(model, entries)
  for name, service in pairs(model.services) do
    if service.tls and service.tls.insecure then
      local text = "service %s: tls.insecure: nobody's certificate is checked, so anybody may answer in its place"
      entries[#entries + 1] = mistake(service.at, text:format(name))
    end
  end
end

--- Loads the config and prints its mistakes (and warnings) to `err`.
-- @param thorough also make what a worker would make of it, for mistakes that only this shows
-- @return the model, or nil when there were mistakes
function load.model(values, err, thorough)
  for _, path in ipairs(values.policy_path) do policy.add_path(path) end
  local model, entries = config.load(values.paths, values)
  local tried, mistakes = model, {}
  if model then warn(model, entries) end
  if model and values.explain_token then model.explain = { token = values.explain_token } end
  if model and thorough then tried, mistakes = try(model) end
  for _, entry in ipairs(mistakes) do err(config.message(entry) .. "\n") end
  for _, entry in ipairs(entries) do
    if model then entry.message = "warning: " .. entry.message end
    err(config.message(entry) .. "\n")
  end
  return tried
end

return load
