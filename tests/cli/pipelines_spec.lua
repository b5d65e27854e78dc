-- The command in a job of GitHub Actions or Azure Pipelines: what it finds there, and what it says is missing.

local assert = require "luassert"
local kit = require "cli.kit"
local support = require "loopback.support"

local emulator, azpec = kit.stage()

local bearer = "emulator-pipeline-token"
local sample = "testprivateEndpointConnection5.24d6b4b5-e65c-4330-bbe9-3a290d62f8e0"

-- What each service puts into a job's environment, and what the job adds.
local function jobs()
  return {
    ["github-actions"] = { ACTIONS_ID_TOKEN_REQUEST_URL = emulator.endpoint .. "/actions/idtoken?api-version=2.0",
      ACTIONS_ID_TOKEN_REQUEST_TOKEN = bearer, AZURE_TENANT_ID = emulator.tenant_id,
      AZURE_CLIENT_ID = emulator.client_id, AZURE_SUBSCRIPTION_ID = emulator.subscription_id },
    ["azure-pipelines"] = { SYSTEM_OIDCREQUESTURI = emulator.endpoint .. "/pipelines/oidctoken",
      SYSTEM_ACCESSTOKEN = bearer, AZURESUBSCRIPTION_TENANT_ID = emulator.tenant_id,
      AZURESUBSCRIPTION_CLIENT_ID = emulator.client_id,
      AZURESUBSCRIPTION_SERVICE_CONNECTION_ID = "c8a7e1d4-2b93-4f60-9a15-7e3d0b6c5f21",
      AZURE_SUBSCRIPTION_ID = emulator.subscription_id },
  }
end

local function runs(credential, env)
  local result = kit.run(("approve --credential %s --account sampleacct --name 'test*' --max 5 %s"):format(credential,
    kit.address(emulator)), { env = env })
  assert.is_nil((result.out .. result.err):find(bearer, 1, true))
  return result
end

local function without(env, name)
  env[name] = nil
  return env
end

describe("a pipeline's job", function ()
  for credential in support.each { ["github-actions"] = 1, ["azure-pipelines"] = 1 } do
    it("approves: " .. credential, function ()
      local result = runs(credential, jobs()[credential])
      assert.equal(sample .. ": Approved (was Pending)\n", result.out)
      assert.equal("", result.err)
      assert.equal(0, result.code)
    end)

    it("by --tenant-id and --client-id: " .. credential, function ()
      local env = jobs()[credential]
      for name in pairs(env) do
        if name:find "TENANT_ID$" or name:find "CLIENT_ID$" then env[name] = nil end
      end
      kit.ended(0, kit.run(("list --credential %s --tenant-id %s --client-id %s --account sampleacct %s"):format(
        credential, emulator.tenant_id, emulator.client_id, kit.address(emulator)), { env = env }))
    end)

    it("has its credential's variables in doctor's list: " .. credential, function ()
      local result = kit.run(("doctor --check signin --credential %s %s"):format(credential, kit.address(emulator)),
        { env = jobs()[credential] })
      assert.equal(0, result.code, result.err)
      assert.matches("ok +signin +" .. credential:gsub("%-", "_") .. " as " .. emulator.client_id:gsub("%-", "%%-"),
        result.out)
      local seen = result.out:match "seen: ([^\n]*)"
      for name in support.each(jobs()[credential]) do assert.truthy(seen:find(name, 1, true), name) end
    end)
  end

  it("without its permission is told which: 4", function ()
    local result = runs("github-actions", without(jobs()["github-actions"], "ACTIONS_ID_TOKEN_REQUEST_URL"))
    assert.equal(4, result.code)
    assert.truthy(result.err:find("ACTIONS_ID_TOKEN_REQUEST_URL is missing; the job needs 'permissions: id-token: "
      .. "write'", 1, true), result.err)
  end)

  it("without the system's access token is told how to map it: 4", function ()
    local result = runs("azure-pipelines", without(jobs()["azure-pipelines"], "SYSTEM_ACCESSTOKEN"))
    assert.equal(4, result.code)
    assert.truthy(result.err:find("'env: SYSTEM_ACCESSTOKEN: $(System.AccessToken)'", 1, true), result.err)
  end)

  it("with a connection's name is told of the variable", function ()
    local env = support.merged(jobs()["azure-pipelines"], { AZURESUBSCRIPTION_SERVICE_CONNECTION_ID = "batch" })
    local result = runs("azure-pipelines", env)
    assert.equal(4, result.code)
    assert.truthy(result.err:find("that AZURESUBSCRIPTION_SERVICE_CONNECTION_ID is the id (not the name)", 1, true),
      result.err)
  end)

  it("takes no secret beside it: 2", function ()
    local result = kit.ended(2, azpec("list", "--credential github-actions --client-secret-file x"))
    assert.truthy(result.err:find("--client-secret-file has no effect with --credential github-actions", 1, true),
      result.err)
  end)
end)
