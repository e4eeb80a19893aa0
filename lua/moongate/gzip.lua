--- gzip: encodes and decodes gzip (RFC 1952) as a stream, piece by piece.
local abi = require "moongate.abi"
local closed = require "moongate.closed"

local C, span = abi.C, abi.span

local gzip = {}
local methods = {}
local make, handles = closed.class(methods) -- the core's handle; false: closed

local function new(handle)
  if handle == nil then return nil, "gzip: too many streams are open" end
  return make(abi.gc(handle, C.mg_gzip_free))
end

--- A decoder.
-- @param options { limit = bytes that may come out (nil: no end), ratio = how many times as much as goes in, once that
-- is more than 1 MiB (100) }
-- @return it, or nil and why
function gzip.decoder(options)
  return new(C.mg_gzip_decoder(options and options.limit or 0, options and options.ratio or 100))
end

--- An encoder; level 1 (fast) to 9 (small), nil: 6.
-- @return it, or nil and why
function gzip.encoder(level)
  return new(C.mg_gzip_encoder(level or 6))
end

local WHY = { [C.MG_EPROTO] = "no gzip, damaged or cut off", [C.MG_ELIMIT] = "swells too much" }

--- Takes the next bytes; `last`: none follow.
-- @return what they stand for (which may be empty); or nil and why (no gzip, cut off, too much), and it is closed
function methods:push(bytes, last)
  local handle = handles[self]
  if not handle then return nil, "gzip: is closed" end
  local parts = {}
  C.mg_gzip_feed(handle, bytes, #bytes, last)
  local rc = C.mg_gzip_next(handle, span)
  while rc == 0 do
    parts[#parts + 1] = abi.text(span[0])
    rc = C.mg_gzip_next(handle, span)
  end
  if rc ~= C.MG_END or last then methods.close(self) end
  if rc ~= C.MG_END then return nil, "gzip: " .. (WHY[rc] or abi.error_text(rc)) end
  return table.concat(parts)
end

--- Gives its memory back; push() does so after the last bytes and after an error.
function methods:close()
  if handles[self] then
    C.mg_gzip_free(abi.gc(handles[self], nil))
    handles[self] = false
  end
end

return gzip
