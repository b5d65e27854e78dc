package.path = "./tests/?.lua;" .. package.path

local cqueues = require "cqueues"
local t = require "loopback.support"

local emulator

local function status_of(connection)
  return connection.properties.privateLinkServiceConnectionState.status
end

local function all_approved(count)
  local approved = 0
  for _, account in ipairs(emulator:control("GET", "state").accounts) do
    for _, connection in ipairs(account.connections) do
      if connection.status == "Approved" then approved = approved + 1 end
    end
  end
  assert.equal(count, approved)
end

setup(function () emulator = t.emulator() end)
before_each(function () emulator:reset() end)
after_each(t.tidy)
teardown(t.close)

describe("many at once", function ()
  for _, tls in ipairs { false, true } do
    it("begins 64 operations on one client over " .. (tls and "HTTPS" or "HTTP") .. ", with one token", function ()
      local client, pollers = emulator:client { tls = tls }, {}
      for n = 1, 64 do pollers[n] = client:begin_update(t.call(emulator.many[n], { status = "Approved" })) end
      assert.equal("", emulator:kinds())
      for n = 1, 64 do
        local connection = assert(pollers[n]:wait())
        assert.equal(emulator.many[n], connection.id)
        assert.equal("Approved", status_of(connection))
      end
      assert.equal(1, #emulator:log "token")
      assert.equal(64, #emulator:log "update")
      assert.equal(3 * 64, #emulator:log "poll")
      all_approved(64)
    end)
  end

  it("sends a write to a connection when the one before it has ended, and holds no reads", function ()
    emulator:set { operation_polls = 2 }
    local client = emulator:client { poll_interval = 0.02 }
    local first = client:begin_update(t.call(emulator.sample, { status = "Approved" }))
    local second = client:begin_update { id = emulator.sample:gsub("sampleacct", "SAMPLEACCT"), status = "Rejected" }
    local read = assert(client:get(t.call(emulator.sample)))
    assert.equal(emulator.sample, read.id)
    assert(first:wait())
    assert.equal("Rejected", status_of(assert(second:wait())))
    local updates = {}
    for n, entry in ipairs(emulator:log("update", "poll", "get")) do
      if entry.kind == "update" then updates[#updates + 1] = n end
    end
    -- the first one ends with the third poll, as which the emulator counts the read too
    assert.equal(4, updates[2] - updates[1])
    assert(emulator:kinds():find "update get.* update" or emulator:kinds():find "get update.* update")
  end)

  it("uses no more connections than max_connections allows", function ()
    local client, pollers = emulator:client { max_connections = 4 }, {}
    for n = 1, 64 do pollers[n] = client:begin_update(t.call(emulator.many[n], { status = "Approved" })) end
    for n = 1, 64 do assert(pollers[n]:wait()) end
    local count = emulator:connection_count()
    assert(count <= 4, count .. " connections")
    all_approved(64)
  end)

  it("slows down before the service has to refuse: no 429 where the bucket is all but empty", function ()
    emulator:set { writes_bucket = 75, writes_refill = 20, operation_polls = 0 }
    local client, ended = emulator:client { timeout = t.life }, 0
    for round = 1, 2 do -- the second begins when no write of the first is under way
      for n = 1, 64 do
        client:begin_update(t.call(emulator.many[n], { status = "Approved", description = "round " .. round }))
      end
      for _, connection, err in client:completions() do
        assert(connection, err)
        ended = ended + 1
      end
    end
    assert.equal(128, ended)
    local refused = 0
    for _, entry in ipairs(emulator:log "update") do
      if entry.status == 429 then refused = refused + 1 end
    end
    assert.equal(0, refused)
    all_approved(64)
  end)

  it("64 that wait for a token that is refused all hear why, after one request", function ()
    local client, pollers = emulator:client { credential = emulator:credential { client_secret = "wrong" } }, {}
    for n = 1, 64 do pollers[n] = client:begin_update(t.call(emulator.many[n], { status = "Approved" })) end
    for n = 1, 64 do
      assert.equal("AADSTS7000215", t.fails("credential", "^sign%-in refused: ", pollers[n]:wait()).code)
    end
    assert.equal("token", emulator:kinds())
  end)

  it("64 processes at once are served by one emulator, which stays up", function ()
    local code = [[
      local client <close> = azpec.client { endpoint = given.endpoint, authority_host = given.endpoint,
        ca_file = given.ca_file, poll_interval = 0.02, timeout = given.life, subscription_id = given.subscription_id }
      local id = given.ids[tonumber(arg[2])]
      local connection, err = client:update { id = id, status = "Approved" }
      print(connection and connection.id == id and "approved" or tostring(err))]]
    local command = t.command(code, { endpoint = emulator.tls_endpoint, ca_file = emulator.ca_file,
      ids = emulator.many, subscription_id = emulator.subscription_id, life = t.life }, {
      AZURE_TENANT_ID = emulator.tenant_id, AZURE_CLIENT_ID = emulator.client_id, AZURE_CLIENT_SECRET = t.secret })
    local pipe <close> = io.popen(("seq 64 | xargs -P 64 -I NUMBER sh -c %s 2>&1"):format(
      t.quote(command .. " NUMBER")))
    local said = {}
    for line in pipe:lines() do said[line] = (said[line] or 0) + 1 end
    assert.same({ approved = 64 }, said)
    assert.equal(64, #emulator:log "token")
    assert.equal(64, emulator:connection_count())
    all_approved(64)
  end)
end)

-- Runs `work(n)` in 50 coroutines beside a timer, which calls on_tick(count); how often it ticked.
local function beside_a_timer(work, on_tick)
  local loop, left, ticks = cqueues.new(), 50, 0
  for n = 1, 50 do
    loop:wrap(function ()
      work(n)
      left = left - 1
    end)
  end
  loop:wrap(function ()
    while left > 0 do
      cqueues.sleep(0.01)
      ticks = ticks + 1
      if on_tick then on_tick(ticks) end
    end
  end)
  assert(loop:loop(t.life))
  assert.equal(0, left)
  return ticks
end

describe("coroutines", function ()
  it("with wait = cqueues.poll: 50 of them and a timer that goes on ticking", function ()
    emulator:faults { { match = { kind = "update" }, action = { hold = true } } }
    local client, results = emulator:client { wait = cqueues.poll, timeout = t.life }, {}
    local ticks = beside_a_timer(function (n)
      results[n] = assert(client:update(t.call(emulator.many[n], { status = "Approved" })))
    end, function (ticks)
      if ticks == 20 then emulator:release() end -- no call can end before
    end)
    for n = 1, 50 do assert.equal(emulator.many[n], results[n].id) end
    assert.equal(1, #emulator:log "token")
    assert(ticks > 20, ticks .. " ticks")
  end)

  it("with wait = cqueues.poll: list, get and ensure as well, over HTTPS", function ()
    local client, count = emulator:client { wait = cqueues.poll, tls = true }, 0
    beside_a_timer(function (n)
      if n % 3 == 0 then
        for _ in client:list { resource_group_name = "rg-contoso-prod", account_name = "manyacct" } do
          count = count + 1
        end
      elseif n % 3 == 1 then
        assert.is_true(assert(client:ensure(t.call(emulator.many[n], { status = "Approved" }))).changed)
      else
        assert.equal(emulator.many[n], assert(client:get(t.call(emulator.many[n]))).id)
      end
    end)
    assert.equal(16 * 64, count)
  end)

  it("with wait = cqueues.poll: a list that is all there is to do comes to its second page", function ()
    emulator:set { ["manyacct:page_size"] = 10 }
    local client, loop, count = emulator:client { wait = cqueues.poll }, cqueues.new(), 0
    loop:wrap(function ()
      for _ in client:list { resource_group_name = "rg-contoso-prod", account_name = "manyacct" } do
        count = count + 1
      end
    end)
    assert(loop:loop(t.life))
    assert.equal(64, count)
  end)

  it("with wait = cqueues.poll given per call", function ()
    local client, loop, done = emulator:client(), cqueues.new(), false
    loop:wrap(function ()
      assert(client:update(t.call(emulator.sample, { status = "Approved", wait = cqueues.poll })))
      done = true
    end)
    assert(loop:loop(t.life))
    assert.is_true(done)
  end)
end)

describe("coroutines (wake-ups)", function ()
  it("a host that steps only when the descriptor is readable is woken for every waiter", function ()
    local client = emulator:client { wait = coroutine.yield }
    local waiting, ended = {}, 0
    for n = 1, 50 do
      waiting[n] = coroutine.create(function ()
        assert(client:update(t.call(emulator.many[n], { status = "Approved" })))
        ended = ended + 1
      end)
      assert.equal(client:pollfd(), select(2, assert(coroutine.resume(waiting[n]))):pollfd())
    end
    local looks, deadline = 0, cqueues.monotime() + t.life
    while ended < 50 and cqueues.monotime() < deadline do
      cqueues.poll({ pollfd = client:pollfd(), events = client:events() }, t.hang)
      looks = looks + 1
      for n = 1, 50 do
        if coroutine.status(waiting[n]) == "suspended" then assert(coroutine.resume(waiting[n])) end
      end
    end
    assert.equal(50, ended)
    assert(looks < 2000, looks .. " looks: the descriptor spins")
    all_approved(50)
  end)

  it("a step begins a few requests, and the rest keeps the descriptor readable", function ()
    local begun, most, ended = 0, 0, 0
    local client = emulator:client { on_event = function (event)
      if event.event == "request" and event.method == "PATCH" then begun = begun + 1 end
    end }
    for n = 1, 64 do client:begin_update(t.call(emulator.many[n], { status = "Approved" })) end
    while ended < 64 do
      local fd, before = { pollfd = client:pollfd(), events = "r" }, begun
      assert.equal(fd, cqueues.poll(fd, t.hang))
      client:step()
      most = math.max(most, begun - before)
      for _, connection, err in client:finished() do
        assert(connection, err)
        ended = ended + 1
      end
    end
    assert.equal(64, begun)
    assert(most <= 4, most .. " requests in one step")
  end)

  it("a client in an idle loop does not keep its descriptor readable", function ()
    local client = emulator:client()
    local poller = client:begin_update(t.call(emulator.sample, { status = "Approved" }))
    t.await("its end", function () return poller:done() end, function ()
      cqueues.poll({ pollfd = client:pollfd(), events = "r" }, 5)
      client:step()
    end)
    local spins, idle = 0, cqueues.monotime() + 0.2
    while cqueues.monotime() < idle do
      cqueues.poll({ pollfd = client:pollfd(), events = "r" }, idle - cqueues.monotime())
      client:step()
      spins = spins + 1
    end
    assert(spins < 10, spins .. " wake-ups with nothing to do")
    assert.equal("Approved", status_of(poller:result()))
  end)

  it("one caller's deadline does not end the token's fetch for the others", function ()
    emulator:faults { { match = { kind = "token", nth = 1 }, action = { hold = true } } }
    local client, loop, outcomes = emulator:client { wait = cqueues.poll }, cqueues.new(), {}
    for n, timeout in ipairs { 0.2, t.hang, t.hang } do
      loop:wrap(function ()
        local wish = t.call(emulator.many[n], { status = "Approved", timeout = timeout })
        outcomes[n] = table.pack(client:update(wish))
        if n == 1 then
          t.await("the fetch", function () return emulator:has_met(1) end)
          emulator:release()
        end
      end)
    end
    assert(loop:loop(t.life))
    local err = t.fails("timeout", "^timed out after ", table.unpack(outcomes[1], 1, 2))
    assert.equal("token", err.phase)
    assert.is_nil(err.continuation_token)
    assert.equal("Approved", status_of(assert(outcomes[2][1])))
    assert.equal("Approved", status_of(assert(outcomes[3][1])))
    assert.equal(1, #emulator:log "token")
  end)
end)
