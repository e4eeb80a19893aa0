require "spec.support.init"
local fake = require "spec.support.fake_ctx"

describe("policy mirror", function()
  local mirror, jobs, sent, counted, saved
  local NAMES = { "moongate.http", "moongate.timer", "moongate.metrics", "policies.mirror" }

  -- What the policy requires of the gateway, for this spec alone: jobs run when the spec says so.
  setup(function()
    saved = {}
    for _, name in ipairs(NAMES) do saved[name] = package.loaded[name] end
    package.loaded["moongate.http"] = { request = function(request)
      table.insert(sent, request)
      return { status = 200 }
    end }
    package.loaded["moongate.timer"] = { after = function(_, job) table.insert(jobs, job) return #jobs end }
    package.loaded["moongate.metrics"] = { counter = function()
      return { with = function(_, _, outcome)
        return { add = function(_, n) counted[outcome] = (counted[outcome] or 0) + n end }
      end }
    end }
    package.loaded["policies.mirror"] = nil
    mirror = require "policies.mirror"
  end)

  teardown(function()
    for _, name in ipairs(NAMES) do package.loaded[name] = saved[name] end
  end)

  before_each(function() jobs, sent, counted = {}, {}, {} end)

  local function run_jobs()
    for _, job in ipairs(jobs) do job() end
    jobs = {}
  end

  local function conf(settings)
    settings.service = "shadow"
    return fake.conf(mirror, settings)
  end

  it("copies method, host, path, query and headers, but not what frames the message", function()
    local ctx = fake.new { method = "PUT", path = "/a", query = "q=1", authority = "shop.example:81",
      request_id = "id-1",
      headers = { accept = { "a", "b" }, connection = "x", ["content-length"] = "0", host = "shop.example:81" } }
    assert.is_nil(mirror.request(conf {}, ctx))
    assert.same({}, sent) -- not before the request has gone on
    run_jobs()
    assert.same({ { service = "shadow", method = "PUT", authority = "shop.example:81", path = "/a?q=1", timeout = 10000,
      headers = { accept = { "a", "b" }, ["x-request-id"] = "id-1" } } }, sent)
    assert.same({ answered = 1 }, counted)
  end)

  it("calls the copy's host a shadow where told to", function()
    for given, expected in pairs { ["a.example"] = "a.example-shadow", ["a.example:81"] = "a.example-shadow:81",
      ["[::1]:80"] = "[::1]-shadow:80" } do
      sent = {}
      mirror.request(conf { shadow_host = true }, fake.new { authority = given })
      run_jobs()
      assert.equal(expected, sent[1].authority)
    end
  end)

  it("copies a body once it is whole, and none that is too long", function()
    local settings = conf { body_limit = 6 }
    local function ask(parts)
      local ctx = fake.new { method = "POST" }
      ctx.req.has_body = true
      mirror.request(settings, ctx)
      for i, part in ipairs(parts) do
        assert.same({}, jobs)
        assert.is_nil(mirror.request_body(settings, ctx, part, i == #parts))
      end
      run_jobs()
    end
    ask { "one", "two", "" }
    assert.equal("onetwo", sent[1].body)
    ask { "one", "two", "three" }
    assert.same({ 1, { answered = 1, dropped = 1 } }, { #sent, counted })
  end)

  it("copies the share asked for", function()
    fake.draws { 0.1, 0.5, 0.9 }
    local settings = conf { percent = 50 }
    for _ = 1, 30 do mirror.request(settings, fake.new {}) end
    assert.equal(10, #jobs)
  end)

  it("drops copies above the number that may be on their way", function()
    local settings = conf { most = 2 }
    for _ = 1, 3 do mirror.request(settings, fake.new {}) end
    run_jobs()
    assert.same({ answered = 2, dropped = 1 }, counted)
    mirror.request(settings, fake.new {})
    run_jobs()
    assert.equal(3, counted.answered)
  end)
end)
