-- The same promises in each event loop that has an adapter: nothing blocks it, nothing makes it spin, nobody who waits
-- is forgotten.
package.path = "./tests/?.lua;" .. package.path

local cqueues = require "cqueues"
local t = require "loopback.support"
local loops = require "hosts.loops"

local emulator

local many = t.patience > 4 and 50 or 200

-- Nothing here is about the service's limits.
local plenty = { concurrent_update = "allow", writes_bucket = 12000, reads_bucket = 12000 }

-- The longest of several stretches of time, in seconds of processor time, which other programs do not stretch.
local function stretches()
  local self, since = { longest = 0 }, nil
  function self.begins() since = os.clock() end
  function self.ends()
    self.longest = math.max(self.longest, since and os.clock() - since or 0)
    since = nil
  end
  return self
end

-- A waiter that notes how often it was called, and how long a step is: from its return to its next call, or to
-- `steps.ends()`.
local function counted(wait)
  local steps = stretches()
  steps.calls = 0
  return function (pollable)
    steps.calls = steps.calls + 1
    steps.ends()
    wait(pollable)
    steps.begins()
  end, steps
end

-- Calls f in `count` coroutines beside a timer, which calls on_tick(number); how often that ticked, what was longest
-- between two ticks, and the seconds that all took.
local function beside_a_timer(loop, count, f, on_tick)
  local left, ticks, gaps = count, 0, stretches()
  local begun = cqueues.monotime()
  gaps.begins()
  loop.every(0.005, function ()
    ticks = ticks + 1
    if on_tick then on_tick(ticks) end
    gaps.ends()
    gaps.begins()
    return left == 0
  end)
  for n = 1, count do
    loop.spawn(function ()
      f(n)
      left = left - 1
    end)
  end
  local most = begun + t.life
  loop.run(function () return left == 0 or cqueues.monotime() > most end)
  assert.equal(0, left)
  return ticks, gaps.longest, cqueues.monotime() - begun
end

local function approved(connection)
  return connection.properties.privateLinkServiceConnectionState.status == "Approved"
end

local loop

-- An emulator, and a new loop for each test.
local function with_loop(new_loop)
  setup(function () emulator = t.emulator(plenty) end)
  before_each(function ()
    emulator:reset()
    loop = new_loop()
  end)
  after_each(t.tidy)
  teardown(t.close)
end

local function carries_many(new_loop)
  local name = new_loop().name
  describe(name, function ()
    with_loop(new_loop)

    for _, scheme in ipairs { "HTTP", "HTTPS" } do
      it(many .. " updates over " .. scheme .. ": a timer ticks on beside them", function ()
        local wait, steps = counted(loop.wait)
        local client = emulator:client { tls = scheme == "HTTPS", wait = wait, on_event = false,
          timeout = t.life }
        beside_a_timer(loop, 1, function () assert(client:get(t.call(emulator.sample))) end) -- OpenSSL's first time
        steps.calls, steps.longest = 0, 0
        emulator:faults { { match = { kind = "update" }, action = { hold = true } } }
        local ticks, gap, seconds = beside_a_timer(loop, many, function (n)
          local id = emulator.many[(n - 1) % 64 + 1]
          local connection = assert(client:update(t.call(id, { status = "Approved" })))
          steps.ends()
          assert.is_true(approved(connection))
        end, function (number)
          if number == 20 then emulator:release() end -- no update can end before
        end)
        print(("# measured: %s, %s, %d updates: %.0f ms, %d ticks of 5 ms, %d wake-ups; of processor time at most "
          .. "%.1f ms between two ticks, %.1f ms in a step"):format(name, scheme, many, seconds * 1000, ticks,
          steps.calls, gap * 1000, steps.longest * 1000))
        assert(ticks >= 20, ticks .. " ticks")
        assert.equal(many, #emulator:log "update")
        assert.equal(1, #emulator:log "token")
      end)
    end
  end)
end

local function keeps_its_promises(new_loop)
  local name = new_loop().name
  describe(name, function ()
    with_loop(new_loop)

    it("an operation between two polls wakes nobody, and neither does one that ended and is left lying", function ()
      emulator:set { operation_polls = 3 }
      local wait, steps = counted(loop.wait)
      local client = emulator:client { wait = wait, poll_interval = 0.1 }
      local lying = client:begin_update(t.call(emulator.many[2], { status = "Approved" }))
      local clock = os.clock()
      beside_a_timer(loop, 1, function ()
        assert(client:update(t.call(emulator.sample, { status = "Approved" })))
        assert(client:update(t.call(emulator.many[1], { status = "Approved" })))
      end)
      assert.is_true(lying:done())
      assert(steps.calls < 100, steps.calls .. " wake-ups")
      print(("# measured: %s, 3 operations that wait: %.0f ms of processor time, %d wake-ups"):format(name,
        (os.clock() - clock) * 1000, steps.calls))
    end)

    it("who waits is woken when somebody else's step ended what it waits for", function ()
      local client = emulator:client { wait = loop.wait }
      loop.every(0.001, function ()
        client:step()
        return #emulator:log "poll" >= 30 * 3
      end)
      beside_a_timer(loop, 30, function (n)
        local poller = client:begin_update(t.call(emulator.many[n], { status = "Approved" }))
        local connection, err = poller:wait()
        assert(connection, err)
        assert.is_true(approved(connection))
      end)
    end)

    it("several wait for one poller, and all get its result", function ()
      local client, got = emulator:client { wait = loop.wait }, {}
      local poller = client:begin_update(t.call(emulator.sample, { status = "Approved" }))
      beside_a_timer(loop, 20, function (n) got[n] = assert(poller:wait()) end)
      for n = 1, 20 do assert.equal(got[1], got[n]) end
    end)

    it("a wait's own limit is kept, beside others that wait without one", function ()
      emulator:faults { { match = { kind = "update" }, action = { hold = true } } }
      local client, took, err, _ = emulator:client { wait = loop.wait }
      local poller = client:begin_update(t.call(emulator.sample, { status = "Approved" }))
      beside_a_timer(loop, 10, function (n)
        if n > 1 then return assert(poller:wait()) end
        took, _, err = t.timed(poller.wait, poller, 0.1)
        t.await("the update", function () return emulator:has_met(1) end, function () poller:wait(0.01) end)
        emulator:release()
      end)
      assert.equal("timeout", err.kind)
      assert(took > 0.095) -- its clock counts whole milliseconds
    end)

    it("lists, completions and many kinds of calls wait in it, too", function ()
      local client, listed, ended = emulator:client { wait = loop.wait, tls = true }, 0, 0
      beside_a_timer(loop, 3, function (n)
        if n == 1 then
          for _ in client:list { resource_group_name = "rg-contoso-prod", account_name = "manyacct" } do
            listed = listed + 1
          end
        elseif n == 2 then
          local pollers = {}
          for k = 1, 40 do pollers[k] = client:begin_ensure(t.call(emulator.many[k], { status = "Approved" })) end
          for _, result in client:completions(pollers) do
            assert.is_true(result.changed)
            ended = ended + 1
          end
        else
          assert(client:get(t.call(emulator.sample)))
          local deleted = client:delete(t.call(emulator.tokyo))
          assert.is_true(deleted)
        end
      end)
      assert.equal(64, listed)
      assert.equal(40, ended)
    end)

    it("a client closed by one wakes the others, whose calls end as canceled", function ()
      emulator:faults { { match = { kind = "update" }, action = { stall = true } } }
      local client, kinds = emulator:client { wait = loop.wait }, {}
      loop.every(0.05, function ()
        client:close()
        return true
      end)
      beside_a_timer(loop, 10, function (n)
        local _, err = client:update(t.call(emulator.many[n], { status = "Approved" }))
        kinds[err.kind] = (kinds[err.kind] or 0) + 1
      end)
      assert.same({ canceled = 10 }, kinds)
    end)

    if name ~= "cqueues" then -- which blocks outside of its coroutines
      it("a call where Lua cannot yield raises an error that says where to make it", function ()
        local client = emulator:client { wait = loop.wait }
        local function get()
          local ok, why = pcall(client.get, client, t.call(emulator.sample))
          assert.is_false(ok)
          assert.matches("^the call cannot wait here: make it in a coroutine that the event loop resumes", why)
        end
        get()
        beside_a_timer(loop, 1, function ()
          string.gsub("x", "x", get)
          assert(client:get(t.call(emulator.sample)))
        end)
      end)
    end

    it("clients come and go, collected or closed, and the next ones are served at the same descriptors", function ()
      local fds = {}
      beside_a_timer(loop, 4, function ()
        for n = 1, 20 do
          local fields = t.merged(emulator:fields(), { credential = emulator:credential(), wait = loop.wait })
          local client = require "azpec".client(fields)
          fds[client:pollfd()] = true
          assert(client:get(t.call(emulator.sample)))
          if n % 2 == 0 then client:close() end
          client = nil -- luacheck: ignore
          collectgarbage()
        end
      end)
      local count = 0
      for _ in pairs(fds) do count = count + 1 end
      assert(count <= 20, count .. " descriptors")
    end)
  end)
end

local function has_each(new_loop)
  describe(new_loop().name .. ", each", function ()
    with_loop(new_loop)

    local account = { resource_group_name = "rg-contoso-prod", account_name = "manyacct" }

    -- What f, called in a coroutine of the loop, returns or raises, as pcall.
    local function inside(f, ...)
      local results
      local given = table.pack(...)
      beside_a_timer(loop, 1, function () results = table.pack(pcall(f, table.unpack(given, 1, given.n))) end)
      return table.unpack(results, 1, results.n)
    end

    it("works on all that an iterator gives, so many at once and no more", function ()
      local client, now, most, changed = emulator:client { wait = loop.wait, tls = true }, 0, 0, 0
      assert(inside(loop.each, 8, function (connection)
        now = now + 1
        most = math.max(most, now)
        if assert(client:ensure { id = connection.id, status = "Approved" }).changed then changed = changed + 1 end
        now = now - 1
      end, client:list(account)))
      assert.same({ 0, 8, 64 }, { now, most, changed })
    end)

    it("passes what a generic for would, also to work that does not wait, and may have nothing to do", function ()
      local seen = {}
      assert(inside(loop.each, 2, function (k, v, more) seen[k] = { k, v, more } end, ipairs { "a", "b", "c" }))
      assert.same({ { 1, "a" }, { 2, "b" }, { 3, "c" } }, seen)
      assert(inside(loop.each, 1, error, pairs {}))
    end)

    it("lets those that run end after an error in the work, begins no more, and raises it as it is", function ()
      local client, begun, ended, fault = emulator:client { wait = loop.wait }, 0, 0, {}
      local ok, why = inside(loop.each, 3, function (k)
        begun = begun + 1
        if k == 3 then error(fault) end
        assert(client:update(t.call(emulator.many[k], { status = "Approved" })))
        ended = ended + 1
      end, ipairs { 1, 2, 3, 4, 5, 6 })
      assert.is_false(ok)
      assert.equal(fault, why)
      assert.same({ 3, 2 }, { begun, ended })
    end)

    it("raises an error of the iterator, such as a list's, after what runs has ended", function ()
      emulator:faults { { match = { kind = "list" }, action = { status = 404, error = { code = "None" } } } }
      local client, ended = emulator:client { wait = loop.wait }, nil
      local ok, why = inside(loop.each, 3, function ()
        ended = assert(client:get(t.call(emulator.sample)))
      end, function (_, last)
        if not last then return true end
        for _ in client:list(account) do error "the list has failed" end
      end)
      assert.is_false(ok)
      assert.equal("not_found", why.kind)
      assert.is_table(ended)
    end)

    it("does not resume a caller that was closed", function ()
      local client, caller, ended = emulator:client { wait = loop.wait }, nil, 0
      assert(inside(function ()
        caller = coroutine.create(function ()
          loop.each(2, function (_, id)
            assert(client:get { id = id })
            ended = ended + 1
          end, ipairs { emulator.sample, emulator.many[1] })
        end)
        assert(coroutine.resume(caller))
        assert.is_true(coroutine.close(caller))
        while ended < 2 do assert(client:get(t.call(emulator.sample))) end
      end))
    end)

    it("raises an error outside of the loop's coroutines, and for less than one at once", function ()
      local _, why = pcall(loop.each, 1, print, ipairs {})
      assert.matches("coroutine", why)
      _, why = inside(loop.each, 0, print, ipairs {})
      assert.matches("bad argument #1 to 'each' (1 or more expected)", why, 1, true)
    end)
  end)
end

for _, known in ipairs(loops) do
  if known.new then
    carries_many(known.new)
    keeps_its_promises(known.new)
    has_each(known.new)
  else
    pending(known.name .. " is not installed")
  end
end
