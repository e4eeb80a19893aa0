--- body_rewrite: changes what bodies say, of responses or of requests.
-- `replace` puts texts in the place of others, in bodies of any length while they stream; `set` puts values at places
-- in a JSON text, which is kept until it is whole (at most `limit` bytes) and of which nothing else changes.  Both may
-- stand; then `set` comes last.  Only bodies of `content_types` are touched, and no answers of the gateway itself.
-- Those in gzip are decoded and encoded again.  What should be rewritten and cannot be never passes as it is: another
-- coding, a part of a body, no JSON, one too long, or gzip that swells too much.  A response is then 502 (once it has
-- begun: cut), a request 400, 413 or 415.
-- The service is asked for no ranges and for no coding but gzip; ETag becomes weak, and digests of the body go.
-- Phases: request, request_body or response and response_body, log.
-- Place it after what reads bodies as clients sent them.
local job = require "policies.body_rewrite.job"
local json = require "moongate.json"
local json_edit = require "moongate.json_edit"
local replace = require "policies.body_rewrite.replace"
local sides = require "policies.body_rewrite.sides"
local body_rewrite = {}

body_rewrite.schema = {
  { "side", type = "string", one_of = { "response", "request" }, default = "response", doc = "Whose body." },
  { "replace", type = "list", default = {}, max = 32, doc = "Texts to replace; the leftmost counts, then the first.",
    items = { type = "record", fields = {
      { "from", type = "string", min = 1, max = 256, required = true, doc = "The text, as it stands, in its case." },
      { "to", type = "string", default = "", doc = "What comes in its place." } } } },
  { "set", type = "list", default = {}, max = 32, doc = "Values to set in JSON.",
    items = { type = "record", fields = {
      { "path", type = "string", min = 1, required = true, doc = "Where: $.user.tags[0], items[*].price, $['a.b']." },
      { "value", type = { "string", "number", "boolean", "list", "map" }, required = true, doc = "What." } } } },
  { "content_types", type = "list", items = { type = "string", min = 1 }, min = 1,
    default = { "text/*", "application/json", "application/javascript", "application/xml" },
    doc = "Media types; TYPE/* stands for all of that type." },
  { "limit", type = "size", min = 1, default = "1MiB", doc = "Longest JSON text, decoded." },
  { "gzip_ratio", type = "integer", min = 2, max = 1032, default = 100,
    doc = "How many times as long as it came a body in gzip may become, once it is longer than 1 MiB." },
  { "gzip_level", type = "integer", min = 1, max = 9, default = 6, doc = "How hard it is encoded again." },
}

--- The head of a response whose JSON is read waits until that has gone well.
function body_rewrite.body(conf)
  return { [conf.side] = "chunks", hold = #conf.set > 0 }
end

function body_rewrite.check(conf)
  if #conf.replace + #conf.set == 0 then return nil, "replace: expected it, or 'set'" end
  for i, one in ipairs(conf.set) do
    local steps, why = json_edit.path(one.path)
    if not steps then return nil, ("set.%d.path: %s"):format(i, why) end
    local text
    text, why = json.encode(one.value)
    if not text then return nil, ("set.%d.value: %s"):format(i, why) end
  end
  for i, one in ipairs(conf.content_types) do
    if not one:find "^[%w!#$&^_.+-]+/[%w!#$&^_.+*-]+$" then
      return nil, ("content_types.%d: expected TYPE/SUBTYPE or TYPE/*, got %q"):format(i, one)
    end
  end
end

function body_rewrite.prepare(conf)
  conf.program = conf.replace[1] and replace.prepare(conf.replace)
  for _, one in ipairs(conf.set) do one.steps, one.json = json_edit.path(one.path), json.encode(one.value) end
  conf.is_meant = sides.media_types(conf.content_types)
  return conf
end

function body_rewrite.request(conf, ctx)
  if conf.side == "response" then return sides.ask_plainly(ctx.req.headers) end
  return sides.begin_request(conf, ctx)
end

function body_rewrite.request_body(_, ctx, bytes, last)
  local own = ctx.own
  if not own.job then return bytes end
  local new, why = job.push(own.job, bytes, last)
  if new then return new end
  return sides.refuse(ctx, why:find "^more than" and 413 or 400, why)
end

function body_rewrite.response(conf, ctx)
  if conf.side == "response" then sides.begin_response(conf, ctx) end
end

function body_rewrite.response_body(conf, ctx, bytes, last)
  local own = ctx.own
  if not own.job then return bytes end
  local new, why = job.push(own.job, bytes, last)
  if new then return new end
  if not conf.set[1] then error("body_rewrite: " .. why, 0) end -- its head is out
  own.job = nil
  sides.refuse(ctx, 502, why)
end

function body_rewrite.log(_, ctx)
  local own = ctx.own
  if own.job then job.close(own.job) end
end

return body_rewrite
