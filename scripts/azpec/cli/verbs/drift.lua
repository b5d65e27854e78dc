-- azpec drift: approved connections that no rule would approve today.

local batch = require "azpec.cli.batch"
local choice = require "azpec.cli.columns"
local convert = require "azpec.cli.convert"
local decisions = require "azpec.cli.run"
local failure = require "azpec.cli.error"
local json = require "azpec.json"
local rows = require "azpec.cli.rows"
local select = require "azpec.select"
local text = require "azpec.text"

local columns = rows.with {
  { "ACCOUNT", "account_name", leaves = 1 }, rows.resource_group, rows.subscription, { "NAME", "name" },
  { "TODAY", "today" },
  { "RULE", "rule", optional = true, leaves = 2 }, { "REASON", "reason" },
  { "PRIVATE ENDPOINT", "private_endpoint_name", optional = true, leaves = 3 },
  { "DESCRIPTION", "description", optional = true, leaves = 4 }, { "ID", "id", for_programs = true },
  { "ACTION", "action", extra = true },
}

local today = { reject = "rejected", hold = "held", ignore = "ignored" }

local function row_of(context, finding)
  local row = rows.of(finding.connection, context)
  row.action, row.today, row.rule, row.reason = finding.action, today[finding.action], finding.rule, finding.reason
  row.unmatched = finding.unmatched and json.list(finding.unmatched)
  return row
end

-- Adds the findings of an account's connections; returns how many are approved. untold: a list for the rows that -v
-- explains after the table.
local function examine(context, set, connections, out, untold)
  local approved = 0
  for _, connection in ipairs(connections) do
    if (select.facts(connection).status or ""):lower() == "approved" then approved = approved + 1 end
    local finding = batch.finding(context, set, connection)
    if finding then
      local row = row_of(context, finding)
      out:row(row)
      if #(row.unmatched or {}) > 0 and not context:is_json() then untold[#untold + 1] = row end
    end
  end
  return approved
end

local function run(context)
  local set, approved, untold = batch.rules(context, true), 0, {}
  context.candidates = { status = "Approved" }
  local out = context:output { title = "drift" }
  for _, connections in context:accounts() do
    approved = approved + examine(context, set, connections or {}, out, untold)
  end
  context:add_totals { approved = approved, outside = out.count }
  out:close()
  for _, row in ipairs(untold) do
    context:detail("%s%s:%s", context:place_of(row), text.clean(row.name), decisions.unmatched(row.unmatched))
  end
  context:conclude("%s, %d that no rule would approve today", text.count(approved, "approved connection"), out.count)
  return out.count > 0 and failure.codes.changes or 0
end

return {
  columns = columns,
  takes_candidates = true,
  summary = "show approved connections that no rule would approve today",
  examples = {
    "azpec drift --rules rules.lua --all-subscriptions",
    "azpec drift --rules rules.lua -g rg-contoso-prod -o json | jq -r '.drift[].id'",
  },
  description = [[
The exit code is 10 if drift finds a connection, and 12 if some accounts cannot be read or a function of the rules
fails. azpec applies the rules as if each approved connection were pending today. A rule about approved connections
(status = "Approved") decides first. With -v each connection has a line for each rule that did not match, and why
not.]],
  define = function (command)
    command:group("What",
      command:option("--rules", "file of rules"):argname "FILE":count(1)
        :convert(convert.given), batch.enrich_option(command), batch.none_option(command),
      choice.define_sort(command, columns))
  end,
  run = run,
}
