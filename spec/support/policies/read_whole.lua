--- read_whole: a policy for specs: holds every body, and leaves it as it is.
local read_whole = { body = { request = "whole", response = "whole", limit = "16MiB" } }

function read_whole.request_body() end

function read_whole.response_body() end

return read_whole
