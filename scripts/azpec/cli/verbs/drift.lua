-- azpec drift: approved connections that no rule would approve today.

local batch = require "azpec.cli.batch"
local choice = require "azpec.cli.columns"
local convert = require "azpec.cli.convert"
local drift = require "azpec.drift"
local failure = require "azpec.cli.error"
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

local function row_of(finding)
  local row = rows.of(finding.connection)
  row.action, row.today, row.rule, row.reason = finding.action, today[finding.action], finding.rule, finding.reason
  return row
end

-- Adds the findings of an account's connections; returns how many are approved, and whether a rule failed.
local function examine(context, set, connections, out)
  local approved, any_failed = 0, false
  for _, connection in ipairs(connections) do
    if (select.facts(connection).status or ""):lower() == "approved" then approved = approved + 1 end
    local finding = drift.of(set, connection, batch.options(context))
    if finding then
      any_failed = any_failed or finding.failed
      out:row(row_of(finding))
    end
  end
  return approved, any_failed
end

local function run(context)
  local set, approved, any_failed = batch.rules(context, true), 0, false
  context.candidates = { status = "Approved" }
  local out = context:output { columns = columns, title = "drift" }
  for _, connections in context:accounts() do
    local count, has_failed = examine(context, set, connections or {}, out)
    approved, any_failed = approved + count, any_failed or has_failed
  end
  context:add_totals { approved = approved, outside = out.count }
  out:close()
  context:conclude("%s, %d that no rule would approve today", text.count(approved, "approved connection"), out.count)
  if any_failed then return batch.rule_failed(context) end
  return out.count > 0 and failure.codes.changes or 0
end

return {
  takes_candidates = true,
  summary = "show approved connections that no rule would approve today",
  examples = {
    "azpec drift --rules rules.lua --all-subscriptions",
    "azpec drift --rules rules.lua -g rg-contoso-prod -o json | jq -r '.drift[].id'",
  },
  description = "The exit code is 10 if there are any, and 12 if some accounts cannot be read. The rules are asked\n"
    .. "as if each approved connection were a request that waits today; a rule about approved ones\n"
    .. "(status = \"Approved\") decides first.",
  define = function (command)
    command:group("What",
      command:option("--rules", "file of rules"):argname "FILE":count(1)
        :convert(convert.given), batch.enrich_option(command), choice.define_sort(command))
  end,
  run = run,
}
