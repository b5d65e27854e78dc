-- A client whose writes are recorded, against the emulator; and runs that are undone.

local journal = require "azpec.journal"
local azpec = require "azpec"
local cqueues = require "cqueues"
local engine = require "azpec.run"
local support = require "loopback.support"
local undo = require "azpec.undo"

describe("an audited client", function ()
  local emulator

  setup(function () emulator = support.emulator { operation_polls = 1, poll_answer = "resource" } end)
  before_each(function () emulator:reset() end)
  after_each(support.tidy)
  teardown(support.close)

  -- A client and its trail's path. more: of azpec.client; about: of journal.client.
  local function audited(more, about, path)
    path = path or support.new_path "trail"
    local trail = journal.open(path)
    local fields = support.merged(emulator:fields(), { credential = emulator:credential() }, more or {})
    return journal.client(fields, trail, { verb = "approve", about = about }), path, trail
  end

  -- The records; fails unless the trail is sound.
  local function records(path)
    local list, report = journal.read(path)
    for _, problem in ipairs(report.problems) do error(problem.message) end
    support.has_no_secret(list, "a trail")
    return list, report
  end

  local function asked(id, more)
    return support.merged({ id = id, status = "Approved", description = "by test" }, more or {})
  end

  -- Begins an update that no journal has. Returns its token; the operation is under way.
  local function left_running()
    emulator:set { operation_polls = 50 }
    local plain <close> = emulator:client()
    local poller = plain:begin_update(asked(emulator.sample))
    repeat poller:wait(0.01) until poller:progress().polls > 0
    return poller:continuation_token()
  end

  -- The ends of the first read, and the words of its error.
  local html = { ["Content-Type"] = "text/html" }
  for what, one in support.each {
    ["the service fails"] = { action = { status = 500 } },
    ["the service refuses"] = { action = { status = 403 } },
    ["it is too busy"] = { action = { status = 429, headers = { ["Retry-After"] = "3600" } } },
    ["a proxy answers 404"] = { action = { status = 404, headers = html, body = "<html>no</html>" } },
    ["the connection is reset"] = { action = { reset = true } },
    ["no answer comes in time"] = { action = { stall = true }, timeout = 0.2,
      words = "; this attempt wrote nothing; an earlier attempt may have taken effect$" },
    ["it is canceled"] = { action = { stall = true }, cancels = true,
      words = ": this attempt changed nothing; an earlier attempt may have taken effect$" },
    ["the sign-in fails"] = { kind = "token", action = { status = 401 } },
  } do
    it("leaves the end of a killed process's write unknown if it cannot read the connection: " .. what, function ()
      local path, id = support.new_path "trail", emulator.sample
      assert(journal.open(path, { subject = "daemon" }):intend { verb = "auto", operation = "ensure", id = id,
        wanted = { status = "Approved" }, before = emulator:client():get { id = id }, who = { name = "daemon" } })
      assert(emulator:client():update { id = id, status = "Approved" }) -- the write; then the process is killed
      local function go_on(options)
        local trail, result = journal.open(path, { subject = "daemon" }), nil
        local client <close> = journal.client(support.merged(emulator:fields(),
          { credential = emulator:credential(), retry = { max_tries = 1 } }), trail)
        engine.run(support.merged({ client = client, items = assert(trail:unfinished()),
          on_result = function (it) result = it end }, options))
        return result
      end
      emulator:faults { { match = { kind = one.kind or "get" }, action = one.action } }
      local result = go_on { timeout = one.timeout, track = one.cancels and function (poller) poller:cancel() end }
      assert.same({ "unknown", true }, { result.outcome, result.err.unfinished })
      assert.matches(one.words or "; an earlier attempt may have taken effect$", result.err.message)
      assert.equal(1, #select(2, records(path)).open)
      emulator:faults {}
      assert.equal("changed", go_on({}).outcome)
      assert.same({ 1, 0 }, { journal.runs(records(path))[1].changed, #select(2, records(path)).open })
    end)
  end

  for what, action in support.each { ["the service refuses"] = { status = 403 },
    ["a proxy answers 404"] = { status = 404, headers = html, body = "<html>no</html>" } } do
    it("leaves the end of a killed process's deletion unknown if " .. what, function ()
      local path, id = support.new_path "trail", emulator.sample
      assert(journal.open(path, { subject = "daemon" }):intend { verb = "delete", operation = "delete", id = id,
        before = emulator:client():get { id = id }, who = { name = "daemon" } })
      assert(emulator:client():delete { id = id })
      local function go_on()
        local trail, result = journal.open(path, { subject = "daemon" }), nil
        local client <close> = journal.client(support.merged(emulator:fields(), { credential = emulator:credential() }),
          trail)
        engine.run { client = client, items = assert(trail:unfinished()), on_result = function (it) result = it end }
        return result.outcome
      end
      emulator:faults { { match = { kind = "delete" }, action = action } }
      assert.same({ "unknown", 1 }, { go_on(), #select(2, records(path)).open })
      emulator:faults {}
      assert.same({ "changed", 0 }, { go_on(), #select(2, records(path)).open })
    end)
  end

  for what, etag in support.each { ["without an ETag"] = false, ["with the ETag that was read before"] = true } do
    it("continues no write over a decision that was made since it was begun, " .. what, function ()
      local path = support.new_path "trail"
      local connection = emulator:client():get { id = emulator.sample }
      connection.etag = etag and connection.etag or nil
      assert(journal.open(path, { subject = "daemon" }):intend { verb = "auto", operation = "ensure",
        id = emulator.sample, wanted = { status = "Rejected" }, before = connection }) -- and the process is killed
      assert(emulator:client():update(asked(emulator.sample)))
      local trail = journal.open(path, { subject = "daemon" })
      local items, result = assert(trail:unfinished()), nil
      engine.run { client = journal.client(support.merged(emulator:fields(), { credential = emulator:credential() }),
        trail), items = items, on_result = function (one) result = one end }
      assert.equal("stale", result.outcome)
      assert.matches("so the write was not sent again: its status was Pending and is Approved", result.err.message, 1,
        true)
      assert.is_true(result.err.replaced)
      assert.equal(1, #emulator:log "update")
      local list = records(path)
      assert.same({ 2, "failed" }, { #list, list[2].outcome })
      assert.same({}, assert(trail:unfinished()))
    end)
  end

  it("puts down what it is about to do, and how that ended", function ()
    local before = { id = emulator.sample, etag = "e", properties = {
      privateLinkServiceConnectionState = { status = "Pending" } } }
    local client, path = audited(nil, function (id)
      assert.equal(emulator.sample, id)
      return { rule = "ours", reason = "the subscription is ours", before = before }
    end)
    local who = { credential = "client_secret", appid = emulator.client_id, tid = emulator.tenant_id }
    local connection = assert(client:update(asked(emulator.sample)))
    local intent, result = table.unpack((records(path)))
    assert.equal("intent result", intent.event .. " " .. result.event)
    assert.same({ status = "Approved", description = "by test" }, intent.wanted)
    assert.equal("ours", result.rule)
    assert.equal("the subscription is ours", intent.reason)
    assert.same({ etag = "e", status = "Pending" }, intent.before)
    for name, value in pairs(who) do assert.equal(value, intent.who[name]) end
    assert.equal("changed", result.outcome)
    assert.equal(connection.etag, result.after.etag)
    assert.equal("Approved", result.after.status)
    local sent = emulator:log "update"[1]
    assert.equal(sent.request_id, result.request_id)
    assert.equal(sent.headers["x-ms-client-request-id"], result.call)
    assert.equal(intent.call, result.call)
  end)

  it("keeps what describes a connection's next operation until that has ended, and for no later one", function ()
    local client, path = audited()
    local kept = setmetatable({ { rule = "first", reason = "once" } }, { __mode = "v" })
    client:describe(emulator.sample:upper(), kept[1])
    assert(client:update(asked(emulator.sample)))
    collectgarbage()
    collectgarbage()
    assert.is_nil(kept[1])
    local poller = client:begin_update(asked(emulator.sample, { description = "again" }))
    repeat poller:wait(0.01) until poller:progress().polls > 0
    client:describe(emulator.sample, { rule = "second", reason = "once" }) -- of the next one
    assert(poller:wait())
    assert(client:delete { id = emulator.sample })
    local rules = {}
    for n, record in ipairs((records(path))) do rules[n] = record.rule or "none" end
    assert.same({ "first", "first", "none", "none", "second", "second" }, rules)
  end)

  it("has the intent in the trail before each write is sent", function ()
    local path, seen = support.new_path "trail", {}
    local client = audited({ on_event = function (event)
      if event.event == "request" and event.method ~= "GET" then seen[#seen + 1] = records(path) end
    end }, nil, path)
    emulator:faults { { match = { kind = "update", nth = 1 }, action = { status = 503 } } }
    assert(client:ensure(asked(emulator.sample)))
    assert.equal(2, #seen)
    for n, list in ipairs(seen) do
      assert.equal(n, #list)
      assert.equal("intent", list[n].event)
      assert.equal(n > 1 and n or nil, list[n].attempt)
      assert.same({ etag = 'W/"0x8D4EDFEBFADF4AB"', status = "Pending" }, list[n].before)
    end
    local list = records(path)
    assert.equal(3, #list)
    assert.equal(1, #journal.writes(list))
  end)

  it("sends nothing where that cannot be put down", function ()
    for _, method in ipairs { "update", "ensure", "delete" } do
      local client = audited(nil, nil, "/dev/full")
      local options = method == "delete" and { id = emulator.sample } or asked(emulator.sample)
      local done, err = client[method](client, options)
      assert.is_nil(done)
      assert.equal("journal", err.kind)
      assert.matches("^journal: the journal cannot be written: /dev/full is no regular file but a char device; "
        .. "nothing was written; make", tostring(err))
      assert.equal("x journal", "x " .. ("" .. err):sub(1, 7))
      local told = {}
      local pollers = { client["begin_" .. method](client, options), client["begin_" .. method](client, options) }
      for poller, result, why in client:completions() do
        assert.is_true(poller:done())
        assert.is_nil(result)
        told[#told + 1] = why.kind
      end
      assert.same({ "journal", "journal" }, told)
      for _, poller in ipairs(pollers) do assert.equal("journal", select(2, poller:result()).kind) end
    end
    assert.equal(0, #emulator:log("update", "delete"))
  end)

  it("sends nothing more where a repetition cannot be put down, and knows that an end is open", function ()
    local path = support.new_path "trail"
    emulator:faults { { match = { kind = "update", nth = 1 }, action = { status = 500 } } }
    local client = audited({ on_event = function (event)
      if event.event == "response" and event.method == "PATCH" then os.execute("chmod o+w " .. path) end
      if event.event == "end" then os.execute("chmod o-w " .. path) end
    end }, nil, path)
    local done, err = client:update(asked(emulator.sample))
    assert.is_nil(done)
    assert.equal("canceled", err.kind)
    assert.matches("anybody may write to .*; an earlier attempt got no response and may have taken effect$",
      err.message)
    assert.is_string(err.continuation_token)
    assert.equal(1, #emulator:log "update")
    assert.equal("unknown", journal.writes(records(path))[1].outcome)
  end)

  it("puts down that an attempt in doubt may have taken effect before somebody else's change", function ()
    local json = { support.json_type }
    local function found(etag, times)
      local properties = { provisioningState = "Succeeded", privateLinkServiceConnectionState = { status = "Pending" } }
      return { method = "GET", times = times, status = 200, headers = json,
        body = require "cjson".encode { id = emulator.sample, name = "x", etag = etag, properties = properties } }
    end
    local function refused(status, times)
      return { method = "PATCH", times = times, status = status, headers = json,
        body = '{"error":{"code":"Refused","message":"no"}}' }
    end
    local server = support.server { { method = "PATCH", times = 1, raw = "", after = "close" }, refused(412, 1),
      refused(403), found('"1"', 2), found '"3"' }
    local client, path = audited { endpoint = server.endpoint,
      credential = azpec.credential.token { token = support.canary } }
    local done, err = client:ensure { id = emulator.sample, status = "Approved" }
    assert.is_nil(done)
    assert.same({ "forbidden", true, nil }, { err.kind, err.replaced, err.continuation_token })
    assert.matches("an earlier attempt may have taken effect, and the connection was changed since$", err.message)
    local list = records(path)
    assert.same({ "failed", true }, { list[#list].outcome, list[#list].error.replaced })
    assert.is_true(require "azpec.cli.error".facts(err).replaced)
  end)

  it("puts nothing down where the caller's own before_write refuses", function ()
    local client, path = audited { before_write = function (write) return write.to == "Rejected", "approvals rest" end }
    local done, err = client:update(asked(emulator.sample))
    assert.is_nil(done)
    assert.equal("before_write refused the write: approvals rest; nothing was written", err.message)
    assert.is_nil(support.read(path))
    assert(client:update(asked(emulator.sample, { status = "Rejected" })))
    assert.equal(2, #records(path))
  end)

  it("keeps writes apart that have one client_request_id", function ()
    local client, path = audited()
    for n = 1, 2 do client:begin_update(asked(emulator.many[n], { client_request_id = "same" })) end
    for _, connection in client:completions() do assert(connection) end
    local seen = {}
    for _, record in ipairs(records(path)) do seen[record.event .. record.connection] = record.outcome or "sent" end
    for n = 1, 2 do
      assert.equal("sent", seen["intent" .. emulator.many[n]])
      assert.equal("changed", seen["result" .. emulator.many[n]])
    end
  end)

  it("says so when the result cannot be put down, and what it was", function ()
    local path = support.new_path "trail"
    local client = audited({ on_event = function (event)
      if event.event == "request" and event.method == "PATCH" then os.execute("chmod o+w " .. path) end
    end }, nil, path)
    local done, err = client:update(asked(emulator.sample))
    assert.is_nil(done)
    assert.equal("journal", err.kind)
    assert.matches("anybody may write to .*; what could not be recorded: {.*\"outcome\":\"changed\"", err.message)
    assert.equal("Approved", emulator:connection(emulator.sample).status)
    assert(os.execute("chmod o-w " .. path))
    local _, report = records(path)
    assert.same({ 1 }, report.open)
  end)

  it("tells refusals, what was so already, and deletions apart", function ()
    local client, path = audited()
    assert.is_nil(client:update(asked(emulator.sample, { if_match = "other" })))
    assert(client:ensure(asked(emulator.sample)))
    assert(client:ensure(asked(emulator.sample)))
    assert(client:delete { id = emulator.sample })
    local writes = journal.writes(records(path))
    local outcomes = {}
    for n, write in ipairs(writes) do outcomes[n] = write.outcome end
    assert.same({ "failed", "changed", "changed" }, outcomes) -- the second ensure wrote nothing
    assert.equal("precondition", writes[1].error.kind)
    assert.equal("Pending", writes[2].before.status)
    assert.is_nil(writes[3].after)
  end)

  it("puts many down, by whichever way their ends are taken", function ()
    local client, path = audited()
    local pollers, count = {}, 0
    for n = 1, 30 do pollers[n] = client:begin_ensure(asked(emulator.many[n])) end
    for poller, result, err in client:completions { table.unpack(pollers, 1, 20) } do
      assert(result, err)
      assert.equal(result.after.etag, poller:result().after.etag)
      count = count + 1
    end
    assert.equal(20, count)
    while not pollers[21]:step() do client:step() end
    for n = 22, 25 do assert(pollers[n]:wait()) end
    for _, result in client:completions() do
      assert(result)
      count = count + 1
    end
    assert(count >= 25)
    local list, report = records(path)
    assert.equal(60, #list)
    assert.same({}, report.open)
  end)

  it("loops over pollers under any keys", function ()
    local client, path = audited()
    local pollers, ended = { [7] = client:begin_ensure(asked(emulator.many[1])) }, 0
    pollers.named = client:begin_delete { id = emulator.many[2] }
    for poller, result in client:completions(pollers) do
      assert(result)
      assert(poller == pollers[7] or poller == pollers.named)
      ended = ended + 1
    end
    assert.equal(2, ended)
    assert.same({}, select(2, records(path)).open)
    assert.has_error(function () client:completions { named = "no poller" } end)
  end)

  it("calls unknown what was given up, and knows it again when it is resumed", function ()
    emulator:set { operation_polls = 50 }
    local client, path = audited()
    local poller = client:begin_update(asked(emulator.sample))
    local none, err = poller:wait(0.3)
    assert.is_nil(none)
    assert.equal("timeout", err.kind)
    assert.equal(1, #records(path))
    local token = assert(poller:continuation_token())
    client:close()
    assert.equal("unknown", journal.writes(records(path))[1].outcome)
    emulator:set { operation_polls = 1 }
    local again = audited(nil, nil, path)
    assert(assert(again:resume(token)):wait())
    local writes = journal.writes(records(path))
    assert.equal(1, #writes)
    assert.equal("changed", writes[1].outcome)
    assert.equal("Approved", writes[1].after.status)
    assert.is_nil((again:resume "{}"))
  end)

  it("does not take another's change for its own when the answer to a write is lost", function ()
    local other <close> = emulator:client()
    local read, is_changed = assert(other:get { id = emulator.sample }), false
    local client, path = audited({ on_event = function (event)
      if is_changed or event.event ~= "retry" then return end
      is_changed = true
      emulator:faults {}
      assert(other:update(asked(emulator.sample, { description = "by somebody else" })))
    end }, function () return { before = read } end)
    emulator:faults { { match = { kind = "update" }, action = { close = true } } }
    local done, err = client:ensure { id = emulator.sample, status = "Approved", if_match = read.etag,
      skip_read = true }
    assert.is_nil(done)
    assert.equal("precondition", err.kind)
    local list = records(path)
    assert.same({ "intent", "result", "failed" }, { list[1].event, list[2].event, list[2].outcome })
  end)

  it("resumes nothing whose end cannot be put down", function ()
    emulator:set { operation_polls = 50 }
    local client = emulator:client()
    local poller = client:begin_update(asked(emulator.sample))
    repeat poller:wait(0.01) until poller:progress().polls > 0
    local token, asked_before = poller:continuation_token(), emulator:kinds()
    client:close()
    local again = audited(nil, nil, "/dev/full")
    local none, err = again:resume(token)
    assert.is_nil(none)
    assert.equal("journal", err.kind)
    for _ in again:completions() do error "something was begun" end
    again:step()
    assert.equal(asked_before, emulator:kinds())
  end)

  it("has a result without an intent where the write was not audited, and says which line that is", function ()
    local token = left_running()
    emulator:set { operation_polls = 0 }
    local client, path = audited()
    assert(client:update(asked(emulator.many[1])))
    assert(assert(client:resume(token)):wait())
    local report = assert(journal.verify(path))
    assert.is_false(report.ok)
    assert.is_true(report.intact)
    assert.same({ { line = 3, kind = "unannounced",
      message = "line 3 is the result of a write without an intent in this journal" } }, report.problems)
    assert(undo.read(path, journal.read(path)[1].run))
  end)

  it("does not part a result from its intent that went with the file, and tells it", function ()
    local path = support.new_path "trail"
    local client = audited({ on_event = function (event)
      if event.event == "request" and event.method == "PATCH" then os.remove(path) end
    end }, nil, path)
    local done, err = client:update(asked(emulator.sample))
    assert.is_nil(done)
    assert.matches("it is not the file in which this run began", err.message, 1, true)
    assert.matches('"outcome":"changed"', err.message, 1, true)
    assert.is_nil(io.open(path))
  end)

  it("raises what azpec.client and its calls raise", function ()
    local client, path = audited()
    assert.has_error(function () client:update(asked(emulator.sample, { status = "Aproved" })) end)
    assert.has_error(function () audited { endpoint = 17 } end, "bad field 'endpoint' (string expected, got 17)")
    assert.is_nil(support.read(path))
    assert.equal("", emulator:kinds())
  end)

  it("blames the caller for misuse, in the words of azpec.client", function ()
    local mine, plain = audited(), emulator:client()
    for _, misuse in ipairs {
      function (client) client:update { account_name = 5 } end,
      function (client) client:begin_ensure() end,
      function (client) client:get { account_name = 5 } end,
      function (client) client:list(5) end,
      function (client) client:resume {} end,
      function (client) client:completions { "no poller" } end,
      function (client) client:begin_update(asked(emulator.sample)):wait "long" end,
      function (client) client:begin_update(asked(emulator.sample)):result() end,
      function (client) client:begin_update(asked(emulator.sample)):continuation_token(5) end,
    } do
      local _, wanted = pcall(misuse, plain)
      assert.matches("journal_spec%.lua:%d+: ", wanted)
      assert.same({ false, wanted }, { pcall(misuse, mine) })
    end
  end)

  -- ---- calls that are left early -----------------------------------------------------------------------------------

  -- A client whose waiting calls yield, in a coroutine that makes this call and has run until it waits at the `nth` of
  -- these events.
  local function stopped(call, event_name, nth)
    local seen, path = 0, support.new_path "trail"
    local client = audited({ poll_interval = 0.05, wait = function (one)
      if seen >= nth then return coroutine.yield() end
      cqueues.poll(one, support.hang)
    end, on_event = function (event)
      if event.event == event_name and event.method ~= "POST" then seen = seen + 1 end
    end }, nil, path)
    local co = coroutine.create(function () return call(client) end)
    repeat assert(coroutine.resume(co)) until seen >= nth
    return client, path, co
  end

  local calls = {
    update = function (client) return client:update(asked(emulator.sample)) end,
    ensure = function (client) return client:ensure(asked(emulator.sample)) end,
    delete = function (client) return client:delete { id = emulator.sample } end,
  }

  -- Steps the client until another operation has ended, so that one that was not canceled would go on.
  local function go_on(client)
    for _ = 1, 3 do
      local poller = client:begin_ensure { id = emulator.many[1], status = "Pending" }
      while not poller:step() do cqueues.poll(client, support.hang) end
      poller:result()
    end
  end

  for name, call in pairs(calls) do
    it("cancels a blocking " .. name .. " whose coroutine is closed, and puts that down", function ()
      local client, path, co = stopped(call, "token", 0)
      assert.is_true(coroutine.close(co))
      go_on(client)
      assert.equal(0, #emulator:log("update", "delete"))
      assert.is_nil(support.read(path))

      emulator:set { operation_polls = 1000 }
      client, path, co = stopped(call, "poll", 1)
      assert.is_true(coroutine.close(co))
      local write = journal.writes(records(path))[1]
      assert.same({ "unknown", "canceled", "string" }, { write.outcome, write.error.kind, type(write.token) })
      local asked_before = #emulator:log "poll"
      go_on(client)
      assert.equal(asked_before, #emulator:log "poll")
    end)

    it("cancels a blocking " .. name .. " whose wait raises an error", function ()
      local client, path = audited { wait = function () error({ "stop" }) end }
      local ok, err = pcall(call, client)
      assert.same({ false, { "stop" } }, { ok, err })
      go_on(client)
      assert.equal(0, #emulator:log("update", "delete"))
      for _ in client:finished() do error "a call's own poller" end
      client:close()
      assert.is_nil(support.read(path))
    end)
  end

  it("cancels a blocking call whose coroutine is collected", function ()
    local client, path, co = stopped(calls.update, "token", 0)
    assert.equal("suspended", coroutine.status(co))
    co = nil -- luacheck: ignore
    collectgarbage()
    collectgarbage()
    go_on(client)
    assert.equal(0, #emulator:log "update")
    for _ in client:finished() do error "a call's own poller" end
    assert.is_nil(support.read(path))
  end)

  it("says that a write was not sent whose call ended before that", function ()
    local path = support.new_path "trail"
    local client = audited({ on_event = function (event)
      if event.event == "request" and event.method == "PATCH" then error("interrupted!", 0) end
    end }, nil, path)
    assert.same({ false, "interrupted!" }, { pcall(calls.update, client) })
    local write = journal.writes(records(path))[1]
    assert.same({ "failed", "canceled" }, { write.outcome, write.error.kind })
    assert.is_nil(write.token)
    assert.equal(0, #emulator:log "update")
  end)

  it("resumes without waiting, and puts down who has signed in since", function ()
    local token = left_running()
    local client, path = audited { wait = function () error "it waits" end }
    local asked_before = emulator:kinds()
    local poller = assert(client:resume(token))
    assert.equal(asked_before, emulator:kinds())
    emulator:set { operation_polls = 0 }
    repeat
      cqueues.poll(client, support.hang)
      client:step()
    until poller:done()
    for _, connection in client:finished() do assert.is_string(connection.etag) end
    local result = journal.read(path)[1]
    assert.same({ "result", "changed", emulator.client_id }, { result.event, result.outcome, result.who.appid })
  end)

  it("puts nothing down for a resumed operation before anybody has signed in", function ()
    local token = left_running()
    local client, path = audited()
    client:resume(token)
    client:close()
    assert.equal(0, #records(path))
  end)

  it("shows no loop the poller of a blocking call", function ()
    local client = audited { wait = function () return coroutine.yield() end }
    local co = coroutine.create(calls.update)
    assert(coroutine.resume(co, client))
    for _ in client:completions() do error "a call's own poller" end
    local ok, done
    repeat
      cqueues.poll(client, support.hang)
      ok, done = coroutine.resume(co)
      assert(ok, done)
      for _ in client:finished() do error "a call's own poller" end
    until coroutine.status(co) == "dead"
    assert.is_string(done.etag)
  end)

  -- ---- errors of on_event ------------------------------------------------------------------------------------------

  it("keeps the outcome of a blocking call during which on_event raises an error, and puts it down", function ()
    for _, event_name in ipairs { "request", "response", "poll", "end" } do
      emulator:reset()
      local client, path = audited { on_event = function (event)
        if event.event == event_name then error("listener is broken", 0) end
      end }
      local ok, err = pcall(calls.update, client)
      assert.is_false(ok)
      assert.same({ "callback", "listener is broken", false }, { err.kind, err.raised, err.retryable })
      assert.equal("callback: on_event raised an error: listener is broken; the call itself succeeded: see `result`",
        tostring(err))
      assert.equal("Approved", err.result.properties.privateLinkServiceConnectionState.status)
      assert.is_nil(err.err)
      local list, report = records(path)
      assert.same({ 2, "changed", {} }, { #list, list[2].outcome, report.open })
    end
  end)

  it("keeps the error of a blocking call during which on_event raises one", function ()
    local broken = setmetatable({}, { __tostring = function () error "no text" end })
    local client, path = audited { on_event = function () error(broken) end }
    local ok, err = pcall(client.update, client, asked(emulator.sample, { if_match = "other" }))
    assert.is_false(ok)
    assert.equal(broken, err.raised)
    assert.is_nil(err.result)
    assert.equal("precondition", err.err.kind)
    assert.equal("callback: on_event raised an error: an error that cannot be converted to a string; "
      .. "the call itself failed: see `err`", tostring(err))
    assert.equal("failed", records(path)[2].outcome)
    client, path = audited { on_event = function () error(nil) end }
    assert.equal("on_event raised nil", select(2, pcall(calls.ensure, client)).raised)
    assert.equal("changed", records(path)[2].outcome)
  end)

  it("puts a cancellation down, whatever on_event raises then; the poller raises that once", function ()
    emulator:set { operation_polls = 1000 }
    local client, path = audited { on_event = function (event)
      if event.event == "end" then error("listener is broken", 0) end
    end }
    local poller = client:begin_update(asked(emulator.sample))
    repeat poller:wait(0.01) until poller:progress().polls > 0
    poller:cancel()
    assert.equal("unknown", journal.writes(records(path))[1].outcome)
    assert.same({ false, "listener is broken" }, { pcall(poller.result, poller) })
    assert.equal("canceled", select(2, poller:result()).kind)
  end)

  -- Begins four operations that do not end, of the connections behind the first so many.
  local function four(client, first)
    local list = {}
    for n = 1, 4 do list[n] = client:begin_ensure(asked(emulator.many[first + n])) end
    for _, poller in ipairs(list) do
      repeat poller:wait(0.01) until poller:progress().polls > 0
    end
    return list
  end

  it("hands out the pollers that were canceled, as azpec.client does", function ()
    local function count(...)
      local found = 0
      for poller, value, err in ... do
        assert.equal("canceled", not value and err.kind)
        assert.equal("canceled", select(2, poller:result()).kind)
        found = found + 1
      end
      return found
    end
    for _, client in ipairs { emulator:client(), (audited()) } do
      emulator:reset()
      emulator:set { operation_polls = 1000 }
      local list = four(client, 0)
      for _, poller in ipairs(list) do poller:cancel() end
      assert.equal(4, count(client:completions()))
      assert.equal(0, count(client:finished()))
      list = four(client, 4)
      list[1]:cancel()
      list[2]:cancel()
      assert(not list[2]:result())
      client:step()
      assert.equal(1, count(client:finished()))
      list[3]:cancel()
      assert.equal(0, count(client:completions { list[2] }))
      assert.equal(1, count(client:completions { list[3] }))
      list[4]:cancel()
      assert.equal(1, count(client:completions()))
      client:close()
    end
  end)

  it("tells a run of what was canceled, and records what its items say", function ()
    emulator:set { operation_polls = 1000 }
    local client, path = audited()
    local items, pollers, outcomes = {}, {}, {}
    for n = 1, 4 do
      local connection = assert(client:get { id = emulator.many[n] })
      items[n] = { id = connection.id, action = "approve", connection = connection, etag = connection.etag,
        rule = "ours", reason = "ticket 7" }
    end
    local summary = engine.run { client = client, items = items, track = function (poller)
      pollers[#pollers + 1] = poller
    end, on_result = function (result) outcomes[#outcomes + 1] = result.outcome end, on_progress = function ()
      for _, poller in ipairs(#pollers == 4 and pollers or {}) do poller:cancel() end
    end, on_begin = function (item)
      if item == items[4] then
        pollers[1]:wait(0.2)
        pollers[1]:cancel()
      end
      return {}
    end }
    assert.equal(4, summary.taken)
    assert.same({ "unknown", "unknown", "unknown", "failed" }, outcomes) -- the last one was not sent yet
    for _, write in ipairs(journal.writes(records(path))) do
      assert.same({ "ours", "ticket 7", "Pending" }, { write.rule, write.reason, write.before.status })
    end
  end)

  it("is the client in all else", function ()
    local client <close> = audited()
    assert.equal(emulator.sample, client:get({ id = emulator.sample }).id)
    assert.equal("number", type(client:pollfd()))
    assert.matches("^azpec.client", tostring(client))
    assert.is_nil(client.no_such_method)
    local poller <close> = client:begin_update(asked(emulator.sample))
    assert.matches("^azpec.poller", tostring(poller))
    assert.is_table(poller:progress())
    assert.is_nil(poller.no_such_method)
  end)

  -- ---- undoing -----------------------------------------------------------------------------------------------------

  local function plan_of(path, options)
    local records_now = records(path)
    return assert(undo.read(path, records_now[1].run, options))
  end

  local function undone(items, client)
    local ended = {}
    engine.run { client = client, items = items, on_result = function (result)
      ended[#ended + 1] = { id = result.item.id, outcome = result.outcome, status = result.after and
        result.after.properties.privateLinkServiceConnectionState.status, kind = result.err and result.err.kind }
    end }
    return ended
  end

  it("can bring back exactly what a run changed", function ()
    emulator:set { operation_polls = 0 }
    local client, path = audited()
    for n = 1, 3 do assert(client:ensure(asked(emulator.many[n]))) end
    assert(client:ensure(asked(emulator.many[1], { description = "again" })))
    local plan = plan_of(path)
    assert.equal(3, #plan)
    assert.equal("Pending ''",("%s '%s'"):format(plan[1].status, plan[1].description))
    assert.equal("again", plan[1].left.description)
    undo.check(plan, client)
    for _, item in ipairs(plan) do assert.is_nil(item.stale) end
    local other = audited()
    for _, one in ipairs(undone(plan, other)) do assert.equal("Pending", one.status) end
    for n = 1, 3 do assert.equal("Pending", emulator:connection(emulator.many[n]).status) end
  end)

  it("leaves alone what somebody else has changed since, at whatever moment", function ()
    emulator:set { operation_polls = 0 }
    local client, path = audited()
    for n = 1, 4 do assert(client:ensure(asked(emulator.many[n]))) end
    local plain = emulator:client()
    assert(plain:update { id = emulator.many[1], status = "Approved", description = "mine now" })
    assert(plain:delete { id = emulator.many[2] })
    local plan = plan_of(path)
    undo.check(plan, client)
    assert.matches("^it was changed since: its ETag is ", plan[1].stale)
    assert.equal("it is gone", plan[2].stale)
    assert.is_nil(plan[3].stale)
    assert(plain:update { id = emulator.many[3], status = "Approved", description = "mine, just now" })
    local ended = undone(plan, (audited()))
    assert.equal(4, #ended)
    for _, one in ipairs(ended) do
      assert.equal(one.id == emulator.many[4] and "changed" or "stale", one.outcome)
    end
    assert.equal("mine now", emulator:connection(emulator.many[1]).description)
    assert.equal("mine, just now", emulator:connection(emulator.many[3]).description)
  end)

  it("says in words what cannot be brought back", function ()
    emulator:set { operation_polls = 0 }
    local client, path = audited()
    assert(client:update(asked(emulator.many[1], { status = "Rejected" })))
    assert(client:delete { id = emulator.many[2] })
    assert(client:update(asked(emulator.many[3])))
    local plan = plan_of(path)
    assert.equal("the journal does not say what it was before", plan[1].impossible)
    assert.equal("it was deleted; only its private endpoint's owner can ask for it anew", plan[2].impossible)
    assert.equal("the journal does not say what it was before", plan[3].impossible)
    for _, one in ipairs(undone(plan, client)) do assert.equal("impossible", one.outcome) end
    client, path = audited()
    assert(client:ensure(asked(emulator.many[4], { status = "Rejected" })))
    assert.matches("^it is Rejected, which is final; .* have the private endpoint's owner create a new one$",
      plan_of(path)[1].impossible)
  end)

  it("rejects what was approved, where that is asked for", function ()
    emulator:set { operation_polls = 0 }
    local client, path = audited()
    assert(client:ensure(asked(emulator.many[5])))
    local plan = plan_of(path, { reject = true })
    undo.check(plan, client)
    assert.equal("Rejected", plan[1].status)
    assert.equal("Rejected", undone(plan, client)[1].status)
  end)

  it("takes no option that it does not know, and blames its caller", function ()
    for why, call in pairs {
      ["unknown field 'rejected'; did you mean 'reject'?"] = function () undo.items({}, { rejected = true }) end,
      ["unknown field 'rejects'; did you mean 'reject'?"] = function () undo.read("none", "r", { rejects = true }) end,
      ["bad field 'reject' (boolean expected, got string)"] = function () undo.items({}, { reject = "yes" }) end,
    } do
      local ok, problem = pcall(call)
      assert.is_false(ok)
      assert.matches("journal_spec.lua:%d+: " .. why:gsub("%p", "%%%0"), problem)
    end
  end)

  it("is refused by a journal that was changed, and for a run that it does not know", function ()
    local client, path = audited()
    assert(client:ensure(asked(emulator.sample)))
    local run = records(path)[1].run
    local none, why = undo.read(path, "other")
    assert.is_nil(none)
    assert.equal("the journal knows no run 'other'", why)
    support.write(path, (support.read(path):gsub("by test", "by tesT")))
    none, why = undo.read(path, run)
    assert.is_nil(none)
    assert.matches("^nothing is undone by a journal that is not as it was written: line 1 was changed", why)
  end)

  it("is what azpec.type does not mistake for one", function ()
    assert.is_nil(azpec.type and azpec.type((audited())) or nil)
  end)
end)
