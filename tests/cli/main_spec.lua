-- The command's frame, seen from outside: verbs, help, usage, streams.

local assert = require "luassert"
local kit = require "cli.kit"
local support = require "loopback.support"

local emulator, azpec = kit.stage()

describe("usage", function ()
  it("without a verb is an error that says where to look", function ()
    local result = kit.ended(2, kit.run "")
    assert.equal("azpec: no verb is given (see: azpec help)\n", result.err)
    assert.equal("", result.out)
  end)

  it("within a few descriptors never takes a module for missing, and shows no traceback", function ()
    local command = kit.command("list -g rg --account acct --max-tries 1 " .. kit.address(emulator),
      kit.environment(emulator))
    for most = 5, 10 do
      local path = support.new_path "err"
      assert.is_nil((os.execute(("prlimit --nofile=%d %s >/dev/null 2>%s"):format(most, command, path))))
      local err = support.read(path)
      assert.is_nil(err:find("not installed", 1, true), err)
      assert.is_nil(err:find("traceback", 1, true), err)
    end
  end)

  it("names the verb that was probably meant", function ()
    local result = kit.ended(2, kit.run "aprove")
    assert.equal("azpec: there is no verb 'aprove'; did you mean 'approve'? (see: azpec help)\n", result.err)
  end)

  it("names the option that was probably meant in place of a verb", function ()
    for word, question in pairs { ["--verison"] = "; did you mean '--version'?", ["-help"] = "; did you mean '--help'?",
      ["--account"] = "" } do
      assert.equal(("azpec: the verb comes first, then '%s'%s (see: azpec help)\n"):format(word, question),
        kit.ended(2, kit.run(word)).err)
    end
  end)

  it("of an unknown option is one line, and exit code 2", function ()
    local result = kit.ended(2, kit.run "list --acount x")
    assert.equal("azpec: unknown option '--acount'; did you mean '--account'? (see: azpec help list)\n", result.err)
  end)

  it("names the options of a verb that takes no names", function ()
    for _, line in ipairs { "auto --rules r web", "status web", "doctor web" } do
      assert.equal(("azpec: too many arguments; this verb takes no names: give --id ID, or -g and --account "
        .. "(see: azpec help %s)\n"):format(line:match "^%l+"), kit.ended(2, kit.run(line)).err)
    end
    for _, line in ipairs { "apply a b", "completion bash zsh" } do
      assert.matches("^azpec: too many arguments %(", kit.ended(2, kit.run(line)).err)
    end
  end)

  it("answers verbs and options of az, gh, kubectl and terraform with those here", function ()
    for line, answer in support.each {
      ["list --waiting"] = "unknown option '--waiting'; here it is azpec status --waiting",
      ["list -w"] = "unknown option '-w'; here it is azpec watch", ["list -A"] = "unknown option '-A'; here it is the "
        .. "default: without -g and --account all accounts of the subscription are meant; --all-subscriptions "
        .. "looks in all",
      ["auto --rules r --all"] = "unknown option '--all'; here it is the default: without -g and --account "
        .. "all accounts of the subscription are meant; --all-subscriptions looks in all",
      ["apply plan --all"] = "unknown option '--all'",
      ["reject x --reason y"] = "unknown option '--reason'; here it is --description",
      ["approve x -auto-approve"] = "unknown option '-auto-approve'; here it is --yes",
      ["plan -rules=x"] = "unknown option '-rules'; did you mean '--rules'?",
      ["list --description x"] = "unknown option '--description'; here it is --described",
      ["auto --rules r --description x"] = "unknown option '--description'",
      ["list --jq .x"] = "unknown option '--jq'; here it is -o json, and jq",
      ["version"] = "there is no verb 'version'; did you mean '--version'?",
      ["rollback"] = "there is no verb 'rollback'; did you mean 'journal undo'?",
      ["login"] = "there is no verb 'login'; did you mean 'doctor'?",
      ["explain"] = "there is no verb 'explain'; did you mean 'auto --id ID -v'?",
    } do
      assert.equal(("azpec: %s (see: azpec help%s)\n"):format(answer, answer:find "option" and " " .. line:match "^%l+"
        or ""), kit.ended(2, kit.run(line)).err)
    end
  end)

  it("of options before the verb says so", function ()
    assert.matches("the verb comes first", kit.ended(2, kit.run "--output json list").err)
  end)

  it("of a client's option is the client's own complaint", function ()
    local result = kit.ended(2, kit.run("list --endpoint ftp://example.com --subscription "
      .. "3f1c2a54-6a1e-4b7d-9c55-0e8d1b2a7f10"))
    assert.matches("^azpec: %-%-endpoint: https://.* %(see: azpec help list%)\n$", result.err)
  end)

  it("says of an option whether its time needs a unit, and which selection is case-sensitive", function ()
    local help = kit.ended(0, kit.run "help approve").out:gsub("%s+", " ")
    for _, words in ipairs { "--wait TIME [^-]*such as 10m, or 90 for seconds", "--timeout TIME [^-]*or 90 for seconds",
      "--older%-than TIME [^-]*the unit is needed", "--described TEXT [^-]*case%-sensitive" } do
      assert.matches(words:gsub("^%-%-", "%%-%%-"), help)
    end
    assert.matches("Only %-%-described is case%-sensitive",
      (kit.ended(0, kit.run "help naming").out:gsub("%s+", " ")))
  end)

  local group = "-g default-azurebatch-japaneast "
  local wrong = {
    { "list --timeout nan", "--timeout: 'nan' is not a duration; write seconds, or 30s, 15m, 2h, 7d, 2w" },
    { "list --timeout 1e9", "--timeout: '1e9' is not a duration; write seconds, or 30s, 15m, 2h, 7d, 2w" },
    { "list --timeout -1", "--timeout: '-1' is below zero" },
    { "list --timeout -5m", "--timeout: '-5m' is below zero" },
    { "list --timeout=-1", "--timeout: '-1' is below zero" },
    { "list --timeout 20000d", "--timeout: number of seconds from 0 to 1e9 expected, got 1728000000" },
    { "auto --rules r --watch --every 0", "--every: '0' must be more than 0 s" },
    { "approve x --timeout 0", "--timeout: '0' must be more than 0 s" },
    { "delete x --timeout 0s", "--timeout: '0s' must be more than 0 s" },
    { "apply plan.json --timeout 0", "--timeout: '0' must be more than 0 s" },
    { "list --interval 0", "--interval: '0' must be more than 0 s" },
    { "approve x --max 0", "--max: '0' is not a number of 1 or more" },
    { "approve x --max -2", "--max: '-2' is below zero" },
    { "report --candidates-from graph", "--candidates-from: 'graph' is not possible here; the only value is arm" },
    { "list -o yaml", "--output: 'yaml' is not one of table, json, jsonl, tsv, csv, md" },
    { "list -o jsno", "--output: 'jsno' is not one of table, json, jsonl, tsv, csv, md; did you mean 'json'?" },
    { "list --credential azure-cil", "--credential: 'azure-cil' is not one of auto, environment, client-secret, "
      .. "client-certificate, workload-identity, github-actions, azure-pipelines, managed-identity, azure-cli, "
      .. "azure-developer-cli, device-code, token; "
      .. "did you mean 'azure-cli'?" },
    { "list --type Microsoft.Storage/storageAccounts",
      "--type: 'Microsoft.Storage/storageAccounts' is not Microsoft.Batch/batchAccounts, the only type here" },
    { "approve –n x", "'–n' begins with '–', which is not the ASCII -" },
    { "list −−all", "'−−all' begins with '−', which is not the ASCII -" },
    { "approve ーn x", "'ーn' begins with 'ー', which is not the ASCII -" },
    { "list -n contosobatch -g rg --type Microsoft.Batch/batchAccounts",
      "-n, --name is a connection's name here; the account is --account contosobatch" },
    { "list -q -v", "option '-v' can not be used together with option '-q'" },
    { "approve x --dry-run --no-wait", "option '--no-wait' can not be used together with option '--dry-run'" },
    { "list -g ''", "--resource-group: it is empty" },
    { "list --account ''", "--account: it is empty" },
    { "list --id ''", "--id: it is empty" },
    { "list --subscription ''", "--subscription: it is empty" },
    { "approve x --journal ''", "--journal: it is empty" },
    { "approve x --if-match ''", "--if-match: it is empty" },
    { "status --rules ''", "--rules: it is empty" },
    { "auto --rules ''", "--rules: it is empty" },
    { "drift --rules ''", "--rules: it is empty" },
    { "plan --rules x --out ''", "--out: it is empty" },
    { "report --out ''", "--out: it is empty" },
    { "report --out x --rules ''", "--rules: it is empty" },
    { "auto --rules x --lock ''", "--lock: it is empty" },
    { "approve x --journal t --ticket 'T\27[31m'", "--ticket: it has a control character, or is no UTF-8" },
    { "approve x --journal t --ticket 'T\n::error::x'", "--ticket: it has a control character, or is no UTF-8" },
    { "plan --rules r --out o --ticket 'T\u{202e}x'", "--ticket: it has a control character, or is no UTF-8" },
    { "list ''", "an empty word names no connection" },
    { "approve " .. group,
      "no connection is named: give its id or name, an option such as --private-endpoint, or --all" },
    { "list --name ''", "--name: it is empty" },
    { "list --described ''", "--described: it is empty" },
    { "list --status pend",
      "--status: 'pend' is not one of Approved, Disconnected, Pending, Rejected; did you mean 'Pending'?" },
    { "list --status xxxx", "--status: 'xxxx' is not one of Approved, Disconnected, Pending, Rejected" },
    { "list --subscription 'a b'", "--subscription: 'a b' is not the id of a subscription, which is a GUID; "
      .. "az account show --name NAME --query id prints it" },
    { "list --api-version 2022", "--api-version: YYYY-MM-DD or YYYY-MM-DD-preview expected" },
    { "show x -g rg --account \"$(printf 'a\\nb')\" --subscription 3f1c2a54-6a1e-4b7d-9c55-0e8d1b2a7f10",
      "--account: 3 to 24 letters and digits expected, got 'a?b'" },
    { "list --credential azure-cli --credential-timeout 2h", "--credential-timeout: '2h' is more than an hour" },
    { "list --credential environment --credential-timeout 20",
      "--credential-timeout has no effect with --credential environment; leave it out, or give another --credential" },
    { "list --account x " .. group, "--account: 3 to 24 letters and digits expected, got 'x'" },
    { "approve x --description \"$(printf '\\377')\"", "--description: it is no UTF-8" },
    { "list --tenant-id contoso.com",
      "--tenant-id has no effect with --credential auto; leave it out, or give another --credential" },
    { "list --credential azure-cli --access-token-file t",
      "--access-token-file has no effect with --credential azure-cli; leave it out, or give another --credential" },
    { "list --client-secret-file /dev/null", "--client-secret-file: /dev/null is empty" },
    { "list --access-token-file /nowhere", "--access-token-file: /nowhere: No such file or directory" },
    { "wait --for bogus x", "--for: 'bogus' is not one of status=STATUS, provisioning=STATE, exists, gone" },
    { "wait --for status=Aproved x", "--for: 'Aproved' is not one of Approved, Disconnected, Pending, Rejected; "
      .. "did you mean 'Approved'?" },
    { "wait --for exsits x", "--for: 'exsits' is not one of status=STATUS, provisioning=STATE, exists, gone; "
      .. "did you mean 'exists'?" },
  }

  it("names the option that is wrong, and sends nothing", function ()
    for _, case in ipairs(wrong) do
      local verb, line = case[1]:match "^(%l+) (.*)$"
      local result = kit.ended(2, azpec(verb, line))
      assert.equal(("azpec: %s (see: azpec help %s)\n"):format(case[2], verb), result.err)
      assert.equal("", result.out)
    end
    assert.equal(0, #emulator:log())
  end)

  it("is told in JSON as well, where that is asked for", function ()
    for _, line in ipairs { "aprove -o json", "list -o json --timeout x", "list --output=jsonl --bogus",
      "show -o json" } do
      local result = kit.ended(2, kit.run(line))
      local told = kit.json(result.err, kit.failure)
      assert.equal("usage", told.error.kind)
      assert.equal(2, told.exit_code)
      assert.matches("^azpec help", told.error.hint)
    end
  end)
end)

describe("help", function ()
  it("names -y, which messages of other tools make people type", function ()
    for _, verb in ipairs { "approve", "reject", "delete", "journal" } do
      assert.matches("\n  -y, --yes ", kit.ended(0, kit.run("help " .. verb)).out, 1, true)
    end
  end)

  it("has the examples first", function ()
    local page = kit.ended(0, kit.run "approve --bogus -h").out
    local examples, usage = page:find("\nExamples:", 1, true), page:find("\nUsage:", 1, true)
    assert(examples and usage and examples < usage, page)
    assert.equal(page, kit.ended(0, kit.run "help approve").out)
  end)

  it("of the whole is on stdout", function ()
    for _, line in ipairs { "help", "-h", "--help", "-h --endpoint https://127.0.0.1:8443" } do
      assert.matches("\n  list +%u", kit.ended(0, kit.run(line)).out)
    end
  end)

  it("tells the version", function ()
    assert.matches("^azpec %d+%.%d+%.%d+ %(Lua 5%.4, libcurl/[%d.]+%)\n$", kit.ended(0, kit.run "--version").out)
  end)
end)

describe("list", function ()
  it("is a table for people", function ()
    local result = kit.ended(0, azpec("list", "-g default-azurebatch-japaneast --account sampleacct"))
    assert.equal(("ACCOUNT     NAME%s  STATUS   PROVISIONING  PRIVATE ENDPOINT%s  DESCRIPTION\n"):format(
      (" "):rep(#support.sample_name - 4), (" "):rep(#"testprivateEndpointConnection5" - 16)),
      result.out:match "^[^\n]*\n")
    assert.equal("", result.err)
  end)

  it("carries everything in JSON", function ()
    local result = kit.ended(0, azpec("list", "-g default-azurebatch-japaneast --account sampleacct -o json"))
    local rows = kit.json(result.out, kit.connections).connections
    assert.equal(1, #rows)
    assert.equal(support.sample_name, rows[1].connection.name)
  end)
end)

describe("approve", function ()
  it("says in one line that it is approved, and the second time that it was", function ()
    local line = "-g default-azurebatch-japaneast --account sampleacct testprivateEndpointConnection5"
    assert.equal(support.sample_name .. ": Approved (was Pending)\n", kit.ended(0, azpec("approve", line)).out)
    assert.equal(support.sample_name .. ": already Approved\n", kit.ended(0, azpec("approve", line)).out)
    assert.equal(1, #emulator:log "update")
  end)
end)

it("help tells the exit codes, by their one table", function ()
  local codes = kit.ended(0, kit.run "help exit-codes").out
  assert.matches("\n  0  Done, or nothing to do%.\n", codes)
  for _, code in pairs(require "azpec.cli.error".codes) do
    assert.truthy(("\n" .. codes):find(("\n%3d  "):format(code), 1, true), code)
  end
end)

it("help tells the provisioning states, by their one table", function ()
  local page = kit.ended(0, kit.run "help connections").out:gsub("%s+", " ")
  for _, state in ipairs(require "azpec.select".provisioning_states) do assert.matches(state, page, 1, true) end
end)

it("help signing-in names the right to acquire a policy token", function ()
  local page = kit.ended(0, kit.run "help signing-in").out
  assert.matches("Microsoft.Authorization/acquirePolicyToken/action", page, 1, true)
end)
