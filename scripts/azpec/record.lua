-- azpec.record -- keeps a client's conversation with the service in a file without secrets, and plays it back.
--
--   local record = require "azpec.record"
--   local recorder <close> = record.start { file = "approve.json" }
--   recorder:client():update { id = id, status = "Approved" }
--   recorder:close()
--
--   local player <close> = record.play { file = "approve.json" }
--   player:client():update { id = id, status = "Approved" }
--   player:check()
--
-- Both are servers on loopback (azpec.emulator.host), as processes of their own; their clients talk to them over TLS.
-- A recorder passes each request on to the service. A player answers by request, not by order
-- (azpec.record.player); it needs no network, and no client waits. The file never has a token, password, assertion or
-- signature (azpec.record.secrets); with replace_ids it has no ids and names either (azpec.record.names).
-- All functions raise errors, with "azpec.record: " before the reason.

local azpec = require "azpec"
local compare = require "azpec.record.compare"
local fields = require "azpec.fields"
local http_client = require "azpec.emulator.http_client"
local json = require "azpec.json"
local process = require "azpec.emulator.process"
local quote = require "azpec.text".shell
local recording = require "azpec.record.recording"
local sources = require "azpec.record.sources"

local record = {}

local function fail(format, ...)
  error("azpec.record: " .. format:format(...), 3)
end

-- Checks the table of a public function, or nil, for its caller.
local function check_table(value, name)
  if value == nil or type(value) == "table" then return end
  error(("azpec.record: bad argument #1 to '%s' (table expected, got %s)"):format(name, type(value)), 3)
end

-- ---- servers -------------------------------------------------------------------------------------------------------

local known = {
  recorder = { file = "!path", endpoint = "string", authority_host = "string", ca_file = "path", proxy = "string",
    replace_ids = "boolean", lua = "command" },
  player = { file = "!path", repeats = "boolean", now = "number", lua = "command" },
}

local function start(kind, class, settings)
  fields.check(settings, known[kind], 3, "azpec.record: ")
  local given = { recorded_by = azpec._VERSION, sources = sources.urls(os.getenv) or {} }
  for name, value in pairs(settings) do given[name] = value end
  local started, why = process.start("azpec.record.command", settings.lua, function (new)
    given.own_ca_file = new.folder .. "/ca.pem"
    return kind .. " " .. quote(new:write("settings.json", given))
  end)
  if not started then error("azpec.record: " .. why:gsub("\n$", ""), 3) end
  local self = setmetatable(started.facts, class)
  self.process, self.pid, self.sources = started, math.tointeger(self.pid), self.sources or given.sources
  return self
end

-- One request to the server itself.
local function control(self, method, what)
  if self.process.is_closed then error("azpec.record: it is closed", 3) end
  local status, answer = http_client.request(self.endpoint, method, "/_record/" .. what)
  local value = status and json.decode(answer)
  if not value then error("azpec.record: no answer from its process", 3) end
  return value
end

-- Returns a table of azpec.client's options.
local function options_of(self, defaults, more)
  local given = { endpoint = self.tls_endpoint, authority_host = self.tls_endpoint, ca_file = self.ca_file, proxy = "" }
  for _, options in ipairs { defaults, more or {} } do
    for name, value in pairs(options) do given[name] = value end
  end
  return given
end

-- Returns the variables that lead a program to this server: azpec's own, and those of its sources of tokens.
local function environment_of(self)
  local variables = sources.variables(self.sources, self)
  variables.AZPEC_ENDPOINT, variables.AZPEC_AUTHORITY_HOST = self.tls_endpoint, self.tls_endpoint
  variables.AZPEC_CA_FILE, variables.NO_PROXY, variables.no_proxy = self.ca_file, "127.0.0.1", "127.0.0.1"
  return variables
end

-- ---- recording -----------------------------------------------------------------------------------------------------

local recorder = {}
recorder.__index = recorder

-- Starts a recorder and returns it when it listens. settings:
--   file            path of the recording; an older recording there is replaced
--   endpoint        Azure Resource Manager's origin; default: "https://management.azure.com"
--   authority_host  Microsoft Entra ID's origin; default: "https://login.microsoftonline.com"
--   ca_file         file of certificates to trust, for these two; default: the system's
--   proxy           the proxy to reach them by, "http://" or "socks5h://" and "[user:password@]host[:port]"; default:
--                   none, whatever the environment has
--   replace_ids     whether ids and names of resources become placeholders; default: false
--   lua             the command that runs Lua 5.4, for a shell; default: "lua5.4"
function record.start(settings)
  check_table(settings, "start")
  settings = settings or {}
  local given = { endpoint = "https://management.azure.com", authority_host = "https://login.microsoftonline.com" }
  for name, value in pairs(settings) do given[name] = value end
  local started = start("recorder", recorder, given) -- no tail call: errors count its level
  return started
end

-- Returns a table of azpec.client's options, for code that makes its own client: its conversation is recorded. more:
-- further options, which take precedence. The tokens of a sign-in that does not go to the authority host, such as a
-- managed identity's or az's, are counted in the recording's member not_recorded; see environment.
function recorder:options(more)
  check_table(more, "options")
  return options_of(self, {}, more)
end

-- Returns a client of azpec with these options; see options.
function recorder:client(more)
  check_table(more, "client")
  return azpec.client(self:options(more))
end

-- Returns a table of environment variables, for a program that is started with them, such as the command: it talks to
-- the recorder, for tokens of managed identities and pipelines as well. Raises an error for Service Fabric's.
function recorder:environment()
  local _, why = sources.urls(os.getenv)
  if why then fail("%s", why) end
  return environment_of(self)
end

-- Writes the file, and ends the recorder. A recorder that ends otherwise, as with its program, writes the file, too. To
-- close it twice is harmless.
function recorder:close()
  if self.process.is_closed then return end
  local answer = control(self, "POST", "save")
  self.process:close()
  if answer.why then fail("%s", answer.why) end
end

-- An error that ends the block is not replaced by another one.
function recorder:__close(err)
  if err == nil then self:close() else pcall(self.close, self) end
end

-- ---- playing -------------------------------------------------------------------------------------------------------

local player = {}
player.__index = player

-- Starts a player and returns it when it listens. settings:
--   file     path of the recording
--   repeats  whether the last answer to a request is repeated; default: false, one request too many fails
--   now      what player:now() is at the beginning, in seconds since 1970; default: the time of the recording
--   lua      as for start
-- The result has what the recording is about: subscription_id, tenant_id, client_id, connections, a list of ids, and
-- not_recorded, a list of { what, times } if it lacks conversations.
function record.play(settings)
  check_table(settings, "play")
  local started = start("player", player, settings or {})
  return started
end

-- Returns a table of azpec.client's options, for code that makes its own client: it talks to the player. more: further
-- options, which take precedence. It needs no secret: a request for a token succeeds if it did in the recording, and if
-- that has none.
function player:options(more)
  check_table(more, "options")
  local credential = self.client_id and azpec.credential.client_secret { tenant_id = self.tenant_id,
    client_id = self.client_id, client_secret = "none" } or azpec.credential.token { token = "none" }
  return options_of(self, { credential = credential, subscription_id = self.subscription_id, poll_interval = 0.001,
    retry = { base_delay = 0.001 } }, more)
end

-- Returns a client of azpec with these options; see options.
function player:client(more)
  check_table(more, "client")
  return azpec.client(self:options(more))
end

-- Returns a table of environment variables, for a program that is started with them: it talks to the player, for tokens
-- of the recorded managed identities and pipelines as well.
function player:environment()
  local variables = environment_of(self)
  sources.add_needs(variables, self.sources)
  return variables
end

-- The time of the recording at which the latest answer came, in seconds since 1970; answers have it as Date. Give it to
-- what counts ages, such as azpec.rules and azpec.select, and they decide as they did then.
function player:now()
  return control(self, "GET", "state").now
end

-- Returns the names of recorded requests that were not made, and the reasons why requests were refused.
function player:unused()
  local state = control(self, "GET", "state")
  return state.unused, state.refused
end

-- Raises an error if a request was refused, or a recorded one was not made.
function player:check()
  local state = control(self, "GET", "state")
  local lines = table.move(state.refused, 1, #state.refused, 1, {})
  for _, name in ipairs(state.unused) do lines[#lines + 1] = "not made: " .. name end
  if #lines > 0 then fail("%s", table.concat(lines, "\n")) end
end

-- Ends the player. To close it twice is harmless.
function player:close()
  self.process:close()
end

player.__close = player.close

-- ---- comparing -----------------------------------------------------------------------------------------------------

local function read(path)
  local recorded, why = recording.read(path)
  if not recorded then error("azpec.record: " .. why, 3) end
  return recorded
end

-- Compares two recordings, such as those of two api-versions, and returns a list of differences: see
-- azpec.record.compare.
function record.compare(first, second)
  fields.check_argument(first, "path", "azpec.record: bad argument #1 to 'compare'")
  fields.check_argument(second, "path", "azpec.record: bad argument #2 to 'compare'")
  return compare.of(read(first), read(second))
end

return record
