--- locations: the places of a request that carry tokens or keys: headers, query parameters, cookies.
local field = require "moongate.field"
local query = require "moongate.query"
local locations = {}

--- The fields of a schema by which a config names places; `what` is what they carry ("a token").
function locations.schema(what)
  local function names(name, doc)
    return { name, type = "list", items = { type = "string", min = 1 }, default = {}, doc = doc .. what .. "." }
  end
  return { "from_headers", type = "list", default = {}, doc = "Headers with " .. what .. ".", items = { type = "record",
    fields = {
      { "name", type = "string", required = true, doc = "Name of the header." },
      { "prefix", type = "string", default = "", doc = "What stands before it, in this case, blanks included." },
    } } }, names("from_params", "Query parameters with "), names("from_cookies", "Cookies with ")
end

--- What is wrong with a header of `from_headers`, as "from_headers.1.name: reason", or nil.
function locations.mistake(rule)
  for i, place in ipairs(rule.from_headers) do
    local name = place.name
    local why = field.name_error(name) or name:lower() == "host" and "the host cannot be a token, a key or a claim"
    if why then return ("from_headers.%d.name: %s"):format(i, why) end
  end
end

local function own_places(rule, default)
  local list = {}
  for _, header in ipairs(rule.from_headers) do
    list[#list + 1] = { kind = "header", name = header.name:lower(), prefix = header.prefix }
  end
  for _, name in ipairs(rule.from_params) do list[#list + 1] = { kind = "param", name = name, prefix = "" } end
  for _, name in ipairs(rule.from_cookies) do list[#list + 1] = { kind = "cookie", name = name, prefix = "" } end
  return #list > 0 and list or default
end

local function same(a, b) return a.kind == b.kind and a.name == b.name and a.prefix == b.prefix end

--- The places of a rule (`default` where it names none); those that `all` lacks are added to it.
-- @return array of { kind = "header", "param" or "cookie", name =, prefix = }; where somebody sets `every` of a
-- parameter's, all values of it are found and not the first alone
function locations.add(all, rule, default)
  local list = {}
  for i, place in ipairs(own_places(rule, default)) do
    for _, known in ipairs(all) do
      if same(known, place) then list[i] = known end
    end
    if not list[i] then
      list[i] = place
      table.insert(all, place)
    end
  end
  return list
end

-- ---- finding ------------------------------------------------------------------------------

-- Each gives an array of texts, or nil.
local readers = {}

-- A header without the prefix carries nothing, as far as this place is concerned.
function readers.header(req, place)
  local headers, prefix, texts = req.headers, place.prefix, nil
  local value, at = headers:next_of(place.name, 0)
  while value do
    if value:sub(1, #prefix) == prefix then
      texts = texts or {}
      texts[#texts + 1] = value:match("^ *(.*)$", #prefix + 1)
    end
    value, at = headers:next_of(place.name, at)
  end
  return texts
end

function readers.param(req, place)
  if place.every then return req.query and query.get_all(req.query, place.name) end
  local value = req:param(place.name)
  return value and { value }
end

function readers.cookie(req, place)
  local value = req:cookie(place.name)
  return value and { value }
end

--- The texts at each place that has some: map of place to array; nil where none has.
function locations.find(places, req)
  local found
  for i = 1, #places do
    local place = places[i]
    local texts = readers[place.kind](req, place)
    if texts then
      found = found or {}
      found[place] = texts
    end
  end
  return found
end

-- ---- removing -----------------------------------------------------------------------------

local removers = {}

function removers.header(req, name) req.headers:remove(name) end

-- `separator` stands between the parts; is_own says whether a part is to go.
local function without(text, separator, is_own)
  local kept = {}
  for part in (text .. separator):gmatch("([^" .. separator .. "]*)" .. separator) do
    if not is_own(part) then kept[#kept + 1] = part end
  end
  return #kept > 0 and table.concat(kept, separator) or nil
end

-- What stays keeps its spelling.
function removers.param(req, name)
  req.query = without(req.query or "", "&", function(part)
    return query.decode(part:match "^[^=]*") == name
  end)
end

function removers.cookie(req, name)
  local line = without(req.headers:get "cookie" or "", ";", function(part)
    return part:match "^%s*([^=]-)%s*=" == name
  end)
  req.headers.cookie = line and line:match "^%s*(.*)$"
end

--- Takes what was found at these places out of the request.
function locations.remove(places, found, req)
  for _, place in ipairs(places) do
    if found[place] then removers[place.kind](req, place.name) end
  end
end

return locations
