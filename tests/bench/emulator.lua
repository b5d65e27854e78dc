-- emulator.lua [SECONDS] -- the emulator with 1,000 accounts of 20 connections: how long it takes to listen, and how
-- many reads it answers over eight connections that are kept, in a second and in a second of its CPU time.
package.path = "./scripts/?.lua;" .. package.path

local azpec_emulator = require "azpec.emulator"
local cqueues = require "cqueues"
local http_client = require "azpec.emulator.http_client"
local json = require "azpec.json"
local socket = require "cqueues.socket"
local text = require "azpec.emulator.text"

local seconds, width, account_count, connection_count = tonumber(arg[1]) or 3, 8, 1000, 20

local function name_of(account, connection)
  return ("pe%02d.5a7e0001-91c4-4d2b-8f36-%06x%06x"):format(connection, account, connection)
end

local function accounts()
  local list = {}
  for a = 1, account_count do
    local connections = {}
    for c = 1, connection_count do
      connections[c] = { name = name_of(a, c), status = c % 2 == 0 and "Approved" or "Pending",
        description = "ticket " .. a * 100 + c }
    end
    list[a] = { account_name = ("acct%04d"):format(a), resource_group_name = ("rg-%02d"):format(a % 50),
      connections = connections }
  end
  return list
end

-- Its CPU time so far, in seconds.
local function cpu(emulator)
  local file <close> = assert(io.open(("/proc/%d/stat"):format(emulator.pid)))
  local user, system = file:read "a":match "%) %S+ %S+ %S+ %S+ %S+ %S+ %S+ %S+ %S+ %S+ %S+ (%d+) (%d+)"
  return (user + system) / 100
end

local function say(title, format, ...)
  print(("%-44s "):format(title) .. format:format(...))
end

local function exchange(sock, head)
  sock:xwrite(head, "bn")
  local line, length = sock:xread("*l", "b"), nil
  assert(line and line:find " 200 ", line)
  repeat
    line = sock:xread("*l", "b")
    length = length or line:match "^Content%-Length: (%d+)"
  until #line <= 1
  return sock:xread(tonumber(length), "b")
end

local function connect(emulator)
  local sock = socket.connect("127.0.0.1", tonumber(emulator.endpoint:match ":(%d+)$"))
  sock:setmode("bn", "bn")
  return sock
end

local function token_of(emulator)
  local form = ("grant_type=client_credentials&client_id=%s&client_secret=%s&scope=%s"):format(emulator.client_id,
    text.percent_encode(emulator.client_secret), text.percent_encode "https://management.azure.com/.default")
  local _, answer = http_client.request(emulator.endpoint, "POST", ("/%s/oauth2/v2.0/token"):format(emulator.tenant_id),
    form, "Content-Type: application/x-www-form-urlencoded\r\n")
  return json.decode(answer).access_token
end

local function head(emulator, account, rest, token)
  return ("GET /subscriptions/%s/resourceGroups/rg-%02d/providers/Microsoft.Batch/batchAccounts/acct%04d"
    .. "/privateEndpointConnections%s?api-version=2024-07-01 HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    .. "Authorization: Bearer %s\r\nAccept: application/json\r\n\r\n"):format(
    emulator.subscription_id, account % 50, account, rest, token)
end

-- Reads over kept connections until the time is over: how many.
local function read(emulator, token, rest_of)
  local done, stop = 0, cqueues.monotime() + seconds
  local loop = cqueues.new()
  for one = 1, width do
    loop:wrap(function ()
      local sock, account = connect(emulator), one
      while cqueues.monotime() < stop do
        account = account % account_count + 1
        exchange(sock, head(emulator, account, rest_of(account), token))
        done = done + 1
      end
      sock:close()
    end)
  end
  assert(loop:loop())
  return done
end

local state = { accounts = accounts() }
local begun = cqueues.monotime()
local emulator <close> = azpec_emulator.start { state = state, lua = "lua5.4" }
say("  until it listens, ms; CPU", "%10.0f %10.0f", (cqueues.monotime() - begun) * 1000, cpu(emulator) * 1000)
local token = token_of(emulator)
for _, kind in ipairs {
  { "  reads of a connection a second; of CPU", function (account) return "/" .. name_of(account, 1) end },
  { "  lists of 20 a second; of CPU", function () return "" end },
} do
  local before = cpu(emulator)
  local done = read(emulator, token, kind[2])
  say(kind[1], "%10.0f %10.0f", done / seconds, done / (cpu(emulator) - before))
end
