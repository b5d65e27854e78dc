-- azpec.refresh -- reads the current state of connections by their ids. One connection is read by itself; of several
-- each account is listed once, several accounts at a time.
--
--   local now = refresh.read(client, { id, ... }, { timeout = seconds })
--   local connection, err = now(id)               -- nil without an error: the connection is gone

local failure = require "azpec.failure"
local ids = require "azpec.resource_id"

local current = {}

-- The number of lists that are read at the same time.
local most_at_once = 16

local function account_of(id)
  return ids.account_of(id) or id
end

-- Reads an account. Returns nil, or the error.
local function problem_of(client, account, timeout)
  local _, err = client:get_account { id = account, timeout = timeout }
  return err and failure.of_account(err)
end

-- A list begins with the call that makes it.
local function begin(client, account, timeout)
  local list = table.pack(pcall(client.list, client, { id = account, timeout = timeout }))
  return function (note)
    if not list[1] then error(list[2], 0) end
    for connection in table.unpack(list, 2, list.n) do note(connection) end
  end
end

-- Raises an error if a listed item is not a connection of the account.
local function check(connection, account)
  local id = tostring(connection.id)
  local found = ids.parse(id)
  if found and found.kind == "connection" and account_of(id):lower() == account:lower() then return end
  error(failure.new("protocol", ("the service listed '%s', which is not in '%s'"):format(id, account)), 0)
end

-- Reads a list to its end. Returns nil, or the service's error.
local function finish(list, connections, account)
  local ok, err = pcall(list, function (connection)
    check(connection, account)
    connections[connection.id:lower()] = connection
  end)
  if ok then return nil end
  local complaint = type(err) == "string" and err:match "bad field '.*"
  if complaint then return failure.new("usage", complaint) end
  if type(err) ~= "table" or not err.kind then error(err, 0) end -- Ctrl-C, or a fault
  if err.kind == "canceled" then error(err, 0) end -- the client was closed
  return err
end

-- Returns the error of a list. After a 404 the account itself is read: only that tells whether it exists. Where it
-- does, the 404 stays an error, since the list has not been read.
local function examined(client, account, timeout, err)
  if not err or err.kind ~= "not_found" then return err end
  return problem_of(client, account, timeout) or failure.with(err, { kind = "protocol" })
end

-- Reads the connections of these accounts. Sets connections by id, and errors by account.
local function read_lists(client, accounts, timeout, connections, errors)
  local lists = {}
  for n, account in ipairs(accounts) do
    for ahead = #lists + 1, math.min(n + most_at_once - 1, #accounts) do
      lists[ahead] = begin(client, accounts[ahead], timeout)
    end
    errors[account:lower()] = examined(client, account, timeout, finish(lists[n], connections, account))
  end
end

-- Reads one connection. If it does not exist, its account is read, because the id may be misspelt.
local function read_one(client, id, timeout, connections, errors)
  local connection, err = client:get { id = id, timeout = timeout }
  if not connection and err.kind == "not_found" and err.code then -- not a proxy's
    err = problem_of(client, account_of(id), timeout)
  end
  connections[id:lower()], errors[account_of(id):lower()] = connection, err
end

-- Reads the connections with these ids. Returns a function of an id: it returns the connection; nil if it is gone, and
-- as third value the error of its account if that does not exist either; or nil and an azpec.Error. options (table or
-- nil): timeout, seconds for each account (default: the client's). Raises an error of kind "canceled" if the client is
-- closed during a list.
function current.read(client, connection_ids, options)
  local accounts, connections, errors = ids.accounts_of(connection_ids, account_of), {}, {}
  local timeout = options and options.timeout
  if #connection_ids == 1 then
    read_one(client, connection_ids[1], timeout, connections, errors)
  else
    read_lists(client, accounts, timeout, connections, errors)
  end
  return function (id)
    local err = errors[account_of(id):lower()]
    if err and failure.proves_absence(err) then return nil, nil, err end
    if err then return nil, err end
    return connections[id:lower()]
  end
end

return current
