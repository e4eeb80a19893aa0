---@meta moongate.redis

--- Commands to a Redis server, on few connections that all requests of a worker share. A server that cannot be reached is
--- not asked for a while: what is wanted meanwhile fails at once.
---@class moongate.redis
---@field null table What stands for "there is none" in a reply.
local redis = {}

--- A client; it connects when it is first used.
---@param options { address: string, timeout?: integer, username?: string, password?: string, database?: integer, tls?: table, connections?: integer, pending?: integer } timeout of a round trip in ms (500); tls as of moongate.socket; at most so many connections (2) and commands under way (1024).
---@return moongate.Redis
function redis.new(options) end

--- A client of moongate.redis.
---@class moongate.Redis
local client = {}

--- Sends one command: client:call("GET", "key"). Its reply, or nil and why.
---@param ... string|number The command and its arguments.
---@return any
---@return string? why
function client:call(...) end

--- Sends several commands in one round trip: a list of replies (texts, numbers, lists, redis.null or { error = text }),
--- or nil and why.
---@param commands (string|number)[][]
---@return any[]?
---@return string? why
function client:pipeline(commands) end

return redis
