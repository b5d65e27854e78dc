-- What a request is about: the kind of its route and the names in its path, compared without regard to letter case.

local text = require "azpec.emulator.text"

local routes = {}

local account = "subscriptions/{subscription}/resourcegroups/{group}/providers/microsoft.batch/batchaccounts/{account}"
local connection = account .. "/privateendpointconnections/{connection}"

-- Each path with the kinds that its methods stand for, and whose it is where it is not Resource Manager's.
-- HEAD is a GET whose body is not sent.
local table_of_routes = {
  { connection, { GET = "get", PATCH = "update", DELETE = "delete" } },
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
  { "metadata/endpoints", { GET = "metadata" } },
  { "{tenant}/oauth2/v2.0/token", { POST = "token" }, "entra" },
  { "{tenant}/oauth2/v2.0/devicecode", { POST = "devicecode" }, "entra" },
  { "metadata/identity/oauth2/token", { GET = "imds" }, "identity" },
  { "appservice/token", { GET = "app_service" }, "identity" },
  { "arc/token", { GET = "arc" }, "identity" },
  { "azureml/token", { GET = "azure_ml" }, "identity" },
  { "cloudshell/token", { POST = "cloud_shell" }, "identity" },
  { "servicefabric/token", { GET = "service_fabric" }, "identity" },
}

local function split(path)
  local parts = {}
  for part in path:gmatch "[^/]+" do parts[#parts + 1] = part end
  return parts
end

local compiled = {}
for index, route in ipairs(table_of_routes) do
  compiled[index] = { parts = split(route[1]), methods = route[2], service = route[3] or "arm" }
end

-- The names in the path, if its pieces fit the route's.
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

-- The path's pieces, decoded; nil for a stray percent sign; a second value tells of empty pieces.
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

-- {kind, names, pieces}; kind is "malformed", "method" (with `allow`) or "unknown" where nothing fits.
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
