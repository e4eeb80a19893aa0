--- Lets specs require the Lua modules that C provides, outside the binary: compiles them when first asked for.
require "spec.support.init"

local MODULES = {
  ["moongate.yaml_events"] = { sources = "core/script/yaml.c core/script/yaml_scalar.c", libs = "-lyaml -lm",
    opener = "luaopen_moongate_yaml" },
}

local COMMAND = "cc -std=c11 -D_GNU_SOURCE -O1 -fPIC -shared -Icore $(pkg-config --cflags luajit) -o %s %s %s"

for name, module in pairs(MODULES) do
  package.preload[name] = package.preload[name] or function()
    local file = os.tmpname()
    local done = os.execute(COMMAND:format(file, module.sources, module.libs))
    assert(done == 0 or done == true, "cannot compile " .. module.sources)
    local open = assert(package.loadlib(file, module.opener))
    os.remove(file)
    return open()
  end
end
