-- azpec.fields -- checks a table of options: a misspelt name is an error, not a default.
--
--   fields.check(options, { items = "table or function", timeout = "number", client = "!table or userdata" })
--
-- A type is one of Lua's, or of the table `more`, such as "path"; one with "!" is required; `false` counts as absent.
-- Raises an error that names the field, at the caller of the function that checks; level: at another one;
-- prefix: before the message.

local nearest = require "azpec.nearest"

local fields = {}

-- The system would cut such a text at its first NUL.
local function nul_in(text)
  return text:find("\0", 1, true) and "a string with a NUL" or nil
end

local function list_of(kind)
  return { is = "table", name = ("list of %ss"):format(kind), flaw_of = function (list)
    for n, element in ipairs(list) do
      if type(element) ~= kind then return ("%s at #%d"):format(type(element), n) end
    end
  end }
end

local function below_zero(number)
  return (number < 0 or number ~= number) and tostring(number) or nil
end

local function not_arm(word)
  return word ~= "arm" and ("'%s'"):format(word) or nil
end

local function no_client(client)
  return client.wait == nil and "a table without its methods" or nil
end

-- Types beyond Lua's: the one in Lua, the name in messages, and a function that says what is wrong with a value; or the
-- fields of a table of options.
local more = {
  path = { is = "string", name = "a path", flaw_of = nul_in },
  command = { is = "string", name = "a command", flaw_of = nul_in },
  strings = list_of "string", tables = list_of "table",
  seconds = { is = "number", name = "number, not negative,", flaw_of = below_zero },
  arm = { is = "string", name = "'arm'", flaw_of = not_arm },
  candidates = { is = "table", name = "table", fields = { status = "string", matches = "function" } },
  client = { is = "table or userdata", name = "azpec.Client", flaw_of = no_client },
}

-- Returns what is wrong with a value, as "TYPES expected, got TYPE", or nil.
local function mismatch(value, types)
  local own, got = more[types], type(value)
  for name in (own and own.is or types):gmatch "%l+" do
    if got == name then
      local flaw = own and own.flaw_of and own.flaw_of(value)
      return flaw and ("%s expected, got %s"):format(own.name, flaw)
    end
  end
  return ("%s expected, got %s"):format(own and own.name or types, got)
end

-- Checks an argument. what: "bad argument #1 to 'open'". Raises an error at the caller of the function that checks;
-- level: at another one.
function fields.check_argument(value, wanted, what, level)
  local why = mismatch(value, wanted)
  if why then error(("%s (%s)"):format(what, why), (level or 2) + 1) end
end

-- Raises an error if a table has a name that is no key of `known`, and guesses the one that was meant. level, prefix:
-- as for check.
function fields.check_names(given, known, level, prefix)
  for name in pairs(given) do
    if not known[name] then
      local names = {}
      for one in pairs(known) do names[#names + 1] = one end
      table.sort(names)
      error(("%sunknown field '%s'%s"):format(prefix or "", tostring(name), nearest.question(tostring(name), names)),
        (level or 2) + 1)
    end
  end
end

function fields.check(given, known, level, prefix)
  level, prefix = (level or 2) + 1, prefix or ""
  if type(given) ~= "table" then
    error(("%stable of options expected, got %s"):format(prefix, type(given)), level)
  end
  fields.check_names(given, known, level, prefix)
  for name, types in pairs(known) do
    local plain = types:gsub("^!", "")
    local why = (given[name] or plain ~= types) and mismatch(given[name], plain)
    if why then error(("%sbad field '%s' (%s)"):format(prefix, name, why), level) end
    local own = given[name] and more[plain]
    if own and own.fields then fields.check(given[name], own.fields, level, ("%s%s: "):format(prefix, name)) end
  end
end

return fields
