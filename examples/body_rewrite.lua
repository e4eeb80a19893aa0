-- body_rewrite: links in pages lead to the outside, and a service that says too much in JSON says less.
--
--   moongate run examples/body_rewrite.lua
--   curl http://127.0.0.1:8080/                 <a href='https://shop.example/cart'>cart</a>
--   curl http://127.0.0.1:8080/user             {"name":"ada","password":"***","plan":"free"}
return {
  listeners = {
    web = { address = "127.0.0.1:8080" },
    shop = { address = "127.0.0.1:9101" }, -- plays the service, so that the example needs no other program
  },
  services = { shop = { endpoints = { { address = "127.0.0.1:9101" } } } },
  routes = {
    { name = "user", listeners = { "web" }, match = { path = { prefix = "/user" } },
      policies = { { "body_rewrite",
        set = { { path = "password", value = "***" }, { path = "plan", value = "free" } } } },
      backends = { { service = "shop" } } },
    { name = "pages", listeners = { "web" },
      policies = { { "body_rewrite",
        replace = { { from = "http://shop.internal:81", to = "https://shop.example" } } } },
      backends = { { service = "shop" } } },
    { name = "json", listeners = { "shop" }, match = { path = { prefix = "/user" } },
      policies = { { "respond", body = '{"name":"ada","password":"open-sesame"}\n',
        headers = { ["content-type"] = "application/json" } } } },
    { name = "html", listeners = { "shop" },
      policies = { { "respond", body = "<a href='http://shop.internal:81/cart'>cart</a>\n",
        headers = { ["content-type"] = "text/html" } } } },
  },
}
