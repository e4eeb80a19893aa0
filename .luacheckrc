std = "luajit"
max_line_length = 120
files["spec/**/*_spec.lua"].std = "+busted"
files["spec/support/**"].std = "+busted"
files["lua/moongate/api/**"] = { max_line_length = false, ignore = { "21.", "24." } } -- never run: see moongate.reference
exclude_files = { "build*/**" }
