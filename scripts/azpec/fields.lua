-- azpec.fields -- checks a table of options: a misspelt name is an error, not a default.
--
--   fields.check(options, { items = "table or function", timeout = "number", client = "!table or userdata" })
--
-- A type is one of Lua's, "path" or "command"; one with "!" is required; `false` counts as absent. Raises an error that
-- names the field, at the caller of the function that checks; level: at another one; prefix: before the message.

local nearest = require "azpec.nearest"

local fields = {}

-- The system would cut such a text at its first NUL.
local for_system = { path = "a path", command = "a command" }

local function has_nul(value)
  return type(value) == "string" and value:find("\0", 1, true) ~= nil
end

local function fits(value, types)
  for name in types:gmatch "%l+" do
    if type(value) == (for_system[name] and "string" or name) then
      return not for_system[name] or not has_nul(value)
    end
  end
  return false
end

-- Returns "TYPES expected, got TYPE".
local function mismatch(value, types)
  local got = for_system[types] and has_nul(value) and "a string with a NUL" or type(value)
  return ("%s expected, got %s"):format(for_system[types] or types, got)
end

-- Checks an argument that is a path. what: "bad argument #1 to 'open'".
function fields.check_path(value, what)
  if not fits(value, "path") then error(("%s (%s)"):format(what, mismatch(value, "path")), 3) end
end

function fields.check(given, known, level, prefix)
  level, prefix = (level or 2) + 1, prefix or ""
  if type(given) ~= "table" then
    error(("%stable of options expected, got %s"):format(prefix, type(given)), level)
  end
  for name in pairs(given) do
    if not known[name] then
      local names = {}
      for one in pairs(known) do names[#names + 1] = one end
      table.sort(names)
      error(("%sunknown field '%s'%s"):format(prefix, tostring(name), nearest.question(tostring(name), names)), level)
    end
  end
  for name, types in pairs(known) do
    local plain = types:gsub("^!", "")
    if (given[name] or plain ~= types) and not fits(given[name], plain) then
      error(("%sbad field '%s' (%s)"):format(prefix, name, mismatch(given[name], plain)), level)
    end
  end
end

return fields
