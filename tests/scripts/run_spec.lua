-- Many at once: with a client that answers from a script, so that each ending and each moment is at hand.

local engine = require "azpec.run"

-- A client whose operations end in the order in which they were begun, as `answers` says by their id: a table like
-- ensure's result, { err = ... }, or a function of the call that returns one.
local function fake(answers)
  local client = { begun = {}, deleted = {}, resumed = {}, followed = {}, most = 0, queue = {} }
  local function add(id, answer)
    local poller = { id = id, answer = answer }
    function poller.progress()
      local phase = type(answer) == "table" and answer.phase or nil
      return { request_id = "r" .. id, client_request_id = "c" .. id, phase = phase }
    end
    function poller.continuation_token() return answer.token end
    function poller.done() return false end
    client.queue[#client.queue + 1] = poller
    client.most = math.max(client.most, #client.queue)
    return poller
  end
  function client.begin_ensure(_, call)
    client.begun[#client.begun + 1] = call
    local answer = answers[call.id] or { changed = true, before = {}, after = {} }
    if type(answer) == "function" then answer = answer(call) end
    return add(call.id, answer)
  end
  function client.begin_delete(_, call)
    client.deleted[#client.deleted + 1] = call
    return add(call.id, true)
  end
  function client.follow(_, known)
    client.followed[#client.followed + 1] = known
    return true
  end
  function client.wait() end
  function client.finished()
    return function ()
      for n, poller in ipairs(client.queue) do
        if not (type(poller.answer) == "table" and poller.answer.phase) then
          table.remove(client.queue, n)
          return poller, poller.answer
        end
      end
    end
  end
  function client.resume(_, token, options)
    client.resumed[#client.resumed + 1] = token
    if token == "bad" then return nil, { kind = "protocol", message = "no" } end
    assert(not options.id or not options.write, "what is written is the item's to say, not the token's")
    if token == "unsent" then
      return add(options.id, { err = { kind = "precondition", continuation_token = token } })
    end
    return add(options.id or token, { changed = true, before = {}, after = {} })
  end
  function client.completions()
    return function ()
      local poller = table.remove(client.queue, 1)
      if not poller then return nil end
      local answer = poller.answer
      if answer == true then return poller, true end
      if answer.raise then error(answer.raise, 0) end
      if answer.err then return poller, nil, answer.err end
      return poller, answer
    end
  end
  return client
end

local function items(count)
  local list = {}
  for n = 1, count do list[n] = { id = tostring(n), status = "Approved", etag = "e" .. n, rule = "r" } end
  return list
end

local function run(options)
  local results = {}
  options.on_result = function (result) results[#results + 1] = result end
  return engine.run(options), results
end

-- A whole summary of these.
local function summary_of(counts)
  local summary = engine.summary()
  for name, value in pairs(counts) do summary[name] = value end
  return summary
end

local function connection(id, status, more)
  local properties = { provisioningState = "Succeeded", privateLinkServiceConnectionState = { status = status,
    description = "d" } }
  for name, value in pairs(more or {}) do properties[name] = value end
  return { id = id, etag = "e" .. id, properties = properties }
end

local function outcomes(results)
  local list = {}
  for n, result in ipairs(results) do list[n] = result.item.id .. " " .. result.outcome end
  return table.concat(list, ", ")
end

describe("a run", function ()
  it("begins each with what guards it, and tells each ending", function ()
    local client = fake { ["2"] = { changed = false, before = { etag = "b" }, after = { etag = "a" } } }
    local list = items(2)
    list[1].description = "text"
    local summary, results = run { client = client, items = list }
    assert.same({ id = "1", status = "Approved", if_match = "e1", description = "text" }, client.begun[1])
    assert.equal("1 changed, 2 unchanged", outcomes(results))
    assert.equal(list[2], results[2].item)
    assert.same({ etag = "b" }, results[2].before)
    assert.same({ etag = "a" }, results[2].after)
    assert.same({ request_id = "r2", client_request_id = "c2" }, results[2].ids)
    assert.same(summary_of { taken = 2, changed = 1, unchanged = 1 }, summary)
  end)

  it("knows one ending from another", function ()
    local client = fake {
      ["1"] = { err = { kind = "precondition" } }, ["2"] = { err = { kind = "forbidden", request_id = "x" } },
      ["3"] = { err = { kind = "timeout", continuation_token = "t" } }, ["4"] = { err = { kind = "timeout" } },
    }
    local summary, results = run { client = client, items = items(4) }
    assert.equal("1 stale, 2 failed, 3 unknown, 4 failed", outcomes(results))
    assert.equal("x", results[2].ids.request_id)
    assert.same(summary_of { taken = 4, stale = 1, failed = 2, unknown = 1 }, summary)
  end)

  it("has so many under way and no more, and takes a function for a list", function ()
    local client, n, seen = fake {}, 0, {}
    local summary = engine.run { client = client, parallel = 7, items = function ()
      n = n + 1
      return n <= 50 and { id = tostring(n), status = "Approved" } or nil
    end, on_progress = function (counts) seen[#seen + 1] = counts end }
    assert.equal(50, summary.changed)
    assert.equal(7, client.most)
    assert.same({ done = 0, running = 7, failed = 0 }, seen[1])
    assert.same({ done = 50, running = 0, failed = 0 }, seen[#seen])
  end)

  it("has nothing to do without an item", function ()
    assert.same(summary_of { taken = 0 }, engine.run { items = {} })
  end)
end)

describe("many (stopped, continued)", function ()
  it("does the others where the client refuses the name of one; what else it raises ends the run", function ()
    local told = {}
    local function refuse() error "bad field 'id' (it is odd)" end
    local summary = engine.run { client = fake { ["2"] = refuse }, items = items(3),
      on_result = function (result) told[#told + 1] = result end }
    assert.equal(3, summary.taken)
    assert.equal(2, summary.changed)
    assert.equal(1, summary.failed)
    assert.equal("bad field 'id' (it is odd)", told[1].err.message)
    assert.has_error(function ()
      engine.run { client = fake { ["2"] = function () error("broken", 0) end }, items = items(3) }
    end)
  end)

  it("goes on with what an earlier run began", function ()
    local client = fake {}
    local list = items(3)
    list[1].begun_before, list[1].token = true, "good"
    list[2].begun_before, list[2].token, list[2].call, list[2].found = true, "bad", "call-2", { etag = "e2" }
    local _, results = run { client = client, items = list }
    assert.same({ "good", "bad" }, client.resumed)
    assert.equal("2 3", client.begun[1].id .. " " .. client.begun[2].id)
    assert.equal("e2", client.begun[1].if_match)
    assert.is_true(results[1].resumed)
    assert.same({ id = "2", operation = "ensure", call = "call-2", before = { etag = "e2" } }, client.followed[1])
    assert.equal("call-2", client.begun[1].client_request_id)
  end)

  it("counts what an earlier run has changed, and not what was so before", function ()
    local list, rules = items(3), {}
    for n, etag in ipairs { "e2", "e1", "e2" } do
      rules[tostring(n)] = { changed = false, before = { etag = etag }, after = { etag = etag } }
    end
    for n = 1, 2 do list[n].begun_before, list[n].found = true, { etag = "e1" } end
    local _, results = run { client = fake(rules), items = list }
    local found = {}
    for _, result in ipairs(results) do found[result.item.id] = result.outcome end
    assert.same({ ["1"] = "changed", ["2"] = "unchanged", ["3"] = "unchanged" }, found)
  end)

  it("writes what the item says where its token leads to a connection that is still to be written", function ()
    local client = fake {}
    local list = items(1)
    list[1].begun_before, list[1].token = true, "unsent"
    local summary = run { client = client, items = list }
    assert.equal("1 e1 Approved", ("%s %s %s"):format(client.begun[1].id, client.begun[1].if_match,
      client.begun[1].status))
    assert.equal(1, summary.changed)
  end)

  it("looks once more where an earlier run's own write may have changed the ETag", function ()
    local looks = 0
    local function late()
      looks = looks + 1
      if looks == 1 then return { err = { kind = "precondition" } } end
      return { changed = false, before = {}, after = {} }
    end
    local list = items(2)
    list[1].begun_before = true
    local client = fake { ["1"] = late, ["2"] = { err = { kind = "precondition" } } }
    local summary, results = run { client = client, items = list }
    assert.equal("2 stale, 1 unchanged", outcomes(results))
    assert.equal(2, summary.taken)
    -- And only once.
    client = fake { ["1"] = { err = { kind = "precondition" } } }
    summary = run { client = client, items = { list[1] } }
    assert.equal(2, #client.begun)
    assert.equal(1, summary.stale)
  end)

  it("stops where all others would fail alike, and waits for what is under way", function ()
    for _, kind in ipairs { "credential", "journal" } do
      local client = fake { ["3"] = { err = { kind = kind, message = "no" } } }
      local summary = run { client = client, items = items(50), parallel = 5 }
      assert.equal(kind, summary.left)
      assert.equal("no", summary.err.message)
      assert.equal(7, #client.begun)
      assert.equal(6, summary.changed)
    end
  end)

  it("stops at its deadline, and gives no operation more time than is left", function ()
    local client = fake {}
    local summary = run { client = client, items = items(3), deadline = 0 }
    assert.equal("deadline 0", summary.left .. " " .. summary.taken)
    client = fake {}
    run { client = client, items = items(1), deadline = 100, timeout = 3 }
    assert.equal(3, client.begun[1].timeout)
    client = fake {}
    run { client = client, items = items(1), deadline = 100 }
    assert(client.begun[1].timeout <= 100 and client.begun[1].timeout > 50)
  end)

  it("asks before each, and stops where it is refused", function ()
    local client = fake {}
    local summary = run { client = client, items = items(9), parallel = 1, on_begin = function (item)
      if item.id == "3" then return false, { message = "the journal is full" } end
      return { client_request_id = "id-" .. item.id }
    end }
    assert.equal("refused the journal is full 2", ("%s %s %d"):format(summary.left, summary.err.message,
      summary.changed))
    assert.equal("id-2", client.begun[2].client_request_id)
  end)

  describe("of an item without a known change", function ()
    local bad = {
      { { action = "hold" }, "unknown action 'hold'" }, { { action = "ignore" }, "unknown action 'ignore'" },
      { { action = "aprove" }, "unknown action 'aprove' ('approve', 'reject', 'delete', 'set' expected); "
        .. "did you mean 'approve'?" }, { { action = "Reject" }, "unknown action 'Reject'" },
      { { action = "Reject", status = "Rejected" }, "unknown action 'Reject'" },
      { { action = 3 }, "unknown action '3'" }, { {}, "an action is missing" },
      { { action = "set" }, "the action 'set' needs a status" },
      { { action = "set", status = "Deleted" }, "no action sets the status 'Deleted'; "
        .. "use the action 'delete'" },
      { { action = "hold", token = "bad", begun_before = true }, "unknown action 'hold'" },
      { { action = "approve", if_match = '"1"' }, "an item has no 'if_match'; its guard is 'etag'" },
      { { token = "t", if_match = '"1"' }, "an item has no 'if_match'; its guard is 'etag'" },
    }
    it("raises, and sends nothing: an item without an id, or that is no table", function ()
      for why, item in pairs { ["bad item #2 (table expected, got number)"] = 3,
        ["bad item #2: bad field 'id' (string expected, got nil)"] = { action = "approve" } } do
        local client, list = fake {}, items(1)
        list[2] = item
        local ok, said = pcall(engine.run, { client = client, items = list })
        assert.is_false(ok)
        assert.equal(why, said)
        assert.same({}, client.begun)
      end
    end)

    it("raises for what is no table, if a function returned it", function ()
      local list = items(1)
      list[2] = 3
      local function next_item() return table.remove(list, 1) end
      assert.has_error(function () engine.run { client = fake {}, items = next_item } end,
        "bad item #2 (table expected, got number)")
    end)

    for _, row in ipairs(bad) do
      row[1].id = "2"
      it(("raises, and sends nothing: %s"):format(row[2]), function ()
        local client, list = fake {}, items(1)
        list[2] = row[1]
        local ok, why = pcall(engine.run, { client = client, items = list })
        assert.is_false(ok)
        assert.matches("bad item #2 (2): " .. row[2], why, 1, true)
        assert.same({ {}, {}, {} }, { client.begun, client.deleted, client.resumed })
      end)

      it(("fails only that item, if a function returned it: %s"):format(row[2]), function ()
        local client, list, n = fake {}, items(1), 0
        list[2] = row[1]
        local summary, results = run { client = client, items = function ()
          n = n + 1
          return list[n]
        end }
        assert.same({ 1, 1 }, { summary.changed, summary.failed })
        assert.equal("usage", results[1].err.kind)
        assert.matches(row[2], results[1].err.message, 1, true)
        assert.same({ 1, {}, {} }, { #client.begun, client.deleted, client.resumed })
      end)
    end
  end)

  it("blames the caller for a number at once that does nothing, and a client that is missing", function ()
    for _, number in ipairs { 0, -1, 1.5, 0 / 0 } do
      local ok, why = pcall(function () engine.run { client = fake {}, items = items(1), parallel = number } end)
      assert.is_false(ok)
      assert.matches("run_spec.lua:%d+: bad field 'parallel' %(a whole number of 1 or more expected, got ", why)
    end
    local ok, why = pcall(function () engine.run { items = items(1) } end)
    assert.is_false(ok)
    assert.matches("run_spec.lua:%d+: bad field 'client' %(azpec.Client expected, got nil%)", why)
  end)

  it("blames the caller for items that are no list", function ()
    local ok, why = pcall(function () engine.run { client = fake {} } end)
    assert.is_false(ok)
    assert.matches("run_spec.lua:%d+: bad field 'items' %(table or function expected, got nil%)", why)
  end)

  describe("of connections that were just read", function ()
    local function known(status, more)
      local item = { id = "1", action = "approve", etag = "e1", connection = connection("1", status) }
      for name, value in pairs(more or {}) do item[name] = value end
      return item
    end

    it("writes at once, guarded by the ETag", function ()
      local client = fake {}
      run { client = client, items = { known "Pending" } }
      assert.same({ id = "1", status = "Approved", if_match = "e1", skip_read = true }, client.begun[1])
    end)

    it("reads again if the ETag has changed, is missing, or a change is under way", function ()
      local client = fake {}
      local item = known "Pending"
      item.connection.properties.provisioningState = "Updating"
      local unguarded = known("Pending", { id = "3" })
      unguarded.etag = nil
      run { client = client, items = { item, known("Pending", { id = "2", etag = "other" }), unguarded } }
      assert.equal(3, #client.begun)
      for _, call in ipairs(client.begun) do assert.is_nil(call.skip_read) end
    end)

    it("sends nothing for what is so already, or impossible", function ()
      local client = fake {}
      local summary, results = run { client = client, items = { known "Approved", known "Rejected",
        known("Approved", { description = "d" }), { id = "4", action = "delete", gone = true } } }
      assert.equal("1 unchanged, 1 impossible, 1 unchanged, 4 unchanged", outcomes(results))
      assert.equal("operation", results[2].err.kind)
      assert.matches("^cannot become Approved: it is Rejected, which is final$", results[2].err.message)
      assert.matches("delete it", results[2].err.hint)
      assert.equal(0, #client.begun + #client.deleted)
      assert.same(summary_of { taken = 4, unchanged = 3, impossible = 1 }, summary)
    end)

    it("writes a new description, and deletes by the ETag", function ()
      local client = fake {}
      local summary = run { client = client, items = { known("Approved", { description = "new" }),
        known("Approved", { action = "delete" }) } }
      assert.equal("new", client.begun[1].description)
      assert.same({ id = "1", if_match = "e1" }, client.deleted[1])
      assert.equal(2, summary.changed)
    end)

    it("forecasts the same in a dry run, and sends nothing", function ()
      local client = fake {}
      local summary = run { client = client, dry_run = true, items = { known "Pending", known "Approved",
        known "Rejected", known("Rejected", { action = "delete" }) } }
      assert.same(summary_of { taken = 4, ["would change"] = 2, unchanged = 1, impossible = 1 }, summary)
      assert.equal(0, #client.begun + #client.deleted)
    end)

    it("sends nothing in a dry run for what is begun, either", function ()
      local client = fake {}
      local summary, results = run { client = client, dry_run = true, items = {
        known("Pending", { begun_before = true, call = "call-1" }), known("Approved", { begun_before = true }),
        { id = "3", token = "good" } } }
      assert.same(summary_of { taken = 3, ["would change"] = 2, unchanged = 1 }, summary)
      assert.same({ "an earlier run began it, and its end is not known", true },
        { results[1].why, results[1].resumed })
      assert.equal(0, #client.begun + #client.deleted + #client.resumed)
    end)

    it("counts what its source refuses", function ()
      local summary, results = run { client = fake {}, items = { known("Pending", { stale = "it is gone" }),
        known("Pending", { stale = "it moved" }), known("Pending", { err = { kind = "forbidden" } }),
        known("Pending", { impossible = "it cannot" }) } }
      assert.same(summary_of { taken = 4, stale = 2, failed = 1, impossible = 1 }, summary)
      local kinds = {}
      for n, result in ipairs(results) do kinds[n] = result.err.kind end
      assert.equal("not_found precondition forbidden operation", table.concat(kinds, " "))
    end)
  end)

  it("leaves an operation alone once it is accepted, where that is enough", function ()
    local client = fake { ["2"] = { phase = "poll", token = "t2" }, ["4"] = { phase = "poll", token = "t4" } }
    local summary, results = run { client = client, items = items(5), no_wait = true, parallel = 2 }
    assert.same(summary_of { taken = 5, changed = 3, begun = 2 }, summary)
    local tokens = {}
    for _, result in ipairs(results) do tokens[#tokens + 1] = result.token end
    assert.same({ "t2", "t4" }, tokens)
  end)

  it("leaves what has a token only once a poll has shown that it is still running", function ()
    local looks, client = 0, fake {}
    local resume = client.resume
    function client.resume(...)
      local poller = resume(...)
      poller.answer = { phase = "poll", changed = true }
      function poller.progress()
        return { phase = poller.answer.phase, polls = 1, next_wait = looks > 1 and 0.5 or nil }
      end
      function poller.continuation_token() return "t" .. poller.id end
      return poller
    end
    function client.wait() -- the second look has the answers: the first operation has ended
      looks = looks + 1
      if looks == 2 then client.queue[1].answer.phase = nil end
    end
    local function begun(id)
      return { id = id, action = "approve", begun_before = true, call = "c" .. id, token = id }
    end
    local summary, results = run { client = client, items = { begun "1", begun "2" }, no_wait = true }
    assert.same(summary_of { taken = 2, changed = 1, begun = 1 }, summary)
    assert.equal("t2", results[2].token)
  end)

  it("follows a token to its end, writes if that is said, and fails by itself where it is refused", function ()
    local client = fake {}
    local summary, results = run { client = client, items = { { id = "1", token = "good", write = true },
      { id = "2", token = "bad" } } }
    assert.same({ "good", "bad" }, client.resumed)
    assert.same(summary_of { taken = 2, changed = 1, failed = 1 }, summary)
    assert.equal("protocol", results[1].err.kind)
  end)

  it("leaves other pollers of the client alone", function ()
    local client = fake {}
    client:begin_ensure { id = "foreign" }
    local summary, results = run { client = client, items = items(1) }
    assert.equal("1 changed", outcomes(results))
    assert.equal(1, summary.taken)
  end)
end)
