-- Reports the operations that are still under way when the command ends, and how to wait for them.

local convert = require "azpec.cli.convert"
local failure = require "azpec.cli.error"
local ids = require "azpec.resource_id"
local json = require "azpec.json"
local pasted = require "azpec.cli.pasted"
local text = require "azpec.text"

local unfinished = {}

-- The options with which another command reaches the same service and journal, and writes again for the same change. A
-- secret from standard input must be given again.
unfinished.carried = { "cloud", "credential", "credential_timeout", "tenant_id", "client_id", "client_secret_file",
  "client_certificate_file", "client_certificate_password_file", "send_certificate_chain", "access_token_file",
  "token_key_file", "endpoint", "authority_host", "ca_file", "policy_token", "change_reference", "journal" }

-- Returns an option as the shell reads it, in any folder; value: true for a flag.
local function option_words(name, value)
  local option = "--" .. name:gsub("_", "-")
  if name == "journal" or name:find "_file$" then value = pasted.path(value) end
  return value == true and option or ("%s %s"):format(option, text.shell(tostring(value)))
end

-- Returns the facts in a token; {} if it is not a valid one, such as a line of resume's input that was not begun.
local function read(token)
  local known = json.decode(token)
  return type(known) == "table" and known or {}
end

-- Returns the subscriptions of these tokens, unless the environment names the same; resume refuses others.
local function foreign_subscriptions(tokens)
  local word = os.getenv "AZURE_SUBSCRIPTION_ID" or ""
  local named = (convert.subscription(word) or word):lower()
  local seen, list, foreign = {}, {}, false
  for _, token in ipairs(tokens) do
    local own = (ids.parse(tostring(read(token).id)) or {}).subscription_id
    local key = own and own:lower()
    if key and not seen[key] then
      seen[key], list[#list + 1] = true, own
      foreign = foreign or named ~= "" and named ~= key
    end
  end
  return foreign and list or {}
end

-- Returns the command that continues these tokens, without the tokens. to_write: how many changes it sends again.
function unfinished.command_line(args, tokens, to_write)
  local words = { "azpec", "resume" }
  for _, subscription in ipairs(foreign_subscriptions(tokens)) do
    words[#words + 1] = option_words("subscription", subscription)
  end
  local journal = require "azpec.cli.journal".path(args) -- also where the environment names it
  for _, name in ipairs(unfinished.carried) do
    local value = name == "journal" and journal or args[name]
    if value and value ~= "-" then words[#words + 1] = option_words(name, value) end
  end
  if args.ticket and journal then
    words[#words + 1] = option_words("ticket", args.ticket)
  end
  if to_write > 0 then words[#words + 1] = "--write" end
  return table.concat(words, " ")
end

-- Returns a text with the number of writes that the service has not confirmed, and the advice; "" if there are none.
local function doubts(tokens)
  local count, again = 0, "run the command again if it did not"
  for _, token in ipairs(tokens) do
    local known = read(token)
    if not known.changed then
      count = count + 1
      if known.operation == "ensure" then again = "--write sends the change again if it did not" end
    end
  end
  if count == 0 then return "" end
  return (" (%s may not have reached the service; %s)"):format(#tokens == 1 and "it" or count .. " of them", again)
end

-- Returns the line before the command.
local function heading(tokens, to_write)
  local several = #tokens > 1
  if to_write == #tokens then return several and "To send these changes again:" or "To send the change again:" end
  local doubt, again = doubts(tokens), ""
  if to_write > 0 then doubt, again = "", " and to send again what did not arrive" end
  return ("%s still running at the service, or not known to have ended%s; to go on waiting%s:"):format(
    several and #tokens .. " operations are" or "An operation is", doubt, again)
end

-- Prints how to go on with the operations of these continuation tokens: a command to paste, with all of them, however
-- many. No file is made, because nobody has named one.
function unfinished.show(args, tokens, to_write)
  if #tokens == 0 then return end
  io.stderr:write(("%s\n  %s - <<'END'\n%s\nEND\n"):format(heading(tokens, to_write),
    unfinished.command_line(args, tokens, to_write), table.concat(tokens, "\n")))
end

-- Returns the continuation tokens at the end of a run: those of the operations that have not ended, and the error's;
-- and the number of those whose change must be sent again.
function unfinished.tokens(context, err)
  local tokens, seen, to_write = {}, {}, 0
  local function add(token, needs_write)
    if token and not seen[token] then
      seen[token] = true
      tokens[#tokens + 1] = token
      if needs_write then to_write = to_write + 1 end
    end
  end
  for _, poller in ipairs(context and context.pollers or {}) do
    if not poller:done() then add(poller:continuation_token()) end
  end
  if type(err) == "table" then add(err.continuation_token, failure.needs_write(err)) end
  for _, kept in ipairs(context and context.unfinished or {}) do add(kept.token, kept.needs_write) end
  for _, row in ipairs(context and context.out and context.out.lost or {}) do add(row.continuation_token) end
  return tokens, to_write
end

return unfinished
