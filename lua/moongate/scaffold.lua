--- scaffold: the files of a new policy, as `moongate new policy` writes them: they pass as they are.
local scaffold = {}

local POLICY = [[
--- NAME: lets only requests pass that carry a ticket.
-- Say here what it does; `moongate docs NAME` prints this comment and the settings.
-- Phases: request, response.
-- Place it before what it guards.
local NAME = {}

NAME.schema = {
  { "header", type = "string", min = 1, default = "x-ticket", doc = "Field that a request must have." },
}

---@param ctx moongate.Ctx
function NAME.request(conf, ctx)
  if ctx.req.headers[conf.header] then return end -- on to the next policy
  return ctx:respond(403, "no " .. conf.header .. "\n")
end

---@param ctx moongate.Ctx
function NAME.response(_, ctx)
  ctx.res.headers["x-checked-by"] = "NAME"
end

return NAME
]]

local SPEC = [[
local test = require "moongate.test"

describe("policy NAME", function()
  it("lets a request with a ticket pass", function()
    local gateway = test.policy("NAME", { header = "x-key" })
    gateway:upstream("upstream"):answers { status = 200, body = "welcome" }
    local answer = gateway:ask { path = "/", headers = { ["x-key"] = "1" } }
    assert.equal(200, answer.status)
    assert.equal("welcome", answer.body)
    assert.equal("NAME", answer.headers["x-checked-by"])
  end)

  it("refuses one without, and the upstream never sees it", function()
    local gateway = test.policy "NAME"
    local answer = gateway:get "/"
    assert.equal(403, answer.status)
    assert.equal("no x-ticket\n", answer.body)
    assert.equal(0, #gateway:upstream("upstream").requests)
  end)
end)
]]

local EXAMPLE = [[
-- NAME_example: the policy in front of a fixed answer.
--
--   moongate run --watch --policy-path DIR DIR/NAME_example.lua
--   curl -i -H 'x-ticket: 1' http://127.0.0.1:8080/
return {
  listeners = { web = { address = "127.0.0.1:8080" } },
  routes = {
    { policies = { { "NAME", header = "x-ticket" }, { "respond", status = 200, body = "welcome\n" } } },
  },
}
]]

local DOC = [[
# NAME

Lets only requests pass that carry a ticket; the others get 403.

| setting | default | |
|---|---|---|
| `header` | `"x-ticket"` | field that a request must have |

```console
$ moongate test DIR/NAME_spec.lua
$ moongate check --policy-path DIR DIR/NAME_example.lua
$ moongate run --watch --policy-path DIR DIR/NAME_example.lua
$ moongate docs --policy-path DIR NAME
```
]]

--- The files of a policy `name` in `folder`, in the order in which they are written: array of { path =, text = }.
function scaffold.policy(name, folder)
  local files = {}
  for i, file in ipairs { { ".lua", POLICY }, { "_spec.lua", SPEC }, { "_example.lua", EXAMPLE }, { ".md", DOC } } do
    local text = file[2]:gsub("DIR", (folder:gsub("%%", "%%%%"))):gsub("%f[%w]NAME%f[^%w]", name)
    files[i] = { path = folder .. "/" .. name .. file[1], text = text }
  end
  return files
end

return scaffold
