--- grpc: a local answer in the form that gRPC clients read.
local grpc = {}

-- HTTP status to gRPC status, as Envoy maps it (istio-semantics: local replies).
local STATUS = { [400] = 13, [401] = 16, [403] = 7, [404] = 12, [429] = 14, [502] = 14, [503] = 14, [504] = 14 }

local function escape(c)
  return ("%%%02X"):format(c:byte())
end

--- status, body, headers of the gRPC answer that says the same as this HTTP one: 200, nothing, and the message in
-- grpc-message, percent-encoded.
function grpc.answer(status, body)
  local headers = { ["content-type"] = "application/grpc", ["grpc-status"] = STATUS[status] or 2 }
  if body ~= "" then headers["grpc-message"] = body:gsub("[^\32-\36\38-\126]", escape) end
  return 200, "", headers
end

return grpc
