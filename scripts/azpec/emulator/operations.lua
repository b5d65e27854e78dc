-- The long-running operations: the state machine of a connection, and the polling URLs. Nothing runs in the background:
-- an operation that is due ends with the next request that reads it.

local date = require "azpec.date"
local connection = require "azpec.emulator.connection"
local ids = require "azpec.emulator.ids"
local reply = require "azpec.emulator.reply"
local retryafter = require "azpec.emulator.retryafter"
local state = require "azpec.emulator.state"
local text = require "azpec.emulator.text"

local operations = {}
operations.__index = operations

local kept_at_most = 65536

function operations.new(world)
  return setmetatable({ world = world, by_id = {}, order = {}, first = 1 }, operations)
end

local function remember(self, operation)
  self.by_id[operation.id] = operation
  self.order[#self.order + 1] = operation.id
  if #self.order - self.first < kept_at_most then return end
  self.by_id[self.order[self.first]], self.order[self.first] = nil, false
  self.first = self.first + 1
end

local function touch(self, resource, provisioning_state, time)
  resource.provisioning_state = provisioning_state
  resource.modified = time
  resource.etag = self.world:new_tag(resource)
  state.remember(resource, time)
end

local ends = { succeeded = "Succeeded", failed = "Failed", canceled = "Canceled" }
local resource_words = { Succeeded = "Succeeded", Failed = "Failed", Canceled = "Cancelled" }

-- Applies the members of the request.
function operations.apply(_, resource, wanted)
  resource.status = wanted.status or resource.status
  if wanted.description ~= nil then resource.description = wanted.description or nil end
  resource.actions_required = wanted.actions_required or resource.actions_required
  resource.tags = wanted.tags or resource.tags
end

function operations:apply_now(resource, wanted)
  self:apply(resource, wanted)
  touch(self, resource, "Succeeded", self.world.clock:now())
end

-- The ends of an operation's URLs, by the header that has the URL.
local function signatures(settings)
  local location, async = "", ""
  if settings.operation_url_signature == "yes" then location, async = ids.url_signatures(2) end
  return { ["Location"] = location, ["Azure-AsyncOperation"] = async }
end

-- Begins an operation: "Updating" with the wanted members, or "Deleting".
function operations:begin(kind, resource, version, wanted)
  local now, settings = self.world.clock:now(), resource.options
  local operation = {
    id = ids.guid(), kind = kind, resource = resource, version = version, wanted = wanted, status = "InProgress",
    started = now, due = now + settings.operation_seconds, polls = 0, not_found = settings.poll_not_found,
    lag = settings.resource_lag, signed = signatures(settings),
  }
  touch(self, resource, kind, now)
  resource.operation = operation
  remember(self, operation)
  return operation
end

-- Makes readers see the old state for a while.
local function lag_behind(resource, times)
  if times == 0 then return end
  local old = {}
  for name, value in pairs(resource) do old[name] = value end
  resource.lagging = { left = times, old = old }
end

local function finish(self, operation, time)
  local resource = operation.resource
  operation.status, operation.ended = ends[resource.options.operation_end], time
  if resource.operation ~= operation then return end
  resource.operation = nil
  if operation.status == "Succeeded" and operation.kind == "Deleting" then
    return state.remove_connection(resource, time)
  end
  lag_behind(resource, operation.lag)
  if operation.status == "Succeeded" then self:apply(resource, operation.wanted) end
  touch(self, resource, resource_words[operation.status], time)
end

local function is_due(self, operation)
  local polls = operation.resource.options.operation_polls
  if polls == "off" then return self.world.clock:now() >= operation.due end
  return operation.polls > polls
end

-- Ends an operation that is due.
function operations:settle(operation)
  if operation.status ~= "InProgress" or not is_due(self, operation) then return end
  local counted = operation.resource.options.operation_polls ~= "off"
  finish(self, operation, counted and self.world.clock:now() or operation.due)
end

-- Updates a connection's state before it is read; a read counts as a poll.
function operations:look(resource, is_read)
  local operation = resource.operation
  if not operation then return end
  if is_read then operation.polls = operation.polls + 1 end
  self:settle(operation)
end

-- Updates the state of all connections of an account.
function operations:settle_all(account)
  for index = #account.connections, 1, -1 do
    local operation = account.connections[index].operation
    if operation then self:settle(operation) end
  end
end

local own_collection = "privateEndpointConnectionOperationStatuses"

local function encoded_path(account)
  return (account.id:gsub("[^/]+", text.percent_encode))
end

local function query(operation, settings, header)
  local version = settings.operation_api_version
  local extra = settings.operation_url_extra
  return "?api-version=" .. (version == "same" and operation.version or version) .. extra .. operation.signed[header]
end

local function is_as_given(operation, given)
  if not given:find(operation.resource.options.operation_url_extra, 1, true) then return false end
  for _, signed in pairs(operation.signed) do
    if given:find(signed, 1, true) then return true end
  end
  return false
end

local function url(operation, collection, origin, header)
  local resource = operation.resource
  local name = ("%s$%s$%s"):format(operation.kind, text.percent_encode(resource.name), operation.id)
  return table.concat { origin, encoded_path(resource.account), "/", collection, "/", name,
    query(operation, resource.options, header) }
end

-- Adds the headers for polling to an answer.
function operations:point_to(answer, operation, origin, wish, suffix)
  local settings = operation.resource.options
  local which, collection = settings.operation_headers, settings.results_collection
  local function add(header, its_collection)
    reply.add(answer, header, url(operation, its_collection, origin, header) .. (suffix or ""))
  end
  if which == "both" or which == "async" then
    add("Azure-AsyncOperation", settings.async_url == "own" and own_collection or collection)
  end
  if which == "both" or which == "location" then add("Location", collection) end
  retryafter.add(answer.headers, wish, self.world.clock:now())
end

local names = { kind = "^(%a+)%$(.*)%$(%x+%-%x+%-%x+%-%x+%-%x+)$" }

-- Returns the operation that a poll's path names, or nil.
function operations:find(account, segment)
  local kind, name, id = segment:match(names.kind)
  local operation = id and self.by_id[id:lower()]
  if not operation or operation.resource.account ~= account then return end
  local same = operation.kind:lower() == kind:lower() and operation.resource.name:lower() == name:lower()
  return same and operation or nil
end

local function failure(operation)
  local settings = operation.resource.options
  local code = operation.status == "Canceled" and "OperationCanceled" or settings.failure_code
  return settings.failure_status, code, settings.failure_message
end

local function resource_answer(operation)
  local resource = operation.resource
  local answer = reply.json(200, connection.wire(resource, operation.version))
  reply.add(answer, "ETag", resource.etag)
  reply.add(answer, "Last-Modified", date.http(resource.modified))
  return answer
end

local words = { Succeeded = "success_word", Failed = "failed_word", Canceled = "canceled_word",
  InProgress = "running_word" }

local function percent(self, operation)
  if operation.ended then return 100 end
  local length = math.max(operation.due - operation.started, 0.001)
  return math.floor(math.min((self.world.clock:now() - operation.started) / length, 0.99) * 100)
end

-- The status monitor of "Azure Resource Manager RPC, asynchronous operations".
local function monitor(self, operation, target)
  local body = {
    id = target:match "^[^?]*", name = operation.id, status = operation.resource.options[words[operation.status]],
    startTime = date.stamp(operation.started, true), endTime = operation.ended and date.stamp(operation.ended, true),
    percentComplete = percent(self, operation),
  }
  if operation.status == "Succeeded" and operation.kind == "Updating" then
    body.properties = connection.wire(operation.resource, operation.version).properties
  elseif operation.ended and operation.status ~= "Succeeded" then
    local _, code, message = failure(operation)
    body.error = { code = code, message = message }
  end
  return reply.json(200, body)
end

-- Azure-AsyncOperation promises a status monitor, Location the answer of the request itself.
local function poll_answer(settings)
  if settings.poll_answer ~= "auto" then return settings.poll_answer end
  local has_monitor = settings.operation_headers == "both" or settings.operation_headers == "async"
  return has_monitor and "monitor" or "resource"
end

local endings = {
  resource = function (operation)
    return operation.kind == "Deleting" and reply.new(200) or resource_answer(operation)
  end,
  empty = function () return reply.new(200) end,
  ["204"] = function () return reply.new(204) end,
}

local function final_answer(operation)
  local settings = operation.resource.options
  if operation.status == "Succeeded" then return endings[poll_answer(settings)](operation) end
  if settings.failure_shape == "resource" then return resource_answer(operation) end
  return reply.error(failure(operation))
end

local function running_answer(self, operation, request)
  local settings = operation.resource.options
  local answer = reply.new(202)
  local wish = settings.poll_retry_after == "same" and settings.retry_after or settings.poll_retry_after
  if settings.poll_location == "none" then
    retryafter.add(answer.headers, wish, self.world.clock:now())
  else
    local suffix = settings.poll_location == "changing" and "&poll=" .. operation.polls or nil
    self:point_to(answer, operation, request.origin, wish, suffix)
  end
  return answer
end

local function is_monitor(operation, collection)
  return poll_answer(operation.resource.options) == "monitor" or collection:lower() == own_collection:lower()
end

local function monitor_answer(self, operation, request)
  local answer = monitor(self, operation, request.target)
  if not operation.ended then
    answer.headers = { answer.headers[1], table.unpack(running_answer(self, operation, request).headers) }
  end
  return answer
end

-- Answers a poll of the operation.
function operations:poll(operation, request, collection)
  operation.polls = operation.polls + 1
  if operation.polls <= operation.not_found then
    return reply.error(404, "ResourceNotFound", "The operation was not found.")
  end
  if not is_as_given(operation, request.query) then
    return reply.error(400, "InvalidOperationUrl", "The URL of the operation was changed.")
  end
  self:settle(operation)
  if is_monitor(operation, collection) then return monitor_answer(self, operation, request) end
  if operation.ended then return final_answer(operation) end
  return running_answer(self, operation, request)
end

-- Returns the visible state of a connection: the resource, or its old state while reads lag.
function operations.seen(_, resource)
  local lagging = resource.lagging
  if not lagging then return resource end
  lagging.left = lagging.left - 1
  if lagging.left <= 0 then resource.lagging = nil end
  return lagging.old
end

local busy = { Creating = true, Updating = true, Deleting = true }

function operations.is_busy(_, resource)
  return busy[resource.provisioning_state] or false
end

return operations
