-- A server program on loopback: listens by HTTP and HTTPS, writes the certificate to trust, and prints where it
-- listens. The emulator is one; a recorder and a player (azpec.record) are others.

local file = require "azpec.file"
local json = require "azpec.json"
local server = require "azpec.emulator.server"

local host = {}

-- Ends the program with a message.
function host.stop(format, ...)
  io.stderr:write("emulator: ", format:format(...), "\n")
  os.exit(1)
end

local stop = host.stop

-- Writes the certificate to trust, into a temporary file if none is named. Returns the file's name.
-- Refuses to replace a file of certificates that the emulator has not written.
local ca_title = "azpec emulator: its certificate authority, for tests\n"

local function is_own_ca(head)
  return head:sub(1, #ca_title) == ca_title
end

local function save_authority(path, authority)
  if not path then
    local made, why = file.temporary("azpec-emulator-ca", authority)
    return made or stop("%s", why)
  end
  local ok, why = file.replace(path, ca_title .. authority, is_own_ca)
  return ok and path or stop("--ca-file: %s", why)
end

local function listen(address, option, wanted)
  local sock, result = server.listen(address, wanted)
  if not sock then
    stop("%s: cannot listen on %s:%d: %s; with 0 the system chooses a port", option, address, wanted, result)
  end
  return sock, result
end

local function host_in_url(address)
  return address:find(":", 1, true) and "[" .. address .. "]" or address
end

local function start_tls(args, handler, running, facts)
  local secured = require "azpec.emulator.tls".server(args.host)
  local sock, real_port = listen(args.host, "--tls-port", args.tls_port)
  facts.ca_file = save_authority(args.ca_file, secured.authority)
  facts.tls_thumbprint = secured.thumbprint
  facts.tls_endpoint = ("https://%s:%d"):format(host_in_url(args.host), real_port)
  running:accept(sock, function () return handler.choose_context(secured) end)
end

local function own_pid()
  local stat <close> = io.open("/proc/self/stat")
  return stat and stat:read "n"
end

-- Listens. args: host, port, tls_port, no_tls, ca_file, exit_with_stdin, as the emulator's options. handler: that of
-- azpec.emulator.http, with choose_context(secured), which returns the TLS context of the next connection. Returns the
-- server (azpec.emulator.server), and adds to the facts where it listens.
function host.start(args, handler, facts)
  local running = server.new(handler)
  running:end_on_signal()
  local sock, real_port = listen(args.host, "--port", args.port)
  running:accept(sock)
  facts.pid = own_pid()
  facts.endpoint = ("http://%s:%d"):format(host_in_url(args.host), real_port)
  if not args.no_tls then start_tls(args, handler, running, facts) end
  if args.exit_with_stdin then running:end_with_stdin() end
  return running
end

-- Prints the facts; the caller waits for this line.
function host.say(facts)
  io.stdout:setvbuf "full"
  local ok, why = io.stdout:write(json.encode(facts), "\n")
  if ok then ok, why = io.stdout:flush() end
  if not ok then stop("cannot write to standard output: %s", why) end
end

return host
