-- Coroutines under cqueues: where a call may yield, what is left of one that is given up; azpec.loop.cqueues.each.
package.path = "./tests/?.lua;" .. package.path

local cqueues = require "cqueues"
local auxlib = require "cqueues.auxlib"
local azpec = require "azpec"
local examples = require "hosts.examples"
local files = require "azpec.file"
local journal = require "azpec.journal"
local lfs = require "lfs"
local t = require "loopback.support"
local loop = require "azpec.loop.cqueues"

local emulator

-- Runs f in a controller, beside a coroutine that counts its turns and calls on_turn(number); how many turns there
-- were, and what f returned.
local function inside(f, on_turn)
  local controller, turns, results = cqueues.new(), 0, nil
  controller:wrap(function () results = table.pack(pcall(f)) end)
  controller:wrap(function ()
    while not results do
      turns = turns + 1
      if on_turn then on_turn(turns) end
      cqueues.sleep(0.005)
    end
  end)
  assert(controller:loop(t.life))
  if not results[1] then error(results[2], 0) end
  return turns, table.unpack(results, 2, results.n)
end

-- What an object with a finalizer refers to goes in the second cycle.
local function descriptors()
  collectgarbage()
  collectgarbage()
  local count = 0
  for _ in lfs.dir "/proc/self/fd" do count = count + 1 end
  return count
end

-- Each calls client:update with it once, and returns its connection.
local places = {
  ["pcall, and xpcall with a handler"] = function (update)
    return select(2, assert(pcall(function () return select(2, assert(xpcall(update, debug.traceback))) end)))
  end,
  ["__index"] = function (update)
    return setmetatable({}, { __index = function () return update() end }).connection
  end,
  ["__close"] = function (update)
    local got
    do
      local guard <close> = setmetatable({}, { __close = function () got = update() end }) -- luacheck: ignore
    end
    return got
  end,
  ["__close while an error is on its way"] = function (update)
    local got
    local ok, why = pcall(function ()
      local guard <close> = setmetatable({}, { __close = function () got = update() end }) -- luacheck: ignore
      error("on its way", 0)
    end)
    assert.same({ false, "on its way" }, { ok, why })
    return got
  end,
  ["__call, __concat, __eq, __lt and __newindex"] = function (update)
    local got
    local meta = { __newindex = function () got = update() end }
    function meta.__lt(_, _) meta.__newindex() return true end
    function meta.__eq(a, b) return a < b end
    function meta.__concat(a, b) return a == b and "text" end
    function meta.__call(a, b) return a .. b end
    local a, b = setmetatable({}, meta), setmetatable({}, meta)
    assert.equal("text", a(b))
    return got
  end,
  ["an iterator of a generic for"] = function (update)
    local got
    for connection in function (_, last) return not last and update() or nil end do got = connection end
    return got
  end,
  ["a coroutine inside the coroutine, made by auxlib.wrap"] = function (update)
    local inner = auxlib.wrap(function ()
      local innermost = auxlib.wrap(function () coroutine.yield(update()) end)
      coroutine.yield(innermost())
    end)
    return inner()
  end,
  ["a controller inside the controller"] = function (update)
    local got
    local inner = cqueues.new()
    inner:wrap(function () got = update() end)
    assert(inner:loop())
    return got
  end,
}

describe("under cqueues", function ()
  local client, wish

  setup(function () emulator = t.emulator { operation_polls = 3, concurrent_update = "allow" } end)
  before_each(function ()
    emulator:reset()
    client = emulator:client { wait = loop.wait, tls = true }
    wish = t.call(emulator.sample, { status = "Approved" })
  end)
  after_each(t.tidy)
  teardown(t.close)

  for name, place in t.each(places) do
    it("client:update yields in " .. name, function ()
      emulator:faults { { match = { kind = "update" }, action = { hold = true } } }
      local turns, connection = inside(function ()
        return place(function () return assert(client:update(wish)) end)
      end, function (number)
        if number == 10 then emulator:release() end
      end)
      assert.equal(emulator.sample, connection.id)
      assert.equal("Approved", connection.properties.privateLinkServiceConnectionState.status)
      assert(turns >= 10, turns .. " turns of the loop")
      assert.equal(1, #emulator:log "update")
    end)
  end

  for name, place in t.each {
    ["gsub's function"] = function (update) return ("x"):gsub("x", update) end,
    ["table.sort's"] = function (update) return table.sort({ 1, 2 }, update) end,
  } do
    it(name .. " cannot yield: Lua says so, and the operation ends with its call", function ()
      local _, ok, why = inside(function () return pcall(place, function () return client:update(wish) end) end)
      assert.is_false(ok)
      assert.equal("attempt to yield across a C-call boundary", why)
      assert.equal("", emulator:kinds())
    end)
  end

  it("coroutine.close of a call at any point frees everything, and its state is not touched again", function ()
    local function closed_after(resumes)
      local own = azpec.client(t.merged(emulator:fields(true), { credential = emulator:credential(),
        wait = coroutine.yield }))
      local weak = setmetatable({}, { __mode = "k" })
      local thread = coroutine.create(function () return own:update(wish) end)
      weak[thread] = true
      local poller, ended
      for _ = 1, resumes do
        local _, given, err = assert(coroutine.resume(thread))
        ended = coroutine.status(thread) == "dead"
        if ended then
          assert(given, err)
          break
        end
        poller = given
        cqueues.poll({ pollfd = own:pollfd(), events = "r" }, 0.05)
      end
      assert.is_true(coroutine.close(thread))
      assert.is_true(poller:done())
      if not ended then assert.equal("canceled", select(2, poller:result()).kind) end
      thread, poller = nil, nil -- luacheck: ignore
      collectgarbage()
      collectgarbage()
      assert.is_nil(next(weak))
      for _ = 1, 3 do -- its own state would be written to, were it still known
        cqueues.poll({ pollfd = own:pollfd(), events = "r" }, 0.001)
        own:step()
      end
      own:close()
      return ended
    end
    closed_after(1)
    local before, resumes = descriptors(), 0
    repeat resumes = resumes + 1 until closed_after(resumes) or resumes == 400
    assert(resumes > 5 and resumes < 400, resumes .. " resumes")
    assert.equal(before, descriptors())
  end)

  it("a controller that is dropped with suspended calls frees them", function ()
    local before = descriptors()
    for _ = 1, 10 do
      local controller = cqueues.new()
      controller:wrap(function ()
        local own <close> = azpec.client(t.merged(emulator:fields(true), { credential = emulator:credential(),
          wait = cqueues.poll }))
        own:update(wish)
      end)
      for _ = 1, 5 do controller:step(0.01) end
      controller = nil -- luacheck: ignore
      collectgarbage()
      collectgarbage()
    end
    local kept = descriptors() - before -- sets of the pool, of three each, and no sockets
    assert(kept <= 3 * 2, kept .. " descriptors")
  end)
end)

describe("a journal under cqueues", function ()
  setup(function () emulator = t.emulator { operation_polls = 0, poll_answer = "resource" } end)
  before_each(function () emulator:reset() end)
  after_each(t.tidy)
  teardown(t.close)

  -- Lets another handle hold the file at each line until six attempts to lock it were refused. Returns a list of the
  -- turns that the loop made meanwhile, line by line.
  local function hold(path, turns)
    local real, other, refusals, first, passed = files.lock, nil, 0, nil, {}
    finally(function () files.lock = real end)
    files.lock = function (handle, kind)
      if not other then
        other, refusals, first = assert(files.open(path)), 0, turns()
        assert(real(other, "write"))
      elseif refusals == 6 then
        other:close()
        other, passed[#passed + 1] = nil, turns() - first
        return real(handle, kind)
      end
      refusals = refusals + 1
      return real(handle, kind)
    end
    return passed
  end

  it("that another process holds: the intent waits without a yield, the result with one", function ()
    local path, turn = t.new_path "journal", 0
    local client = journal.client(t.merged(emulator:fields(), { credential = emulator:credential(),
      wait = loop.wait }), journal.open(path, { patience = t.hang }))
    local passed = hold(path, function () return turn end)
    inside(function () assert(client:ensure { id = emulator.sample, status = "Approved" }) end,
      function (number) turn = number end)
    assert.equal(2, #passed)
    assert.equal(0, passed[1])
    assert(passed[2] > 0, "no turn of the loop")
    assert.is_true(assert(journal.verify(path)).ok)
  end)

  it("that two processes write, with many operations each, refuses no write", function ()
    local folder, path = examples.host_folder(), t.new_path "journal"
    t.write(folder .. "/many.lua", [[
      local journal, loop, cqueues = require "azpec.journal", require "azpec.loop.cqueues", require "cqueues"
      local client = journal.client({ wait = loop.wait }, journal.open(arg[1], { patience = tonumber(arg[2]) }))
      local controller = cqueues.new()
      controller:wrap(function ()
        loop.each(8, function (id)
          for _, description in ipairs { "1", "2", "3" } do
            assert(client:ensure { id = id, status = "Approved", description = description })
          end
        end, table.unpack { io.lines(arg[3]) })
        print "done"
      end)
      assert(controller:loop())
    ]])
    local pipes = {}
    for n = 1, 2 do
      local ids = ("%s/ids%d"):format(folder, n)
      t.write(ids, table.concat(emulator.many, "\n", 32 * n - 31, 32 * n) .. "\n")
      pipes[n] = io.popen(("cd %s && %s%s many.lua %s %d %s 2>&1"):format(t.quote(folder),
        examples.environment(folder, emulator), os.getenv "LUA" or "lua5.4", t.quote(path), t.hang, t.quote(ids)))
    end
    for n = 1, 2 do
      assert.equal("done\n", pipes[n]:read "a")
      pipes[n]:close()
    end
    local report = assert(journal.verify(path))
    assert.same({ true, 2 * 3 * 64, {} }, { report.ok, report.lines, report.open })
  end)
end)

describe("azpec.loop.cqueues", function ()
  it("waits by cqueues.poll itself", function () assert.equal(cqueues.poll, loop.wait) end)

  it("each needs a controller", function ()
    assert.truthy(select(2, pcall(loop.each, 1, print, ipairs {})):find("for coroutines of a controller", 1, true))
  end)
end)
