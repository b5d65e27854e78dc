-- Azure Resource Manager for the private endpoint connections of Batch accounts: checks each request in ARM's order
-- (api-version, token, route, resource) and answers it.

local authorize = require "azpec.emulator.authorize"
local api_versions = require "azpec.api_versions"
local base64 = require "azpec.base64"
local connection = require "azpec.emulator.connection"
local date = require "azpec.date"
local directory = require "azpec.emulator.directory"
local graph = require "azpec.emulator.graph"
local ids = require "azpec.emulator.ids"
local json = require "azpec.json"
local lookup = require "azpec.emulator.lookup"
local paging = require "azpec.emulator.paging"
local policies = require "azpec.emulator.policies"
local reply = require "azpec.emulator.reply"
local retryafter = require "azpec.emulator.retryafter"
local routes = require "azpec.emulator.routes"

local arm = {}

-- The api-versions of other providers.
local policy_versions = { "2025-03-01", "2025-11-01" }
local resources_versions = { "2015-11-01", "2016-06-01", "2018-05-01", "2018-06-01", "2019-06-01", "2019-11-01",
  "2020-01-01", "2021-01-01", "2021-04-01", "2022-12-01" }
local versions_of = {
  acquire = policy_versions, acquisition = policy_versions, graph = { "2021-03-01", "2022-10-01", "2024-04-01" },
  permissions = { "2015-07-01", "2018-01-01-preview", "2022-04-01" },
  tenants = resources_versions, subscriptions = resources_versions, subscription = resources_versions,
  groups = resources_versions, provider = resources_versions,
}

local refuse = reply.refuse

-- The checks before the route ------------------------------------------------------------------------------------

local function check_has_version(request)
  if request.params["api-version"] then return end
  refuse(400, "MissingApiVersionParameter",
    "The api-version query parameter (?api-version=) is required for all requests.")
end

local function challenge(world, request, word, description, claims)
  local extra = claims and (', claims="%s"'):format(base64.encode(claims)) or ""
  return ('Bearer authorization_uri="%s/%s", error="%s", error_description="%s"%s'):format(
    request.origin, world.tenant_id, word, description, extra)
end

-- Returns a 401: code and message of the body, and the parameters of the challenge.
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
      :format(date.stamp(token.expires, true), date.stamp(world.clock:now(), true)))
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
  local supported = versions_of[route.kind] or api_versions.list
  if not request.repeated["api-version"] then
    for _, known in ipairs(supported) do
      if version == known then return end
    end
  end
  if old_poll then return end
  refuse(400, "InvalidApiVersionParameter", "The api-version '%s' is invalid. The supported versions are '%s'.",
    version, table.concat(supported, ","))
end

-- No api-version describes PUT; "az network private-endpoint-connection approve" sends it. DELETE came later.
local function check_method(self, request, route)
  local is_served = true
  if route.kind == "replace" then is_served = self.world.options.put == "update" end
  if route.kind == "delete" then is_served = api_versions.has(request.version, "DELETE") end
  if not is_served then
    refuse(405, "MethodNotAllowed", "The requested resource does not support http method '%s'.", request.method)
  end
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

-- Refuses a request to an existing account that its permissions do not allow.
local function check_rights(self, route, token)
  if not route.names.account then return end
  local subscription = self.world:find_subscription(route.names.subscription)
  local account = subscription and subscription.accounts[(route.names.group .. "/" .. route.names.account):lower()]
  local message = account and authorize.refusal(account, route, token)
  if message then refuse(403, "AuthorizationFailed", "%s", message) end
end

-- Answers by kind ------------------------------------------------------------------------------------------------

local kinds = setmetatable({}, { __index = directory })

local function resource_reply(status, resource, version)
  local answer = reply.json(status, connection.wire(resource, version))
  reply.add(answer, "ETag", resource.etag)
  reply.add(answer, "Last-Modified", date.http(resource.modified))
  return answer
end

function kinds.get(self, request, route)
  local resource = lookup.existing_connection(self, route.names, true)
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

-- Begins an operation and answers with its polling URLs.
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
  local resource = lookup.existing_connection(self, route.names)
  self.policies:check(resource, request)
  local wanted = connection.read_patch(resource, request.body, request.version)
  check_tag(resource, request)
  check_idle(self, resource)
  connection.check_change(resource, wanted)
  return update_answers[resource.options.update_answer](self, request, resource, wanted)
end

kinds.replace = kinds.update

function kinds.delete(self, request, route)
  local resource = lookup.connection(self, route.names)
  if not resource then return reply.new(204) end
  self.policies:check(resource, request)
  if resource.options.delete_if_match == "heed" then check_tag(resource, request) end
  check_idle(self, resource)
  local status = resource.options.delete_answer
  if status == "202" then return accepted(self, request, resource, "Deleting") end
  self.world.remove_connection(resource, self.world.clock:now())
  return reply.new(tonumber(status))
end

local write_kinds = { update = true, replace = true, delete = true }

-- The connection that a policy token is wanted for, or nil, and its path. The token is given to whoever may make the
-- change and may acquire tokens.
local function guarded(self, wanted, token)
  local path = wanted.uri:gsub("^%a+://[^/?#]*", ""):match "^[^?#]*"
  local route = routes.find(wanted.method:upper(), path)
  if not write_kinds[route.kind] then return nil, path end
  check_rights(self, route, token)
  return lookup.connection(self, route.names), path
end

function kinds.acquire(self, request, route, token)
  lookup.subscription(self, route.names)
  local wanted = policies.read(request)
  local message = authorize.refusal({ id = "/subscriptions/" .. route.names.subscription,
    permissions = self.world.permissions }, route, token)
  if message then refuse(403, "AuthorizationFailed", "%s", message) end
  local resource, path = guarded(self, wanted, token)
  return self.policies:acquire(request, resource, wanted, path, route.names.subscription)
end

function kinds.acquisition(self, request, route)
  return self.policies:poll(request, route.names.acquisition)
end

function kinds.poll(self, request, route)
  local account = lookup.account(self, route.names)
  local operation = self.operations:find(account, route.names.operation)
  if not operation then refuse(404, "ResourceNotFound", "The operation was not found.") end
  return self.operations:poll(operation, request, route.pieces[#route.pieces - 1])
end

function kinds.list(self, request, route)
  local account = lookup.account(self, route.names)
  self.operations:settle_all(account)
  return paging.reply(request, account.options, account.connections, function (resource)
    return connection.wire(resource, request.version)
  end)
end

function kinds.links(self, request, route)
  local account = lookup.account(self, route.names)
  for serial, link in ipairs(account.links) do link.serial = serial end
  return paging.reply(request, account.options, account.links, function (link)
    return { id = link.id, name = link.name, type = link.type, properties = link.properties }
  end)
end

function kinds.link(self, _, route)
  local account = lookup.account(self, route.names)
  for _, link in ipairs(account.links) do
    if link.name:lower() == route.names.link:lower() then
      return reply.json(200, { id = link.id, name = link.name, type = link.type, properties = link.properties })
    end
  end
  refuse(404, "ResourceNotFound", "The private link resource '%s' was not found.", route.names.link)
end

-- "Permissions - List For Resource", in one page; the service may also send a page for each assignment.
function kinds.permissions(self, request, route)
  local account = lookup.account(self, route.names)
  return paging.reply(request, account.options, account.permissions, function (permission)
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
  return reply.json(200, account_body(self, lookup.account(self, route.names), request.version))
end

function kinds.accounts(self, request, route)
  local subscription, group = lookup.subscription(self, route.names), nil
  if route.names.group then group = lookup.group(self, route.names) end
  local found = {}
  for _, account in ipairs(self.world.accounts) do
    local fits = account.subscription == subscription and (not group or account.group == group)
    if fits and authorize.shows(account) then found[#found + 1] = account end
  end
  return paging.reply(request, self.world.options, found, function (account)
    return account_body(self, account, request.version)
  end)
end

function kinds.graph(self, request, _, token)
  if self.world.options.graph == "off" then
    refuse(404, "InvalidResourceNamespace", "The resource namespace 'Microsoft.ResourceGraph' is invalid.")
  end
  check_media_type(request)
  return graph.answer(self, request, token)
end

-- What every answer has ------------------------------------------------------------------------------------------

local counted_as = { PATCH = "writes", PUT = "writes", POST = "writes", DELETE = "deletes" }

local function throttled(self, request, route, token)
  if not route.names.subscription then return end
  local kind = counted_as[request.method] or "reads"
  local left, wait = self.throttle:take(route.names.subscription:lower(), token.principal, kind)
  local counter = kind == "reads" and self.world.options.reads_counter or kind
  request.remaining = { "x-ms-ratelimit-remaining-subscription-" .. counter, tostring(left) }
  if wait and self.world.options.throttle == "on" then
    error({ status = 429, code = "SubscriptionRequestsThrottled", retry_after = tostring(wait),
      message = ("Number of requests for subscription '%s' exceeded the limit. Please try again after '%d' seconds.")
        :format(route.names.subscription, wait) }, 0)
  end
end

local function refusal(self, request, route, fault)
  local answer = reply.error(fault.status, fault.code, fault.message, fault.target, fault.additional_info)
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

local function handle(self, request, route)
  check_has_version(request)
  if route.kind == "metadata" then return kinds.metadata(self, request) end
  local token = authenticate(self, request)
  throttled(self, request, route, token)
  check_route(route)
  check_rights(self, route, token)
  check_version(request, route)
  request.version = request.params["api-version"]
  check_method(self, request, route)
  return kinds[route.kind](self, request, route, token)
end

-- Answers a request; `self` has world, tokens, operations, policies, throttle and graph_windows.
function arm.answer(self, request, route)
  local ok, result = pcall(handle, self, request, route)
  if not ok and type(result) ~= "table" then error(result, 0) end
  local answer = ok and result or refusal(self, request, route, result)
  return arm.finish(self, request, answer)
end

return arm
