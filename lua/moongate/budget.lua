--- budget: what a policy may use up, and whether one just did more.
local budget = {}

--- What the policy that runs has passed (see moongate.failure), or false.  While it is set, no policy catches an error.
budget.breach = false

return budget
