-- Azure Resource Graph: the accounts, as they were some time ago, by a small part of its query language.
--
-- A query is the table "resources", then operators: where PATH =~ 'text', where PATH contains 'text' (also
-- tostring(PATH)), project NAME [= PATH], ..., order by NAME [asc]. Everything else is refused as a query that cannot
-- be parsed. Rules: "Resources - Resources" (REST), "Working with large Azure resource data sets" and "Guidance for
-- throttled requests in Azure Resource Graph". Pages can only be followed where the rows have a column id; else the
-- answer is truncated, and has no token.

local authorize = require "azpec.emulator.authorize"
local base64 = require "azpec.base64"
local json = require "azpec.json"
local reply = require "azpec.emulator.reply"

local graph = {}

local most_rows, most_subscriptions = 1000, 1000

-- A 400 as Resource Graph words it: the code that says what is wrong is in the details.
local function refuse(code, format, ...)
  error({ status = 400, code = "BadRequest",
    message = "Please provide below info when asking for support: timestamp and correlationId.",
    details = { { code = code, message = format:format(...) } } }, 0)
end

-- ---- what Graph knows ----------------------------------------------------------------------------------------------

-- A connection as it was at that time; nil: it was not there.
local function seen_at(connection, time)
  local seen
  for _, version in ipairs(connection.history) do
    if version.at <= time then seen = version end
  end
  if not seen or connection.removed_at and connection.removed_at <= time then return nil end
  return { id = connection.id, name = connection.name,
    type = "Microsoft.Batch/batchAccounts/privateEndpointConnections",
    properties = { provisioningState = seen.provisioning_state, groupIds = connection.group_ids,
      privateEndpoint = { id = connection.private_endpoint_id },
      privateLinkServiceConnectionState = { status = seen.status, description = seen.description,
        actionsRequired = seen.actions_required } } }
end

local function connections_at(account, time)
  local list = json.list()
  for _, those in ipairs { account.connections, account.removed } do
    for _, connection in ipairs(those) do list[#list + 1] = seen_at(connection, time) end
  end
  return list
end

local function resource_of(account, time)
  return { id = account.id, name = account.name, type = "microsoft.batch/batchaccounts", location = account.location,
    resourceGroup = account.group, subscriptionId = account.subscription.id, tags = account.tags,
    properties = { provisioningState = "Succeeded", poolAllocationMode = "BatchService",
      accountEndpoint = account.endpoint, publicNetworkAccess = "Disabled",
      privateEndpointConnections = connections_at(account, time) } }
end

-- Those that the identity may read, in the subscriptions wanted.
local function resources(self, subscriptions)
  local time, list = self.world.clock:now() - self.world.options.graph_lag, {}
  for _, account in ipairs(self.world.accounts) do
    local wanted = not subscriptions or subscriptions[account.subscription.id:lower()]
    if wanted and authorize.shows(account) then
      self.operations:settle_all(account)
      list[#list + 1] = resource_of(account, time)
    end
  end
  return list
end

-- ---- the query -----------------------------------------------------------------------------------------------------

local function unparsable(part)
  refuse("InvalidQuery", "Query is invalid. Please refer to the documentation for the Azure Resource Graph service: "
    .. "ParserFailure at '%s'", part)
end

-- The value at "properties.a.b" of a row.
local function value_at(row, path)
  for name in path:gmatch "[^.]+" do row = type(row) == "table" and row[name] or nil end
  return row
end

local function as_text(value)
  return type(value) == "table" and json.encode(value) or value ~= nil and tostring(value) or ""
end

local comparisons = {
  ["=~"] = function (value, wanted) return value:lower() == wanted:lower() end,
  ["=="] = function (value, wanted) return value == wanted end,
  contains = function (value, wanted) return value:lower():find(wanted:lower(), 1, true) ~= nil end,
}

local operators = {}

function operators.where(rows, rest)
  local path, comparison, literal = rest:match "^([%w_.()]+)%s+(%S+)%s+'(.*)'$"
  path = path and (path:match "^tostring%(([%w_.]+)%)$" or path:match "^[%w_.]+$")
  local holds = path and comparisons[comparison]
  if not holds or literal:gsub("\\.", ""):find "'" then unparsable("where " .. rest) end
  local wanted, found = literal:gsub("\\(.)", "%1"), {}
  for _, row in ipairs(rows) do
    if holds(as_text(value_at(row, path)), wanted) then found[#found + 1] = row end
  end
  return found
end

function operators.project(rows, rest)
  local columns, projected = {}, {}
  for part in rest:gmatch "[^,]+" do
    local name, path = part:match "^%s*([%w_]+)%s*=%s*([%w_.]+)%s*$"
    name = name or part:match "^%s*([%w_]+)%s*$" or unparsable("project " .. rest)
    columns[#columns + 1] = { name, path or name }
  end
  for n, row in ipairs(rows) do
    projected[n] = {}
    for _, column in ipairs(columns) do
      local value = value_at(row, column[2])
      if value == nil then value = json.null end
      projected[n][column[1]] = value
    end
  end
  return projected
end

function operators.order(rows, rest)
  local name = rest:match "^by%s+([%w_]+)%s+asc$" or rest:match "^by%s+([%w_]+)$" or unparsable("order " .. rest)
  table.sort(rows, function (a, b) return as_text(a[name]) < as_text(b[name]) end)
  return rows
end

-- The parts of a query between its bars, which may also stand in a literal.
local function parts_of(query)
  local parts, part, quoted = {}, {}, false
  for char in query:gsub("\\(.)", function (c) return ("\\%03d"):format(c:byte()) end):gmatch "." do
    if char == "'" then quoted = not quoted end
    if char == "|" and not quoted then
      parts[#parts + 1], part = table.concat(part), {}
    else
      part[#part + 1] = char
    end
  end
  parts[#parts + 1] = table.concat(part)
  for n, one in ipairs(parts) do
    parts[n] = one:gsub("\\(%d%d%d)", function (code) return "\\" .. string.char(code) end):match "^%s*(.-)%s*$"
  end
  return parts
end

local function rows_of(self, body)
  local subscriptions = body.subscriptions and {} or nil
  for _, id in ipairs(body.subscriptions or {}) do subscriptions[tostring(id):lower()] = true end
  local parts = parts_of(body.query)
  if parts[1]:lower() ~= "resources" then unparsable(parts[1]) end
  local rows = resources(self, subscriptions)
  for n = 2, #parts do
    local name, rest = parts[n]:match "^(%a+)%s+(.*)$"
    rows = (operators[name] or unparsable(parts[n]))(rows, rest)
  end
  return rows
end

-- ---- the answer ----------------------------------------------------------------------------------------------------

local function body_of(request)
  local body = json.decode(request.body)
  if type(body) ~= "table" or type(body.query) ~= "string" then
    refuse("InvalidRequestContent", "The request content is invalid: a query is expected.")
  elseif body.subscriptions ~= nil and type(body.subscriptions) ~= "table" then
    refuse("InvalidRequestContent", "The request content is invalid: subscriptions is a list.")
  elseif body.subscriptions and #body.subscriptions > most_subscriptions then
    refuse("TooManySubscriptions", "The number of subscriptions '%d' is greater than '%d'.", #body.subscriptions,
      most_subscriptions)
  end
  return body
end

local function option(body, name)
  local options = type(body.options) == "table" and body.options or {}
  local value = options[name]
  return value ~= json.null and value or nil
end

local function start_of(body)
  local token = option(body, "$skipToken")
  if not token then return 0 end
  local start = (base64.decode(tostring(token)) or ""):match "^from:(%d+)$"
  return start and tonumber(start) or refuse("InvalidSkipToken", "The skip token is invalid.")
end

-- The old way to write rows, which is the default before api-version 2021-03-01.
local function as_table(rows)
  local columns, lines = json.list(), json.list()
  for name in pairs(rows[1] or {}) do columns[#columns + 1] = { name = name, type = "string" } end
  for n, row in ipairs(rows) do
    lines[n] = json.list()
    for at, column in ipairs(columns) do lines[n][at] = row[column.name] end
  end
  return { columns = columns, rows = lines }
end

local function page_of(self, body)
  local rows, start, page = rows_of(self, body), start_of(body), json.list()
  local size = math.min(tonumber(option(body, "$top")) or most_rows, self.world.options.graph_rows, most_rows)
  table.move(rows, start + 1, math.min(start + size, #rows), 1, page)
  local is_last = start + #page >= #rows
  local can_go_on = rows[1] and rows[1].id ~= nil
  return { totalRecords = #rows, count = #page,
    data = option(body, "resultFormat") == "table" and as_table(page) or page, facets = json.list(),
    resultTruncated = not is_last and not can_go_on and "true" or "false",
    ["$skipToken"] = not is_last and can_go_on
      and base64.encode(("from:%d"):format(start + size)) or nil }
end

-- Queries are counted for each principal, in windows; what is left, and the seconds until the next window.
local function count(self, principal)
  local now, options = self.world.clock:now(), self.world.options
  local window = self.graph_windows[principal]
  if not window or now >= window.ends then
    window = { ends = now + options.graph_window, left = options.graph_quota }
    self.graph_windows[principal] = window
  end
  window.left = window.left - 1
  return window.left, math.max(0, math.ceil(window.ends - now))
end

local function add_quota(answer, left, ends)
  reply.add(answer, "x-ms-user-quota-remaining", tostring(math.max(left, 0)))
  reply.add(answer, "x-ms-user-quota-resets-after", os.date("!%H:%M:%S", ends))
  return answer
end

local function error_reply(fault)
  local answer = reply.json(fault.status, { error = { code = fault.code, message = fault.message,
    details = json.list(fault.details or {}) } })
  answer.code = fault.code
  return answer
end

local throttled = { status = 429, code = "RateLimiting",
  message = "Please provide below info when asking for support: timestamp and correlationId.",
  details = { { code = "RateLimiting", message = "Client application has been throttled and should not attempt to "
    .. "repeat the request until an amount of time has elapsed." } } }

-- Answers a query. self: world, operations, graph_windows; token: whose it is.
function graph.answer(self, request, token)
  local left, ends = count(self, token.principal)
  if left < 0 and self.world.options.throttle == "on" then return add_quota(error_reply(throttled), left, ends) end
  local ok, result = pcall(function () return page_of(self, body_of(request)) end)
  if not ok and type(result) ~= "table" then error(result, 0) end
  return add_quota(ok and reply.json(200, result) or error_reply(result), left, ends)
end

return graph
