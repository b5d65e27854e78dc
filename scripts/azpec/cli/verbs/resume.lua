-- azpec resume: waits for operations that an earlier run began.

local consent = require "azpec.cli.consent"
local convert = require "azpec.cli.convert"
local failure = require "azpec.failure"
local ids = require "azpec.resource_id"
local journal = require "azpec.cli.journal"
local json = require "azpec.json"
local output = require "azpec.cli.output"
local policy = require "azpec.cli.policy"
local run = require "azpec.cli.run"
local text = require "azpec.text"

-- Returns the connection that a token names. The module verifies the token later.
local function id_of(token)
  local value = json.decode(token)
  return type(value) == "table" and type(value.id) == "string" and value.id or ""
end

-- Parses a line: a continuation token, or a row with one, as --no-wait prints with -o jsonl. Returns an item. For a row
-- without a token, whose operation has ended already, returns nil and the row.
local function read_line(context, line, number)
  local value = json.decode(line)
  local row = type(value) == "table" and value or {}
  if row.audit and row.event then
    context:usage(("line %d is of a journal; azpec journal verify %s shows the commands that finish it"):format(number,
      text.shell(context.args.journal or "FILE")))
  end
  local token = type(row.continuation_token) == "string" and row.continuation_token or row.azpec and line
  if token then return { token = token, id = id_of(token), write = context.args.write or false } end
  if type(row.id) == "string" and type(row.name) == "string" and type(row.result) == "string" then return nil, row end
  context:usage(("line %d is no continuation token; one JSON text a line is expected, as azpec prints it"):format(
    number))
end

-- Takes over what the command before this one could not read. Its rows have their own errors.
local function take_mark(context, line)
  local places = {}
  for _, err in ipairs((json.decode(line) or {}).errors or {}) do
    if err.place then places[#places + 1] = err end
  end
  if #places > 0 then context:inherit_unread(places, "the rows are not complete: ") end
end

-- Returns the items of a file, and its rows of ended operations. jq prints null for a row without a token.
local function items_of(context, content)
  local items, ended, number = {}, {}, 0
  for line in (content .. "\n"):gmatch "(.-)\r?\n" do
    number = number + 1
    if output.is_mark(line) then
      take_mark(context, line)
    elseif line:find "%S" and line ~= "null" then
      local item, row = read_line(context, line, number)
      items[#items + 1], ended[#ended + 1] = item, row
    end
  end
  if #items + #ended == 0 then context:note "nothing to resume" end
  return items, ended
end

-- Returns the error of a token whose subscription is not configured. needed: all subscriptions that the tokens need.
local function refused(own, configured, needed)
  return failure.new("protocol", ("the continuation token is refused: it belongs to subscription %s, but "
    .. "--subscription (or AZURE_SUBSCRIPTION_ID) is %s"):format(own, table.concat(configured, ", ")),
    { hint = "if it is yours, give --subscription " .. table.concat(needed, " --subscription ") })
end

-- Returns the subscription of the client for a token: the token's own if it is configured, or if none is. Otherwise the
-- first configured one, and the error with which the token is refused.
local function subscription_for(configured, id, needed)
  local own = (ids.parse(id) or {}).subscription_id
  for _, subscription in ipairs(configured) do
    if subscription:lower() == (own or ""):lower() then return own end
  end
  local subscription = configured[1] or own or ""
  return subscription, own and configured[1] and refused(own, configured, needed) or nil
end

-- Returns the configured subscriptions, and after them those of other tokens.
local function with_those_of(items, configured)
  local list, known = { table.unpack(configured) }, {}
  for _, subscription in ipairs(configured) do known[subscription:lower()] = true end
  for _, item in ipairs(items) do
    local own = (ids.parse(item.id) or {}).subscription_id
    if own and not known[own:lower()] then known[own:lower()], list[#list + 1] = true, own end
  end
  return list
end

-- Groups the items by the subscription of their client, in order.
local function by_subscription(context, items)
  local configured, groups = context:subscriptions(), {}
  local needed = with_those_of(items, configured)
  for _, item in ipairs(items) do
    local subscription, err = subscription_for(configured, item.id, needed)
    item.err = err
    local key = subscription:lower()
    if not groups[key] then
      groups[key] = { subscription = subscription ~= "" and subscription or nil }
      groups[#groups + 1] = groups[key]
    end
    table.insert(groups[key], item)
  end
  return groups
end

-- Keeps the tokens of the items that were not begun when the output ended.
local function keep_rest(context, items, summary)
  for n = summary.taken + 1, #items do context:keep(items[n].token) end
end

local verbs = { approved = "Approve", rejected = "Reject" }

-- With --write, a token of an ensure is a write of its status, which removes access unless that is Approved.
local function need_consent(context, items)
  local writes, verb, statuses = {}, nil, {}
  for _, item in ipairs(items) do
    local token = json.decode(item.token)
    if type(token) == "table" and token.operation == "ensure" then
      statuses[item] = tostring(token.status):lower()
      local own = verbs[statuses[item]] or "Change"
      writes[#writes + 1], verb = item, (verb or own) == own and own or "Change"
    end
  end
  consent.need(context, writes, { verb = verb, noun = "connection",
    removes = function (item) return statuses[item] ~= "approved" end })
end

local function resume(context)
  local items, ended = items_of(context, context.args.file)
  if context.args.write then need_consent(context, items) end
  journal.unfinished(context)
  local total, out = run.new_total(#items + #ended), run.output(context, nil, true)
  context:lines_are_of(table.move(items, 1, #items, #ended + 1, table.move(ended, 1, #ended, 1, {})))
  for _, row in ipairs(ended) do run.pass(context, total, out, row) end
  for _, group in ipairs(by_subscription(context, items)) do
    local summary = run.run(context, { client = context:client { subscription_id = group.subscription }, items = group,
      total = total.total, out = out, is_named = true })
    keep_rest(context, group, summary)
    run.add(total, summary)
  end
  if out.problem then context.not_begun = total.total - total.taken end
  if total.total > 1 then run.sum_up(context, total) end
  out:close()
  return run.exit_code(context, total)
end

return {
  columns = run.columns,
  summary = "continue operations that an earlier command began",
  examples = {
    "azpec approve NAME ... --no-wait > token; azpec resume token",
    "azpec approve --all --status Pending --no-wait -o jsonl ... | azpec resume -",
  },
  description = [[
A file has one token per line, as azpec prints them when it stops waiting; - is standard input. Rows whose operations
have ended pass through, so the last command of a pipe has all rows. Empty lines and the line null are skipped; a file
without a token ends with 0.]],
  common = { "client", "output" },
  define = function (command)
    command:argument("file", "file with tokens, or -"):convert(convert.tokens)
    command:option("--subscription", "refuse tokens of other subscriptions; also several times "
      .. "(AZURE_SUBSCRIPTION_ID)"):argname "ID":count "*":convert(convert.subscription)
    command:flag("--write", "approve or reject again what did not arrive: where no operation is under way and the "
      .. "connection is not as the token asks")
    command:flag("--yes", "do not ask; with --write needed without a terminal for several tokens, and for those that "
      .. "do not approve"):hidden_name "-y"
    command:group("How", run.parallel_option(command), run.exit_option(command))
    policy.define(command)
    journal.define(command)
  end,
  run = resume,
}
