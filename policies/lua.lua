--- lua: a few lines of Lua that stand in the config itself.
-- Each text is the body of a function of `ctx`, as the phases of a policy have it: `return ctx:respond(403, "no")` in
-- `request` answers, and without a return the request goes on.  Globals belong to one use and last from request to
-- request; `require` gives what policies may have.  Errors name the file and line of the config.
-- Phases: request, response, log.
-- Place it where the policy would stand that it saves you from writing.
local inline = require "moongate.inline"

local lua = {}

local PHASES = { "request", "response", "log" }

lua.schema = {
  { "request", type = "code", doc = "On the way down; may return an answer." },
  { "response", type = "code", doc = "On the way back up." },
  { "log", type = "code", doc = "At the end." },
}

-- `local ctx = ...` stands on the text's first line, which moves no line.
local function compile(code, env)
  return inline.compile({ text = "local ctx = ...; " .. code.text, file = code.file, line = code.line }, env)
end

function lua.check(conf)
  local count = 0
  for _, phase in ipairs(PHASES) do
    if conf[phase] then
      count = count + 1
      local ok, err = compile(conf[phase], {})
      if not ok then return nil, phase .. ": " .. err end
    end
  end
  if count == 0 then return nil, "request: is missing, and so are response and log; expected one of them" end
end

local function nothing() end

function lua.prepare(conf)
  local env, functions = inline.environment "lua", {}
  for _, phase in ipairs(PHASES) do functions[phase] = conf[phase] and compile(conf[phase], env) or nothing end
  return functions
end

for _, phase in ipairs(PHASES) do
  lua[phase] = function(functions, ctx) return functions[phase](ctx) end
end

return lua
