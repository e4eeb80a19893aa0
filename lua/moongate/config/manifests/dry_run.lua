--- dry_run: AuthorizationPolicies on trial, which are never enforced (Istio: annotation istio.io/dry-run).
local dry_run = {}

local DRY_RUN = "istio.io/dry-run"

-- What Go's ParseBool takes.
local BOOLEANS = { ["1"] = true, t = true, T = true, ["true"] = true, True = true, TRUE = true,
  ["0"] = false, f = false, F = false, ["false"] = false, False = false, FALSE = false }

--- Refuses what cannot be said of a trial.
function dry_run.check(policy)
  local said = policy.annotations[DRY_RUN]
  local path = { "metadata", "annotations", DRY_RUN }
  if said and BOOLEANS[said] == nil then
    policy:refuse(path, ("expected true or false, found %q"):format(said))
  elseif said and BOOLEANS[said] and policy.spec.action ~= "ALLOW" and policy.spec.action ~= "DENY" then
    policy:refuse(path, "stands with ALLOW and DENY only")
  end
end

--- Whether a policy is on trial.
function dry_run.is_on(policy) return BOOLEANS[policy.annotations[DRY_RUN]] == true end

return dry_run
