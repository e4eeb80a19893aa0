require "spec.support.init"
local normalize = require "moongate.normalize"

-- path, then what base, merge_slashes and decode_and_merge_slashes make of it; nil: the same as the one before.
local ROWS = {
  { "/", "/" },
  { "/a/b.c~d-e_f", "/a/b.c~d-e_f" },
  { "/a/./b", "/a/b" },
  { "/a/../b", "/b" },
  { "/../../a", "/a" },
  { "/a/..", "/" },
  { "/a/b/..", "/a/" },
  { "/a/.", "/a/" },
  { "/.../a/..b/.c", "/.../a/..b/.c" },
  { "/a/%2e%2E/b", "/b" },
  { "/%61%7e%7E", "/a~~" },
  { "/%20%c1%9c%zz%4", "/%20%c1%9c%zz%4" },
  { "/%252e%252e/a", "/%252e%252e/a" },
  { "/%%32F", "/%2F" }, -- once, and in one go
  { "/a\\..\\b", "/b" },
  { "/a//b/", "/a//b/", "/a/b/" },
  { "/a//../b", "/a/b" },
  { "/a//../../b", "/b" },
  { "/a%2Fb%5cc", "/a%2Fb%5cc", nil, "/a/b/c" },
  { "/a%2f..%2Fb", "/a%2f..%2Fb", nil, "/b" },
  { "/a%252fb", "/a%252fb" },
  { "*", "*" },
}

describe("normalize", function()
  for _, row in ipairs(ROWS) do
    it("gives one spelling: " .. row[1], function()
      local expected = row[2]
      for i, mode in ipairs { "base", "merge_slashes", "decode_and_merge_slashes" } do
        expected = row[i + 1] or expected
        assert.equal(expected, normalize.by_mode(mode)(row[1]), mode)
      end
    end)
  end

  it("refuses %00 in every mode, and has nothing to do in none", function()
    for _, mode in ipairs(normalize.MODES) do
      local change = normalize.by_mode(mode)
      if mode == "none" then assert.is_nil(change) else assert.is_nil(change("/a/%00b")) end
    end
  end)

  it("gives a path that has its spelling already back as it is", function()
    local change = normalize.by_mode "decode_and_merge_slashes"
    for _, row in ipairs(ROWS) do
      local once = change(row[1])
      if not once:find("%2F", 1, true) then assert.equal(once, change(once)) end
    end
  end)
end)
