-- azpec approve: a connection becomes Approved; harmless where it is already.

local decision = require "azpec.command.decision"

return {
  summary = "approve a connection, or all that match; harmless where it is done already",
  examples = {
    "azpec approve /subscriptions/.../privateEndpointConnections/NAME",
    "azpec approve web-frontend -g rg-contoso-prod --account contosobatch --description 'ticket 5102'",
    "azpec approve --all --status Pending --private-endpoint 'build-*' -g rg-contoso-prod --dry-run",
  },
  define = decision.define,
  run = function (context) return decision.run(context, "Approve", "Approved") end,
}
