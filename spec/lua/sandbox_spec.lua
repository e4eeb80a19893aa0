require "spec.support.init"
local large = require "moongate.sandbox.large"
local matcher = require "moongate.sandbox.matcher"
local pattern = require "moongate.sandbox.pattern"
local sandbox = require "moongate.sandbox"
local sort = require "moongate.sandbox.sort"
local text = require "moongate.sandbox.text"

local PIECES = { "a", "b", ".", "%w", "[ab]", "[^a]", "[^%s]", "%%", "(", ")", "()", "$", "^", "*", "+", "-", "?",
  "%b()", "%bab", "%f[%w]", "%1", "[a-c]", "[]]", "x" }
local CHARS = { "a", "b", "c", " ", "(", ")", "%", "x", "]" }

local function draw(pieces, most)
  local parts = {}
  for i = 1, math.random(0, most) do parts[i] = pieces[math.random(#pieces)] end
  return table.concat(parts)
end

-- What Lua itself takes for a pattern: it reads ")" alone as a text.
local function is_pattern(given)
  local depth = 0
  for char in given:gsub("%%.", ""):gmatch "[()]" do
    depth = depth + (char == "(" and 1 or -1)
    if depth < 0 then return false end
  end
  return depth == 0 and pattern.read(given, given:sub(1, 1) == "^" and 2 or 1) ~= nil
end

local function all(...)
  local list = { n = select("#", ...), ... }
  if list[1] == false then list = { false } end
  return list
end

-- assert.same of lists, which takes too long for so many.
local function agree(expected, found, what)
  local same = expected.n == found.n
  for i = 1, expected.n or 1 do same = same and expected[i] == found[i] end
  if not same then assert.same(expected, found, what) end
end

describe("sandbox: patterns in Lua", function()
  it("find what the C matcher finds", function()
    math.randomseed(7)
    local compared = 0
    for _ = 1, 20000 do
      local given, subject, init = draw(PIECES, 6), draw(CHARS, 10), math.random(1, 5)
      if is_pattern(given) and init <= #subject + 1 then
        local expected = all(pcall(string.find, subject, given, init))
        local found = all(pcall(matcher.find, subject, given, init))
        found.n = expected[2] == nil and expected.n or found.n -- nothing, and one nil
        agree(expected, found, ("%q:find(%q, %d)"):format(subject, given, init))
        compared = compared + 1
      end
    end
    assert.is_true(compared > 5000)
  end)

  it("replace what string.gsub replaces, by a function too", function()
    math.randomseed(8)
    local function by(...) return "<" .. tostring((...)) .. select("#", ...) .. ">" end
    for _ = 1, 10000 do
      local given, subject = draw(PIECES, 5), draw(CHARS, 8)
      if is_pattern(given) then
        agree(all(pcall(string.gsub, subject, given, by)), all(pcall(text.gsub, subject, given, by)),
          ("%q:gsub(%q)"):format(subject, given))
      end
    end
  end)

  it("are used where the C matcher could run on", function()
    local long = ("a"):rep(100000)
    for _, given in ipairs { "(.-).-.-b", "%s+$x", ".*.*.*b", "^(.-)(.-)b", ("a?"):rep(40) .. ("a"):rep(40) .. "b",
      "[" .. ("b"):rep(20000) .. "]", "%f[" .. ("b"):rep(20000) .. "]" } do
      assert.is_true(pattern.longest(given) < #long, given)
    end
    for _, given in ipairs { "^([^.]+)%.([^.]+)%.([^.]+)$", "^%d+$", "b", "^%s*", "[%w_.~-]", "[%s,;=\"']" } do
      assert.is_true(pattern.longest(given) >= #long, given)
    end
    assert.equal(math.huge, pattern.longest "[") -- malformed: string.find says so
  end)

  it("give the same by find, match, gmatch and gsub on texts that long", function()
    local long = ("a"):rep(3000)
    assert.is_true(#long > pattern.longest "a-x")
    assert.same({ 3001, 3001 }, { text.find(long .. "b", "[^a]-b", 2990) })
    assert.equal("b=1", text.match(long .. "b=1", "b=%d-$"))
    local words = {}
    for key, value in text.gmatch(long .. " k=v q=w", "(%w-)=(%w+)") do words[#words + 1] = #key .. value end
    assert.same({ "1v", "1w" }, words)
    assert.same({ long .. "[q]", 1 }, { text.gsub(long .. "q=w", "([^a])=.-$", "[%1]") })
    assert.same({ 2, 3 }, { text.find(("ab"):rep(20000), ("ba"):rep(1), 1, true) })
    assert.is_nil(text.find(("a"):rep(30000), ("a"):rep(20000) .. "b", 1, true))
  end)
end)

describe("sandbox: table.sort", function()
  it("sorts, keeps the order of equals, and lets a comparison wait", function()
    math.randomseed(9)
    for count = 0, 60 do
      local list, expected = {}, {}
      for i = 1, count do list[i] = math.random(20) end
      for i = 1, count do expected[i] = list[i] end
      table.sort(expected)
      sort(list)
      assert.same(expected, list)
    end
    local list = { { 2, "a" }, { 1, "b" }, { 2, "c" }, { 1, "d" } }
    local co = coroutine.wrap(function()
      sort(list, function(a, b)
        coroutine.yield()
        return a[1] < b[1]
      end)
      return "sorted"
    end)
    local said
    repeat said = co() until said
    assert.same({ { 1, "b" }, { 1, "d" }, { 2, "a" }, { 2, "c" } }, list)
  end)

  it("ends whatever the comparison says", function()
    local list = { 3, 1, 2, 5, 4 }
    sort(list, function() return true end)
    assert.equal(5, #list)
  end)
end)

describe("sandbox: coroutines", function()
  local function run(code)
    local box = sandbox.new("spec", function() end, false)
    return assert(box:load(code, "=code"))
  end

  it("are as in Lua, and what waits inside of one makes all wait", function()
    local f = run [[
      local wait, log = ..., {}
      local co = coroutine.wrap(function(a)
        local b = coroutine.yield(a + 1)
        log[1] = wait()
        local inner = coroutine.create(function() return wait() end)
        log[2] = select(2, coroutine.resume(inner))
        return b * 2
      end)
      local first = co(1)
      local second = co(21)
      return first, second, log[1], log[2] ]]
    local lane = coroutine.create(f)
    assert.same({ true }, { coroutine.resume(lane, coroutine.yield) }) -- the core's waits yield nothing
    assert.same({ true }, { coroutine.resume(lane, "woken") })
    assert.same({ true, 2, 42, "woken", "again" }, { coroutine.resume(lane, "again") })
  end)

  it("give errors as values, and refuse to yield the request itself", function()
    local f = run [[
      local co = coroutine.create(function() error("broken", 0) end)
      local ok, why = coroutine.resume(co)
      return ok, why, coroutine.status(co), pcall(coroutine.yield)]]
    local ok, why, status, yielded, refused = f()
    assert.same({ false, "broken", "dead", false }, { ok, why, status, yielded })
    assert.matches("ctx:sleep%(%) waits", refused)
  end)
end)

describe("sandbox: functions that make much of little", function()
  it("give what Lua's give, whether little or much", function()
    for _, args in ipairs { { "ab", 3 }, { "ab", 3, "-" }, { "ab", 0 }, { "ab", -1, "-" }, { 7, "2" }, { "a", 2e6 },
      { "ab", 2e6, "," } } do
      assert.is_true(string.rep(unpack(args)) == large.rep(unpack(args)))
    end
    local parts = {}
    for i = 1, 100 do parts[i] = i end
    for _, args in ipairs { { { "a", 2 } }, { { "a", "b" }, "-" }, { { "a", "b", "c" }, "-", 2 }, { {} }, { parts },
      { parts, "," }, { parts, ",", 3 }, { parts, ",", 3, 7 }, { { "a", "b" }, "", 1, 1 } } do
      assert.equal(table.concat(unpack(args)), large.concat(unpack(args)))
    end
  end)

  it("raise what Lua's raise", function()
    assert.has_error(function() large.rep(nil, 2) end)
    assert.has_error(function() large.rep("a") end)
    assert.has_error(function() large.concat({ {} }) end)
    assert.has_error(function() large.concat() end)
  end)
end)
