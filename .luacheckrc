std = "luajit"
max_line_length = 120
files["spec/**/*_spec.lua"].std = "+busted"
files["spec/support/**"].std = "+busted"
exclude_files = { "build*/**" }
