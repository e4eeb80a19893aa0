--- junit: busted's report for CI, as XML that a parser takes whatever bytes a failing test has shown.
local junit = {}

-- What XML may have (XML 1.0, section 2.2, production Char), in UTF-8.
local CHARACTERS = {
  "^[\t\n\r\32-\127]+", "^[\194-\223][\128-\191]", "^\224[\160-\191][\128-\191]",
  "^[\225-\236\238][\128-\191][\128-\191]", "^\237[\128-\159][\128-\191]", "^\239[\128-\190][\128-\191]",
  "^\239\191[\128-\189]", "^\240[\144-\191][\128-\191][\128-\191]",
  "^[\241-\243][\128-\191][\128-\191][\128-\191]", "^\244[\128-\143][\128-\191][\128-\191]",
}
local REPLACEMENT = "\239\191\189" -- U+FFFD

local function character_at(text, at)
  for _, pattern in ipairs(CHARACTERS) do
    local _, last = text:find(pattern, at)
    if last then return last end
  end
end

--- `text` with U+FFFD in place of each byte that cannot stand in XML.
function junit.clean(text)
  local parts, at = {}, 1
  while at <= #text do
    local last = character_at(text, at)
    parts[#parts + 1] = last and text:sub(at, last) or REPLACEMENT
    at = (last or at) + 1
  end
  return table.concat(parts)
end

--- The report that busted has written to `path`, which is removed.
function junit.take(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read "*a"
  file:close()
  os.remove(path)
  return '<?xml version="1.0" encoding="UTF-8"?>' .. junit.clean(text)
end

return junit
