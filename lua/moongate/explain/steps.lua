--- steps: policies wrapped so that each writes down what it did to a request.
-- A wrapped policy runs the policy's own functions with its own settings; what it tells goes to the record of the
-- request (moongate.explain).
local face = require "moongate.face"
local steps = {}

-- ---- what changed -------------------------------------------------------------------------

local function fields_of(headers)
  local fields = {}
  for name, value in headers:each() do
    name = name:lower()
    fields[name] = fields[name] and fields[name] .. ", " .. value or value
  end
  return fields
end

local function request_of(ctx)
  local req = ctx.req
  return { method = req.method, path = req.path, query = req.query, authority = req.authority },
    fields_of(req.headers), face.behind(ctx)._s.chosen
end

-- Credentials are named, and not shown.
local SECRET = { authorization = true, ["proxy-authorization"] = true, cookie = true, ["set-cookie"] = true,
  ["x-api-key"] = true }

local function show(value, name)
  if value == nil then return "none" end
  return SECRET[name] and "(masked)" or ("%q"):format(value)
end

local function add_changes(list, what, before, after)
  local names = {}
  for name in pairs(before) do names[#names + 1] = name end
  for name in pairs(after) do
    if before[name] == nil then names[#names + 1] = name end
  end
  table.sort(names)
  for _, name in ipairs(names) do
    if before[name] ~= after[name] then
      list[#list + 1] = ("%s%s: %s -> %s"):format(what, name, show(before[name], name), show(after[name], name))
    end
  end
end

--- "SERVICE" or "SERVICE/SUBSET".
function steps.backend_name(backend)
  return backend.subset and backend.service .. "/" .. backend.subset or backend.service
end

-- ---- the phases ---------------------------------------------------------------------------

local function begin(record, use, phase)
  local step = { policy = use.name, at = use.at, phase = phase, did = {} }
  record.steps[#record.steps + 1] = step
  return step
end

local function answered(step, ctx, answer)
  if answer == nil or type(answer) == "string" then return end
  step.answer = ctx.res.status
  step.did[#step.did + 1] = ("answers %d"):format(ctx.res.status)
end

-- What the policy itself says: lines, or { text =, at = } where something is written down in a file.
local function ask(step, explain, conf, ctx, answer)
  for _, line in ipairs(explain and explain(conf, ctx, answer) or {}) do
    if type(line) == "string" then line = { text = line } end
    step.why = step.why or {}
    table.insert(step.why, line)
    step.rule = step.rule or line.rule
  end
end

local wrap = {}

function wrap.request(use, record_of, own, explain)
  return function(conf, ctx)
    local record = record_of(face.behind(ctx))
    local step = begin(record, use, "request")
    local before, before_headers, before_chosen = request_of(ctx)
    local answer = own(conf, ctx)
    local after, headers, chosen = request_of(ctx)
    add_changes(step.did, "", before, after)
    add_changes(step.did, "header ", before_headers, headers)
    if chosen ~= before_chosen then
      step.did[#step.did + 1] = "sends it to " .. steps.backend_name(chosen)
      record.chosen_by = use.name
    end
    answered(step, ctx, answer)
    ask(step, explain, conf, ctx, answer)
    return answer
  end
end

function wrap.response(use, record_of, own)
  return function(conf, ctx)
    local step = begin(record_of(face.behind(ctx)), use, "response")
    local status, before = ctx.res.status, fields_of(ctx.res.headers)
    own(conf, ctx)
    add_changes(step.did, "", { status = status }, { status = ctx.res.status })
    add_changes(step.did, "header ", before, fields_of(ctx.res.headers))
  end
end

local function wrap_body(phase)
  wrap[phase] = function(use, record_of, own)
    return function(conf, ctx, bytes, last)
      local result = own(conf, ctx, bytes, last)
      local changed = type(result) == "string" and result ~= bytes
      if changed or result ~= nil and type(result) ~= "string" then
        local step = begin(record_of(face.behind(ctx)), use, phase)
        if changed then step.did[1] = ("body: %d bytes -> %d bytes"):format(#bytes, #result) end
        answered(step, ctx, result)
      end
      return result
    end
  end
end
wrap_body "request_body"
wrap_body "response_body"

--- The module of a use's policy, with phases that tell record_of(ctx) (an object with steps) what they do.
function steps.wrap(use, record_of)
  local module = {}
  for name, value in pairs(use.policy) do
    module[name] = wrap[name] and wrap[name](use, record_of, value, use.policy.explain) or value
  end
  return module
end

return steps
