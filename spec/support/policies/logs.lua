--- logs: a policy with a log phase and nothing else, for specs.
return { log = function() end }
