--- image: a checked model as bytes.  One process reads a config, those that serve get the image of its model: none of
-- them reads the files, so all serve the same, also one that is started again while the files are being changed.
-- core/script/image.h says what a model may hold, and how it is written.
local codec = require "moongate.image_codec"
local pause = require "moongate.pause"

local image = {}

local ITEMS = 64 -- texts and values that are read at a time; takes a few microseconds

--- The image of a model; what tables share they share afterwards, too.
-- @return bytes; or nil and what in it is no data ("routes.1.policies.1.conf.x: expected data, got a function")
image.encode = codec.encode

--- The model of an image that encode() made; see moongate.pause.  Bytes that are none are an error.
function image.decode(bytes)
  local go_on = codec.decoder(bytes)
  local model
  repeat
    model = go_on(ITEMS)
    pause.here()
  until model
  return model
end

return image
