--- bench: prices a policy.
local options = require "moongate.cli.options"
local policy = require "moongate.policy"
local request_words = require "moongate.cli.request"

local bench = {}

bench.usage = "bench policy NAME [REQUEST]"
bench.summary = "price a policy: time, memory and traces"

local HINT = "Its settings are given as --config '{ ... }'; `moongate docs %s` has them.\n"

local KNOWN = request_words.options {
  ["config"] = { key = "config", type = "text" },
  ["policy-path"] = { key = "policy_path", type = "text", list = true },
}

-- The settings in "{ greeting = 'Hi' }"; or nil and what is wrong.
local function settings_of(text)
  local chunk, err = load("return " .. (text or "{}"), "=--config", "t", {})
  if not chunk then return nil, err end
  local ok, settings = pcall(chunk)
  if not ok then return nil, settings end
  if type(settings) ~= "table" then return nil, "--config: expected a table of settings" end
  return settings
end

-- A model with the policy before one upstream; or nil and what is wrong with the settings.
local function model_of(name, settings)
  local use = { name }
  for key, value in pairs(settings) do use[key] = value end
  local source = require("moongate.test.source").text {
    listeners = { web = { address = "127.0.0.1:8080" } },
    services = { upstream = { endpoints = { "127.0.0.1:9000" } } },
    routes = { { policies = { use }, backends = { { service = "upstream" } } } },
  }
  local model, mistakes = require("moongate.config.lua").read(source, name)
  if model then return model end
  local lines = {}
  for i, entry in ipairs(mistakes) do lines[i] = entry.message:gsub("^routes%[1%]%.policies%[1%]", name) end
  return nil, table.concat(lines, "\n")
end

local function report(name, result, request, requests)
  local lines = { ("%s: %d requests, %s %s, answered %d"):format(name, requests, request.method, request.target,
    result.status), "", ("%-14s %9s %9s %9s"):format("phase", "ns", "p99 ns", "bytes") }
  for _, one in ipairs(result.phases) do
    local rest = one.waits > 0 and ("   (%d of %d calls waited: not timed)"):format(one.waits, one.calls) or ""
    lines[#lines + 1] = ("%-14s %9.0f %9.0f %9.0f%s"):format(one.phase, one.ns, one.p99, one.bytes, rest)
  end
  lines[#lines + 1] = ""
  if #result.aborts == 0 then lines[#lines + 1] = "no trace was given up" end
  for _, abort in ipairs(result.aborts) do
    lines[#lines + 1] = ("trace given up at %s (%d times)"):format(abort.text, abort.count)
  end
  return table.concat(lines, "\n") .. "\n"
end

-- The real upstream answers 200 and nothing.
local function priced(name, model, request, streams)
  local price = require "moongate.price"
  local upstream = require("moongate.test.upstream").new()
  local ok, result = pcall(price.measure, model, request, function()
    upstream.requests = {}
    return upstream
  end)
  if not ok then
    streams.err(("moongate: %s\n"):format(tostring(result)))
    return 1
  end
  streams.out(report(name, result, request, price.REQUESTS))
  return 0
end

--- @return 0; 1 when the policy cannot be run with these settings; 2 for bad usage
function bench.main(words, streams)
  local values, rest = options.parse(words, KNOWN)
  if not values then return streams.refuse(rest, bench) end
  if rest[1] ~= "policy" or not rest[2] or rest[3] then return streams.refuse("expected 'policy NAME'", bench) end
  for _, folder in ipairs(values.policy_path or {}) do policy.add_path(folder) end
  local request, err = request_words.read(values)
  local settings
  if request then settings, err = settings_of(values.config) end
  if not settings then return streams.refuse(err, bench) end
  require("moongate.test.world").open(1)
  require "moongate.test.journal" -- before the policy, whose lines would go out a thousand times
  local module, why = policy.load(rest[2])
  if not module then return streams.refuse(why, bench) end
  local model, mistakes = model_of(rest[2], settings)
  if not model then
    streams.err(mistakes .. "\n" .. HINT:format(rest[2]))
    return 1
  end
  return priced(rest[2], model, request, streams)
end

return bench
