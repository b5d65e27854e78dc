-- Pollers and clients as objects, without a network: what each method says before, at and after the end.
local azpec = require "azpec"
local kit = dofile "tests/lua/kit.lua"

local begins = { begin_update = kit.named(), begin_ensure = kit.named(),
                 begin_delete = kit.named { status = kit.none } }

for name, options in pairs(begins) do
  describe("client:" .. name, function ()
    it("does no I/O: nothing is sent, told, or spent before the first step", function ()
      local told = 0
      local client <close> = kit.client { on_event = function () told = told + 1 end }
      local before = kit.sockets()
      local poller = client[name](client, options)
      assert.equal(before, kit.sockets())
      assert.equal(0, told)
      assert.is_false(poller:done())
      assert.is_nil(poller:status())
      assert.equal(0, poller:progress().elapsed)
      client:step()
      assert.truthy(told > 0)
    end)

    it("runs to its end by step alone", function ()
      local client <close> = kit.client()
      local poller = client[name](client, options)
      assert.is_true(kit.drive(client, function () return poller:done() end))
      local result, err = poller:result()
      assert.is_nil(result)
      assert.equal("transport", err.kind)
    end)

    it("asks for the token in the first step, not before", function ()
      local asked = 0
      local client <close> = kit.client { credential = azpec.credential.token { get = function ()
        asked = asked + 1
        return "t"
      end } }
      client[name](client, options)
      assert.equal(0, asked)
      client:step()
      assert.equal(1, asked)
    end)
  end)
end

describe("a poller before its end", function ()
  local client, poller
  before_each(function ()
    client = kit.patient()
    poller = client:begin_update(kit.named { client_request_id = "mine" })
  end)
  after_each(function () client:close() end)

  it("is not done, and has no status and no continuation token", function ()
    assert.is_false(poller:done())
    assert.is_nil(poller:status())
    assert.is_nil(poller:continuation_token())
    assert.is_true(kit.drive(client, function () return poller:progress().next_wait end))
    assert.is_false(poller:done())
    assert.is_nil(poller:status())
    assert.is_nil(poller:continuation_token())
  end)

  it("raises when asked for its result", function ()
    assert.equal("the operation has not ended yet", kit.raised(poller.result, poller))
    client:step()
    assert.equal("the operation has not ended yet", kit.raised(poller.result, poller))
  end)

  it("shows how far it is", function ()
    assert.equal("azpec.poller (writing)", tostring(poller))
    assert.equal("azpec.poller (reading)", tostring(client:begin_ensure(kit.named())))
    assert.equal("azpec.poller (polling)", tostring(client:resume(kit.passport())))
  end)

  it("wait(0) steps once and returns at once, the operation still alive", function ()
    for _ = 1, 5 do
      local result, err = poller:wait(0)
      assert.is_nil(result)
      assert.equal("timeout", err.kind)
      assert.is_false(poller:done())
    end
    assert.truthy(kit.drive(client, function () return poller:progress().retries == 1 end))
  end)

  it("wait(s) returns when s has passed", function ()
    local start = kit.now()
    local _, err = poller:wait(0.25)
    local took = kit.now() - start
    assert.equal("timeout", err.kind)
    assert.truthy(took >= 0.23, took)
  end)

  it("wait's error counts the time that has passed, up to now", function ()
    local _, err = poller:wait(0.25)
    assert.truthy(err.elapsed.total >= 0.2, err.elapsed.total)
    assert.truthy(poller:progress().elapsed >= 0.2, poller:progress().elapsed)
  end)

  it("wait refuses what is no time", function ()
    for _, seconds in ipairs { -1, 0 / 0 } do
      assert.equal("bad argument #1 to 'wait' (0 or more seconds expected)",
        kit.raised(function () poller:wait(seconds) end))
    end
    assert.equal("bad argument #1 to 'wait' (number expected, got table)",
      kit.raised(function () poller:wait {} end))
    for _, text in ipairs { "soon", "0.01", " 0x0p0 " } do
      assert.equal("bad argument #1 to 'wait' (number expected, got string)",
        kit.raised(function () poller:wait(text) end))
    end
  end)

  it("reports its progress", function ()
    assert.is_true(kit.drive(client, function () return poller:progress().next_wait ~= nil end))
    local p = poller:progress()
    assert.equal("request", p.phase)
    assert.equal("mine", p.client_request_id)
    assert.equal(0, p.polls)
    assert.equal(1, p.retries)
    assert.truthy(p.next_wait > 0 and p.next_wait <= 3600 * 1.3)
    assert.is_nil(p.status)
    assert.is_nil(p.percent_complete)
    assert.are_not.equal(p, poller:progress())
  end)

  it("is a pollable in cqueues' protocol, with the client's one descriptor", function ()
    assert.equal("integer", math.type(poller:pollfd()))
    assert.equal(client:pollfd(), poller:pollfd())
    assert.equal("r", poller:events())
    assert.equal("r", client:events())
    assert.is_nil(poller:timeout())
    assert.is_nil(client:timeout())
  end)

  it("step says whether it has ended", function ()
    assert.is_false(poller:step())
    poller:cancel()
    assert.is_true(poller:step())
  end)
end)

describe("poller:cancel", function ()
  local client, poller
  before_each(function ()
    client = kit.patient()
    poller = client:begin_update(kit.named())
  end)
  after_each(function () client:close() end)

  it("ends it at once, as canceled, and returns nothing", function ()
    assert.equal(0, select("#", poller:cancel()))
    assert.is_true(poller:done())
    local result, err = poller:result()
    assert.is_nil(result)
    assert.equal("canceled", err.kind)
    assert.equal("azpec.poller (canceled)", tostring(poller))
  end)

  it("may be called any number of times, after the end too", function ()
    poller:cancel()
    local _, first = poller:result()
    poller:cancel()
    poller:cancel()
    assert.is_true(rawequal(first, select(2, poller:result())))
  end)

  it("before the first step keeps it from ever being sent", function ()
    local told = {}
    local c <close> = kit.client { on_event = function (e) told[#told + 1] = e.event end }
    c:begin_update(kit.named()):cancel()
    for _ = 1, 5 do c:step() end
    assert.same({ "end" }, told)
  end)

  it("inside on_event's 'request' keeps that request from being sent, and reports the end", function ()
    local told, mine = {}, nil
    local c <close> = kit.client { on_event = function (e)
      told[#told + 1] = e.event
      if e.event == "request" then mine:cancel() end
    end }
    mine = c:begin_update(kit.named())
    for _ = 1, 20 do c:step() end
    assert.same({ "request", "end" }, told)
    assert.equal("canceled", select(2, mine:result()).kind)
  end)

  it("ends no other poller of the client", function ()
    local other = client:begin_update(kit.named())
    poller:cancel()
    client:step()
    assert.is_false(other:done())
  end)

  it("keeps the continuation token of what was begun elsewhere", function ()
    local resumed = client:resume(kit.passport())
    local token = resumed:continuation_token()
    assert.equal("string", type(token))
    resumed:cancel()
    assert.equal(token, resumed:continuation_token())
    assert.equal(token, select(2, resumed:result()).continuation_token)
  end)
end)

describe("a poller after its end", function ()
  local client, poller
  before_each(function ()
    client = kit.client()
    poller = client:begin_update(kit.named())
    poller:wait()
  end)
  after_each(function () client:close() end)

  it("is done, and gives the same error by result and wait, again and again", function ()
    assert.is_true(poller:done())
    local _, err = poller:result()
    assert.equal("transport", err.kind)
    for _ = 1, 3 do
      assert.is_true(rawequal(err, select(2, poller:result())))
      assert.is_true(rawequal(err, select(2, poller:wait())))
      assert.is_true(rawequal(err, select(2, poller:wait(0))))
    end
  end)

  it("shows its kind, and steps without harm", function ()
    assert.equal("azpec.poller (transport)", tostring(poller))
    assert.is_true(poller:step())
    poller:cancel()
    assert.equal("transport", select(2, poller:result()).kind)
  end)

  it("reports no further wait", function ()
    assert.is_nil(poller:progress().next_wait)
  end)

  it("lives on when its client was closed and collected", function ()
    client:close()
    client = nil
    collectgarbage()
    collectgarbage()
    assert.equal("transport", select(2, poller:result()).kind)
    client = kit.client()
  end)
end)

describe("local poller <close>", function ()
  it("cancels what has not ended", function ()
    local client <close> = kit.patient()
    local seen
    do
      local poller <close> = client:begin_update(kit.named())
      client:step()
      seen = poller
    end
    assert.is_true(seen:done())
    assert.equal("canceled", select(2, seen:result()).kind)
  end)

  it("leaves an end as it was", function ()
    local client <close> = kit.client()
    local seen
    do
      local poller <close> = client:begin_update(kit.named())
      poller:wait()
      seen = poller
    end
    assert.equal("transport", select(2, seen:result()).kind)
  end)

  it("inside on_event's 'request' neither sends nor breaks anything", function ()
    local told, mine = {}, nil
    local client <close> = kit.client { on_event = function (e)
      told[#told + 1] = e.event
      if e.event == "request" then
        local poller <close> = mine -- luacheck: ignore
        mine = nil
      end
    end }
    mine = client:begin_update(kit.named())
    for _ = 1, 20 do
      client:step()
      collectgarbage()
    end
    assert.equal("request", told[1])
    assert.is_nil(table.concat(told, " "):find "response")
  end)
end)

describe("a closed client", function ()
  it("raises from every method but close", function ()
    local client = kit.client()
    client:close()
    for _, name in ipairs { "update", "ensure", "delete", "get", "list", "list_accounts", "get_private_link_resource",
                            "list_private_link_resources", "get_account", "list_permissions", "list_subscriptions",
                            "query_resource_graph", "begin_update",
                            "begin_ensure", "begin_delete", "step", "pollfd", "events", "timeout", "rate_limits",
                            "identity", "explain", "settings" } do
      assert.equal("attempt to use a closed client", kit.raised(client[name], client, kit.named()), name)
    end
    assert.equal("attempt to use a closed client", kit.raised(client.resume, client, kit.passport()))
  end)

  it("may be closed again, and returns nothing", function ()
    local client = kit.client()
    assert.equal(0, select("#", client:close()))
    assert.equal(0, select("#", client:close()))
  end)

  it("says that it is closed, where an open one shows its endpoint", function ()
    local client = kit.client()
    assert.equal("azpec.client (http://127.0.0.1:1)", tostring(client))
    client:close()
    assert.equal("azpec.client (closed)", tostring(client))
  end)

  it("has ended its pollers as canceled, with the tokens of what was begun", function ()
    local client = kit.patient()
    local refused, resumed = client:begin_update(kit.named()), client:resume(kit.passport())
    assert.is_true(kit.drive(client, function () return refused:progress().next_wait end))
    local unsent = client:begin_update(kit.named())
    client:close()
    local words = { [unsent] = "nothing was changed", [refused] = "nothing was changed",
      [resumed] = "the operation continues in the service" }
    for poller, rest in pairs(words) do
      assert.is_true(poller:done())
      local result, err = poller:result()
      assert.is_nil(result)
      assert.equal("canceled", err.kind)
      assert.equal("the client was closed: " .. rest, err.message)
    end
    assert.is_nil(select(2, unsent:result()).continuation_token)
    assert.is_nil(select(2, refused:result()).continuation_token)
    assert.equal("string", type(select(2, resumed:result()).continuation_token))
  end)

  it("leaves pollers whose methods do not crash", function ()
    local client = kit.patient()
    local poller = client:begin_update(kit.named())
    client:close()
    assert.equal("canceled", select(2, poller:wait()).kind)
    assert.equal("canceled", select(2, poller:wait(0)).kind)
    assert.is_true(poller:step())
    assert.is_true(poller:done())
    assert.is_nil(poller:status())
    assert.equal("table", type(poller:progress()))
    assert.equal("r", poller:events())
    poller:cancel()
    assert.equal("azpec.poller (canceled)", tostring(poller))
    assert.equal("attempt to use a closed client", kit.raised(poller.pollfd, poller))
  end)

  it("ends a loop over a list with the error of a cancel, or a closed client", function ()
    local client = kit.patient()
    local iterate, poller = client:list { resource_group_name = "rg", account_name = "acct" }
    client:close()
    local e = kit.raised(iterate, poller)
    assert(e:find "^canceled: " or e == "attempt to use a closed client", e)
  end)

  it("has no sockets left", function ()
    local before = kit.sockets()
    local client = kit.client()
    client:update(kit.named())
    client:close()
    assert.equal(before, kit.sockets())
  end)
end)

describe("local client <close>", function ()
  it("closes it at the end of the block, by return and by error too", function ()
    local seen = {}
    do
      local client <close> = kit.client()
      seen[1] = client
    end
    pcall(function ()
      local client <close> = kit.client()
      seen[2] = client
      error "out"
    end);
    (function ()
      local client <close> = kit.client()
      seen[3] = client
      return 1
    end)()
    for i = 1, 3 do assert.equal("azpec.client (closed)", tostring(seen[i])) end
  end)
end)

describe("the objects", function ()
  it("keep to themselves: no field can be set, unknown ones are nil", function ()
    local client <close> = kit.client()
    local poller = client:begin_update(kit.named())
    assert.is_nil(client.nothing)
    assert.is_nil(poller.nothing)
    assert.is_false(pcall(function () client.x = 1 end))
    assert.is_false(pcall(function () poller.x = 1 end))
  end)

  it("refuse each other's methods", function ()
    local client <close> = kit.client()
    local poller = client:begin_update(kit.named())
    assert.equal("bad argument #1 to 'done' (azpec.poller expected, got azpec.client)",
      kit.raised(function () local done = {done = poller.done}; done.done(client) end))
    assert.is_false(pcall(client.step, poller))
    assert.is_false(pcall(client.close, poller))
    assert.is_false(pcall(poller.cancel, io.stdout))
  end)

  it("resume takes what was asked from the token", function ()
    local client <close> = kit.patient()
    local poller = client:resume(kit.passport { operation = "delete" })
    assert.equal("r-1", poller:progress().client_request_id)
    assert.equal("poll", poller:progress().phase)
    local back = require "cjson".new().decode(poller:continuation_token())
    assert.equal("delete", back.operation)
    assert.equal(kit.id, back.id)
    assert.equal(1, back.azpec)
    local cased = assert(client:resume(kit.passport { id = kit.id:upper() }))
    assert.equal("azpec.poller (polling)", tostring(cased))
  end)
end)

it("rate_limits is a new and empty table before the service said anything", function ()
  local client <close> = kit.client()
  assert.same({}, client:rate_limits())
  assert.are_not.equal(client:rate_limits(), client:rate_limits())
end)

describe("settings", function ()
  it("are the client's own", function ()
    local client <close> = kit.client { ca_file = "/a.pem", ca_path = "/b", api_version = "2024-07-01",
      scope = "https://example.com/.default" }
    local settings = client:settings()
    local handle <close> = io.open "/proc/self/stat"
    assert.equal(handle:read "n", settings.process_id)
    settings.process_id = nil
    assert.same({ endpoint = kit.nowhere, authority_host = kit.nowhere, scope = "https://example.com/.default",
      api_version = "2024-07-01", ca_file = "/a.pem", ca_path = "/b", subscription_id = kit.subscription,
      subscription_from = "options" }, settings)
  end)

  it("are the environment's, and the defaults", function ()
    local code = [[
      local azpec = require "azpec"
      local client = azpec.client { subscription_id = "3f1c2a54-6a1e-4b7d-9c55-0e8d1b2a7f10",
        credential = azpec.credential.token { token = "t" } }
      local s = client:settings()
      print(s.endpoint, s.authority_host, s.api_version, s.scope, s.ca_file, s.ca_path)
    ]]
    local fixed = "https://management.azure.com\thttps://login.microsoftonline.com\t2022-06-01\t"
      .. "https://management.azure.com/.default\t"
    assert.equal(fixed .. "/bundle.pem\tnil", kit.child(code, { CURL_CA_BUNDLE = "/bundle.pem" }))
    assert.equal(fixed .. "/file.pem\t/certs",
      kit.child(code, { CURL_CA_BUNDLE = "/bundle.pem", SSL_CERT_FILE = "/file.pem", SSL_CERT_DIR = "/certs" }))
    local file, path = kit.child(code):match "\t([^\t]*)\t([^\t]*)$"
    assert(file:find "^/" or path:find "^/", "libcurl's own")
  end)
end)

describe("client:list", function ()
  it("raises the failed page's error, the table itself", function ()
    local client <close> = kit.client()
    for _, name in ipairs { "list", "list_accounts", "list_private_link_resources", "list_permissions" } do
      local ok, err = pcall(function ()
        local options = { resource_group_name = "rg" }
        if name ~= "list_accounts" then options.account_name = "acct" end
        for _ in client[name](client, options) do error "an item" end
      end)
      assert.is_false(ok)
      assert.equal("azpec.error", azpec.type(err))
      assert.equal("transport", err.kind)
    end
  end)

  it("does no I/O before the loop asks for the first item", function ()
    local told = 0
    local client <close> = kit.client { on_event = function () told = told + 1 end }
    client:list { resource_group_name = "rg", account_name = "acct" }
    assert.equal(0, told)
  end)

  it("hands the waiter the client", function ()
    local seen
    local client <close> = kit.patient { wait = function (pollable) seen = pollable error("enough", 0) end }
    assert.equal("enough", kit.raised(function ()
      for _ in client:list { resource_group_name = "rg", account_name = "acct" } do error "an item" end
    end))
    assert.is_true(rawequal(client, seen))
  end)

  it("without an account names the option that is missing", function ()
    local client <close> = kit.client()
    assert.equal("bad field 'account_name' (string expected, got nil)",
      kit.raised(client.list, client, { resource_group_name = "rg" }))
  end)
end)

describe("Ctrl-C, which lua raises as an error wherever Lua code runs next,", function ()
  it("inside on_event ends the wait at once, and the operation lives on", function ()
    local pressed = false
    local client <close> = kit.patient { on_event = function (event)
      if event.event == "retry" and not pressed then
        pressed = true
        error("interrupted!", 0)
      end
    end }
    local first, second = client:begin_update(kit.named()), client:begin_update(kit.named())
    assert.equal("interrupted!", kit.raised(second.wait, second))
    assert.is_false(first:done())
    assert.is_false(second:done())
    assert.equal("timeout", select(2, second:wait(0)).kind)
  end)
end)

describe("an operation that is being made", function ()
  it("is about its own connection, whatever a finalizer of the host begins meanwhile", function ()
    local client <close> = kit.client()
    local other = kit.id:gsub("/[^/]*$", "/" .. ("other"):rep(12))
    local begun = 0
    local function litter()
      setmetatable({}, { __gc = function ()
        client:begin_update(kit.named { private_endpoint_connection_name = other:match "[^/]*$" })
        begun = begun + 1
      end })
    end
    local pause = collectgarbage("incremental", 1, 1000)
    for _ = 1, 300 do
      litter()
      local poller = client:begin_update(kit.named())
      assert.equal(kit.id, poller:progress().id)
    end
    collectgarbage(pause)
    assert(begun > 100, begun)
  end)
end)
