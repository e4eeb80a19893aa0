--- certs: keys and certificates of a spec, made by openssl on the spot.
local process = require "spec.support.process"

local certs = {}

local function run(command)
  local said = process.read("{ " .. command .. "; } 2>&1; echo $?")
  assert(said:find "%D?0\n$", said)
end

local function sign(folder, name, ca, extensions)
  run(("openssl ecparam -name prime256v1 -genkey -noout -out '%s/%s.key'"):format(folder, name))
  run(("openssl req -new -key '%s/%s.key' -subj '/CN=%s' -out '%s/%s.csr'"):format(folder, name, name, folder, name))
  run(("printf '%%s\\n' '%s' >'%s/ext'"):format(extensions, folder))
  run(("openssl x509 -req -in '%s/%s.csr' -CA '%s/%s.crt' -CAkey '%s/%s.key' -CAcreateserial -days 2 -extfile '%s/ext' "
    .. "-out '%s/%s.crt'"):format(folder, name, folder, ca, folder, ca, folder, folder, name))
end

local function authority(folder, name)
  run(("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj '/CN=%s' "
    .. "-addext basicConstraints=critical,CA:true -keyout '%s/%s.key' -out '%s/%s.crt'"):format(name, folder, name,
    folder, name))
end

--- Fills `folder` with NAME.crt and NAME.key: of the authorities "ca" and "other"; of the servers "a.test" and "b.test"
-- and the client "sleep" (spiffe://cluster.local/ns/default/sa/sleep), signed by "ca"; of "stranger", by "other".
function certs.make(folder)
  authority(folder, "ca")
  authority(folder, "other")
  for _, name in ipairs { "a.test", "b.test" } do sign(folder, name, "ca", "subjectAltName=DNS:" .. name) end
  sign(folder, "sleep", "ca", "subjectAltName=URI:spiffe://cluster.local/ns/default/sa/sleep")
  sign(folder, "stranger", "other", "subjectAltName=URI:spiffe://cluster.local/ns/default/sa/sleep")
  return folder
end

--- A gateway's config: what is called by TLS, and says who called ("sleep" alone may at listener "mutual"); "$certs" is
-- the filled folder.
certs.CALLED = [[return {
  listeners = {
    open = { address = "127.0.0.1:$open", tls = { cert = "$certs/a.test.crt", key = "$certs/a.test.key" } },
    mutual = { address = "127.0.0.1:$mutual", tls = { cert = "$certs/a.test.crt", key = "$certs/a.test.key",
      client_ca = "$certs/ca.crt", client_auth = "require" } },
  },
  routes = {
    { listeners = { "mutual" }, policies = {
      { "rbac", allow = { { principals = { "cluster.local/ns/default/sa/sleep" } } } },
      { "respond", body = "sleep called" } } },
    { listeners = { "open" }, policies = { { "respond", body = "somebody called" } } },
  } }]]

return certs
