-- transitions.lua -- prints the diagram of what can become of a connection, from the module's own table
-- (azpec.transitions), as lua_module/README.md shows it.
local transitions = require "azpec".transitions

local statuses = { "Pending", "Approved", "Rejected", "Disconnected" }
local actions = { { "Approved", "approve" }, { "Rejected", "reject" }, { "Deleted", "delete" } }

for status in pairs(transitions) do assert(table.concat(statuses, " "):find(status, 1, true), status) end
print "```mermaid\nstateDiagram-v2"
for _, status in ipairs(statuses) do
  for _, action in ipairs(actions) do
    local rule = transitions[status][action[1]]
    if rule and rule.result == "allowed" then
      print(("  %s --> %s : %s"):format(status, action[1] == "Deleted" and "[*]" or action[1], action[2]))
    end
  end
end
print "```"
