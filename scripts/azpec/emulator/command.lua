-- The command line of the emulator: its options, its help, and its start.

local argparse = require "argparse"
local app = require "azpec.emulator.app"
local datafile = require "azpec.emulator.datafile"
local file = require "azpec.file"
local host = require "azpec.emulator.host"
local log = require "azpec.emulator.log"
local options = require "azpec.emulator.options"
local retryafter = require "azpec.emulator.retryafter"
local sample = require "azpec.emulator.sample"
local quote = require "azpec.text".shell

local command = {}

local stop = host.stop

local function port(text)
  local number = text:find "^%d+$" and tonumber(text)
  if not number or number > 65535 then return nil, "a port is a number from 0 to 65535, not '" .. text .. "'" end
  return math.tointeger(number)
end

-- Adds the options to an argparse command.
function command.define(p)
  p:option("--host", "address to listen on", "127.0.0.1")
  p:option("--port", "port for HTTP; 0: the system chooses", "0", port)
  p:mutex(p:option("--tls-port", "port for HTTPS", "0", port), p:flag("--no-tls", "HTTP only"))
  p:option("--state", "file with tenant, accounts and connections (.lua or .json); default: a sample"):argname "FILE"
  p:option("--faults", "file with fault rules (.lua or .json)"):argname "FILE"
  p:option("--option", "[account[/connection]:]name=value; this page lists the names"):argname("NAME=VALUE"):count "*"
  for _, option in ipairs { p:option("--log", "file for one JSON line per request"),
    p:option("--ca-file", "where to write the certificate to trust; default: a temporary file"),
    p:option("--env-file", "where to write variables for a shell that point the command azpec at the emulator; "
      .. "- for stderr") } do
    option:argname "FILE"
    option.is_written = true -- azpec.cli.files
  end
  p:flag("--control", "serve /_emulator/, which needs no token")
  p:flag("--exit-with-stdin", "end when stdin closes")
end

-- Returns the text of --help about the services, files and options.
function command.describe()
  return require "azpec.emulator.help" (options.help(), retryafter.help)
end

local function parser()
  local p = argparse("emulator.lua", "Emulates Azure Resource Manager (the private endpoint connections of Batch "
    .. "accounts), Entra ID's token endpoint and the places that managed identities ask.")
  command.define(p)
  return p:epilog(command.describe())
end

-- Calls a function. An error in a person's file ends the program with a message that names the file.
local function checked(args, call, ...)
  local results = table.pack(pcall(call, ...))
  if results[1] then return table.unpack(results, 2, results.n) end
  local complaint = results[2]
  if type(complaint) ~= "table" then error(complaint, 0) end
  local files = { state = args.state, faults = args.faults }
  for line in complaint.message:gmatch "[^\n]+" do
    local named = files[line:match "^%l+"]
    io.stderr:write("emulator: ", named and named .. ": " or "", line, "\n")
  end
  os.exit(1)
end

local function read(path)
  local value, why = datafile.read(path)
  if not value then stop("%s", why) end
  return value
end

local function overrides(args)
  local scopes = { [""] = {} }
  for _, text in ipairs(args.option) do
    local scope, values = checked(args, options.parse, text)
    scopes[scope] = scopes[scope] or {}
    for name, value in pairs(values) do scopes[scope][name] = value end
  end
  return scopes
end

local function open_log(args)
  local opened, why = log.open(args.log, args.control)
  return opened or stop("--log: %s", why)
end

local function facts_of(world)
  return { tenant_id = world.tenant_id, client_id = world.client_id,
    subscription_id = world.subscription_id, connections = world:connection_ids() }
end

local function read_all(path)
  local handle <close> = io.open(path, "rb")
  return handle and handle:read "a"
end

-- Returns a path that a shell in another folder can use as well, if PWD names this folder.
local function absolute(path)
  local long = (os.getenv "PWD" or "") .. "/" .. path
  local is_same = read_all(long) == read_all(path)
  return path:sub(1, 1) ~= "/" and is_same and long or path
end

-- Returns the shell commands that make azpec use the emulator. They contain no secret.
local function exports(facts)
  local lines = {}
  for n, variable in ipairs { { "AZPEC_ENDPOINT", facts.tls_endpoint }, { "AZPEC_AUTHORITY_HOST", facts.tls_endpoint },
    { "AZPEC_CA_FILE", absolute(facts.ca_file) }, { "AZURE_SUBSCRIPTION_ID", facts.subscription_id },
    { "AZURE_TENANT_ID", facts.tenant_id }, { "AZURE_CLIENT_ID", facts.client_id } } do
    lines[n] = ("export %s=%s\n"):format(variable[1], quote(variable[2]))
  end
  return table.concat(lines)
end

local function is_own_exports(head)
  return head:find "^export AZPEC_ENDPOINT=" ~= nil
end

local function save_exports(path, facts)
  if not path then return end
  if not facts.tls_endpoint then stop "--env-file: the variables take https only; leave --no-tls out" end
  if path == "-" then return io.stderr:write(exports(facts)) end
  local ok, why = file.replace(path, exports(facts), is_own_exports)
  return ok or stop("--env-file: %s", why)
end

-- Runs the emulator with the program's arguments.
function command.run(arguments)
  command.serve(parser():parse(arguments))
end

-- Runs the emulator with parsed arguments, and ends the program.
function command.serve(args)
  local settings = {
    spec = args.state and read(args.state) or sample(), sample = sample(),
    faults = args.faults and read(args.faults) or {},
    overrides = overrides(args),
    has_control = args.control,
    log = open_log(args),
  }
  local emulator = checked(args, app.new, settings)
  local facts = facts_of(emulator.world)
  local running = host.start(args, emulator, facts)
  save_exports(args.env_file, facts)
  settings.log.on_problem = function () running.ended = true end
  host.say(facts)
  running:run()
  if facts.ca_file and not args.ca_file then os.remove(facts.ca_file) end
  if settings.log.problem then stop("--log: %s", settings.log.problem) end
  os.exit(0)
end

return command
