-- The files that options name. No file may have two of these names if azpec writes to it: one use would destroy what
-- the other is about. The word - names none: it is standard input or output, or refused.

local file = require "azpec.file"

local files = {}

-- Declares that azpec writes to the file of an option. path_of(args) (or nil): its path, if not the option's value.
function files.written(option, path_of)
  option.is_written, option.path_of = true, path_of
  return option
end

-- Declares that the word - makes an option read standard input or write standard output.
function files.streamed(option)
  option.is_streamed = true
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

-- Calls f with each option and argument that names a file, and its path, until f returns a text. Returns that text.
local function each(command, args, f)
  for _, elements in ipairs { command._options, command._arguments } do
    for _, element in ipairs(elements) do
      local path = (element._argname == "FILE" or element.is_file) and path_of(element, args)
      local stop = type(path) == "string" and f(element, path)
      if stop then return stop end
    end
  end
end

-- Returns the paths of all files that a command line names, and those that variables of the environment name for it.
function files.paths(command, args)
  local paths = {}
  each(command, args, function (_, path)
    if path ~= "-" then paths[#paths + 1] = path end
  end)
  return paths
end

local function name_of(element)
  return element._public_aliases and element._public_aliases[#element._public_aliases] or element._name:upper()
end

-- Returns nil, or a text that names a file that is called -, or two names of one file of which azpec writes at least
-- one.
function files.complaint(command, args)
  local known = {}
  return each(command, args, function (element, path)
    local name = name_of(element)
    if path == "-" then
      return not element.is_streamed and name .. ": - names no file here; write ./- for a file of that name" or nil
    end
    local identity = file.identity(path)
    local other = known[identity]
    if other and (other.is_written or element.is_written) then
      return ("%s and %s name one file, %s; each needs its own"):format(other.name, name, path)
    end
    if identity then known[identity] = other or { name = name, is_written = element.is_written } end
  end)
end

return files
