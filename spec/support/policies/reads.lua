--- reads: a policy that reads whole request bodies, for specs.
return { body = { request = "whole" }, request_body = function() end }
