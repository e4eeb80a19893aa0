--- reload: tells a running gateway to read its config again.
local signal = require "moongate.cli.signal"

return signal.command("reload", 1, "read the config again, as SIGHUP does")
