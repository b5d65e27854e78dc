-- kit.lua -- what the tests of the Lua module share: clients that reach nobody, and raised errors compared by text.
local azpec = require "azpec"

local kit = {}

kit.subscription = "3f1c2a54-6a1e-4b7d-9c55-0e8d1b2a7f10"
kit.id = "/subscriptions/" .. kit.subscription .. "/resourceGroups/rg/providers/Microsoft.Batch"
  .. "/batchAccounts/acct/privateEndpointConnections/pe.1"
kit.nowhere = "http://127.0.0.1:1" -- nobody listens on tcpmux: refused at once

-- A copy of base with the fields of more; kit.none takes one away.
kit.none = {}
function kit.merged(base, more)
  local t = {}
  for k, v in pairs(base) do t[k] = v end
  for k, v in pairs(more or {}) do
    if v == kit.none then t[k] = nil else t[k] = v end
  end
  return t
end

-- The options of a client whose every request is refused, and not tried again.
function kit.config(more)
  return kit.merged({
    endpoint = kit.nowhere, authority_host = kit.nowhere, proxy = "",
    subscription_id = kit.subscription,
    credential = azpec.credential.token { token = "a-ready-token" },
    retry = { max_tries = 1 }, timeout = kit.hang,
  }, more)
end

function kit.client(more)
  return azpec.client(kit.config(more))
end

-- A client whose operations stay alive: refused, they wait an hour for the next try.
function kit.patient(more)
  return kit.client(kit.merged({
    retry = { max_tries = 9, base_delay = 3600, max_delay = 86400 }, timeout = 80000,
  }, more))
end

-- The options of an update.
function kit.named(more)
  return kit.merged({
    resource_group_name = "rg", account_name = "acct",
    private_endpoint_connection_name = "pe.1", status = "Approved",
  }, more)
end

-- A continuation token as azpec writes it, for an operation that was begun elsewhere.
function kit.passport(more)
  return require "cjson".new().encode(kit.merged({
    azpec = 1, operation = "update", endpoint = kit.nowhere, id = kit.id, api_version = "2022-06-01",
    status = "Approved", poll = "resource", client_request_id = "r-1", changed = true,
  }, more))
end

-- What f raises, as text without the position; fails when it does not raise.
function kit.raised(f, ...)
  local ok, e = pcall(f, ...)
  if ok then error("it did not raise", 2) end
  return (tostring(e):gsub("^[%w_/.-]+%.lua:%d+: ", ""))
end

-- Seconds after which a call hangs. Nothing is judged by a shorter time.
kit.hang = 30 * (({ valgrind = 20, asan = 4 })[os.getenv "TEST_UNDER" or ""] or 1)

-- Steps until the poller has ended, or something else is so; false: that hangs.
function kit.drive(client, done)
  local deadline = kit.now() + kit.hang
  repeat
    client:step()
    if done() then return true end
  until kit.now() > deadline
  return false
end

local function quote(s)
  return "'" .. s:gsub("'", "'\\''") .. "'"
end

local variables = dofile "tests/tools/variables.lua"

-- Runs Lua text in a process of its own, with these variables in its environment and no others of Azure's; returns what
-- it wrote.
function kit.child(code, env, flags)
  local name = os.tmpname()
  local file = assert(io.open(name, "w"))
  file:write(code)
  file:close()
  local command = { "lua=$(command -v " .. (os.getenv "LUA" or "lua5.4") .. "); /usr/bin/env" } -- before PATH changes
  for _, v in ipairs(variables) do command[#command + 1] = "-u " .. v end
  for k, v in pairs(env or {}) do command[#command + 1] = k .. "=" .. quote(v) end
  command[#command + 1] = ('"$lua" %s %s 2>&1'):format(flags or "", name)
  local pipe <close> = assert(io.popen(table.concat(command, " ")))
  local out = pipe:read "a"
  os.remove(name)
  return (out:gsub("%s+$", ""))
end

-- An update by this credential, to the end.
function kit.use(c, more)
  local client <close> = kit.client(kit.merged({ credential = c }, more))
  return client:update(kit.named())
end

-- Seconds of a clock that runs while the process sleeps, to a hundredth.
function kit.now()
  local file <close> = assert(io.open "/proc/uptime")
  return file:read "n"
end

-- How many sockets this process has open.
function kit.sockets()
  local stat <close> = assert(io.open "/proc/self/stat")
  local pipe <close> = assert(io.popen("ls -l /proc/" .. stat:read "n" .. "/fd"))
  local n = 0
  for line in pipe:lines() do
    if line:find "socket:" then n = n + 1 end
  end
  return n
end

return kit
