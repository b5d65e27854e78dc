-- The command's frame, seen from outside: verbs, help, usage, streams.

local assert = require "luassert"
local kit = require "command.kit"
local support = require "loopback.support"

local emulator, azpec = kit.stage()

describe("usage", function ()
  it("without a verb is an error that says where to look", function ()
    local result = kit.ended(2, kit.run "")
    assert.equal("azpec: what is to be done? (see: azpec help)\n", result.err)
    assert.equal("", result.out)
  end)

  it("names the verb that was probably meant", function ()
    local result = kit.ended(2, kit.run "aprove")
    assert.equal("azpec: there is no verb 'aprove'; did you mean 'approve'? (see: azpec help)\n", result.err)
  end)

  it("of an unknown option is one line, and exit code 2", function ()
    local result = kit.ended(2, kit.run "list --acount x")
    assert.equal("azpec: unknown option '--acount'; did you mean '--account'? (see: azpec help list)\n", result.err)
  end)

  it("of options before the verb says so", function ()
    assert.matches("the verb comes first", kit.ended(2, kit.run "--output json list").err)
  end)

  it("of a client's option is the client's own complaint", function ()
    local result = kit.ended(2, kit.run "list --endpoint ftp://example.com --subscription s")
    assert.matches("^azpec: %-%-endpoint: https://.* %(see: azpec help list%)\n$", result.err)
  end)

  local group = "-g default-azurebatch-japaneast "
  local wrong = {
    { "list --timeout nan", "--timeout: 'nan' is no time; write seconds, or 30s, 15m, 2h, 7d, 2w" },
    { "list --timeout 1e9", "--timeout: '1e9' is no time; write seconds, or 30s, 15m, 2h, 7d, 2w" },
    { "list --timeout -1", "--timeout: '-1' is below zero" },
    { "list --timeout -5m", "--timeout: '-5m' is below zero" },
    { "list --timeout=-1", "--timeout: '-1' is no time; write seconds, or 30s, 15m, 2h, 7d, 2w" },
    { "list --timeout 20000d", "--timeout: number of seconds expected, got 1728000000" },
    { "auto --rules r --watch --every 0", "--every: '0' is no time at all" },
    { "list --interval 0", "--interval: '0' is no time at all" },
    { "approve x --max 0", "--max: '0' is no number from 1 on" },
    { "approve x --max -2", "--max: '-2' is below zero" },
    { "list -o yaml", "argument for option '-o' must be one of 'table', 'json', 'jsonl', 'tsv', 'csv', 'md'" },
    { "list -q -v", "option '-v' can not be used together with option '-q'" },
    { "approve x --dry-run --no-wait", "option '--no-wait' can not be used together with option '--dry-run'" },
    { "list -g ''", "--resource-group: it is empty" },
    { "list --account ''", "--account: it is empty" },
    { "list --id ''", "--id: it is empty" },
    { "list --subscription ''", "--subscription: it is empty" },
    { "approve x --audit ''", "--audit: it is empty" },
    { "approve x --if-match ''", "--if-match: it is empty" },
    { "list ''", "an empty word names no connection" },
    { "list --name ''", "--name: it is empty" },
    { "list --described ''", "--described: it is empty" },
    { "list --status pend", "--status: 'pend' is none of Approved, Disconnected, Pending, Rejected" },
    { "list --subscription 'a b'", "--subscription: a subscription's GUID expected" },
    { "list --api-version 2022", "--api-version: YYYY-MM-DD or YYYY-MM-DD-preview expected" },
    { "list --account x " .. group, "--account: 3 to 24 letters and digits expected, got 'x'" },
    { "approve x --description \"$(printf '\\377')\"", "--description: it is no UTF-8" },
    { "list --tenant-id contoso.com",
      "--tenant-id is nothing to --credential auto; name another one, or leave it out" },
    { "list --credential azure-cli --access-token-file t",
      "--access-token-file is nothing to --credential azure-cli; name another one, or leave it out" },
    { "list --client-secret-file /dev/null", "--client-secret-file: /dev/null is empty" },
    { "list --access-token-file /nowhere", "--access-token-file: /nowhere: No such file or directory" },
    { "wait --for bogus x", "--for: 'bogus' is none of status=STATUS, provisioning=STATE, exists, gone" },
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
