-- custom_policy: a policy of your own, in policies/quota.lua beside this file: so many requests a minute and client.
--
--   moongate run --policy-path examples/custom_policy/policies examples/custom_policy/gateway.lua
--   for i in 1 2 3 4; do curl -i http://127.0.0.1:8080/; done     three answers, then 429 with Retry-After
--   moongate help quota --policy-path examples/custom_policy/policies
return {
  listeners = { web = { address = "127.0.0.1:8080" } },
  routes = {
    { policies = { { "quota", requests = 3 }, { "respond", body = "welcome\n" } } },
  },
}
