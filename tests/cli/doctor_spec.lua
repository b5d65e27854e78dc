-- azpec doctor: one page, in each situation that it is there for.

local assert = require "luassert"
local kit = require "cli.kit"
local support = require "loopback.support"
local documents = require "tools.documents"

local emulator, azpec = kit.stage()

local account = "-g default-azurebatch-japaneast --account sampleacct"
local account_id = "/subscriptions/3f1c2a54-6a1e-4b7d-9c55-0e8d1b2a7f10/resourceGroups/default-azurebatch-japaneast"
  .. "/providers/Microsoft.Batch/batchAccounts/sampleacct"

-- The emulator's state with other members for its first account.
local function with_account(more)
  local state = emulator:state()
  state.accounts[1] = support.merged(state.accounts[1], more)
  emulator:control("PUT", "state", state)
end

local row = { check = "string", verdict = "string", found = "string", seconds = "number", ["next_step?"] = "string",
  ["kind?"] = "string", ["details?"] = { open = true } }

-- The checks by name, and the process's result.
local function examined(code, line, more)
  local result = kit.ended(code, azpec("doctor", "-o json " .. line, more))
  local checks = {}
  for _, check in ipairs(kit.json(result.out,
      { schema_version = "=1", complete = "boolean", checks = { row } }).checks) do
    checks[check.check] = check
  end
  return checks, result
end

local function verdicts(checks)
  local list = {}
  for _, name in ipairs { "proxy", "tls", "clock", "signin", "api-version", "account", "rights", "limits",
    "dns" } do
    list[#list + 1] = checks[name] and checks[name].verdict or "-"
  end
  return table.concat(list, " ")
end

local function env(more)
  return { env = support.merged(kit.environment(emulator), more) }
end

describe("azpec doctor", function ()
  it("finds all in order, and says so on one page", function ()
    with_account { account_endpoint = "localhost" }
    local result = kit.ended(0, azpec("doctor", account))
    local expected = { "ok       proxy       none", "ok       tls         127.0.0.1:%d+ answers, without TLS",
      "ok       clock       as the service's", "ok       signin      client_secret as b1e0c6a4%-",
      "            client_secret +token +%d+%.%d%d s", "            azure_cli +untried",
      "            seen: AZURE_TENANT_ID, AZURE_CLIENT_ID, AZURE_CLIENT_SECRET, AZURE_SUBSCRIPTION_ID",
      "ok       api%-version 2022%-06%-01 is accepted",
      "ok       account     sampleacct in japaneast, Succeeded; public access Disabled; 1 connection, "
        .. "1 of them pending",
      "ok       rights      all there: list, approve, reject, delete, follow",
      "ok       limits      left: subscription%-reads %d+",
      "ok       dns         localhost is 127.0.0.1, a private address" }
    local at = 1
    for _, line in ipairs(expected) do
      local from, to = result.out:find(line, at)
      assert(from, ("no line %q behind\n%s\nin\n%s"):format(line, result.out:sub(1, at), result.out))
      at = to
    end
    assert.equal("in order: 9 ok, 0 to be looked at, 0 failed, 0 skipped\n", result.err)
    assert(select(2, result.out:gsub("\n", "")) < 24, "longer than a page")
  end)

  it("tells programs more, and no secret", function ()
    with_account { account_endpoint = "localhost" }
    local checks = examined(0, account)
    assert.equal(emulator.client_id, checks.signin.details.identity.claims.appid)
    assert.equal("client_secret", checks.signin.details.identity.credential)
    assert.equal("token", checks.signin.details.links[1].outcome)
    assert.same({ "127.0.0.1" }, checks.dns.details.addresses)
    assert.equal(emulator.endpoint, checks.tls.details.endpoint)
  end)

  it("does only what is asked for", function ()
    assert.equal("- - ok ok - - - - -", verdicts(examined(0, "--check signin,clock")))
    local result = kit.ended(2, azpec("doctor", "--check signin,tsl"))
    assert.matches("there is no check 'tsl'; there are proxy, tls, clock, signin, api-version, account, rights, "
      .. "limits, dns; did you mean 'tls'?", result.err, 1, true)
    kit.ended(2, azpec("doctor", "--check ,"))
  end)

  it("does not end with 0 where it has skipped a check that --check names", function ()
    for _, name in ipairs { "account", "rights", "dns" } do
      local result = kit.ended(2, azpec("doctor", "--check signin," .. name))
      assert.matches("skipped  " .. name .. " +no account is named by %-g GROUP %-%-account NAME, or by %-%-id\n",
        result.out)
      assert.equal("not everything was looked at: 1 ok, 0 to be looked at, 0 failed, 1 skipped\n", result.err)
    end
    assert.equal("usage", examined(2, "--check rights").rights.kind)
    assert.equal("skipped", examined(1, "--check clock --endpoint http://127.0.0.1:1").clock.verdict)
    assert.equal("skipped", examined(4, "--check signin,rights", env { AZURE_CLIENT_SECRET = "wrong" }).rights.verdict)
  end)

  it("skips what no account was named for", function ()
    local checks = examined(0, "")
    assert.equal("ok ok ok ok ok skipped skipped ok skipped", verdicts(checks))
    for _, name in ipairs { "account", "rights", "dns" } do
      assert.equal("no account is named by -g GROUP --account NAME, or by --id", checks[name].found, name)
    end
    kit.ended(2, azpec("doctor", "--account x"))
    kit.ended(2, azpec("doctor", "--id /subscriptions/x"))
    checks = examined(3, "--subscription 11111111-2222-4333-8444-555555555555")
    assert.equal("ok ok ok ok skipped failed skipped ok skipped", verdicts(checks))
    assert.matches("^SubscriptionNotFound: ", checks.account.found)
    assert.equal("ok", examined(0, "--check account --id " .. emulator.sample).account.verdict)
  end)
end)

describe("azpec doctor of a wrong name", function ()
  it("names the option before any check, as the other verbs do", function ()
    for line, wrong in pairs { ["-g x --account y"] = "--account: 3 to 24 letters and digits expected, got 'y'",
      ["-g x/y --account yyy"] = "--resource-group: 1 to 90 letters", ["--id " .. account_id:gsub("%l+$", "y")] =
      "--account: 3 to 24 letters and digits expected, got 'y'" } do
      for _, verb in ipairs { "doctor", "list" } do
        local result = kit.ended(2, azpec(verb, line))
        assert.equal("", result.out)
        assert.matches("^azpec: " .. wrong:gsub("%p", "%%%0"), result.err)
      end
    end
    assert.equal("", emulator:kinds())
  end)

  it("advises on the account alone, as the other verbs do", function ()
    local wrong, advice = account:gsub("sampleacct", "batch199"), "check the subscription, resource group and account"
    assert.equal(advice, examined(3, wrong .. " --check account").account.next_step)
    for _, line in ipairs { "list " .. wrong, "wait --for exists x " .. wrong,
        "approve " .. emulator.sample:gsub("sampleacct", "batch199") .. " --dry-run" } do
      assert.matches("  hint: " .. advice .. "\n", kit.ended(3, azpec(line, "")).err)
    end
  end)
end)

describe("azpec doctor of many accounts", function ()
  local other = "11111111-2222-4333-8444-555555555551"
  local connections = "Microsoft.Batch/batchAccounts/privateEndpointConnections/"
  local readers = { { actions = { "*/read" } } }

  -- Accounts one to five, of which the last three are in another subscription.
  local function put_accounts(permissions)
    local state = emulator:state()
    state.accounts = {}
    for n, name in ipairs { "one", "two", "three", "four", "five" } do
      state.accounts[n] = { account_name = name, resource_group_name = n == 1 and "first" or "rg", connections = {},
        subscription_id = n > 2 and other or nil, permissions = permissions and permissions[name] }
    end
    emulator:control("PUT", "state", state)
  end

  local both = ("--subscription 3f1c2a54-6a1e-4b7d-9c55-0e8d1b2a7f10 --subscription %s"):format(other)

  it("looks up the rights at each account of the named places", function ()
    put_accounts()
    for line, words in support.each { ["--all-subscriptions"] = "5 accounts in 2 subscriptions",
      [both] = "5 accounts in 2 subscriptions", ["--subscription " .. other] = "3 accounts in 1 subscription",
      ["-g first"] = "1 account in 1 subscription" } do
      emulator:control("DELETE", "log")
      local checks = examined(2, line .. " --check account,rights,dns")
      assert.equal(words, checks.account.found)
      local count = words:match "^%d+ accounts?"
      assert.equal(("all there at %s: list, approve, reject, delete, follow"):format(count), checks.rights.found)
      assert.equal(tonumber(count:match "%d+"), #emulator:log "permissions")
      assert.equal("this check looks at one account alone, by -g GROUP --account NAME, or by --id", checks.dns.found)
    end
  end)

  it("names the accounts where rights are missing, and where to ask for them: 5", function ()
    put_accounts { two = readers, three = readers, four = readers, five = readers, one = { { actions = { "*" },
      not_actions = { connections .. "delete" } } } }
    local rights = examined(5, both .. " --check rights").rights
    assert.equal(("missing at 5 of 5 accounts: %sdelete (to delete connections) at first/one; %swrite (to approve and "
      .. "reject), %sdelete (to delete connections) at rg/two, rg/three, rg/four and 1 more"):format(connections,
      connections, connections), rights.found)
    assert.matches("^ask for a role with these actions at %S+/batchAccounts/one and 4 others$", rights.next_step)
    assert.same({ connections .. "write", connections .. "delete" }, rights.details.lacking[3].missing)
    assert.matches("/batchAccounts/three$", rights.details.lacking[3].id)
    assert.equal("forbidden", rights.kind)
    put_accounts { one = { { actions = { "*" }, not_actions = { connections .. "delete" } } } }
    assert.equal("warning", examined(0, both .. " --check rights").rights.verdict)
  end)

  it("says at which accounts the rights are not known", function ()
    put_accounts()
    emulator:faults { { match = { kind = "permissions", path = "/t%a+/" }, action = { status = 403 } } }
    local rights = examined(0, both .. " --check rights").rights
    assert.equal("warning", rights.verdict)
    assert.matches("^all there at 3 accounts: [%l, ]+; not known at rg/two, rg/three: ", rights.found)
    assert.matches("^ask for Microsoft.Authorization/permissions/read at %S+/two and 1 other$", rights.next_step)
    assert.matches("/two$", rights.details.unknown[1].id)
  end)

  it("names a subscription whose accounts cannot be listed, and looks at the others: 5", function ()
    put_accounts()
    emulator:faults { { match = { kind = "accounts", path = other, plain = true }, action = { status = 403 } } }
    local checks = examined(5, both .. " --check account,rights")
    local place = "/subscriptions/" .. other:gsub("%-", "%%-")
    assert.matches("^2 accounts in 1 subscription; 1 subscription cannot be listed, as " .. place .. ": ",
      checks.account.found)
    assert.matches("^all there at 2 accounts: [%l, ]+; not known at " .. place .. ": ", checks.rights.found)
  end)

  it("finds no account where the group is misspelt: 3", function ()
    for _, line in ipairs { "-g nope", "-g nope --all-subscriptions" } do
      local checks = examined(3, line .. " --check account,rights")
      assert.equal("failed", checks.account.verdict)
      assert.truthy(checks.account.next_step)
    end
    local state = emulator:state()
    state.subscriptions = { { subscription_id = other } }
    emulator:control("PUT", "state", state)
    local checks = examined(1, "--subscription " .. other .. " --check account,rights")
    assert.same({ "no Batch account found in subscription " .. other, "warning", "no Batch account found", "skipped" },
      { checks.account.found, checks.account.verdict, checks.rights.found, checks.rights.verdict })
  end)
end)

describe("azpec doctor --all-subscriptions", function ()
  local none

  before_each(function () none = env { AZURE_SUBSCRIPTION_ID = "" } end)

  it("looks for the account in each, and needs no -g", function ()
    local checks = examined(0, "--all-subscriptions --account TOKYObatch --check account,rights,limits", none)
    assert.matches("^tokyobatch in ", checks.account.found)
    assert.equal("ok ok", checks.rights.verdict .. " " .. checks.limits.verdict)
    assert.matches("there is no Batch account 'nobody' in all subscriptions",
      kit.ended(3, azpec("doctor", "--all-subscriptions --account nobody", none)).err)
  end)

  it("takes the first one with an account that the identity may read where no account is named", function ()
    local state = emulator:state()
    for _, one in ipairs(state.accounts) do one.subscription_id = "11111111-2222-4333-8444-555555555555" end
    emulator:control("PUT", "state", state)
    assert.equal("ok ok ok ok ok ok ok ok skipped", verdicts(examined(0, "--all-subscriptions", none)))
    emulator:set { graph = "off" }
    emulator:faults { { match = { kind = "subscriptions" }, action = { status = 200, body = '{"value":[]}' } } }
    assert.matches("the identity may read no subscription\n",
      kit.ended(3, azpec("doctor", "--all-subscriptions", none)).err)
  end)

  it("warns where the identity sees no account", function ()
    emulator:control("PUT", "state", support.merged(emulator:state(), { permissions = { { actions = { "none" } } } }))
    for line, told in support.each { [""] = { "subscription " .. emulator.subscription_id,
      "ask for Microsoft.Batch/batchAccounts/read there, or name another subscription by --subscription" },
      ["--all-subscriptions"] = { "all subscriptions",
      "the identity sees only accounts that it may read (Microsoft.Batch/batchAccounts/read)" } } do
      local checks = examined(0, line .. " --check account", line == "" and env {} or none)
      assert.same({ "warning", "no Batch account found in " .. told[1], told[2] },
        { checks.account.verdict, checks.account.found, checks.account.next_step })
    end
  end)

  it("asks for one of accounts of the same name", function ()
    local state = emulator:state()
    state.accounts[2] = support.merged(state.accounts[1], { resource_group_name = "other", connections = {} })
    emulator:control("PUT", "state", state)
    assert.matches("2 accounts are called 'sampleacct'\n", kit.ended(11, azpec("doctor",
      "--all-subscriptions --account sampleacct", none)).err)
    assert.equal("ok", examined(0, "--all-subscriptions --check account " .. account, none).account.verdict)
  end)

  it("sees a wrong secret as without it, and goes with no --subscription", function ()
    local checks = examined(4, "--all-subscriptions --account tokyobatch -g x",
      env { AZURE_SUBSCRIPTION_ID = "", AZURE_CLIENT_SECRET = "wrong" })
    assert.equal("credential", checks.signin.kind)
    kit.ended(2, azpec("doctor", "--all-subscriptions --subscription x", none))
  end)
end)

describe("azpec doctor (sign-in and rights)", function ()
  it("sees a wrong secret, and goes on with what needs no sign-in: 4", function ()
    local checks = examined(4, account, env { AZURE_CLIENT_SECRET = "wrong" })
    assert.equal("ok ok ok failed skipped skipped skipped skipped skipped", verdicts(checks))
    assert.equal("credential", checks.signin.kind)
    assert.matches("invalid_client", checks.signin.found, 1, true)
    assert.equal("failed", checks.signin.details.links[1].outcome)
    assert.matches("give the secret's value", checks.signin.next_step, 1, true)
    checks = examined(4, account .. " --check rights", env { AZURE_CLIENT_SECRET = "wrong" })
    assert.equal("- - - - - - failed - -", verdicts(checks))
  end)

  it("names the variable of a value that its option cannot give in the default sign-in: 4", function ()
    local checks = examined(4, "--check signin", env { AZURE_TENANT_ID = "contoso" })
    assert.equal("AZURE_TENANT_ID (or --tenant-id) is neither a GUID nor a domain", checks.signin.next_step)
  end)

  it("says what each link of a chain lacks: 4", function ()
    local nothing = { AZURE_CLIENT_SECRET = "", AZURE_CLIENT_ID = "", AZURE_TENANT_ID = "",
      AZURE_POD_IDENTITY_AUTHORITY_HOST = "http://127.0.0.1:1", AZURE_TOKEN_CREDENTIALS = "prod" }
    local result = kit.ended(4, azpec("doctor", "--check signin", env(nothing)))
    local lines = {}
    for line in result.out:gmatch "[^\n]+" do lines[#lines + 1] = line end
    assert.equal("failed   signin      none of these gave a token", lines[1])
    assert.matches("^            environment +absent +0%.%d%d s +not set up: ", lines[2])
    assert.matches("next: set one of them up (az login; AZURE_CLIENT_ID and what belongs to it), or name one with "
      .. "--credential", lines[#lines], 1, true)
  end)

  it("names the variables of an application that are missing, if others of them are there: 4", function ()
    for missing, given in pairs {
      ["AZURE_CLIENT_SECRET (or AZURE_CLIENT_CERTIFICATE_PATH) is missing"] = { AZURE_CLIENT_SECRET = "" },
      ["AZURE_TENANT_ID and AZURE_CLIENT_SECRET (or AZURE_CLIENT_CERTIFICATE_PATH) are missing"] =
        { AZURE_TENANT_ID = "", AZURE_CLIENT_SECRET = "" },
      ["AZURE_CLIENT_ID is missing"] = { AZURE_CLIENT_ID = "" },
      ["the environment has neither AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET (or a certificate) nor "
        .. "AZURE_ACCESS_TOKEN"] = { AZURE_TENANT_ID = "", AZURE_CLIENT_ID = "", AZURE_CLIENT_SECRET = "" } } do
      local checks = examined(4, "--check signin --credential environment", env(given))
      assert.equal("not set up: " .. missing, checks.signin.found)
      assert.matches("azpec: not set up: " .. missing .. "\n", kit.ended(4, azpec("list", "--credential environment",
        env(given))).err, 1, true)
    end
  end)

  it("names the actions that are missing, and where to ask for them: 5", function ()
    with_account { account_endpoint = "localhost", permissions = { { actions = { "*/read" } } } }
    local checks = examined(5, account)
    assert.equal("ok ok ok ok ok ok failed ok ok", verdicts(checks))
    assert.same({ "Microsoft.Batch/batchAccounts/privateEndpointConnections/write",
      "Microsoft.Batch/batchAccounts/privateEndpointConnections/delete" }, checks.rights.details.missing)
    assert.equal("ask for a role with these actions at " .. account_id, checks.rights.next_step)
    -- What it found is what happens.
    local result = kit.ended(5, azpec("approve", emulator.sample))
    assert.matches("Microsoft.Batch/batchAccounts/privateEndpointConnections/write", result.err, 1, true)
  end)

  it("has rights that approving does not need as something to be looked at", function ()
    with_account { account_endpoint = "localhost", permissions = { { actions = { "*" },
      not_actions = { "Microsoft.Batch/batchAccounts/privateEndpointConnections/delete" } } } }
    local checks, result = examined(0, account)
    assert.equal("warning", checks.rights.verdict)
    assert.equal("in order, almost: 8 ok, 1 to be looked at, 0 failed, 0 skipped\n", result.err)
  end)

  it("has nothing to ask for with the rights of README.md", function ()
    with_account { account_endpoint = "localhost", permissions = { { actions = documents.rights() } } }
    assert.equal("ok ok ok ok ok ok ok ok ok", verdicts(examined(0, account)))
  end)

  it("notes that the identity may not acquire policy tokens, which most writes need not", function ()
    with_account { account_endpoint = "localhost", permissions = { { actions = { "*" },
      not_actions = { "Microsoft.Authorization/acquirePolicyToken/action" } } } }
    local checks = examined(0, account)
    assert.equal("ok", checks.rights.verdict)
    assert.equal("all there: list, approve, reject, delete, follow; not Microsoft.Authorization/acquirePolicyToken/"
      .. "action, which is needed only where a policy requires a policy token", checks.rights.found)
  end)

  it("tries, where rights may not be looked up", function ()
    local only = { "Microsoft.Batch/batchAccounts/privateEndpointConnections/*",
      "Microsoft.Batch/batchAccounts/privateEndpointConnectionResults/read" }
    with_account { permissions = { { actions = only } } }
    local checks = examined(0, account)
    assert.equal("ok ok ok ok skipped warning warning ok skipped", verdicts(checks))
    assert.matches("connections may be read; whether they may be written cannot be looked up", checks.rights.found, 1,
      true)
    assert.matches("ask for Microsoft.Authorization/permissions/read at", checks.rights.next_step, 1, true)
    assert.matches("ask for Microsoft.Batch/batchAccounts/read at", checks.account.next_step, 1, true)
    with_account { permissions = { { actions = { "Microsoft.Compute/*" } } } }
    checks = examined(5, account)
    assert.equal("failed", checks.rights.verdict)
    assert.matches("^connections may not be read; the other rights cannot be looked up: ", checks.rights.found)
    assert.matches("privateEndpointConnections/write (to approve and reject)", checks.rights.next_step, 1, true)
    assert.matches("Microsoft.Batch/batchAccounts/read ", checks.rights.next_step, 1, true)
    assert.matches("Microsoft.Authorization/permissions/read ", checks.rights.next_step, 1, true)
    with_account { permissions = { { actions = { "Microsoft.Batch/batchAccounts/read" } } } }
    checks = examined(5, account)
    assert.equal("ok failed", checks.account.verdict .. " " .. checks.rights.verdict)
    assert.is_nil(checks.rights.next_step:find("Microsoft.Batch/batchAccounts/read ", 1, true))
  end)
end)

describe("azpec doctor (connections)", function ()
  it("sees a clock that is wrong: 1", function ()
    emulator:control("POST", "clock", { advance = 3600 })
    local checks = examined(1, "--check clock")
    assert.equal("clock", checks.clock.kind)
    assert.matches("^60 min slow", checks.clock.found)
    assert.equal("set the clock; let it be kept by NTP", checks.clock.next_step)
    emulator:control("POST", "clock", { advance = -3600 })
  end)

  local function by_tls(line, more)
    local options = ("doctor --endpoint %s --authority-host %s %s"):format(emulator.tls_endpoint,
      emulator.tls_endpoint, line)
    return kit.run(options, { env = support.merged(kit.environment(emulator), more or {}) })
  end

  it("sees a certificate that is not trusted, and which store is in force: 1", function ()
    local other = support.write(support.new_path "other.pem", "")
    assert(os.execute("openssl req -x509 -newkey rsa:2048 -nodes -keyout /dev/null -subj /CN=other 2>/dev/null -out "
      .. other))
    local result = kit.ended(1, by_tls("-o json", { SSL_CERT_FILE = other }))
    local checks = {}
    for _, check in ipairs(kit.json(result.out,
      { schema_version = "=1", complete = "boolean", checks = { row } }).checks) do
      checks[check.check] = check
    end
    assert.equal("ok failed skipped failed skipped skipped skipped skipped skipped", verdicts(checks))
    assert.equal("untrusted", checks.tls.kind)
    assert.matches("; trusts file " .. other, checks.tls.found, 1, true)
    assert.matches("give its root certificate: --ca-file, or SSL_CERT_FILE", checks.tls.next_step, 1, true)
    result = kit.ended(0, by_tls("--check tls --ca-file " .. emulator.ca_file))
    assert.matches("answers, and its certificate is trusted; trusts file " .. emulator.ca_file, result.out, 1, true)
  end)

  it("sees a proxy that is not there, by which variable it is named, and no password of its: 1", function ()
    local dead = ("http://user:%s@127.0.0.1:%d"):format(support.canary, support.free_port())
    local result = kit.ended(1, by_tls("--ca-file " .. emulator.ca_file, { HTTPS_PROXY = dead }))
    assert.matches("failed   proxy       http://127.0.0.1:%d+, by HTTPS_PROXY; through it the service is not reached",
      result.out)
    assert.matches("see what is said of the proxy", result.out, 1, true)
    assert.matches("see what is said of tls", result.out, 1, true)
    result = kit.ended(0, by_tls("--check proxy,tls --ca-file " .. emulator.ca_file,
      { HTTPS_PROXY = dead, NO_PROXY = "127.0.0.1" }))
    assert.matches("ok       proxy       none for 127.0.0.1:%d+: HTTPS_PROXY names a proxy, but NO_PROXY has "
      .. "'127.0.0.1'", result.out)
  end)

  it("sees a host that is not there: 1", function ()
    local result = kit.ended(1, kit.run("doctor --endpoint https://no-such-host.invalid --check tls,rights " .. account,
      { env = kit.environment(emulator) }))
    assert.matches("failed   tls         no%-such%-host.invalid: ", result.out)
    assert.matches("see that the name is right and resolves here", result.out, 1, true)
  end)

  it("sees that Microsoft Entra ID is not reached, and names its host: 1", function ()
    local host = "127.0.0.1:" .. support.free_port()
    for names, check in pairs { ["tls,signin"] = "signin", ["signin"] = "signin", ["tls,account"] = "account" } do
      local result = kit.ended(1, kit.run(("doctor --endpoint %s --max-tries 1 --check %s %s"):format(emulator.endpoint,
        names, account), env { AZPEC_AUTHORITY_HOST = "https://" .. host }))
      assert.matches(("failed   %-11s sign-in failed: "):format(check), result.out, 1, true)
      assert.matches(("next: see that %s, the host of Microsoft Entra ID, is right (AZPEC_AUTHORITY_HOST, "
        .. "--authority-host) and resolves here, and that a firewall or proxy (HTTPS_PROXY) lets it through\n")
        :format(host), result.out, 1, true)
    end
  end)

  it("sees a file of certificates that cannot be read: 1", function ()
    local result = kit.ended(1, by_tls("--check tls", { AZPEC_CA_FILE = "/nonexistent" }))
    assert.matches("the CA file or directory cannot be read", result.out, 1, true)
    assert.matches("next: check --ca-file or AZPEC_CA_FILE, or SSL_CERT_FILE", result.out, 1, true)
  end)

  it("has a next step for each check that failed, also if no check of TLS is wanted", function ()
    local address = ("doctor --endpoint https://127.0.0.1:%d --credential token --max-tries 1 %s -o json "):format(
      support.free_port(), account)
    for line, step in pairs { ["--check account,rights,api-version"] = "see that the name is right and resolves here",
      ["--check tls,account,rights,api-version"] = "see what is said of tls" } do
      local result = kit.ended(1, kit.run(address .. line, env { AZURE_ACCESS_TOKEN = support.canary }))
      for _, check in ipairs(kit.json(result.out, { schema_version = "=1", complete = "boolean",
        checks = { row } }).checks) do
        assert.equal("failed", check.verdict)
        assert.matches(check.check == "tls" and "see that the name" or step, check.next_step)
      end
    end
  end)

  it("sees an api-version that the service does not have: 7", function ()
    local checks = examined(7, account .. " --api-version 2015-12-01")
    assert.equal("ok ok ok ok failed skipped ok ok skipped", verdicts(checks))
    assert.matches("2015-12-01", checks["api-version"].found, 1, true)
    assert.equal("failed", examined(7, "--api-version 2015-12-01 --check api-version")["api-version"].verdict)
  end)

  it("sees that there is no such account: 3", function ()
    local checks = examined(3, "-g default-azurebatch-japaneast --account nosuchacct")
    assert.equal("ok ok ok ok skipped failed skipped ok skipped", verdicts(checks))
    assert.equal("not_found", checks.account.kind)
  end)

  it("sees that little is left of the subscription's limits", function ()
    emulator:set { reads_bucket = 20, reads_refill = 0 }
    local checks = examined(0, account .. " --check limits")
    assert.equal("warning", checks.limits.verdict)
    assert.matches("^left: subscription%-reads %d+$", checks.limits.found)
  end)

  it("sees a name that is not there: 1", function ()
    with_account { account_endpoint = "sampleacct.japaneast.batch.invalid" }
    local checks = examined(1, account .. " --check dns")
    assert.equal("names", checks.dns.kind)
    assert.matches("^sampleacct.japaneast.batch.invalid: ", checks.dns.found)
  end)

  it("tells a token endpoint that is busy from a credential that is refused: 9", function ()
    emulator:faults { { match = { kind = "token" }, action = { status = 503, retry_after = "ms:20" } } }
    for _, more in ipairs { {}, env { AZURE_TOKEN_CREDENTIALS = "EnvironmentCredential" } } do
      local checks = examined(9, account .. " --check signin", more)
      assert.equal("throttled", checks.signin.kind)
      assert.equal("try again later: the credential was not refused", checks.signin.next_step)
    end
  end)

  it("ends when its time is over", function ()
    emulator:faults { { match = { kind = "token" }, action = { stall = true } } }
    local checks = examined(8, account .. " --timeout 0.5 --check signin,rights")
    assert.equal("timeout", checks.signin.kind)
    assert(checks.signin.seconds < support.hang)
  end)
end)

it("does what the documents show", function ()
  kit.play_sample(emulator)
  for _, one in ipairs(documents.commands "azpec doctor") do
    local result = kit.ended(0, kit.run(one.line:match "^azpec (.*)$", env { AZPEC_ENDPOINT = emulator.tls_endpoint,
      AZPEC_AUTHORITY_HOST = emulator.tls_endpoint, AZPEC_CA_FILE = emulator.ca_file,
      AZURE_POD_IDENTITY_AUTHORITY_HOST = "" })) -- that of the tests
    local said = (result.out .. result.err):gsub(emulator.ca_file:gsub("%p", "%%%0"), "/tmp/emulator-ca.pem")
    assert.equal(kit.steady(one.output), kit.steady(said))
  end
end)
