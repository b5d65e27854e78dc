-- azpec list: lists the connections of a scope.

local columns = require "azpec.cli.columns"
local names = require "azpec.cli.names"
local rows = require "azpec.cli.rows"
local select = require "azpec.select"
local targets = require "azpec.cli.targets"
local text = require "azpec.text"

local function define(command)
  targets.define(command)
  command:group("Order", columns.define_sort(command, rows.columns))
end

local most_named = 3

-- "; did you mean 'team01' (Pending)?" for connections that were probably meant.
local function meant(connections)
  local named, has = {}, {}
  for _, connection in ipairs(connections) do
    local facts = select.facts(connection)
    local label = ("'%s' (%s)"):format(text.clean(facts.base_name or ""), text.state(facts.status))
    if #named < most_named and not has[label] then named[#named + 1] = label end
    has[label] = true
  end
  return #named > 0 and ("; did you mean %s?"):format(table.concat(named, " or ")) or ""
end

-- "; 'contosobatch' is a Batch account: --account contosobatch" for the first word that names an account.
local function account_meant(context, accounts)
  for _, word in ipairs(context.args.which) do
    if accounts[word:lower()] then
      return ("; '%s' is a Batch account: --account %s"):format(text.clean(word), text.shell(word))
    end
  end
  return ""
end

-- For az, -n next to --type names the account. Taken as a connection's name it would match nothing.
local function check_name(context)
  local args = context.args
  if args.type and #args.by_name > 0 and not (args.account or args.id) then
    context:usage(("-n, --name is a connection's name here; the account is --account %s"):format(
      text.shell(args.by_name[1])))
  end
end

local function run(context)
  check_name(context)
  local is_meant, is_all, nearest, where = targets.matcher(context)
  local note_names, save_names = names.collect(context)
  local accounts, counts = {}, rows.new_counts()
  local out = context:output { title = "connections" }
  for connection, account in context:connections(nil, where()) do
    if account and account.account_name then accounts[account.account_name:lower()] = true end
    if note_names then note_names(select.facts(connection)) end
    if is_meant(connection) then
      local row = rows.of(connection, context)
      rows.count(counts, row.status)
      out:row(row)
    end
  end
  context:add_totals(counts)
  out:close()
  if save_names then save_names() end
  if out.count == 0 then
    local guess = meant(nearest()) .. account_meant(context, accounts)
    local searched = guess == "" and context:where_searched()
    context:note("no connection %s%s%s", is_all and "is there" or "matches", guess, searched and "; " .. searched or "")
  end
end

return {
  columns = rows.columns,
  takes_candidates = true,
  summary = "list connections: of an account, a resource group, a subscription, or several",
  examples = {
    "azpec list -g rg-contoso-prod --account contosobatch",
    "azpec list --status Pending                                # the whole subscription",
    "azpec list --status Pending --older-than 7d --sort -age --columns account_name,name,age     # the oldest first",
    "azpec list --subscription ID1 --subscription ID2 -o tsv --columns id",
    "azpec list -g rg-contoso-prod -o json | jq '.connections[] | select(.status == \"Pending\").name'",
  },
  define = define,
  run = run,
}
