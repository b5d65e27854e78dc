-- The parts of Azure Resource Manager around the resources: tenants, subscriptions, resource groups, the registration
-- and the operations of Microsoft.Batch, and the discovery of the cloud.

local api_versions = require "azpec.api_versions"
local json = require "azpec.json"
local lookup = require "azpec.emulator.lookup"
local paging = require "azpec.emulator.paging"
local reply = require "azpec.emulator.reply"

local kinds = {}

-- The discovery of the cloud, which needs no token.
function kinds.metadata(_, request)
  local cloud = {
    name = "AzureCloud", portal = "https://portal.azure.com", resourceManager = request.origin .. "/",
    authentication = { loginEndpoint = request.origin, tenant = "common", identityProvider = "AAD",
      audiences = { "https://management.core.windows.net/", "https://management.azure.com/" } },
    suffixes = { keyVaultDns = "vault.azure.net", storage = "core.windows.net" },
    media = "https://rest.media.azure.net", gallery = "https://gallery.azure.com/",
  }
  local is_old = request.params["api-version"] < "2020-01-01"
  return reply.json(200, is_old and { cloud } or cloud)
end

-- "Tenants - List"
function kinds.tenants(self)
  local world = self.world
  return reply.json(200, { value = { { id = "/tenants/" .. world.tenant_id, tenantId = world.tenant_id,
    countryCode = "JP", displayName = "Contoso", defaultDomain = world.tenant_domain,
    domains = json.list { world.tenant_domain }, tenantCategory = "Home", tenantType = "AAD" } } })
end

local function subscription_body(self, subscription)
  return { id = "/subscriptions/" .. subscription.id, subscriptionId = subscription.id,
    tenantId = self.world.tenant_id, displayName = subscription.name, state = subscription.state,
    subscriptionPolicies = { locationPlacementId = "Public_2014-09-01", quotaId = "PayAsYouGo_2014-09-01",
      spendingLimit = "Off" },
    authorizationSource = "RoleBased", managedByTenants = json.list() }
end

-- "Subscriptions - List"
function kinds.subscriptions(self, request)
  return paging.reply(request, self.world.options, self.world:subscription_list(), function (subscription)
    return subscription_body(self, subscription)
  end)
end

-- "Subscriptions - Get"
function kinds.subscription(self, _, route)
  return reply.json(200, subscription_body(self, lookup.subscription(self, route.names)))
end

-- "Resource Groups - List"
function kinds.groups(self, request, route)
  local subscription, groups = lookup.subscription(self, route.names), {}
  for _, name in pairs(subscription.groups) do groups[#groups + 1] = { name = name } end
  table.sort(groups, function (a, b) return a.name < b.name end)
  for serial, group in ipairs(groups) do group.serial = serial end
  return paging.reply(request, self.world.options, groups, function (group)
    return { id = ("/subscriptions/%s/resourceGroups/%s"):format(subscription.id, group.name), name = group.name,
      type = "Microsoft.Resources/resourceGroups", location = "japaneast",
      properties = { provisioningState = "Succeeded" } }
  end)
end

local types = { "batchAccounts", "batchAccounts/privateEndpointConnections", "batchAccounts/privateLinkResources",
  "operations" }

-- "Providers - Get", of Microsoft.Batch. The newest api-version comes first.
function kinds.provider(self, _, route)
  local subscription, versions, resources = lookup.subscription(self, route.names), api_versions.with "GET", {}
  for index, name in ipairs(types) do
    resources[index] = { resourceType = name, locations = { "Japan East", "West Europe" }, apiVersions = versions,
      capabilities = "None" }
  end
  return reply.json(200, { id = ("/subscriptions/%s/providers/Microsoft.Batch"):format(subscription.id),
    namespace = "Microsoft.Batch", resourceTypes = resources, registrationState = "Registered",
    registrationPolicy = "RegistrationRequired" })
end

local operations = {
  { "batchAccounts/read", "Batch Account", "Get or list Batch accounts" },
  { "batchAccounts/privateEndpointConnections/read", "Private Endpoint Connection",
    "Get or list Private endpoint connections" },
  { "batchAccounts/privateEndpointConnections/write", "Private Endpoint Connection",
    "Update an existing Private endpoint connection" },
  { "batchAccounts/privateEndpointConnections/delete", "Private Endpoint Connection",
    "Delete a Private endpoint connection" },
  { "batchAccounts/privateLinkResources/read", "Private Link Resource", "Get or list Private link resources" },
}

-- "Operations - List", those of the routes that the emulator has.
function kinds.operations()
  local value = {}
  for index, operation in ipairs(operations) do
    value[index] = { name = "Microsoft.Batch/" .. operation[1], isDataAction = false, origin = "user,system",
      display = { provider = "Microsoft Batch", resource = operation[2], operation = operation[3],
        description = operation[3] } }
  end
  return reply.json(200, { value = value })
end

return kinds
