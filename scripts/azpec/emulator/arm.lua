-- Azure Resource Manager for the private endpoint connections of Batch accounts: checks each request in ARM's order
-- (api-version, token, route, resource) and answers it.

local authorize = require "azpec.emulator.authorize"
local clock = require "azpec.emulator.clock"
local connection = require "azpec.emulator.connection"
local ids = require "azpec.emulator.ids"
local json = require "azpec.json"
local reply = require "azpec.emulator.reply"
local retryafter = require "azpec.emulator.retryafter"
local text = require "azpec.emulator.text"

local arm = {}

local versions = { "2022-06-01", "2022-10-01", "2023-05-01", "2023-11-01", "2024-02-01", "2024-07-01", "2025-06-01",
  "2026-08-01" }

local is_version = {}
for _, version in ipairs(versions) do is_version[version] = true end

local function list_of(set)
  local list = {}
  for name in pairs(set) do list[#list + 1] = name end
  table.sort(list)
  return list
end

-- Those of another provider that answers for the resource.
local versions_of = { permissions = { ["2015-07-01"] = true, ["2018-01-01-preview"] = true, ["2022-04-01"] = true } }

local function refuse(status, code, format, ...)
  error({ status = status, code = code, message = format:format(...) }, 0)
end

-- The checks before the route ------------------------------------------------------------------------------------

local function check_has_version(request)
  if request.params["api-version"] then return end
  refuse(400, "MissingApiVersionParameter",
    "The api-version query parameter (?api-version=) is required for all requests.")
end

local function challenge(world, request, word, description, claims)
  local extra = claims and (', claims="%s"'):format(text.base64_encode(claims)) or ""
  return ('Bearer authorization_uri="%s/%s", error="%s", error_description="%s"%s'):format(
    request.origin, world.tenant_id, word, description, extra)
end

-- A 401: code of the body, its message, and what the challenge says.
local function unauthorized(world, request, code, message, claims)
  local word = claims and "insufficient_claims" or "invalid_token"
  error({ status = 401, code = code, message = message,
    challenge = challenge(world, request, word, message, claims) }, 0)
end

arm.challenge = challenge

local function authenticate(self, request)
  local world, given = self.world, request.headers.authorization
  local function fail(...) unauthorized(world, request, ...) end
  if not given then fail("AuthenticationFailed", "Authentication failed. The 'Authorization' header is missing.") end
  local token = self.tokens:find(given)
  if not token then fail("InvalidAuthenticationToken", "The access token is invalid.") end
  if self.tokens:is_expired(token) then
    fail("ExpiredAuthenticationToken", ("The access token expiry UTC time '%s' is earlier than current UTC time '%s'.")
      :format(clock.timestamp(token.expires), clock.timestamp(world.clock:now())))
  elseif token.audience ~= "arm" then
    fail("InvalidAuthenticationTokenAudience", "The access token has been obtained for the wrong audience or resource.")
  end
  local claims = self.tokens:missing_claims(token)
  if claims then
    fail("InvalidAuthenticationToken", "Continuous access evaluation resulted in challenge.", claims)
  end
  return token
end

local function check_version(request, route)
  local version = request.params["api-version"]
  local old_poll = route.kind == "poll" and version:find "^20%d%d%-%d%d%-%d%d$"
  local known = versions_of[route.kind] or is_version
  if known[version] and not request.repeated["api-version"] or old_poll then return end
  refuse(400, "InvalidApiVersionParameter", "The api-version '%s' is invalid. The supported versions are '%s'.",
    version, table.concat(list_of(known), ","))
end

local function check_route(route)
  if route.kind == "malformed" then refuse(400, "BadRequest", "The request URI is malformed.") end
  if route.kind == "method" then
    refuse(405, "MethodNotAllowed", "The requested resource does not support this HTTP method.")
  end
  if route.kind ~= "unknown" then return end
  if route.has_empty then
    refuse(400, "InvalidApiVersionParameter", "The api-version is invalid for the resource that the URI names.")
  end
  refuse(404, "InvalidResourceType", "The resource type could not be found in the namespace 'Microsoft.Batch'.")
end

-- Finding --------------------------------------------------------------------------------------------------------

local function find_subscription(self, names)
  local subscription = self.world:find_subscription(names.subscription)
  if subscription then return subscription end
  refuse(404, "SubscriptionNotFound", "The subscription '%s' could not be found.", names.subscription)
end

local function find_group(self, names)
  local subscription = find_subscription(self, names)
  local group = subscription.groups[names.group:lower()]
  if group then return group, subscription end
  refuse(404, "ResourceGroupNotFound", "Resource group '%s' could not be found.", names.group)
end

local function find_account(self, names)
  local group, subscription = find_group(self, names)
  local account = subscription.accounts[group:lower() .. "/" .. names.account:lower()]
  if account then return account end
  refuse(404, "ResourceNotFound",
    "The Resource 'Microsoft.Batch/batchAccounts/%s' under resource group '%s' was not found.", names.account, group)
end

local function find_connection(self, names, is_read)
  local account = find_account(self, names)
  local resource = account.by_name[names.connection:lower()]
  if resource then self.operations:look(resource, is_read) end
  return account.by_name[names.connection:lower()], account
end

local function existing_connection(self, names, is_read)
  local resource, account = find_connection(self, names, is_read)
  if resource then return resource end
  refuse(404, "ResourceNotFound", "The private endpoint connection '%s' of the Batch account '%s' was not found.",
    names.connection, account.name)
end

-- Answers by kind ------------------------------------------------------------------------------------------------

local kinds = {}

local function resource_reply(status, resource, version)
  local answer = reply.json(status, connection.wire(resource, version))
  reply.add(answer, "ETag", resource.etag)
  reply.add(answer, "Last-Modified", clock.http_date(resource.modified))
  return answer
end

function kinds.get(self, request, route)
  local resource = existing_connection(self, route.names, true)
  return resource_reply(200, self.operations:seen(resource), request.version)
end

local function check_tag(resource, request)
  if connection.matches(resource, request.headers["if-match"]) then return end
  local code = resource.options.etag_mismatch_status == 409 and "Conflict" or "PreconditionFailed"
  refuse(resource.options.etag_mismatch_status, code,
    "The condition specified using HTTP conditional header(s) is not met.")
end

local function check_idle(self, resource)
  local settings = resource.options
  if settings.concurrent_update == "allow" or not self.operations:is_busy(resource) then return end
  error({ status = 409, code = settings.conflict_code, retry_after = settings.conflict_retry_after,
    message = "Another operation on this private endpoint connection is in progress. Please try again later." }, 0)
end

local function check_media_type(request)
  local media = (request.headers["content-type"] or ""):lower():match "^%s*([^;%s]*)"
  if media == "application/json" or media == "application/merge-patch+json" then return end
  refuse(415, "UnsupportedMediaType",
    "The content media type '%s' is not supported. Only 'application/json' is supported.", media)
end

-- Begins an operation and answers how to follow it.
local function accepted(self, request, resource, kind, wanted, answer)
  local operation = self.operations:begin(kind, resource, request.version, wanted)
  answer = answer or reply.new(202)
  self.operations:point_to(answer, operation, request.origin, resource.options.retry_after)
  return answer
end

local update_answers = {
  ["202"] = function (self, request, resource, wanted)
    return accepted(self, request, resource, "Updating", wanted)
  end,
  updating = function (self, request, resource, wanted)
    local pointers = accepted(self, request, resource, "Updating", wanted)
    local answer = resource_reply(200, resource, request.version)
    table.move(pointers.headers, 1, #pointers.headers, #answer.headers + 1, answer.headers)
    return answer
  end,
  ["204"] = function (self, _, resource, wanted)
    self.operations:apply_now(resource, wanted)
    return reply.new(204)
  end,
  ["200"] = function (self, request, resource, wanted)
    self.operations:apply_now(resource, wanted)
    return resource_reply(200, resource, request.version)
  end,
  ["201"] = function (self, request, resource, wanted)
    self.operations:apply_now(resource, wanted)
    return resource_reply(201, resource, request.version)
  end,
}

function kinds.update(self, request, route)
  check_media_type(request)
  local resource = existing_connection(self, route.names)
  local wanted = connection.read_patch(resource, request.body, request.version)
  check_tag(resource, request)
  check_idle(self, resource)
  connection.check_change(resource, wanted)
  return update_answers[resource.options.update_answer](self, request, resource, wanted)
end

function kinds.delete(self, request, route)
  local resource = find_connection(self, route.names)
  if not resource then return reply.new(204) end
  check_tag(resource, request)
  check_idle(self, resource)
  local status = resource.options.delete_answer
  if status == "202" then return accepted(self, request, resource, "Deleting") end
  self.world.remove_connection(resource)
  return reply.new(tonumber(status))
end

function kinds.poll(self, request, route)
  local account = find_account(self, route.names)
  local operation = self.operations:find(account, route.names.operation)
  if not operation then refuse(404, "ResourceNotFound", "The operation was not found.") end
  return self.operations:poll(operation, request, route.pieces[#route.pieces - 1])
end

local function wanted_page(request, settings)
  local given = request.params.maxresults
  local limit = given and given:find "^%d+$" and math.tointeger(given)
  if given and not (limit and limit >= 1 and limit < 1 << 31) then
    refuse(400, "InvalidParameter", "The query parameter 'maxresults' is not a valid number: '%s'.", given)
  end
  local size = settings.page_size > 0 and settings.page_size or math.huge
  return math.min(size, limit or math.huge)
end

-- Where the page begins: the serial number of the item before it; 0 at first, -1 before a page that is to be empty.
local function start_of(request, settings)
  local token = request.params["$skiptoken"]
  if not token then return settings.empty_page == "yes" and -1 or 0 end
  local serial = (text.base64_decode(token) or ""):match "^after:(%d+)$"
  if not serial then refuse(400, "InvalidParameter", "The query parameter '$skipToken' is not valid.") end
  return tonumber(serial)
end

local function next_link(request, serial)
  local query = request.query:gsub("&?[%%$][^=&]*[Ss]kip[Tt]oken=[^&]*", "")
  local token = text.base64_encode("after:" .. serial):gsub("=", "%%3D")
  return ("%s%s%s&%%24skipToken=%s"):format(request.origin, request.path, query, token)
end

-- One page of items that have serial numbers in rising order, and the serial number after which the next one begins.
local function page(items, start, size)
  local value = json.list()
  if start < 0 then return value, 0 end
  for index, item in ipairs(items) do
    if item.serial > start then
      value[#value + 1] = item
      if #value >= size then return value, items[index + 1] and item.serial end
    end
  end
  return value
end

local last_links = { null = json.null, empty = "" }

local function list_reply(request, settings, items, write)
  local value, following = page(items, start_of(request, settings), wanted_page(request, settings))
  for index, item in ipairs(value) do value[index] = write(item) end
  local link = following and next_link(request, following) or last_links[settings.last_link]
  return reply.json(200, { value = value, nextLink = link })
end

function kinds.list(self, request, route)
  local account = find_account(self, route.names)
  self.operations:settle_all(account)
  return list_reply(request, account.options, account.connections, function (resource)
    return connection.wire(resource, request.version)
  end)
end

function kinds.links(self, request, route)
  local account = find_account(self, route.names)
  for serial, link in ipairs(account.links) do link.serial = serial end
  return list_reply(request, account.options, account.links, function (link)
    return { id = link.id, name = link.name, type = link.type, properties = link.properties }
  end)
end

function kinds.link(self, _, route)
  local account = find_account(self, route.names)
  for _, link in ipairs(account.links) do
    if link.name:lower() == route.names.link:lower() then
      return reply.json(200, { id = link.id, name = link.name, type = link.type, properties = link.properties })
    end
  end
  refuse(404, "ResourceNotFound", "The private link resource '%s' was not found.", route.names.link)
end

-- "Permissions - List For Resource": a page for each assignment would be allowed, one page is what comes.
function kinds.permissions(self, request, route)
  local account = find_account(self, route.names)
  return list_reply(request, account.options, account.permissions, function (permission)
    return { actions = permission.actions, notActions = permission.not_actions,
      dataActions = permission.data_actions, notDataActions = permission.not_data_actions }
  end)
end

local function account_body(self, account, version)
  self.operations:settle_all(account)
  local connections = json.list()
  for index, resource in ipairs(account.connections) do connections[index] = connection.wire(resource, version) end
  return {
    id = account.id, name = account.name, type = "Microsoft.Batch/batchAccounts", location = account.location,
    tags = account.tags,
    properties = {
      accountEndpoint = account.endpoint,
      provisioningState = "Succeeded", poolAllocationMode = "BatchService", publicNetworkAccess = "Disabled",
      privateEndpointConnections = connections,
    },
  }
end

function kinds.account(self, request, route)
  return reply.json(200, account_body(self, find_account(self, route.names), request.version))
end

function kinds.accounts(self, request, route)
  local subscription, group = find_subscription(self, route.names), nil
  if route.names.group then group = find_group(self, route.names) end
  local found = {}
  for _, account in ipairs(self.world.accounts) do
    local fits = account.subscription == subscription and (not group or account.group == group)
    if fits and authorize.shows(account) then found[#found + 1] = account end
  end
  return list_reply(request, self.world.options, found, function (account)
    return account_body(self, account, request.version)
  end)
end

-- The discovery of the cloud, which needs no token.
local function metadata(request)
  local cloud = {
    name = "AzureCloud", portal = "https://portal.azure.com", resourceManager = request.origin .. "/",
    authentication = { loginEndpoint = request.origin, tenant = "common", identityProvider = "AAD",
      audiences = { "https://management.core.windows.net/", "https://management.azure.com/" } },
    suffixes = { keyVaultDns = "vault.azure.net", storage = "core.windows.net" },
    media = "https://rest.media.azure.net", gallery = "https://gallery.azure.com/",
  }
  local is_old = request.params["api-version"] < "2020-01-01"
  return reply.json(200, is_old and { cloud } or cloud)
end

-- What every answer has ------------------------------------------------------------------------------------------

local counted_as = { PATCH = "writes", PUT = "writes", POST = "writes", DELETE = "deletes" }

local function throttled(self, request, route, token)
  if not route.names.subscription then return end
  local kind = counted_as[request.method] or "reads"
  local left, wait = self.throttle:take(route.names.subscription:lower(), token.principal, kind)
  request.remaining = { "x-ms-ratelimit-remaining-subscription-" .. kind, tostring(left) }
  if wait and self.world.options.throttle == "on" then
    error({ status = 429, code = "SubscriptionRequestsThrottled", retry_after = tostring(wait),
      message = ("Number of requests for subscription '%s' exceeded the limit. Please try again after '%d' seconds.")
        :format(route.names.subscription, wait) }, 0)
  end
end

local function refusal(self, request, route, fault)
  local answer = reply.error(fault.status, fault.code, fault.message, fault.target)
  if fault.challenge then reply.add(answer, "WWW-Authenticate", fault.challenge) end
  if fault.status == 405 then reply.add(answer, "Allow", route.allow) end
  if fault.retry_after then retryafter.add(answer.headers, fault.retry_after, self.world.clock:now()) end
  reply.add(answer, "x-ms-failure-cause", request.version and "service" or "gateway")
  return answer
end

local region = "JAPANEAST"

-- Adds the ids and the counters to an answer.
function arm.finish(self, request, answer)
  local id, headers = ids.guid(), request.headers
  local stamp = os.date("!%Y%m%dT%H%M%SZ", math.floor(self.world.clock:now()))
  reply.add(answer, "Cache-Control", "no-cache")
  reply.add(answer, "Pragma", "no-cache")
  reply.add(answer, "Expires", "-1")
  if request.remaining then reply.add(answer, table.unpack(request.remaining)) end
  reply.add(answer, "x-ms-request-id", id)
  reply.add(answer, "x-ms-correlation-request-id", headers["x-ms-correlation-request-id"] or id)
  reply.add(answer, "x-ms-routing-request-id", ("%s:%s:%s"):format(region, stamp, ids.guid()))
  if headers["x-ms-client-request-id"] and (headers["x-ms-return-client-request-id"] or ""):lower() == "true" then
    reply.add(answer, "x-ms-client-request-id", headers["x-ms-client-request-id"])
  end
  reply.add(answer, "Strict-Transport-Security", "max-age=31536000; includeSubDomains")
  reply.add(answer, "X-Content-Type-Options", "nosniff")
  return answer
end

-- A request to an account that is there, and that the permissions at it do not allow.
local function check_rights(self, route, token)
  if not route.names.account then return end
  local subscription = self.world:find_subscription(route.names.subscription)
  local account = subscription and subscription.accounts[(route.names.group .. "/" .. route.names.account):lower()]
  local message = account and authorize.refusal(account, route, token)
  if message then refuse(403, "AuthorizationFailed", "%s", message) end
end

local function handle(self, request, route)
  check_has_version(request)
  if route.kind == "metadata" then return metadata(request) end
  local token = authenticate(self, request)
  throttled(self, request, route, token)
  check_route(route)
  check_rights(self, route, token)
  check_version(request, route)
  request.version = request.params["api-version"]
  return kinds[route.kind](self, request, route)
end

-- Answers a request; `self` has world, tokens, operations and throttle.
function arm.answer(self, request, route)
  local ok, result = pcall(handle, self, request, route)
  if not ok and type(result) ~= "table" then error(result, 0) end
  local answer = ok and result or refusal(self, request, route, result)
  return arm.finish(self, request, answer)
end

return arm
