-- Finds the route of a request: its kind and the names in its path. Letter case is ignored.

local nearest = require "azpec.nearest"
local text = require "azpec.emulator.text"

local routes = {}

local account = "subscriptions/{subscription}/resourcegroups/{group}/providers/microsoft.batch/batchaccounts/{account}"
local connection = account .. "/privateendpointconnections/{connection}"

-- Each path with the kind of each method, and the service, if it is not Resource Manager.
-- HEAD is a GET whose body is not sent.
local table_of_routes = {
  { connection, { GET = "get", PATCH = "update", PUT = "replace", DELETE = "delete" } },
  { account .. "/privateendpointconnections", { GET = "list" } },
  { account .. "/privateendpointconnectionresults/{operation}", { GET = "poll" } },
  { account .. "/privateendpointconnectionproxyresults/{operation}", { GET = "poll" } },
  { account .. "/privateendpointconnectionoperationstatuses/{operation}", { GET = "poll" } },
  { account .. "/privatelinkresources", { GET = "links" } },
  { account .. "/privatelinkresources/{link}", { GET = "link" } },
  { account .. "/providers/microsoft.authorization/permissions", { GET = "permissions" } },
  { account, { GET = "account" } },
  { "subscriptions/{subscription}/resourcegroups/{group}/providers/microsoft.batch/batchaccounts",
    { GET = "accounts" } },
  { "subscriptions/{subscription}/providers/microsoft.batch/batchaccounts", { GET = "accounts" } },
  { "subscriptions/{subscription}/resourcegroups", { GET = "groups" } },
  { "subscriptions/{subscription}/providers/microsoft.batch", { GET = "provider" } },
  { "subscriptions/{subscription}", { GET = "subscription" } },
  { "subscriptions", { GET = "subscriptions" } },
  { "tenants", { GET = "tenants" } },
  { "providers/microsoft.batch/operations", { GET = "operations" } },
  { "providers/microsoft.resourcegraph/resources", { POST = "graph" } },
  { "subscriptions/{subscription}/providers/microsoft.authorization/acquirepolicytoken", { POST = "acquire" } },
  { "subscriptions/{subscription}/providers/microsoft.authorization/policytokenoperations/{acquisition}",
    { GET = "acquisition" } },
  { "metadata/endpoints", { GET = "metadata" } },
  { "{tenant}/oauth2/v2.0/token", { POST = "token" }, "entra" },
  { "{tenant}/oauth2/v2.0/devicecode", { POST = "devicecode" }, "entra" },
  { "{tenant}/v2.0/.well-known/openid-configuration", { GET = "openid_configuration" }, "entra" },
  { "{tenant}/.well-known/openid-configuration", { GET = "openid_configuration" }, "entra" },
  { "{tenant}/discovery/v2.0/keys", { GET = "keys" }, "entra" },
  { "{tenant}/discovery/instance", { GET = "instance" }, "entra" },
  { "metadata/identity/oauth2/token", { GET = "imds" }, "identity" },
  { "appservice/token", { GET = "app_service" }, "identity" },
  { "arc/token", { GET = "arc" }, "identity" },
  { "azureml/token", { GET = "azure_ml" }, "identity" },
  { "cloudshell/token", { POST = "cloud_shell" }, "identity" },
  { "servicefabric/token", { GET = "service_fabric" }, "identity" },
  { "actions/idtoken", { GET = "github_actions" }, "pipeline" },
  { "pipelines/oidctoken", { POST = "azure_pipelines" }, "pipeline" },
}

-- All kinds of requests: those of the routes, and those that no route has.
routes.kinds = { "control", "malformed", "method", "unknown" }
local is_kind = {}
for _, kind in ipairs(routes.kinds) do is_kind[kind] = true end
for _, route in ipairs(table_of_routes) do
  for _, kind in pairs(route[2]) do
    if not is_kind[kind] then routes.kinds[#routes.kinds + 1], is_kind[kind] = kind, true end
  end
end
table.sort(routes.kinds)

-- Returns nil if `kind` is a kind of requests, else why it is not.
function routes.complaint(kind)
  if is_kind[kind] then return nil end
  local name = tostring(kind)
  return ("unknown kind '%s'%s"):format(name, nearest.question(name, routes.kinds))
end

local function split(path)
  local parts = {}
  for part in path:gmatch "[^/]+" do parts[#parts + 1] = part end
  return parts
end

local compiled = {}
for index, route in ipairs(table_of_routes) do
  compiled[index] = { parts = split(route[1]), methods = route[2], service = route[3] or "arm" }
end

-- Returns the names in the path, if it matches the route.
local function fit(parts, pieces)
  if #parts ~= #pieces then return end
  local names = {}
  for index, part in ipairs(parts) do
    local name = part:match "^{(.*)}$"
    if name then
      names[name] = pieces[index]
    elseif part ~= pieces[index]:lower() then
      return
    end
  end
  return names
end

-- Returns the decoded segments of the path, nil for a stray percent sign, and whether there are empty segments.
local function decode(path)
  local pieces, has_empty = {}, path:find("//", 1, true) ~= nil
  for piece in path:gmatch "[^/]+" do
    pieces[#pieces + 1] = text.percent_decode(piece)
    if not pieces[#pieces] then return nil end
  end
  return pieces, has_empty
end

local function allowed(methods)
  local list = {}
  for method in pairs(methods) do list[#list + 1] = method end
  if methods.GET then list[#list + 1] = "HEAD" end
  table.sort(list)
  return table.concat(list, ", ")
end

-- Returns {kind, names, pieces}; kind is "malformed", "method" (with `allow`) or "unknown" if no route matches.
function routes.find(method, path)
  local pieces, has_empty = decode(path)
  if not pieces then return { kind = "malformed", names = {}, pieces = {} } end
  for _, route in ipairs(compiled) do
    local names = not has_empty and fit(route.parts, pieces)
    if names then
      local kind = route.methods[method == "HEAD" and "GET" or method]
      return { kind = kind or "method", allow = allowed(route.methods), names = names, pieces = pieces,
        service = route.service }
    end
  end
  return { kind = "unknown", names = {}, pieces = pieces, has_empty = has_empty }
end

return routes
