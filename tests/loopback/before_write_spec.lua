-- before_write: asked before each PATCH and DELETE, whichever call sends it; its no keeps the write back.
package.path = "./tests/?.lua;" .. package.path

local azpec = require "azpec"
local cjson = require "cjson"
local t = require "loopback.support"

local emulator

-- ---- the calls that write ------------------------------------------------------------------------------------------

local function wish(more)
  return t.call(emulator.sample, t.merged({ status = "Approved", description = "by me" }, more or {}))
end

-- A token of an ensure that has not been sent, as a run that was killed leaves it.
local function unsent_token()
  return cjson.encode { azpec = 1, operation = "ensure", endpoint = emulator.endpoint, id = emulator.sample,
    api_version = "2022-06-01", status = "Approved", description = "by me", client_request_id = "r-1",
    poll = "resource", changed = false }
end

local function first(iterator, state, control)
  local _, value, err = iterator(state, control)
  return value, err
end

local function by_steps(client)
  local value, err
  repeat
    client:step()
    value, err = first(client:finished())
  until value ~= nil or err
  return value, err
end

-- How each call writes; what its write says of the call.
local ways = {
  update = { "update", function (client) return client:update(wish()) end },
  ensure = { "ensure", function (client) return client:ensure(wish()) end },
  delete = { "delete", function (client) return client:delete(t.call(emulator.sample)) end },
  begin_update = { "update", function (client) return client:begin_update(wish()):wait() end },
  begin_ensure = { "ensure", function (client) return client:begin_ensure(wish()):wait() end },
  begin_delete = { "delete", function (client) return client:begin_delete(t.call(emulator.sample)):wait() end },
  resume = { "resume", function (client)
    return assert(client:resume(unsent_token(), { write = true })):wait()
  end },
  completions = { "update", function (client)
    client:begin_update(wish())
    return first(client:completions())
  end },
  finished = { "ensure", function (client)
    client:begin_ensure(wish())
    return by_steps(client)
  end },
  guest = { "update", function (client)
    local poller = client:begin_update(wish())
    repeat until poller:step()
    return poller:result()
  end },
  ["in a coroutine"] = { "update", function (client)
    local routine = coroutine.wrap(function () return "ended", client:update(wish { wait = coroutine.yield }) end)
    local word, value, err
    repeat word, value, err = routine() until word == "ended"
    return value, err
  end },
}

-- The PATCHes and DELETEs that came to the service.
local function writes_on_the_wire() return #emulator:log("update", "delete") end

local function hooked(hook, more)
  local seen = {}
  local client, events = emulator:client(t.merged({ before_write = function (write)
    seen[#seen + 1] = write
    return hook(write, seen)
  end }, more or {}))
  return client, seen, events
end

local function yes() return true end
local function no() return nil, "not on a Friday" end


setup(function () emulator = t.emulator() end)
before_each(function () emulator:reset() end)
after_each(t.tidy)
teardown(t.close)

describe("before_write", function ()
  for name, way in t.each(ways) do
    local call, run = way[1], way[2]

    it("keeps the write of " .. name .. " back", function ()
      local client, seen, events = hooked(no)
      -- a token may be of a write that was sent
      local rest = call == "resume" and "an earlier attempt got no response and may have taken effect"
        or "nothing was written"
      local err = t.fails("canceled", "before_write refused the write: not on a Friday; " .. rest, run(client))
      assert.equal(1, #seen)
      assert.equal(0, writes_on_the_wire())
      assert.equal(call == "resume", err.continuation_token ~= nil)
      assert.is_true(err.write_refused)
      assert.equal("Pending", emulator:connection(emulator.sample).status)
      for _, event in ipairs(events) do
        assert(event.event ~= "request" or event.method == "GET", "a write that was not sent is told of")
      end
    end)

    it("is asked as often as " .. name .. " writes", function ()
      local client, seen = hooked(yes)
      assert(run(client))
      assert.equal(1, #seen)
      assert.equal(1, writes_on_the_wire())
      assert.equal(call, seen[1].call)
      assert.equal(call == "delete" and "DELETE" or "PATCH", seen[1].verb)
      assert.equal(emulator.sample, seen[1].id)
      assert.equal(1, seen[1].attempt)
      assert.equal(emulator:log("update", "delete")[1].headers["x-ms-client-request-id"], seen[1].client_request_id)
    end)
  end

  it("is asked of azpec.update, too", function ()
    local options = t.merged(emulator:fields(), wish(), { credential = emulator:credential(), before_write = no })
    t.fails("canceled", "^before_write refused the write: not on a Friday", azpec.update(options))
    assert.equal(0, writes_on_the_wire())
  end)

  it("is not asked of what only reads", function ()
    local client, seen = hooked(no)
    assert(client:get(t.call(emulator.sample)))
    local iterator, list = client:list { resource_group_name = "rg-contoso-prod", account_name = "manyacct" }
    assert(iterator(list))
    assert(client:identity {})
    emulator:control("PATCH", "options", { operation_polls = 0 })
    assert(emulator:client():ensure(wish()))
    assert.is_false(assert(client:ensure(wish())).changed)
    assert.equal(0, #seen)
  end)

  it("knows what was read, what is wanted, and who signs in", function ()
    local client, seen = hooked(yes)
    local tag = emulator:connection(emulator.sample).etag
    assert(client:ensure(wish { action_required = "none" }))
    local write = seen[1]
    assert.equal("Pending", write.from)
    assert.equal("Approved", write.to)
    assert.equal(tag, write.etag)
    assert.equal("by me", write.description)
    assert.equal("none", write.action_required)
    assert.equal("client_secret", write.identity.credential)
    assert.equal(emulator.client_id, write.identity.claims.appid)
    t.has_no_secret(write, "what before_write is given")
    assert(client:update(wish { status = "Rejected", if_match = "*" }))
    assert.is_nil(seen[2].from)
    assert.equal("*", seen[2].etag)
    assert(client:delete(t.call(emulator.sample)))
    assert.is_nil(seen[3].to)
    assert.is_nil(seen[3].etag)
  end)

  it("is asked again for each repetition", function ()
    emulator:faults { { match = { kind = "update", nth = 1 }, action = { status = 503 } },
      { match = { kind = "update", nth = 2 }, action = { close = true } },
      { match = { kind = "update", nth = 3 }, action = { status = 429, retry_after = "0" } } }
    local client, seen = hooked(yes)
    assert(client:update(wish()))
    assert.equal(4, writes_on_the_wire())
    assert.equal(4, #seen)
    for n, write in ipairs(seen) do assert.equal(n, write.attempt) end
    assert.equal("Pending", seen[2].from) -- the settling look
  end)

  it("is asked again where ensure met another writer", function ()
    local other = emulator:client()
    local client, seen = hooked(function (_, all)
      if #all == 1 then assert(other:update(wish { status = "Pending", description = "another" })) end
      return true
    end)
    assert(client:ensure(wish { description = "mine" }))
    assert.equal(2, #seen)
    assert.equal("Pending Pending", seen[1].from .. " " .. seen[2].from)
    assert(seen[1].etag ~= seen[2].etag)
    assert.equal(#seen + 1, writes_on_the_wire())
  end)

  it("is not asked again where another writer decided, as ensure does not undo that", function ()
    local other = emulator:client()
    local client, seen = hooked(function () return assert(other:update(wish { status = "Rejected" })) ~= nil end)
    t.fails("precondition", "^the connection was changed by another writer, so nothing was written: its "
      .. "status was Pending and is Rejected", client:ensure(wish()))
    assert.equal(1, #seen)
    assert.equal(2, writes_on_the_wire())
  end)

  it("says that an earlier attempt may have arrived", function ()
    emulator:faults { { match = { kind = "update", nth = 1 }, action = { status = 500 } } }
    local client, seen = hooked(function (write) return write.attempt == 1, "once is enough" end)
    local err = t.fails("canceled", "before_write refused the write: once is enough; an earlier attempt got no "
      .. "response and may have taken effect", client:update(wish()))
    assert.equal(2, #seen)
    assert.equal(1, writes_on_the_wire())
    assert.is_string(err.continuation_token)
  end)
end)

describe("before_write (the host's function)", function ()
  it("takes nothing but true for a yes", function ()
    for _, answer in ipairs { "true", 1, {}, "yes", print } do
      local client = hooked(function () return answer end)
      t.fails("canceled", ("before_write refused the write: it returned %s; nothing was written"):format(type(answer)),
        client:update(wish()))
    end
    t.fails("canceled", "^before_write refused the write: it returned nil; ", hooked(function () end):update(wish()))
    t.fails("canceled", "^before_write refused the write: it returned false; ",
      hooked(function () return false end):update(wish()))
    t.fails("canceled", "^before_write refused the write: 17; ",
      hooked(function () return false, 17 end):update(wish()))
    t.fails("canceled", "before_write refused the write: it needs a ticket; nothing was written",
      hooked(function () return nil, { message = "it needs a ticket" } end):update(wish()))
    assert.equal(0, writes_on_the_wire())
  end)

  it("that raises refuses, with its words", function ()
    t.fails("canceled", "before_write raised an error: disk full; nothing was written",
      hooked(function () error("disk full", 0) end):update(wish()))
    t.fails("canceled", "^before_write raised an error: table: .*; nothing was written$",
      hooked(function () error({}) end):update(wish()))
    t.fails("canceled", "before_write raised an error: disk full; nothing was written",
      hooked(function () error { message = "disk full" } end):update(wish()))
    t.fails("canceled", "before_write raised an error: nil; nothing was written",
      hooked(function () error() end):update(wish()))
    local nasty = setmetatable({}, { __tostring = function () error "no" end })
    t.fails("canceled", "^before_write raised an error: .*; nothing was written$",
      hooked(function () error(nasty) end):update(wish()))
    assert.equal(0, writes_on_the_wire())
  end)

  it("sets write_refused of the error, which a cancellation does not", function ()
    local raising = hooked(function () error("disk full", 0) end)
    assert.is_true(t.fails("canceled", "^before_write raised", raising:update(wish())).write_refused)
    local poller = hooked(yes):begin_update(wish())
    poller:cancel()
    assert.is_nil(t.fails("canceled", "^stopped waiting", poller:wait()).write_refused)
  end)

  it("may not yield", function ()
    local client = hooked(coroutine.yield)
    local value, err
    coroutine.wrap(function () value, err = client:update(wish()) end)()
    t.fails("canceled", "^before_write raised an error: a client's callback must not yield", value, err)
    assert.equal(0, writes_on_the_wire())
  end)

  it("may not use a waiting method of its client, and may use another client", function ()
    local other, client, said = emulator:client(), nil, {}
    client = hooked(function (write)
      for _, name in ipairs { "step", "close" } do said[name] = select(2, pcall(client[name], client)) end
      said.get = select(2, pcall(client.get, client, t.call(emulator.sample)))
      return other:get(t.call(write.id)).properties.privateLinkServiceConnectionState.status == "Pending"
    end)
    assert(client:update(wish()))
    assert.matches("a client's callback must not step the client", said.step, 1, true)
    assert.matches("a client's callback must not step the client", said.get, 1, true)
    assert.matches("a client's callback must not close the client", said.close, 1, true)
  end)

  it("may cancel the operation that it is asked about, or begin another one", function ()
    local client, poller, second
    client = hooked(function (write)
      if write.id == emulator.sample then
        second = client:begin_update(t.call(emulator.many[1], { status = "Approved" }))
        poller:cancel()
      end
      return true
    end)
    poller = client:begin_update(wish())
    t.fails("canceled", "stopped waiting: nothing was changed", poller:wait())
    assert(second:wait())
    assert.equal(1, writes_on_the_wire())
  end)

  it("may let go of its poller for good", function ()
    local client, poller
    client = hooked(function ()
      poller:cancel()
      poller:result()
      poller = nil
      collectgarbage()
      collectgarbage()
      return true
    end)
    poller = client:begin_update(wish())
    client:step()
    t.await("the hook", function () return poller == nil end, function () client:wait(0.01) end)
    assert.equal(0, writes_on_the_wire())
  end)

  it("that takes longer than the call may take sends nothing", function ()
    local cqueues = require "cqueues"
    local client, _, events = hooked(function ()
      local over = cqueues.monotime() + 0.3
      repeat until cqueues.monotime() >= over
      return true
    end, { timeout = 3600 })
    assert(client:identity {})
    t.fails("timeout", "^timed out after 0.2 s", client:update(wish { timeout = 0.2 }))
    assert.equal(0, writes_on_the_wire())
    for _, event in ipairs(events) do assert(event.method ~= "PATCH", "a write that was not sent is told of") end
  end)

  it("of one operation leaves the others alone", function ()
    local client = hooked(function (write) return write.id ~= emulator.many[2], "this one not" end)
    local ended = {}
    for n = 1, 3 do client:begin_ensure(t.call(emulator.many[n], { status = "Approved" })) end
    for poller, result, err in client:completions() do
      assert(poller)
      ended[#ended + 1] = result and "done" or err.kind
    end
    table.sort(ended)
    assert.same({ "canceled", "done", "done" }, ended)
    assert.equal(2, writes_on_the_wire())
  end)

  it("has to be a function", function ()
    assert.has_error(function () emulator:client { before_write = "x" } end,
      "bad field 'before_write' (function expected, got string)")
    assert.has_error(function () emulator:client():update(wish { before_write = yes }) end,
      "unknown field 'before_write'")
  end)
end)
