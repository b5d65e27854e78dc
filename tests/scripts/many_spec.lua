-- Many at once: with a client that answers from a script, so that each ending and each moment is at hand.

local many = require "azpec.many"

-- A client whose operations end in the order in which they were begun, as `answers` says by their id: a table like
-- ensure's result, { err = ... }, or a function of the call that returns one.
local function fake(answers)
  local client = { begun = {}, resumed = {}, most = 0, queue = {} }
  local function add(id, answer)
    local poller = { id = id, answer = answer }
    function poller.progress() return { request_id = "r" .. id, client_request_id = "c" .. id } end
    function poller.continuation_token() return answer.token end
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
  function client.resume(_, token, options)
    client.resumed[#client.resumed + 1] = token
    if token == "bad" then return nil, { kind = "protocol", message = "no" } end
    assert(not options.write, "what is written is the item's to say, not the token's")
    if token == "unsent" then
      return add(options.id, { err = { kind = "precondition", continuation_token = token } })
    end
    return add(options.id, { changed = true, before = {}, after = {} })
  end
  function client.completions()
    return function ()
      local poller = table.remove(client.queue, 1)
      if not poller then return nil end
      if poller.answer.raise then error(poller.answer.raise, 0) end
      if poller.answer.err then return poller, nil, poller.answer.err end
      return poller, poller.answer
    end
  end
  return client
end

local function items(count)
  local list = {}
  for n = 1, count do list[n] = { id = tostring(n), status = "Approved", etag = "e" .. n, rule = "r" } end
  return list
end

-- A checkpoint that notes what it is told, and fails from the n-th line on.
local function notes(fails_at)
  local file = { lines = {} }
  local function note(word)
    return function (_, subject, more)
      if fails_at and #file.lines + 1 >= fails_at then return nil, { kind = "checkpoint", message = "full" } end
      file.lines[#file.lines + 1] = ("%s %s %s"):format(word, type(subject) == "table" and subject.id or subject,
        more or "")
      return true
    end
  end
  file.begin, file.token, file.finish = note "begin", note "token", note "end"
  return file
end

local function run(options)
  local results = {}
  options.on_result = function (result) results[#results + 1] = result end
  return many.run(options), results
end

local function outcomes(results)
  local list = {}
  for n, result in ipairs(results) do list[n] = result.item.id .. " " .. result.outcome end
  return table.concat(list, ", ")
end

describe("many", function ()
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
    assert.same({ begun = 2, changed = 1, unchanged = 1, stale = 0, failed = 0, unknown = 0 }, summary)
  end)

  it("knows one ending from another", function ()
    local client = fake {
      ["1"] = { err = { kind = "precondition" } }, ["2"] = { err = { kind = "forbidden", request_id = "x" } },
      ["3"] = { err = { kind = "timeout", continuation_token = "t" } }, ["4"] = { err = { kind = "timeout" } },
    }
    local summary, results = run { client = client, items = items(4) }
    assert.equal("1 stale, 2 failed, 3 unknown, 4 failed", outcomes(results))
    assert.equal("x", results[2].ids.request_id)
    assert.same({ begun = 4, changed = 0, unchanged = 0, stale = 1, failed = 2, unknown = 1 }, summary)
  end)

  it("has so many under way and no more, and takes a function for a list", function ()
    local client, n, seen = fake {}, 0, {}
    local summary = many.run { client = client, parallel = 7, items = function ()
      n = n + 1
      return n <= 50 and { id = tostring(n), status = "Approved" } or nil
    end, on_progress = function (counts) seen[#seen + 1] = counts end }
    assert.equal(50, summary.changed)
    assert.equal(7, client.most)
    assert.same({ done = 0, running = 7, failed = 0 }, seen[1])
    assert.same({ done = 50, running = 0, failed = 0 }, seen[#seen])
  end)

  it("has nothing to do without an item", function ()
    assert.same({ begun = 0, changed = 0, unchanged = 0, stale = 0, failed = 0, unknown = 0 }, many.run { items = {} })
  end)

  it("puts down beginning and end, in that order", function ()
    local file = notes()
    local client = fake { ["2"] = { err = { kind = "forbidden" } },
      ["3"] = { err = { kind = "timeout", continuation_token = "t" } } }
    run { client = client, items = items(3), checkpoint = file, parallel = 1 }
    assert.same({ "begin 1 ", "end 1 changed", "begin 2 ", "end 2 failed", "begin 3 ", "token 3 t" }, file.lines)
  end)

  it("begins nothing that it cannot put down", function ()
    local client = fake {}
    local summary = run { client = client, items = items(9), checkpoint = notes(3), parallel = 1 }
    assert.equal("checkpoint full", summary.left .. " " .. summary.err.message)
    assert.equal(1, #client.begun)
    client = fake {}
    summary = run { client = client, items = items(9), checkpoint = notes(2), parallel = 1 }
    assert.equal("checkpoint", summary.left)
    assert.equal(1, summary.changed)
  end)

  it("does the others where the client refuses the name of one; what else it raises ends the run", function ()
    local file, told = notes(), {}
    local function refuse() error "bad field 'id' (it is odd)" end
    local summary = many.run { client = fake { ["2"] = refuse }, items = items(3), checkpoint = file,
      on_result = function (result) told[#told + 1] = result end }
    assert.equal(3, summary.begun)
    assert.equal(2, summary.changed)
    assert.equal(1, summary.failed)
    assert.equal("bad field 'id' (it is odd)", told[1].err.message)
    assert.truthy(table.concat(file.lines, "\n"):find("end 2 failed", 1, true))
    assert.has_error(function ()
      many.run { client = fake { ["2"] = function () error("broken", 0) end }, items = items(3) }
    end)
  end)

  it("goes on with what an earlier run began", function ()
    local client, file = fake {}, notes()
    local list = items(3)
    list[1].begun_before, list[1].token = true, "good"
    list[2].begun_before, list[2].token = true, "bad"
    local _, results = run { client = client, items = list, checkpoint = file }
    assert.same({ "good", "bad" }, client.resumed)
    assert.equal("2 3", client.begun[1].id .. " " .. client.begun[2].id)
    assert.equal("e2", client.begun[1].if_match)
    assert.is_true(results[1].resumed)
    assert.same({ "begin 3 ", "end 1 changed", "end 2 changed", "end 3 changed" }, file.lines)
  end)

  it("writes what the item says where its token leads to a connection that is still to be written", function ()
    local client, file = fake {}, notes()
    local list = items(1)
    list[1].begun_before, list[1].token = true, "unsent"
    local summary = run { client = client, items = list, checkpoint = file }
    assert.equal("1 e1 Approved", ("%s %s %s"):format(client.begun[1].id, client.begun[1].if_match,
      client.begun[1].status))
    assert.equal(1, summary.changed)
    assert.same({ "end 1 changed" }, file.lines)
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
    assert.equal(2, summary.begun)
    -- And only once.
    client = fake { ["1"] = { err = { kind = "precondition" } } }
    summary = run { client = client, items = { list[1] } }
    assert.equal(2, #client.begun)
    assert.equal(1, summary.stale)
  end)

  it("stops where all others would fail alike, and waits for what is under way", function ()
    for _, kind in ipairs { "credential", "audit" } do
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
    assert.equal("deadline 0", summary.left .. " " .. summary.begun)
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
      if item.id == "3" then return false, { message = "the trail is full" } end
      return { client_request_id = "id-" .. item.id }
    end }
    assert.equal("refused the trail is full 2", ("%s %s %d"):format(summary.left, summary.err.message, summary.changed))
    assert.equal("id-2", client.begun[2].client_request_id)
  end)

  it("puts down the tokens of what is under way where it is broken off", function ()
    local file = notes()
    local client = fake { ["1"] = { raise = "interrupted!" }, ["2"] = { token = "t2" }, ["3"] = {} }
    local ok, message = pcall(many.run, { client = client, items = items(3), checkpoint = file })
    assert.is_false(ok)
    assert.equal("interrupted!", message)
    assert.same({ "begin 1 ", "begin 2 ", "begin 3 ", "token 2 t2" }, file.lines)
  end)

  it("leaves other pollers of the client alone", function ()
    local client = fake {}
    client:begin_ensure { id = "foreign" }
    local summary, results = run { client = client, items = items(1) }
    assert.equal("1 changed", outcomes(results))
    assert.equal(1, summary.begun)
  end)
end)
