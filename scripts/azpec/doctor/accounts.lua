-- Looks up the rights at many accounts, and says in a few words where they are missing.

local fleet = require "azpec.fleet"
local json = require "azpec.json"
local rights = require "azpec.rights"
local text = require "azpec.text"

local accounts = {}

-- The right to look up rights.
accounts.lookup = "Microsoft.Authorization/permissions/read"

-- Returns needs of azpec.rights in words.
function accounts.actions_of(needs)
  local actions = {}
  for n, need in ipairs(needs) do
    local other = need.or_else and "; Azure may use " .. need.or_else .. " instead: ask for both" or ""
    actions[n] = ("%s (%s%s)"):format(need.action, need.purpose, other)
  end
  return table.concat(actions, ", ")
end

local none = "no Batch account found"

-- "3 accounts in 2 subscriptions"
function accounts.words(found)
  if #found.accounts == 0 then return none end
  local known, count = {}, 0
  for _, account in ipairs(found.accounts) do
    local key = account.subscription_id:lower()
    if not known[key] then known[key], count = true, count + 1 end
  end
  return ("%s in %s"):format(text.count(#found.accounts, "account"), text.count(count, "subscription"))
end

-- Looks at the accounts until the time is over. Returns { whole = the number of those with all rights, lacking = {
-- place, missing } each, unknown = { place, err } each, rest = the number of those not looked at }.
local function look(client, found, timeout)
  local now = require "cqueues".monotime
  local ends_at, seen = now() + timeout, { whole = 0, lacking = {}, unknown = {}, rest = #found.accounts }
  for place, permissions, err in fleet.permissions(client, found) do
    local missing = permissions and rights.missing(permissions)
    if place.kind == "account" then seen.rest = seen.rest - 1 end
    if err and not err.is_gone then
      table.insert(seen.unknown, { place = place, err = err })
    elseif missing and #missing > 0 then
      table.insert(seen.lacking, { place = place, missing = missing })
    elseif missing then
      seen.whole = seen.whole + 1
    end
    if now() > ends_at then break end
  end
  return seen
end

local most_named = 3

-- "rg/one, rg/two, rg/three and 7 more"
local function names_of(list)
  local names = {}
  for n = 1, math.min(#list, most_named) do
    local place = list[n].place
    names[n] = place.account_name and ("%s/%s"):format(place.resource_group_name, place.account_name) or place.id
  end
  return table.concat(names, ", ") .. (#list > #names and (" and %d more"):format(#list - #names) or "")
end

-- "ID", or "ID and 2 others"
local function places_of(list)
  local others = #list - 1
  return list[1].place.id .. (others > 0 and (" and %d other%s"):format(others, others > 1 and "s" or "") or "")
end

-- Returns a text for the accounts that lack the same rights, for each such group.
local function groups_of(lacking)
  local groups = {}
  for _, one in ipairs(lacking) do
    local actions = accounts.actions_of(one.missing)
    if not groups[actions] then groups[#groups + 1], groups[actions] = actions, {} end
    table.insert(groups[actions], one)
  end
  for n, actions in ipairs(groups) do groups[n] = ("%s at %s"):format(actions, names_of(groups[actions])) end
  return table.concat(groups, "; ")
end

local function is_essential(lacking)
  for _, one in ipairs(lacking) do
    for _, need in ipairs(one.missing) do
      if need.essential then return true end
    end
  end
  return false
end

local function words_of(seen)
  local lacking, unknown, parts = seen.lacking, seen.unknown, {}
  if #lacking > 0 then
    parts[1] = ("missing at %d of %s: %s"):format(#lacking, text.count(#lacking + seen.whole, "account"),
      groups_of(lacking))
  elseif seen.whole > 0 then
    parts[1] = ("all there at %s: list, approve, reject, delete, follow"):format(text.count(seen.whole, "account"))
  end
  if #unknown > 0 then
    parts[#parts + 1] = ("not known at %s: %s"):format(names_of(unknown), unknown[1].err.message)
  end
  if seen.rest > 0 then
    parts[#parts + 1] = ("not looked up at %s, because the time is over"):format(text.count(seen.rest, "account"))
  end
  return table.concat(parts, "; ")
end

-- What to do, or nil.
local function step_of(seen)
  local unknown = seen.unknown[1]
  if seen.lacking[1] then return "ask for a role with these actions at " .. places_of(seen.lacking) end
  if unknown and unknown.err.kind == "forbidden" then
    return ("ask for %s at %s"):format(accounts.lookup, places_of(seen.unknown))
  end
  if unknown then return unknown.err.hint or "look at one account alone, by account_id" end
  return seen.rest > 0 and "give it more time (`timeout`), or look at one account alone, by account_id" or nil
end

local function details_of(seen)
  local details = { whole = seen.whole, not_looked_up = seen.rest, lacking = json.list(), unknown = json.list() }
  for n, one in ipairs(seen.lacking) do
    local missing = {}
    for m, need in ipairs(one.missing) do missing[m] = need.action end
    details.lacking[n] = { id = one.place.id, missing = missing }
  end
  for n, one in ipairs(seen.unknown) do
    details.unknown[n] = { id = one.place.id, kind = one.err.kind, message = one.err.message }
  end
  return details
end

-- Returns the result of the check (azpec.doctor). found: of azpec.fleet.
function accounts.rights(client, found, timeout)
  local seen = look(client, found, timeout)
  local words, step, is_failed = words_of(seen), step_of(seen), is_essential(seen.lacking)
  if words == "" then return { verdict = "skipped", found = none } end
  return { verdict = is_failed and "failed" or step and "warning" or "ok", kind = is_failed and "forbidden" or nil,
    found = words, next_step = step, details = details_of(seen) }
end

return accounts
