--- server: the Redis server of policy rate_limit: its settings, and the client that uses share.
local file = require "moongate.file"
local redis = require "moongate.redis"
local server = {}

server.schema = {
  { "address", type = "string", required = true, pattern = "^.+:%d+$", doc = "host:port" },
  { "username", type = "string", doc = "Whom to log in as." },
  { "password", type = "string", secret = true, doc = "With which password." },
  { "database", type = "integer", min = 0, default = 0, doc = "Number of the database." },
  { "timeout", type = "duration", min = 1, max = 60000, default = "100ms", doc = "Longest wait for an answer." },
  { "prefix", type = "string", default = "moongate:", doc = "What its keys begin with." },
  { "tls", type = "record", doc = "Speak TLS to it; {} will do.", fields = {
    { "ca", type = "string", doc = "File with the authorities that sign its certificate; absent: the system's." },
    { "cert", type = "string", doc = "File with a certificate of ours, for a server that wants one." },
    { "key", type = "string", doc = "File with the key of that." },
    { "name", type = "string", min = 1, doc = "Name to find in its certificate; absent: the address's host." },
    { "insecure", type = "boolean", default = false, doc = "Whether anybody's certificate will do." },
  } },
}

local FILES = { "ca", "cert", "key" }

--- What is wrong with checked settings, as "tls.ca: why"; or nil.
function server.mistake(o)
  local tls = o.tls or {}
  if (tls.cert == nil) ~= (tls.key == nil) then return "tls.cert: cert and key go together" end
  for _, name in ipairs(FILES) do
    local text, why
    if tls[name] then text, why = file.read(tls[name]) end
    if tls[name] and not text then return ("tls.%s: %s"):format(name, why) end
  end
end

local function tls_of(o)
  if not o.tls then return nil end
  local tls = { name = o.tls.name, insecure = o.tls.insecure }
  for _, name in ipairs(FILES) do tls[name] = o.tls[name] and assert(file.read(o.tls[name])) end
  return tls
end

local clients = setmetatable({}, { __mode = "v" }) -- by their settings: uses that name the same share connections

--- The client for checked settings.
function server.client(o)
  local tls = tls_of(o)
  local parts = { o.address, o.username or "", o.password or "", o.database, o.timeout, tls and "tls" or "" }
  for _, part in ipairs { "ca", "cert", "key", "name", "insecure" } do
    parts[#parts + 1] = tostring(tls and tls[part])
  end
  local name = table.concat(parts, "\0")
  local client = clients[name] or redis.new { address = o.address, username = o.username, password = o.password,
    database = o.database > 0 and o.database or nil, timeout = o.timeout, tls = tls }
  clients[name] = client
  return client
end

return server
