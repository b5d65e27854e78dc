-- azpec auto over 500 connections, killed and run again: none gets a second write, or an unwanted one.

local killed = require "cli.killed"
local support = require "loopback.support"

teardown(support.close)
after_each(support.tidy)

it("auto is killed and run again, and writes each once", function ()
  local emulator, log, expected, counts = killed.begin(1)
  local rules = support.write(support.new_path "rules" .. ".lua", killed.rules(counts))
  local journal = support.new_path "journal"
  local command = killed.command(emulator, "auto", ("--rules %s --apply --parallel 40 --journal %s "
    .. "--subscription %s --subscription %s"):format(rules, journal, table.unpack(killed.subscriptions)))
  local kills, status = killed.until_done(emulator, command)
  assert.equal(12, status, "SEED=" .. killed.seed) -- some accounts cannot be read
  killed.tell("auto", kills, killed.prove(emulator, expected, log, journal))
  -- And a run that finds all done does nothing.
  local before = support.read(journal)
  assert.equal(12, killed.run(command))
  killed.prove(emulator, expected, log, journal)
  assert.equal(before, support.read(journal))
  support.has_no_secret(before, "a journal")
end)
