-- azpec.fields -- checks a table of options: a misspelt name is an error, not a default.
--
--   fields.check(options, { items = "table or function", timeout = "number", client = "!table or userdata" })
--
-- A type with "!" is required; `false` counts as absent. Raises an error that names the field, at the caller of the
-- function that checks; level: at another one.

local nearest = require "azpec.nearest"

local fields = {}

local function fits(value, types)
  for name in types:gmatch "%l+" do
    if type(value) == name then return true end
  end
  return false
end

function fields.check(given, known, level)
  level = (level or 2) + 1
  if type(given) ~= "table" then error(("table of options expected, got %s"):format(type(given)), level) end
  for name in pairs(given) do
    if not known[name] then
      local names = {}
      for one in pairs(known) do names[#names + 1] = one end
      table.sort(names)
      error(("unknown field '%s'%s"):format(tostring(name), nearest.question(tostring(name), names)), level)
    end
  end
  for name, types in pairs(known) do
    local plain = types:gsub("^!", "")
    if (given[name] or plain ~= types) and not fits(given[name], plain) then
      error(("bad field '%s' (%s expected, got %s)"):format(name, plain, type(given[name])), level)
    end
  end
end

return fields
