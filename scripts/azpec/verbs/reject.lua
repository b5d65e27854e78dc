-- azpec reject: a connection becomes Rejected; harmless where it is already.

local decision = require "azpec.command.decision"

return {
  summary = "reject a connection, or all that match; harmless where it is done already",
  examples = {
    "azpec reject /subscriptions/.../privateEndpointConnections/NAME",
    "azpec reject web-frontend -g rg-contoso-prod --account contosobatch --description 'ticket 5102'",
    "azpec reject --all --status Pending --private-endpoint 'build-*' -g rg-contoso-prod --dry-run",
  },
  define = decision.define,
  run = function (context) return decision.run(context, "Reject", "Rejected") end,
}
