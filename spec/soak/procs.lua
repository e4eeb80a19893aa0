--- procs: what the soak looks at from outside: the workers, their connections, their descriptors and memory.
local process = require "spec.support.process"

local procs = {}

local LISTEN = "0A" -- tcp_states.h

-- All TCP sockets of 127.0.0.1: inode to { own = port, peer = port, state = }.
local function sockets()
  local found = {}
  for own, peer, state, inode in (process.file "/proc/net/tcp" or ""):gmatch
    "\n%s*%d+: %x+:(%x+) %x+:(%x+) (%x+) %x+:%x+ %x+:%x+ %x+ +%d+ +%d+ (%d+)" do
    found[inode] = { own = tonumber(own, 16), peer = tonumber(peer, 16), state = state }
  end
  return found
end

-- What each descriptor of a process is, as /proc names it.
local function links(pid)
  local list = {}
  local text = process.read("find /proc/" .. pid .. "/fd -mindepth 1 -printf '%l\\n' 2>/dev/null")
  for link in text:gmatch "[^\n]+" do list[#list + 1] = link end
  return list
end

--- How many descriptors a process has.
function procs.descriptors(pid) return #links(pid) end

--- The pids of the workers: those children of the master that listen on `port`, in ascending order.
function procs.workers(gw, port)
  local all, pids = sockets(), {}
  for _, pid in ipairs(gw:children()) do
    for _, link in ipairs(links(pid)) do
      local socket = all[link:match "^socket:%[(%d+)%]$"]
      if socket and socket.state == LISTEN and socket.own == port then
        pids[#pids + 1] = pid
        break
      end
    end
  end
  table.sort(pids)
  return pids
end

--- The ports from which clients are connected to a process (a set). It should stand still meanwhile.
function procs.clients(pid, ports)
  local all, found = sockets(), {}
  for _, link in ipairs(links(pid)) do
    local socket = all[link:match "^socket:%[(%d+)%]$"]
    if socket and socket.state ~= LISTEN and ports[socket.own] then found[socket.peer] = true end
  end
  return found
end

--- Resident bytes of a process.
function procs.resident(pid) return process.memory(pid).rss end

return procs
