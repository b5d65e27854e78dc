-- A client whose writes are audited, against the emulator; and runs that are undone.

local audit = require "azpec.audit"
local azpec = require "azpec"
local support = require "loopback.support"

describe("an audited client", function ()
  local emulator

  setup(function () emulator = support.emulator { operation_polls = 1, poll_answer = "resource" } end)
  before_each(function () emulator:reset() end)
  after_each(support.tidy)
  teardown(support.close)

  -- A client and its trail's path. more: of azpec.client; about: of audit.client.
  local function audited(more, about, path)
    path = path or support.new_path "trail"
    local trail = audit.open(path, { who = { oid = "o" } })
    local client = emulator:client(support.merged({ on_event = function (event) trail:observe(event) end }, more or {}))
    return audit.client(client, trail, { verb = "approve", about = about }), path, trail
  end

  -- The records; fails unless the trail is sound.
  local function records(path)
    local list, report = audit.read(path)
    for _, problem in ipairs(report.problems) do error(problem.message) end
    support.has_no_secret(list, "a trail")
    return list, report
  end

  local function asked(id, more)
    return support.merged({ id = id, status = "Approved", description = "by test" }, more or {})
  end

  it("puts down what it is about to do, and how that ended", function ()
    local before = { id = emulator.sample, etag = "e", properties = {
      privateLinkServiceConnectionState = { status = "Pending" } } }
    local client, path = audited(nil, function (id)
      assert.equal(emulator.sample, id)
      return { rule = "ours", reason = "the subscription is ours", before = before }
    end)
    local connection = assert(client:update(asked(emulator.sample)))
    local intent, result = table.unpack((records(path)))
    assert.equal("intent result", intent.event .. " " .. result.event)
    assert.same({ status = "Approved", description = "by test" }, intent.wanted)
    assert.equal("ours", result.rule)
    assert.equal("the subscription is ours", intent.reason)
    assert.same({ etag = "e", status = "Pending" }, intent.before)
    assert.equal("changed", result.outcome)
    assert.equal(connection.etag, result.after.etag)
    assert.equal("Approved", result.after.status)
    local sent = emulator:log "update"[1]
    assert.equal(sent.request_id, result.request_id)
    assert.equal(sent.headers["x-ms-client-request-id"], result.call)
    assert.equal(intent.call, result.call)
  end)

  it("has the intent in the trail before anything is sent", function ()
    local path, seen = support.new_path "trail", {}
    local client = audited({ on_event = function (event)
      if event.event == "request" then seen[#seen + 1] = #records(path) end
    end }, nil, path)
    assert(client:ensure(asked(emulator.sample)))
    assert(#seen > 2)
    for _, count in ipairs(seen) do assert.equal(1, count) end
    assert.equal(2, #records(path))
  end)

  it("sends nothing where that cannot be put down", function ()
    for _, method in ipairs { "update", "ensure", "delete" } do
      local client = audited(nil, nil, "/dev/full")
      local options = method == "delete" and { id = emulator.sample } or asked(emulator.sample)
      local done, err = client[method](client, options)
      assert.is_nil(done)
      assert.equal("audit", err.kind)
      assert.matches("^audit: the audit trail cannot be written: /dev/full is no regular file but a char device; "
        .. "nothing was sent", tostring(err))
      assert.equal("x audit", "x " .. ("" .. err):sub(1, 5))
      local told = {}
      local pollers = { client["begin_" .. method](client, options), client["begin_" .. method](client, options) }
      for poller, result, why in client:completions() do
        assert.is_true(poller:done())
        assert.is_nil(result)
        told[#told + 1] = why.kind
      end
      assert.equal(2, #told)
      for _ in client:completions(pollers) do error "told twice" end
      for _, _, why in client:completions { client["begin_" .. method](client, options) } do
        told[#told + 1] = why.kind
      end
      assert.equal(3, #told)
      for _ in client:finished() do error "told twice" end
    end
    assert.equal("", emulator:kinds())
  end)

  it("says so when the result cannot be put down, and what it was", function ()
    local path = support.new_path "trail"
    local client = audited({ on_event = function (event)
      if event.event == "request" and event.method == "PATCH" then os.execute("chmod o+w " .. path) end
    end }, nil, path)
    local done, err = client:update(asked(emulator.sample))
    assert.is_nil(done)
    assert.equal("audit", err.kind)
    assert.matches("anybody may write to .*; what could not be put down: {.*\"outcome\":\"changed\"", err.message)
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
    local writes = audit.writes(records(path))
    local outcomes = {}
    for n, write in ipairs(writes) do outcomes[n] = write.outcome end
    assert.same({ "failed", "changed", "unchanged", "changed" }, outcomes)
    assert.equal("precondition", writes[1].error.kind)
    assert.equal("Pending", writes[2].before.status)
    assert.equal(writes[2].after.etag, writes[3].before.etag)
    assert.is_nil(writes[4].after)
  end)

  it("puts many down, by whichever way their ends are taken", function ()
    local client, path = audited()
    local pollers, count = {}, 0
    for n = 1, 30 do pollers[n] = client:begin_ensure(asked(emulator.many[n])) end
    assert.equal(30, #records(path))
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
    assert.equal("unknown", audit.writes(records(path))[1].outcome)
    emulator:set { operation_polls = 1 }
    local again = audited(nil, nil, path)
    assert(assert(again:resume(token)):wait())
    local writes = audit.writes(records(path))
    assert.equal(1, #writes)
    assert.equal("changed", writes[1].outcome)
    assert.equal("Approved", writes[1].after.status)
    assert.is_nil((again:resume "{}"))
  end)

  it("puts down, too, that a call was none", function ()
    local client, path = audited()
    local ok, message = pcall(client.update, client, asked(emulator.sample, { status = "Aproved" }))
    assert.is_false(ok)
    assert.matches("bad field 'status'", message, 1, true)
    local write = audit.writes(records(path))[1]
    assert.equal("failed", write.outcome)
    assert.equal("misuse", write.error.kind)
    assert.equal("", emulator:kinds())
  end)

  it("is the client in all else", function ()
    local client <close> = audited()
    assert.equal(emulator.sample, client:get({ id = emulator.sample }).id)
    assert.equal("number", type(client:pollfd()))
    assert.matches("^azpec.client", tostring(client))
    assert.is_nil(client.no_such_method)
    assert.has_error(function () client:update { status = "Approved" } end,
      "bad field 'id' (an audited write names its connection by the whole id)")
    local poller <close> = client:begin_update(asked(emulator.sample))
    assert.matches("^azpec.poller", tostring(poller))
    assert.is_table(poller:progress())
    assert.is_nil(poller.no_such_method)
  end)

  -- ---- undoing -----------------------------------------------------------------------------------------------------

  local function plan_of(path, options)
    local records_now = records(path)
    return assert(audit.undo(path, records_now[1].run, options))
  end

  local function undone(plan, client)
    local ended = {}
    plan:apply(client, function (item, connection, err)
      ended[#ended + 1] = { id = item.id, status = connection and
        connection.properties.privateLinkServiceConnectionState.status, kind = err and err.kind }
    end)
    return ended
  end

  it("can bring back exactly what a run changed", function ()
    emulator:set { operation_polls = 0 }
    local client, path = audited()
    for n = 1, 3 do assert(client:ensure(asked(emulator.many[n]))) end
    assert(client:ensure(asked(emulator.many[1], { description = "again" })))
    local plan = plan_of(path)
    assert.equal(3, #plan.items)
    assert.same({ status = "Pending", description = "" }, plan.items[1].to)
    assert.equal("again", plan.items[1].from.description)
    plan:check(client)
    for _, item in ipairs(plan.items) do assert.is_nil(item.stale) end
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
    local plan = plan_of(path):check(client)
    assert.matches("^it was changed since: its ETag is ", plan.items[1].stale)
    assert.equal("it is gone", plan.items[2].stale)
    assert.is_nil(plan.items[3].stale)
    assert(plain:update { id = emulator.many[3], status = "Approved", description = "mine, just now" })
    local ended = undone(plan, (audited()))
    assert.equal(2, #ended)
    for _, one in ipairs(ended) do
      if one.id == emulator.many[3] then
        assert.equal("precondition", one.kind)
      else
        assert.equal("Pending", one.status)
      end
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
    assert.equal(0, #plan.items)
    assert.equal("the trail does not say what it was before", plan.impossible[1].reason)
    assert.equal("it was deleted; only its private endpoint's owner can ask for it anew", plan.impossible[2].reason)
    client, path = audited()
    assert(client:ensure(asked(emulator.many[4], { status = "Rejected" })))
    assert.equal("it is Rejected, and cannot be approved again; delete it, and its private endpoint's owner asks anew",
      plan_of(path).impossible[1].reason)
  end)

  it("rejects what was approved, where that is asked for", function ()
    emulator:set { operation_polls = 0 }
    local client, path = audited()
    assert(client:ensure(asked(emulator.many[5])))
    local plan = plan_of(path, { reject = true }):check(client)
    assert.equal("Rejected", plan.items[1].to.status)
    assert.equal("Rejected", undone(plan, client)[1].status)
  end)

  it("is refused by a trail that was changed, and for a run that it does not know", function ()
    local client, path = audited()
    assert(client:ensure(asked(emulator.sample)))
    local run = records(path)[1].run
    local none, why = audit.undo(path, "other")
    assert.is_nil(none)
    assert.equal("the trail knows no run 'other'", why)
    support.write(path, (support.read(path):gsub("by test", "by tesT")))
    none, why = audit.undo(path, run)
    assert.is_nil(none)
    assert.matches("^nothing is undone by a trail that is not as it was written: line 1 was changed", why)
  end)

  it("is what azpec.type does not mistake for one", function ()
    assert.is_nil(azpec.type and azpec.type((audited())) or nil)
  end)
end)
