local waiters = require "azpec.loop.waiters"

-- A loop that notes what is watched, and pollables that are only a descriptor.
local function loop()
  local self = { watched = {}, unwatched = 0, watches = 0 }
  self.wait, self.resume = waiters(function (fd)
    assert.is_nil(self.watched[fd])
    self.watches, self.watched[fd] = self.watches + 1, true
    return fd
  end, function (fd)
    assert.is_true(self.watched[fd])
    self.unwatched, self.watched[fd] = self.unwatched + 1, nil
  end)
  return self
end

local function at(fd)
  return { pollfd = function () return fd end }
end

describe("azpec.loop.waiters", function ()
  it("watches a descriptor once for all who wait at it, and no longer than they do", function ()
    local l, woken = loop(), 0
    for _ = 1, 10 do
      coroutine.wrap(function ()
        for _ = 1, 3 do
          l.wait(at(7))
          woken = woken + 1
        end
      end)()
    end
    for turn = 1, 3 do
      assert.is_true(l.watched[7])
      l.resume(7)
      assert.equal(10 * turn, woken)
    end
    assert.same({ 1, 1, {} }, { l.watches, l.unwatched, l.watched })
    l.resume(7) -- of no interest to anybody
    assert.equal(30, woken)
  end)

  it("resumes only those at that descriptor", function ()
    local l, woken = loop(), {}
    for fd = 1, 3 do
      coroutine.wrap(function ()
        l.wait(at(fd))
        woken[#woken + 1] = fd
      end)()
    end
    l.resume(2)
    assert.same({ 2 }, woken)
    assert.same({ [1] = true, [3] = true }, l.watched)
  end)

  it("a closed coroutine is not resumed, and the last one's end is the watch's", function ()
    local l = loop()
    local thread = coroutine.create(function () l.wait(at(1)) end)
    coroutine.resume(thread)
    assert.is_true(coroutine.close(thread))
    assert.same({ 1, {} }, { l.unwatched, l.watched })
    l.resume(1)
  end)

  it("one that closes another in its turn keeps that from being resumed", function ()
    local l, woken, threads = loop(), 0, {}
    for n = 1, 2 do
      threads[n] = coroutine.create(function ()
        l.wait(at(1))
        woken = woken + 1
        coroutine.close(threads[3 - n])
      end)
      coroutine.resume(threads[n])
    end
    l.resume(1)
    assert.equal(1, woken)
    assert.same({}, l.watched)
  end)

  it("one that was resumed by somebody else, and waits for something else now, is left alone", function ()
    local l, woken = loop(), 0
    local thread = coroutine.create(function ()
      l.wait(at(1))
      coroutine.yield "elsewhere"
      woken = woken + 1
    end)
    coroutine.resume(thread)
    assert.equal("elsewhere", select(2, coroutine.resume(thread)))
    l.resume(1)
    assert.equal(0, woken)
    assert.same({}, l.watched)
  end)

  it("an error comes out with its place, what its coroutine held is closed, the others' turn comes", function ()
    local l, woken, closed = loop(), 0, 0
    for _ = 1, 5 do
      coroutine.wrap(function ()
        local guard <close> = setmetatable({}, { __close = function () closed = closed + 1 end }) -- luacheck: ignore
        l.wait(at(1))
        woken = woken + 1
        if woken == 1 then error "the first" end
      end)()
    end
    local ok, why = pcall(l.resume, 1)
    assert.is_false(ok)
    assert.truthy(why:find("waiters_spec.lua:%d+: the first\nstack traceback:\n"))
    assert.equal(1, closed)
    assert.is_true(l.watched[1])
    l.resume(1)
    assert.same({ 5, 5, {} }, { woken, closed, l.watched })
  end)

  it("an error that is no text comes out as it is, nil too", function ()
    for _, fault in ipairs { { setmetatable({}, {}) }, { nil } } do
      local l = loop()
      coroutine.wrap(function ()
        l.wait(at(1))
        error(fault[1])
      end)()
      local ok, why = pcall(l.resume, 1)
      assert.is_false(ok)
      assert.is_true(rawequal(fault[1], why))
    end
  end)

  it("a descriptor that cannot be watched, and a wait outside any coroutine, are the caller's errors", function ()
    local wait = waiters(function () error("no", 0) end, error)
    assert.same({ false, "no" }, { pcall(coroutine.wrap(function () wait(at(1)) end)) })
    local l = loop()
    local ok, said = pcall(l.wait, at(1)) -- busted's own thread is the main one
    assert.is_false(ok)
    assert.matches("^the call cannot wait here: ", said)
    assert.same({}, l.watched)
  end)
end)
