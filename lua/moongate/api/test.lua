---@meta moongate.test

--- The kit of `moongate test`: a gateway for a spec, with made-up clients and upstreams and a held clock.
---@class moongate.test
local test = {}

--- A gateway of one policy with these settings: whatever it passes on goes to upstream("upstream").
---@param name string
---@param conf? table
---@return moongate.TestGateway
function test.policy(name, conf) end

--- A gateway with a whole config: a table as a config in Lua returns it, or the path of one. It takes the place of the
--- one before. What is wrong with the config raises.
---@param config table|string
---@return moongate.TestGateway
function test.gateway(config) end

--- Whether a text is that of a file beside the spec; raises with the first line that differs. With --update-golden the
--- file is written instead.
---@param path string
---@param text string
function test.golden(path, text) end

--- A request of a test.
---@class moongate.TestRequest
---@field method? string Its method; GET.
---@field path? string With a query where it has one; "/".
---@field host? string With a port where it has one; "localhost".
---@field headers? table<string, string|string[]> Its fields.
---@field body? string Its body.
---@field address? string The client's address; "127.0.0.1".
---@field principal? string Whom its certificate names.
---@field sni? string The name of its TLS handshake.
---@field listener? string The listener's name, where there are several.

--- An answer to a test.
---@class moongate.TestAnswer
---@field status integer 0: the connection was closed without one.
---@field reason string Behind the status.
---@field headers table<string, string> By name in lower case, the first of each.
---@field fields string[][] All, as { name, value }.
---@field body string As far as it came.
---@field cut boolean Whether it ended before it was whole.
---@field took number Seconds of the held clock.

--- A gateway of moongate.test.
---@class moongate.TestGateway
---@field log string[] Lines logged so far: "error a policy raised ...".
---@field lines table<string, string[]> Whole lines by sink: "stdout", a path.
local gateway = {}

--- Sends a request and waits for its answer.
---@param given moongate.TestRequest
---@return moongate.TestAnswer
function gateway:ask(given) end

--- Asks for a path.
---@param path string
---@return moongate.TestAnswer
function gateway:get(path) end

--- Sends a request, and does not wait.
---@param given moongate.TestRequest
---@return moongate.TestPending
function gateway:begin(given) end

--- Lets time pass.
---@param seconds number
function gateway:advance(seconds) end

--- Who answers in the place of a service, by its name, or at an address such as "auth.example:80".
---@param name string
---@return moongate.TestUpstream
function gateway:upstream(name) end

--- By how much a metric has grown since the gateway began, of the first series with these labels.
---@param name string
---@param labels? table<string, string>
---@return number
function gateway:metric(name, labels) end

--- A request under way.
---@class moongate.TestPending
local pending = {}

--- Waits for the answer.
---@return moongate.TestAnswer
function pending:answer() end

--- The client closes its connection.
function pending:cancel() end

--- Who answers in the place of a service.
---@class moongate.TestUpstream
---@field requests table[] What came: method, path, query, host, headers, fields, body, endpoint, at.
local upstream = {}

--- Says what it answers: one answer, a list taken in turn whose last one stays, or a function of the request. An answer
--- has status (200), headers, body (a text, or texts and pauses in ms), delay (ms), reset_at, close_at (bytes), refuse
--- and silent.
---@param script table|fun(request: table): table
---@return moongate.TestUpstream
function upstream:answers(script) end

return test
