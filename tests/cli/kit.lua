-- What the tests of the command share: it runs as a process, and what it says and returns is looked at.

local assert = require "luassert"
local busted = require "busted"
local cjson = require "cjson"
local support = require "loopback.support"

local kit = {}

local quote = support.quote
local program = "scripts/bin/azpec"

-- The environment of a person who works with that emulator.
function kit.environment(emulator)
  return { AZURE_TENANT_ID = emulator.tenant_id, AZURE_CLIENT_ID = emulator.client_id,
    AZURE_CLIENT_SECRET = support.secret, AZURE_SUBSCRIPTION_ID = emulator.subscription_id }
end

-- The options that name the emulator.
function kit.address(emulator)
  return ("--endpoint %s --authority-host %s --interval 0.02"):format(emulator.endpoint, emulator.endpoint)
end

local function assignments(env)
  local parts = {}
  for name, value in support.each(env or {}) do parts[#parts + 1] = quote(name .. "=" .. value) end
  return table.concat(parts, " ")
end

local forgotten = " -u CI -u NO_COLOR -u COLUMNS -u TERM"
for _, name in ipairs { "SUBSCRIPTION_ID", "TENANT_ID", "CLIENT_ID", "CLIENT_SECRET", "ACCESS_TOKEN" } do
  forgotten = forgotten .. " -u AZURE_" .. name
end
for _, name in ipairs { "CLOUD", "ENDPOINT", "AUTHORITY_HOST", "CA_FILE", "API_VERSION", "OUTPUT", "TOKEN_CACHE" } do
  forgotten = forgotten .. " -u AZPEC_" .. name
end

-- The shell command that runs azpec; line: its arguments as the shell reads them.
function kit.command(line, env)
  return ("env%s %s timeout -k 1 %d %s %s"):format(forgotten, assignments(env), support.life, program, line)
end

-- Runs azpec to its end: { code, out, err }, searched for secrets. more: env, stdin (a text), redirect (in place of
-- what catches stdout), closing (further redirections, as "2>&-").
function kit.run(line, more)
  more = more or {}
  local out, err, input = support.new_path "out", support.new_path "err", "/dev/null"
  if more.stdin then input = support.write(support.new_path "in", more.stdin) end
  local redirect = more.redirect or (">" .. quote(out))
  local _, _, code = os.execute(("%s <%s %s 2>%s %s"):format(kit.command(line, more.env), quote(input), redirect,
    quote(err), more.closing or ""))
  local result = { code = code, out = support.read(out) or "", err = support.read(err) or "" }
  support.has_no_secret(result.out, "stdout")
  support.has_no_secret(result.err, "stderr")
  return result
end

-- ---- while it runs --------------------------------------------------------------------------------------------------

local running = {}
running.__index = running

-- Opens what it says, which comes by way of a fifo.
local function listen(self, command, mode)
  assert(os.execute("mkfifo " .. quote(self.fifo)))
  self.pipe = assert(io.popen(command, mode))
  self.says = assert(io.open(self.fifo))
  self.said = {}
  return setmetatable(self, running)
end

-- Starts azpec; what it writes to stderr can be read while it runs, its stdout when it has ended. more.before: what the
-- shell does first. more.signals: what env does to signals, of which the shell ignores some for a background job.
function kit.start(line, more)
  local self = { fifo = support.new_path "says", out = support.new_path "out" }
  local shell = ("%sexec env %s%s %s %s %s </dev/null >%s 2>%s"):format(more.before or "",
    more.signals or "--default-signal=INT,QUIT", forgotten, assignments(more.env), program, line, quote(self.out),
    quote(self.fifo))
  return listen(self, ("(%s) & echo $!; wait $!; echo $?"):format(shell), "r")
end

-- The shell command that runs a command of the shell's on a terminal of its own, and ends it at last. The command takes
-- its shell's place, whichever SHELL is: below a shell that stays, timeout would put it where no key arrives.
function kit.in_terminal(command)
  return ("SHELL=/bin/sh timeout -k 1 %d script -qefc %s /dev/null"):format(support.life, quote(command))
end

-- Starts a command on a terminal of its own; self:type sends keys.
function kit.on_terminal(command)
  local self = { fifo = support.new_path "says" }
  return listen(self, ("exec env %s >%s"):format(kit.in_terminal("exec " .. command), quote(self.fifo)), "w")
end

function running:type(keys)
  self.pipe:write(keys)
  self.pipe:flush()
end

-- Reads what it says until a line holds the text; that line.
function running:read_until(text)
  for line in self.says:lines() do
    self.said[#self.said + 1] = line
    if line:find(text, 1, true) then return line end
  end
  error("it never said '" .. text .. "' but:\n" .. table.concat(self.said, "\n"), 2)
end

-- Reads what it says, also within a line, until a Lua pattern fits the last of it. Returns that.
function running:read_some(pattern)
  local said = ""
  repeat
    local char = self.says:read(1) or error("it never said '" .. pattern .. "' but:\n" .. said, 2)
    said = said .. char
  until said:find(pattern .. "$")
  self.said[#self.said + 1] = said
  return said
end

-- Types the answer to a question, once it is asked: what was typed before is no answer.
function running:answer(keys)
  self:read_some "%[y/N%] "
  self:type(keys)
end

function running:signal(name)
  self.pid = self.pid or self.pipe:read "n"
  assert(os.execute(("kill -%s %d"):format(name, self.pid)))
end

-- Waits for its end: { code, out, err }; on a terminal err is all that was shown.
function running:finish()
  for line in self.says:lines() do self.said[#self.said + 1] = line end
  self.says:close()
  local err, code = table.concat(self.said, "\n") .. "\n"
  if self.out then
    self.pid = self.pid or self.pipe:read "n"
    code = math.tointeger(self.pipe:read "n")
    self.pipe:close()
  else
    code = select(3, self.pipe:close())
  end
  local out = self.out and support.read(self.out) or ""
  support.has_no_secret(out, "stdout")
  support.has_no_secret(err, "stderr")
  return { code = code, out = out, err = err }
end

-- Runs what a person would paste into a shell; azpec is on its PATH.
function kit.shell(text, more)
  local file = support.write(support.new_path "pasted", text .. "\n")
  local out, err = support.new_path "out", support.new_path "err"
  local _, _, code = os.execute(("env%s %s PATH=%s:$PATH timeout -k 1 %d sh %s </dev/null >%s 2>%s"):format(forgotten,
    assignments(more.env), quote(program:match "^(.*)/"), support.life, quote(file), quote(out), quote(err)))
  local result = { code = code, out = support.read(out), err = support.read(err) }
  support.has_no_secret(result.out, "stdout")
  support.has_no_secret(result.err, "stderr")
  return result
end

-- A function that runs azpec against the emulator: azpec("list", "-o json", more).
function kit.against(emulator, env)
  return function (verb, line, more)
    more = support.merged({ env = support.merged(kit.environment(emulator), env or {}) }, more or {})
    return kit.run(("%s %s %s"):format(verb, kit.address(emulator), line or ""), more)
  end
end

-- What a file's tests share: an emulator, as at its start for each of them, and azpec against it; options: as
-- support.emulator's. Both are there when the first test begins.
function kit.stage(options)
  local emulator = {}
  busted.setup(function ()
    local made = support.emulator(options)
    setmetatable(emulator, getmetatable(made))
    for name, value in pairs(made) do emulator[name] = value end
  end)
  busted.before_each(function () emulator:reset() end)
  busted.after_each(support.tidy)
  busted.teardown(support.close)
  return emulator, function (...) return kit.against(emulator)(...) end
end

-- Fails with all that is known unless the exit code is that.
function kit.ended(code, result)
  if result.code ~= code then
    error(("exit code %s, not %d\nstdout: %s\nstderr: %s"):format(result.code, code, result.out, result.err), 2)
  end
  return result
end

-- ---- JSON against a schema -----------------------------------------------------------------------------------------

-- A schema: a type's name ("string", "number", "boolean", "any"); a list of one schema, for a list of such; a table of
-- members, a name ending in "?" being optional; members = "open" allows others. A string "=..." is that very value.
local check

local function check_object(schema, value, path)
  assert.equal("table", type(value), path)
  local known = {}
  for name, rule in pairs(schema) do
    local bare, optional = name:match "^(.-)(%??)$"
    known[bare] = true
    if value[bare] ~= nil then
      if bare ~= "open" then check(rule, value[bare], path .. "." .. bare) end
    elseif bare ~= "open" then
      assert(optional == "?", path .. "." .. bare .. " is missing")
    end
  end
  for name in pairs(value) do
    assert(schema.open or known[name], ("%s.%s is not in the schema"):format(path, name))
  end
end

function check(schema, value, path)
  if type(schema) == "string" then
    if schema:sub(1, 1) == "=" then
      local text = type(value) == "number" and ("%.14g"):format(value) or tostring(value)
      return assert.equal(schema:sub(2), text, path)
    end
    if schema ~= "any" then assert.equal(schema, type(value), path) end
  elseif schema[1] then
    assert.equal("table", type(value), path)
    for n, item in ipairs(value) do check(schema[1], item, ("%s[%d]"):format(path, n)) end
  else
    check_object(schema, value, path)
  end
end

-- Decodes a JSON text and checks it; its value.
function kit.json(text, schema)
  local ok, value = pcall(cjson.decode, text)
  assert(ok, ("no JSON: %s\n%s"):format(value, text))
  check(schema, value, "$")
  return value
end

-- A row of `list` and `show`.
kit.connection_row = {
  id = "string", name = "string", base_name = "string", subscription_id = "string", resource_group_name = "string",
  account_name = "string", status = "string", ["description?"] = "string", ["etag?"] = "string",
  provisioning_state = "string", group_ids = { "string" }, ["private_endpoint?"] = "string",
  ["private_endpoint_name?"] = "string", ["private_endpoint_resource_group?"] = "string",
  ["private_endpoint_subscription?"] = "string", ["created_at?"] = "string", ["age?"] = "string",
  ["created_by?"] = "string", ["can?"] = { "string" },
  connection = { id = "string", name = "string", properties = { open = true }, open = true },
}

-- The totals of a listing: accounts that could be read, others, and the verb's own counts.
function kit.totals(own)
  return support.merged({ accounts = "number", unreadable = "number", unreadable_subscriptions = "number" }, own)
end

-- Connections by status.
kit.counts = { connections = "number", pending = "number", approved = "number", rejected = "number",
  disconnected = "number", other = "number" }

kit.connections = { schema_version = "=1", complete = "boolean", ["accounts_from?"] = "string", read_at = "string",
  totals = kit.totals(kit.counts),
  connections = { kit.connection_row } }

-- The envelope of `show`.
kit.shown = { schema_version = "=1", complete = "boolean", ["accounts_from?"] = "string",
  connections = { kit.connection_row } }

local error_facts = { kind = "string", message = "string", open = true }

-- A row of `approve`, `reject`, `delete`.
kit.result_row = {
  id = "string", name = "string", subscription_id = "string", resource_group_name = "string", account_name = "string",
  result = "string", ["before?"] = "string", ["after?"] = "string", ["description?"] = "string", ["etag?"] = "string",
  ["action?"] = "string", ["new_description?"] = "string", ["private_endpoint?"] = "string",
  ["rule?"] = "string", ["reason?"] = "string", ["why?"] = "string", ["resumed?"] = "boolean",
  ["unmatched?"] = { { rule = "string", line = "number", why = "string" } },
  ["request_id?"] = "string", ["correlation_id?"] = "string", ["error?"] = error_facts, ["error_message?"] = "string",
  ["continuation_token?"] = "string",
}

-- A row of `plan`, and of `auto` without --apply.
kit.decision_row = { id = "string", name = "string", subscription_id = "string", resource_group_name = "string",
  account_name = "string", action = "string", result = "string", before = "string", after = "string",
  ["rule?"] = "string", reason = "string", etag = "string", ["description?"] = "string", private_endpoint = "string",
  ["unmatched?"] = { { rule = "string", line = "number", why = "string" } } }

kit.results = { schema_version = "=1", complete = "boolean", ["accounts_from?"] = "string",
  results = { kit.result_row }, ["errors?"] = { error_facts } }

-- What is written to stderr when JSON was asked for.
kit.failure = { schema_version = "=1", exit_code = "number", error = error_facts, ["errors?"] = { error_facts },
  ["notes?"] = { "string" },
  ["continuation_tokens?"] = { "string" }, ["resume?"] = "string",
  ["results?"] = { { id = "string", result = "string", open = true } } }

-- ---- the documents --------------------------------------------------------------------------------------------------

-- Lets an emulator play the sample that the documents speak of, without its waits. actions (or nil): all that the
-- identity may do.
function kit.play_sample(emulator, actions)
  local state = require "azpec.emulator.sample" ()
  state.permissions = actions and { { actions = actions } } or nil
  state.client_secret = support.secret
  for _, account in ipairs(state.accounts) do account.options = { operation_polls = 0 } end
  emulator:control("PUT", "state", state)
end

-- A text without what differs from run to run: times, run ids, hashes, ports, seconds.
function kit.steady(text)
  local all = text:gsub("%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%dZ", "TIME"):gsub("%d+T%d+Z%-%x%x%x%x%x%x%x%x", "RUN")
    :gsub(("%x"):rep(64), "HASH"):gsub("127%.0%.0%.1:%d+", "127.0.0.1:PORT"):gsub("%d+%.%d%d s", "0.00 s")
    :gsub("%d%d min", "60 min")
  return all
end

return kit
