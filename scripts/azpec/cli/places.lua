-- Names of accounts that tell them apart. An account's name is unique in an Azure region only, so accounts of one name
-- are in several resource groups or subscriptions.
--
--   local known = places.new()
--   known:add(facts)            -- of an account or a connection
--   known:name(facts)           -- "contosobatch", "rg-contoso-prod/contosobatch", or with the subscription in front

local places = {}
places.__index = places

function places.new()
  return setmetatable({ groups = {} }, places)
end

local function key(facts, name)
  return tostring(facts[name]):lower()
end

function places:add(facts)
  if not facts.account_name then return end
  local account, group = key(facts, "account_name"), key(facts, "resource_group_name")
  self.groups[account] = self.groups[account] or {}
  self.groups[account][group] = self.groups[account][group] or {}
  self.groups[account][group][key(facts, "subscription_id")] = true
end

-- Returns how many such accounts are known. place: account_name, and perhaps resource_group_name and subscription_id.
function places:count(place)
  local group, subscription, count = place.resource_group_name, place.subscription_id, 0
  for name, subscriptions in pairs(self.groups[place.account_name:lower()] or {}) do
    for id in pairs((not group or name == group:lower()) and subscriptions or {}) do
      if not subscription or id == subscription:lower() then count = count + 1 end
    end
  end
  return count
end

-- Returns the names of the known accounts, in lower case.
function places:names()
  local names = {}
  for name in pairs(self.groups) do names[#names + 1] = name end
  table.sort(names)
  return names
end

local function has_several(set)
  return set ~= nil and next(set) ~= nil and next(set, (next(set))) ~= nil
end

-- Returns whether the group, or also the subscription, is needed.
local function needed(self, facts)
  local groups = self.groups[key(facts, "account_name")] or {}
  local needs_subscription = has_several(groups[key(facts, "resource_group_name")])
  return needs_subscription or has_several(groups), needs_subscription
end

-- Returns whether another account has this one's name.
function places:is_shared(facts)
  return (needed(self, facts))
end

-- Returns how a command line names the connections of accounts: "ACCOUNT/NAME", with the group, or subscription and
-- group, where one of these accounts needs it. list: of the facts of connections.
function places.form(list)
  local known, longest = places.new(), "ACCOUNT/NAME"
  for _, facts in ipairs(list) do known:add(facts) end
  for _, facts in ipairs(list) do
    local needs_group, needs_subscription = needed(known, facts)
    if needs_subscription then return "SUBSCRIPTION/GROUP/ACCOUNT/NAME" end
    if needs_group then longest = "GROUP/ACCOUNT/NAME" end
  end
  return longest
end

-- Returns the name. with_group: the group is named in any case.
function places:name(facts, with_group)
  local needs_group, needs_subscription = needed(self, facts)
  local name = facts.account_name or "?"
  if needs_group or with_group then name = ("%s/%s"):format(facts.resource_group_name or "?", name) end
  return needs_subscription and ("%s/%s"):format(facts.subscription_id or "?", name) or name
end

return places
