--- normalize: one spelling for paths that mean the same, so that nobody passes a rule by writing a path differently
-- (Istio: MeshConfig.pathNormalization).
--
-- base: escapes of unreserved characters are decoded, "\" is "/", "." and ".." are resolved (RFC 3986, 6.2.2);
-- merge_slashes: the same, then "//" is "/";
-- decode_and_merge_slashes: %2F and %5C are decoded first, then the same.
-- All other escapes stay as they are spelled, and nothing is decoded twice.
local normalize = {}

local find, gsub = string.find, string.gsub

--- The modes, from the one that does least.
normalize.MODES = { "none", "base", "merge_slashes", "decode_and_merge_slashes" }

local DECODED = setmetatable({}, { __index = function(known, escape)
  local char = string.char(tonumber(escape:sub(2), 16))
  known[escape] = find(char, "[%w._~-]") and char or escape
  return known[escape]
end })

-- RFC 3986, 5.2.4; ".." above the root is left out.
local function without_dots(path)
  local kept, count, ends_in_dots = {}, 0, false
  for segment in path:gmatch("/([^/]*)") do
    ends_in_dots = segment == "." or segment == ".."
    if not ends_in_dots then
      count = count + 1
      kept[count] = segment
    elseif segment == ".." and count > 0 then
      count = count - 1
    end
  end
  if ends_in_dots then
    count = count + 1
    kept[count] = ""
  end
  return "/" .. table.concat(kept, "/", 1, count)
end

local function base(path)
  if find(path, "%00", 1, true) then return nil end
  if find(path, "%", 1, true) then path = gsub(path, "%%%x%x", DECODED) end
  if find(path, "\\", 1, true) then path = gsub(path, "\\", "/") end
  return find(path, "/.", 1, true) and without_dots(path) or path
end

local function merge_slashes(path)
  path = base(path)
  return path and find(path, "//", 1, true) and gsub(path, "//+", "/") or path
end

local function decode_and_merge_slashes(path)
  if find(path, "%", 1, true) then path = gsub(gsub(path, "%%2[fF]", "/"), "%%5[cC]", "/") end
  return merge_slashes(path)
end

local BY_MODE = { base = base, merge_slashes = merge_slashes, decode_and_merge_slashes = decode_and_merge_slashes }

--- The function of a mode: gives the path of a request (without its query) in its one spelling, or nil when it holds
-- %00 and is to be refused (400).  The mode "none" has no function.
function normalize.by_mode(mode)
  local change = BY_MODE[mode]
  return change and function(path)
    if find(path, "^/") then return change(path) end
    return path -- "*" of OPTIONS, an authority of CONNECT
  end
end

return normalize
