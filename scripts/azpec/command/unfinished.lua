-- What is still going on at the service when the command ends, and what to type to wait for it.

local file = require "azpec.file"
local ids = require "azpec.ids"
local json = require "azpec.json"
local text = require "azpec.text"

local unfinished = {}

-- The options by which another run reaches the same service, and the same trail, as words for the shell; a secret from
-- standard input has to be given again.
local carried = { { "cloud", "--cloud" }, { "credential", "--credential" }, { "tenant_id", "--tenant-id" },
  { "client_id", "--client-id" }, { "client_secret_file", "--client-secret-file" },
  { "client_certificate_file", "--client-certificate-file" }, { "access_token_file", "--access-token-file" },
  { "endpoint", "--endpoint" }, { "authority_host", "--authority-host" }, { "ca_file", "--ca-file" },
  { "audit", "--audit" } }

-- What a token says of its operation; {} where it is no token: resume's own, that were not begun, are as they came.
local function read(token)
  local known = json.decode(token)
  return type(known) == "table" and known or {}
end

-- The subscriptions of these tokens, where they are not just those that the environment names: resume refuses others.
local function foreign_subscriptions(tokens)
  local named = ids.plain(os.getenv "AZURE_SUBSCRIPTION_ID" or ""):lower()
  local seen, list, foreign = {}, {}, false
  for _, token in ipairs(tokens) do
    local own = (ids.parse(tostring(read(token).id)) or {}).subscription_id
    local key = own and own:lower()
    if key and not seen[key] then
      seen[key], list[#list + 1] = true, own
      foreign = foreign or named ~= "" and named ~= key and named ~= "/subscriptions/" .. key
    end
  end
  return foreign and list or {}
end

-- What to type to go on with these tokens, without the tokens.
function unfinished.command_line(args, tokens)
  local words = { "azpec", "resume" }
  for _, subscription in ipairs(foreign_subscriptions(tokens)) do
    words[#words + 1] = "--subscription " .. text.shell(subscription)
  end
  for _, option in ipairs(carried) do
    local value = args[option[1]]
    if value and value ~= "-" then words[#words + 1] = option[2] .. " " .. text.shell(value) end
  end
  if args.ticket and require "azpec.command.trail".path(args) then
    words[#words + 1] = "--ticket " .. text.shell(args.ticket)
  end
  return table.concat(words, " ")
end

local most_shown = 3

-- Of how many the service has not said that it accepted the write, and what helps; "" where it has of all.
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

-- Prints how to go on with the operations of these continuation tokens.
function unfinished.show(args, tokens)
  if #tokens == 0 then return end
  io.stderr:write(("%s still running at the service, or not known to have ended%s; to go on waiting:\n"):format(
    #tokens == 1 and "An operation is" or #tokens .. " operations are", doubts(tokens)))
  local command_line = unfinished.command_line(args, tokens)
  -- Many go into a file of their own; what cannot be saved is printed.
  local path = #tokens > most_shown and file.temporary("azpec-tokens", table.concat(tokens, "\n") .. "\n")
  if path then
    io.stderr:write(("  %s %s\n"):format(command_line, text.shell(path)))
  else
    io.stderr:write(("  %s - <<'END'\n%s\nEND\n"):format(command_line, table.concat(tokens, "\n")))
  end
end

-- The continuation tokens at the end of a run: of the operations that were begun and not waited for to the end, and of
-- the error's own.
function unfinished.tokens(context, err)
  local tokens, seen = {}, {}
  local function add(token)
    if token and not seen[token] then
      seen[token] = true
      tokens[#tokens + 1] = token
    end
  end
  for _, poller in ipairs(context and context.pollers or {}) do
    if not poller:done() then add(poller:continuation_token()) end
  end
  if type(err) == "table" then add(err.continuation_token) end
  for _, token in ipairs(context and context.unfinished or {}) do add(token) end
  for _, row in ipairs(context and context.out and context.out.lost or {}) do add(row.continuation_token) end
  return tokens
end

return unfinished
