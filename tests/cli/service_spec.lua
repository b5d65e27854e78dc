-- Answers of a service that is not as it should be: the exit code, whose words a message has, and what is not written.

local assert = require "luassert"
local journal = require "azpec.journal"
local cjson = require "cjson"
local kit = require "cli.kit"
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
      }, "approve --max-tries 2 " .. t.id .. " -o json")
      local told = kit.json(kit.ended(8, result).err, kit.failure)
      assert.equal(kind, told.error.kind)
      assert.is_string(told.error.continuation_token)
      assert.matches("^azpec resume .* %-$", told.resume)
    end)
  end
end)

describe("an answer that every try gets", function ()
  after_each(t.tidy)
  teardown(t.close)

  it("ends with 9 if a later try may succeed, and else with 7", function ()
    for status, code in pairs { [408] = 9, [429] = 9, [500] = 9, [502] = 9, [503] = 9, [504] = 9, [400] = 7,
      [501] = 7 } do
      local rules = { { status = status, headers = json, body = refusal } }
      kit.ended(code, (run(rules, "show --max-tries 1 " .. t.id)))
      local told = kit.json(kit.ended(code, (run(rules, "show --max-tries 1 -o json " .. t.id))).err, kit.failure)
      assert.equal(code, told.exit_code)
    end
  end)
end)

describe("the service's own words", function ()
  after_each(t.tidy)
  teardown(t.close)

  local said = "'client_assertion' or 'client_secret' and if_match, see `proxy`, or ask; check client_id and tenant_id"

  it("stay as they are in a refused request, in each format", function ()
    for _, code in ipairs { "account_name", "C" } do
      local rules = { { status = 400, headers = json, body = ('{"error":{"code":"%s","message":"%s"}}'):format(code,
        said) } }
      local message = code .. ": " .. said .. " (HTTP 400)"
      local result = kit.ended(7, (run(rules, "show " .. t.id)))
      assert.equal("azpec: " .. message, result.err:match "^[^\n]*")
      result = kit.ended(7, (run(rules, "show -o json " .. t.id)))
      assert.equal(message, kit.json(result.err, kit.failure).error.message)
    end
  end)

  it("stay as they are in a refused sign-in", function ()
    local server = t.server { { status = 401, headers = json,
      body = ('{"error":"invalid_client","error_description":"AADSTS7000218: %s"}'):format(said) } }
    local result = kit.ended(4, kit.run(("show --credential client-secret --endpoint %s --authority-host %s %s"):format(
      server.endpoint, server.endpoint, t.id), { env = { AZURE_TENANT_ID = t.id:match "^/[^/]+/([^/]+)",
      AZURE_CLIENT_ID = "c", AZURE_CLIENT_SECRET = "s" } }))
    assert.matches("AADSTS7000218: " .. said, result.err, 1, true)
  end)

  it("and those of a rules file name its own fields", function ()
    local rules = t.write(t.new_path "rules", 'approve "a" { when = { account_name = 5 } }\n')
    local result = kit.ended(2, kit.run("auto --rules " .. rules .. " --credential token"))
    assert.matches("account_name", result.err, 1, true)
    assert.falsy(result.err:find("--account", 1, true), result.err)
  end)
end)

describe("an item of a list", function ()
  after_each(t.tidy)
  teardown(t.close)

  local account = t.id:match "^(.*)/privateEndpointConnections/"
  local subscription, group, name =
    t.id:match "^/subscriptions/([^/]+)/resourceGroups/([^/]+)/.*/batchAccounts/([^/]+)/"
  local foreign = "aaaaaaaa-6a1e-4b7d-9c55-0e8d1b2a7f10"
  local at_account = ("-g %s --account %s"):format(group, name)

  -- What comes of `approve --all` where the lists of accounts and of connections have these ids.
  local function approve(account_id, connection_id, where)
    local connections = '{"value":[' .. t.connection_json "Pending":gsub('"id":"[^"]*"', function ()
      return '"id":"' .. connection_id .. '"'
    end) .. "]}"
    local result, server = run({
      { path = "/privateEndpointConnections", headers = json, body = connections },
      { headers = json, body = '{"value":[{"id":"' .. account_id .. '"}]}' } },
      "approve --all --yes -o json " .. where, { env = { AZURE_ACCESS_TOKEN = t.canary,
        AZURE_SUBSCRIPTION_ID = subscription } })
    return result, server
  end

  for what, ids in t.each {
    ["of another subscription"] = { nil, t.id:gsub("^/subscriptions/[^/]+", "/subscriptions/" .. foreign), at_account },
    ["of another resource group"] = { nil, t.id:gsub("/resourceGroups/[^/]+", "/resourceGroups/other"), at_account },
    ["of another account"] = { nil, t.id:gsub("/batchAccounts/[^/]+", "/batchAccounts/other"), at_account },
    ["that is no connection"] = { nil, account, at_account },
    ["whose last name is '..'"] = { nil, t.id:gsub("[^/]+$", ".."), at_account },
    ["that is an account of another subscription"] = {
      account:gsub("^/subscriptions/[^/]+", "/subscriptions/" .. foreign), nil, "" },
    ["that is an account of another resource group"] = { account:gsub("/resourceGroups/[^/]+", "/resourceGroups/x"),
      nil, "-g " .. group },
    ["that is no account"] = { "/subscriptions/" .. subscription, nil, "" },
  } do
    it(what .. " is refused by its id, and nothing is written", function ()
      local result, server = approve(ids[1] or account, ids[2] or t.id, ids[3])
      local told = kit.json(kit.ended(1, result).err, kit.failure).error
      assert.equal("protocol", told.kind)
      assert.matches(ids[1] or ids[2], told.message, 1, true)
      for _, request in ipairs(server:requests()) do assert.equal("GET", request.method) end
    end)
  end

  it("in other letters is the one that was asked for", function ()
    local result = approve(account:upper(), t.id:upper(), "--dry-run")
    kit.ended(0, result)
  end)
end)

describe("an ETag that cannot be given back", function ()
  after_each(t.tidy)
  teardown(t.close)

  local where = "--id " .. t.id:match "^(.*)/privateEndpointConnections/"
  local rules_file

  for what, etag in t.each { empty = '""', ["no string"] = "5", ["with a line end"] = '"a\\r\\nb"',
    ["too long"] = '"' .. ("x"):rep(1025) .. '"' } do
    it("is an error that names the connection, and nothing is written: " .. what, function ()
      rules_file = t.write(t.new_path "rules", 'approve "a" { when = { name = "pec.*" } }\n')
      local connection = t.connection_json("Pending"):gsub('"etag":"W\\/\\"0x1\\""', function ()
        return '"etag":' .. etag
      end)
      assert.matches(etag, connection, 1, true)
      for _, line in ipairs { "approve --all --yes " .. where, "reject --status Pending --yes " .. where,
        "delete --status Pending --yes " .. where, "auto --apply --rules " .. rules_file .. " " .. where,
        "plan --out - --rules " .. rules_file .. " " .. where } do
        local result, server = run({ { path = "/privateEndpointConnections/", headers = json, body = connection },
          { headers = json, body = '{"value":[' .. connection .. "]}" } }, line .. " -o json")
        local told = kit.json(kit.ended(1, result).err, kit.failure).error
        assert.equal("protocol", told.kind, line)
        assert.matches("ETag", told.message)
        assert.matches(t.id, told.message, 1, true)
        for _, request in ipairs(server:requests()) do assert.equal("GET", request.method) end
      end
    end)
  end
end)

-- A connection as JSON, in which the members that a function changes are of a type that ARM does not have for them.
local function odd(status, change)
  local connection = cjson.decode(t.connection_json(status))
  change(connection, connection.properties)
  return cjson.encode(connection)
end

local oddities = {
  ["the provisioning state a number"] = function (_, properties) properties.provisioningState = 5 end,
  ["the description a table"] = function (_, properties)
    properties.privateLinkServiceConnectionState.description = { a = 1 }
  end,
  ["the description null"] = function (_, properties)
    properties.privateLinkServiceConnectionState.description = cjson.null
  end,
  ["the ETag a table"] = function (connection) connection.etag = { a = 1 } end,
  ["group ids that are tables"] = function (_, properties) properties.groupIds = { { a = 1 }, "batchAccount" } end,
  ["no private endpoint but a text"] = function (_, properties) properties.privateEndpoint = "x" end,
  ["the name a table"] = function (connection) connection.name = { a = 1 } end,
  ["no properties but a truth value"] = function (connection) connection.properties = true end,
}

describe("a connection of odd types", function ()
  after_each(t.tidy)
  teardown(t.close)

  for what, change in t.each(oddities) do
    it("is shown and listed, in each format: " .. what, function ()
      local connection = odd("Approved", change)
      for _, format in ipairs { "table", "json", "csv" } do
        local rules = { { path = "/privateEndpointConnections/", headers = json, body = connection },
          { headers = json, body = '{"value":[' .. connection .. "]}" } }
        for _, verb in ipairs { "show " .. t.id, "list --id " .. t.id:match "^(.*)/privateEndpointConnections/" } do
          local result = kit.ended(0, (run(rules, verb .. " -o " .. format)))
          assert.matches(t.id:match "[^/]*$", result.out, 1, true)
          assert.is_nil(result.err:find "traceback")
        end
      end
    end)

    it("leaves a trail that is as it was written: " .. what, function ()
      local trail = t.new_path "trail"
      local result, server = run({
        { method = "GET", times = 1, headers = json, body = t.connection_json "Pending" },
        { method = "PATCH", headers = json, body = t.connection_json "Approved" },
        { headers = json, body = odd("Approved", change) },
      }, "approve " .. t.id .. " --timeout 1 --journal " .. trail)
      assert.is_nil(result.err:find("traceback", 1, true), result.err)
      assert.is_nil(result.err:find("raised an error", 1, true), result.err)
      local records, report = journal.read(trail)
      assert.same({}, report.problems)
      assert.equal("intent", records[1].event)
      assert.equal("result", records[#records].event)
      assert.equal("PATCH", server:requests()[2].method)
    end)

    it("is approved, and the trail is as it was written: " .. what, function ()
      local trail = t.new_path "trail"
      local result = run({
        { method = "PATCH", headers = json, body = odd("Approved", change) },
        { headers = json, body = odd("Pending", change) },
      }, "approve " .. t.id .. " --timeout 1 --journal " .. trail)
      assert.is_nil(result.err:find("traceback", 1, true), result.err)
      assert.is_nil(result.err:find("raised an error", 1, true), result.err)
      if t.read(trail) then assert.same({}, (select(2, journal.read(trail))).problems) end
    end)
  end
end)
