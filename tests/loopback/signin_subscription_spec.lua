-- The subscription of a client that none was named to: that of az or azd, found by the sign-in.

package.path = "./tests/?.lua;" .. package.path

local cjson = require "cjson"
local signin = require "loopback.signin_support"
local t = require "loopback.support"

local emulator

-- A token that the emulator knows.
local function token()
  local _, body = t.http(emulator.endpoint, "GET", "/metadata/identity/oauth2/token?api-version=2018-02-01&resource="
    .. "https://management.azure.com", nil, "Metadata: true\r\n")
  emulator:control("DELETE", "log")
  return cjson.decode(body).access_token
end

local function say(text) return "printf '%s' " .. t.quote(text) end

local other = "aaaaaaaa-6a1e-4b7d-9c55-0e8d1b2a7f10"

-- az as it answers: for the default subscription, for one that it is asked for, and for a tenant.
local function az(default)
  local function answer(fields)
    return say(cjson.encode(t.merged({ accessToken = token(), tokenType = "Bearer",
      expires_on = os.time() + 3600 }, fields)))
  end
  return ([[
case "$*" in
*--subscription*--tenant*|*--tenant*--subscription*)
  echo "ERROR: Please specify only one of subscription and tenant, not both" >&2; exit 1 ;;
*"--subscription %s")
  echo "ERROR: Subscription '%s' not found. Check the spelling and casing and try again." >&2; exit 1 ;;
*--tenant*) %s ;;
*) %s ;;
esac]]):format(other, other, answer { tenant = emulator.tenant_id },
    answer { tenant = emulator.tenant_id, subscription = default or emulator.subscription_id })
end

local function azd(subscription)
  return ([[
case "$*" in
"config get defaults.subscription") %s ;;
*) %s ;;
esac]]):format(subscription and say('"' .. subscription .. '"\n')
    or "echo 'ERROR: no value stored at path '\\''defaults.subscription'\\''' >&2; exit 1",
    say(cjson.encode { token = token(), expiresOn = os.date("!%Y-%m-%dT%H:%M:%SZ", os.time() + 3600) }))
end

-- A client without a subscription, which does this; scripts: the programs.
local function run(scripts, body, more)
  local folder = signin.programs(scripts)
  local env = t.merged({ PATH = folder, AZURE_POD_IDENTITY_AUTHORITY_HOST = "http://127.0.0.1:9" },
    more and more.env or {})
  return signin.run { env = env, credential = more and more.credential, given = more and more.given,
    body = [[
    given.subscription_id = nil
    local subscription = {}
    local bare = new { on_event = function (event)
      if event.event == "subscription" then subscription[#subscription + 1] = event end end, credential = credential }
    local names = { resource_group_name = "default-azurebatch-japaneast", account_name = "sampleacct",
      private_endpoint_connection_name = given.id:match "[^/]+$" }
    local function tell(value) note(0, nil, { message = tostring(value) }) end
    ]] .. body }, folder
end

setup(function () emulator = signin.start() end)
before_each(function () signin.reset() end)
after_each(t.tidy)
teardown(t.close)

local settings = [[
    local s = bare:settings()
    tell(tostring(s.subscription_id) .. " " .. tostring(s.subscription_from))]]

local function said(out, n)
  return out.results[n] and (out.results[n].message or out.results[n].raised)
end

describe("a client without a subscription", function ()
  it("takes az's default one, says where it is from, and asks for its tokens from then on", function ()
    local out, folder = run({ az = az() }, [[
    tell(bare:settings().subscription_id)
    tell((assert(bare:get(names))).id)]] .. settings .. [[
    tell(#subscription .. subscription[1].subscription_id .. subscription[1].subscription_from)]])
    assert.equal("nil", said(out, 1))
    assert.equal(emulator.sample, said(out, 2))
    assert.equal(emulator.subscription_id .. " azure_cli", said(out, 3))
    assert.equal("1" .. emulator.subscription_id .. "azure_cli", said(out, 4))
    assert.equal("account get-access-token -o json --resource https://management.azure.com",
      signin.words(folder, "az"))
  end)

  for name, body in pairs {
    ["an iterator"] = "for account in bare:list_accounts {} do tell(account.id) break end",
    ["an update"] = [[
      names.status = "Approved"
      tell(assert(bare:update(names)).id)]],
    ["azpec.update"] = [[
      names.status, names.endpoint, names.authority_host = "Approved", given.endpoint, given.endpoint
      names.poll_interval = 0.02
      names.ca_file = given.ca_file
      tell(assert(azpec.update(names)).id)]],
    ["a call in a coroutine that yields"] = [[
      local waits = 0
      names.wait = coroutine.yield
      local co = coroutine.wrap(function () return assert(bare:get(names)) end)
      local got = co()
      while got == bare or not got.id do
        waits = waits + 1
        require "cqueues".poll(bare)
        got = co()
      end
      assert(waits > 0)
      tell(got.id)]],
    ["identity first, then a poller"] = [[
      local ok, why = pcall(bare.begin_delete, bare, names)
      assert(not ok and tostring(why):find "client:identity", why)
      assert(bare:identity())
      names.status = "Approved"
      local poller = bare:begin_update(names)
      tell(assert(poller:wait()).id)]],
  } do
    it("finds it for " .. name, function ()
      local out = run({ az = az() }, body)
      assert.truthy((said(out, 1) or ""):find("^/subscriptions/" .. emulator.subscription_id:gsub("%-", "%%-")),
        said(out, 1))
    end)
  end

  it("takes azd's default one, from its configuration", function ()
    local out, folder = run({ azd = azd(emulator.subscription_id) }, "tell(assert(bare:get(names)).id)" .. settings)
    assert.equal(emulator.sample, said(out, 1))
    assert.equal(emulator.subscription_id .. " azure_developer_cli", said(out, 2))
    assert.equal(2, signin.calls(folder, "azd"))
  end)

  it("without a default one says which fields name one", function ()
    for scripts, env in pairs {
      [{ azd = azd() }] = {},
      [{ az = az("") }] = {},
      [{ az = az(emulator.tenant_id) }] = {}, -- an account without subscriptions
      [{ az = az() }] = { AZURE_TENANT_ID = emulator.tenant_id }, -- az's default may be in another tenant
    } do
      local out = run(scripts, "bare:get(names)", { env = env })
      assert.truthy(said(out, 1):find("bad field 'subscription_id'", 1, true), said(out, 1))
    end
  end)

  it("does not take az's for another credential", function ()
    local out, folder = run({ az = az() }, "bare:get(names)", { credential =
      "return azpec.credential.client_secret { tenant_id = given.tenant_id, client_id = given.client_id, "
      .. "client_secret = given.secret }", given = { secret = t.secret } })
    assert.truthy(said(out, 1):find("bad field 'subscription_id'", 1, true), said(out, 1))
    assert.equal(0, signin.calls(folder, "az"))
    out = run({ az = az() }, "bare:get(names)", { env = { AZURE_TENANT_ID = emulator.tenant_id,
      AZURE_CLIENT_ID = emulator.client_id, AZURE_CLIENT_SECRET = t.secret,
      AZURE_AUTHORITY_HOST = emulator.endpoint } })
    assert.truthy(said(out, 1):find("bad field 'subscription_id'", 1, true), said(out, 1))
  end)

  it("whose sign-in fails gets that error from a call and from an iterator", function ()
    local words = "echo \"ERROR: Please run 'az login' to setup account.\" >&2; exit 1"
    local out = run({ az = words }, [[
    tell(select(2, bare:get(names)).hint)
    local ok, err = pcall(function () for _ in bare:list_accounts {} do end end)
    tell(err.hint)
    names.status, names.endpoint = "Approved", given.endpoint
    tell(select(2, azpec.update(names)).hint)]])
    for n = 1, 3 do assert.equal("run: az login", said(out, n)) end
  end)

  it("spends one time-out for the sign-in and the call", function ()
    local out = run({ az = "/usr/bin/mkfifo $0.fifo; read x <$0.fifo" }, [[
    names.timeout = 0.3
    local begun = cqueues.monotime()
    local _, err = bare:get(names)
    tell(err.kind .. " " .. tostring(cqueues.monotime() - begun < 9))]])
    assert.equal("timeout true", said(out, 1))
  end)

  it("is not bound to it by a continuation token", function ()
    local out = run({ az = az(other:gsub("a", "b")) }, [[
    assert(bare:identity())
    local poller = bare:begin_update { id = given.id, status = "Approved" }
    while not poller:continuation_token() do
      cqueues.poll(bare)
      bare:step()
    end
    tell(bare:settings().subscription_id)
    tell((bare:resume(poller:continuation_token())) ~= nil)]])
    assert.equal("bbbbbbbb-6b1e-4b7d-9c55-0e8d1b2b7f10", said(out, 1))
    assert.equal("true", said(out, 2))
  end)
end)

describe("a client with a subscription", function ()
  it("that az has not seen gets the token of az's own choice", function ()
    local out, folder = run({ az = az() }, [[
    local client = new { credential = credential, subscription_id = "]] .. other .. [[" }
    assert(client:get { id = given.id })
    local s = client:settings()
    tell(s.subscription_id .. " " .. s.subscription_from)]])
    assert.equal(other .. " options", said(out, 1))
    assert.equal(2, signin.calls(folder, "az"))
  end)
end)
