-- Finds what a path names: a subscription, a group, an account, a connection. Each raises the 404 of Azure Resource
-- Manager for the first name that does not exist. `self` is the emulator, `names` are those of azpec.emulator.routes.

local reply = require "azpec.emulator.reply"

local lookup = {}

function lookup.subscription(self, names)
  local subscription = self.world:find_subscription(names.subscription)
  if subscription then return subscription end
  reply.refuse(404, "SubscriptionNotFound", "The subscription '%s' could not be found.", names.subscription)
end

function lookup.group(self, names)
  local subscription = lookup.subscription(self, names)
  local group = subscription.groups[names.group:lower()]
  if group then return group, subscription end
  reply.refuse(404, "ResourceGroupNotFound", "Resource group '%s' could not be found.", names.group)
end

function lookup.account(self, names)
  local group, subscription = lookup.group(self, names)
  local account = subscription.accounts[group:lower() .. "/" .. names.account:lower()]
  if account then return account end
  reply.refuse(404, "ResourceNotFound",
    "The Resource 'Microsoft.Batch/batchAccounts/%s' under resource group '%s' was not found.", names.account, group)
end

function lookup.connection(self, names, is_read)
  local account = lookup.account(self, names)
  local resource = account.by_name[names.connection:lower()]
  if resource then self.operations:look(resource, is_read) end
  return account.by_name[names.connection:lower()], account
end

function lookup.existing_connection(self, names, is_read)
  local resource, account = lookup.connection(self, names, is_read)
  if resource then return resource end
  reply.refuse(404, "ResourceNotFound", "The private endpoint connection '%s' of the Batch account '%s' was not found.",
    names.connection, account.name)
end

return lookup
