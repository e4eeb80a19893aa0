--- load: what the commands that take a config have in common: options, the config itself, its mistakes printed.
local address = require "moongate.model.address"
local chain = require "moongate.chain"
local collector = require "moongate.collector"
local config = require "moongate.config"
local folder = require "moongate.config.folder"
local options = require "moongate.cli.options"
local image = require "moongate.model.image"
local policy = require "moongate.policy"
local uses = require "moongate.model.uses"

local load = {}

load.OPTIONS = {
  ["workers"] = { key = "workers", type = "count", min = 1, max = 64 },
  ["admin"] = { key = "admin", type = "text" },
  ["port-offset"] = { key = "port_offset", type = "count", min = 0, max = 65534 },
  ["bind"] = { key = "bind", type = "text" },
  ["explain-token"] = { key = "explain_token", type = "text" },
  ["policy-path"] = { key = "policy_path", type = "text", list = true },
  ["watch"] = { key = "watch", type = "flag" },
}

local SHORTEST = 16 -- bytes of a token
local ROOM = 262144 -- KiB, before garbage is looked for
local PATIENCE = 1000 -- percent by which memory grows between two collections while a config is read (else 200)

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
    local place, err = (address.is_unix(values.admin) and address.parse_unix or address.parse_ip)(values.admin)
    if not place then return ("--admin: %s, got %q"):format(err, values.admin) end
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

-- The core's TLS library; it is not there in unit specs.
local function tls_library()
  return package.loaded["moongate.cdef"] and require "moongate.tls" or nil
end

local function try_tls(model, mistakes)
  local tls = tls_library()
  for _, found in ipairs(tls and tls.try(model) or {}) do
    mistakes[#mistakes + 1] = mistake(found.at, found.message)
  end
end

-- Some mistakes only prepare() can see: a file that cannot be written, a metric that has other labels elsewhere.
-- Everything is made as a worker makes it, and thrown away.
local function try_policies(model, mistakes)
  local tried = {} -- a set of uses: routes may share one
  uses.each(model, function(use, owner)
    local ok, err = true, nil
    if use.sound and not tried[use] then ok, err = chain.prepare(use) end
    tried[use] = true
    if not ok then mistakes[#mistakes + 1] = mistake(use.at or owner.at, err) end
  end)
end

local function warn_of_dates(model, entries)
  local tls = tls_library()
  local function look(pem, name, at)
    local text = tls and pem and tls.out_of_date(pem)
    if text then entries[#entries + 1] = mistake(at, ("%s: the certificate %s"):format(name, text)) end
  end
  for _, listener in ipairs(model.listeners) do
    for _, pair in ipairs(listener.tls and listener.tls.certs or {}) do
      look(pair.cert, ("listener %s: %s"):format(listener.name, pair.name), listener.at)
    end
  end
  for name, service in pairs(model.services) do
    look(service.tls and service.tls.cert, "service " .. name, service.at)
  end
end

local MORE = "policy '%s': check() leaves more than data in its settings (%s); expected prepare() to make that"

local function blame_check(model, why, mistakes)
  local before = #mistakes
  uses.each(model, function(use, owner)
    local ok, what = image.encode { conf = use.conf }
    if not ok then mistakes[#mistakes + 1] = mistake(use.at or owner.at, MORE:format(use.name, what)) end
  end)
  if #mistakes == before then error(why, 0) end
end

-- All that the processes that serve need of a load, as bytes for moongate.worker; before prepare() changes settings.
local function image_of(model, values, mistakes)
  uses.unbind_all(model)
  local bytes, why = image.encode { model = model, policies = policy.sources(), policy_path = values.policy_path }
  if not bytes then blame_check(model, why, mistakes) end
  uses.bind_all(model)
  return bytes
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

local function in_order(a, b)
  if a.file ~= b.file then return (a.file or "") < (b.file or "") end
  if a.line ~= b.line then return (a.line or 0) < (b.line or 0) end
  return a.message < b.message
end

local function restore(pause, ok, ...)
  collectgarbage("setpause", pause)
  if not ok then error(..., 0) end
  return ...
end

-- Nearly all that is made of a config stays: looking through it time and again would take a fifth of the whole.
local function read(values)
  collector.wait(ROOM)
  return restore(collectgarbage("setpause", PATIENCE), pcall(config.load, values.paths, values))
end

--- Loads the config and prints its mistakes (and warnings) to `err`.
-- @param thorough also make what a worker would make of it, for mistakes that only this shows; and values.image, bytes
--   from which moongate.worker serves
-- @return the model, or nil when there were mistakes
function load.model(values, err, thorough)
  for _, path in ipairs(values.policy_path) do policy.add_path(path) end
  values.tls = thorough and tls_library() or nil
  local model, entries, part = read(values)
  local mistakes = model and {} or entries
  if model and values.explain_token then model.explain = { token = values.explain_token } end
  if thorough and model then
    values.image = image_of(model, values, mistakes)
    try_tls(model, mistakes)
    warn_of_dates(model, entries)
  end
  if thorough and (model or part) then try_policies(model or part, mistakes) end
  if model then warn(model, entries) end
  if #mistakes > 0 then table.sort(mistakes, in_order) end
  for _, entry in ipairs(mistakes) do err(config.message(entry) .. "\n") end
  for _, entry in ipairs(model and entries or {}) do
    entry.message = "warning: " .. entry.message
    err(config.message(entry) .. "\n")
  end
  return #mistakes == 0 and model or nil
end

return load
