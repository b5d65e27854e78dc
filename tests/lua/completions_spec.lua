-- client:completions and client:finished, where nothing answers: who is handed out, when a loop ends, what it leaves.
local kit = dofile "tests/lua/kit.lua"

local function begun(client, n)
  local pollers = {}
  for k = 1, n do
    pollers[k] = client:begin_update(kit.named { private_endpoint_connection_name = "pe." .. k })
  end
  return pollers
end

local function set_of(pollers)
  local set = {}
  for _, poller in ipairs(pollers) do set[poller] = true end
  return set
end

describe("completions", function ()
  it("hands out each poller once, with its connection or its error", function ()
    local client <close> = kit.client()
    local left = set_of(begun(client, 20))
    for poller, connection, err in client:completions() do
      assert.is_true(left[poller])
      left[poller] = nil
      assert.is_true(poller:done())
      assert.is_nil(connection)
      assert.equal("transport", err.kind)
      assert.is_true(rawequal(err, select(2, poller:result())))
    end
    assert.is_nil(next(left))
  end)

  it("ends at once where nothing was begun, and does no I/O", function ()
    local client <close> = kit.client { wait = function () error "waited" end }
    for _ in client:completions() do error "there is none" end
    for _ in client:completions {} do error "there is none" end
  end)

  it("without an argument also returns those started inside the loop", function ()
    local client <close> = kit.client()
    begun(client, 1)
    local seen = 0
    for _ in client:completions() do
      seen = seen + 1
      if seen < 5 then begun(client, 1) end
    end
    assert.equal(5, seen)
  end)

  it("with pollers hands out exactly these, and leaves the others to others", function ()
    local client <close> = kit.client()
    local mine, others = begun(client, 3), begun(client, 2)
    local left = set_of(mine)
    for poller in client:completions(mine) do
      assert.is_true(left[poller])
      left[poller] = nil
    end
    assert.is_nil(next(left))
    left = set_of(others)
    for poller in client:completions() do left[poller] = nil end
    assert.is_nil(next(left))
  end)

  it("takes any table of pollers, and one that is named twice is handed out once", function ()
    local client <close> = kit.client()
    local poller = begun(client, 1)[1]
    local seen = 0
    for _ in client:completions { poller, again = poller } do seen = seen + 1 end
    assert.equal(1, seen)
  end)

  it("does not hand out what was collected elsewhere", function ()
    local client <close> = kit.client()
    local pollers = begun(client, 4)
    pollers[1]:wait()
    local seen = 0
    for _ in client:completions(pollers) do
      seen = seen + 1
      for k = 2, 4 do
        if seen == 1 and pollers[k]:done() then pollers[k]:result() end
      end
      if seen == 1 then
        for k = 2, 4 do pollers[k]:wait() end
      end
    end
    assert.equal(1, seen)
  end)

  it("does not hand out the operations of blocking calls and lists", function ()
    local client <close> = kit.client { wait = coroutine.yield }
    local call = coroutine.create(function () return client:update(kit.named()) end)
    local list = coroutine.create(function ()
      for _ in client:list { resource_group_name = "rg", account_name = "acct" } do end
    end)
    coroutine.resume(call)
    coroutine.resume(list)
    for _ in client:completions() do error "they are their callers'" end
    for _ in client:finished() do error "they are their callers'" end
  end)
end)

describe("completions (waiting, breaking off)", function ()
  it("calls the waiter with the client, and continues when it returns", function ()
    local seen = {}
    local client
    client = kit.client { wait = function (...) seen[#seen + 1] = table.pack(...) end }
    begun(client, 2)
    for _ in client:completions() do end
    assert.truthy(#seen > 0)
    for _, args in ipairs(seen) do
      assert.equal(1, args.n)
      assert.is_true(rawequal(client, args[1]))
    end
    client:close()
  end)

  it("yields where the waiter does, and works beside a wait for one of its pollers", function ()
    local client <close> = kit.client { wait = coroutine.yield }
    local pollers = begun(client, 5)
    local seen, alone = 0, nil
    local loop = coroutine.create(function () for _ in client:completions() do seen = seen + 1 end end)
    local one = coroutine.create(function () alone = select(2, pollers[3]:wait()) end)
    assert.is_true(kit.drive(client, function ()
      for _, co in ipairs { loop, one } do
        if coroutine.status(co) == "suspended" then assert(coroutine.resume(co)) end
      end
      return coroutine.status(loop) == "dead" and coroutine.status(one) == "dead"
    end))
    assert.equal("transport", alone.kind)
    assert.truthy(seen == 4 or seen == 5) -- whoever came first has the third
  end)

  it("ends when the last one it waits for is collected elsewhere", function ()
    local client <close> = kit.patient { wait = coroutine.yield }
    local pollers = begun(client, 1)
    local ended = false
    local loop = coroutine.create(function ()
      for _ in client:completions(pollers) do error "it was collected" end
      ended = true
    end)
    assert(coroutine.resume(loop))
    pollers[1]:cancel()
    pollers[1]:result()
    assert(coroutine.resume(loop))
    assert.is_true(ended)
  end)

  it("may be left by break: what was not handed out is still there", function ()
    local client <close> = kit.client()
    local pollers = begun(client, 6)
    local function first(...)
      for poller in client:completions(...) do
        if poller:done() then return poller end
      end
    end
    assert(first(pollers))
    assert(first())
    local seen = 0
    for _ in client:completions() do seen = seen + 1 end
    assert.equal(4, seen)
  end)

  it("may be left by an error, and by coroutine.close", function ()
    local client <close> = kit.patient { wait = coroutine.yield }
    local pollers = begun(client, 2)
    local loop = coroutine.create(function () for _ in client:completions(pollers) do end end)
    assert(coroutine.resume(loop))
    assert(coroutine.close(loop))
    for _, poller in ipairs(pollers) do poller:cancel() end
    client:step()
    assert.is_false(pcall(function () for _ in client:completions(pollers) do error "enough" end end))
    local seen = 0
    for _ in client:completions(pollers) do seen = seen + 1 end
    assert.equal(1, seen)
  end)

  it("that is closed while a call of it waits is over for that call", function ()
    local client <close> = kit.patient { wait = coroutine.yield }
    for _, named in ipairs { true, false } do
      local pollers = begun(client, 1)
      local iterate, loop = client:completions(named and pollers or nil)
      local call = coroutine.create(iterate)
      assert(coroutine.resume(call, loop))
      do local _ <close> = loop end
      pollers[1]:cancel()
      client:step()
      assert.same({ true }, { coroutine.resume(call) })
      assert.equal("dead", coroutine.status(call))
      assert.equal("canceled", select(2, pollers[1]:result()).kind)
    end
  end)
end)

describe("completions (misuse, close, collection)", function ()
  it("a second loop over all raises; one over others does not", function ()
    local client <close> = kit.client()
    local pollers = begun(client, 3)
    local seen = 0
    for first in client:completions { pollers[1], pollers[2] } do
      local second = rawequal(first, pollers[1]) and pollers[2] or pollers[1]
      seen = seen + 1
      if seen == 1 then
        assert.equal("bad argument #1 to 'completions' (item 1 is in another loop)",
          kit.raised(client.completions, client, { second }))
        for _ in client:completions() do
          assert.equal("another loop over all completions of this client is running",
            kit.raised(client.completions, client))
        end
      end
    end
    assert.equal(2, seen)
  end)

  it("refuses what is no poller of its client, by its place in the table", function ()
    local client <close> = kit.client()
    local other <close> = kit.client()
    assert.equal("bad argument #1 to 'completions' (item 2 is no poller)",
      kit.raised(client.completions, client, { begun(client, 1)[1], 42 }))
    assert.equal("bad argument #1 to 'completions' (item x is another client's)",
      kit.raised(client.completions, client, { x = begun(other, 1)[1] }))
    assert.truthy(kit.raised(client.completions, client, 7):find("table expected", 1, true))
  end)

  it("on a closed client raises; a running loop hands out what the close has ended", function ()
    local client = kit.patient { wait = coroutine.yield }
    local pollers = begun(client, 3)
    local kinds, named = {}, {}
    local all = coroutine.create(function ()
      for _, _, err in client:completions() do kinds[#kinds + 1] = err.kind end
    end)
    local one = coroutine.create(function ()
      for _, _, err in client:completions { pollers[2] } do named[#named + 1] = err.kind end
    end)
    assert(coroutine.resume(one))
    assert(coroutine.resume(all))
    client:close()
    assert(coroutine.resume(all))
    assert(coroutine.resume(one))
    assert.same({ "canceled", "canceled" }, kinds)
    assert.same({ "canceled" }, named)
    assert.equal("attempt to use a closed client", kit.raised(client.completions, client))
    assert.equal("attempt to use a closed client", kit.raised(client.finished, client))
  end)

  it("of a dropped loop, a dropped client, everything at once: the collector is no harm", function ()
    for _ = 1, 20 do
      do
        local client = kit.client()
        local iterate, loop = client:completions(begun(client, 4))
        iterate(loop)
      end
      collectgarbage()
      collectgarbage()
    end
  end)

  it("raises what on_event raised for that poller, and loses none", function ()
    local broken
    local client <close> = kit.client { on_event = function (event)
      if event.event == "end" and not broken then
        broken = true
        error("mine", 0)
      end
    end }
    begun(client, 3)
    local seen = 0
    local function loop() for _ in client:completions() do seen = seen + 1 end end
    assert.equal("mine", kit.raised(loop))
    loop()
    assert.equal(3, seen)
  end)

  it("counts what is begun and ended in a cycle: a thousand leave nothing behind", function ()
    local client <close> = kit.client()
    local weak = setmetatable({}, { __mode = "k" })
    for _ = 1, 10 do
      for _, poller in ipairs(begun(client, 100)) do weak[poller] = true end
      for _ in client:completions() do end
    end
    collectgarbage()
    collectgarbage()
    assert.is_nil(next(weak))
  end)
end)

describe("finished", function ()
  it("hands out what has ended, in that order, and never waits or steps", function ()
    local client <close> = kit.client { wait = function () error "waited" end }
    local pollers = begun(client, 10)
    for _ in client:finished() do error "nothing was stepped" end
    assert.is_true(kit.drive(client, function ()
      for _, poller in ipairs(pollers) do if not poller:done() then return false end end
      return true
    end))
    local seen = 0
    for poller, connection, err in client:finished() do
      seen = seen + 1
      assert.is_true(poller:done())
      assert.is_nil(connection)
      assert.equal("transport", err.kind)
    end
    assert.equal(10, seen)
    for _ in client:finished() do error "they have been collected" end
  end)

  it("hands out an operation as soon as its poller is done, without a step", function ()
    local ends = {}
    local client <close> = kit.client { on_event = function (event)
      if event.event == "end" then ends[#ends + 1] = event end
    end }
    local pollers = begun(client, 2)
    pollers[1]:cancel()
    assert.is_true(pollers[1]:done())
    local collected = {}
    for poller, _, err in client:finished() do
      collected[#collected + 1] = poller
      assert.equal("canceled", err.kind)
    end
    assert.same({ pollers[1] }, collected)
    assert.is_true(pollers[1]:done())
    assert.equal(1, #ends)
  end)

  it("leaves to a loop what that has named", function ()
    local client <close> = kit.client()
    local pollers = begun(client, 2)
    for _ in client:completions { pollers[1] } do
      pollers[2]:wait(5)
      for _ in client:finished() do error "nobody's" end
    end
  end)

  it("is what a guest in an event loop dispatches by", function ()
    local client <close> = kit.client()
    local expected = set_of(begun(client, 8))
    assert.is_true(kit.drive(client, function ()
      for poller in client:finished() do expected[poller] = nil end
      return next(expected) == nil
    end))
  end)
end)
