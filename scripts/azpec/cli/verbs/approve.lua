-- azpec approve: approves a connection. Does nothing if it is approved already.

local change = require "azpec.cli.change"
local verify_dns = require "azpec.cli.verify_dns"

return {
  columns = change.columns,
  takes_candidates = true,
  summary = "approve a connection, or all that match; harmless where it is done already",
  examples = {
    "azpec approve /subscriptions/.../privateEndpointConnections/NAME",
    "azpec approve web-frontend -g rg-contoso-prod --account contosobatch --description 'ticket 5102'",
    "azpec approve --all --status Pending --private-endpoint 'build-*' -g rg-contoso-prod --dry-run",
  },
  define = function (command)
    change.define_decision(command)
    command:group("Afterwards", verify_dns.option(command))
  end,
  run = function (context)
    if context.args.verify_dns and context.args.no_wait then context:usage "--verify-dns does not go with --no-wait" end
    return verify_dns.after(context, change.run(context, "approve", "Approve"))
  end,
}
