-- The emulated state: one tenant, its application, the Batch accounts and their connections. A state file has the names
-- of the API, and only what differs from the sample; state.describe returns it again.

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
  properties = { map = { is = "any" } }, age = { is = "seconds" }, options = option_table,
}

local link_schema = {
  name = { is = "string", match = "^[^/?#%c]+$", required = true },
  group_id = word, required_members = { list = word }, required_zone_names = { list = word },
}

local permission_schema = {
  actions = { list = word }, not_actions = { list = word }, data_actions = { list = word },
  not_data_actions = { list = word },
}

local subscription_schema = {
  subscription_id = { is = "string", match = "^[^/?#%c]+$", required = true }, name = word,
  state = { one_of = { "Enabled", "Warned", "PastDue", "Disabled", "Deleted" } },
}

local account_schema = {
  account_name = { is = "string", match = "^[^/?#%c]+$", required = true },
  resource_group_name = { is = "string", match = "^[^/?#%c]+$", required = true },
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
  subscription_id = segment, tenant_id = { is = "string", match = "^[%w.-]+$" },
  tenant_domain = { is = "string", match = "^[%w.-]+$" }, client_id = word, client_secret = word,
  resource_groups = { list = segment },
  subscriptions = { list = { record = subscription_schema } },
  options = option_table,
  certificates = { list = certificate }, federated_tokens = { list = word },
  identity_header = word, pipeline_token = word, service_connection_id = word, arc_key_file = word, arc_realm = word,
  user_identities = { list = { record = identity_schema } },
  permissions = { list = { record = permission_schema } },
  accounts = { list = { record = account_schema }, required = true },
}

local function group_id(subscription, group)
  return ("/subscriptions/%s/resourceGroups/%s"):format(subscription.id, group)
end

local function add_subscription(world, id)
  local key = id:lower()
  if not world.subscriptions[key] then
    local serial = #world.subscription_order + 1
    world.subscriptions[key] = { id = id, serial = serial, groups = {}, accounts = {}, state = "Enabled",
      name = "Subscription " .. serial }
    world.subscription_order[serial] = world.subscriptions[key]
  end
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

local function permissions_of(permissions)
  local result = {}
  for serial, given in ipairs(permissions) do
    local permission = { serial = serial }
    for name in pairs(permission_schema) do permission[name] = json.list(given[name] or {}) end
    result[serial] = permission
  end
  return result
end

local function endpoint_of(account, name)
  return ("%s/providers/Microsoft.Network/privateEndpoints/%s"):format(account.group_id, name:match "^[^.]*")
end

function state:new_tag(connection)
  local tag = self.tags(self.clock:now())
  return connection.options.etag_form == "weak" and "W/" .. tag or tag
end

-- Returns the layers of options of a scope: the state file's, overridden by the command line's.
local function layers(world, values, scope, below)
  local file = values and options.layer(values, below) or below
  return options.layer({}, function (_, name)
    local override = world.overrides[scope]
    if override and override[name] ~= nil then return override[name] end
    return file[name]
  end)
end

-- Notes how a connection is from that time on, for what lags behind.
function state.remember(connection, time)
  connection.history[#connection.history + 1] = { at = time, status = connection.status,
    description = connection.description, actions_required = connection.actions_required,
    provisioning_state = connection.provisioning_state }
end

-- is_new: it arrives at an emulator that runs; else it was so before the emulator began.
local function add_connection(world, account, spec, path, is_new)
  local key = spec.name:lower()
  if account.by_name[key] then check.fail(path, "a second connection named '%s'", spec.name) end
  local now, age = world.clock:now(), spec.age or 0
  local connection = {
    account = account,
    id = account.id .. "/privateEndpointConnections/" .. spec.name,
    name = spec.name,
    serial = #account.connections + #account.removed + 1, -- behind all that a page has shown
    status = spec.status or "Pending",
    description = spec.description,
    actions_required = spec.actions_required or "None",
    provisioning_state = spec.provisioning_state or "Succeeded",
    private_endpoint_id = spec.private_endpoint_id or endpoint_of(account, spec.name),
    group_ids = json.list(spec.group_ids or { "batchAccount" }),
    tags = spec.tags,
    properties = spec.properties or {},
    options = layers(world, spec.options, account.name:lower() .. "/" .. key, account.options),
    modified = now - age,
    created = math.floor(now) - age, -- a client that reads whole seconds, as os.time's, never finds it younger
    history = {}, given = spec.options,
  }
  state.remember(connection, is_new and connection.modified or -math.huge)
  connection.etag = spec.etag or world:new_tag(connection)
  account.by_name[key] = connection
  account.connections[#account.connections + 1] = connection
  return connection
end

local function add_account(world, spec, path)
  local subscription = add_subscription(world, spec.subscription_id or world.subscription_id)
  local group, name = add_group(subscription, spec.resource_group_name), spec.account_name
  local key = group:lower() .. "/" .. name:lower()
  if subscription.accounts[key] then check.fail(path, "a second account named '%s'", name) end
  local account = {
    id = ("%s/providers/Microsoft.Batch/batchAccounts/%s"):format(group_id(subscription, group), name),
    name = name, group = group, group_id = group_id(subscription, group), subscription = subscription,
    location = spec.location or "japaneast", tags = spec.tags, endpoint = spec.account_endpoint,
    options = layers(world, spec.options, name:lower(), world.options),
    connections = {}, by_name = {}, removed = {}, links = {}, given = spec,
  }
  account.endpoint = account.endpoint or ("%s.%s.batch.azure.com"):format(account.name, account.location)
  subscription.accounts[key] = account
  world.accounts[#world.accounts + 1] = account
  account.serial = #world.accounts
  add_links(account, spec.private_link_resources or default_links)
  account.permissions = spec.permissions and permissions_of(spec.permissions) or world.permissions
  local faults = {}
  for index, connection in ipairs(spec.connections or {}) do
    check.collect(faults, add_connection, world, account, connection, ("%s.connections[%d]"):format(path, index))
  end
  check.raise(faults)
end

local function known_scopes(world)
  local scopes = { [""] = true }
  for _, account in ipairs(world.accounts) do
    scopes[account.name:lower()] = true
    for name in pairs(account.by_name) do scopes[account.name:lower() .. "/" .. name] = true end
  end
  return scopes
end

-- Raises an error if the command line names an account or a connection that does not exist.
function state:check_scopes()
  local scopes = known_scopes(self)
  for scope in pairs(self.overrides) do
    if not scopes[scope] then check.fail("--option", "no account or connection '%s' in the state", scope) end
  end
end

-- The tenant and the application, which a state file need not name, and the secrets, which are not described.
local identity = { "tenant_id", "tenant_domain", "client_id", "subscription_id" }
local secrets = { "client_secret", "certificates", "federated_tokens", "identity_header", "pipeline_token" }


-- Builds the state from `spec`. overrides: options by scope ("", "account", "account/connection") that take precedence
-- and may be changed later. identity_from: the state (or a state file's table) that has the tenant and the application
-- where spec names none. Raises an error with all faults of spec.
function state.new(spec, overrides, clock, identity_from)
  spec = check.record(spec, state_schema, "state")
  local world = setmetatable({ clock = clock, tags = ids.tags(), overrides = overrides, given = spec }, state)
  for _, names in ipairs { identity, secrets } do
    for _, name in ipairs(names) do world[name] = spec[name] or identity_from[name] end
  end
  world.user_identities = spec.user_identities or {}
  world.permissions = permissions_of(spec.permissions or default_permissions)
  world.service_connection_id = spec.service_connection_id or "c8a7e1d4-2b93-4f60-9a15-7e3d0b6c5f21"
  world.arc_key_file, world.arc_realm = spec.arc_key_file, spec.arc_realm
  world.seen_assertions, world.id_tokens, world.device_codes, world.refresh_tokens = {}, {}, {}, {}
  world.options = layers(world, spec.options, "", options.defaults)
  world.subscriptions, world.subscription_order, world.accounts = {}, {}, {}
  local subscription = add_subscription(world, world.subscription_id)
  for _, given in ipairs(spec.subscriptions or {}) do
    local one = add_subscription(world, given.subscription_id)
    one.name, one.state = given.name or one.name, given.state or one.state
  end
  for _, name in ipairs(spec.resource_groups or {}) do add_group(subscription, name) end
  local faults = {}
  for index, account in ipairs(spec.accounts) do
    check.collect(faults, add_account, world, account, ("state.accounts[%d]"):format(index))
  end
  check.raise(faults)
  return world
end

local arrival_schema = { account_name = segment, resource_group_name = segment, subscription_id = segment }
for name, rule in pairs(connection_schema) do arrival_schema[name] = rule end
arrival_schema.name = { is = "string", match = "^[^/?#%c]+$" }

-- Adds a connection, as a new private endpoint does: the fields of one in a state file, and those of its account;
-- without them it belongs to the first account. Returns it. Raises an error for a wrong field.
function state:arrive(spec)
  spec = check.record(spec, arrival_schema, "connection")
  spec.name = spec.name or "arrived." .. ids.guid()
  for _, account in ipairs(self.accounts) do
    local fits = (not spec.account_name or spec.account_name:lower() == account.name:lower())
      and (not spec.resource_group_name or spec.resource_group_name:lower() == account.group:lower())
      and (not spec.subscription_id or spec.subscription_id:lower() == account.subscription.id:lower())
    if fits then return add_connection(self, account, spec, "connection", true) end
  end
  check.fail("connection", "the state has no such account")
end

-- Sets options at run time; the scope "" means all.
function state:set_option(scope, values)
  if not known_scopes(self)[scope] then check.fail("option", "no account or connection '%s' in the state", scope) end
  self.overrides[scope] = self.overrides[scope] or {}
  for name, value in pairs(values) do self.overrides[scope][name] = value end
end

-- Returns the secrets, which the log must not show.
function state:secrets()
  return { self.client_secret, self.identity_header, self.pipeline_token, table.unpack(self.federated_tokens) }
end

function state:find_subscription(id)
  return self.subscriptions[id:lower()]
end

-- In the order in which the state names them.
function state:subscription_list()
  return self.subscription_order
end

function state:connection_ids()
  local list = json.list()
  for _, account in ipairs(self.accounts) do
    for _, connection in ipairs(account.connections) do list[#list + 1] = connection.id end
  end
  return list
end

function state.remove_connection(connection, time)
  local account = connection.account
  connection.removed_at = time
  account.removed[#account.removed + 1] = connection
  account.by_name[connection.name:lower()] = nil
  for index, other in ipairs(account.connections) do
    if other == connection then return table.remove(account.connections, index) end
  end
end

local kept = { "name", "status", "description", "actions_required", "provisioning_state", "etag", "private_endpoint_id",
  "group_ids", "tags", "properties" }

local function describe_connection(self, connection)
  local spec = { options = connection.given, age = math.max(0, math.floor(self.clock:now()) - connection.created) }
  for _, name in ipairs(kept) do spec[name] = connection[name] end
  return spec
end

local function copy(t)
  local result = {}
  for name, value in pairs(t) do result[name] = value end
  return result
end

-- Returns the state as a state file has it, without secrets: state.new makes the same state of it, if it is given this
-- one for the identity.
function state:describe()
  local described, accounts = copy(self.given), json.list()
  for _, name in ipairs(secrets) do described[name] = nil end
  for _, name in ipairs(identity) do described[name] = self[name] end
  for index, account in ipairs(self.accounts) do
    local spec, connections = copy(account.given), json.list()
    for at, connection in ipairs(account.connections) do connections[at] = describe_connection(self, connection) end
    spec.subscription_id, spec.location, spec.connections = account.subscription.id, account.location, connections
    accounts[index] = spec
  end
  described.accounts = accounts
  return described
end

return state
