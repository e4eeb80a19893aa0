--- accept: what a request with a good token becomes: what the token says in headers and notes, the token gone.
local field = require "moongate.field"
local locations = require "moongate.locations"
local verified = require "moongate.verified"
local accept = {}

--- Adds the names of the headers that a rule writes to the set `names`, as field.drop_forged() wants them.
function accept.outputs(rule, names)
  if rule.payload_header then names[field.as_cgi(rule.payload_header)] = true end
  for _, output in ipairs(rule.claim_headers) do names[field.as_cgi(output.header)] = true end
end

-- Texts, numbers and booleans alone become headers, and no text that a header could not hold.
local function header_value(claim)
  if type(claim) == "boolean" then return tostring(claim) end
  if type(claim) == "number" then return (claim % 1 == 0 and "%.0f" or "%.14g"):format(claim) end
  return type(claim) == "string" and claim ~= "" and not field.value_error(claim) and claim or nil
end

local function words(text)
  local list = {}
  for word in text:gmatch "%S+" do list[#list + 1] = word end
  return list
end

-- The claims as rules ask for them: some are lists written as one text.
local function claims_of(rule, token)
  local copy = {}
  for name, value in pairs(token.claims) do
    copy[name] = rule.split[name] and type(value) == "string" and words(value) or value
  end
  return copy
end

-- The same for every request with this token.
local function facts_of(rule, token)
  local said = { iss = token.iss, sub = token.sub, claims = claims_of(rule, token) }
  local facts = { kept = verified.kept(said), headers = {} }
  for _, output in ipairs(rule.claim_headers) do
    local value = header_value(output.find(token.claims))
    if value then table.insert(facts.headers, { output.header, value }) end
  end
  if rule.payload_header then table.insert(facts.headers, { rule.payload_header, token.payload }) end
  rule.facts[token] = facts
  return facts
end

--- Lets the request go on as that of the token's subject.
-- @param found of locations.find()
function accept.token(rule, ctx, token, found)
  local facts = rule.facts[token] or facts_of(rule, token)
  if not rule.forward then locations.remove(rule.places, found, ctx.req) end
  for _, header in ipairs(facts.headers) do ctx.req.headers:set(header[1], header[2]) end
  verified.put(ctx, facts.kept)
end

return accept
