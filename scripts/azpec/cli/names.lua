-- Names for completion: the groups, accounts and connections that the last `azpec list` read, also those that it did
-- not list, in the file that AZPEC_NAMES names. Without that variable no file is written, because azpec writes only
-- files that the user names.
--
-- A line has a kind and a name. Shells expand the words that they are offered, so the file has only names of letters,
-- digits, '.', '_', '-', and '/' in ACCOUNT/NAME.

local names = {}

local function member(name)
  return function (facts) return facts[name] end
end

-- Each kind, and the function that returns the name of that kind in facts, or nil.
local kinds = {
  { "group", member "resource_group_name" },
  { "account", member "account_name" },
  { "connection", member "base_name" },
  { "place", function (facts) return facts.base_name and facts.account_name .. "/" .. facts.base_name end },
}

local function is_own(beginning)
  for _, kind in ipairs(kinds) do
    if beginning:find("^" .. kind[1] .. " [%w._/-]+\n") then return true end
  end
  return false
end

-- Returns a function that collects the names in the facts of a connection, and one that adds the accounts that were
-- found and writes the file; nil without AZPEC_NAMES.
function names.collect(context)
  local path = os.getenv "AZPEC_NAMES" or ""
  if path == "" then return nil end
  local lines, seen = {}, {}
  local function note(facts)
    for _, kind in ipairs(kinds) do
      local name = kind[2](facts)
      local line = name and name:find "^[%w._/-]+$" and kind[1] .. " " .. name
      if line and not seen[line] then
        seen[line], lines[#lines + 1] = true, line .. "\n"
      end
    end
  end
  return note, function ()
    for _, account in ipairs(context.found_accounts or {}) do note(account) end
    if #lines == 0 then return end
    local file = require "azpec.file"
    local ok, why = file.replace(path, table.concat(lines), is_own)
    if not ok then context[file.is_there(path) and "note" or "detail"](context, "azpec: AZPEC_NAMES: %s", why) end
  end
end

return names
