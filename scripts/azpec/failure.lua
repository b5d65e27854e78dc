-- azpec.failure -- the errors of the script modules and of the command, in the form of azpec.Error: a table with kind,
-- message and, if known, hint, id and others.
--
--   local failure = require "azpec.failure"
--   return nil, failure.new("not_found", "there is no such account", { hint = "..." })
--   error(failure.with(err, { hint = "did you mean ..." }), 0)
--
-- tostring returns "kind: message; hint", as for azpec.Error, and a line for each candidate of a selection.

local fields = require "azpec.fields"

local failure = {}

local class = { __name = "azpec.failure" }

local most_shown = 10

local function candidate_lines(err)
  local lines = {}
  for n, connection in ipairs(err.candidates) do
    if n > most_shown then break end
    lines[n] = "\n  " .. require "azpec.select".describe(connection)
  end
  local more = math.max(err.count or 0, #err.candidates + (err.more or 0)) - #lines
  return table.concat(lines) .. (more > 0 and ("\n  and %d more"):format(more) or "")
end

function class:__tostring()
  return ("%s: %s%s%s"):format(self.kind, self.message, self.hint and "; " .. self.hint or "",
    self.candidates and candidate_lines(self) or "")
end

function class.__concat(a, b)
  return tostring(a) .. tostring(b)
end

-- Returns an error of that kind. more (table or nil): further members.
function failure.new(kind, message, more)
  fields.check_argument(kind, "string", "bad argument #1 to 'new'")
  fields.check_argument(message, "string", "bad argument #2 to 'new'")
  local err = { kind = kind, message = message }
  for name, value in pairs(more or {}) do err[name] = value end
  return setmetatable(err, class)
end

-- Returns a copy of an error, an azpec.Error or one of these, with other members.
function failure.with(err, more)
  fields.check_argument(err, "table or userdata", "bad argument #1 to 'with'")
  fields.check_argument(more, "table", "bad argument #2 to 'with'")
  local copy = failure.new(err.kind, err.message, err)
  for name, value in pairs(more) do copy[name] = value end
  return copy
end

-- Azure Resource Manager's codes for a resource that does not exist. A 404 of a proxy, in HTML or without a code, and a
-- 404 for another reason prove nothing.
local absent = { ResourceNotFound = true, ParentResourceNotFound = true, ResourceGroupNotFound = true }

-- Returns whether an error proves that the resource of the request does not exist.
function failure.proves_absence(err)
  fields.check_argument(err, "table or userdata", "bad argument #1 to 'proves_absence'")
  return err.kind == "not_found" and absent[err.code] == true
end

-- Returns the error of a request for an account. For each 404 the module advises to check the name of a connection.
function failure.of_account(err)
  fields.check_argument(err, "table or userdata", "bad argument #1 to 'of_account'")
  local is_of_connection = err.kind == "not_found" and tostring(err.hint):find("connection name", 1, true)
  return is_of_connection and failure.with(err, { hint = "check the subscription, resource group and account" }) or err
end

return failure
