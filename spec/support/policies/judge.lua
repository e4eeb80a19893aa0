--- judge: answers in place of bodies that hold the word "bad", of requests and of responses.
local judge = { body = { request = "chunks", response = "chunks", hold = true } }

function judge.request_body(_, ctx, bytes)
  if bytes:find "bad" then return ctx:respond(422, "a bad request") end
end

-- Lets nothing go on before all is there.
function judge.response_body(_, ctx, bytes, last)
  ctx.own.seen = (ctx.own.seen or "") .. bytes
  if not last then return "" end
  if ctx.own.seen:find "bad" then return ctx:respond(502, "a bad response") end
  ctx.res.headers["x-length"] = #ctx.own.seen -- its head is not out yet
  return ctx.own.seen
end

return judge
