--- corpus: runs a program that is client and upstream at once against the gateway between them.
-- usage: corpus.lua READS PROGRAM WORDS...    PROGRAM gets --gateway and --backend before the words
-- READS: whether a policy reads bodies: "none", "whole" or "chunks"
package.path = "./?.lua;" .. package.path
local gateway = require "spec.support.gateway"
local process = require "spec.support.process"

-- The timeouts that such programs take for granted.
local CONFIG = [[
  return {
    listeners = { web = { address = "127.0.0.1:$web",
      limits = { header_timeout = "4s", body_timeout = "4s", idle_timeout = "4s", write_timeout = "4s" } } },
    policies = { %s },
    services = { all = { endpoints = { { address = "127.0.0.1:$backend" } } } },
    routes = { { backends = { { service = "all" } }, timeout = "3s" } },
  }]]

local reads = arg[1] ~= "none" and ("%q"):format("read_" .. arg[1]) or ""
local gw = gateway.start { config = CONFIG:format(reads), args = { "--policy-path", "spec/support/policies" } }
local words = { "python3", arg[2], "--gateway", "127.0.0.1:" .. gw.ports.web, "--backend",
  "127.0.0.1:" .. gw.ports.backend }
for i = 3, #arg do words[#words + 1] = arg[i] end
local out = os.tmpname()
local p = process.start(words, out)
local code = process.wait(p, 600)
if not code then process.stop(p) end
io.write(process.file(out))
os.remove(out)
local ok, err = pcall(gateway.stop_all)
if not ok then print(err) end
os.exit(ok and code or 1)
