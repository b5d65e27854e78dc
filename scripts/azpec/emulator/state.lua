-- The world that the emulator plays: one tenant, its application, the Batch accounts and their connections.

local check = require "azpec.emulator.check"
local ids = require "azpec.emulator.ids"
local json = require "azpec.json"
local jwt = require "azpec.emulator.jwt"
local options = require "azpec.emulator.options"

local state = {}
state.__index = state

local word, segment = { is = "string" }, { is = "string", match = "^[^/?#%c]+$" }
local option_table = { with = function (value, path) return options.check(value, path) end }

local connection_schema = {
  name = { is = "string", match = "^[^/?#%c]+$", required = true },
  status = word, description = word, actions_required = word, provisioning_state = word, etag = word,
  private_endpoint_id = word, group_ids = { list = word }, tags = { map = word },
  properties = { map = { is = "any" } }, options = option_table,
}

local link_schema = {
  name = { is = "string", match = "^[^/?#%c]+$", required = true },
  group_id = word, required_members = { list = word }, required_zone_names = { list = word },
}

local permission_schema = {
  actions = { list = word }, not_actions = { list = word }, data_actions = { list = word },
  not_data_actions = { list = word },
}

local account_schema = {
  name = { is = "string", match = "^[^/?#%c]+$", required = true },
  resource_group = { is = "string", match = "^[^/?#%c]+$", required = true },
  subscription_id = segment, location = word, account_endpoint = word, tags = { map = word }, options = option_table,
  connections = { list = { record = connection_schema } },
  private_link_resources = { list = { record = link_schema } },
  permissions = { list = { record = permission_schema } },
}

local certificate = { with = function (value, path)
  local ok, read = pcall(jwt.certificate, check.value(value, word, path))
  if not ok then check.fail(path, "a certificate (PEM) expected") end
  return read
end }

local identity_schema = {
  client_id = { is = "string", required = true }, object_id = word, resource_id = word,
}

local state_schema = {
  subscription_id = { is = "string", match = "^[^/?#%c]+$", required = true },
  tenant_id = { is = "string", match = "^[%w.-]+$", required = true },
  tenant_domain = { is = "string", match = "^[%w.-]+$" },
  client_id = { is = "string", required = true },
  client_secret = { is = "string", required = true },
  resource_groups = { list = segment },
  options = option_table,
  certificates = { list = certificate }, federated_tokens = { list = word },
  identity_header = word, arc_key_file = word, arc_realm = word,
  user_identities = { list = { record = identity_schema } },
  permissions = { list = { record = permission_schema } },
  accounts = { list = { record = account_schema }, required = true },
}

local function group_id(subscription, group)
  return ("/subscriptions/%s/resourceGroups/%s"):format(subscription.id, group)
end

local function add_subscription(world, id)
  local key = id:lower()
  world.subscriptions[key] = world.subscriptions[key] or { id = id, groups = {}, accounts = {} }
  return world.subscriptions[key]
end

local function add_group(subscription, name)
  local key = name:lower()
  subscription.groups[key] = subscription.groups[key] or name
  return subscription.groups[key]
end

local default_links = {
  { name = "batchAccount", required_zone_names = { "privatelink.batch.azure.com" } },
  { name = "nodeManagement", required_zone_names = { "privatelink.batch.azure.com" } },
}

local function add_links(account, links)
  for index, link in ipairs(links) do
    account.links[index] = {
      id = account.id .. "/privateLinkResources/" .. link.name,
      name = link.name,
      type = "Microsoft.Batch/batchAccounts/privateLinkResources",
      properties = {
        groupId = link.group_id or link.name,
        requiredMembers = json.list(link.required_members or { link.group_id or link.name }),
        requiredZoneNames = json.list(link.required_zone_names or {}),
      },
    }
  end
end

-- The built-in role Contributor.
local default_permissions = {
  { actions = { "*" }, not_actions = { "Microsoft.Authorization/*/Delete", "Microsoft.Authorization/*/Write",
      "Microsoft.Authorization/elevateAccess/Action" } },
}

local function add_permissions(account, permissions)
  account.permissions = {}
  for serial, given in ipairs(permissions) do
    local permission = { serial = serial }
    for name in pairs(permission_schema) do permission[name] = json.list(given[name] or {}) end
    account.permissions[serial] = permission
  end
end

local function endpoint_of(account, name)
  return ("%s/providers/Microsoft.Network/privateEndpoints/%s"):format(account.group_id, name:match "^[^.]*")
end

function state:new_tag(connection)
  local tag = self.tags(self.clock:now())
  return connection.options.etag_form == "weak" and "W/" .. tag or tag
end

-- The layers of options that belong to a scope: what its file says, under what the command line says for it.
local function layers(world, values, scope, below)
  local file = options.layer(values or {}, below)
  return options.layer({}, function (_, name)
    local override = world.overrides[scope]
    if override and override[name] ~= nil then return override[name] end
    return file[name]
  end)
end

local function add_connection(world, account, spec, path)
  local key = spec.name:lower()
  if account.by_name[key] then check.fail(path, "a second connection named '%s'", spec.name) end
  local connection = {
    account = account,
    id = account.id .. "/privateEndpointConnections/" .. spec.name,
    name = spec.name,
    serial = #account.connections + 1,
    status = spec.status or "Pending",
    description = spec.description,
    actions_required = spec.actions_required or "None",
    provisioning_state = spec.provisioning_state or "Succeeded",
    private_endpoint_id = spec.private_endpoint_id or endpoint_of(account, spec.name),
    group_ids = json.list(spec.group_ids or { "batchAccount" }),
    tags = spec.tags,
    properties = spec.properties or {},
    options = layers(world, spec.options, account.name:lower() .. "/" .. key, account.options),
    modified = world.clock:now(),
    created = world.clock:now(),
  }
  connection.etag = spec.etag or world:new_tag(connection)
  account.by_name[key] = connection
  account.connections[#account.connections + 1] = connection
end

local function add_account(world, spec, path)
  local subscription = add_subscription(world, spec.subscription_id or world.subscription_id)
  local group = add_group(subscription, spec.resource_group)
  local key = group:lower() .. "/" .. spec.name:lower()
  if subscription.accounts[key] then check.fail(path, "a second account named '%s'", spec.name) end
  local account = {
    id = ("%s/providers/Microsoft.Batch/batchAccounts/%s"):format(group_id(subscription, group), spec.name),
    name = spec.name, group = group, group_id = group_id(subscription, group), subscription = subscription,
    location = spec.location or "japaneast", tags = spec.tags, endpoint = spec.account_endpoint,
    options = layers(world, spec.options, spec.name:lower(), world.options),
    connections = {}, by_name = {}, links = {},
  }
  account.endpoint = account.endpoint or ("%s.%s.batch.azure.com"):format(account.name, account.location)
  subscription.accounts[key] = account
  world.accounts[#world.accounts + 1] = account
  account.serial = #world.accounts
  add_links(account, spec.private_link_resources or default_links)
  add_permissions(account, spec.permissions or world.permissions)
  for index, connection in ipairs(spec.connections or {}) do
    add_connection(world, account, connection, ("%s.connections[%d]"):format(path, index))
  end
end

local function known_scopes(world)
  local scopes = { [""] = true }
  for _, account in ipairs(world.accounts) do
    scopes[account.name:lower()] = true
    for name in pairs(account.by_name) do scopes[account.name:lower() .. "/" .. name] = true end
  end
  return scopes
end

-- Raises when the command line names an account or a connection that is not there.
function state:check_scopes()
  local scopes = known_scopes(self)
  for scope in pairs(self.overrides) do
    if not scopes[scope] then check.fail("--option", "no account or connection '%s' in the state", scope) end
  end
end

-- Builds the world that `spec` describes. `overrides` are options by scope ("", "account", "account/connection") that
-- win over the layers below them; they may be changed later. Raises what is wrong.
function state.new(spec, overrides, clock)
  spec = check.record(spec, state_schema, "state")
  local world = setmetatable({ clock = clock, tags = ids.tags(), overrides = overrides }, state)
  for _, name in ipairs { "tenant_id", "tenant_domain", "client_id", "client_secret", "subscription_id" } do
    world[name] = spec[name]
  end
  for _, name in ipairs { "certificates", "federated_tokens", "user_identities" } do world[name] = spec[name] or {} end
  world.permissions = spec.permissions or default_permissions
  world.identity_header = spec.identity_header or "emulator-identity-header"
  world.arc_key_file, world.arc_realm = spec.arc_key_file, spec.arc_realm
  world.seen_assertions, world.device_codes, world.refresh_tokens = {}, {}, {}
  world.options = layers(world, spec.options, "", options.defaults)
  world.subscriptions, world.accounts = {}, {}
  local subscription = add_subscription(world, spec.subscription_id)
  for _, name in ipairs(spec.resource_groups or {}) do add_group(subscription, name) end
  for index, account in ipairs(spec.accounts) do
    add_account(world, account, ("state.accounts[%d]"):format(index))
  end
  return world
end

-- Sets options while the emulator runs; a scope of "" is everything.
function state:set_option(scope, values)
  if not known_scopes(self)[scope] then check.fail("option", "no account or connection '%s' in the state", scope) end
  self.overrides[scope] = self.overrides[scope] or {}
  for name, value in pairs(values) do self.overrides[scope][name] = value end
end

-- What the log must not show.
function state:secrets()
  return { self.client_secret, self.identity_header, table.unpack(self.federated_tokens) }
end

function state:find_subscription(id)
  return self.subscriptions[id:lower()]
end

function state:connection_ids()
  local list = json.list()
  for _, account in ipairs(self.accounts) do
    for _, connection in ipairs(account.connections) do list[#list + 1] = connection.id end
  end
  return list
end

function state.remove_connection(connection)
  local account = connection.account
  account.by_name[connection.name:lower()] = nil
  for index, other in ipairs(account.connections) do
    if other == connection then return table.remove(account.connections, index) end
  end
end

local kept = { "name", "status", "description", "actions_required", "provisioning_state", "etag", "private_endpoint_id",
  "group_ids", "tags", "properties" }

local function describe_connection(connection)
  local spec = {}
  for _, name in ipairs(kept) do spec[name] = connection[name] end
  return spec
end

-- The world in the form of a state file, without its secret and its options.
function state:describe()
  local accounts = json.list()
  for index, account in ipairs(self.accounts) do
    local connections = json.list()
    for at, connection in ipairs(account.connections) do connections[at] = describe_connection(connection) end
    accounts[index] = {
      name = account.name, resource_group = account.group, subscription_id = account.subscription.id,
      location = account.location, tags = account.tags, connections = connections,
    }
  end
  return { tenant_id = self.tenant_id, client_id = self.client_id, subscription_id = self.subscription_id,
    accounts = accounts }
end

return state
