--- Lets specs, run from the top of the tree, require what the binary would find by its own searcher.
package.path = "./?.lua;./?/init.lua;./lua/?.lua;./lua/?/init.lua;" .. package.path
