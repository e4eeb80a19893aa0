--- files: the texts of sources, from the disk or from inside the binary.
local files = {}

--- The text of a file, or nil when it is in neither.
function files.read(path)
  local found, source = pcall(require, "moongate.source")
  local text = found and source.text(path)
  if text then return text end
  local file = io.open(path, "r")
  if not file then return nil end
  text = file:read("*a")
  file:close()
  return text
end

--- The comment that opens a text, as lines without its dashes.
function files.comment(text)
  local lines = {}
  for line in text:gmatch("([^\n]*)\n") do
    local said = line:match("^%-%-%-? ?(.*)$")
    if not said then break end
    lines[#lines + 1] = said
  end
  return lines
end

return files
