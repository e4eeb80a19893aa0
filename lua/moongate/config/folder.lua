--- folder: lists the files of a folder.
local ffi = require "ffi"

local folder = {}

-- readdir() of 64-bit Linux, where glibc and musl lay out struct dirent alike.
ffi.cdef [[
struct mg_dirent { uint64_t ino; int64_t off; unsigned short reclen; unsigned char type; char name[256]; };
void *opendir(const char *name);
struct mg_dirent *readdir(void *dir);
int closedir(void *dir);
]]

--- Names in a folder, sorted, those that start with a dot left out.
-- @return array of names, or nil when `path` is no readable folder
function folder.list(path)
  local dir = ffi.C.opendir(path)
  if dir == nil then return nil end
  local names = {}
  while true do
    local entry = ffi.C.readdir(dir)
    if entry == nil then break end
    local name = ffi.string(entry.name)
    if name:sub(1, 1) ~= "." then names[#names + 1] = name end
  end
  ffi.C.closedir(dir)
  table.sort(names)
  return names
end

return folder
