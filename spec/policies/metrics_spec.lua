require "spec.support.init"
local abi = require "spec.support.fake_abi"
local fake = require "spec.support.fake_ctx"
local metrics = require "policies.metrics"

local SLEEP = "spiffe://cluster.local/ns/default/sa/sleep"
local HERE = {
  service = "web-api.default.svc.cluster.local", service_name = "web-api", service_namespace = "default",
  workload = "web-api", workload_namespace = "default", principal = "spiffe://cluster.local/ns/default/sa/web-api",
  canonical_service = "web-api", canonical_revision = "v1",
}

local function count(settings, ...)
  local conf = fake.conf(metrics, settings)
  for _, given in ipairs { ... } do metrics.log(conf, fake.new(given)) end
end

-- The labels of the only istio_requests_total series.
local function labels(settings, given)
  settings.native = false
  count(settings, given)
  local all = abi.series("istio_requests_total")
  assert.equal(1, #all)
  local key = all[1].key
  all[1].key = nil
  return all[1], key
end

describe("policy metrics", function()
  before_each(abi.reset)

  it("counts by listener, route, backend, method and code", function()
    local given = { route = { name = "all" }, backend = { service = "a", subset = "v1" }, status = 200 }
    count({}, given, given, { route = { name = "all" }, backend = { service = "a" }, status = 503, method = "PUT" })
    assert.equal(2, (abi.value("moongate_requests_total", "web", "all", "a/v1", "GET", "200")))
    assert.equal(1, (abi.value("moongate_requests_total", "web", "all", "a", "PUT", "503")))
  end)

  it("counts unknown methods as one, no route, and clients that left", function()
    count({}, { method = "BREW", status = 404 }, { method = "MELT", status = 404 }, { status = 0 })
    assert.equal(2, (abi.value("moongate_requests_total", "web", "", "", "_OTHER", "404")))
    assert.equal(1, (abi.value("moongate_requests_total", "web", "", "", "GET", "0")))
  end)

  it("observes durations in seconds, upstream's only when there was one", function()
    count({}, { status = 200, duration = 0.25, upstream_duration = 0.125 }, { status = 200, duration = 0.5 })
    assert.same({ 2, 0.75 }, { abi.value("moongate_request_duration_seconds", "web", "", "") })
    assert.same({ 1, 0.125 }, { abi.value("moongate_upstream_duration_seconds", "web", "", "") })
  end)

  describe("in Istio's profile", function()
    local function row(more)
      local made = { reporter = "destination", cluster = "Kubernetes", destination = HERE, sources = {
        by_principal = { [SLEEP] = { workload = "sleep", canonical_service = "sleep" } },
        by_address = { ["10.0.0.9"] = { workload = "batch", workload_namespace = "jobs" } },
      } }
      for name, value in pairs(more or {}) do made[name] = value end
      return made
    end
    local peer = { address = "10.0.0.1", principal = SLEEP }

    it("writes the labels of the tour: reporter destination", function()
      assert.same({
        response_code = "403", reporter = "destination", source_workload = "sleep",
        source_workload_namespace = "default", source_principal = SLEEP, source_app = "unknown",
        source_version = "unknown", source_cluster = "Kubernetes", destination_workload = "web-api",
        destination_workload_namespace = "default",
        destination_principal = "spiffe://cluster.local/ns/default/sa/web-api", destination_app = "unknown",
        destination_version = "unknown", destination_service = "web-api.default.svc.cluster.local",
        destination_service_name = "web-api", destination_service_namespace = "default",
        destination_cluster = "Kubernetes", request_protocol = "http", response_flags = "-",
        grpc_response_status = "", connection_security_policy = "mutual_tls", source_canonical_service = "sleep",
        destination_canonical_service = "web-api", source_canonical_revision = "latest",
        destination_canonical_revision = "v1",
      }, labels({ istio = row() }, { peer = peer, status = 403 }))
    end)

    it("sets and leaves out labels, by family", function()
      local made = row { without = { "istio_request_bytes" }, tags = { istio_requests_total = { response_flags = "",
        source_version = "request.host", source_app = "request.headers['x-app']",
        response_code = "string(response.code) + '!'" } } }
      local given = { peer = peer, status = 403, authority = "a.test" }
      local got, key = labels({ istio = made }, given)
      assert.same({ "\0", "a.test", "unknown", "403!", "http" }, { got.response_flags, got.source_version,
        got.source_app, got.response_code, got.request_protocol })
      assert.equal(0, #abi.series "istio_request_bytes")
      assert.equal("-", abi.series("istio_response_bytes")[1].response_flags)
      count({ native = false, istio = made }, given, given, { peer = peer, status = 403, authority = "b.test" })
      assert.equal(2, #abi.series "istio_requests_total")
      assert.equal(3, (abi.value("istio_requests_total", key)))
    end)

    it("refuses tags that it does not understand", function()
      local function wrong(tags) return fake.mistakes(metrics, { istio = row { tags = tags } })[1] end
      assert.equal("istio.tags.nope: no metric of Istio's", wrong { nope = { a = "'b'" } })
      assert.equal("istio.tags.istio_requests_total.a: unknown attribute 'no'", wrong {
        istio_requests_total = { a = "no" } })
    end)

    it("writes the labels of the tour: reporter source", function()
      local waypoint = { workload = "web-api-waypoint-proxy", workload_namespace = "default",
                         canonical_service = "web-api-waypoint-proxy" }
      local there = { service = "recommendation.default.svc.cluster.local", service_name = "recommendation",
                      service_namespace = "default", workload = "recommendation", workload_namespace = "default",
                      canonical_service = "recommendation", canonical_revision = "v1" }
      local got = labels({ istio = row { reporter = "source", source = waypoint, destination = there } },
        { peer = peer, status = 200 })
      for name, value in pairs {
        source_workload = "web-api-waypoint-proxy", source_workload_namespace = "default",
        source_principal = "unknown", source_cluster = "Kubernetes", source_canonical_revision = "latest",
        destination_principal = "unknown", destination_cluster = "Kubernetes", destination_version = "unknown",
        connection_security_policy = "unknown", destination_workload = "recommendation",
      } do
        assert.equal(value, got[name], name)
      end
    end)

    it("takes the destination from the endpoint that was chosen, and knows none without", function()
      local service = { service = "s.x", service_name = "s", service_namespace = "x" }
      local settings = row { reporter = "waypoint", destination = service, destination_from = "endpoint" }
      local there = { workload = "s-v2", workload_namespace = "x", version = "v2", canonical_revision = "v2" }
      local endpoint = { address = "10.0.0.2:80", workload = there }
      local conf = fake.conf(metrics, { native = false, istio = settings })
      metrics.log(conf, fake.new { peer = peer, status = 200, endpoint = endpoint })
      metrics.log(conf, fake.new { peer = peer, status = 403 })
      local all = abi.series("istio_requests_total")
      assert.same({ "s-v2", "v2", "v2", "Kubernetes", "s.x" }, { all[1].destination_workload,
        all[1].destination_version, all[1].destination_canonical_revision, all[1].destination_cluster,
        all[1].destination_service })
      assert.same({ "unknown", "unknown", "unknown", "s.x" }, { all[2].destination_workload,
        all[2].destination_canonical_revision, all[2].destination_cluster, all[2].destination_service })
    end)

    it("finds callers by address, and takes the namespace of an unknown one from its identity", function()
      local conf = fake.conf(metrics, { native = false, istio = row() })
      local stranger = "spiffe://cluster.local/ns/far/sa/who"
      local peers = { { address = "10.0.0.9" }, { address = "1.1.1.1", principal = stranger }, { address = "::1" } }
      for _, from in ipairs(peers) do
        metrics.log(conf, fake.new { peer = from, status = 200 })
      end
      local got = {}
      for i, one in ipairs(abi.series("istio_requests_total")) do
        got[i] = table.concat({ one.source_workload, one.source_workload_namespace, one.source_principal,
                                one.source_cluster, one.connection_security_policy }, " ")
      end
      assert.same({ "batch jobs unknown Kubernetes none", "unknown far " .. stranger .. " unknown mutual_tls",
                    "unknown unknown unknown unknown none" }, got)
    end)

    it("counts gRPC with its status, and flags", function()
      local got = labels({ istio = row() }, { peer = peer, status = 200, grpc = true, flag_list = { "DI", "FI" },
                                               response_headers = { ["grpc-status"] = "14" } })
      assert.same({ "grpc", "14", "DI,FI" }, { got.request_protocol, got.grpc_response_status, got.response_flags })
    end)

    it("observes milliseconds and bytes; several rows count a request each", function()
      local given = { peer = peer, status = 200, duration = 0.5, bytes_in = 100, bytes_out = 2000 }
      count({ istio = { row(), row { reporter = "source", source = { workload = "w" } } } }, given, given)
      local reporters = {}
      for _, one in ipairs(abi.series("istio_requests_total")) do
        reporters[one.reporter] = (abi.value("istio_requests_total", one.key))
        assert.same({ 2, 1000 }, { abi.value("istio_request_duration_milliseconds", one.key) })
        assert.same({ 2, 200 }, { abi.value("istio_request_bytes", one.key) })
        assert.same({ 2, 4000 }, { abi.value("istio_response_bytes", one.key) })
      end
      assert.same({ destination = 2, source = 2 }, reporters)
      assert.equal(3600000, abi.family("istio_request_duration_milliseconds").bounds[19])
    end)
  end)
end)
