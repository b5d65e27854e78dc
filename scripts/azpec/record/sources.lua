-- The sources of tokens beside Microsoft Entra ID that are asked by HTTP: managed identities and pipelines.
--
-- A program finds its source by a variable with a URL. A recorder or a player sets this variable to a path of its own,
-- "/_sign_in/" and the source's name. az, azd, ready tokens and functions speak no HTTP; azpec.record.tape counts them.

local sources = {}

-- A row describes one of two kinds:
--
-- - A source of managed identities. Of these a program uses the first one that is set up, in the order of
--   azpec.credential.managed_identity. `metadata` always is, so it is the last one.
-- - A pipeline (is_pipeline), the source of a credential of its own, which is used beside them. Its URL is https, and
--   azpec.record.request takes all its requests for equal.
--
-- A source of another kind, such as one of a credential of its own by http, needs a new field here.
--
-- `url`: the variable with the URL; needs: those that are set beside it. A player sets these to "none", so none of them
-- may name a file. header: the field that carries the source's secret, in lower case, if that is not Authorization;
-- azpec.record.secrets hides its value.
local rows = {
  { name = "service_fabric", url = "IDENTITY_ENDPOINT", needs = { "IDENTITY_HEADER", "IDENTITY_SERVER_THUMBPRINT" },
    refusal = "Service Fabric's sign-in cannot be recorded, since its certificate is known by a thumbprint; unset "
      .. "IDENTITY_SERVER_THUMBPRINT and sign in another way" },
  { name = "app_service", url = "IDENTITY_ENDPOINT", needs = { "IDENTITY_HEADER" }, header = "x-identity-header" },
  { name = "azure_ml", url = "MSI_ENDPOINT", needs = { "MSI_SECRET" }, header = "secret" },
  { name = "cloud_shell", url = "MSI_ENDPOINT", needs = {} },
  { name = "arc", url = "IDENTITY_ENDPOINT", needs = { "IMDS_ENDPOINT" } },
  { name = "metadata", url = "AZURE_POD_IDENTITY_AUTHORITY_HOST", needs = {}, default = "http://169.254.169.254" },
  { name = "github_actions", url = "ACTIONS_ID_TOKEN_REQUEST_URL", needs = { "ACTIONS_ID_TOKEN_REQUEST_TOKEN" },
    is_pipeline = true },
  { name = "azure_pipelines", url = "SYSTEM_OIDCREQUESTURI", needs = { "SYSTEM_ACCESSTOKEN" }, is_pipeline = true },
}

local prefix = "/_sign_in/"

local function url_of(row, getenv)
  for _, name in ipairs(row.needs) do
    if (getenv(name) or "") == "" then return nil end
  end
  local url = getenv(row.url) or ""
  return url ~= "" and url or row.default
end

-- Returns the URLs of the sources that a program with this environment asks, by name; nil and a text if one cannot be
-- recorded. getenv: os.getenv or a replacement.
function sources.urls(getenv)
  local urls, has_identity = {}, false
  for _, row in ipairs(rows) do
    local url = (row.is_pipeline or not has_identity) and url_of(row, getenv)
    if url and row.refusal then return nil, row.refusal end
    if url then urls[row.name], has_identity = url, has_identity or not row.is_pipeline end
  end
  return urls
end

function sources.is_pipeline(name)
  for _, row in ipairs(rows) do
    if row.name == name then return row.is_pipeline end
  end
end

-- Adds to a set the fields of requests that carry a source's secret, by name in lower case.
function sources.add_secret_headers(set)
  for _, row in ipairs(rows) do
    if row.header then set[row.header] = true end
  end
end

-- Returns the variables that lead a program to a server. urls: those of the sources; facts: the server's.
function sources.variables(urls, facts)
  local variables = {}
  for _, row in ipairs(rows) do
    local origin, url = row.is_pipeline and facts.tls_endpoint or facts.endpoint, urls[row.name]
    if url then variables[row.url] = origin .. prefix .. row.name .. (url:match "%?.*$" or "") end
  end
  return variables
end

-- Adds what a program needs to find sources that are not there.
function sources.add_needs(variables, urls)
  for _, row in ipairs(rows) do
    for _, name in ipairs(urls[row.name] and row.needs or {}) do variables[name] = "none" end
  end
end

-- Returns the name of the source that a request is for, and the path behind it.
function sources.of(url)
  return url:match("^" .. prefix .. "([%l_]+)([^?]*)")
end

return sources
