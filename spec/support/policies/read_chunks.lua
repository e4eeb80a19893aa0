--- read_chunks: a policy for specs: looks at every piece of a body, and leaves it as it is.
local read_chunks = { body = { request = "chunks", response = "chunks" } }

function read_chunks.request_body() end

function read_chunks.response_body() end

return read_chunks
