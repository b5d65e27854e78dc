-- azpec.emulator -- starts the emulator for a Lua program's tests, as a process of its own, and controls it.
--
--   local emulator <close> = require "azpec.emulator".start { options = { operation_polls = 1, retry_after = "none" } }
--   local id = emulator:arrive { description = "ticket 4711" }
--   assert(emulator:client():update { id = id, status = "Approved" })
--
-- The process ends when the emulator is closed or collected, and when this program ends, by whatever cause: its
-- standard input is a pipe from here. Its files lie in a folder of their own, which is removed with it. All functions
-- raise errors, with "azpec.emulator: " before the reason. They wait by cqueues: in a coroutine of a cqueues loop,
-- others run.

local azpec = require "azpec"
local check_fields = require "azpec.fields".check
local http_client = require "azpec.emulator.http_client"
local json = require "azpec.json"
local process = require "azpec.emulator.process"
local quote = require "azpec.text".shell
local routes = require "azpec.emulator.routes"
local sample = require "azpec.emulator.sample"

local emulator = {}
emulator.__index = emulator

local function fail(format, ...)
  error("azpec.emulator: " .. format:format(...), 3)
end

-- Checks an argument of a public function, for its caller. wanted: types, such as "table nil".
local function check_argument(value, wanted, number, name)
  if wanted:find(type(value), 1, true) then return end
  error(("azpec.emulator: bad argument #%d to '%s' (%s expected, got %s)"):format(number, name, wanted:match "^%a+",
    type(value)), 3)
end

-- ---- the process ---------------------------------------------------------------------------------------------------

-- Returns the words of the command line: the options, and the files that they name.
local function words_of(settings, started)
  local words = { "--control --exit-with-stdin", "--ca-file", quote(started.folder .. "/ca.pem") }
  local function add(option, value)
    words[#words + 1] = option .. " " .. value
  end
  if settings.state then add("--state", quote(started:write("state.json", settings.state))) end
  for name, value in pairs(settings.options or {}) do add("--option", quote(("%s=%s"):format(name, value))) end
  if settings.log then add("--log", quote(settings.log)) end
  return table.concat(words, " ")
end

local known = { state = "table", options = "table", faults = "table", log = "path", lua = "command" }

-- One request to /_emulator/. Returns why it failed, or nil and what the answer has, if it has something.
local function exchange(self, method, what, body)
  if self.is_closed then return "it is closed" end
  local status, answer = http_client.request(self.endpoint, method, "/_emulator/" .. what, body and json.encode(body))
  if not status then return "no answer from " .. self.endpoint end
  local value = answer ~= "" and json.decode(answer) or nil
  if status >= 300 then return value and value.error and value.error.message or answer end
  return nil, value
end

-- The same for a public function. Errors are its caller's: so do not call it by a tail call.
local function ask(self, method, what, body)
  local why, value = exchange(self, method, what, body)
  if why then error("azpec.emulator: " .. why, 3) end
  return value
end

-- Starts an emulator and returns it when it listens. settings (all optional):
--   state    table, a state file's; default: the sample
--   options  table, as --option takes them: { operation_polls = 1, ["sampleacct:retry_after"] = 0 }
--   faults   list of rules, a fault file's
--   log      path of the file that gets a line of JSON for each request
--   lua      the command that runs Lua 5.4, for a shell; default "lua5.4"
-- The result has the fields that the emulator prints (endpoint, tls_endpoint, ca_file, tenant_id, client_id,
-- subscription_id, connections, pid) and client_secret.
function emulator.start(settings)
  check_argument(settings, "table nil", 1, "start")
  settings = settings or {}
  check_fields(settings, known, 2, "azpec.emulator: ")
  local started, why = process.start("azpec.emulator.command", settings.lua, function (new)
    return words_of(settings, new)
  end)
  if not started then fail("%s", why) end
  local self = setmetatable(started.facts, emulator)
  self.process, self.pid = started, math.tointeger(self.pid)
  self.client_secret = settings.state and settings.state.client_secret or sample().client_secret
  local ok, refused = pcall(exchange, self, "PUT", "faults", settings.faults or {})
  if ok and not refused then return self end
  started:close()
  if not ok then error(refused, 0) end
  fail("%s", refused)
end

-- Ends the emulator. To close it twice is harmless.
function emulator:close()
  self.is_closed = true
  self.process:close()
end

emulator.__close = emulator.close

-- ---- its control ---------------------------------------------------------------------------------------------------

-- One request to /_emulator/, with a table as its body or without one; returns what the answer has, or nil.
function emulator:control(method, what, body)
  check_argument(method, "string", 1, "control")
  check_argument(what, "string", 2, "control")
  check_argument(body, "table nil", 3, "control")
  return (ask(self, method, what, body))
end

-- Returns a table of azpec.client's options, for code that makes its own client: it signs in to this emulator, and
-- polls every 0.1 s, the shortest interval, where the answers have no Retry-After (the emulator's option retry_after =
-- "none"). more: further options, which take precedence.
function emulator:options(more)
  check_argument(more, "table nil", 1, "options")
  local given = { endpoint = self.tls_endpoint, authority_host = self.tls_endpoint, ca_file = self.ca_file, proxy = "",
    poll_interval = 0.1, subscription_id = self.subscription_id,
    credential = azpec.credential.client_secret { tenant_id = self.tenant_id, client_id = self.client_id,
      client_secret = self.client_secret } }
  for name, value in pairs(more or {}) do given[name] = value end
  return given
end

-- Returns a client of azpec with these options; see options.
function emulator:client(more)
  check_argument(more, "table nil", 1, "client")
  return azpec.client(self:options(more))
end

-- One more connection appears, as a new private endpoint makes it; returns its id. fields: those of a connection in a
-- state file, and account_name, resource_group_name, subscription_id; default: a Pending one at the first account.
function emulator:arrive(fields)
  check_argument(fields, "table nil", 1, "arrive")
  return ask(self, "POST", "connections", fields or {}).id
end

local of_the_match = { method = true, path = true, plain = true, kind = true, tls = true, nth = true, times = true }

-- Adds a fault. fields: which requests, by the names of a rule's match (kind, method, path, plain, tls, nth, times;
-- default: every request), `name`, and the rule's action: { kind = "update", times = 2, status = 503 }.
function emulator:fail(fields)
  check_argument(fields, "table", 1, "fail")
  local rule = { match = {}, action = {} }
  for name, value in pairs(fields) do
    if name == "name" then rule.name = value
    elseif of_the_match[name] then rule.match[name] = value
    else rule.action[name] = value end
  end
  ask(self, "POST", "faults", { rule })
end

-- Removes all faults. What they hold is answered.
function emulator:heal()
  ask(self, "DELETE", "faults")
end

-- Returns the latest requests, oldest first: method, target, kind, status, body, headers ... as in the log. kind: only
-- those of that kind.
function emulator:requests(kind)
  check_argument(kind, "string nil", 1, "requests")
  local why = kind ~= nil and routes.complaint(kind)
  if why then error("azpec.emulator: " .. why, 2) end
  local list = {}
  for _, entry in ipairs(ask(self, "GET", "log")) do
    for name, value in pairs(entry) do entry[name] = type(value) == "number" and math.tointeger(value) or value end
    if entry.kind == kind or not kind and entry.kind ~= "control" then list[#list + 1] = entry end
  end
  return list
end

-- Moves the emulator's clock: operations end, tokens expire, connections get older.
function emulator:advance(seconds)
  check_argument(seconds, "number", 1, "advance")
  ask(self, "POST", "clock", { advance = seconds })
end

-- Sets options, as emulator.start takes them.
function emulator:set(options)
  check_argument(options, "table", 1, "set")
  ask(self, "PATCH", "options", options)
end

-- Returns the state, as a state file has it; with a table, replaces the state. What state() returned can be given back.
function emulator:state(state)
  check_argument(state, "table nil", 1, "state")
  if state then return (ask(self, "PUT", "state", state)) end
  return (ask(self, "GET", "state"))
end

-- Makes all as it was at the start: clock, state, options, no faults, an empty log.
function emulator:reset()
  for _, what in ipairs { "faults", "options", "clock", "state", "log" } do ask(self, "DELETE", what) end
end

return emulator
