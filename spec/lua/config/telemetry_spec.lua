local manifest = require "spec.support.manifest"
local mesh = require "spec.support.mesh"

local MESH = mesh.SHOPS

local FILES = [[
extensionProviders:
- name: plain
  envoyFileAccessLog: {path: /tmp/plain.log, logFormat: {text: "%RESPONSE_CODE%\n"}}
- name: json
  envoyFileAccessLog: {logFormat: {labels: {code: "%RESPONSE_CODE%"}}}
- name: usual
  envoyFileAccessLog: {path: /dev/stderr, logFormat: {labels: {}}}
- name: otel
  envoyOtelAls: {service: otel.prod.svc.cluster.local, port: 4317}
]]

local function telemetry(namespace, spec, name)
  return mesh.object("telemetry.istio.io/v1", "Telemetry", name or "default", spec, namespace)
end

local function load(text)
  return manifest.load(MESH .. text)
end

-- The logs as "path format filter: listeners", the listeners by their first words.
local function logs(text)
  local model, errors, warnings = load(text)
  assert.same({}, errors)
  local list = {}
  for _, use in ipairs(model.policies) do
    local conf = use.conf
    if use.name == "access_log" then
      local names = {}
      for i, name in ipairs(conf.listeners or { "all" }) do names[i] = name:match "^mesh (%w+)" or name:match "^%S+" end
      table.sort(names)
      local format = conf.fields and (conf.fields.code or "labels") or #conf.format > 30 and "usual" or conf.format
      list[#list + 1] = ("%s %s%s: %s"):format(conf.path, format, conf.filter and " " .. conf.filter or "",
        table.concat(names, " "))
    end
  end
  return list, warnings
end

local function warned(warnings, text)
  for _, warning in ipairs(warnings) do
    if warning.message:find(text, 1, true) then return true end
  end
end

local ON = "{accessLogging: [{providers: [{name: %s}]}]}"

describe("Telemetries and the mesh's settings", function()
  it("log nothing where nobody asks for it, and everything by accessLogFile", function()
    assert.same({}, (logs ""))
    assert.same({ "stdout usual: all" }, (logs(mesh.config "accessLogFile: /dev/stdout\n")))
    assert.same({ "/tmp/x %PROTOCOL%: all" },
      (logs(mesh.config 'accessLogFile: /tmp/x\naccessLogFormat: "%PROTOCOL%\\n"\n')))
    assert.same({ "stdout %DURATION%: all" }, (logs(mesh.config
      "accessLogFile: /dev/stdout\naccessLogEncoding: JSON\naccessLogFormat: '{\"code\": \"%DURATION%\"}'\n")))
    assert.same({ "stdout labels: all" }, (logs(mesh.config "accessLogFile: /dev/stdout\naccessLogEncoding: JSON\n")))
  end)

  it("log by the providers of the mesh, the namespace or the workload", function()
    local root, config = telemetry("istio-system", ON:format "plain"), mesh.config(FILES)
    assert.same({ "/tmp/plain.log %RESPONSE_CODE%: all" }, (logs(config .. root)))
    assert.same({ "stdout %RESPONSE_CODE%: prod/gw shop", "/tmp/plain.log %RESPONSE_CODE%: other" },
      (logs(config .. root .. telemetry("prod", ON:format "json"))) )
    assert.same({ "stdout %RESPONSE_CODE%: shop", "/tmp/plain.log %RESPONSE_CODE%: other prod/gw" },
      (logs(config .. root .. telemetry("prod", "{selector: {matchLabels: {app: shop}}, accessLogging: [{providers: "
        .. "[{name: json}]}]}"))))
    assert.same({ "/tmp/plain.log %RESPONSE_CODE%: other shop", "stderr labels: prod/gw" },
      (logs(config .. root .. telemetry("prod", "{targetRefs: [{kind: Gateway, group: gateway.networking.k8s.io, "
        .. "name: gw}], accessLogging: [{providers: [{name: usual}]}]}"))))
    assert.same({ "stdout usual: all" }, (logs(telemetry("istio-system", ON:format "envoy"))))
    assert.same({ "/tmp/plain.log %RESPONSE_CODE%: all" },
      (logs(mesh.config(FILES .. "defaultProviders: {accessLogging: [plain]}\n"))))
  end)

  it("are turned off, filtered and for one side alone", function()
    local root, config = telemetry("istio-system", ON:format "plain"), mesh.config(FILES)
    assert.same({ "/tmp/plain.log %RESPONSE_CODE%: other" },
      (logs(config .. root .. telemetry("prod", "{accessLogging: [{disabled: true}]}"))))
    assert.same({ "/tmp/plain.log %RESPONSE_CODE% response.code >= 400: prod/gw shop",
      "/tmp/plain.log %RESPONSE_CODE%: other" },
      (logs(config .. root .. telemetry("prod", "{accessLogging: [{filter: {expression: response.code >= 400}}]}"))))
    assert.same({ "/tmp/plain.log %RESPONSE_CODE%: prod/gw" }, (logs(config .. telemetry("prod",
      "{accessLogging: [{match: {mode: CLIENT}, providers: [{name: plain}]}]}"))))
    assert.same({ "/tmp/plain.log %RESPONSE_CODE%: shop" }, (logs(config .. telemetry("prod",
      "{accessLogging: [{match: {mode: SERVER}, providers: [{name: plain}]}]}"))))
  end)

  it("say what has no effect", function()
    local list, warnings = logs(mesh.config(FILES) .. telemetry("prod", "{accessLogging: [{providers: [{name: otel}, "
      .. "{name: plan}]}], tracing: [{randomSamplingPercentage: 1}]}") .. telemetry("prod", "{}", "second")
      .. telemetry("prod", "{selector: {matchLabels: {app: none}}}", "third"))
    assert.same({}, list)
    assert.truthy(warned(warnings, "otel is of the kind envoyOtelAls, which is not supported as a log"))
    assert.truthy(warned(warnings, "there is no extension provider plan; did you mean"))
    assert.truthy(warned(warnings, "Telemetry second: spec: is not used: "))
    assert.truthy(warned(warnings, "Telemetry third: spec: counts nowhere"))
  end)

  it("change what a waypoint counts", function()
    local waypoint = "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {name: way, namespace: prod}\n"
      .. "spec: {gatewayClassName: istio-waypoint, listeners: [{name: mesh, port: 15008, protocol: HBONE}]}\n---\n"
    local function row(text)
      local model, errors = load((waypoint .. text))
      assert.same({}, errors)
      for _, route in ipairs(model.routes) do
        for _, use in ipairs(route.policies) do
          if use.name == "metrics" then return use.conf.istio[1] or use.conf.istio end
        end
      end
    end
    MESH = MESH:gsub("name: shop, namespace: prod}", "%0", 1):gsub("metadata: {name: shop, namespace: prod}",
      "metadata: {name: shop, namespace: prod, labels: {istio.io/use-waypoint: way}}", 1)
    assert.is_nil(row("").tags)
    local found = row(telemetry("istio-system", "{metrics: [{providers: [{name: prometheus}], overrides: ["
      .. "{match: {metric: REQUEST_COUNT, mode: SERVER}, tagOverrides: {response_flags: {operation: REMOVE}, "
      .. "host: {value: request.host}}}, {match: {metric: REQUEST_SIZE}, disabled: true}, "
      .. "{match: {mode: CLIENT}, tagOverrides: {reporter: {operation: REMOVE}}}]}]}"))
    assert.same({ { istio_requests_total = { response_flags = "", host = "request.host" } }, { "istio_request_bytes" },
      { "host" } }, { found.tags, found.without, found.more_labels })
    found = row(telemetry("istio-system", "{metrics: [{overrides: [{tagOverrides: {response_code: {operation: "
      .. "REMOVE}}}, {disabled: true, match: {metric: REQUEST_COUNT}}]}]}")
      .. telemetry("prod", "{metrics: [{overrides: [{match: {metric: REQUEST_COUNT}, disabled: false}]}]}"))
    assert.same({ "", nil }, { found.tags.istio_request_bytes.response_code, found.without })
    assert.is_nil(row(telemetry("prod", "{metrics: [{overrides: [{disabled: true}]}]}")))
    assert.is_nil(row(telemetry("prod", "{metrics: [{providers: [{name: other}], overrides: [{tagOverrides: "
      .. "{response_code: {operation: REMOVE}}}]}]}")).tags)
  end)

  it("are refused where they are not understood", function()
    for text, why in pairs {
      [telemetry("prod", "{accessLogging: [{filter: {expression: response.cod > 1}}]}")] =
        "spec.accessLogging[0].filter.expression: unknown attribute 'response.cod'; did you mean 'response.code'?",
      [telemetry("prod", "{metrics: [{overrides: [{tagOverrides: {a: {value: node.metadata}}}]}]}")] =
        "spec.metrics[0].overrides[0].tagOverrides.a.value: unknown attribute 'node.metadata'",
      [telemetry("prod", "{metrics: [{overrides: [{tagOverrides: {a-b: {operation: REMOVE}}}]}]}")] =
        "spec.metrics[0].overrides[0].tagOverrides.a-b: expected the name of a label",
      [telemetry("prod", "{metrics: [{overrides: [{tagOverrides: {a: {operation: REMOVE, value: request.host}}}]}]}")] =
        "spec.metrics[0].overrides[0].tagOverrides.a.value: stands without operation REMOVE",
      [telemetry("prod", "{selector: {matchLabels: {a: '*'}}}")] = "spec.selector.matchLabels.a: expected a label",
      [telemetry("prod", "{selector: {matchLabels: {a: b}}, targetRefs: [{kind: Service, name: s}]}")] =
        "spec.targetRefs: expected one of selector, targetRefs and targetRef",
      [telemetry("prod", "{metrics: [{overrides: [{tagOverrides: {a: {}}}]}]}")] =
        "spec.metrics[0].overrides[0].tagOverrides.a.value: expected a value",
      [mesh.config(FILES:gsub("RESPONSE_CODE", "NOPE"))] =
        "extensionProviders[0].envoyFileAccessLog: logFormat: format: unknown operator %NOPE%",
      [mesh.config 'accessLogFormat: "%NOPE%"\n'] = "accessLogFormat: format: unknown operator %NOPE%",
      [mesh.config 'accessLogFormat: "[1]"\naccessLogEncoding: JSON\n'] = "accessLogFormat: expected JSON: names and",
    } do
      local model, errors = load(text)
      assert.is_nil(model)
      assert.truthy(errors[1].message:gsub("envoyFileAccessLog%.", "envoyFileAccessLog: "):find(why, 1, true),
        errors[1].message)
    end
  end)
end)
