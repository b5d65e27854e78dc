-- The files that options name. No file may have two of these names if azpec writes to it: one use would destroy what
-- the other is about.

local file = require "azpec.file"

local files = {}

-- Declares that azpec writes to the file of an option. path_of(args) (or nil): its path, if not the option's value.
function files.written(option, path_of)
  option.is_written, option.path_of = true, path_of
  return option
end

local function path_of(option, args)
  if option.path_of then return option.path_of(args) end
  return args[option._target or option:_get_default_target()]
end

-- Declares that an argument of a verb names a file.
function files.named(argument)
  argument.is_file = true
  return argument
end

-- Returns the paths of all files that a command line names, and those that variables of the environment name for it.
function files.paths(command, args)
  local paths = {}
  for _, elements in ipairs { command._options, command._arguments } do
    for _, element in ipairs(elements) do
      local path = (element._argname == "FILE" or element.is_file) and path_of(element, args)
      if type(path) == "string" and path ~= "-" then paths[#paths + 1] = path end
    end
  end
  return paths
end

-- Returns nil, or a text that names two options of one file of which azpec writes at least one.
function files.complaint(command, args)
  local known = {}
  for _, option in ipairs(command._options) do
    local path = option._argname == "FILE" and path_of(option, args)
    local identity = path and path ~= "-" and file.identity(path)
    local other, name = known[identity], option._public_aliases[#option._public_aliases]
    if other and (other.is_written or option.is_written) then
      return ("%s and %s name one file, %s; each needs its own"):format(other.name, name, path)
    end
    if identity then known[identity] = other or { name = name, is_written = option.is_written } end
  end
end

return files
