-- Starts a server program (azpec.emulator.host) as a process of its own, and ends it. Its standard input is a pipe from
-- here, so it ends when it is closed or collected, and when this program ends, by whatever cause. Its files lie in a
-- folder of their own. The shell that runs it removes this folder after both ends, the program's and the pipe's: this
-- program may be unable to (os.exit, SIGKILL), and a forked child that ends must not.

local file = require "azpec.file"
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
  local handle <close> = io.open(path)
  return handle and handle:read "a" or ""
end

-- Returns the shell command that runs the module's run(arg) with this program's own search paths.
local function command_of(module, lua, words)
  local program = ("require %q.run(arg)"):format(module)
  return ("LUA_PATH=%s LUA_CPATH=%s %s -e %s /dev/null %s"):format(quote(package.path), quote(package.cpath),
    lua or "lua5.4", quote(program), words)
end

-- The shell outlives signals that also go to the program, such as that of Ctrl-C.
local around = "exec >/dev/null 2>&1; trap : HUP INT QUIT TERM; %s >%s 2>%s; read -r _; rm -rf -- %s"

local function run(self, module, lua, words)
  local command = command_of(module, lua, words(self))
  local ready, errors = self.folder .. "/ready", self.folder .. "/stderr"
  if not os.execute("mkfifo " .. quote(ready)) then return nil, "mkfifo failed" end
  self.pipe = assert(io.popen(around:format(command, quote(ready), quote(errors), quote(self.folder)), "w"))
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
  local ok, facts, why = pcall(run, self, module, lua, words)
  if ok and facts then
    self.facts = facts
    return self
  end
  self:close()
  if not ok then error(facts, 0) end
  return nil, why
end

-- Writes a file into the folder, for its owner only: a text, or a value as JSON. Returns its path.
function process:write(name, value)
  local path = self.folder .. "/" .. name
  assert(file.replace(path, type(value) == "string" and value or json.encode(value)))
  return path
end

-- Ends the program and removes its files. To close it twice is harmless. Without a call the pipe is closed when it is
-- collected.
function process:close()
  if self.is_closed then return end
  self.is_closed = true
  if self.pipe then
    self.pipe:close()
  else -- no shell has been started that would remove it
    os.execute("rm -rf -- " .. quote(self.folder))
  end
end

process.__close = process.close

return process
