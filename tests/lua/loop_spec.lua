-- The ways to wait: a waiter of the host, coroutines, cqueues, and blocking.
local azpec = require "azpec"
local kit = dofile "tests/lua/kit.lua"

local quick = { retry = { max_tries = 4, base_delay = 0.001, max_delay = 0.01 } }

describe("wait", function ()
  it("of the client is called with the poller, in cqueues' protocol", function ()
    local seen = {}
    local client <close> = kit.client(kit.merged(quick, { wait = function (...)
      seen[#seen + 1] = table.pack(...)
    end }))
    local poller = client:begin_update(kit.named())
    assert.equal("transport", select(2, poller:wait()).kind)
    assert.truthy(#seen > 0)
    for _, args in ipairs(seen) do
      assert.equal(1, args.n)
      assert.is_true(rawequal(poller, args[1]))
    end
  end)

  it("of a call goes before the client's", function ()
    local client <close> = kit.client { wait = function () error "the client's" end }
    local called = 0
    local _, err = client:update(kit.named { wait = function () called = called + 1 end })
    assert.equal("transport", err.kind)
    assert.truthy(called > 0)
  end)

  it("of begin_* serves that poller's wait", function ()
    local client <close> = kit.client()
    local called = 0
    local poller = client:begin_update(kit.named { wait = function () called = called + 1 end })
    assert.equal(0, called)
    poller:wait()
    assert.truthy(called > 0)
  end)

  it("of resume serves that poller's wait", function ()
    local client <close> = kit.patient()
    local called = 0
    local poller = client:resume(kit.passport(), { wait = function (p)
      called = called + 1
      p:cancel()
    end })
    assert.equal("canceled", select(2, poller:wait()).kind)
    assert.equal(1, called)
  end)

  it("may be an object with __call", function ()
    local called = 0
    local object = setmetatable({}, { __call = function () called = called + 1 end })
    local client <close> = kit.client { wait = object }
    client:update(kit.named())
    assert.truthy(called > 0)
  end)

  it("that returns at once, every time, does no harm", function ()
    local client <close> = kit.client(kit.merged(quick, { wait = function () return nil, "junk", {} end }))
    assert.equal("transport", select(2, client:update(kit.named())).kind)
  end)

  it("that raises ends client:update, and its operation with it", function ()
    local seen
    local client <close> = kit.patient { wait = function (poller) seen = poller error("stop", 0) end }
    assert.equal("stop", kit.raised(client.update, client, kit.named()))
    assert.is_true(seen:done())
    assert.equal("canceled", select(2, seen:result()).kind)
  end)

  it("that raises ends poller:wait with its very error, and leaves the operation in its client", function ()
    local object = {}
    local client <close> = kit.patient { wait = function () error(object) end }
    local poller = client:begin_update(kit.named())
    local ok, e = pcall(poller.wait, poller)
    assert.is_false(ok)
    assert.is_true(rawequal(object, e))
    assert.is_false(poller:done())
    assert.equal("timeout", select(2, poller:wait(0)).kind)
  end)

  it("that raises inside azpec.update closes its client", function ()
    local before = kit.sockets()
    local told
    assert.equal("stop", kit.raised(azpec.update, kit.config(kit.named {
      wait = function (poller) told = poller error("stop", 0) end,
    })))
    assert.is_true(told:done())
    assert.equal("canceled", select(2, told:result()).kind)
    assert.equal(before, kit.sockets())
  end)

  it("may cancel, close, or start another operation, since it runs outside a step", function ()
    local client
    client = kit.patient { wait = function () client:close() end }
    assert.equal("canceled", select(2, client:update(kit.named())).kind)
    client = kit.patient { wait = function (p)
      client:begin_update(kit.named())
      client:step()
      p:cancel()
    end }
    assert.equal("canceled", select(2, client:update(kit.named())).kind)
    client:close()
  end)

  it("sleeps on the descriptor when it is the default, and takes no processor time", function ()
    local client <close> = kit.patient()
    local poller = client:begin_update(kit.named())
    local clock = os.clock()
    poller:wait(0.5)
    assert.truthy(os.clock() - clock < 0.25)
  end)
end)

local yielding = function (pollable) coroutine.yield(pollable) end

-- Resumes until the coroutine is dead; returns what it returned.
local function finish(thread)
  local deadline = kit.now() + kit.hang
  while true do
    local results = table.pack(coroutine.resume(thread))
    if not results[1] then error(results[2], 0) end
    if coroutine.status(thread) == "dead" then return table.unpack(results, 2, results.n) end
    if kit.now() > deadline then error "the coroutine did not end" end
  end
end

-- Resumes until its operation is on its way: a call waits once before it does anything.  Returns what it waits for.
local function on_its_way(thread)
  assert.is_true(coroutine.resume(thread))
  local ok, pollable = coroutine.resume(thread)
  assert.is_true(ok)
  assert.equal("suspended", coroutine.status(thread))
  return pollable
end

describe("a waiter that yields", function ()
  it("suspends update, ensure, delete, get and poller:wait, and hands out the poller", function ()
    local client <close> = kit.client { wait = yielding }
    for name, options in pairs { update = kit.named(), ensure = kit.named(),
                                 delete = kit.named { status = kit.none }, get = kit.named { status = kit.none } } do
      local thread = coroutine.create(function () return client[name](client, options) end)
      local ok, pollable = coroutine.resume(thread)
      assert.is_true(ok)
      assert.equal("azpec.poller", azpec.type(pollable))
      assert.equal("suspended", coroutine.status(thread))
      assert.equal("transport", select(2, finish(thread)).kind)
    end
  end)

  it("suspends azpec.update too", function ()
    local thread = coroutine.create(function () return azpec.update(kit.config(kit.named { wait = yielding })) end)
    local _, poller = coroutine.resume(thread)
    assert.equal("azpec.poller", azpec.type(poller))
    assert.equal("transport", select(2, finish(thread)).kind)
  end)

  it("suspends a loop over a list", function ()
    local client <close> = kit.client { wait = yielding }
    local thread = coroutine.create(function ()
      return pcall(function ()
        for _ in client:list { resource_group_name = "rg", account_name = "acct" } do error "an item" end
      end)
    end)
    local _, pollable = coroutine.resume(thread)
    assert.is_true(rawequal(client, pollable))
    local ok, err = finish(thread)
    assert.is_false(ok)
    assert.equal("transport", err.kind)
  end)

  it("works through pcall around the call, and around the coroutine's body", function ()
    local client <close> = kit.client { wait = yielding }
    local thread = coroutine.create(function ()
      local ok, connection, err = pcall(client.update, client, kit.named())
      return ok, connection, err.kind, select(2, xpcall(client.update, debug.traceback, client, kit.named()))
    end)
    local ok, connection, kind = finish(thread)
    assert.is_true(ok)
    assert.is_nil(connection)
    assert.equal("transport", kind)
  end)

  it("lets several calls of one client run beside each other", function ()
    local client <close> = kit.client(kit.merged(quick, { wait = yielding }))
    local order, threads = {}, {}
    for i = 1, 8 do
      threads[i] = coroutine.create(function ()
        order[#order + 1] = i
        local _, err = client:update(kit.named { client_request_id = "r" .. i })
        return err
      end)
      assert.is_true(coroutine.resume(threads[i]))
    end
    assert.equal(8, #order) -- all have begun before the first has ended
    for i = 8, 1, -1 do
      local err = finish(threads[i])
      assert.equal("transport", err.kind)
      assert.equal("r" .. i, err.client_request_id)
    end
  end)

  it("comes before the first step, and of all who are resumed together one steps: the loop keeps its turn", function ()
    local requests, threads = 0, {}
    local client <close> = kit.patient { wait = yielding, on_event = function (e)
      if e.event == "request" then requests = requests + 1 end
    end }
    for i = 1, 50 do
      local one = kit.named { private_endpoint_connection_name = "one" .. i }
      threads[i] = coroutine.create(function () return client:update(one) end)
    end
    local before
    for round = 1, 500 do
      if requests == 50 then break end
      before = requests
      for _, thread in ipairs(threads) do assert.is_true(coroutine.resume(thread)) end
      assert(requests - before <= (round == 1 and 0 or 8), requests - before .. " requests in one round")
    end
    assert.equal(50, requests)
  end)
end)

describe("a waiter that yields (closed, dropped)", function ()
  it("may be resumed though nothing has happened: the call asks again", function ()
    local client <close> = kit.patient { wait = yielding }
    local thread = coroutine.create(function () return client:update(kit.named()) end)
    local first
    for _ = 1, 50 do
      local ok, poller = coroutine.resume(thread)
      assert.is_true(ok)
      first = first or poller
      assert.is_true(rawequal(first, poller))
    end
    first:cancel()
    assert.equal("canceled", select(2, finish(thread)).kind)
  end)

  it("lets the call be closed in the middle: azpec.update's client is closed with it", function ()
    local before = kit.sockets()
    local thread = coroutine.create(function () return azpec.update(kit.config(kit.named { wait = yielding })) end)
    local poller = on_its_way(thread)
    assert.is_false(poller:done())
    assert.is_true(coroutine.close(thread))
    assert.is_true(poller:done())
    assert.equal("canceled", select(2, poller:result()).kind)
    assert.equal(before, kit.sockets())
  end)

  it("lets client:update be closed in the middle: its operation was the call's alone, and ends", function ()
    local told
    local client <close> = kit.patient { wait = yielding, on_event = function (e) told = e end }
    local thread = coroutine.create(function () return client:update(kit.named()) end)
    local poller = on_its_way(thread)
    assert.is_true(coroutine.close(thread))
    assert.is_true(poller:done())
    client:step()
    assert.equal("canceled", select(2, poller:result()).kind)
    assert.is_true(told.event ~= "end" or told.kind == "canceled")
  end)

  it("lets poller:wait be closed in the middle: the operation continues in its client", function ()
    local client <close> = kit.client { wait = yielding }
    local poller = client:begin_update(kit.named())
    local thread = coroutine.create(function () return poller:wait() end)
    on_its_way(thread)
    assert.is_true(coroutine.close(thread))
    assert.is_true(kit.drive(client, function () return poller:done() end))
    assert.equal("transport", select(2, poller:result()).kind)
  end)

  it("lets a loop over a list be closed in the middle", function ()
    local client <close> = kit.patient { wait = yielding }
    local thread = coroutine.create(function ()
      for _ in client:list { resource_group_name = "rg", account_name = "acct" } do error "an item" end
    end)
    on_its_way(thread)
    assert.is_true(coroutine.close(thread))
    client:step()
  end)

  it("leaves nothing behind when suspended calls are dropped and collected", function ()
    local before = kit.sockets()
    for n = 1, 50 do
      local resume = coroutine.wrap(function () azpec.update(kit.config(kit.named { wait = yielding })) end)
      for _ = 1, n % 3 + 1 do resume() end
    end
    for _ = 1, 4 do collectgarbage() end
    assert.equal(before, kit.sockets())
  end)

  it("two coroutines may wait for the same poller, and get the same error", function ()
    local client <close> = kit.patient { wait = yielding }
    local poller = client:begin_update(kit.named())
    local a = coroutine.create(function () return poller:wait() end)
    local b = coroutine.create(function () return poller:wait() end)
    assert.is_true(coroutine.resume(a))
    assert.is_true(coroutine.resume(b))
    poller:cancel()
    local _, first = finish(a)
    local _, second = finish(b)
    assert.equal("canceled", first.kind)
    assert.is_true(rawequal(first, second))
  end)

  it("outside any coroutine raises Lua's own error, and no more", function ()
    assert.equal("attempt to yield from outside a coroutine", kit.child [[
      local azpec = require "azpec"
      local client = azpec.client { endpoint = "http://127.0.0.1:1", proxy = "", retry = { max_tries = 1 },
        subscription_id = "3f1c2a54-6a1e-4b7d-9c55-0e8d1b2a7f10", wait = coroutine.yield,
        credential = azpec.credential.token { token = "t" } }
      local ok, e = pcall(client.get, client, { resource_group_name = "rg", account_name = "acct",
        private_endpoint_connection_name = "pe" })
      print(e)
    ]])
  end)
end)

describe("a wait that has a look at the poller itself", function ()
  for name, look in pairs {
    ["by wait(0)"] = function (poller) poller:wait(0) end,
    ["by step"] = function (poller) poller:step() end,
    ["in a loop of its own"] = function (poller) repeat until poller:step() end,
  } do
    it(name .. " does not end it", function ()
      local client <close> = kit.client { wait = look }
      assert.equal("transport", select(2, client:update(kit.named())).kind)
    end)
  end
end)

describe("without a wait option", function ()
  it("a call inside a coroutine blocks and does not yield: asynchrony is asked for, never guessed", function ()
    local client <close> = kit.client()
    local thread = coroutine.create(function () return client:update(kit.named()) end)
    local ok, _, err = coroutine.resume(thread)
    assert.is_true(ok)
    assert.equal("dead", coroutine.status(thread))
    assert.equal("transport", err.kind)
  end)
end)

describe("inside cqueues", function ()
  local found, cqueues = pcall(require, "cqueues")
  local test = found and it or pending

  test("wait = cqueues.poll lets other coroutines go on meanwhile", function ()
    local ticks, err, poller = 0, nil, nil
    local loop = cqueues.new()
    loop:wrap(function ()
      local client <close> = kit.client {
        wait = cqueues.poll, retry = { max_tries = 9, base_delay = 3600, max_delay = 86400 }, timeout = 80000,
      }
      poller = client:begin_update(kit.named())
      err = select(2, poller:wait())
    end)
    loop:wrap(function ()
      repeat
        ticks = ticks + 1
        cqueues.sleep(0.01)
      until ticks == 20
      poller:cancel()
    end)
    assert.is_true(loop:loop(kit.hang))
    assert.equal("canceled", err.kind) -- and not before the twentieth tick
    assert.equal(20, ticks)
  end)

  test("a poller that somebody else's step ends wakes who waits for it", function ()
    local loop = cqueues.new()
    local ended = 0
    local client <close> = kit.client { wait = cqueues.poll }
    for _ = 1, 10 do
      loop:wrap(function ()
        local poller = client:begin_update(kit.named())
        if select(2, poller:wait()).kind == "transport" then ended = ended + 1 end
      end)
    end
    assert.is_true(loop:loop(kit.hang))
    assert.equal(10, ended)
  end)

  test("a client closed by one coroutine wakes the other, whose call ends as canceled", function ()
    local loop = cqueues.new()
    local kind
    local client = kit.patient { wait = cqueues.poll }
    loop:wrap(function () kind = select(2, client:update(kit.named())).kind end)
    loop:wrap(function ()
      cqueues.sleep(0.05)
      client:close()
    end)
    assert.is_true(loop:loop(kit.hang))
    assert.equal("canceled", kind)
  end)

  test("wait(s) on a poller that was begun this moment sends at once, and not when s have passed", function ()
    local client <close> = kit.client { wait = cqueues.poll }
    local loop, kind = cqueues.new(), nil
    loop:wrap(function () kind = select(2, client:begin_update(kit.named()):wait(kit.hang)).kind end)
    assert.is_true(loop:loop(kit.hang))
    assert.equal("transport", kind)
  end)

  test("a limit that comes later does not put off what is to be done at once", function ()
    local client <close> = kit.patient { wait = cqueues.poll }
    local poller, other = client:begin_update(kit.named()), client:begin_update(kit.named())
    client:step()
    local loop, kind = cqueues.new(), nil
    loop:wrap(function ()
      poller:wait()
      other:cancel()
    end)
    loop:wrap(function ()
      cqueues.sleep(0.05)
      poller:cancel()
      kind = select(2, other:wait(kit.hang)).kind
    end)
    assert.is_true(loop:loop(kit.hang))
    assert.equal("canceled", kind)
  end)

  test("each of several that wait for one poller has its own limit, where a loop wakes only one at a time", function ()
    local client <close> = kit.patient { wait = coroutine.yield }
    local poller, waiting, ended = client:begin_update(kit.named()), {}, {}
    client:step()
    for n, seconds in ipairs { 600, 600, 600, 0.1, 0.2 } do
      waiting[n] = coroutine.create(function ()
        assert.equal("timeout", select(2, poller:wait(seconds)).kind)
        ended[#ended + 1] = n
      end)
      assert(coroutine.resume(waiting[n]))
    end
    local woken = 0
    while #ended < 2 and cqueues.poll({ pollfd = client:pollfd(), events = "r" }, kit.hang) ~= kit.hang do
      local thread = table.remove(waiting, 1)
      woken = woken + 1
      assert(coroutine.resume(thread))
      if coroutine.status(thread) ~= "dead" then waiting[#waiting + 1] = thread end
    end
    assert.same({ 4, 5 }, ended)
    assert(woken < 100, woken .. " wake-ups for two calls")
  end)

  test("a poller canceled by one coroutine wakes the other", function ()
    local loop = cqueues.new()
    local kind
    local client <close> = kit.patient { wait = cqueues.poll }
    local poller = client:begin_update(kit.named())
    loop:wrap(function () kind = select(2, poller:wait()).kind end)
    loop:wrap(function ()
      cqueues.sleep(0.05)
      poller:cancel()
    end)
    assert.is_true(loop:loop(kit.hang))
    assert.equal("canceled", kind)
  end)
end)
