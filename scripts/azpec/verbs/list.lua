-- azpec list: the connections of a scope.

local rows = require "azpec.command.rows"
local targets = require "azpec.command.targets"

return {
  summary = "list connections: of an account, a resource group, a subscription, or several",
  examples = {
    "azpec list -g rg-contoso-prod --account contosobatch",
    "azpec list --status Pending                                # the whole subscription",
    "azpec list --subscription ID1 --subscription ID2 -o tsv | cut -f 7",
    "azpec list -g rg-contoso-prod -o json | jq '.connections[] | select(.status == \"Pending\").name'",
  },
  define = function (command) targets.define(command) end,
  run = function (context)
    local is_meant, is_all = targets.matcher(context)
    local out = context:output { columns = rows.columns, title = "connections" }
    for connection in context:connections() do
      if is_meant(connection) then out:row(rows.of(connection)) end
    end
    out:close()
    if out.count == 0 then context:note("no connection %s", is_all and "is there" or "matches") end
  end,
}
