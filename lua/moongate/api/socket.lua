---@meta moongate.socket

--- Connections on which policies speak what they like, in plain sequential code; other requests go on. A socket is used
--- by whoever has it, one reader and one writer at a time, and outlives the request that opened it; but it is closed
--- where that one's client leaves while it waits on it, and nobody else has used it yet.
---@class moongate.socket
local socket = {}

--- Connects, and waits until the connection (and its TLS) stands; nil and why it does not.
---@param options { address: string, timeout?: integer, tls?: { ca?: string, cert?: string, key?: string, name?: string, insecure?: boolean } } address "host:port"; timeout in ms (3000); tls: PEM texts (ca: the system's), the name to verify.
---@return moongate.Socket?
---@return string? why
function socket.connect(options) end

--- A connection of moongate.socket.
---@class moongate.Socket
local connection = {}

--- Sends bytes, and waits until the system has taken them; nil and why. Nothing was taken if what was written before has
--- not been sent yet.
---@param bytes string
---@param timeout? integer In ms (10000); with 0 it does not wait.
---@return true?
---@return string? why
function connection:write(bytes, timeout) end

--- Waits for exactly so many bytes; nil and why.
---@param count integer
---@param timeout? integer Of each pause, in ms (10000).
---@return string?
---@return string? why
function connection:read(count, timeout) end

--- Waits for bytes that end in a mark, 64 KiB at most: these, the mark included; or nil, why, and whether the time was
--- over: then nothing was taken.
---@param mark string
---@param timeout? integer
---@return string?
---@return string? why
---@return boolean? late
function connection:read_until(mark, timeout) end

--- Closes it; who waits on it is told.
function connection:close() end

return socket
