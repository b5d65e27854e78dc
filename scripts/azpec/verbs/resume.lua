-- azpec resume: waits on for what an earlier run began.

local audited = require "azpec.command.trail"
local change = require "azpec.command.change"
local convert = require "azpec.command.convert"
local ids = require "azpec.ids"
local json = require "azpec.json"
local select = require "azpec.select"

-- A line is a continuation token, or a row that holds one, as --no-wait prints with -o jsonl.
local function token_of(context, line, number)
  local value = json.decode(line)
  if type(value) == "table" and type(value.continuation_token) == "string" then return value.continuation_token end
  if type(value) == "table" and value.azpec then return line end
  context:usage(("line %d is no continuation token; one JSON text a line is expected, as azpec prints it"):format(
    number))
end

-- The connection that a token names; whether it is a good one is the module's to say.
local function id_of(token)
  local value = json.decode(token)
  return type(value) == "table" and type(value.id) == "string" and value.id or ""
end

local function targets_of(context, content)
  local list, number = {}, 0
  for line in (content .. "\n"):gmatch "(.-)\r?\n" do
    number = number + 1
    if line:find "%S" then
      local token = token_of(context, line, number)
      list[#list + 1] = { token = token, id = id_of(token) }
    end
  end
  if #list == 0 then context:usage "there is no continuation token" end
  return list
end

local function row_of(target, result)
  if result == true then return change.row(target, "changed") end
  local after = result.after or result
  return change.row(target, result.changed == false and "unchanged" or "changed", {
    before = result.before and select.facts(result.before).status, after = select.facts(after).status,
    description = select.facts(after).description, etag = after.etag })
end

local function words(row)
  if not row.after then return row.name .. ": deleted" end
  return ("%s: %s"):format(row.name, row.after)
end

-- The subscription of the client that a token is given to: its own if it is among those that are configured, or none
-- are. Otherwise the first of these, whose client refuses it.
local function subscription_for(configured, id)
  local own = (ids.parse(id) or {}).subscription_id or ""
  for _, subscription in ipairs(configured) do
    if subscription:lower() == own:lower() then return own end
  end
  return configured[1] or own
end

local function new_clients(context)
  local configured, clients = context:subscriptions(), {}
  return function (id)
    local subscription = subscription_for(configured, id)
    local key = subscription:lower()
    clients[key] = clients[key] or context:client { subscription_id = subscription ~= "" and subscription or nil }
    return clients[key]
  end
end

return {
  summary = "wait on for operations that an earlier run began",
  examples = {
    "azpec approve NAME ... --no-wait > token; azpec resume token",
    "azpec approve --all --status Pending --no-wait -o jsonl ... | azpec resume -",
  },
  description = "A file has one token a line, as azpec prints them when waiting is broken off; - is standard input.",
  common = { "client", "output" },
  define = function (command)
    command:argument("file", "file with tokens, or -"):convert(convert.content)
    command:option("--subscription", "refuse tokens of other subscriptions; also several times "
      .. "(AZURE_SUBSCRIPTION_ID)"):argname "ID":count "*":convert(convert.subscription)
    command:flag("--write", "approve or reject again what did not arrive: where no operation is under way and the "
      .. "connection is not as the token asks")
    audited.define(command)
  end,
  run = function (context)
    local client_for = new_clients(context)
    local spec = { row = row_of, words = words, begin = function (target)
      local poller, err = client_for(target.id):resume(target.token, { write = context.args.write or false })
      return poller, nil, err
    end }
    return change.carry_out(context, spec, targets_of(context, context.args.file))
  end,
}
