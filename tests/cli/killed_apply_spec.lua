-- azpec apply of a plan with 500 connections, killed and run again: none gets a second write, or an unwanted one.

local killed = require "cli.killed"
local support = require "loopback.support"

teardown(support.close)
after_each(support.tidy)

it("apply is killed and run again, and writes each once", function ()
  local emulator, log, expected, counts = killed.begin(2)
  local many = { ours = 500, old = 500 } -- all accounts can be read when the plan is made
  local rules = support.write(support.new_path "rules" .. ".lua", killed.rules(many))
  local plan, journal = support.new_path "plan", support.new_path "journal"
  assert.equal(0, killed.run(killed.command(emulator, "plan", ("--rules %s --out %s --subscription %s "
    .. "--subscription %s"):format(rules, plan, table.unpack(killed.subscriptions)))))
  local kills, status = killed.until_done(emulator, killed.command(emulator, "apply",
    ("%s --parallel 40 --journal %s"):format(plan, journal)))
  assert.equal(12, status, "SEED=" .. killed.seed)
  killed.tell("apply", kills, killed.prove(emulator, expected, log, journal))
  assert(counts.ours > 300)
  -- Without the journal too: what is so already stays.
  assert.equal(12, killed.run(killed.command(emulator, "apply", plan)))
  killed.prove(emulator, expected, log, journal)
end)
