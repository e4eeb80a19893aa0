--- suite: runs every check that there is, a few at a time, and counts what passed and what failed.
-- usage: suite.lua BUILD ASAN-BUILD [WORD...]     with words: only the jobs whose name has one of them
-- Each job is a command with an output that ends in its counts; one that ends without them, or badly, has failed.
package.path = "./?.lua;" .. package.path
local jobs = require "spec.support.jobs"
local process = require "spec.support.process"

local AT_ONCE = 2
local LIMIT = 600 -- seconds for one job

local counts = { passed = 0, failed = 0, skipped = {} }

-- The counts in a job's output: passed, failed; nil when there are none.
local readers = {}

function readers.counts(text)
  local passed, failed = text:match "(%d+) passed, (%d+) failed%s*$"
  return tonumber(passed), tonumber(failed)
end

function readers.busted(text)
  local good, bad, wrong, pending = text:match "(%d+) success%a* / (%d+) failure%a* / (%d+) error%a* / (%d+) pending"
  if not good then return nil end
  return tonumber(good), bad + wrong, tonumber(pending)
end

function readers.status() return 0, 0 end -- the exit code alone tells

local function finish(job, code)
  local text = process.file(job.out) or ""
  os.remove(job.out)
  local passed, failed, pending = readers[job.reads](text)
  if job.reads == "status" and code == 0 then passed = 1 end
  if not passed then passed, failed = 0, 1 end
  if code ~= 0 and failed == 0 then failed = 1 end
  counts.passed, counts.failed = counts.passed + passed, counts.failed + failed
  if passed + failed == 0 then table.insert(counts.skipped, job.name .. ": all of it is tagged as slow") end
  if (pending or 0) > 0 then table.insert(counts.skipped, ("%s: %d pending"):format(job.name, pending)) end
  print(("%s %s: %d passed, %d failed (%.1f s)"):format(failed == 0 and "ok  " or "FAIL", job.name, passed, failed,
    process.now() - job.began))
  if failed > 0 then print((text:gsub("^", "  "):gsub("\n", "\n  "))) end
  io.stdout:flush()
end

local function begin(job)
  job.out, job.began = os.tmpname(), process.now()
  job.process = process.start({ "sh", "-c", job.command }, job.out)
end

-- True when the job has ended.
local function look(job)
  local code = process.wait(job.process, 0)
  if not code and process.now() - job.began > LIMIT then
    process.stop(job.process)
    code = 124
  end
  if code then finish(job, code) end
  return code ~= nil
end

local function run(list)
  local running, busy, next_job = {}, 0, 1
  while next_job <= #list or #running > 0 do
    while list[next_job] and (busy < AT_ONCE or list[next_job].waits) do
      local job = list[next_job]
      next_job = next_job + 1
      if job.skip then
        table.insert(counts.skipped, job.name .. ": " .. job.skip)
      else
        begin(job)
        busy = busy + (job.waits and 0 or 1)
        running[#running + 1] = job
      end
    end
    for i = #running, 1, -1 do
      if look(running[i]) then
        busy = busy - (running[i].waits and 0 or 1)
        table.remove(running, i)
      end
    end
    process.sleep(0.02)
  end
end

local words = { select(3, ...) }
run(jobs.list(arg[1], arg[2], words))
for _, text in ipairs(counts.skipped) do print("skipped  " .. text) end
print(("%d passed, %d failed"):format(counts.passed, counts.failed))
os.exit(counts.failed == 0 and counts.passed > 0 and 0 or 1)
