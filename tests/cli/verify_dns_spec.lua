-- approve --verify-dns: what the account's name resolves to here is said, and the write's own exit code stays.

local assert = require "luassert"
local kit = require "cli.kit"
local support = require "loopback.support"

local emulator, azpec = kit.stage { operation_polls = 0 }

-- Longer than a name may be: it fails here, and no name server is asked.
local no_name = ("abcdefgh."):rep(40) .. "invalid"

-- Gives the accounts these names.
local function with_names(...)
  local state = emulator:state()
  for n, name in ipairs { ... } do
    state.accounts[n] = support.merged(state.accounts[n], { account_endpoint = name })
  end
  emulator:control("PUT", "state", state)
end

local function approve(code, line)
  return kit.ended(code, azpec("approve", ("%s %s"):format(emulator.sample, line or "")))
end

describe("approve --verify-dns", function ()
  it("says that the name resolves to a private address here", function ()
    with_names "localhost"
    local result = approve(0, "--verify-dns")
    assert.matches(": Approved", result.out)
    assert.equal("azpec: DNS: localhost is 127.0.0.1, a private address\n", result.err)
    assert.equal("azpec: DNS: localhost is 127.0.0.1, a private address\n", approve(0, "--verify-dns -q").err)
    approve(10, "--verify-dns --detailed-exitcode --description other")
  end)

  it("ends with 13 where it does not, and the approval stays", function ()
    with_names(no_name)
    local result = approve(13, "--verify-dns")
    assert.matches(": Approved", result.out)
    assert.matches("azpec: DNS: " .. no_name .. ": ", result.err, 1, true)
    assert.matches("; see /etc/resolv.conf", result.err, 1, true)
    assert.equal("Approved", emulator:connection(emulator.sample).status)
    approve(0)
    approve(13, "--verify-dns --detailed-exitcode")
    local json = approve(13, "--verify-dns -o json")
    assert.equal("names", kit.json(json.err, kit.failure).error.kind)
  end)

  it("changes no exit code of a write that failed, and looks up nothing then", function ()
    with_names(no_name)
    emulator:faults { { match = { kind = "update" }, action = { status = 403 } } }
    local result = approve(5, "--verify-dns")
    assert.is_nil(result.err:find "DNS")
  end)

  it("looks at nothing with --dry-run, and does not go with --no-wait", function ()
    with_names(no_name)
    assert.is_nil(approve(0, "--verify-dns --dry-run").err:find "DNS")
    assert.matches("%-%-verify%-dns does not go with %-%-no%-wait", approve(2, "--verify-dns --no-wait").err)
    assert.equal(0, #emulator:log "update")
  end)

  it("looks at each account once", function ()
    with_names("localhost", no_name, "localhost")
    local result = kit.ended(13, azpec("approve", "--verify-dns --yes --all --private-endpoint '*' --status Pending"))
    assert.equal(3, select(2, result.err:gsub("azpec: DNS: ", "")))
  end)
end)
