-- Checks the rights for a run of many before its first write. Accounts where rights are missing are named, and get no
-- request.

local failure = require "azpec.failure"
local text = require "azpec.text"

local preflight = {}

local from = 10 -- connections: a larger run is worth one request for each account

function preflight.option(command)
  return command:flag("--no-preflight", ("with more than %d connections, do not look up the rights at each account "
    .. "first"):format(from))
end

local function count_by_error(items, refused)
  local counts = {}
  for _, item in ipairs(items) do
    local err = refused(item.id)
    if err and not counts[err] then counts[#counts + 1] = err end
    if err then counts[err] = (counts[err] or 0) + 1 end
  end
  return counts
end

-- Returns a function of an item, which returns the error that prevents its write, or nil. It reports each account once;
-- the errors of items are marked with is_told. what: "write" or "delete".
function preflight.check(context, client, items, what)
  if #items <= from or context.args.no_preflight then return function () end end
  local connection_ids = {}
  for n, item in ipairs(items) do connection_ids[n] = item.id end
  local refused = require "azpec.preflight".check(client, connection_ids, what, { on_unknown = function (account, err)
    context:detail("azpec: the rights at %s cannot be looked up: %s", account, err.message)
  end })
  local errors = count_by_error(items, refused)
  for _, err in ipairs(errors) do
    err.message = ("%s, %s"):format(err.message, text.count(errors[err], "connection"))
    context:complain(err)
  end
  return function (item)
    local err = refused(item.id)
    return err and failure.with(err, { id = item.id, is_told = true })
  end
end

return preflight
