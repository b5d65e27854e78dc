-- The endpoints that issue the id tokens of a pipeline's job: GitHub Actions and Azure Pipelines, each with its own
-- rules. The token endpoint accepts such a token as an assertion.

local ids = require "azpec.emulator.ids"
local json = require "azpec.json"
local jwt = require "azpec.emulator.jwt"
local reply = require "azpec.emulator.reply"

local pipeline = {}

local function refuse(status, format, ...)
  error({ status = status, message = format:format(...) }, 0)
end

local function check_bearer(world, request)
  local scheme, token = (request.headers.authorization or ""):match "^(%a+) +(%S+)$"
  return scheme and scheme:lower() == "bearer" and token == world.pipeline_token
end

-- Issues an id token, which the token endpoint accepts until it expires.
local function issue(world, issued)
  local now = math.floor(world.clock:now())
  local head = json.encode { alg = "RS256", kid = "emulator", typ = "JWT" }
  local claims = json.encode { iss = issued.issuer, sub = issued.subject, aud = issued.audience, iat = now, nbf = now,
    exp = now + issued.lifetime, jti = ids.guid() }
  local text = ("%s.%s.%s"):format(jwt.encode(head), jwt.encode(claims), ids.signature())
  world.id_tokens[text] = { audience = issued.audience, expires = now + issued.lifetime, kind = issued.kind }
  return text
end

local services = {}

function services.github_actions(world, request)
  if not check_bearer(world, request) then refuse(401, "The request token is missing or wrong.") end
  return { value = issue(world, { kind = "github_actions", lifetime = 300,
    issuer = "https://token.actions.githubusercontent.com", subject = "repo:octo-org/octo-repo:ref:refs/heads/main",
    audience = request.params.audience or "https://github.com/octo-org" }) }
end

local function check_job(world, request)
  if request.params["api-version"] ~= "7.1" then
    refuse(400, "The requested version \"%s\" of the resource is not supported.", request.params["api-version"] or "")
  elseif (request.params.serviceconnectionid or ""):lower() ~= world.service_connection_id:lower() then
    refuse(404, "The service connection does not exist, or the pipeline may not use it.")
  end
end

function services.azure_pipelines(world, request)
  if not check_bearer(world, request) then
    if request.headers["x-tfs-fedauthredirect"] ~= "Suppress" then
      error({ status = 302, location = request.origin .. "/_signin" }, 0)
    end
    refuse(401, "TF400813: The user '' is not authorized to access this resource.")
  end
  check_job(world, request)
  return { oidcToken = issue(world, { kind = "azure_pipelines", lifetime = 600,
    issuer = "https://vstoken.dev.azure.com/" .. world.tenant_id, subject = "sc://octo-org/octo-project/azpec",
    audience = "api://AzureADTokenExchange" }) }
end

-- The error body of Azure DevOps; GitHub's has the message only.
local function refusal(fault, kind)
  if fault.location then
    local answer = reply.new(302, "<html><body>Object moved</body></html>")
    reply.add(answer, "Content-Type", "text/html")
    reply.add(answer, "Location", fault.location)
    return answer
  end
  if kind == "github_actions" then return reply.json(fault.status, { message = fault.message }) end
  return reply.json(fault.status, { ["$id"] = "1", innerException = json.null, message = fault.message,
    typeKey = "VssServiceException", errorCode = 0, eventId = 3000 })
end

-- Answers a job's request for an id token.
function pipeline.answer(world, _, request, route)
  if route.kind == "method" then
    local why = ("The requested resource does not support http method '%s'."):format(request.method)
    return reply.json(405, { count = 1, value = { Message = why } })
  end
  local ok, result = pcall(services[route.kind], world, request)
  if not ok and type(result) ~= "table" then error(result, 0) end
  return ok and reply.json(200, result) or refusal(result, route.kind)
end

return pipeline
