-- azpec reject: rejects a connection. Does nothing if it is rejected already.

local change = require "azpec.cli.change"

return {
  columns = change.columns,
  takes_candidates = true,
  summary = "reject a connection, or all that match; harmless where it is done already",
  examples = {
    "azpec reject /subscriptions/.../privateEndpointConnections/NAME",
    "azpec reject web-frontend -g rg-contoso-prod --account contosobatch --description 'ticket 5102'",
    "azpec reject --all --status Pending --private-endpoint 'build-*' -g rg-contoso-prod --dry-run",
  },
  define = change.define_decision,
  run = function (context) return change.run(context, "reject", "Reject") end,
}
