--- text: what functions of Envoy's take for a string, as luaL_checkstring() does.
-- @param what the function, for the message; @return the string, of a number too; raises at the caller's caller's line
return function(value, what)
  if type(value) ~= "string" and type(value) ~= "number" then
    error(("%s: expected a string, got a %s"):format(what, type(value)), 3)
  end
  return tostring(value)
end
