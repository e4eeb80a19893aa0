--- golden: texts that a spec compares with files, which `moongate test --update-golden` writes.
local golden = { update = false }

local function read(path)
  local file = io.open(path, "rb")
  local text = file and file:read("*a")
  if file then file:close() end
  return text
end

local function lines_of(text)
  local lines = {}
  for line in (text .. "\n"):gmatch("([^\n]*)\n") do lines[#lines + 1] = line end
  return lines
end

local function first_difference(wanted, got)
  local a, b = lines_of(wanted), lines_of(got)
  for i = 1, math.max(#a, #b) do
    if a[i] ~= b[i] then return i, a[i] or "(the end)", b[i] or "(the end)" end
  end
end

--- @param source of the function that asks, as debug.getinfo() gives it; `path` is relative to its folder
function golden.compare(source, path, text)
  local full = path:sub(1, 1) == "/" and path or (source:match("^@(.*/)") or "") .. path
  if golden.update then
    local file = assert(io.open(full, "wb"))
    file:write(text)
    file:close()
    return
  end
  local wanted = read(full)
  if not wanted then error(("%s is not there: write it by --update-golden"):format(full), 3) end
  if wanted == text then return end
  error(("%s:%d: expected %q, got %q"):format(full, first_difference(wanted, text)), 3)
end

return golden
