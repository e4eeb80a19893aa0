--- traces: where the compiler gave a trace up that began, or ended, in a policy: LuaJIT's own events, as in jit.v.
local util = require "jit.util"

local traces = {}

local found, order, folder -- by text: how often; the texts in order; where the policy's sources are
local began -- function and place of the trace that is being recorded

-- Names of the reasons come with LuaJIT's own Lua modules, where they are installed.
local function reasons()
  local there, vmdef = pcall(require, "jit.vmdef")
  return there and vmdef or { traceerr = {}, ffnames = {}, bcnames = "" }
end

local vmdef

local function place(fn, pc)
  local info = util.funcinfo(fn, pc)
  if not info.source then return nil end
  return info.source:sub(2), info.currentline
end

local function is_own(source) return source ~= nil and source:sub(1, #folder) == folder end

local function reason_text(code, what)
  if type(code) ~= "number" then return tostring(code) end
  local text = vmdef.traceerr[code] or ("reason %d"):format(code)
  if type(what) == "function" then
    local info = util.funcinfo(what)
    what = info.ffid and vmdef.ffnames[info.ffid] or info.loc or "a function"
  elseif type(what) == "number" and text:find("bytecode", 1, true) then
    what = vmdef.bcnames:sub(what * 6 + 1, what * 6 + 6):gsub(" ", "")
  end
  return (text:gsub("%%%a", { ["%d"] = tostring(what), ["%s"] = tostring(what) }))
end

local function on_event(event, _, fn, pc, code, what)
  if event == "start" then
    began = { place(fn, pc) }
  elseif event == "abort" then
    local source, line = place(fn, pc)
    if not (is_own(source) or began and is_own(began[1])) then return end
    local text = ("%s:%d: %s"):format(source or "?", line or 0, reason_text(code, what))
    if not is_own(source) then text = ("%s (begun at %s:%d)"):format(text, began[1], began[2]) end
    if not found[text] then order[#order + 1] = text end
    found[text] = (found[text] or 0) + 1
  end
end

-- NAME.lua, or all that is in the folder of NAME/init.lua.
local function folder_of(policy)
  for _, value in pairs(policy) do
    if type(value) == "function" then
      return debug.getinfo(value, "S").source:sub(2):gsub("/init%.lua$", "/")
    end
  end
end

--- From now on traces that a policy's functions begin or end are watched.
function traces.start(policy)
  vmdef, found, order, folder, began = reasons(), {}, {}, folder_of(policy), nil
  jit.flush()
  jit.attach(on_event, "trace")
end

--- No more.
-- @return array of { text = "file:line: why", count = }
function traces.stop()
  jit.attach(on_event)
  local list = {}
  for i, text in ipairs(order) do list[i] = { text = text, count = found[text] } end
  return list
end

return traces
