local telemetry = {}
function telemetry.add() end
return telemetry
