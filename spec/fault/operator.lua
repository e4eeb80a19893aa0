--- What an operator does while clients ask without a pause, and which statuses these may see ("none": cut off).
return {
  { "reloads again and again", does = "reload", sees = { 200 } },
  { "edits a policy", does = "edit", sees = { 200 } },
  { "breaks a policy", does = "break_policy", sees = { 200 } },
  { "breaks the config", does = "break_config", sees = { 200 } },
  { "kills a worker", does = "kill", sees = { 200, "none" } },
  { "kills workers while they take a config", does = "kill_in_reload", sees = { 200, "none" } },
  { "stops a worker and lets it go on", does = "pause", sees = { 200 } },
  { "kills the process that reads the config", does = "kill_loader", sees = { 200 } },
  { "restarts the upstream", does = "restart_upstream", sees = { 200, 502, 503 } },
}
