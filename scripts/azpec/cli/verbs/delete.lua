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
  description = "One that is given by its id and is gone already is success. A name that nothing matches ends\n"
    .. "with 3; with --allow-none it is success.",
  define = change.define,
  run = function (context) return change.run(context, "delete", "Delete") end,
}
