--- normalize: gives paths that mean the same one spelling, for the policies after it and the backend.
-- "/shop/%2e%2e/admin" becomes "/admin"; a path that holds %00 is answered 400.  The query is kept.
-- Routes are chosen before: where their matches must see the new path too, use the listener's `path_normalization`.
-- Phases: request.
-- Place it before policies that look at the path.
local modes = require "moongate.normalize"
local normalize = {}

normalize.schema = {
  { "mode", type = "string", default = "base", one_of = { "base", "merge_slashes", "decode_and_merge_slashes" },
    doc = "base: dots and needless escapes; the others: slashes too; the last: %2F and %5C first." },
}

function normalize.prepare(conf)
  return { change = modes.by_mode(conf.mode) }
end

function normalize.request(conf, ctx)
  local path = ctx.req.path
  local changed = conf.change(path)
  if not changed then
    ctx.details = "path_normalization_failed"
    return ctx:respond(400)
  end
  if changed ~= path then ctx.req.path = changed end
end

return normalize
