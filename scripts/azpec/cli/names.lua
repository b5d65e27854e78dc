-- Names for completion: the groups, accounts and connections that `azpec list` read, also those that it did not list,
-- in the file that AZPEC_NAMES names. Without that variable no file is written, because azpec writes only files that
-- the user names. What was read replaces the names of the accounts that were read; other names stay.
--
-- A line has a kind and a name. Shells expand the words that they are offered, so the file has only names of letters,
-- digits, '.', '_', '-', and '/' in ACCOUNT/NAME. The lines "whole SUBSCRIPTION/GROUP/ACCOUNT/NAME" are for the next
-- `list`: the others follow from them. A part that has other characters is empty there, and so is NAME of an account.

local ids = require "azpec.resource_id"

local names = {}

-- How many connections, and accounts, the file has at most. Those that were read last stay.
local most = 20000

-- Each kind, and the function that returns the name of that kind in facts, or nil.
local kinds = {
  { "group", function (facts) return facts.group end },
  { "account", function (facts) return facts.account end },
  { "connection", function (facts) return facts.name end },
  { "place", function (facts) return facts.name and facts.account and facts.account .. "/" .. facts.name end },
  { "whole", function (facts)
    return table.concat({ facts.subscription or "", facts.group or "", facts.account or "", facts.name or "" }, "/")
  end },
}

local function is_own(beginning)
  for _, kind in ipairs(kinds) do
    if beginning:find("^" .. kind[1] .. " [%w._/-]+\n") then return true end
  end
  return false
end

local function offered(name)
  return name and name:find "^[%w._-]+$" and name or nil
end

-- Returns the parts that a line has of the facts of a connection or an account.
local function parts_of(facts)
  return { subscription = offered(facts.subscription_id), group = offered(facts.resource_group_name),
    account = offered(facts.account_name), name = offered(facts.base_name) }
end

local function key_of_account(parts)
  return ("%s/%s/%s"):format(parts.subscription, parts.group, parts.account):lower()
end

-- Returns the parts in the file, in its order. An older file has no lines that say them.
local function read(path)
  local file, list = require "azpec.file", {}
  local handle <close> = file.open_to_read(path)
  for line in (handle and file.rest(handle, "state") or ""):gmatch "[^\n]+" do
    local words = table.pack(line:match "^whole ([%w._-]*)/([%w._-]*)/([%w._-]*)/([%w._-]*)$")
    for n = 1, words.n do words[n] = offered(words[n]) end
    list[#list + 1] = words.n == 4 and { subscription = words[1], group = words[2], account = words[3],
      name = words[4] } or nil
  end
  return list
end

-- Returns the text of the file. Each line is there once.
local function text_of(list)
  local lines, seen = {}, {}
  for n = 1, math.min(#list, most) do
    for _, kind in ipairs(kinds) do
      local name = kind[2](list[n])
      local line = name and ("%s %s\n"):format(kind[1], name)
      if line and not seen[line] then
        seen[line], lines[#lines + 1] = true, line
      end
    end
  end
  return table.concat(lines)
end

-- Returns the accounts whose names are replaced, by key_of_account: those that were read to the end, or are gone. The
-- id of a connection or of a private endpoint shows a part of an account only.
local function replaced(context)
  local set, given = {}, ids.parse(context.args.id or "") or {}
  if given.kind == "connection" or given.kind == "private_endpoint" then return set end
  for _, account in ipairs(context.found_accounts or {}) do
    if not context.unread[account.id:lower()] then set[key_of_account(parts_of(account))] = true end
  end
  return set
end

-- Returns a function that collects the names in the facts of a connection, and one that adds the accounts that were
-- found and writes the file; nil without AZPEC_NAMES.
function names.collect(context)
  local path = os.getenv "AZPEC_NAMES" or ""
  if path == "" then return nil end
  local list = {}
  local function note(facts) list[#list + 1] = parts_of(facts) end
  return note, function ()
    local gone = {}
    for _, id in ipairs(context.gone) do gone[id:lower()] = true end
    for _, account in ipairs(context.found_accounts or {}) do
      if not gone[account.id:lower()] then note(account) end
    end
    local file, are_read = require "azpec.file", replaced(context)
    for _, parts in ipairs(read(path)) do
      if not are_read[key_of_account(parts)] then list[#list + 1] = parts end
    end
    if #list == 0 then return end
    local ok, why = file.replace(path, text_of(list), is_own)
    if not ok then context[file.is_there(path) and "note" or "detail"](context, "azpec: AZPEC_NAMES: %s", why) end
  end
end

return names
