--- sides: what rewriting a body means for the heads of messages (RFC 9110).
local job = require "policies.body_rewrite.job"
local sides = {}

-- Of the bytes of a body; they would be wrong (RFC 9530; RFC 1864).
local DIGESTS = { "content-md5", "digest", "content-digest", "repr-digest" }

--- A function(value of Content-Type or nil): whether it is one of the list.
function sides.media_types(list)
  local exact, classes = {}, {}
  for _, one in ipairs(list) do
    local class = one:lower():match "^(.*)/%*$"
    if class then classes[class] = true else exact[one:lower()] = true end
  end
  return function(value)
    local media = (value or ""):lower():match "^%s*([^;%s]*)"
    return exact[media] or classes[media:match "^([^/]*)/" or ""] or false
  end
end

-- Whether Accept-Encoding takes gzip (section 12.5.3); absent, it is not asked for here.
local function takes_gzip(headers)
  local text, at, any = table.concat(headers:get_all "accept-encoding", ","):lower(), 1, false
  while at <= #text do
    local stop = text:find(",", at, true) or #text + 1
    local coding = text:match("^%s*([^%s;,]+)", at)
    if coding == "gzip" or coding == "x-gzip" or coding == "*" then
      local weight = tonumber(text:sub(at, stop - 1):match ";%s*q%s*=%s*([%d.]+)" or 1) or 0
      if coding ~= "*" then return weight > 0 end
      any = weight > 0
    end
    at = stop + 1
  end
  return any
end

--- Asks the service for what can be rewritten: all of it, plain or in gzip.
function sides.ask_plainly(headers)
  headers:set("accept-encoding", takes_gzip(headers) and "gzip" or "identity")
  headers:remove "range"
  headers:remove "if-range"
end

local function forget_bytes(headers)
  for _, name in ipairs(DIGESTS) do headers:remove(name) end
end

--- Answers in place of what cannot be rewritten.
function sides.refuse(ctx, status, why)
  ctx.details = "body_rewrite{" .. why:gsub("[%s{}]", "_") .. "}"
  return ctx:respond(status, "the body cannot be rewritten: " .. why)
end

local function encoding_of(headers)
  local all = headers:get_all "content-encoding"
  return all[1] and table.concat(all, ", ") or nil
end

--- Begins with a request that has a body to be rewritten; an answer when it cannot be.
function sides.begin_request(conf, ctx)
  local req = ctx.req
  local headers = req.headers
  if not req.has_body or not conf.is_meant(headers["content-type"]) then return nil end
  if headers["content-range"] then return sides.refuse(ctx, 400, "it is a part only") end
  local made, why = job.new(conf, encoding_of(headers))
  if not made then
    local answer = sides.refuse(ctx, 415, why)
    answer.headers:set("accept-encoding", "gzip")
    return answer
  end
  forget_bytes(headers)
  ctx.own.job = made
end

-- An answer to HEAD, and one that says that nothing has changed, speak of the body that GET would get.  The second has
-- no Content-Type; that it is about a body of ours shows in the tag that the client knows.
local function is_ours(ctx)
  local tag = ctx.res.headers.etag
  local known = table.concat(ctx.req.headers:get_all "if-none-match", ",")
  return tag and known:find("W/" .. tag, 1, true) ~= nil
end

local function change_head(headers)
  forget_bytes(headers)
  headers:remove "accept-ranges"
  headers:remove "content-length"
  local tag = headers.etag
  if tag and not tag:find "^W/" then headers:set("etag", "W/" .. tag) end
end

-- Parts that nobody has asked for: their own types stand in the body (section 14.6).
local function is_parts(status, value)
  return status == 206 and (value or ""):lower():find "^%s*multipart/byteranges" ~= nil
end

--- Begins with a response, if it is to be rewritten; one that cannot be is replaced.
function sides.begin_response(conf, ctx)
  local headers, status = ctx.res.headers, ctx.res.status
  if status == 304 then
    if is_ours(ctx) then change_head(headers) end
    return
  end
  local media = headers["content-type"]
  if not conf.is_meant(media) and not is_parts(status, media) then return end
  if status == 206 or headers["content-range"] then
    sides.refuse(ctx, 502, "it is a part only")
    return
  end
  local made, why = job.new(conf, encoding_of(headers))
  if not made then
    sides.refuse(ctx, 502, why)
    return
  end
  change_head(headers)
  if ctx.res.has_body then ctx.own.job = made else job.close(made) end
end

return sides
