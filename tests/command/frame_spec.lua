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
    assert.matches("^azpec: bad field 'endpoint' .* %(see: azpec help list%)\n$", result.err)
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
