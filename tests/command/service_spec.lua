-- Answers of a service that is not as it should be: the exit code, whose words a message has, and what is not written.

local assert = require "luassert"
local kit = require "command.kit"
local t = require "loopback.support"

local json = { t.json_type }
local refusal = '{"error":{"code":"C","message":"m"}}'

-- Runs azpec against a server of these rules; the result and the server.
local function run(rules, line, more)
  local server = t.server(rules)
  local verb, rest = line:match "^(%S+) ?(.*)$"
  return kit.run(("%s --credential token --endpoint %s --interval 0.02 --timeout 20 %s"):format(verb, server.endpoint,
    rest), t.merged({ env = { AZURE_ACCESS_TOKEN = t.canary } }, more or {})), server
end

describe("a write whose end is not known", function ()
  after_each(t.tidy)
  teardown(t.close)

  for status, kind in pairs { [401] = "credential", [403] = "forbidden", [404] = "not_found" } do
    it("ends with 8 where the polls answer " .. status, function ()
      local result = run({
        { method = "PATCH", status = 202, headers = { t.json_type, "Azure-AsyncOperation: {origin}/poll" }, body = "" },
        { path = "privateEndpointConnections/", times = 1, headers = json, body = t.connection_json "Pending" },
        { status = status, headers = json, body = refusal },
      }, "approve " .. t.id .. " -o json")
      local told = kit.json(kit.ended(8, result).err, kit.failure)
      assert.equal(kind, told.error.kind)
      assert.is_string(told.error.continuation_token)
      assert.matches("^azpec resume .* %-$", told.resume)
    end)
  end
end)
