-- What azpec and the emulator say to each other under each api-version, recorded by azpec.record and held to the REST
-- description by oav's live validator, Microsoft's own. The description is the one that @azure/arm-batch carries.
package.path = "./tests/?.lua;" .. package.path

local api_versions = require "azpec.api_versions"
local cjson = require "cjson"
local npm = require "loopback.npm"
local record = require "azpec.record"
local t = require "loopback.support"

local emulator = t.emulator()
local place, why_not = npm.installed "tests/peers/oav"

-- What is not as described, and why.
local deliberate = {
  { "GET OPERATION_NOT_FOUND_IN_CACHE privateEndpointConnectionResults" }, -- none describes an operation's own URL
  -- The service sends the later name under each api-version.
  { "GET response OBJECT_ADDITIONAL_PROPERTIES actionsRequired", before = "2022-06-01" },
  -- Later api-versions than the package's.
  { "GET response OBJECT_ADDITIONAL_PROPERTIES systemData", from = "2025-06-01" },
  -- The package gives a 202 the body in which the operation ends.
  { "PATCH response INVALID_CONTENT_TYPE", from = "2022-06-01" },
}

local function expected(version)
  local list = {}
  for _, one in ipairs(deliberate) do
    if version >= (one.from or "") and version < (one.before or "9") then list[#list + 1] = one[1] end
  end
  return list
end

local function read_all(client, account)
  for _, list in ipairs { "list", "list_private_link_resources" } do
    for _ in client[list](client, account) do end
  end
  for _ in client:list_accounts() do end
  assert(client:get_account(account))
  assert(client:get_private_link_resource(t.merged(account, { private_link_resource_name = "batchAccount" })))
end

-- Records one of each request that azpec sends; returns the file.
local function recorded(version)
  emulator:reset()
  local path = t.new_path "recording"
  local recorder <close> = record.start { file = path, endpoint = emulator.tls_endpoint,
    authority_host = emulator.tls_endpoint, ca_file = emulator.ca_file,
    lua = "env -u LD_PRELOAD " .. (os.getenv "LUA" or "lua5.4") }
  local client <close> = recorder:client { poll_interval = 0.01, timeout = t.hang, api_version = version,
    subscription_id = emulator.subscription_id, credential = emulator:credential() }
  read_all(client, { account_name = "sampleacct", resource_group_name = "default-azurebatch-japaneast" })
  local connection = assert(client:get { id = emulator.sample })
  local stale = t.call(emulator.sample, { status = "Approved", if_match = '"0x1"' })
  assert.equal(412, select(2, client:update(stale)).http_status)
  assert(client:update(t.call(emulator.sample, { status = "Approved", description = "a", if_match = connection.etag })))
  if api_versions.has(version, "DELETE") then
    assert(client:delete { id = emulator.sample })
    assert.equal(404, select(2, client:get { id = emulator.sample }).http_status)
  end
  recorder:close()
  return path
end

-- @azure/arm-batch describes 2023-11-01, its fifth release 2020-09-01.
local function package_of(version)
  return version < "2022-06-01" and "arm-batch-2020" or "@azure/arm-batch"
end

local found

local function run()
  found = {}
  local lock = cjson.decode(t.read "tests/peers/oav/package-lock.json").packages
  print("# client: oav's live validator: " .. lock["node_modules/oav"].version)
  local recordings = {}
  for n, version in ipairs(api_versions.list) do
    recordings[n] = { version = version, name = package_of(version), recording = recorded(version) }
  end
  local config = t.write(t.new_path "config", cjson.encode { recordings = recordings,
    folder = t.new_path "specification" })
  t.write(place .. "/validate.mjs", t.read "tests/peers/oav/validate.mjs")
  local pipe <close> = assert(io.popen(("cd %s && exec env -u LD_PRELOAD node validate.mjs %s"):format(
    t.quote(place), t.quote(config))))
  found = cjson.decode(pipe:read "a")
end

describe("oav's live validator", function ()
  for _, version in ipairs(api_versions.list) do
    it("finds requests and answers under " .. version .. " as described, but for what is deliberate", function ()
      if not place then return pending(why_not) end
      if not found then run() end
      assert.same(expected(version), found[version])
    end)
  end
end)
