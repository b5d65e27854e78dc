-- Command lines to paste into any shell, and paths in them. The command line that the journal records names also what
-- came from the environment, or from az's defaults, and the folder of relative paths.

local file = require "azpec.file"
local shell = require "azpec.text".shell

local pasted = {}

-- Options that the environment may give, and that say where azpec reads and writes.
local places = { "cloud", "endpoint", "authority_host", "ca_file" }

-- Returns whether the command line has a value, as a word or behind "=".
local function has(words, value)
  for _, word in ipairs(words) do
    if word == value or word:sub(-#value - 1) == "=" .. value then return true end
  end
  return false
end

-- Returns the name of the working folder, or nil if it is not known.
local function working_folder()
  local folder = os.getenv "PWD" or ""
  local is_here = folder:sub(1, 1) == "/" and file.identity(folder .. "/.") == file.identity "."
  return is_here and folder or nil
end

local function is_relative(path)
  return path:sub(1, 1) ~= "/"
end

-- Returns "cd FOLDER && " where a path is relative, else "". Returns nil if the folder's name is not known.
local function in_folder(paths)
  for _, path in ipairs(paths) do
    if is_relative(path) then
      local folder = working_folder()
      return folder and ("cd %s && "):format(shell(folder))
    end
  end
  return ""
end

-- Returns a path that means the same file in any folder; a relative one as it is if the folder's name is not known.
function pasted.path(path)
  local folder = is_relative(path) and working_folder()
  return folder and ("%s/%s"):format(folder, path) or path
end

-- Returns the command line for a shell; nil if none would mean the same. It has no secret, since options only name
-- files with secrets. journal: the path of the journal; implied: the subscription that no word names, or nil.
function pasted.line(context, journal, implied)
  local given, words = context.words, { "azpec", context.verb }
  local beginning = in_folder { journal, table.unpack(context.paths) }
  if not beginning then return nil end
  local function add(option, value)
    words[#words + 1], words[#words + 2] = "--" .. option:gsub("_", "-"), shell(value)
  end
  if implied then add("subscription", implied) end
  for _, name in ipairs(places) do
    local value = context.args[name]
    if value and not has(given, value) then add(name, value) end
  end
  for _, word in ipairs(given) do words[#words + 1] = shell(word) end
  if not has(given, journal) then table.insert(words, 1, "AZPEC_JOURNAL=" .. shell(journal)) end
  return beginning .. table.concat(words, " ")
end

return pasted
