--- upgrade: tells a running gateway to start the binary that stands in its place and leave the sockets to it.
local signal = require "moongate.cli.signal"

return signal.command("upgrade", 12, "let the binary that stands there now take over")
