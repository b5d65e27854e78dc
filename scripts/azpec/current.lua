-- Connections as the service has them now, by their ids; each account is read once, many beside each other.
--
--   local now = current.read(client, { id, ... }, { timeout = seconds })
--   local connection, err = now(id)               -- nil without an error: it is gone

local ids = require "azpec.ids"

local current = {}

-- So many lists are under way beside each other.
local most_at_once = 16

local function account_of(id)
  return ids.account_of(id) or id
end

-- The ids of the accounts, each once.
local function accounts_of(connection_ids)
  local accounts, known = {}, {}
  for _, id in ipairs(connection_ids) do
    local account = account_of(id)
    local key = account:lower()
    if not known[key] then
      known[key] = true
      accounts[#accounts + 1] = account
    end
  end
  return accounts
end

-- A list is begun by the call that makes it.
local function begin(client, account, timeout)
  local list = table.pack(pcall(client.list, client, { id = account, timeout = timeout }))
  return function (note)
    if not list[1] then error(list[2], 0) end
    for connection in table.unpack(list, 2, list.n) do note(connection) end
  end
end

-- Raises a listed item that is no connection of the account.
local function check(connection, account)
  local id = tostring(connection.id)
  local found = ids.parse(id)
  if found and found.kind == "connection" and account_of(id):lower() == account:lower() then return end
  error({ kind = "protocol", message = ("the service listed '%s', which is not in '%s'"):format(id, account) }, 0)
end

-- Reads a list to its end; nil, or the service's error. An account that is gone has no connections.
local function finish(list, connections, account)
  local ok, err = pcall(list, function (connection)
    check(connection, account)
    connections[connection.id:lower()] = connection
  end)
  if ok then return nil end
  local complaint = type(err) == "string" and err:match "bad field '.*"
  if complaint then return { kind = "usage", message = complaint } end
  if type(err) ~= "table" or not err.kind then error(err, 0) end -- Ctrl-C, or a fault
  if err.kind ~= "not_found" then return err end
end

-- A function that gives the connection of an id that is among these: as it is now, nil where it is gone, or nil and an
-- azpec.Error. options (or nil): timeout, seconds for each account; else the client's.
function current.read(client, connection_ids, options)
  local accounts, lists, connections, errors = accounts_of(connection_ids), {}, {}, {}
  for n, account in ipairs(accounts) do
    for ahead = #lists + 1, math.min(n + most_at_once - 1, #accounts) do
      lists[ahead] = begin(client, accounts[ahead], options and options.timeout)
    end
    errors[account:lower()] = finish(lists[n], connections, account)
  end
  return function (id)
    local err = errors[account_of(id):lower()]
    if err then return nil, err end
    return connections[id:lower()]
  end
end

return current
