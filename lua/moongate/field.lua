--- field: what a header field written in a config may be, so that a mistake is found when it is loaded.
local field = {}

-- These frame the message or belong to one connection: the core writes them (RFC 9110, section 7.6.1).
local OWN = {
  ["content-length"] = true, ["transfer-encoding"] = true, connection = true, ["keep-alive"] = true,
  ["proxy-connection"] = true, te = true, trailer = true, upgrade = true,
}

--- Why `name` cannot be a field that a policy writes, or nil.
function field.name_error(name)
  if name == "" or name:find("[^%w!#$%%&'*+.^_`|~-]") then return ("%q is no header name"):format(name) end
  if OWN[name:lower()] then return ("%q frames the message and is written by the gateway alone"):format(name) end
end

--- Why `value` cannot be a field's value, or nil.
function field.value_error(value)
  if value:find("[%z\r\n]") then return "a header value holds no line break and no NUL" end
  if value:find("^[ \t]") or value:find("[ \t]$") then return "a header value does not begin or end with a blank" end
end

--- The first mistake of a map of fields (name -> value or list of values), as "path: reason", or nil.
function field.map_error(map, path)
  for name, values in pairs(map or {}) do
    local why = field.name_error(name)
    for _, value in ipairs(type(values) == "table" and values or { values }) do
      why = why or field.value_error(value)
    end
    if why then return path .. ": " .. why end
  end
end

--- How CGI (RFC 3875, section 4.1.18) and its heirs read a name: "_" and "-" are one.
function field.as_cgi(name) return (name:lower():gsub("_", "-")) end

--- Takes away what the client itself says where a policy will speak, and what the service might take for that.
-- @param names set of names as field.as_cgi() gives them
function field.drop_forged(names, headers)
  for name in headers:each() do
    if names[field.as_cgi(name)] then headers:remove(name) end
  end
end

return field
