---@meta moongate.otlp

--- Spans to an OpenTelemetry collector (OTLP, JSON by HTTP), in batches, from a bounded queue.
---@class moongate.otlp
local otlp = {}

--- The exporter to a collector, made while a config is loaded (in prepare); the same options give the same one.
---@param options { url?: string, service?: string, headers?: table<string, string>, name: string, queue: integer, batch: integer, interval: integer, timeout: integer } url, or a service of the config; name is service.name; queue and batch in spans; interval and timeout in ms.
---@return moongate.Exporter
function otlp.exporter(options) end

--- An exporter of moongate.otlp.
---@class moongate.Exporter
local exporter = {}

--- Adds a span, as OTLP's JSON has it; one that the queue cannot take is dropped and counted.
---@param span string
function exporter:add(span) end

return otlp
