-- azpec.emulator: an emulator that a Lua program starts and controls, as its users' tests do.
package.path = "./tests/?.lua;" .. package.path

local azpec_emulator = require "azpec.emulator"
local cqueues = require "cqueues"
local lfs = require "lfs"
local t = require "loopback.support"

local plain = "env -u LD_PRELOAD " .. (os.getenv "LUA" or "lua5.4")

local function start(settings)
  return azpec_emulator.start(t.merged({ lua = plain }, settings or {}))
end

-- Without a tail call, as errors blame the caller.
local function start_here(settings)
  local emulator = azpec_emulator.start(t.merged({ lua = plain }, settings))
  return emulator
end

-- How a program ends that has started an emulator: code, or what is done to it, after which nothing of it is left.
local endings = {
  ["collects it"] = "emulator = nil collectgarbage() collectgarbage()",
  ["ends without close"] = "",
  ["ends by os.exit"] = "os.exit(0)",
  ["ends by os.exit that closes the state"] = "os.exit(0, true)",
  ["ends by an error"] = "error 'on purpose'",
  ["is killed"] = "io.popen('kill -KILL ' .. io.open '/proc/self/stat':read 'n'):read 'a'",
  ["starts another one wrongly"] = "pcall(start, { faults = { { match = {}, action = { no = 1 } } } })\n"
    .. "pcall(start, { state = { f = print } }) pcall(start, { options = { no = 1 } })\n"
    .. "pcall(start, { lua = 'no-such-program' }) emulator:close() assert(not next_of(os.getenv 'TMPDIR'))",
}

local begins = [[
  local function start(settings)
    settings.lua = settings.lua or given.lua
    return require "azpec.emulator".start(settings)
  end
  function next_of(folder)
    for name in require "lfs".dir(folder) do if not name:find "^%.+$" then return name end end
  end
  warn "@on"
  local emulator = start {}
  assert(next_of(os.getenv "TMPDIR"))
]]

local function next_of(folder)
  for name in lfs.dir(folder) do if not name:find "^%.+$" then return name end end
end

local function status_of(client, id)
  return client:get { id = id }.properties.privateLinkServiceConnectionState.status
end

describe("azpec.emulator", function ()
  it("is ready when start returns, and its client approves over TLS without further options", function ()
    local emulator <close> = start { options = { update_answer = 200 } }
    local client <close> = emulator:client()
    local id = emulator.connections[1]
    assert(client:update { id = id, status = "Approved", description = "by a test" })
    assert.equal("Approved", status_of(client, id))
    assert.matches("^https://", client:settings().endpoint)
  end)

  it("shows one more request after arrive, with the fields given, at the account given", function ()
    local emulator <close> = start()
    local client <close> = emulator:client()
    local first = emulator:arrive()
    assert.equal("Pending", status_of(client, first))
    assert.matches("/batchAccounts/sampleacct/", first, 1, true)
    local other = emulator:arrive { account_name = "tokyobatch", name = "render.1", status = "Rejected" }
    assert.matches("/batchAccounts/tokyobatch/privateEndpointConnections/render%.1$", other)
    assert.equal("Rejected", status_of(client, other))
    assert.error_matches(function () emulator:arrive { account_name = "nobody" } end, "the state has no such account")
    assert.error_matches(function () emulator:arrive { stauts = "x" } end, "unknown field 'stauts'")
  end)

  it("lists what arrives after deletions, on the last page", function ()
    local emulator <close> = start { options = { page_size = 1, operation_polls = 0 } }
    local client <close> = emulator:client()
    local first = emulator.connections[1]
    emulator:arrive { name = "early.1" }
    assert(client:delete { id = first })
    local arrived, names = emulator:arrive { name = "late.1" }, {}
    for connection in client:list { id = first:match "^(.*)/privateEndpointConnections/" } do
      names[#names + 1] = connection.id
    end
    assert.equal(arrived, names[#names])
  end)

  it("makes the next requests fail, as many as asked for, and records each", function ()
    local emulator <close> = start { options = { operation_polls = 0 } }
    local client <close> = emulator:client { retry = { base_delay = 0.01 } }
    emulator:fail { kind = "get", times = 2, status = 503 }
    assert(client:get { id = emulator.connections[1] })
    local statuses = {}
    for n, request in ipairs(emulator:requests "get") do statuses[n] = request.status end
    assert.same({ 503, 503, 200 }, statuses)
    emulator:fail { kind = "get", status = 404 }
    emulator:heal()
    assert(client:get { id = emulator.connections[1] })
  end)

  it("ends operations and tokens when its clock is advanced", function ()
    local emulator <close> = start { options = { operation_seconds = 1000, retry_after = "none" } }
    local client <close> = emulator:client { poll_interval = 0.01 }
    local poller = client:begin_update { id = emulator.connections[1], status = "Approved" }
    while #emulator:requests "poll" == 0 do poller:wait(0.01) end
    assert.is_false(poller:done())
    emulator:advance(1001)
    assert(poller:wait(t.hang))
    assert.equal("Approved", status_of(client, emulator.connections[1]))
  end)

  it("returns a state that can be given back, and has no secret in it", function ()
    local emulator <close> = start()
    emulator:arrive { description = "one more" }
    local function without_ages()
      local state = emulator:state()
      for _, account in ipairs(state.accounts) do
        for _, connection in ipairs(account.connections) do connection.age = nil end
      end
      return state
    end
    local before = without_ages()
    assert.equal("one more", before.accounts[1].connections[2].description)
    assert.is_nil(before.client_secret)
    emulator:state(emulator:state())
    assert.same(before, without_ages())
    local client <close> = emulator:client() -- the secret still holds
    assert(client:get { id = emulator.connections[1] })
    emulator:reset()
    assert.equal(1, #emulator:state().accounts[1].connections)
  end)

  it("has in its state what operations have done that ended since", function ()
    local emulator <close> = start { options = { operation_seconds = 1000, retry_after = "none" } }
    local client <close> = emulator:client()
    client:begin_delete { id = emulator.connections[1] }
    while #emulator:requests "delete" == 0 do client:wait(0.01) end
    assert.equal("Deleting", emulator:state().accounts[1].connections[1].provisioning_state)
    emulator:advance(1001)
    assert.equal(0, #emulator:state().accounts[1].connections)
  end)

  it("has the system's clock again after a reset, which the state's ages and new tokens follow", function ()
    local emulator <close> = start { state = { accounts = { { account_name = "one", resource_group_name = "rg",
      connections = { { name = "pe.1", age = 60 } } } } } }
    local function age() return emulator:state().accounts[1].connections[1].age end
    emulator:advance(7200)
    assert.truthy(age() > 7000)
    emulator:reset()
    assert.truthy(age() >= 59 and age() < 1000)
    local now = emulator:control("POST", "clock", { advance = 0 }).now
    assert.truthy(math.abs(now - os.time()) < 1000)
    emulator:fail { kind = "get", times = 1, advance = 7200 }
    local client <close> = emulator:client()
    assert(client:get { id = emulator.connections[1] })
    emulator:reset()
    assert(client:get { id = emulator.connections[1] })
    assert.truthy(age() < 1000)
  end)

  it("needs of a state only what differs from the sample", function ()
    local emulator <close> = start { state = { accounts = {
      { account_name = "one", resource_group_name = "rg", connections = { { name = "pe.1" } } } } } }
    local client <close> = emulator:client()
    assert.equal("Pending", status_of(client, emulator.connections[1]))
    assert.matches("/resourceGroups/rg/providers/Microsoft.Batch/batchAccounts/one/", emulator.connections[1], 1, true)
  end)

  it("counts a connection's age from a whole second, so that no reader of whole seconds finds it younger", function ()
    local emulator <close> = start()
    local client <close> = emulator:client { api_version = "2026-08-01" }
    local function fraction_of_creation(age)
      emulator:advance(0.3)
      local connection = client:get { id = emulator:arrive { age = age } }
      return connection.systemData.createdAt:match "%.(%d+)Z$"
    end
    assert.same({ "000", "000", "500" }, { fraction_of_creation(3600), fraction_of_creation(60),
      fraction_of_creation(7200.5) })
  end)

  it("reports all errors of a state at once", function ()
    local ok, why = pcall(start, { state = { tenant = "x", accounts = {
      { account_name = "one", resource_group_name = "rg", location = 5, connections = {
        { status = "Pending" }, { name = "a", colour = "red" }, { name = "b" }, { name = "B" } } },
      { account_name = "two" } } } })
    assert.is_false(ok)
    for _, text in ipairs { "state: unknown field 'tenant'", "state.accounts[1].location: string expected",
      "state.accounts[1].connections[1]: field 'name' is missing",
      "state.accounts[1].connections[2]: unknown field 'colour'",
      "state.accounts[2]: field 'resource_group_name' is missing" } do
      assert.matches(text, why, 1, true)
    end
  end)

  for name, code in t.each(endings) do
    it("leaves no file behind, and no warning comes, when its program " .. name, function ()
      local folder = t.new_path "temporary"
      assert(lfs.mkdir(folder))
      local said = t.child(begins .. code, { lua = plain }, { TMPDIR = folder })
      assert.is_nil(said:find "warning", 1, true)
      assert.equal(name == "ends by an error", said:find "on purpose" ~= nil)
      if not name:find "error" then assert.equal("", (said:gsub("Killed\n?", ""))) end
      local late = cqueues.monotime() + t.hang
      while next_of(folder) and cqueues.monotime() < late do cqueues.sleep(0.01) end
      assert.is_nil(next_of(folder))
    end)
  end

  it("leaves no process and no file behind when it is closed, and says so when it is used after that", function ()
    local emulator = start()
    local process, ca_file = ("/proc/%d/stat"):format(emulator.pid), emulator.ca_file
    assert.truthy(t.read(process) and t.read(ca_file))
    emulator:close()
    emulator:close()
    assert.is_nil(t.read(ca_file))
    assert.is_nil(t.read(process))
    assert.error_matches(function () emulator:requests() end, "it is closed")
  end)

  it("refuses unknown settings and kinds, names them and the nearest, and blames the caller", function ()
    local emulator <close> = start()
    for why, call in pairs {
      ["start_spec.lua:%d+: azpec.emulator: unknown field 'option'; did you mean 'options'%?$"] =
        function () azpec_emulator.start { option = {} } end,
      ["start_spec.lua:%d+: azpec.emulator: bad field 'log' %(a path expected, got boolean%)$"] =
        function () azpec_emulator.start { log = true } end,
      ["azpec.emulator: bad field 'log' %(a path expected, got a string with a NUL%)$"] =
        function () azpec_emulator.start { log = "log\0x" } end,
      ["azpec.emulator: bad field 'lua' %(a command expected, got a string with a NUL%)$"] =
        function () azpec_emulator.start { lua = "lua5.4\0 -x" } end,
      ["start_spec.lua:%d+: azpec.emulator: unknown kind 'updates'; did you mean 'update'%?$"] =
        function () emulator:requests "updates" end,
      ["faults%[1%].match.kind: unknown kind 'pol'; did you mean 'poll'%?"] =
        function () emulator:fail { kind = "pol", status = 503 } end,
      ["faults%[1%].match.kind%[2%]: unknown kind 'lst'; did you mean 'list'%?"] =
        function () emulator:fail { kind = { "get", "lst" }, status = 503 } end,
      ["start_spec.lua:%d+: azpec.emulator: .*faults%[1%].action: what to do is missing: give status, reset, stall "
        .. "or another field"] = function () emulator:fail { kind = "get", times = 1 } end,
      ["unknown field 'tims'"] = function () emulator:fail { kind = "get", tims = 2, status = 503 } end,
      ["faults%[2%].action: what to do is missing"] = function ()
        emulator:control("PUT", "faults", { { action = { status = 503 } }, { action = {} } })
      end,
    } do
      local ok, problem = pcall(call)
      assert.is_false(ok)
      assert.matches(why, problem)
    end
    emulator:fail { kind = { "get", "list" }, status = 404 }
    assert.same({}, emulator:requests "list")
  end)

  it("refuses arguments of another type by their function, and blames the caller for what the emulator refuses",
    function ()
      local emulator <close> = start()
      local function of(number, name, wanted, got)
        return ("^[^:]*start_spec.lua:%%d+: azpec.emulator: bad argument #%d to '%s' %%(%s expected, got %s%%)$")
          :format(number, name, wanted, got)
      end
      for why, call in pairs {
        [of(1, "start", "table", "number")] = function () azpec_emulator.start(5) end,
        [of(1, "fail", "table", "string")] = function () emulator:fail "x" end,
        [of(1, "set", "table", "nil")] = function () emulator:set() end,
        [of(1, "advance", "number", "string")] = function () emulator:advance "5" end,
        [of(1, "arrive", "table", "string")] = function () emulator:arrive "x" end,
        [of(1, "options", "table", "number")] = function () emulator:options(5) end,
        [of(1, "client", "table", "number")] = function () emulator:client(5) end,
        [of(1, "state", "table", "boolean")] = function () emulator:state(false) end,
        [of(1, "requests", "string", "number")] = function () emulator:requests(5) end,
        [of(2, "control", "string", "nil")] = function () emulator:control "GET" end,
        [of(3, "control", "table", "number")] = function () emulator:control("GET", "counts", 5) end,
        ["^[^:]*start_spec.lua:%d+: azpec.emulator: faults.*unknown field 'no'"] =
          function () emulator:fail { no = 1 } end,
        ["^[^:]*start_spec.lua:%d+: azpec.emulator: .*unknown field 'colour'"] =
          function () emulator:set { colour = 1 } end,
        ["^[^:]*start_spec.lua:%d+: azpec.emulator: faults.*unknown field 'no'.*"] =
          function () start_here { faults = { { match = {}, action = { no = 1 } } } } end,
      } do
        local ok, problem = pcall(call)
        assert.is_false(ok)
        assert.matches(why, problem)
      end
    end)

  it("gives the options of its client to code that makes its own", function ()
    local emulator <close> = start { options = { update_answer = 200 } }
    local client <close> = require "azpec".client(emulator:options { endpoint = emulator.endpoint })
    assert(client:update { id = emulator.connections[1], status = "Approved" })
    assert.equal(emulator.endpoint, client:settings().endpoint)
    assert.equal(emulator.tls_endpoint, emulator:options().endpoint)
  end)

  it("says what the emulator says when it cannot start", function ()
    local ok, why = pcall(start, { options = { no_such_option = 1 } })
    assert.is_false(ok)
    assert.matches("^azpec.emulator: it did not start: .*no_such_option", why)
  end)
end)
