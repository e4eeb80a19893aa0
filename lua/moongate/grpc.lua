--- grpc: a local answer in the form that gRPC clients read, and what an upstream's answer in it means.
local grpc = {}

-- HTTP status to gRPC status, as Envoy maps it (istio-semantics: local replies).
local STATUS = { [400] = 13, [401] = 16, [403] = 7, [404] = 12, [429] = 14, [502] = 14, [503] = 14, [504] = 14 }

local function escape(c)
  return ("%%%02X"):format(c:byte())
end

-- gRPC status to HTTP status, as Envoy's outlier detector maps it; any other: 500.
local HTTP_STATUS = { ["0"] = 200, ["1"] = 499, ["3"] = 400, ["4"] = 504, ["5"] = 404, ["6"] = 409, ["7"] = 403,
  ["8"] = 429, ["9"] = 400, ["10"] = 409, ["11"] = 400, ["12"] = 501, ["14"] = 503, ["16"] = 401 }

--- The HTTP status that means the same as a grpc-status (nil, for an answer that has it in its trailers: 200).
function grpc.http_status(status)
  return status == nil and 200 or HTTP_STATUS[status] or 500
end

--- status, body, headers of the gRPC answer that says the same as this HTTP one: 200, nothing, and the message in
-- grpc-message, percent-encoded.
function grpc.answer(status, body)
  local headers = { ["content-type"] = "application/grpc", ["grpc-status"] = STATUS[status] or 2 }
  if body ~= "" then headers["grpc-message"] = body:gsub("[^\32-\36\38-\126]", escape) end
  return 200, "", headers
end

return grpc
