#!/usr/bin/env lua5.4
-- demo.lua: a pending private endpoint connection becomes Approved, through
-- azpec and against the emulator: HTTPS, a sign-in, a PATCH answered by 202,
-- polls.  Exit status 0 only when the service itself shows it approved.
--
--   lua5.4 scripts/demo.lua [PORT]      PORT: of the emulator; else any free one

local here = arg[0]:match("^(.*)/") or "."

-- No code from the current folder, as in bin/azpec.
for _, kind in ipairs { "path", "cpath" } do
  package[kind] = (";" .. package[kind]):gsub(";+[^/;][^;]*", "")
end
package.path = here .. "/?.lua;" .. package.path

local azpec = require "azpec"
local cjson = require "cjson"
local sample = require "azpec.emulator.sample" ()

local Status = azpec.PrivateLinkServiceConnectionStatus

local function say(...)
  io.stdout:write(string.format(...), "\n")
  io.stdout:flush()
end

-- Starts the emulator; its first line says where it listens.
local function start_emulator(port)
  local command = string.format("exec %s '%s/emulator.lua' --tls-port %d",
    os.getenv("LUA") or "lua5.4", here, port)
  local process = assert(io.popen(command))
  local line = process:read("l")
  if not line then
    process:close()
    error("the emulator did not start", 0)
  end
  return process, cjson.decode(line)
end

local function stop_emulator(process, emulator)
  os.execute(string.format("kill %d", emulator.pid))
  process:close()
end

-- What happens, as it happens.
local function progress(event)
  if event.event == "token" and event.status then
    say("   signed in at the token endpoint (HTTP %d)", event.status)
  elseif event.event == "response" and event.method == "PATCH" then
    say("   PATCH answered: HTTP %d", event.status)
  elseif event.event == "poll" then
    say("   still %s; next poll in %.0f s", event.status or "running", event.wait)
  elseif event.event == "retry" then
    say("   %s; next attempt in %.1f s", event.reason, event.wait)
  end
end

local function show(connection)
  local state = connection.properties.privateLinkServiceConnectionState
  say("   %-60s %s", connection.name, state.status)
  return state.status
end

-- The connection of the sample account that waits for a decision.
local function find_pending(client, account)
  local pending
  for connection in client:list(account) do
    if show(connection) == Status.Pending then pending = connection end
  end
  return pending
end

local function run(emulator)
  local client <close> = azpec.client {
    subscription_id = emulator.subscription_id,
    endpoint = emulator.tls_endpoint,
    authority_host = emulator.tls_endpoint,
    ca_file = emulator.ca_file,
    credential = azpec.credential.client_secret {
      tenant_id = emulator.tenant_id,
      client_id = emulator.client_id,
      client_secret = sample.client_secret,
    },
    timeout = 30,
    on_event = progress,
  }
  local account = {
    resource_group_name = "default-azurebatch-japaneast",
    account_name = "sampleacct",
  }
  say("1. The connections of Batch account '%s':", account.account_name)
  local pending = find_pending(client, account)
  if not pending then error("no connection is pending", 0) end

  say("2. Approving it:")
  assert(client:update {
    id = pending.id,
    status = Status.Approved,
    description = "Approved by make demo",
    if_match = pending.etag,
  })

  say("3. What the service says now:")
  local after = assert(client:get { id = pending.id })
  return show(after) == Status.Approved
    and after.properties.provisioningState == "Succeeded"
end

local function main()
  local process, emulator = start_emulator(tonumber(arg[1] or 0))
  local ran, result = pcall(run, emulator)
  stop_emulator(process, emulator)
  if not ran then error(result, 0) end
  return result
end

local ran, approved = pcall(main)
if not ran then io.stderr:write("demo: ", tostring(approved), "\n") end
approved = ran and approved
say(approved and "Approved." or "Not approved.")
os.exit(approved and 0 or 1, true)
