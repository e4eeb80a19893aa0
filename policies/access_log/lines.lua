--- lines: what is written of a request; no client can forge a line.
local operators = require "policies.access_log.operators"
local lines = {}

local plain = operators.plain

local LONGEST = 4095 -- bytes of a line that a log takes whole: MG_LOG_LINE of core/base/log.h, less the newline
local ALL, FIRST_CUT, LAST_CUT = 2 ^ 30, 1024, 16 -- bytes of a value
local function request_header(name) return operators.parse("REQ(" .. name .. ")") end

-- The fields of a JSON line in their order: name and function.
local FIELDS = {
  { "start_time", plain.START_TIME }, { "method", request_header ":METHOD" }, { "path", request_header ":PATH" },
  { "protocol", plain.PROTOCOL }, { "status", plain.RESPONSE_CODE }, { "flags", plain.RESPONSE_FLAGS },
  { "details", plain.RESPONSE_CODE_DETAILS }, { "bytes_in", plain.BYTES_RECEIVED },
  { "bytes_out", plain.BYTES_SENT }, { "duration_ms", plain.DURATION },
  { "upstream_ms", operators.parse "RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)" },
  { "client", function(ctx) return ctx.client_address end }, { "peer", plain.DOWNSTREAM_REMOTE_ADDRESS },
  { "principal", plain.DOWNSTREAM_PEER_URI_SAN }, { "listener", function(ctx) return ctx.listener.name end },
  { "route", plain.ROUTE_NAME }, { "backend", plain.UPSTREAM_CLUSTER }, { "upstream", plain.UPSTREAM_HOST },
  { "attempts", plain.UPSTREAM_REQUEST_ATTEMPT_COUNT }, { "host", request_header ":AUTHORITY" },
  { "request_id", function(ctx) return ctx.request_id end }, { "user_agent", request_header "user-agent" },
}

local function escape_json(char) return ("\\u%04x"):format(char:byte()) end
local function escape_text(char) return ("\\x%02x"):format(char:byte()) end

-- The first `most` bytes of a value.
local function cut(value, most) return #value > most and value:sub(1, most) or value end

local function json_text(value, most)
  if type(value) == "number" then return ("%.14g"):format(value) end
  value = cut(value, most)
  return '"' .. value:gsub('["\\]', "\\%0"):gsub("[%c\127-\255]", escape_json) .. '"'
end

local function line_text(value, most)
  if value == nil or value == "" then return "-" end
  if type(value) == "number" then return ("%.14g"):format(value) end
  return (cut(value, most):gsub('["\\]', "\\%0"):gsub("[%c\127-\255]", escape_text))
end

-- A function(ctx) that gives the line of make(ctx, most); where it would be too long, with values cut until it fits.
-- Else a client that sends a long path would hide what stands behind it.
local function fitting(make)
  return function(ctx)
    local line, most = make(ctx, ALL), FIRST_CUT
    while #line > LONGEST and most >= LAST_CUT do line, most = make(ctx, most), most / 2 end
    return line
  end
end

--- The usual line: JSON with what is known.
lines.json = fitting(function(ctx, most)
  local parts = {}
  for _, field in ipairs(FIELDS) do
    local value = field[2](ctx)
    if value ~= nil then parts[#parts + 1] = '"' .. field[1] .. '":' .. json_text(value, most) end
  end
  return "{" .. table.concat(parts, ",") .. "}"
end)

local function text_of(parts, ctx, most)
  local out = {}
  for i, part in ipairs(parts) do out[i] = type(part) == "string" and part or line_text(part(ctx), most) end
  return table.concat(out)
end

--- A function(ctx) that gives the line of a format string.
function lines.text(format)
  local parts = operators.template(format)
  return fitting(function(ctx, most) return text_of(parts, ctx, most) end)
end

-- A value that is one operator keeps its type.
-- @return function(ctx, most) giving the value, and whether that has cut what it is made of itself
local function value_of(format)
  local parts = operators.template(format)
  local alone = #parts == 3 and parts[1] == "" and parts[3] == "" and parts[2]
  if type(alone) == "function" then return alone, false end
  return function(ctx, most) return text_of(parts, ctx, most) end, true
end

--- A function(ctx) that gives JSON of `fields`, names to format strings, in the order of the names.
function lines.fields(fields)
  local list = {}
  for name, format in pairs(fields) do list[#list + 1] = { json_text(name, ALL), value_of(format) } end
  table.sort(list, function(a, b) return a[1] < b[1] end)
  return fitting(function(ctx, most)
    local out = {}
    for i, field in ipairs(list) do
      local value = field[2](ctx, most)
      out[i] = field[1] .. ":" .. (value == nil and "null" or json_text(value, field[3] and ALL or most))
    end
    return "{" .. table.concat(out, ",") .. "}"
  end)
end

return lines
