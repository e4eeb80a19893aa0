--- One Kubernetes object as read: what it is, its checked fields, and where each of them stood.
local yaml = require "moongate.yaml"

local object = {}
object.__index = object

--- "spec.http[0].match" for { "spec", "http", 1, "match" }: indexes from 0, as kubectl prints them.
local function path_text(path)
  local text = ""
  for _, step in ipairs(path) do
    if type(step) == "number" then
      text = text .. "[" .. step - 1 .. "]"
    elseif step:find("^[%w_-]+$") then
      text = text .. (text == "" and "" or ".") .. step
    else
      text = ("%s[%q]"):format(text, step)
    end
  end
  return text
end

--- @param fields { file =, line =, marks =, mark = (see moongate.yaml), notes = { errors =, warnings = } }
function object.new(fields)
  fields.attached, fields.ignored = {}, {}
  return setmetatable(fields, object)
end

--- Line on which the field (or, where it is missing, its nearest ancestor) stands.
function object:line_of(path)
  return path and yaml.line_of(self.marks, self.mark, path) or self.line
end

--- "file:line" of a field, for the model.
function object:place(path)
  return self.file .. ":" .. self:line_of(path)
end

local function note(self, list, path, message, line)
  local who = self.kind and self.name and ("%s %s: "):format(self.kind, self.name) or ""
  local where = path and #path > 0 and path_text(path) .. ": " or ""
  list[#list + 1] = { file = self.file, line = line or self:line_of(path), message = who .. where .. message }
end

--- Notes a mistake; the whole load then fails once everything was looked at.
-- @param line where it stands, when that is known better than by `path`
function object:refuse(path, message, line)
  self.refused = true
  note(self, self.notes.errors, path, message, line)
end

--- Notes something that is taken, but does less than its author may think.
function object:warn(path, message)
  note(self, self.notes.warnings, path, message)
end

--- Notes where it counts: a text such as "listener web" or "service a.b.svc.cluster.local"; again: still once.
function object:attach(to)
  if self.attached[to] then return end
  self.attached[to] = true
  table.insert(self.attached, to)
end

--- Notes that something reads it: a Secret or a Namespace attaches nowhere.
function object:use()
  self.used = true
end

--- Notes a field that is taken and has no effect here; it never narrows who may do what.
function object:ignore(path)
  table.insert(self.ignored, { line = self:line_of(path), path = path_text(path) })
end

return object
