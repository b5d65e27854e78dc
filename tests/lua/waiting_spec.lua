-- Waiters, coroutines, callbacks and the garbage collector: what a host may do while azpec is at work.
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

  it("may cancel, close, or begin anew: it is no callback in the middle of a step", function ()
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

describe("a waiter that yields", function ()
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
    for i = 1, 50 do threads[i] = coroutine.create(function () return client:update(kit.named()) end) end
    local before
    for round = 1, 20 do
      before = requests
      for _, thread in ipairs(threads) do assert.is_true(coroutine.resume(thread)) end
      assert(requests - before <= (round == 1 and 0 or 8), requests - before .. " requests in one round")
    end
    assert.equal(50, requests)
  end)

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

  it("lets poller:wait be closed in the middle: the operation goes on in its client", function ()
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

-- ---- on_event ------------------------------------------------------------------------------------------------------

describe("on_event", function ()
  it("is told of an operation in the order of events, with new tables", function ()
    local told = {}
    local client <close> = kit.client { on_event = function (e) told[#told + 1] = e end,
                                        retry = { max_tries = 2, base_delay = 0.01, max_delay = 1 } }
    client:update(kit.named { client_request_id = "mine" })
    local names = {}
    for i, e in ipairs(told) do
      names[i] = e.event
      assert.equal(kit.id, e.id)
      assert.equal("mine", e.client_request_id)
      for j = 1, i - 1 do assert.is_false(rawequal(e, told[j])) end
    end
    assert.equal("request response retry request response end", table.concat(names, " "))
    assert.equal("PATCH", told[1].method)
    assert.equal(kit.nowhere .. kit.id, told[1].url)
    assert.equal("2022-06-01", told[1].api_version)
    assert.equal("request", told[1].phase)
    assert.equal(1, told[1].attempt)
    assert.equal("the connection was refused or not possible", told[2].error)
    assert.truthy(told[2].detail:find("127.0.0.1", 1, true))
    assert.truthy(told[3].wait > 0 and told[3].wait < 1)
    assert.truthy(told[3].remaining > kit.hang / 2 and told[3].remaining <= kit.hang)
    assert.truthy(told[3].reason:find("refused", 1, true))
    assert.equal(2, told[4].attempt)
    assert.is_false(told[6].ok)
    assert.equal("transport", told[6].kind)
    assert.equal("number", type(told[6].elapsed))
  end)

  it("is told of an end before anybody is given the outcome, and once", function ()
    local ends = 0
    local client <close> = kit.client { on_event = function (e)
      if e.event == "end" then ends = ends + 1 end
    end }
    local canceled = client:begin_update(kit.named())
    canceled:cancel()
    assert.equal("canceled", select(2, canceled:result()).kind)
    assert.equal(1, ends)
    for _ = 1, 60 do client:begin_update(kit.named()) end -- more than one step begins
    local first = client:begin_update(kit.named())
    assert.equal("transport", select(2, first:wait()).kind)
    for _ in client:completions() do assert.truthy(ends > 1) end
    assert.equal(62, ends)
  end)

  it("is told of sign-in as 'token', without an operation's fields", function ()
    local told = {}
    local client <close> = kit.client { on_event = function (e) told[#told + 1] = e end,
      credential = azpec.credential.client_secret { tenant_id = "contoso.com", client_id = "b1e0",
                                                    client_secret = "S3cr3t" } }
    client:update(kit.named())
    assert.equal("token", told[1].event)
    assert.equal("token", told[1].phase)
    assert.equal("POST", told[1].method)
    assert.equal(kit.nowhere .. "/contoso.com/oauth2/v2.0/token", told[1].url)
    assert.is_nil(told[1].id)
  end)

  it("is never told a secret or a query", function ()
    local function look(v)
      if type(v) == "table" then
        for k, x in pairs(v) do look(k) look(x) end
      else
        assert.is_nil(tostring(v):find("S3cr3t", 1, true))
      end
    end
    for _, c in ipairs { azpec.credential.token { token = "S3cr3t" }, azpec.credential.client_secret {
        tenant_id = "contoso.com", client_id = "b1e0", client_secret = "S3cr3t" } } do
      local client <close> = kit.client { credential = c, on_event = look }
      client:update(kit.named())
      local poller = client:resume(kit.passport { poll = "location", poll_url = kit.nowhere .. "/x?sig=S3cr3t" })
      poller:wait(0.05)
    end
  end)

  it("that raises makes the next wait of that poller raise, once, and the operation goes on", function ()
    local object = {}
    local raise = true
    local client <close> = kit.client { on_event = function ()
      if raise then raise = false error(object) end
    end }
    local poller = client:begin_update(kit.named())
    local ok, e = pcall(poller.wait, poller)
    assert.is_false(ok)
    assert.is_true(rawequal(object, e))
    assert.equal("transport", select(2, poller:wait()).kind)
  end)

  it("that raises never comes through another poller's wait, nor through step", function ()
    local mine, other
    local client <close> = kit.client { on_event = function (e)
      if e.client_request_id == "mine" and e.event == "request" then error("of mine", 0) end
    end }
    mine = client:begin_update(kit.named { client_request_id = "mine" })
    other = client:begin_update(kit.named { client_request_id = "other" })
    client:step()
    assert.equal("transport", select(2, other:wait()).kind)
    assert.equal("of mine", kit.raised(mine.wait, mine))
  end)

  it("that raises is raised by result as well", function ()
    local client <close> = kit.client { on_event = function (e)
      if e.event == "end" then error("at the end", 0) end
    end }
    local poller = client:begin_update(kit.named())
    assert.is_true(kit.drive(client, function () return poller:done() end))
    assert.equal("at the end", kit.raised(poller.result, poller))
    assert.equal("transport", select(2, poller:result()).kind)
  end)

  it("that raises nil does so, too", function ()
    local raise = true
    local client <close> = kit.client { on_event = function ()
      if raise then raise = false error() end
    end }
    local ok = pcall(client.update, client, kit.named())
    assert.is_false(ok)
  end)

  it("that raises during sign-in becomes a warning, for it is nobody's", function ()
    assert.equal("Lua warning: azpec: on_event: nobody's", kit.child([[
      local azpec = require "azpec"
      local raised
      local client = azpec.client { endpoint = "http://127.0.0.1:1", authority_host = "http://127.0.0.1:1", proxy = "",
        subscription_id = "3f1c2a54-6a1e-4b7d-9c55-0e8d1b2a7f10", retry = { max_tries = 1 }, timeout = 20,
        credential = azpec.credential.client_secret { tenant_id = "a", client_id = "b", client_secret = "c" },
        on_event = function (e)
          if e.event == "token" and not raised then raised = true error("nobody's", 0) end
        end }
      client:get { resource_group_name = "rg", account_name = "acct", private_endpoint_connection_name = "pe" }
    ]], nil, "-W"))
  end)

  it("must not yield", function ()
    local client <close> = kit.client { on_event = function () coroutine.yield() end }
    local said
    coroutine.wrap(function () said = kit.raised(client.update, client, kit.named()) end)()
    assert.equal("attempt to yield across a C-call boundary", said)
  end)

  for _, case in ipairs {
    { "client:step", function (c) c:step() end, "a client's own callback must not step it" },
    { "client:close", function (c) c:close() end, "a client's own callback must not close it" },
    { "poller:step", function (_, p) p:step() end, "a client's own callback must not step it" },
    { "poller:wait", function (_, p) p:wait() end, "a client's own callback must not step it" },
    { "poller:wait(0)", function (_, p) p:wait(0) end, "a client's own callback must not step it" },
    { "client:update", function (c) c:update(kit.named()) end, "a client's own callback must not step it" },
    { "client:list", function (c)
      for _ in c:list { resource_group_name = "rg", account_name = "acct" } do error "an item" end
    end, "a client's own callback must not step it" },
  } do
    it("must not call " .. case[1] .. " of its client", function ()
      local client, poller, said
      client = kit.client { on_event = function () said = said or kit.raised(case[2], client, poller) end }
      poller = client:begin_update(kit.named())
      poller:wait()
      assert.equal(case[3], said)
      client:close()
    end)
  end

  it("may look, begin, cancel, and use another client", function ()
    local client, poller
    local begun = 0
    client = kit.client { on_event = function ()
      assert.equal("azpec.client (http://127.0.0.1:1)", tostring(client))
      poller:done() poller:status() poller:progress() poller:continuation_token() poller:pollfd()
      if begun < 3 then
        begun = begun + 1
        client:begin_update(kit.named()):cancel()
        local other <close> = kit.client()
        assert.equal("transport", select(2, other:update(kit.named())).kind)
      end
    end }
    poller = client:begin_update(kit.named())
    assert.equal("transport", select(2, poller:wait()).kind)
    assert.equal(3, begun)
    client:close()
  end)

  it("collecting garbage in each event harms nothing", function ()
    local client <close> = kit.client(kit.merged(quick, { on_event = function () collectgarbage() end }))
    for _ = 1, 5 do client:begin_update(kit.named()) end
    local poller = client:begin_update(kit.named())
    assert.equal("transport", select(2, poller:wait()).kind)
  end)
end)

-- ---- the collector -------------------------------------------------------------------------------------------------

describe("under a collector that runs every 50 instructions", function ()
  local function cruelly(f)
    local pause, step = collectgarbage("setpause", 0), collectgarbage("setstepmul", 1000)
    debug.sethook(function () collectgarbage() end, "", 50)
    local ok, e = pcall(f)
    debug.sethook()
    collectgarbage("setpause", pause)
    collectgarbage("setstepmul", step)
    if not ok then error(e, 0) end
  end

  it("200 pollers are begun, dropped, and closed with their client", function ()
    local before = kit.sockets()
    cruelly(function ()
      local client = kit.patient()
      for i = 1, 200 do
        client:begin_update(kit.named())
        if i % 20 == 0 then client:step() end
      end
      client:close()
    end)
    collectgarbage()
    assert.equal(before, kit.sockets())
  end)

  it("200 pollers are begun, and their client dropped without being closed", function ()
    local before = kit.sockets()
    cruelly(function ()
      local client = kit.patient()
      local pollers = { client }
      for _ = 1, 200 do pollers[#pollers + 1] = client:begin_update(kit.named()) end
      client:step()
    end)
    for _ = 1, 3 do collectgarbage() end
    assert.equal(before, kit.sockets())
  end)

  it("operations run to their ends, errors and events included", function ()
    cruelly(function ()
      for _ = 1, 5 do
        local told = 0
        local client <close> = kit.client(kit.merged(quick, { on_event = function () told = told + 1 end }))
        local _, err = client:update(kit.named())
        if err.kind ~= "transport" or told == 0 or #tostring(err) < 20 then error "not as it should be" end
      end
    end)
  end)

  it("dropped pollers' results do not come back as another's", function ()
    cruelly(function ()
      local client <close> = kit.client()
      for i = 1, 20 do
        local name = "r" .. i
        local _, err = client:update(kit.named { client_request_id = name })
        client:begin_update(kit.named { client_request_id = "dropped" })
        if err.client_request_id ~= name then error(err.client_request_id) end
      end
    end)
  end)
end)

describe("dropping", function ()
  it("a poller cancels nothing: its client brings it to its end", function ()
    local ended
    local client <close> = kit.client { on_event = function (e) ended = ended or e.event == "end" end }
    client:begin_update(kit.named())
    collectgarbage()
    collectgarbage()
    assert.is_true(kit.drive(client, function () return ended end))
  end)

  it("a client that a poller still holds keeps it usable", function ()
    local poller = kit.client():begin_update(kit.named())
    collectgarbage()
    collectgarbage()
    assert.equal("transport", select(2, poller:wait()).kind)
  end)

  it("everything at once, in one cycle, is no harm in whatever order it is collected", function ()
    for _ = 1, 20 do
      local client = kit.patient()
      local poller = client:begin_update(kit.named())
      client:step()
      local cycle = { client, poller } -- luacheck: ignore
      cycle[3], client, poller = cycle, nil, nil -- luacheck: ignore
    end
    collectgarbage()
    collectgarbage()
  end)

  it("a collected poller's memory is given back: a thousand of them leave no more than a few", function ()
    local client <close> = kit.client()
    local function taken(n)
      for _ = 1, n do
        local poller = client:begin_update(kit.named())
        poller:cancel()
        poller:result()
      end
      client:step()
      collectgarbage()
      collectgarbage()
      return collectgarbage "count"
    end
    local before = taken(100)
    local after = taken(1000)
    assert.truthy(after - before < 100, after - before)
  end)

  it("a closed client keeps no poller alive", function ()
    local client = kit.client()
    local weak = setmetatable({}, { __mode = "k" })
    for _ = 1, 20 do weak[client:begin_update(kit.named())] = true end
    client:close()
    collectgarbage()
    collectgarbage()
    assert.is_nil(next(weak))
  end)
end)
