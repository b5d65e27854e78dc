-- azpec delete of 420 connections, killed and run again: each gets one DELETE, and others none.

local killed = require "cli.killed"
local support = require "loopback.support"

teardown(support.close)
after_each(support.tidy)

it("delete is killed and run again, and deletes each once", function ()
  local emulator, log, expected = killed.begin(3)
  for name, one in pairs(expected) do
    local is_meant = name:find "^ours" and one.writes == 1
    one.status = is_meant and "gone" or name:find "^approved" and "Approved" or name:find "^rejected" and "Rejected"
      or "Pending"
    one.writes = is_meant and 1 or 0
  end
  local journal = support.new_path "journal"
  local command = killed.command(emulator, "delete", ("--all --yes --name 'ours-*' --parallel 40 --allow-none "
    .. "--journal %s --subscription %s --subscription %s"):format(journal, table.unpack(killed.subscriptions)))
  local kills, status = killed.until_done(emulator, command)
  assert.equal(12, status, "SEED=" .. killed.seed)
  killed.tell("delete", kills, killed.prove(emulator, expected, log, journal))
end)
