-- The printed `azpec resume`: which options of the broken command it has.

local assert = require "luassert"
local kit = require "cli.kit"
local parser = require "azpec.cli.parser"
local signin = require "loopback.signin_support"
local support = require "loopback.support"
local unfinished = require "azpec.cli.unfinished"

-- The options of resume that the printed command does without.
local left_out = {
  subscription = "named if the environment names another", ticket = "goes with --journal",
  acquire_policy_token = "printed as --policy-token always", token_cache = "saves a sign-in only",
  api_version = "stands in the token",
  write = "a person decides", yes = "goes with --write",
  retry_conflict = "concerns the write", retry_on = "likewise", max_tries = "bounds this run", timeout = "likewise",
  interval = "likewise", parallel = "likewise",
  output = "shapes the output", columns = "likewise", color = "likewise", quiet = "likewise", verbose = "likewise",
  trace = "likewise", detailed_exitcode = "likewise", help = "is no operation",
}

it("each option of resume stands in the printed command, or is known to be left out", function ()
  local known, offered = {}, {}
  for _, name in ipairs(unfinished.carried) do known[name] = true end
  for _, option in ipairs(parser.of("resume", require "azpec.cli.verbs.resume")._options) do
    local name = option._public_aliases[#option._public_aliases]:match "^%-%-([%l-]+)$":gsub("-", "_")
    offered[name] = true
    assert(known[name] or left_out[name], name)
    assert(not (known[name] and left_out[name]), name)
  end
  for name in pairs(known) do assert(offered[name], name) end
  for name in pairs(left_out) do assert(offered[name], name) end
end)

it("an option has its value in the printed command, a flag has none, and a secret from stdin is left out", function ()
  local args = { client_certificate_file = "/my leaf.p12", client_certificate_password_file = "-",
    send_certificate_chain = true }
  assert.equal("azpec resume --client-certificate-file '/my leaf.p12' --send-certificate-chain",
    unfinished.command_line(args, {}, 0))
end)

it("the printed command names relative files so that it works in any folder", function ()
  local names = { journal = "journal.jsonl" }
  for _, name in ipairs(unfinished.carried) do
    if name:find "_file$" then names[name] = name:gsub("_", "-") end
  end
  local line = unfinished.command_line(names, {}, 0)
  for name, path in pairs(names) do
    assert.matches((" --%s %s/%s"):format(name:gsub("_", "-"), os.getenv "PWD", path), line .. " ", 1, true)
  end
end)

describe("after an approval that signed in with an encrypted certificate", function ()
  local emulator = kit.stage()

  it("the printed command waits on as it is, with the issuers sent along", function ()
    local dir = signin.certificates()
    local state = emulator:state()
    state.certificates = { support.read(dir .. "/leaf.crt") }
    emulator:control("PUT", "state", state)
    emulator:control("DELETE", "log")
    local env = kit.environment(emulator)
    env.AZURE_CLIENT_SECRET = nil
    emulator:set { operation_polls = 1 }
    local nobody_can_look = { match = { kind = { "get", "poll" }, nth = 2, times = 99 }, action = { status = 403 } }
    emulator:faults { nobody_can_look }
    local password = support.write(support.new_path "password", signin.password .. "\n")
    local result = kit.ended(8, kit.run(("approve %s %s --client-certificate-file %s/leaf.p12 "
      .. "--client-certificate-password-file %s --send-certificate-chain"):format(kit.address(emulator),
      emulator.sample, dir, password), { env = env }))
    emulator:faults {}
    local after = kit.ended(0, kit.shell(result.err:match "\n  (azpec resume .*)$", { env = env }))
    assert.equal(support.sample_name .. ": Approved\n", after.out)
    assert.equal(1, emulator:log "token"[2].token.chain)
  end)

  it("the printed command names the journal that the environment named", function ()
    local journal, env = support.new_path "journal", kit.environment(emulator)
    emulator:set { operation_polls = 1 }
    emulator:faults { { match = { kind = { "get", "poll" }, nth = 2, times = 99 }, action = { status = 403 } } }
    local result = kit.ended(8, kit.run(("approve %s %s --ticket CHG-1"):format(kit.address(emulator), emulator.sample),
      { env = support.merged(env, { AZPEC_JOURNAL = journal }) }))
    emulator:faults {}
    assert.matches(("--journal %s --ticket CHG-1 "):format(journal), result.err, 1, true)
    kit.ended(0, kit.shell(result.err:match "\n  (azpec resume .*)$", { env = env }))
    assert.same({}, require "azpec.journal".verify(journal).open)
  end)
end)
