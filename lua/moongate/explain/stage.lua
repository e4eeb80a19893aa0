--- stage: one request, rehearsed and written down, for `moongate explain`.
local compiled = require "moongate.compiled"
local explain = require "moongate.explain"
local json = require "moongate.json"
local pick = require "moongate.explain.pick"
local rehearsal = require "moongate.rehearsal"
local text = require "moongate.explain.text"

local stage = {}

local function spiffe(principal)
  return principal and (principal:find("^spiffe://") and principal or "spiffe://" .. principal)
end

-- What the peer of a listener would be, and what is said of that.
local function peer_of(listener, values, request)
  local principal = spiffe(values.principal)
  local why
  if principal and not listener.tls then
    why = "speaks clear text, which names no principal; the one given is taken as if TLS had"
  end
  local sni = values.sni or request.authority:lower():gsub(":%d+$", "")
  return { address = values.source_ip or "127.0.0.1", tls = listener.tls ~= nil or principal ~= nil,
    principal = principal, sni = listener.tls and sni or values.sni }, why
end

-- Whose record is whose, while requests are rehearsed.
local function watch(state)
  return function(record)
    local from = state.given.from
    if from then explain.record(from).next = record else state.first = record end
  end
end

local function open(model, most)
  rehearsal.open()
  local state = {}
  local base = compiled.new(model)
  local traced = explain.beside(base, { most = most, on_begin = watch(state) })
  state.base = base
  state.rehearsal = rehearsal.new(model, { compiled = traced, on_note = explain.note,
    on_ask = function(given) state.given = given end,
    answer = function(ctx, sent)
      explain.record(ctx).sent = { method = sent.method, target = sent.target, authority = sent.authority,
        headers = sent.headers }
      return { status = 200, headers = {}, body = "" }
    end })
  return state
end

--- Rehearses one request.
-- @param model moongate.model; @param values the options of the command line
-- @param request as rehearsal:ask() takes it; @param most candidates that are described
-- @return the record, with `response` and `lines` of logs; or nil and what is wrong with the options
function stage.run(model, values, request, most)
  local state = open(model, most)
  local index, why = pick.listener(model, values, request.authority, state.base)
  if not index then return nil, why end
  local listener = model.listeners[index]
  local given, remark = peer_of(listener, values, request)
  given.listener, given.request = index - 1, request
  local response = state.rehearsal:ask(given)
  local record = state.first or { refused = true, listener = { name = listener.name, address = listener.address,
    at = listener.at }, request = request }
  record.listener.why = remark or why
  record.response, record.log = response, state.rehearsal.lines
  return record
end

-- ---- what is printed ----------------------------------------------------------------------

local function refusal(record)
  return ("listener  %s on %s\nanswer    %d %s, before any route: the request itself is refused\n"):format(
    record.listener.name, record.listener.address, record.response.status, record.response.reason)
end

local function response_text(response)
  local lines = { ("response  %d %s"):format(response.status, response.reason) }
  for _, header in ipairs(response.headers) do lines[#lines + 1] = ("          %s: %s"):format(header[1], header[2]) end
  if response.body ~= "" and not response.body:find("[%z\1-\8\14-\31]") then
    lines[#lines + 1] = "          " .. response.body:sub(1, 1000):gsub("\n$", ""):gsub("\n", "\n          ")
  end
  return table.concat(lines, "\n") .. "\n"
end

--- The record for people.
function stage.text(record)
  if record.refused then return refusal(record) end
  return text.of(record) .. response_text(record.response)
end

--- The record as JSON.
function stage.json(record)
  return assert(json.encode(record)) .. "\n"
end

return stage
