-- The command line as the journal records it. It means the same service, subscription and files in any shell: it names
-- those that came from the environment, or from az's defaults, and the folder of relative paths.

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

-- Returns "cd FOLDER && " where a path is relative, else "". Returns nil if the folder's name is not known.
local function in_folder(paths)
  for _, path in ipairs(paths) do
    if path:sub(1, 1) ~= "/" then
      local folder = os.getenv "PWD" or ""
      local is_here = folder:sub(1, 1) == "/" and file.identity(folder .. "/.") == file.identity "."
      return is_here and ("cd %s && "):format(shell(folder)) or nil
    end
  end
  return ""
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
