--- Fields of Istio's Gateway.
local fields = require "moongate.config.manifests.kinds.fields"
local ignored, later, strings = fields.ignored, fields.later, fields.strings

local VERSIONS = { "TLS_AUTO", "TLSV1_0", "TLSV1_1", "TLSV1_2", "TLSV1_3" }

local pair = {
  { "serverCertificate", type = "string", required = true, doc = "File with the certificate chain." },
  { "privateKey", type = "string", required = true, doc = "File with its key." },
  later "caCertificates",
}

local tls = {
  { "mode", type = "string", default = "PASSTHROUGH", doc = "Who ends TLS, and which clients may come.",
    one_of = { "PASSTHROUGH", "SIMPLE", "MUTUAL", "OPTIONAL_MUTUAL", "AUTO_PASSTHROUGH", "ISTIO_MUTUAL" } },
  { "httpsRedirect", type = "boolean", default = false, doc = "Clear text is sent on to https." },
  { "credentialName", type = "string", doc = "Secret with the certificate, and the clients' authorities." },
  strings("credentialNames", "Secrets with certificates, one for each kind of key."),
  { "caCertCredentialName", type = "string", doc = "Secret with the clients' authorities." },
  { "serverCertificate", type = "string", doc = "File with the certificate chain." },
  { "privateKey", type = "string", doc = "File with its key." },
  { "tlsCertificates", type = "list", items = { type = "record", fields = pair }, doc = "Files of several." },
  { "caCertificates", type = "string", doc = "File with the clients' authorities." },
  { "minProtocolVersion", type = "string", one_of = VERSIONS, default = "TLS_AUTO", doc = "Oldest version taken." },
  { "maxProtocolVersion", type = "string", one_of = VERSIONS, default = "TLS_AUTO", doc = "Newest version taken." },
  strings("cipherSuites", "Suites taken, by OpenSSL's names."),
  later "caCrl", later "subjectAltNames", later "verifyCertificateSpki", later "verifyCertificateHash",
}

local server = {
  { "name", type = "string", doc = "Name of the server." },
  { "port", type = "record", required = true, doc = "Where it listens.", fields = {
    { "number", type = "integer", min = 1, max = 65535, required = true, doc = "Port." },
    { "name", type = "string", required = true, doc = "Name of the port." },
    { "protocol", type = "string", required = true, doc = "HTTP, HTTPS, HTTP2, GRPC or GRPC-WEB." },
    ignored "targetPort" } },
  { "hosts", type = "list", items = { type = "string" }, required = true, doc = "Hosts, each with or without ns/." },
  { "bind", type = "string", doc = "Address to listen on; every one when absent." },
  { "tls", type = "record", fields = tls, doc = "Needed by HTTPS." },
  ignored "defaultEndpoint",
}

local spec = {
  { "selector", type = "map", values = { type = "string" }, default = {}, doc = "Labels of the ingress pods." },
  { "servers", type = "list", required = true, doc = "Ports and hosts served.",
    items = { type = "record", fields = server } },
}

return {
  Gateway = fields.kind(fields.NETWORKING, spec, true),
}
