--- summary: what a soak came to, and whether all held.
local process = require "spec.support.process"

local summary = {}

local FLAT = 0.03 -- by which the mean of the last third may be above that of the second
local SHORTEST = 600 -- seconds of which thirds say something: each has ten kills, and a hundred reloads

local function mean(samples, name, from, to)
  local sum, n = 0, 0
  for _, one in ipairs(samples) do
    if one.at >= from and one.at < to then sum, n = sum + one[name], n + 1 end
  end
  return n > 0 and sum / n or 0
end

-- Growth from the second third to the last one of what `name` samples, as a share; and a line that says so.
local function growth(seen, name, what)
  local third = (seen.ended - seen.began) / 3
  local before = mean(seen.samples, name, seen.began + third, seen.ended - third)
  local after = mean(seen.samples, name, seen.ended - third, seen.ended + 1)
  local share = before > 0 and after / before - 1 or 0
  return share, ("  %s: %.2f MiB in the second third, %.2f in the last one: %+.1f %%"):format(what, before / 1048576,
    after / 1048576, share * 100)
end

local function count_text(ledger)
  local names, parts = {}, {}
  for status in pairs(ledger.statuses) do names[#names + 1] = status end
  table.sort(names, function(a, b) return tostring(a) < tostring(b) end)
  for i, status in ipairs(names) do parts[i] = ("%s: %d"):format(status, ledger.statuses[status]) end
  return table.concat(parts, ", ")
end

local function say_line(...) io.write((...):format(select(2, ...)), "\n") end

--- Prints the summary; true when all held.
-- @param ledger spec/soak/ledger.lua; @param seen what spec/soak/soak.lua gathered; @param build the build's folder
function summary.say(ledger, seen, build)
  local passed, failed = 0, 0
  local function holds(good, ...)
    passed, failed = passed + (good and 1 or 0), failed + (good and 0 or 1)
    io.write(good and "ok    " or "FAIL  ")
    say_line(...)
  end
  say_line("%.0f s, %d reloads, %d workers killed, %d scrapes", seen.ended - seen.began, seen.reloads, seen.kills,
    seen.scrapes)
  say_line("answers: %d (%s); %d clients left early", ledger.total, count_text(ledger), ledger.leavers)
  for _, text in ipairs(ledger.shown) do say_line("  %s", text) end
  holds(ledger.total > 0 and ledger.wrong_answers == 0, "%d wrong answers", ledger.wrong_answers)
  holds(ledger.unexpected == 0, "%d unexpected errors; %d on the %d connections of killed workers", ledger.unexpected,
    ledger.excused, ledger.killed)
  holds(seen.after.worker > 0 and seen.after.worker <= seen.before.worker and seen.after.master <= seen.before.master,
    "descriptors, nobody connected: worker %d, then %d; master %d, then %d", seen.before.worker, seen.after.worker,
    seen.before.master, seen.after.master)
  say_line("slowest return of a killed worker: %.0f ms", seen.slowest_return * 1000)
  local sanitized = process.read(("ldd '%s/moongate'"):format(build)):find "libasan" ~= nil
  local judged = not sanitized and seen.ended - seen.began >= SHORTEST
  local worker, worker_text = growth(seen, "worker", "the worker that lives")
  local master, master_text = growth(seen, "master", "the master")
  local _, all_text = growth(seen, "all", "all workers, killed ones too")
  local text = "memory, resident%s:\n" .. worker_text:gsub("%%", "%%%%") .. "\n" .. master_text:gsub("%%", "%%%%")
    .. "\n" .. all_text:gsub("%%", "%%%%")
  if judged then
    holds(seen.after.worker > 0 and worker <= FLAT and master <= FLAT, text, "")
  else
    say_line(text, sanitized and " (not judged: the sanitizer keeps what is freed, and looks for leaks itself)"
      or " (not judged: too short)")
  end
  say_line("%d passed, %d failed", passed, failed)
  return failed == 0
end

return summary
