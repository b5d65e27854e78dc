-- azpec apply of a plan with 500 connections, killed and gone on with: none gets a second write, or an unwanted one.

local killed = require "command.killed"
local support = require "loopback.support"

teardown(support.close)
after_each(support.tidy)

it("apply is killed and gone on with, and writes each once", function ()
  local emulator, log, expected = killed.begin(2)
  local rules, plan = support.write(support.new_path "rules" .. ".lua", killed.rules), support.new_path "plan"
  assert.equal(0, killed.run(killed.command(emulator, "plan", ("--rules %s --out %s --subscription %s "
    .. "--subscription %s"):format(rules, plan, table.unpack(killed.subscriptions)))))
  local kills, status = killed.until_done(emulator, killed.command(emulator, "apply",
    ("%s --parallel 40 --checkpoint %s"):format(plan, support.new_path "checkpoint")))
  assert.equal(0, status, "SEED=" .. killed.seed)
  killed.tell("apply", kills, killed.prove(emulator, expected, log))
  -- Without the checkpoint too: what is so already stays.
  assert.equal(0, killed.run(killed.command(emulator, "apply", plan)))
  killed.prove(emulator, expected, log)
end)
