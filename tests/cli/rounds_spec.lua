-- The rounds of a verb that has an end: their times, and the limits of their reads.

local assert = require "luassert"
local rounds = require "azpec.cli.rounds"

-- A client that remembers the timeout of each read, and the arguments of another method.
local function new_client()
  local client = { timeouts = {} }
  for _, name in ipairs { "list", "list_accounts", "list_subscriptions", "query_resource_graph", "get",
    "get_account" } do
    client[name] = function (self, options)
      assert.equal(client, self)
      self.timeouts[#self.timeouts + 1] = options.timeout or "the client's"
    end
  end
  function client.wait(self, seconds) return self, seconds end
  return client
end

local function timeouts_of(bounded, client, options)
  for _, name in ipairs { "list", "list_accounts", "list_subscriptions", "query_resource_graph", "get",
    "get_account" } do
    bounded[name](bounded, options or {})
  end
  for n = 2, 6 do assert.equal(client.timeouts[1] == "the client's", client.timeouts[n] == "the client's") end
  return client.timeouts[1]
end

describe("the reads of a round", function ()
  it("take no longer than what is left, and never longer than --timeout or the client's own limit", function ()
    for left, timeout in pairs { [7] = 7, [1000] = 300, [0.5] = 2, [0] = 2 } do
      local client = new_client()
      local bounded = rounds.bounded({ args = {} }, client, function () return left end)
      assert.equal(timeout, timeouts_of(bounded, client))
    end
    local client = new_client()
    assert.equal(5, timeouts_of(rounds.bounded({ args = { timeout = 5 } }, client, function () return 7 end), client))
    client = new_client()
    assert.equal(3, timeouts_of(rounds.bounded({ args = {} }, client, function () return 7 end), client,
      { timeout = 3 }))
  end)

  it("have the client's time where there is no end, or one round only", function ()
    local client = new_client()
    assert.equal("the client's", timeouts_of(rounds.within({ args = {} }, client, 0), client))
    client = new_client()
    assert.equal("the client's", timeouts_of(rounds.new({ args = {} }, { between = 1 }):reader(client), client))
    client = new_client()
    assert.equal("the client's", timeouts_of(rounds.new({ args = {} }, { between = 1, length = 0 }):reader(client),
      client))
  end)

  it("of a watch never pass its end; those of a wait get a few seconds", function ()
    local client = new_client()
    assert.is_true(timeouts_of(rounds.new({ args = {} }, { between = 1, length = 0.5 }):reader(client), client) <= 0.5)
    client = new_client()
    assert.equal(2, timeouts_of(rounds.within({ args = {} }, client, 0.5), client))
  end)

  it("leave the caller's options and the other methods of the client as they are", function ()
    local client, options = new_client(), { id = "x" }
    local bounded = rounds.within({ args = {} }, client, 10)
    bounded:list(options)
    assert.same({ id = "x" }, options)
    assert.same({ client, 3 }, { bounded:wait(3) })
  end)
end)

describe("the rounds of a watch", function ()
  local function pause(options)
    local times = rounds.new({ args = {} }, options)
    times:begin()
    return times:pause()
  end

  it("never end without a length, and end after one where the length is 0", function ()
    assert.same({ 10, false }, { pause { between = 10 } })
    assert.same({ 0, true }, { pause { between = 10, length = 0 } })
  end)

  it("are so far apart, but the last one begins so early that it has a second", function ()
    assert.same({ 10, false }, { pause { between = 10, length = 1000 } })
    local seconds, is_last = pause { between = 1000, length = 500 }
    assert.is_true(seconds <= 499 and not is_last)
    seconds, is_last = pause { between = 1000, length = 1 }
    assert.is_true(seconds <= 1 and is_last)
  end)
end)
