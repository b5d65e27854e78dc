-- What the loopback tests share: the processes they talk to, clients that are watched for secrets, raw HTTP.
-- Nothing sleeps to be in time: a process is ready when its first line has come, gone when its pipe is closed; a
-- request is under way when the emulator or the server says that it has come, and held there until the test lets it
-- go on. A limit only ends what hangs.

local azpec = require "azpec"
local assert = require "luassert"
local cjson = require "cjson"
local cqueues = require "cqueues"
local lfs = require "lfs"
local socket = require "cqueues.socket"

local support = {}

local lua = os.getenv "LUA" or "lua5.4"

-- How much longer everything may take under a tool.
support.patience = ({ valgrind = 20, asan = 4 })[os.getenv "TEST_UNDER" or ""] or 1

-- Seconds after which a call hangs. Nothing is judged by a shorter time.
support.hang = 30 * support.patience

-- The same for a program that a test starts and that makes many calls.
support.life = 4 * support.hang

-- ---- files ---------------------------------------------------------------------------------------------------------

local folder, numbers = nil, 0

local function run(command)
  local pipe <close> = io.popen(command)
  return (pipe:read "a":gsub("\n$", ""))
end

function support.path(name)
  folder = folder or run "mktemp -d"
  return folder .. "/" .. name
end

function support.new_path(name)
  numbers = numbers + 1
  return support.path(name .. numbers)
end

function support.write(path, bytes)
  local file <close> = assert(io.open(path, "wb"))
  file:write(bytes)
  return path
end

function support.read(path)
  local file <close> = io.open(path, "rb")
  return file and file:read "a"
end

function support.quote(text)
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

local quote = support.quote

-- ---- secrets -------------------------------------------------------------------------------------------------------

support.secret = [[e+s/c&r%e=t ~"'<>#?\;:@!$*(){}[]|^`,.-_%41+%20日本ü]]
support.canary = "canary.token.0123456789.ABCDEFGHIJKLMNOP"

local function encoded(text, blank)
  text = text:gsub("[^%w._~-]", function (c) return ("%%%02X"):format(c:byte()) end)
  return (text:gsub("%%20", blank))
end

local secrets = {
  support.secret, encoded(support.secret, "%%20"), encoded(support.secret, "+"), support.canary,
  (cjson.encode(support.secret):sub(2, -2)),
}

-- The emulator's: opaque ones, and JSON Web Tokens, whole or cut off at either end.
local tokens = { "emulator[.-]%x%x%x%x%x%x%x%x", "eyJ[%w_-]+%.eyJ", "eyJhbGci" }

local function deep(value, out, seen)
  if type(value) ~= "table" then
    out[#out + 1] = tostring(value)
  elseif not seen[value] then
    seen[value] = true
    for name, item in pairs(value) do
      deep(name, out, seen)
      deep(item, out, seen)
    end
  end
  return out
end

-- All that a value says, to be searched.
function support.text_of(value)
  return table.concat(deep(value, {}, {}), "\n")
end

function support.has_no_secret(value, what)
  local text = type(value) == "string" and value or tostring(value) .. "\n" .. support.text_of(value)
  for _, secret in ipairs(secrets) do
    assert(not text:find(secret, 1, true), "a secret stands in " .. what .. ": " .. text)
  end
  for _, pattern in ipairs(tokens) do
    assert(not text:find(pattern), "a token stands in " .. what .. ": " .. text)
  end
  assert(not text:lower():find("bearer ca", 1, true), "a token stands in " .. what .. ": " .. text)
end

-- ---- events --------------------------------------------------------------------------------------------------------

local function moment() cqueues.sleep(0.005) end

-- Waits until done() is true, and returns what it gave; `step` is called in between, by default a moment passes. Fails
-- when that hangs. For what tells nobody that it has come: files, processes, the emulator's log.
function support.await(what, done, step)
  local limit = cqueues.monotime() + support.hang
  while true do
    local value = done()
    if value then return value end
    assert(cqueues.monotime() < limit, what .. ": waited in vain")
    local pause = step or moment
    pause()
  end
end

-- ---- raw HTTP ------------------------------------------------------------------------------------------------------

support.http = require "azpec.emulator.http_client".request

-- ---- processes -----------------------------------------------------------------------------------------------------

local running = {} -- what tidy (per test) and close (per file) have to stop

local process = {}
process.__index = process

-- Starts a program that writes one line of JSON when it is ready and ends when its stdin closes.
local function start(command, scope)
  local fifo, errors = support.new_path "ready", support.new_path "stderr"
  assert(os.execute("mkfifo -m 600 " .. quote(fifo)))
  local pipe = assert(io.popen(("exec env -u LD_PRELOAD %s >%s 2>%s"):format(
    command, quote(fifo), quote(errors)), "w"))
  local ready <close> = assert(io.open(fifo))
  local line = ready:read "l"
  if not line then
    pipe:close()
    error("did not start: " .. command .. "\n" .. (support.read(errors) or ""))
  end
  local self = setmetatable(cjson.decode(line), process)
  self.pipe, self.errors = pipe, errors
  running[self] = scope
  return self
end

-- The same for a test's own program.
function support.start(command) return start(command, "test") end

-- Ends it by a signal; its exit status.
function process:stop()
  if not self.pipe then return self.status end
  os.execute(("kill -TERM %d 2>/dev/null"):format(self.pid))
  local _, _, status = self.pipe:close()
  self.pipe, self.status = nil, status
  running[self] = nil
  return status
end

-- At the end of its test.
process.retire = process.stop

-- Starts a program by its own rules. `ready` is a text of the line by which it says that it is ready; the result's
-- `ready` is that line. scope "file": it serves all tests of the file.
function support.daemon(command, ready, scope)
  local pipe = assert(io.popen(("exec env -u LD_PRELOAD sh -c 'echo $$; exec %s' 2>&1"):format(
    (command:gsub("'", "'\\''")))))
  local self = setmetatable({ pid = pipe:read "n", pipe = pipe }, process)
  running[self] = scope or "test"
  local said = {}
  for line in pipe:lines() do
    said[#said + 1] = line
    if line:find(ready, 1, true) then
      self.ready = line
      return self
    end
  end
  self:stop()
  return nil, table.concat(said, "\n")
end

-- Reads what it says until a line holds the text; all of it.
function process:read_until(text)
  local said = {}
  for line in self.pipe:lines() do
    said[#said + 1] = line
    if line:find(text, 1, true) then break end
  end
  return table.concat(said, "\n")
end

-- Where a program is; nil: not installed.
function support.program(name)
  local found = run("PATH=$PATH:/usr/sbin:/sbin command -v " .. name)
  return found ~= "" and found or nil
end

local kept = {} -- the ends of connections, until the file's end

-- A port on which nobody listens until the test does. An open connection that was accepted there keeps the system from
-- giving the port to another test program meanwhile.
function support.free_port()
  local listener = socket.listen { host = "127.0.0.1", port = 0 }
  listener:listen(5)
  local _, _, port = listener:localname()
  local near = socket.connect { host = "127.0.0.1", port = port }
  assert(near:connect(support.hang))
  kept[#kept + 1] = near
  kept[#kept + 1] = assert(listener:accept(support.hang))
  listener:close()
  return port
end

-- ---- clients -------------------------------------------------------------------------------------------------------

local clients, events = {}, {}

local function merged(...)
  local result = {}
  for _, t in ipairs { ... } do
    for name, value in pairs(t) do result[name] = value end
  end
  return result
end

support.merged = merged

-- Like pairs, in the names' order: tests keep their numbers.
function support.each(t)
  local names, n = {}, 0
  for name in pairs(t) do names[#names + 1] = name end
  table.sort(names)
  return function ()
    n = n + 1
    return names[n], t[names[n]]
  end
end

local function watched(options)
  local mine, theirs = {}, options.on_event
  if theirs == nil then
    options.on_event = function (event)
      mine[#mine + 1] = event
      events[#events + 1] = event
    end
  end
  options.on_event = options.on_event or nil
  local client = azpec.client(options)
  clients[#clients + 1] = client
  return client, mine
end

-- A client with a ready token, and the list of its events.
function support.client(options)
  return watched(merged({ credential = azpec.credential.token { token = support.canary } }, options))
end

local quick = { poll_interval = 0.02, timeout = support.hang,
  retry = { max_tries = 4, base_delay = 0.01, max_delay = 2 } }

-- A call's table for the connection named by an id.
function support.call(id, more)
  return merged({ id = id }, more or {})
end

-- ---- the emulator --------------------------------------------------------------------------------------------------

local sample = "testprivateEndpointConnection5.24d6b4b5-e65c-4330-bbe9-3a290d62f8e0"

support.sample_name = sample

local function state(options)
  local many = {}
  for n = 1, 64 do
    many[n] = { name = ("many%02d.5a7e0001-91c4-4d2b-8f36-70b1e2c3%04x"):format(n, n), status = "Pending" }
  end
  return {
    tenant_id = "8d5d7f62-54e8-4c0b-a3d1-5b6f2f3c9e01", client_id = "b1e0c6a4-2f75-4a39-8d0e-6c1f7a9b3d22",
    client_secret = support.secret, subscription_id = "3f1c2a54-6a1e-4b7d-9c55-0e8d1b2a7f10",
    options = merged({ operation_polls = 2, retry_after = "none", poll_answer = "resource" }, options or {}),
    accounts = {
      { account_name = "sampleacct", resource_group_name = "default-azurebatch-japaneast", connections = {
          { name = sample, status = "Pending", description = "Please approve", etag = 'W/"0x8D4EDFEBFADF4AB"' },
        } },
      { account_name = "manyacct", resource_group_name = "rg-contoso-prod", connections = many },
      { account_name = "tokyobatch", resource_group_name = "検証-バッチ(東京)", connections = {
          { name = "kaihatsu.5a7e001f-91c4-4d2b-8f36-70b1e2c3b7bc", status = "Pending", description = "承認" },
        } },
    },
  }
end

-- azpec.emulator's methods, of a process that this file starts.
local emulator = setmetatable({}, { __index = merged(require "azpec.emulator", process) })
emulator.__index, emulator.__gc, emulator.__close = emulator, nil, nil

-- The emulator for the tests of one file: `options` are those of its state, `more` goes onto its command line.
function support.emulator(options, more)
  local given = state(options)
  local spec = support.write(support.new_path "state" .. ".json", cjson.encode(given))
  local ca = support.new_path "ca" .. ".pem"
  local self = start(("%s scripts/emulator.lua --control --exit-with-stdin --state %s --ca-file %s %s"):format(
    lua, quote(spec), quote(ca), more or ""), "file")
  setmetatable(self, emulator)
  self.given = given
  self.sample, self.many = self.connections[1], {}
  for n = 1, 64 do self.many[n] = self.connections[n + 1] end
  self.tokyo = self.connections[66]
  return self
end

-- The state it was started with, to be changed and put back by control.
function emulator:state() return cjson.decode(cjson.encode(self.given)) end

function emulator:faults(list) self:control("PUT", "faults", list) end

-- Whether so many requests have met a fault. Those of { hold = true } wait there until the test says release().
function emulator:has_met(count)
  local met = 0
  for _, rule in ipairs(self:control("GET", "faults")) do met = met + rule.seen end
  return met >= count
end

-- Ends all faults; what they hold goes on.
function emulator:release() self:control("DELETE", "faults") end

-- The requests of the kinds wanted (none named: all but our own to control), in order.
function emulator:log(...)
  local wanted, found = {}, {}
  for _, kind in ipairs { ... } do wanted[kind] = true end
  local all = not next(wanted)
  for _, entry in ipairs(self:control("GET", "log")) do
    if wanted[entry.kind] or all and entry.kind ~= "control" then found[#found + 1] = entry end
  end
  return found
end

-- "token update poll": what was asked, in order.
function emulator:kinds()
  local kinds = {}
  for n, entry in ipairs(self:log()) do kinds[n] = entry.kind end
  return table.concat(kinds, " ")
end

-- How many TCP connections the requests in the log came over.
function emulator:connection_count()
  local seen, count = {}, 0
  for _, entry in ipairs(self:log()) do
    if not seen[entry.connection] then seen[entry.connection], count = true, count + 1 end
  end
  return count
end

-- The connection as the service has it.
function emulator:connection(id)
  for _, account in ipairs(self:control("GET", "state").accounts) do
    for _, connection in ipairs(account.connections) do
      local fits = id:sub(-#connection.name) == connection.name and id:find(account.account_name, 1, true)
      if fits then return connection end
    end
  end
end

function emulator:credential(more)
  return azpec.credential.client_secret(merged({
    tenant_id = self.tenant_id, client_id = self.client_id, client_secret = support.secret }, more or {}))
end

-- The fields that a client of this emulator needs; tls: by HTTPS.
function emulator:fields(tls)
  local endpoint = tls and self.tls_endpoint or self.endpoint
  return merged(quick, { endpoint = endpoint, authority_host = endpoint, ca_file = self.ca_file,
    subscription_id = self.subscription_id })
end

-- A client, and the list of its events. more.tls: by HTTPS; more.on_event = false: without events.
function emulator:client(more)
  more = more or {}
  local fields = merged(self:fields(more.tls), { credential = self:credential() }, more)
  fields.tls = nil
  return watched(fields)
end

-- ---- the raw server ------------------------------------------------------------------------------------------------

local server = setmetatable({}, { __index = process })
server.__index = server

local spare = { plain = {}, tls = {} } -- servers of earlier tests of the file

local function start_server(rules, requests, kind)
  local file = support.write(support.new_path "rules", cjson.encode(rules))
  local self = start(("%s tests/loopback/server.lua %s %s %s"):format(lua, quote(file), quote(requests), kind), "test")
  self.kind = kind
  return setmetatable(self, server)
end

-- A server that does what no emulator should; see server.lua for its rules. tls: over HTTPS. It serves one test; then
-- its process serves another one, with none of the connections and requests of the first.
function support.server(rules, tls)
  local kind = tls and "tls" or "plain"
  local requests, self = support.new_path "requests", table.remove(spare[kind])
  assert(lfs.mkdir(requests))
  if self then
    local given = cjson.encode { rules = rules, folder = requests }
    assert.equal(200, (support.http(self.control, "POST", "/_again", given)))
    running[self] = "test"
  else
    self = start_server(rules, requests, kind)
  end
  self.folder, self.ca_file = requests, tls and requests .. "/ca.pem"
  return self
end

-- Keeps its process for the next test of the file that wants such a server.
function server:retire()
  running[self] = "file"
  local list = spare[self.kind]
  list[#list + 1] = self
end

local function parsed(bytes)
  local head, body = bytes:match "^(.-)\r\n\r\n(.*)$"
  local line, rest = head:match "^([^\r]*)\r?\n?(.*)$"
  local request = { bytes = bytes, line = line, body = body, headers = {}, names = {} }
  request.method, request.target = line:match "^(%S+) (%S+)"
  for name, value in rest:gmatch "([^\r\n:]+): ?([^\r\n]*)" do
    request.headers[name:lower()] = value
    request.names[#request.names + 1] = name:lower()
  end
  table.sort(request.names)
  return request
end

-- What came so far: {bytes, line, method, target, headers, names, body} each.
function server:requests()
  local list = {}
  for n = 1, math.huge do
    local bytes = support.read(self.folder .. "/" .. n)
    if not bytes then return list end
    list[n] = parsed(bytes)
  end
end

-- Waits until so many requests have come.
function server:wait(count)
  assert.equal(200, (support.http(self.control, "POST", "/_seen", tostring(count))))
  return self:requests()
end

-- Writes bytes to every idle connection, as no server should.
function server:unasked(bytes)
  assert.equal(200, (support.http(self.control, "POST", "/_unasked", bytes)))
end

-- Closes every idle connection, as any server may.
function server:shut()
  assert.equal(200, (support.http(self.control, "POST", "/_shut")))
end

function server:connection_count()
  return select(2, (support.read(self.folder .. "/connections") or ""):gsub("\n", ""))
end

function server:fields()
  return merged(quick, { endpoint = self.endpoint, authority_host = self.endpoint, ca_file = self.ca_file or nil,
    subscription_id = "3f1c2a54-6a1e-4b7d-9c55-0e8d1b2a7f10" })
end

-- A client with a ready token, and the list of its events.
function server:client(more)
  return watched(merged(self:fields(), { credential = azpec.credential.token { token = support.canary } },
    more or {}))
end

support.id = "/subscriptions/3f1c2a54-6a1e-4b7d-9c55-0e8d1b2a7f10/resourceGroups/rg/providers/Microsoft.Batch"
  .. "/batchAccounts/acct/privateEndpointConnections/pec.24d6b4b5-e65c-4330-bbe9-3a290d62f8e0"

local json_type = "Content-Type: application/json; charset=utf-8"

support.json_type = json_type

-- A connection's JSON as a service would send it; more: members of properties.
function support.connection_json(status, more)
  return cjson.encode {
    id = support.id, name = support.id:match "[^/]*$",
    type = "Microsoft.Batch/batchAccounts/privateEndpointConnections",
    etag = 'W/"0x1"', properties = merged({ provisioningState = "Succeeded",
      privateLinkServiceConnectionState = { status = status or "Approved" } }, more or {}),
  }
end

-- ---- other processes -----------------------------------------------------------------------------------------------

local function assignments(env)
  local parts = {}
  for name, value in pairs(env or {}) do parts[#parts + 1] = quote(name .. "=" .. value) end
  return table.concat(parts, " ")
end

-- The command that runs Lua code in a process of its own, with `given` (JSON values) as its argument.
function support.command(code, given, env)
  local head = "local given = require 'cjson'.decode(arg[1]); local azpec = require 'azpec'\n"
  local file = support.write(support.new_path "child" .. ".lua", head .. code)
  return ("env %s timeout -k 1 %d %s %s %s"):format(assignments(env), support.life, lua,
    quote(file), quote(cjson.encode(given or {})))
end

-- Runs it to its end; what it printed (searched for secrets).
function support.child(code, given, env)
  local output = run(support.command(code, given, env) .. " 2>&1 </dev/null")
  support.has_no_secret(output, "a process's output")
  return output
end

-- ---- judging -------------------------------------------------------------------------------------------------------

-- nil and an error of that kind; message: the whole text, or a pattern when it begins with "^".
function support.fails(kind, message, value, err)
  assert.is_nil(value)
  assert.is_table(err)
  support.has_no_secret(err, "an error")
  assert.equal(kind .. ": " .. err.message, err.kind .. ": " .. err.message)
  if message:sub(1, 1) == "^" then
    assert(err.message:find(message), ("%q\ndoes not match\n%q"):format(err.message, message))
  else
    assert.equal(message, err.message)
  end
  return err
end

-- Calls; the seconds that took, then what came back. Fails when the call hangs.
function support.timed(call, ...)
  local begun = cqueues.monotime()
  local results = table.pack(call(...))
  local took = cqueues.monotime() - begun
  assert(took < support.hang, ("it took %.2f s"):format(took))
  return took, table.unpack(results, 1, results.n)
end

-- After each test: nothing of it stays, and nothing it was told held a secret.
function support.tidy()
  for _, client in ipairs(clients) do client:close() end
  local told = events
  clients, events = {}, {}
  for one, scope in pairs(running) do
    if scope == "test" then one:retire() end
  end
  for _, event in ipairs(told) do support.has_no_secret(event, "an event") end
end

-- After all tests of a file.
function support.close()
  for one in pairs(running) do one:stop() end
  spare = { plain = {}, tls = {} }
  for _, sock in ipairs(kept) do sock:close() end
  kept = {}
  if folder then assert(os.execute("rm -rf " .. quote(folder))) end
  folder = nil
end

return support
