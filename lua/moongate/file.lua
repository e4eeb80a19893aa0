--- file: small files that policies read: once, or again whenever they have changed.
--
-- Reading does not wait, so it is for what is small and local: keys, lists, templates.  A watched file is looked at
-- every second, by one timer a worker for all of them.
local abi = require "moongate.abi"
local log = require "moongate.log"
local time = require "moongate.time"
local timer = require "moongate.timer"

local C = abi.C

local file = {}

local LIMIT, PERIOD = 1048576, 1
local SETTLED = 2 -- seconds after which a further change shows in a file's times, whatever clock they go by

local stamp = abi.new "struct mg_file_stamp[1]"

--- The text of a file of at most `limit` bytes (nil: 1 MiB).
-- @return text, or nil and why
function file.read(path, limit)
  local handle, why = io.open(path, "rb")
  if not handle then return nil, (why:gsub("^.-: ", "")) end
  local text
  limit = limit or LIMIT
  text, why = handle:read(limit + 1)
  handle:close()
  if not text and why then return nil, (why:gsub("^.-: ", "")) end
  if text and #text > limit then return nil, ("has more than %d bytes"):format(limit) end
  return text or ""
end

-- ---- watching -----------------------------------------------------------------------------

local watches = setmetatable({}, { __mode = "k" }) -- by the function that reads: by path
local kept_by -- number of the load whose timer looks after them

-- A text that is another one when the file is; nil: it cannot be looked at.
local function stamp_of(path)
  if C.mg_file_stamp(path, stamp) ~= 0 then return nil end
  local s = stamp[0]
  return ("%s %s %s %s %s"):format(s.device, s.inode, s.size, s.modified, s.changed), tonumber(s.modified) / 1e9
end

-- The value of the file as it is now, or nil and why; notes what it looked like, unless that may still change unseen.
local function load(watch)
  local before, modified = stamp_of(watch.path)
  local text, why = file.read(watch.path)
  local settled = before and before == stamp_of(watch.path) and time.now() - modified > SETTLED
  watch.stamp = settled and before or nil
  if not text then return nil, watch.path .. ": " .. why end
  local value
  value, why = watch.read(text)
  if value == nil then return nil, watch.path .. ":" .. why end
  return value
end

local function look(watch)
  if watch.stamp and watch.stamp == stamp_of(watch.path) then return end
  local value, why = load(watch)
  if value == nil then
    if watch.trouble ~= why then log.error("file: not taken; what stood there before counts on", { error = why }) end
    watch.trouble = why
    return
  end
  if watch.trouble then log.info("file: taken again", { file = watch.path }) end
  watch.value, watch.trouble = value, nil
end

local function look_at_all()
  for _, by_path in pairs(watches) do
    for _, watch in pairs(by_path) do look(watch) end
  end
end

local function look_after()
  local number = timer.load_number()
  if kept_by == number then return end
  kept_by = number
  timer.every(PERIOD, look_at_all)
end

--- Reads a file now, and again after each change; called while a config is loaded, and shared by all that name the
-- same path and function.  A change that cannot be read is logged once and changes nothing.
-- @param read function(text) that gives a value, or nil and "LINE: reason" or " reason"
-- @return { value = the last good one }; or nil and "PATH:LINE: reason"
function file.watch(path, read)
  local by_path = watches[read] or setmetatable({}, { __mode = "v" })
  watches[read] = by_path
  local watch = by_path[path]
  if not watch then
    local why
    watch = { path = path, read = read }
    watch.value, why = load(watch)
    if watch.value == nil then return nil, why end
    by_path[path] = watch
  end
  look_after()
  return watch
end

return file
