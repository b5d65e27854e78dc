-- The program that azpec.record starts: a recorder or a player, as a server on loopback. Its arguments are the kind,
-- and a file with the settings as JSON, which it removes: they may have a password.

local host = require "azpec.emulator.host"
local json = require "azpec.json"
local reply = require "azpec.emulator.reply"

local command = {}

local makers = { recorder = "azpec.record.recorder", player = "azpec.record.player" }

local function read(path)
  local file <close> = assert(io.open(path))
  os.remove(path)
  return assert(json.decode(file:read "a"))
end

local function stop(why)
  io.stderr:write(why, "\n")
  os.exit(1)
end

function command.run(arguments)
  local kind, settings = arguments[1], read(arguments[2])
  local handler, why = require(makers[kind]).new(settings)
  if not handler then return stop(why) end
  function handler.choose_context(secured) return secured.context end
  function handler.refuse(_, fault) return reply.error(fault.status, "BadRequest", fault.message) end
  local facts = handler.facts and handler:facts() or {}
  local running = host.start({ host = "127.0.0.1", port = 0, tls_port = 0, ca_file = settings.own_ca_file,
    exit_with_stdin = true }, handler, facts)
  host.say(facts)
  running:run()
  if handler.finish then handler.finish() end
  os.exit(0)
end

return command
