-- Azure Policy with external evaluation: which writes need a policy token, and who is given one.
--
-- Played after Azure/azure-rest-api-specs (Microsoft.Authorization, openapi.json of 2025-11-01: "Policy Tokens -
-- Acquire") and Azure/azure-policy (ExternalEvaluationPolicies: the 403's body, contentHash, "PoP "). How a service
-- reacts to a missing or an unknown change reference, and the URL of an asynchronous acquisition, are documented
-- nowhere; here they are an evaluation that denies the write, and an URL of this emulator's own.

local date = require "azpec.date"
local ids = require "azpec.emulator.ids"
local json = require "azpec.json"
local reply = require "azpec.emulator.reply"
local retryafter = require "azpec.emulator.retryafter"
local sha256 = require "azpec.sha256"

local policies = {}
policies.__index = policies

function policies.new(world)
  return setmetatable({ world = world, by_token = {}, acquisitions = {}, failures = {} }, policies)
end

local header = "x-ms-policy-external-evaluations"
local kinds = { token = "AzureResourceGraph", change = "ChangeSafety" }

local function policy_info(resource)
  local scope = resource.account.group_id
  return {
    policyDefinitionId = scope:match "^/subscriptions/[^/]+"
      .. "/providers/Microsoft.Authorization/policyDefinitions/guard-private-endpoints",
    policyDefinitionEffect = "deny",
    policyAssignmentId = scope .. "/providers/Microsoft.Authorization/policyAssignments/guard-private-endpoints",
    policyAssignmentName = "guard-private-endpoints",
  }
end

-- ---- the write -----------------------------------------------------------------------------------------------------

local function violation(resource)
  local details = {
    shouldDeny = true, endpointKind = kinds[resource.options.policy], endpointResultLifespan = "PT1H",
    isChangeReferenceRequired = resource.options.policy == "change",
  }
  local info = policy_info(resource)
  if resource.options.policy_details == "info" then
    info.missingPolicyTokenDetails = details
  else
    info.evaluationDetails = { missingPolicyTokenDetails = details }
  end
  return { type = "PolicyViolation", info = info }
end

-- What a token is bound to: the operation's URI, method and payload.
local function binding(uri, method, content)
  return ("%s %s %s"):format(method:upper(), uri, sha256.hex(content or ""))
end

-- Lets a write to the connection go on, or raises the refusal of a policy.
function policies:check(resource, request)
  if resource.options.policy == "off" then return end
  local token = self.by_token[request.headers[header] or ""]
  local is_good = token and self.world.clock:now() < token.expires
    and token.binding == binding(request.origin .. request.target, request.method, request.body)
  if is_good and token.uses ~= 0 then
    token.uses = token.uses and token.uses - 1
    return
  end
  error({ status = 403, code = "RequestDisallowedByPolicy", target = resource.name,
    message = ("Resource '%s' was disallowed by policy. Policy identifiers: '[{\"policyAssignment\":{\"name\":"
      .. "\"guard-private-endpoints\"}}]'."):format(resource.name),
    additional_info = json.list { violation(resource) } }, 0)
end

-- ---- the acquisition -----------------------------------------------------------------------------------------------

-- Where the JSON value at `from` ends: the last place of its text.
local function value_end(body, from)
  local depth, at = 0, from
  while at <= #body do
    local char = body:sub(at, at)
    if char == '"' then
      at = at + 1
      while body:sub(at, at) ~= '"' do at = at + (body:sub(at, at) == "\\" and 2 or 1) end
    elseif char:find "[%[{]" then
      depth = depth + 1
    elseif char:find "[%]}]" then
      depth = depth - 1
    end
    if depth == 0 and not body:find("^%s*[%w.+-]", at + 1) then return at end
    at = at + 1
  end
end

-- The bytes of operation.content, as they came: the token is bound to them. The body is JSON.
local function content_bytes(body)
  local from = select(2, body:find '"content"%s*:%s*')
  return from and body:sub(from + 1, value_end(body, from + 1))
end

local function bad(format, ...)
  error({ status = 400, code = "InvalidPolicyTokenRequest", message = format:format(...) }, 0)
end

-- The operation that a token is wanted for: { uri, method, content }, and the change reference.
function policies.read(request)
  local given = json.decode(request.body)
  local operation = type(given) == "table" and given.operation
  if type(operation) ~= "table" or type(operation.uri) ~= "string" or type(operation.httpMethod) ~= "string" then
    bad "The request needs operation.uri and operation.httpMethod."
  end
  if operation.httpMethod:upper() == "GET" then bad "A GET needs no policy token." end
  local change = given.changeReference
  if change ~= nil and change ~= json.null and (type(change) ~= "string" or change == "") then
    bad "changeReference is a string."
  end
  return { uri = operation.uri, method = operation.httpMethod, change = change ~= json.null and change or nil,
    content = operation.content ~= nil and operation.content ~= json.null and content_bytes(request.body) or nil }
end

-- Why the evaluation of a policy does not let the operation through: the action of Azure Policy, and a message.
local function objection(resource, wanted)
  local settings = resource.options
  if settings.policy_evaluation == "deny" then return "Deny", "The external evaluation does not allow this." end
  if settings.policy_evaluation == "fail" then return "Error", "The endpoint of the evaluation did not answer." end
  if settings.policy ~= "change" then return nil end
  if not wanted.change then return "Deny", "A change reference is required." end
  if settings.policy_change ~= "any" and settings.policy_change:lower() ~= wanted.change:lower() then
    return "Deny", ("The change reference '%s' does not allow this operation."):format(wanted.change)
  end
end

-- The first evaluations of an operation may fail for a while.
local function is_busy(self, resource, wanted)
  local key = binding(wanted.uri, wanted.method, wanted.content)
  self.failures[key] = (self.failures[key] or 0) + 1
  return self.failures[key] <= resource.options.policy_failures
end

local function issue(self, resource, wanted)
  local text = "PoP " .. ids.token()
  local expires = self.world.clock:now() + resource.options.policy_token_lifetime
  local uses = resource.options.policy_token_uses
  self.by_token[text] = { binding = binding(wanted.uri, wanted.method, wanted.content), expires = expires,
    uses = uses > 0 and uses or nil }
  return text, expires
end

-- "PolicyTokenResponse" of the REST description.
local function evaluate(self, resource, wanted, path)
  local answer = { result = "Succeeded", changeReference = wanted.change, results = json.list(),
    requestDetails = { uri = wanted.uri, resourceId = path, httpMethod = wanted.method:upper(),
      apiVersion = wanted.uri:match "[?&]api%-version=([^&]*)", contentHash = sha256.hex(wanted.content or "") } }
  if not resource or resource.options.policy == "off" then return answer end
  local one = { policyInfo = policy_info(resource), endpointKind = kinds[resource.options.policy] }
  answer.results[1] = one
  if is_busy(self, resource, wanted) then
    answer.result, one.result, one.policyAction = "Failed", "Failed", "Error"
    answer.message, one.message = "An evaluation has failed.", "The endpoint of the evaluation is busy."
    answer.retryAfter = date.stamp(self.world.clock:now() + resource.options.policy_retry_after)
    one.retryAfter = answer.retryAfter
    return answer
  end
  local action, message = objection(resource, wanted)
  one.policyAction, one.message = action or "Allow", message or "The external evaluation allows this."
  one.result = action == "Error" and "Failed" or "Succeeded"
  if action == "Error" then answer.result = "Failed" end
  if action then return answer end
  local token, expires = issue(self, resource, wanted)
  answer.token, answer.tokenId, answer.expiration = token, ids.guid(), date.stamp(expires)
  one.expiration = answer.expiration
  return answer
end

local function point_to(self, answer, acquisition, origin)
  local url = ("%s/subscriptions/%s/providers/Microsoft.Authorization/policyTokenOperations/%s?api-version=%s"):format(
    origin, acquisition.subscription, acquisition.id, acquisition.version)
  local which = acquisition.options.policy_headers
  if which ~= "location" then reply.add(answer, "Azure-AsyncOperation", url) end
  if which ~= "async" then reply.add(answer, "Location", url .. "&result") end
  retryafter.add(answer.headers, acquisition.options.policy_poll_retry_after, self.world.clock:now())
  return answer
end

-- Answers "Policy Tokens - Acquire". resource: the connection that the operation is about, or nil; path: its id.
function policies:acquire(request, resource, wanted, path, subscription)
  local options = resource and resource.options or self.world.options
  if options.policy_acquisition == "sync" then return reply.json(200, evaluate(self, resource, wanted, path)) end
  local acquisition = { id = ids.guid(), options = options, subscription = subscription, version = request.version,
    due = self.world.clock:now() + options.policy_seconds,
    evaluate = function () return evaluate(self, resource, wanted, path) end }
  self.acquisitions[acquisition.id] = acquisition
  return point_to(self, reply.new(202), acquisition, request.origin)
end

-- Answers a poll of an asynchronous acquisition.
function policies:poll(request, id)
  local acquisition = self.acquisitions[id:lower()]
  if not acquisition then
    error({ status = 404, code = "ResourceNotFound", message = "The operation was not found." }, 0)
  end
  local is_over, is_result = self.world.clock:now() >= acquisition.due, request.query:find "&result$" ~= nil
  if not is_over then
    local answer = is_result and reply.new(202) or reply.json(200, { id = request.path, name = id, status = "Running",
      startTime = date.stamp(self.world.clock:now(), true) })
    return point_to(self, answer, acquisition, request.origin)
  end
  acquisition.answer = acquisition.answer or acquisition.evaluate()
  if is_result then return reply.json(200, acquisition.answer) end
  local is_shown = acquisition.options.policy_headers ~= "both"
  return reply.json(200, { id = request.path, name = id, status = "Succeeded",
    properties = is_shown and acquisition.answer or nil })
end

return policies
