-- Reads a file that describes something: Lua (a table, or a chunk that returns one; no library) or JSON, by its name.

local json = require "azpec.json"

local datafile = {}

local function read_all(path)
  local file, why = io.open(path, "rb")
  if not file then return nil, why end
  local text, failure = file:read "a"
  file:close()
  if not text then return nil, path .. ": " .. tostring(failure) end
  return text
end

local function line_of(text, position)
  local _, breaks = text:sub(1, position):gsub("\n", "")
  return breaks + 1
end

local function read_json(path, text)
  local value, why = json.decode(text)
  if value ~= nil then return value end
  local position = tonumber(why:match "character (%d+)") or 1
  return nil, ("%s:%d: %s"):format(path, line_of(text, position), why)
end

-- A state file ends; a chunk that never does is stopped.
local function run(chunk)
  local function stop() error("the file runs for too long", 2) end
  debug.sethook(stop, "", 10000000)
  local ok, value = pcall(chunk)
  debug.sethook()
  return ok, value
end

local function read_lua(path, text)
  local tools = { ipairs = ipairs, pairs = pairs, tostring = tostring, string = string, table = table, math = math }
  local name, chunk, why = "@" .. path, nil, nil
  if text:find "^%s*{" then chunk, why = load("return " .. text, name, "t", tools) end
  if not chunk and not why then chunk, why = load(text, name, "t", tools) end
  if not chunk then return nil, why end
  local ok, value = run(chunk)
  if not ok then return nil, tostring(value) end
  return value
end

-- The table in the file, or nil and a message that names file and line.
function datafile.read(path)
  local text, why = read_all(path)
  if not text then return nil, why end
  local reader = path:lower():find "%.lua$" and read_lua or read_json
  local value, failure = reader(path, text)
  if failure then return nil, failure end
  if type(value) ~= "table" then return nil, path .. ": a table expected, got " .. type(value) end
  return value
end

return datafile
