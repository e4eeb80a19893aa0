---@meta moongate.shared

--- Dictionaries that all workers share: texts by name, with expiry and atomic counters. One that is full forgets what
--- was used longest ago.
---@class moongate.shared
local shared = {}

--- The dictionary of that name, the same for every policy and worker; nil and why when there is no room.
---@param name string
---@param options? { size?: string|integer } Its size counts when it is new; default "1MiB".
---@return moongate.Dictionary?
---@return string? why
function shared.open(name, options) end

--- A dictionary of moongate.shared.
---@class moongate.Dictionary
local dictionary = {}

--- The text under a key, or nil.
---@param key string
---@return string?
function dictionary:get(key) end

--- Stores a text; nil and why for one that is too large.
---@param key string
---@param value string|number
---@param seconds? number Until it expires; nil: until it is pushed out.
---@return true?
---@return string? why
function dictionary:set(key, value, seconds) end

--- Stores a text if the key is free; false when it is taken.
---@param key string
---@param value string|number
---@param seconds? number
---@return boolean?
---@return string? why
function dictionary:add(key, value, seconds) end

--- Stores `new` if what is there is `old` (nil: if nothing is), at once for all workers; false when something else is there.
---@param key string
---@param old string?
---@param new string
---@param seconds? number
---@return boolean?
---@return string? why
function dictionary:swap(key, old, new, seconds) end

--- Removes a key; whether it was there.
---@param key string
---@return boolean
function dictionary:delete(key) end

--- Adds to the number under a key, at once for all workers; a free key starts at `init` (0), for `seconds`.
---@param key string
---@param by number
---@param init? number
---@param seconds? number
---@return number? value The new one.
---@return string? why
function dictionary:incr(key, by, init, seconds) end

--- Seconds until a key expires; nil when it is not there, math.huge when it does not expire.
---@param key string
---@return number?
function dictionary:ttl(key) end

return shared
