-- azpec.enrich -- the host's own facts for the rules of azpec.rules, such as the owner of a subscription, the state of
-- a ticket, or data of an inventory.
--
--   local facts_of = assert(enrich.read "owners.lua")
--   set:decide(connection, { facts = facts_of })       -- called only if a rule's function is
--
-- The file is Lua, runs outside the rules' sandbox without any limit, and returns a function:
--
--   local owners = require "inventory"
--   return function (connection)
--     return { owner = owners[connection.properties.privateEndpoint.id] }
--   end
--
-- A rule's `where` function receives a copy of the table as the fact `facts`: strings, numbers, booleans, and tables of
-- these. If the function fails, the request is held. So it is if a rule reads `facts` and the host gave none.

local fields = require "azpec.fields"
local file = require "azpec.file"
local sandbox = require "azpec.sandbox"

local enrich = {}

local deepest, most_values, most_bytes = 16, 10000, 1 << 18

local plain = { string = true, number = true, boolean = true }

local function excess(counts, value)
  counts.values = counts.values + 1
  counts.bytes = counts.bytes + (type(value) == "string" and #value or 0)
  return counts.values > most_values and "more than 10000 values" or counts.bytes > most_bytes
    and "texts of more than 262144 bytes"
end

local function copy(value, path, depth, counts)
  local too_much = excess(counts, value)
  if too_much then error({ message = ("facts: %s"):format(too_much) }, 0) end
  if plain[type(value)] then return value end
  if type(value) ~= "table" then
    error({ message = ("%s is a %s; text, numbers, booleans and tables are taken"):format(path, type(value)) }, 0)
  end
  if depth > deepest then error({ message = ("facts: tables are nested deeper than %d"):format(deepest) }, 0) end
  local made = {}
  for key, inner in next, value do
    if not plain[type(key)] then error({ message = ("%s has a key that is a %s"):format(path, type(key)) }, 0) end
    excess(counts, key)
    made[key] = copy(inner, ("%s.%s"):format(path, tostring(key)), depth + 1, counts)
  end
  return made
end

-- Returns a deep copy of facts. Raises a table with a message if they contain any other type.
function enrich.copy(facts)
  return copy(facts, "facts", 1, { values = 0, bytes = 0 })
end

local function is_interrupt(problem)
  return type(problem) == "string" and problem:find "interrupted!$" ~= nil
end

-- Calls f with a connection and checks the result. Raises a table with a message; Ctrl-C is raised unchanged.
function enrich.ask(f, connection)
  fields.check_argument(f, "function", "bad argument #1 to 'ask'")
  local ok, facts = pcall(f, connection)
  if not ok then
    if is_interrupt(facts) then error(facts, 0) end
    error({ message = type(facts) == "table" and facts.message or tostring(facts) }, 0)
  end
  if type(facts) ~= "table" then
    error({ message = ("the function for facts returned a %s; a table is expected"):format(type(facts)) }, 0)
  end
  return enrich.copy(facts)
end

local function run(chunk, path)
  local ok, f = pcall(chunk)
  if not ok then
    if is_interrupt(f) then error(f, 0) end
    return nil, sandbox.named(tostring(f), path)
  end
  if type(f) ~= "function" then return nil, ("%s: it returns a %s; a function is expected"):format(path, type(f)) end
  return f
end

-- Reads a file. Returns its function, or nil and a message with file and line.
function enrich.read(path)
  fields.check_argument(path, "path", "bad argument #1 to 'read'")
  local text, why = file.read(path, "lua")
  if not text then return nil, why end
  local chunk, problem = load(text, "@" .. path, "t")
  if not chunk then return nil, sandbox.named(problem, path) end
  local f, refused = run(chunk, path)
  if not f then return nil, refused end
  return function (connection)
    local ok, facts = pcall(enrich.ask, f, connection)
    if ok then return facts end
    if is_interrupt(facts) then error(facts, 0) end
    error({ message = sandbox.named(facts.message, path) }, 0)
  end
end

return enrich
