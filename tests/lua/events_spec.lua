-- on_event: what it is told, what it may do, and what becomes of its errors.
local azpec = require "azpec"
local kit = dofile "tests/lua/kit.lua"

local quick = { retry = { max_tries = 4, base_delay = 0.001, max_delay = 0.01 } }

describe("on_event", function ()
  it("gets the events of an operation in order, each in a new table", function ()
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
    assert.equal("could not connect to the server", told[2].error)
    assert.truthy(told[2].detail:find("127.0.0.1", 1, true))
    assert.truthy(told[3].wait > 0 and told[3].wait < 1)
    assert.truthy(told[3].remaining > kit.hang / 2 and told[3].remaining <= kit.hang)
    assert.truthy(told[3].reason:find("could not connect", 1, true))
    assert.equal(2, told[4].attempt)
    assert.is_false(told[6].ok)
    assert.equal("transport", told[6].kind)
    assert.equal("number", type(told[6].elapsed))
  end)

  it("gets the end once, before the outcome is returned", function ()
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

  it("gets the sign-in as 'token', without an operation's fields", function ()
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
end)

describe("on_event (errors, calls of its own)", function ()
  it("that raises makes the next wait of that poller raise once, and the operation continues", function ()
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

  it("that raises during sign-in becomes a warning, because no poller has that event", function ()
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
    assert.matches("a client's callback must not yield: let another coroutine do what waits; ", said)
  end)

  for _, case in ipairs {
    { "client:step", function (c) c:step() end, "a client's callback must not step the client" },
    { "client:close", function (c) c:close() end, "a client's callback must not close the client" },
    { "poller:step", function (_, p) p:step() end, "a client's callback must not step the client" },
    { "poller:wait", function (_, p) p:wait() end, "a client's callback must not step the client" },
    { "poller:wait(0)", function (_, p) p:wait(0) end, "a client's callback must not step the client" },
    { "client:update", function (c) c:update(kit.named()) end, "a client's callback must not step the client" },
    { "client:list", function (c)
      for _ in c:list { resource_group_name = "rg", account_name = "acct" } do error "an item" end
    end, "a client's callback must not step the client" },
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
