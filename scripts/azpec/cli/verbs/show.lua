-- azpec show: shows all properties of named connections.

local ages = require "azpec.ages"
local json = require "azpec.json"
local rows = require "azpec.cli.rows"
local targets = require "azpec.cli.targets"
local text = require "azpec.text"
local transitions = require "azpec.transitions"

local facts = {
  { "Name", "name" }, { "Status", "status" }, { "Description", "description" },
  { "Provisioning", "provisioning_state" }, { "Account", "account_name" }, { "Resource group", "resource_group_name" },
  { "Subscription", "subscription_id" }, { "Private endpoint", "private_endpoint" }, { "Group ids", "group_ids" },
  { "Can", "can" }, { "ETag", "etag" }, { "Created", "created_at" }, { "Created by", "created_by" },
  { "Id", "id" },
}

local columns = rows.with(rows.columns, "can")

local function words(row)
  local lines = {}
  for _, fact in ipairs(facts) do
    local value = row[fact[2]]
    if type(value) == "table" then value = table.concat(value, ", ") end
    if value and value ~= "" then
      lines[#lines + 1] = text.pad(fact[1] .. ":", 18) .. text.clean(value)
    end
  end
  return table.concat(lines, "\n")
end

return {
  columns = columns,
  summary = "show all about one connection, or several",
  examples = {
    "azpec show web-frontend -g rg-contoso-prod --account contosobatch",
    "azpec show /subscriptions/.../privateEndpointConnections/NAME -o json",
    "azpec show /subscriptions/.../privateEndpoints/web-frontend    # the connection of a private endpoint",
  },
  define = function (command) targets.define(command, { more = true }) end,
  run = function (context)
    context.args.api_version = context.args.api_version or ages.since
    local has_lines = context.args.output == "table" and not context.args.columns
    local out = context:output { title = "connections", line = words }
    local client = context:client()
    for n, target in ipairs(targets.find(context, client)) do
      local connection, err = target.connection, nil
      if not connection then connection, err = client:get { id = target.id } end
      if not connection then error(err, 0) end
      if n > 1 and has_lines then require "azpec.cli.terminal".write "\n" end
      local row = rows.of(connection, context)
      row.can = json.list(transitions.possible(connection))
      out:row(row)
    end
    out:close()
  end,
}
