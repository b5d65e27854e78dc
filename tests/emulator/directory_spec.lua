-- What the emulator serves around the connections, for clients of any language: the documents in which they find Entra
-- ID's endpoints and keys, tenants and subscriptions, the provider, and the api-versions.
package.path = "./tests/?.lua;" .. package.path

local cjson = require "cjson"
local bignum = require "openssl.bignum"
local digest = require "openssl.digest"
local pkey = require "openssl.pkey"
local api_versions = require "azpec.api_versions"
local jwt = require "azpec.emulator.jwt"
local t = require "loopback.support"

local emulator = t.emulator()

local function get(target, headers)
  local status, body = t.http(emulator.endpoint, "GET", target, nil, headers)
  return status, body ~= "" and cjson.decode(body) or nil
end

-- A new access token for that audience, as text.
local function token()
  local secret = t.secret:gsub("[^%w]", function (c) return ("%%%02X"):format(c:byte()) end)
  local form = "grant_type=client_credentials&scope=https%3A%2F%2Fmanagement.azure.com%2F.default"
    .. "&client_id=" .. emulator.client_id .. "&client_secret=" .. secret
  local status, body = t.http(emulator.endpoint, "POST", "/" .. emulator.tenant_id .. "/oauth2/v2.0/token", form,
    "Content-Type: application/x-www-form-urlencoded\r\n")
  assert.equal(200, status)
  return cjson.decode(body).access_token
end

local function arm(method, target, body, more)
  local status, answer, head = t.http(emulator.endpoint, method, target, body,
    "Authorization: Bearer " .. token() .. "\r\nContent-Type: application/json\r\n" .. (more or ""))
  return status, answer ~= "" and cjson.decode(answer) or nil, head
end

local function at(id, version) return id .. "?api-version=" .. version end

describe("the emulator's sign-in documents", function ()
  it("name endpoints of its own, for the tenant, its domain's aliases and both versions of the path", function ()
    for _, path in ipairs { "/v2.0/.well-known/openid-configuration", "/.well-known/openid-configuration" } do
      for _, tenant in ipairs { emulator.tenant_id, "common", "organizations" } do
        local status, found = get("/" .. tenant .. path)
        assert.equal(200, status)
        assert.equal(emulator.endpoint .. "/" .. tenant .. "/oauth2/v2.0/token", found.token_endpoint)
        assert.equal("https://sts.windows.net/" .. emulator.tenant_id .. "/", found.issuer)
      end
    end
  end)

  it("refuse a tenant that does not exist, as Entra ID words it", function ()
    local status, found = get "/11111111-2222-3333-4444-555555555555/v2.0/.well-known/openid-configuration"
    assert.equal(400, status)
    assert.matches("^AADSTS90002: ", found.error_description)
  end)

  it("have the key that verifies each access token issued later", function ()
    local _, document = get("/" .. emulator.tenant_id .. "/v2.0/.well-known/openid-configuration")
    local status, keys = get(document.jwks_uri:match "^http://[^/]+(.*)$")
    assert.equal(200, status)
    local read = jwt.read(token())
    local key = keys.keys[1]
    assert.equal(key.kid, read.header.kid)
    local public = pkey.new { type = "RSA", bits = 512 }
    public:setParameters { n = bignum.fromBinary(jwt.decode(key.n)), e = bignum.fromBinary(jwt.decode(key.e)) }
    assert.is_true(public:verify(read.signature, digest.new "sha256":update(read.signed)))
    assert.is_false(public:verify(read.signature, digest.new "sha256":update(read.signed .. "x")))
  end)

  it("name the authority that a library asks for among the aliases", function ()
    local status, found = get("/common/discovery/instance?api-version=1.1&authorization_endpoint="
      .. "https%3A%2F%2Flogin.microsoftonline.com%2Fcommon%2Foauth2%2Fv2.0%2Fauthorize")
    assert.equal(200, status)
    assert.same({ emulator.endpoint:match "//(.*)", "login.microsoftonline.com" }, found.metadata[1].aliases)
  end)
end)

describe("the emulator's directory", function ()
  it("lists the tenant, the subscriptions and the groups, and one subscription", function ()
    local _, tenants = arm("GET", "/tenants?api-version=2022-12-01")
    assert.equal(emulator.tenant_id, tenants.value[1].tenantId)
    local one = "/subscriptions/" .. emulator.subscription_id
    local _, subscription = arm("GET", at(one, "2022-12-01"))
    assert.equal("Enabled", subscription.state)
    local _, all = arm("GET", "/subscriptions?api-version=2022-12-01")
    assert.same(subscription, all.value[1])
    local names, _, groups = {}, arm("GET", at(one .. "/resourcegroups", "2021-04-01"))
    for n, group in ipairs(groups.value) do names[n] = group.name end
    assert.same({ "default-azurebatch-japaneast", "rg-contoso-prod", "検証-バッチ(東京)" }, names)
  end)

  it("shows Microsoft.Batch as registered, the newest api-version first, and its operations", function ()
    local _, provider = arm("GET", at("/subscriptions/" .. emulator.subscription_id .. "/providers/Microsoft.Batch",
      "2021-04-01"))
    assert.equal("Registered", provider.registrationState)
    assert.equal(api_versions.list[#api_versions.list], provider.resourceTypes[1].apiVersions[1])
    local _, operations = arm("GET", "/providers/Microsoft.Batch/operations?api-version=2022-06-01")
    assert.equal("Microsoft.Batch/batchAccounts/read", operations.value[1].name)
  end)
end)

describe("the emulator's api-versions", function ()
  it("are all those of Microsoft.Batch since 2020-05-01, each with the members of its time", function ()
    for _, version in ipairs(api_versions.list) do
      local status, found = arm("GET", at(emulator.sample, version))
      assert.equal(200, status, version)
      assert.equal(version >= "2022-06-01", found.properties.groupIds ~= nil, version)
      assert.equal(version >= "2025-06-01", found.systemData ~= nil, version)
    end
    assert.equal("2020-05-01", api_versions.list[1])
    local status, refused = arm("GET", at(emulator.sample, "2019-08-01"))
    assert.equal(400, status)
    assert.equal("InvalidApiVersionParameter", refused.error.code)
  end)

  it("have actionRequired before 2022-10-01 and actionsRequired since, where an option goes by them", function ()
    emulator:set { action_required_name = "auto" }
    for _, version in ipairs(api_versions.list) do
      local _, found = arm("GET", at(emulator.sample, version))
      local state, is_new = found.properties.privateLinkServiceConnectionState, version >= "2022-10-01"
      assert.same({ is_new, not is_new }, { state.actionsRequired ~= nil, state.actionRequired ~= nil }, version)
    end
    emulator:reset()
  end)

  it("take tags from 2024-07-01 on, and refuse them before", function ()
    local body = '{"tags":{"team":"batch"}}'
    assert.equal(400, (arm("PATCH", at(emulator.sample, "2024-02-01"), body)))
    assert.equal(202, (arm("PATCH", at(emulator.sample, "2024-07-01"), body)))
    emulator:reset()
  end)

  it("have no DELETE before 2022-06-01", function ()
    assert.equal(405, (arm("DELETE", at(emulator.sample, "2022-01-01"))))
    assert.equal(202, (arm("DELETE", at(emulator.sample, "2022-06-01"))))
    emulator:reset()
  end)
end)

describe("what was recorded of the service", function ()
  after_each(function () emulator:reset() end)

  it("is a DELETE that ignores If-Match, by an option", function ()
    local another = 'If-Match: "another"\r\n'
    assert.equal(412, (arm("DELETE", at(emulator.sample, "2022-06-01"), nil, another)))
    emulator:set { delete_if_match = "ignore" }
    assert.equal(202, (arm("DELETE", at(emulator.sample, "2022-06-01"), nil, another)))
  end)

  it("is one counter of reads for all regions, by an option", function ()
    local function counters()
      local _, _, head = arm("GET", at(emulator.sample, "2022-06-01"))
      local found = {}
      for name in head:lower():gmatch "x%-ms%-ratelimit%-remaining%-([%l-]+):" do found[#found + 1] = name end
      return table.concat(found, " ")
    end
    assert.equal("subscription-reads", counters())
    emulator:set { reads_counter = "global-reads" }
    assert.equal("subscription-global-reads", counters())
  end)

  it("is a long URL of an operation in each header, signed for that header, by an option", function ()
    emulator:set { operation_url_signature = "yes", poll_answer = "monitor", operation_polls = 1000 }
    local body = '{"properties":{"privateLinkServiceConnectionState":{"status":"Approved"}}}'
    local _, _, head = arm("PATCH", at(emulator.sample, "2022-06-01"), body)
    local urls, targets = {}, {}
    for n, header in ipairs { "Location", "Azure%-AsyncOperation" } do
      urls[n] = head:match("\n" .. header .. ": (http[^\r\n]+)")
      targets[n] = urls[n]:match "^http://[^/]+(.*)$"
      assert(#urls[n] > 2500 and #urls[n] < 3000, #urls[n])
      assert.equal(200, (arm("GET", targets[n])))
      assert.equal(400, (arm("GET", (targets[n]:gsub("&s=%x%x", "&s=..")))))
    end
    local function without_signature(url) return (url:gsub("&s=.*", "")) end
    assert.not_equal(urls[1], urls[2])
    assert.equal(without_signature(urls[1]), without_signature(urls[2]))
  end)
end)

describe("a PUT of a connection", function ()
  it("is what Azure CLI sends: the whole resource with another status; an option refuses it", function ()
    local _, resource = arm("GET", at(emulator.sample, "2022-06-01"))
    resource.properties.privateLinkServiceConnectionState.status = "Approved"
    resource.properties.privateLinkServiceConnectionState.description = cjson.null
    assert.equal(202, (arm("PUT", at(emulator.sample, "2022-06-01"), cjson.encode(resource))))
    emulator:reset()
    emulator:set { put = "refuse" }
    assert.equal(405, (arm("PUT", at(emulator.sample, "2022-06-01"), cjson.encode(resource))))
    emulator:reset()
  end)
end)
