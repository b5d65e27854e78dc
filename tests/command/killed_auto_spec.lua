-- azpec auto over 500 connections, killed and gone on with: none gets a second write, or an unwanted one.

local killed = require "command.killed"
local support = require "loopback.support"

teardown(support.close)
after_each(support.tidy)

it("auto is killed and gone on with, and writes each once", function ()
  local emulator, log, expected = killed.begin(1)
  local rules = support.write(support.new_path "rules" .. ".lua", killed.rules)
  local checkpoint = support.new_path "checkpoint"
  local command = killed.command(emulator, "auto", ("--rules %s --apply --parallel 40 --checkpoint %s "
    .. "--subscription %s --subscription %s"):format(rules, checkpoint, table.unpack(killed.subscriptions)))
  local kills, status = killed.until_done(emulator, command)
  assert.equal(0, status, "SEED=" .. killed.seed)
  killed.tell("auto", kills, killed.prove(emulator, expected, log))
  -- And a run that finds all done does nothing.
  assert.equal(0, killed.run(command))
  killed.prove(emulator, expected, log)
  support.has_no_secret(support.read(checkpoint), "a checkpoint")
end)
