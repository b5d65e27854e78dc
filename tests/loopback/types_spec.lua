-- The types (LuaCATS) at run time, against the emulator: each documented function is called with arguments that fit its
-- parameters, its results fit, and the tables among them have the documented fields and no others.

local azpec = require "azpec"
local assert = require "luassert"
local luacats = require "tools.luacats"
local t = require "loopback.support"

local items, functions, class_of = {}, {}, {}
do
  local known
  for _, path in ipairs { "lua_module/azpec.meta.lua", "scripts/azpec/scripts.meta.lua" } do
    local types = luacats.read(t.read(path), known)
    known = types.declared
    for _, item in ipairs(types) do
      if item.variable then class_of[item.variable] = item.name end
      if item.kind == "function" then
        local owner = item.owner:find "^azpec" and item.owner or class_of[item.owner]
        functions[owner .. item.separator .. item.name] = item
      elseif item.name then
        items[item.name] = item
      end
    end
  end
end

-- Tables that the service sends keep members that are unknown here; items, errors and results of a wait have more.
local is_open = { ["azpec.run.Item"] = true, ["azpec.Failure"] = true, ["azpec.wait.Result"] = true }
for name in ("Connection ConnectionProperties PrivateEndpoint ConnectionState PrivateLinkResource Account Subscription "
  .. "Permission"):gmatch "%S+" do is_open["azpec." .. name] = true end

-- Counts beside the documented fields.
local counts = { ["azpec.run.Summary"] = "azpec.run.Outcome" }

-- ---- does a value fit a type? --------------------------------------------------------------------------------------

local called = {}

local function fields_of(class)
  local fields = {}
  for _, parent in ipairs(class.parents) do
    for name, field in pairs(fields_of(items[parent])) do fields[name] = field end
  end
  for _, field in ipairs(class.fields) do fields[field.name] = field end
  return fields
end

-- The parts of a union.
local function alternatives(type)
  local parts, depth, from, is_quoted = {}, 0, 1, false
  for at = 1, #type do
    local c = type:sub(at, at)
    if c == '"' then is_quoted = not is_quoted end
    if not is_quoted and c:find "[%(%[{<]" then depth = depth + 1 end
    if not is_quoted and c:find "[%)%]}>]" then depth = depth - 1 end
    if c == "|" and depth == 0 and not is_quoted then
      parts[#parts + 1] = type:sub(from, at - 1)
      from = at + 1
    end
  end
  parts[#parts + 1] = type:sub(from)
  return parts
end

local misfit -- returns what does not fit, or nil

local function misfit_of_class(value, class, where)
  local object = ({ userdata = true, table = true })[type(value)] and azpec.type(value)
  if object and object ~= "azpec.error" then
    return object ~= class.name:lower() and where .. " is a " .. object or nil
  end
  if type(value) ~= "table" then return ("%s is a %s"):format(where, type(value)) end
  local fields = fields_of(class)
  for name, field in pairs(fields) do
    local wrong = not (field.optional and value[name] == nil) and misfit(value[name], field.type, where .. "." .. name)
    if wrong then return wrong end
  end
  local counted = counts[class.name]
  for name, more in next, value do
    if not (fields[name] or is_open[class.name] or class.variable or type(name) ~= "string") then
      if not counted or misfit(name, counted, where) then return ("%s.%s is not documented"):format(where, name) end
      if math.type(more) ~= "integer" then return ("%s.%s is no count"):format(where, name) end
    end
  end
end

local function misfit_of_item(value, item, where)
  if item.kind == "class" then return misfit_of_class(value, item, where) end
  if item.type then return misfit(value, item.type, where) end
  for _, one in ipairs(item.values) do
    if value == (item.kind == "enum" and one.type or one.name):match '^"(.*)"$' then return nil end
  end
  return ("%s is %s"):format(where, tostring(value))
end

local function misfit_of_one(value, type_, where)
  local inner, mark = type_:match "^(.+)(%[%])$"
  if not inner then inner, mark = type_:match "^(.+)(%?)$" end
  if type_:find "^fun%(" then inner, mark = nil, nil end
  if mark == "?" then return value ~= nil and misfit(value, inner, where) or nil end
  if mark == "[]" then
    if type(value) ~= "table" then return ("%s is a %s"):format(where, type(value)) end
    for n, one in ipairs(value) do
      local wrong = misfit(one, inner, ("%s[%d]"):format(where, n))
      if wrong then return wrong end
    end
    return nil
  end
  if type_:find "^%(.*%)$" then return misfit(value, type_:sub(2, -2), where) end
  if items[type_] then return misfit_of_item(value, items[type_], where) end
  local fits
  if type_ == "any" then
    fits = true
  elseif type_:find '^"' then
    fits = value == type_:sub(2, -2)
  elseif type_ == "integer" then
    fits = math.type(value) == "integer"
  elseif type_ == "true" or type_ == "false" then
    fits = value == (type_ == "true")
  elseif type_:find "^table" or type_:find "^{" then
    fits = type(value) == "table"
  else
    fits = type(value) == (type_:find "^fun%(" and "function" or type_)
  end
  return not fits and ("%s is not %s, but %s"):format(where, type_, tostring(value)) or nil
end

function misfit(value, type_, where)
  local wrong
  for _, one in ipairs(alternatives(type_)) do
    wrong = misfit_of_one(value, one, where)
    if not wrong then return nil end
  end
  return wrong
end

local function check(value, type_, where)
  local wrong = misfit(value, type_, where or type_)
  if wrong then error(wrong, 2) end
  return value
end

-- Calls a documented function: a method with its object first.
local function call(name, f, ...)
  local item, given = assert(functions[name], name), table.pack(...)
  called[name] = true
  local first = item.separator == ":" and 1 or 0
  for n, param in ipairs(item.params) do
    local value = given[n + first]
    if param.name ~= "..." and not (param.optional and value == nil) then
      check(value, param.type, ("%s: %s"):format(name, param.name))
    end
  end
  local results = table.pack(f(...))
  assert(#item.returns > 0 or results.n == 0, name .. " returns something")
  assert(results.n <= #item.returns, name .. " returns more than is documented")
  for n, result in ipairs(item.returns) do check(results[n], result.type, ("%s: result %d"):format(name, n)) end
  return table.unpack(results, 1, results.n)
end

-- Calls a method by its class and name; a function by its name.
local function method(class, name, object, ...) return call(class .. ":" .. name, object[name], object, ...) end
local function of(module, name, ...) return call(module .. "." .. name, require(module)[name], ...) end

-- ---- the calls -----------------------------------------------------------------------------------------------------

local emulator, client
local account, ids = {}, {}

local function on_event(event) check(event, "azpec.Event") end
local function before_write(write)
  check(write, "azpec.Write")
  return true
end

-- Calls a method of the client, or checks what an iterator of it yields.
local function client_call(name, ...) return method("azpec.Client", name, client, ...) end
local function each(type_, name, ...)
  local found = {}
  local next, state, control, closing = client_call(name, ...)
  for item in next, state, control, closing do found[#found + 1] = check(item, type_) end
  assert(#found > 0, name .. " yields nothing")
  return found
end

describe("the types at run time:", function ()
  setup(function ()
    emulator = of("azpec.emulator", "start", { options = { operation_polls = 2, retry_after = "none" } })
    client = method("azpec.emulator.Emulator", "client", emulator, { on_event = on_event, before_write = before_write,
      poll_interval = 0.1, traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01" })
  end)

  teardown(function ()
    client:close()
    method("azpec.emulator.Emulator", "close", emulator)
    t.close()
  end)

  before_each(function ()
    method("azpec.emulator.Emulator", "reset", emulator)
    for n = 1, 4 do ids[n] = method("azpec.emulator.Emulator", "arrive", emulator, { description = "ticket " .. n }) end
    account.id = ids[1]:match "^(.*)/privateEndpointConnections/"
  end)

  it("the module", function ()
    check(azpec, "azpec")
    check(of("azpec", "client", emulator:options()), "azpec.Client"):close()
    of("azpec", "type", client)
    local options = emulator:options { id = ids[1], status = "Approved", poll_interval = 0.1 }
    assert(of("azpec", "update", options))
    for _, statuses in pairs(azpec.transitions) do
      for _, transition in pairs(statuses) do check(transition, "azpec.Transition") end
    end
  end)

  it("credentials", function ()
    local text = { tenant_id = "a", client_id = "b" }
    local function with(name, value) return { tenant_id = "a", client_id = "b", [name] = value } end
    local options = { token = { token = "t" }, client_secret = with("client_secret", "c"),
      device_code = { prompt = print }, client_certificate = with("certificate", "c"),
      client_assertion = with("assertion", print),
      workload_identity = text, github_actions = text, azure_pipelines = text, managed_identity = {}, azure_cli = {},
      azure_developer_cli = {}, default = {}, chain = { azpec.credential.token { token = "t" } } }
    for kind, f in pairs(azpec.credential) do call("azpec.credential." .. kind, f, options[kind]) end
  end)

  it("what a client reads", function ()
    assert(client_call("get", { id = ids[1] }))
    assert(client_call("get_account", account))
    each("azpec.Connection", "list", account)
    each("azpec.Account", "list_accounts")
    each("azpec.Permission", "list_permissions", account)
    each("azpec.Subscription", "list_subscriptions")
    each("table", "query_resource_graph", { query = "resources | project id" })
    local resource = each("azpec.PrivateLinkResource", "list_private_link_resources", account)[1]
    assert(client_call("get_private_link_resource", { id = account.id, private_link_resource_name = resource.name }))
    assert(client_call "identity")
    assert(#client_call "explain" > 0)
    client_call "rate_limits"
    client_call "settings"
    for _, name in ipairs { "pollfd", "events", "timeout", "step" } do client_call(name) end
    client_call("wait", 0)
  end)

  it("what a client writes", function ()
    assert(client_call("update", { id = ids[1], status = "Approved", description = "yes" }))
    assert(client_call("ensure", { id = ids[2], status = "Rejected" }))
    assert(client_call("delete", { id = ids[3] }))
    local poller = client_call("begin_update", { id = ids[4], status = "Approved" })
    local function poll(name, ...) return method("azpec.Poller", name, poller, ...) end
    poll("wait", 0)
    repeat poll("progress") until poll("step") or poll "status"
    local token = assert(poll "continuation_token")
    for _, name in ipairs { "pollfd", "events", "timeout", "done" } do poll(name) end
    local other = assert(client_call("resume", token))
    assert(method("azpec.Poller", "wait", other))
    assert(poll "wait")
    assert(poll "result")
    poll "cancel"
    client_call("begin_delete", { id = ids[1] })
    client_call("begin_ensure", { id = ids[2], status = "Rejected" })
    for one, value, err in client_call "completions" do
      check(one, "azpec.Poller")
      check(value, "azpec.Ensured|true")
      check(err, "nil")
    end
    assert.is_nil((client_call "finished"(client)))
  end)

  it("what fails", function ()
    local function failed(_, err) return check(err, "azpec.Error") end
    failed(client_call("get", { id = ids[1] .. "x" }))
    failed(client_call("update", { id = ids[1], status = "Approved", timeout = 0 }))
    method("azpec.emulator.Emulator", "set", emulator, { operation_polls = 1000 })
    assert(failed(client_call("update", { id = ids[1], status = "Approved", timeout = 1 })).continuation_token)
    method("azpec.emulator.Emulator", "fail", emulator, { kind = "get", times = 9, status = 503 })
    failed(client_call("get", { id = ids[2], timeout = 1 }))
    method("azpec.emulator.Emulator", "heal", emulator)
    local untrusted <close> = azpec.client(emulator:options { ca_file = "/etc/hostname" })
    failed(untrusted:get { id = ids[2] })
    local function refuse(event) if event.event == "end" then error "no" end end
    local broken <close> = emulator:client { on_event = refuse }
    local ok, err = pcall(broken.get, broken, { id = ids[1] })
    assert.is_false(ok)
    check(err, "azpec.CallbackError")
    assert.equal("string", type(err .. ""))
  end)

  it("azpec.emulator", function ()
    local function ask(name, ...) return method("azpec.emulator.Emulator", name, emulator, ...) end
    check(emulator, "azpec.emulator.Emulator")
    client:get { id = ids[1] }
    assert(#ask "requests" > 0)
    ask("options")
    ask("advance", 1)
    assert(ask "state")
    ask("control", "GET", "counts")
  end)

  it("azpec.run, azpec.journal and azpec.undo", function ()
    local path = t.new_path "journal"
    local file = of("azpec.journal", "open", path, { subject = "s", ticket = "T-1" })
    local recorded = of("azpec.journal", "client", emulator:options { poll_interval = 0.1 }, file, { verb = "approve" })
    local connections = {}
    for n = 1, 4 do connections[n] = client:get { id = ids[n] } end
    local list = { { id = ids[1], action = "approve", connection = connections[1], etag = connections[1].etag },
      { id = ids[2], action = "reject" }, { id = ids[3] .. "x", action = "approve" },
      { id = ids[3], action = "approve", etag = '"old"' }, { id = ids[4], action = "set", status = "Approved" } }
    local function on_result(result) check(result, "azpec.run.Result") end
    assert.equal(5, of("azpec.run", "run", { client = recorded, items = list, on_result = on_result }).taken)
    list[1].connection = assert(client:get { id = ids[1] })
    of("azpec.run", "run", { client = recorded, items = { list[1], { id = ids[3], action = "delete" } }, dry_run = true,
      on_result = on_result })
    of("azpec.run", "forecast", list[1])
    of("azpec.run", "status_of", list[1])
    of("azpec.run", "summary")
    check(require "azpec.run", "azpec.run")
    recorded:close()
    local function ask(name, ...) return method("azpec.journal.File", name, file, ...) end
    assert(ask "check")
    assert(ask "check_lines")
    local call_id = "6e1a5cf2-4bb4-4f5a-8f0b-3c5b2d0a9e11"
    local about = { verb = "approve", operation = "update", id = ids[3], wanted = { status = "Approved" },
      call = call_id }
    local entry = assert(ask("intend", about))
    ask("forget", entry)
    local report = of("azpec.journal", "verify", path)
    assert.equal(1, #report.unfinished)
    assert(#ask("unfinished") == 1)
    ask("counts", list)
    ask "next_run"
    assert(ask("conclude", assert(ask("follow", about)), true))
    local records = assert(of("azpec.journal", "read", path))
    of("azpec.journal", "runs", records)
    local writes = of("azpec.journal", "writes", records)
    of("azpec.journal", "new_run")
    local who = of("azpec.journal", "who", assert(client:identity()))
    of("azpec.journal", "name_of", who)
    local back = of("azpec.undo", "items", writes, { reject = true })
    of("azpec.undo", "check", back, client)
    assert(of("azpec.undo", "read", path, records[1].run))
  end)

  it("azpec.rules, azpec.plan, azpec.drift, azpec.enrich, azpec.report", function ()
    local rules = 'approve "the rule" { when = { description = "ticket*" }, because = "it says so",'
      .. ' description = "{ticket}" }\nhold "the rest" {}\n'
    local path = t.write(t.new_path "rules", rules)
    local set = assert(of("azpec.rules", "read", path))
    assert(of("azpec.rules", "parse", rules))
    check(set.sha256, "string")
    check(set.source, "string")
    local connection = assert(client:get { id = ids[1] })
    local decision = method("azpec.rules.Set", "decide", set, connection, { ticket = "T" })
    for _, name in ipairs { "names", "speaks_of_ticket", "speaks_of_age", "speaks_of_status", "warnings" } do
      method("azpec.rules.Set", name, set)
    end
    method("azpec.rules.Set", "excess", set, { approve = 1 }, 0)
    of("azpec.rules", "result", decision)
    of("azpec.rules", "item", connection, decision)
    local draft = of("azpec.plan", "new", { rules = set })
    method("azpec.plan.Draft", "add", draft, connection, decision)
    method("azpec.plan.Draft", "note_unread", draft, { { place = account.id, kind = "forbidden", message = "no" } })
    assert.equal(1, method("azpec.plan.Draft", "changes", draft))
    local text = method("azpec.plan.Draft", "text", draft)
    local file = t.new_path "plan"
    assert(method("azpec.plan.Draft", "write", draft, file))
    assert(of("azpec.plan", "read", file))
    local plan = assert(of("azpec.plan", "parse", text))
    assert(of("azpec.plan", "is_one", text))
    of("azpec.plan", "check", plan.items, client)
    of("azpec.plan", "item", plan.items[1])
    check(require "azpec.plan", "azpec.plan")
    local approved = assert(client:update { id = ids[2], status = "Approved", description = "none" })
    local finding = assert(of("azpec.drift", "of", set, approved))
    local found = 0
    for place, one in of("azpec.drift", "find", client, set, {}) do
      check(place, "azpec.fleet.Place")
      check(one, "azpec.drift.Finding")
      found = found + 1
    end
    assert(found > 0)
    local owners = t.write(t.new_path "owners", "return function () return { owner = 'web' } end")
    local facts_of = assert(of("azpec.enrich", "read", owners))
    of("azpec.enrich", "copy", of("azpec.enrich", "ask", facts_of, connection))
    local html = of("azpec.report", "render", { made_at = os.time(), connections = { connection, approved },
      rules = { file = path, sha256 = set.sha256, decisions = { [connection.id] = decision },
        outside = { [approved.id] = finding } } })
    assert(of("azpec.report", "is_one", html))
  end)

  it("azpec.select, azpec.transitions, azpec.wait, azpec.failure", function ()
    local connections = {}
    for connection in client:list(account) do connections[#connections + 1] = connection end
    local selector = of("azpec.select", "new", { description = "ticket 1" })
    local function ask(name, ...) return method("azpec.select.Selector", name, selector, ...) end
    local one = assert(ask("one", connections))
    local facts = of("azpec.select", "facts", one)
    ask("is_empty")
    ask("differences", facts)
    ask("difference", facts)
    ask("matches", one)
    assert(ask("all", connections))
    ask("filter", client:list(account))
    ask("follow_nearest")
    of("azpec.select", "etag", one)
    of("azpec.select", "describe", one)
    check(require "azpec.select", "azpec.select")
    local _, err = of("azpec.select", "new", { description = "ticket*" }):one(connections)
    check(err, "azpec.Failure")
    of("azpec.failure", "with", err, { id = one.id })
    of("azpec.failure", "new", "usage", "no")
    of("azpec.failure", "proves_absence", select(2, client:get { id = one.id .. "x" }))
    of("azpec.failure", "of_account", err)
    of("azpec.transitions", "forecast", one, "Approved")
    of("azpec.transitions", "of", facts, "Deleted")
    of("azpec.transitions", "possible", one)
    of("azpec.transitions", "is_in_progress", facts)
    assert(of("azpec.wait", "wait", { client = client, id = one.id, what = "status=Pending", timeout = 0 }))
    of("azpec.wait", "all", { client = client, ids = { one.id, one.id .. "x" }, what = "exists", timeout = 0,
      on_result = function (result) check(result, "azpec.wait.Result") end })
    assert(of("azpec.wait", "condition", "status=Approved"))
    check(require "azpec.wait", "azpec.wait")
  end)

  it("azpec.fleet and azpec.scope", function ()
    local found = of("azpec.fleet", "find", client, {})
    of("azpec.fleet", "of", found.accounts)
    of("azpec.fleet", "subscriptions", client)
    for place, connection in of("azpec.fleet", "connections", client, {}) do
      check(place, "azpec.fleet.Place")
      check(connection, "azpec.Connection")
    end
    for place, connections in of("azpec.fleet", "accounts", client, {}) do
      check(place, "azpec.fleet.Place")
      check(connections, "azpec.Connection[]")
    end
    for place, permissions in of("azpec.fleet", "permissions", client, {}) do
      check(place, "azpec.fleet.Place")
      check(permissions, "azpec.Permission[]")
    end
    for connection, place in of("azpec.scope", "connections", client, { id = account.id }) do
      check(connection, "azpec.Connection")
      check(place, "azpec.fleet.Place")
    end
    of("azpec.scope", "find", client, {})
    for place, connections in of("azpec.scope", "accounts", client, { id = account.id }) do
      check(place, "azpec.fleet.Place")
      check(connections, "azpec.Connection[]")
    end
    of("azpec.scope", "check", { id = account.id }, ids[1])
    check(require "azpec.fleet", "azpec.fleet")
  end)

  it("azpec.api_versions, azpec.rights, azpec.doctor", function ()
    of("azpec.api_versions", "is_known", "2022-06-01")
    of("azpec.api_versions", "has", "2022-06-01", "GET")
    of("azpec.api_versions", "with", "tags")
    check(require "azpec.api_versions", "azpec.api_versions")
    local permissions = each("azpec.Permission", "list_permissions", account)
    of("azpec.rights", "allows", permissions, "Microsoft.Batch/batchAccounts/read")
    of("azpec.rights", "missing", permissions)
    check(require "azpec.rights", "azpec.rights")
    local results = of("azpec.doctor", "examine", { account_id = account.id,
      new_client = function (more) return emulator:client(more) end,
      resolve = function () return { addresses = { "10.0.0.4" }, aliases = {} } end,
      done = function (result) check(result, "azpec.doctor.Result") end })
    assert.equal(#require "azpec.doctor".checks, #results)
    check(require "azpec.doctor", "azpec.doctor")
    of("azpec.doctor", "judge_name", { id = account.id })
  end)

  it("azpec.record", function ()
    local first = t.new_path "first"
    local recorder = of("azpec.record", "start", { file = first, endpoint = emulator.tls_endpoint,
      authority_host = emulator.tls_endpoint, ca_file = emulator.ca_file })
    local function keep(name, ...) return method("azpec.record.Recorder", name, recorder, ...) end
    local own = emulator:options()
    local options = { credential = own.credential, subscription_id = own.subscription_id }
    keep("options", options)
    do
      local through <close> = keep("client", options)
      assert(through:get { id = ids[1] })
    end
    keep "environment"
    keep "close"
    local player = of("azpec.record", "play", { file = first })
    local function play(name, ...) return method("azpec.record.Player", name, player, ...) end
    play "options"
    do
      local through <close> = play "client"
      assert(through:get { id = player.connections[1] })
    end
    play "environment"
    play "now"
    play "unused"
    play "check"
    play "close"
    of("azpec.record", "compare", first, first)
  end)

  it("azpec.loop.cqueues and azpec.loop.socket", function ()
    local controller, seen = require "cqueues".new(), 0
    controller:wrap(function ()
      of("azpec.loop.cqueues", "each", 2, function () seen = seen + 1 end, ipairs(ids))
    end)
    assert(controller:loop())
    assert.equal(#ids, seen)
    check(require "azpec.loop.cqueues", "azpec.loop.cqueues")
    if not package.searchpath("socket", package.path) then
      called["azpec.loop.socket.select"] = true
      return pending "luasocket is not installed"
    end
    of("azpec.loop.socket", "select", {}, nil, 0)
    of("azpec.loop.socket", "select", nil, {}, 0)
    check(require "azpec.loop.socket", "azpec.loop.socket")
  end)

  it("each documented function was called", function ()
    client_call "close"
    local missing = {}
    for name in pairs(functions) do
      if not called[name] and name ~= "azpec.emulator.Emulator:close" then missing[#missing + 1] = name end
    end
    table.sort(missing)
    assert.equal("", table.concat(missing, " "))
  end)
end)
