-- Starts a server program (azpec.emulator.host) as a process of its own, and ends it. Its standard input is a pipe from
-- here, so it ends when it is closed or collected, and when this program ends, by whatever cause. Its files lie in a
-- folder of their own, which is removed with it.

local json = require "azpec.json"
local quote = require "azpec.text".shell

local process = {}
process.__index = process

local function make_folder()
  local pipe <close> = assert(io.popen "umask 077 && mktemp -d")
  local folder = pipe:read "l"
  return folder
end

local function read(path)
  local file <close> = io.open(path)
  return file and file:read "a" or ""
end

-- Returns the shell command that runs the module's run(arg) with this program's own search paths.
local function command_of(module, lua, words)
  local program = ("require %q.run(arg)"):format(module)
  return ("LUA_PATH=%s LUA_CPATH=%s exec %s -e %s /dev/null %s"):format(quote(package.path), quote(package.cpath),
    lua or "lua5.4", quote(program), words)
end

local function run(self, command)
  local ready, errors = self.folder .. "/ready", self.folder .. "/stderr"
  if not os.execute("mkfifo " .. quote(ready)) then return nil, "mkfifo failed" end
  self.pipe = assert(io.popen(("%s >%s 2>%s"):format(command, quote(ready), quote(errors)), "w"))
  local output <close> = assert(io.open(ready))
  local line = output:read "l"
  if not line then return nil, "it did not start: " .. read(errors) end
  return json.decode(line)
end

-- Starts the program and returns when it listens. lua: the command that runs Lua 5.4, for a shell; default "lua5.4".
-- words(process): returns the program's command line; it may write files first. The result has `folder`, and `facts`,
-- which the program has printed. Returns nil and a text on failure.
function process.start(module, lua, words)
  local folder = make_folder()
  if not folder then return nil, "mktemp cannot make a folder for temporary files; set TMPDIR" end
  local self = setmetatable({ folder = folder }, process)
  local facts, why = run(self, command_of(module, lua, words(self)))
  if not facts then
    self:close()
    return nil, why
  end
  self.facts = facts
  return self
end

-- Writes a file into the folder: a text, or a value as JSON. Returns its path.
function process:write(name, value)
  local path = self.folder .. "/" .. name
  local file <close> = assert(io.open(path, "w"))
  assert(file:write(type(value) == "string" and value or json.encode(value)))
  return path
end

-- Ends the program and removes its files. To close it twice is harmless.
function process:close()
  if self.is_closed then return end
  self.is_closed = true
  if self.pipe then self.pipe:close() end
  os.execute("rm -rf -- " .. quote(self.folder))
end

process.__close, process.__gc = process.close, process.close

return process
