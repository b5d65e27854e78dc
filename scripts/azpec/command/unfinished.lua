-- What is still going on at the service when the command ends, and what to type to wait for it.

local file = require "azpec.file"
local text = require "azpec.text"

local unfinished = {}

-- The options by which another run reaches the same service, and the same trail, as words for the shell; a secret from
-- standard input has to be given again.
local carried = { { "cloud", "--cloud" }, { "credential", "--credential" }, { "tenant_id", "--tenant-id" },
  { "client_id", "--client-id" }, { "client_secret_file", "--client-secret-file" },
  { "client_certificate_file", "--client-certificate-file" }, { "access_token_file", "--access-token-file" },
  { "endpoint", "--endpoint" }, { "authority_host", "--authority-host" }, { "ca_file", "--ca-file" },
  { "audit", "--audit" } }

-- What to type to go on, without the tokens.
function unfinished.command_line(args)
  local words = { "azpec", "resume" }
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

-- Prints how to go on with the operations of these continuation tokens.
function unfinished.show(args, tokens)
  if #tokens == 0 then return end
  io.stderr:write(("%s still running at the service, or not known to have ended; to go on waiting:\n"):format(
    #tokens == 1 and "An operation is" or #tokens .. " operations are"))
  -- Many go into a file of their own; what cannot be saved is printed.
  local path = #tokens > most_shown and file.temporary("azpec-tokens", table.concat(tokens, "\n") .. "\n")
  if path then
    io.stderr:write(("  %s %s\n"):format(unfinished.command_line(args), text.shell(path)))
  else
    io.stderr:write(("  %s - <<'END'\n%s\nEND\n"):format(unfinished.command_line(args), table.concat(tokens, "\n")))
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
