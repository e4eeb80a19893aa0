--- image: a checked model as bytes.  One process reads a config, those that serve get the image of its model: none of
-- them reads the files, so all serve the same, also one that is started again while the files are being changed.
--
-- A model is plain data: tables that are trees or are shared, with texts and integers as keys; what tables share they
-- share afterwards, too.  The form: how many texts there are, and each (its length, its bytes); how many tables, and
-- each, after those that stand in it: how many values it has in order, how many others, and these (keys first).  All
-- numbers are written seven bits a byte, the lowest first; a value is eight times a number (an index from 1, or an
-- integer itself) and what kind it is.
local json = require "moongate.json"
local pause = require "moongate.pause"

local image = {}

local FALSE, TRUE, NULL, INTEGER, NUMBER, TEXT, TABLE = 0, 1, 2, 3, 4, 5, 6
local MOST_INTEGER = 2 ^ 40
local byte, char, floor, sub = string.byte, string.char, math.floor, string.sub
local buffer, new_table = require "string.buffer", require "table.new"

-- ---- writing ------------------------------------------------------------------------------

local BYTES = {} -- all of them, as texts
for i = 0, 255 do BYTES[i] = char(i) end

-- Nearly all have one to three bytes.
local function put_number(out, n)
  if n < 128 then
    out:put(BYTES[n])
  elseif n < 16384 then
    out:put(BYTES[n % 128 + 128], BYTES[floor(n / 128)])
  else
    out:put(BYTES[n % 128 + 128], BYTES[floor(n / 128) % 128 + 128])
    put_number(out, floor(n / 16384))
  end
end

-- The index of a text, which is written when it is first met.
local function text_index(self, text)
  local index = self.text_ids[text]
  if not index then
    index = self.text_count + 1
    self.text_count, self.text_ids[text] = index, index
    put_number(self.texts, #text)
    self.texts:put(text)
  end
  return index
end

local function fail(self, what)
  local way = {}
  for i, key in ipairs(self.way) do way[i] = tostring(key) end
  error({ why = ("%s: expected data, got %s"):format(table.concat(way, "."), what) }, 0)
end

local function put(self, v)
  local kind = type(v)
  if kind == "string" then return put_number(self.tables, text_index(self, v) * 8 + TEXT) end
  if kind == "table" then return put_number(self.tables, self.table_ids[v] * 8 + TABLE) end
  if kind == "boolean" then return put_number(self.tables, v and TRUE or FALSE) end
  if v == json.null then return put_number(self.tables, NULL) end
  if v >= 0 and v < MOST_INTEGER and v % 1 == 0 then return put_number(self.tables, v * 8 + INTEGER) end
  put_number(self.tables, text_index(self, ("%.17g"):format(v)) * 8 + NUMBER)
end

local KEYS = { string = true, number = true }
local VALUES = { string = true, number = true, boolean = true, table = true }

local put_table

-- Writes the tables that stand in `t`; how many other keys it has than 1 to `in_order`.
local function put_inner(self, t, in_order)
  local way, others = self.way, 0
  local depth = #way + 1
  for key, v in next, t do
    local kind = type(v)
    if kind == "table" or not VALUES[kind] or not KEYS[type(key)] then
      way[depth] = key
      if not KEYS[type(key)] then fail(self, "a key that is a " .. type(key)) end
      if not VALUES[kind] and v ~= json.null then fail(self, "a " .. kind) end
      if kind == "table" then put_table(self, v) end
      way[depth] = nil
    end
    others = others + 1
  end
  return others - in_order
end

function put_table(self, t)
  local id = self.table_ids[t]
  if id == 0 then fail(self, "a table that it stands in") end
  if id then return end
  if getmetatable(t) then fail(self, "an object") end
  self.table_ids[t] = 0
  local in_order = 0
  while t[in_order + 1] ~= nil do in_order = in_order + 1 end
  local others = put_inner(self, t, in_order)
  put_number(self.tables, in_order)
  put_number(self.tables, others)
  for i = 1, in_order do put(self, t[i]) end
  if others > 0 then
    for key, v in next, t do
      if type(key) ~= "number" or key < 1 or key > in_order or key % 1 ~= 0 then
        put(self, key)
        put(self, v)
      end
    end
  end
  self.table_count = self.table_count + 1
  self.table_ids[t] = self.table_count
end

--- The image of a model.
-- @return bytes; or nil and what in it is no data ("routes.1.policies.1.conf.x: expected data, got a function")
function image.encode(model)
  local self = { texts = buffer.new(), text_ids = {}, text_count = 0, tables = buffer.new(), table_ids = {},
    table_count = 0, way = {} }
  local ok, err = pcall(put_table, self, model)
  if not ok then
    if type(err) == "table" then return nil, err.why end
    error(err, 0)
  end
  local head, middle = buffer.new(), buffer.new()
  put_number(head, self.text_count)
  put_number(middle, self.table_count)
  return head:put(self.texts, middle, self.tables):tostring()
end

-- ---- reading ------------------------------------------------------------------------------

local function read_number(bytes, at)
  local b = byte(bytes, at)
  at = at + 1
  if b < 128 then return b, at end
  local n, scale = b - 128, 128
  repeat
    b = byte(bytes, at)
    at = at + 1
    n = n + b % 128 * scale
    scale = scale * 128
  until b < 128
  return n, at
end

local function read_texts(bytes, at)
  local count, len
  count, at = read_number(bytes, at)
  local texts = new_table(count, 0)
  for i = 1, count do
    len, at = read_number(bytes, at)
    texts[i] = sub(bytes, at, at + len - 1)
    at = at + len
    if i % 64 == 0 then pause.here() end
  end
  return texts, at
end

local function value_of(n, texts, tables)
  local kind = n % 8
  local index = (n - kind) / 8
  if kind == TEXT then return texts[index] end
  if kind == TABLE then return tables[index] end
  if kind == INTEGER then return index end
  if kind == NUMBER then return tonumber(texts[index]) end
  if kind == NULL then return json.null end
  return kind == TRUE
end

local function read_table(bytes, at, texts, tables)
  local in_order, others, key, n
  in_order, at = read_number(bytes, at)
  others, at = read_number(bytes, at)
  local t = new_table(in_order, others)
  for i = 1, in_order do
    n, at = read_number(bytes, at)
    t[i] = value_of(n, texts, tables)
  end
  for _ = 1, others do
    key, at = read_number(bytes, at)
    n, at = read_number(bytes, at)
    t[value_of(key, texts, tables)] = value_of(n, texts, tables)
  end
  return t, at
end

--- The model of an image that encode() made; see moongate.pause.
function image.decode(bytes)
  local texts, at = read_texts(bytes, 1)
  local count
  count, at = read_number(bytes, at)
  local tables = new_table(count, 0)
  for i = 1, count do
    tables[i], at = read_table(bytes, at, texts, tables)
    if i % 16 == 0 then pause.here() end
  end
  return tables[count]
end

return image
