-- The policy chain in HAProxy's Lua 5.3: RBAC, split, header, counter.
-- luacheck: read globals core
local counted = {}

core.register_action("request", { "http-req" }, function(txn)
  local method = txn.f:method()
  if (method ~= "GET" and method ~= "HEAD") or txn.f:req_hdr("x-user") ~= "amy" then
    local reply = txn:reply()
    reply:set_status(403)
    return txn:done(reply)
  end
  local backend = math.random() < 0.1 and "b" or "a"
  txn:set_var("txn.backend", backend)
  txn:set_priv(method .. " " .. backend)
end)

core.register_action("response", { "http-res" }, function(txn)
  txn.http:res_set_header("x-bench", "1")
  local labels = txn.f:status() .. " " .. txn:get_priv()
  counted[labels] = (counted[labels] or 0) + 1
end)

core.register_service("counters", "http", function(applet)
  local lines = {}
  for labels, count in pairs(counted) do
    lines[#lines + 1] = labels .. " " .. count .. "\n"
  end
  local text = table.concat(lines)
  applet:set_status(200)
  applet:add_header("content-length", #text)
  applet:start_response()
  applet:send(text)
end)
