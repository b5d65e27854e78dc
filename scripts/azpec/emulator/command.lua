-- The command line of the emulator: its options, its help, and what it does in order.

local argparse = require "argparse"
local app = require "azpec.emulator.app"
local datafile = require "azpec.emulator.datafile"
local file = require "azpec.file"
local json = require "azpec.json"
local log = require "azpec.emulator.log"
local options = require "azpec.emulator.options"
local retryafter = require "azpec.emulator.retryafter"
local sample = require "azpec.emulator.sample"
local server = require "azpec.emulator.server"

local command = {}

local function stop(format, ...)
  io.stderr:write("emulator: ", format:format(...), "\n")
  os.exit(1)
end

local function port(text)
  local number = text:find "^%d+$" and tonumber(text)
  if not number or number > 65535 then return nil, "a port is a number from 0 to 65535, not '" .. text .. "'" end
  return math.tointeger(number)
end

-- Its options, on an argparse command.
function command.define(p)
  p:option("--host", "address to listen on", "127.0.0.1")
  p:option("--port", "port for HTTP; 0: the system chooses", "0", port)
  p:mutex(p:option("--tls-port", "port for HTTPS", "0", port), p:flag("--no-tls", "HTTP only"))
  p:option("--state", "file with tenant, accounts and connections (.lua or .json); default: a sample")
  p:option("--faults", "file with fault rules (.lua or .json)")
  p:option("--option", "[account[/connection]:]name=value, see below"):argname("NAME=VALUE"):count "*"
  p:option("--log", "file for one JSON line a request")
  p:option("--ca-file", "where to write the certificate to trust; default: a temporary file")
  p:flag("--control", "serve /_emulator/, which needs no token")
  p:flag("--exit-with-stdin", "end when stdin closes")
end

-- What it plays, and all that its files and options may hold.
function command.describe()
  return require "azpec.emulator.help" (options.help(), retryafter.help)
end

local function parser()
  local p = argparse("emulator.lua", "Plays Azure Resource Manager (the private endpoint connections of Batch "
    .. "accounts), Entra ID's token endpoint and the places that managed identities ask.")
  command.define(p)
  return p:epilog(command.describe())
end

-- Calls; a complaint about what a person wrote ends the program, naming the file that the complaint's path is of.
local function checked(args, call, ...)
  local results = table.pack(pcall(call, ...))
  if results[1] then return table.unpack(results, 2, results.n) end
  local complaint = results[2]
  if type(complaint) ~= "table" then error(complaint, 0) end
  local files = { state = args.state, faults = args.faults }
  local named = files[complaint.message:match "^%l+"]
  stop("%s%s", named and named .. ": " or "", complaint.message)
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

-- Writes the certificate to trust; where no file is named, into a temporary one. Its name.
local function save_authority(path, authority)
  if not path then
    local made, why = file.temporary("azpec-emulator-ca", authority)
    return made or stop("%s", why)
  end
  local ok, why = file.replace(path, authority)
  return ok and path or stop("--ca-file: %s", why)
end

local function open_log(args)
  local opened, why = log.open(args.log, args.control)
  if not opened then stop("%s", why) end
  return opened
end

local function listen(host, option, wanted)
  local sock, result = server.listen(host, wanted)
  if not sock then
    stop("%s: cannot listen on %s:%d: %s; with 0 the system chooses a port", option, host, wanted, result)
  end
  return sock, result
end

local function host_in_url(host)
  return host:find(":", 1, true) and "[" .. host .. "]" or host
end

local function start_tls(args, emulator, running, facts)
  local secured = require "azpec.emulator.tls".server(args.host)
  local sock, real_port = listen(args.host, "--tls-port", args.tls_port)
  facts.ca_file = save_authority(args.ca_file, secured.authority)
  facts.tls_thumbprint = secured.thumbprint
  facts.tls_endpoint = ("https://%s:%d"):format(host_in_url(args.host), real_port)
  running:accept(sock, function () return emulator.choose_context(secured) end)
end

local function own_pid()
  local stat <close> = io.open("/proc/self/stat")
  return stat and stat:read "n"
end

local function facts_of(world)
  return { pid = own_pid(), tenant_id = world.tenant_id, client_id = world.client_id,
    subscription_id = world.subscription_id, connections = world:connection_ids() }
end

local function start(args, emulator)
  local running, facts = server.new(emulator), facts_of(emulator.world)
  running:end_on_signal()
  local sock, real_port = listen(args.host, "--port", args.port)
  running:accept(sock)
  facts.endpoint = ("http://%s:%d"):format(host_in_url(args.host), real_port)
  if not args.no_tls then start_tls(args, emulator, running, facts) end
  if args.exit_with_stdin then running:end_with_stdin() end
  io.stdout:write(json.encode(facts), "\n")
  io.stdout:flush()
  return running, facts
end

-- Runs the emulator with the arguments given to the program.
function command.run(arguments)
  command.serve(parser():parse(arguments))
end

-- Runs it with what the arguments mean; ends the program.
function command.serve(args)
  local settings = {
    spec = args.state and read(args.state) or sample(),
    faults = args.faults and read(args.faults) or {},
    overrides = overrides(args),
    has_control = args.control,
    log = open_log(args),
  }
  local emulator = checked(args, app.new, settings)
  local running, facts = start(args, emulator)
  running:run()
  if facts.ca_file and not args.ca_file then os.remove(facts.ca_file) end
  os.exit(0)
end

return command
