--- tally: a policy for specs, with one setting of each kind.
local tally = {}

tally.schema = {
  { "count", type = "integer", min = 1, default = 1, doc = "How many." },
  { "name", type = "string", doc = "What." },
  { "pause", type = "duration", doc = "How long." },
  { "rules", type = "list", items = { type = "record", fields = { { "path", type = "string", required = true } } } },
}

function tally.check(conf)
  if conf.name == "both" and conf.pause then return nil, "rules.1.path: not together with a pause" end
end

function tally.request() end

return tally
