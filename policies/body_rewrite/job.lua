--- job: the rewriting of one body: decoded if need be, changed, encoded again.
local gzip = require "moongate.gzip"
local json_edit = require "moongate.json_edit"
local replace = require "policies.body_rewrite.replace"
local job = {}

-- The codings of a list that change bytes (RFC 9110, section 8.4.1), in order.
local function codings_of(encoding)
  local list = {}
  for coding in (encoding or ""):lower():gmatch "[^,%s]+" do
    if coding ~= "identity" then list[#list + 1] = coding end
  end
  return list
end

--- The job for a body with this Content-Encoding (nil: none).
-- @return it; or nil and why it cannot be done
function job.new(conf, encoding)
  local self, codings = { conf = conf, held = "", parts = {}, size = 0 }, codings_of(encoding)
  if not codings[1] then return self end
  if codings[2] or codings[1] ~= "gzip" and codings[1] ~= "x-gzip" then return nil, "Content-Encoding " .. encoding end
  local why
  self.decoder, why = gzip.decoder { ratio = conf.gzip_ratio }
  if not self.decoder then return nil, why end
  self.encoder, why = gzip.encoder(conf.gzip_level)
  if self.encoder then return self end
  job.close(self)
  return nil, why
end

-- The whole text with its values set; an empty one is left alone.
local function set_all(conf, text)
  if text == "" then return text end
  for _, one in ipairs(conf.set) do
    local new, why = json_edit.set(text, one.steps, one.json)
    if not new then return nil, "no JSON: " .. tostring(why) end
    text = new
  end
  return text
end

local function whole(self, bytes, last)
  self.size = self.size + #bytes
  if self.size > self.conf.limit then return nil, ("more than %d bytes"):format(self.conf.limit) end
  self.parts[#self.parts + 1] = bytes
  if not last then return "" end
  return set_all(self.conf, table.concat(self.parts))
end

--- Takes the next bytes of the body.
-- @return the bytes that can go on; or nil and why the body cannot be rewritten
function job.push(self, bytes, last)
  local conf = self.conf
  if self.decoder then
    local plain, why = self.decoder:push(bytes, last)
    if not plain then return nil, why end
    bytes = plain
  end
  if conf.program then bytes, self.held = replace.push(conf.program, self.held, bytes, last) end
  if conf.set[1] then
    local new, why = whole(self, bytes, last)
    if not new then return nil, why end
    bytes = new
  end
  if self.encoder and (bytes ~= "" or last) then return self.encoder:push(bytes, last) end
  return bytes
end

--- Gives back what it holds.
function job.close(self)
  if self.decoder then self.decoder:close() end
  if self.encoder then self.encoder:close() end
end

return job
