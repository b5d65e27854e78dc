-- Reads a table from a file: Lua (a table, or a chunk that returns one, in a sandbox) or JSON, by the file's name.

local file = require "azpec.file"
local json = require "azpec.json"
local sandbox = require "azpec.sandbox"

local datafile = {}

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

local most_instructions, most_kilobytes = 10000000, 65536

-- In the sandbox of azpec.rules: a state file is data and needs no access to this process.
local function read_lua(path, text)
  local box, chunk, why = sandbox.new({}, most_kilobytes), nil, nil
  if text:find "^%s*{" then chunk, why = box:load("return " .. text, path) end
  if not chunk and not why then chunk, why = box:load(text, path) end
  if not chunk then return nil, why end
  local ok, value = box:run(path, most_instructions, chunk)
  if not ok then return nil, value end
  return value
end

-- Returns the table in the file, or nil and a message that names file and line.
function datafile.read(path)
  local text, why = file.read(path, "state")
  if not text then return nil, why end
  local reader = path:lower():find "%.lua$" and read_lua or read_json
  local value, failure = reader(path, text)
  if failure then return nil, failure end
  if type(value) ~= "table" then return nil, path .. ": a table expected, got " .. type(value) end
  return value
end

return datafile
