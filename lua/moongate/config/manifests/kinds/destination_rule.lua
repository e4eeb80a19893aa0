--- Fields of DestinationRule: subsets of a service, and how it is called.
local fields = require "moongate.config.manifests.kinds.fields"
local later = fields.later

local destination_rule = {
  { "host", type = "string", required = true, doc = "Service, short or in full." },
  { "subsets", type = "list", doc = "Named parts of the service.", items = { type = "record", fields = {
    { "name", type = "string", required = true, pattern = "^[%w][%w-]*$", doc = "Name that routes use." },
    { "labels", type = "map", values = { type = "string" }, default = {}, doc = "Labels of its endpoints." },
    later "trafficPolicy" } } },
  later "trafficPolicy", later "workloadSelector", later "exportTo",
}

return { DestinationRule = fields.kind(fields.NETWORKING, destination_rule, true) }
