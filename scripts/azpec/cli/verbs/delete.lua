-- azpec delete: deletes a connection. Does nothing if it is gone already.

local change = require "azpec.cli.change"

return {
  columns = change.columns,
  takes_candidates = true,
  summary = "delete a connection, or all that match; harmless where it is gone already",
  examples = {
    "azpec delete /subscriptions/.../privateEndpointConnections/NAME --yes",
    "azpec delete --all --status Disconnected -g rg-contoso-prod --dry-run",
    "azpec delete --status Disconnected -g rg-contoso-prod --max 20 --yes",
  },
  description = "If a connection is named by its id and is already gone, delete succeeds. If no connection matches a\n"
    .. "name, the exit code is 3, or 0 with --allow-none.",
  define = change.define,
  run = function (context) return change.run(context, "delete", "Delete") end,
}
