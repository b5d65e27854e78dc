-- surface.lua -- the public surface of azpec as a set of lines, for tests/cli/stable_spec.lua: what a script may rely
-- on, by the sources of which other tests show that they are true.
--
--   function azpec.client                       a function or a method
--   member azpec.ClientOptions.timeout optional an option or a member of a result, and whether it may be absent
--   value azpec.ErrorKind credential            a value of an option or a member
--   verb approve, option approve --all          the command line, all names of an option included
--   value approve --status Pending              a value of an option
--   exit 8, variable AZPEC_JOURNAL              exit codes and variables of the environment
--   json list connections[].name                a member of the command's JSON
local parser = require "azpec.cli.parser"
local topics = require "azpec.cli.topics"

local surface = {}

-- ---- Lua -----------------------------------------------------------------------------------------------------------

-- Adds what a file of types declares.
function surface.add_types(lines, path)
  local class, of_values
  for line in io.lines(path) do
    local word, rest = line:match "^%-%-%-@(%w+)%s+(.*)$"
    if word == "class" then
      class = rest:gsub("^%(exact%)%s*", ""):match "^[%w_.]+"
    elseif word == "field" then
      local name, mark = rest:match "^([%w_]+)(%??)%s"
      if name then
        lines[("member %s.%s %s"):format(class, name, mark == "?" and "optional" or "always")] = true
      end
    elseif word == "alias" or word == "enum" then
      of_values = rest:match "^[%w_.]+"
      if word == "enum" then lines[("member %s always"):format(of_values)] = true end
      for value in (word == "alias" and rest or ""):gmatch '"([^"]+)"' do
        lines[("value %s %s"):format(of_values, value)] = true
      end
    end
    local value = line:match '^%-%-%-| "([^"]+)"' or line:match '^  %w+ = "(%w+)"'
    if value and of_values then lines[("value %s %s"):format(of_values, value)] = true end
    local name = line:match "^function ([%w_.:]+)%("
    if name then lines["function " .. name] = true end
  end
end

-- ---- the command line ----------------------------------------------------------------------------------------------

function surface.add_commands(lines)
  for _, name in parser.verbs() do
    lines["verb " .. name] = true
    local command = parser.of(name, require("azpec.cli.verbs." .. name))
    for _, option in ipairs(command._options) do
      for _, alias in ipairs(option._aliases) do
        lines[("option %s %s"):format(name, alias)] = true
        for _, value in ipairs(option.values or {}) do lines[("value %s %s %s"):format(name, alias, value)] = true end
      end
    end
  end
  for _, exit in ipairs(topics.find "exit-codes"[1]) do lines["exit " .. exit[1]:match "%d+"] = true end
  for _, row in ipairs(topics.find "environment"[1]) do
    for variable in row[1]:gmatch "[%w_]+" do lines["variable " .. variable] = true end
  end
end

-- ---- JSON ----------------------------------------------------------------------------------------------------------

-- Adds the members of a value, but for those that have the service's names: of a connection, and a token's claims.
function surface.add_json(lines, of, value, path)
  path = path or ""
  if type(value) ~= "table" or path:find "%.connection$" or path:find "%.claims$" then return end
  for name, member in pairs(value) do
    local inner = type(name) == "number" and path .. "[]" or (path == "" and "" or path .. ".") .. name
    if type(name) == "string" then lines[("json %s %s"):format(of, inner)] = true end
    surface.add_json(lines, of, member, inner)
  end
end

return surface
