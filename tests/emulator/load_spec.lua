-- What a request costs the emulator, in instructions of Lua: a big state costs a request no more than a small one.

local app = require "azpec.emulator.app"
local json = require "azpec.json"
local log = require "azpec.emulator.log"
local sample = require "azpec.emulator.sample"

local function accounts(count)
  local list = {}
  for a = 1, count do
    local connections = {}
    for c = 1, 5 do connections[c] = { name = ("pe%d.%d"):format(c, a), description = "ticket " .. c } end
    list[a] = { account_name = "acct" .. a, resource_group_name = "rg", connections = connections }
  end
  return list
end

-- An emulator in this process, and a token for it.
local function with(count)
  local emulator = app.new { spec = { accounts = accounts(count) }, sample = sample(), overrides = { [""] = {} },
    faults = {}, log = log.open(nil, false) }
  local given = sample()
  local path = ("/%s/oauth2/v2.0/token"):format(given.tenant_id)
  local answer = emulator.answer { method = "POST", target = path, path = path, query = "", params = {},
    repeated = {}, headers = { ["content-type"] = "application/x-www-form-urlencoded" },
    body = ("grant_type=client_credentials&client_id=%s&client_secret=%s&scope=%s"):format(given.client_id,
      "emulator%2Bsecret%2Fwith%26every%25kind%20of%3Dcharacter~1", "https%3A%2F%2Fmanagement.azure.com%2F.default") }
  return emulator, json.decode(answer.body).access_token
end

local function request(token, account, rest)
  local path = ("/subscriptions/%s/resourceGroups/rg/providers/Microsoft.Batch/batchAccounts/%s"):format(
    sample().subscription_id, account) .. "/privateEndpointConnections" .. rest
  return { method = "GET", target = path, path = path, query = "", params = { ["api-version"] = "2022-06-01" },
    repeated = {}, headers = { authorization = "Bearer " .. token }, body = "", origin = "http://127.0.0.1" }
end

-- Instructions that the answer to a request takes, when such a request has been answered before.
local function cost(count, account, rest)
  local emulator, token = with(count)
  assert.equal(200, emulator.answer(request(token, "acct1", "")).status)
  local instructions, wanted = 0, request(token, account, rest)
  debug.sethook(function () instructions = instructions + 1 end, "", 1)
  local answer = emulator.answer(wanted)
  debug.sethook()
  assert.equal(200, answer.status)
  return instructions
end

describe("a request to the emulator", function ()
  for _, case in ipairs { { "get", "/pe1.%d" }, { "list", "" } } do
    it("costs the same with 3 accounts and with 300: " .. case[1], function ()
      local rest = case[2]
      local few, many = cost(3, "acct3", rest:format(3)), cost(300, "acct300", rest:format(300))
      assert(many < 1.1 * few, ("%d and %d instructions"):format(few, many))
    end)
  end

  it("costs so few that it answers thousands of reads a second, as tests/bench/emulator.lua measures", function ()
    local get, list = cost(3, "acct3", "/pe1.3"), cost(3, "acct3", "")
    assert(get < 2500, get .. " instructions for a connection")
    assert(list < 7000, list .. " instructions for a list of 5")
  end)

  it("finds the rights decided already by a request to another account", function ()
    local emulator, token = with(2)
    local allows, rights = 0, require "azpec.rights"
    local real = rights.allows
    rights.allows = function (...)
      allows = allows + 1
      return real(...)
    end
    for account = 1, 2 do assert.equal(200, emulator.answer(request(token, "acct" .. account, "")).status) end
    rights.allows = real
    assert.equal(1, allows)
  end)
end)
