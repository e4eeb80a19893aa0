--- seeds: writes the cases of spec/wire as inputs of the fuzz targets, a file each.
-- usage: seeds.lua FOLDER     makes FOLDER/request, FOLDER/response and FOLDER/body anew
local folder = arg[1]

local REQUESTS = { "request_line", "host", "framing", "chunks", "fields", "pipeline" }
local METHODS = { GET = "0", HEAD = "1", POST = "2" } -- the first byte of spec/fuzz/response.c
local UPGRADE, WIDE = "3", "2"

local function writer(target)
  local path, count = folder .. "/" .. target, 0
  assert(os.execute(("rm -rf '%s' && mkdir -p '%s'"):format(path, path)) == 0, "cannot make " .. path)
  return function(bytes)
    count = count + 1
    local file = assert(io.open(("%s/%03d"):format(path, count), "wb"))
    file:write(bytes)
    file:close()
  end
end

local function cases_of(name) return dofile("spec/wire/" .. name .. ".lua") end

-- What stands behind the head of a message in chunks, as an input of spec/fuzz/body.c.
local function chunks_of(bytes)
  return bytes:find("[Tt]ransfer%-[Ee]ncoding: *chunked") and bytes:match "\r\n\r\n(.+)$"
end

local request, response, body = writer "request", writer "response", writer "body"
for _, name in ipairs(REQUESTS) do
  for _, case in ipairs(cases_of(name)) do
    request(case[2])
    if chunks_of(case[2]) then body(WIDE .. chunks_of(case[2])) end
  end
end
for _, case in ipairs(cases_of "responses") do
  local asked = (case.request or ""):find "[Uu]pgrade" and UPGRADE or METHODS[case.method or "GET"] or METHODS.POST
  response(asked .. case[2])
  if chunks_of(case[2]) then body(WIDE .. chunks_of(case[2])) end
end
