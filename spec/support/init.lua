--- Lets specs, run from the top of the tree, require what the binary would find by its own searcher.
package.path = "./?.lua;./?/init.lua;./lua/?.lua;./lua/?/init.lua;" .. package.path

package.preload["moongate.abi"] = package.preload["moongate.abi"] or function()
  require "spec.support.fake_abi"
  return package.loaded["moongate.abi"]
end
