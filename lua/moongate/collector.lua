--- collector: when Lua's collector begins to look for garbage.
local collector = {}

--- Not before the Lua state has grown to `kib`; afterwards as the pause says that is set.
function collector.wait(kib)
  local pause = collectgarbage("setpause", kib / collectgarbage "count" * 100)
  collectgarbage("restart", -1) -- reckons from what there is now
  collectgarbage("setpause", pause)
end

return collector
