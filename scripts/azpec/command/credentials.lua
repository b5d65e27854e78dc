-- What --credential and its companions mean, as a value of azpec.credential.

local convert = require "azpec.command.convert"

local links = { "environment", "workload_identity", "managed_identity", "azure_cli", "azure_developer_cli" }

local kinds = {}

local function env(name)
  local value = os.getenv(name)
  return value ~= "" and value or nil
end

-- The secret in the file that an option names, read once; nil: there is none.
local function secret(context, name)
  local path = context.args[name]
  if not path then return nil end
  context.secrets = context.secrets or {}
  local content, why = context.secrets[name], nil
  if not content then content, why = convert.secret(path) end
  if not content then context:usage(("--%s: %s"):format(name:gsub("_", "-"), why)) end
  context.secrets[name] = content
  return content
end

local function application(context)
  local args = context.args
  local tenant, client = args.tenant_id or env "AZURE_TENANT_ID", args.client_id or env "AZURE_CLIENT_ID"
  if not tenant then context:usage("the application's directory is missing: --tenant-id or AZURE_TENANT_ID") end
  if not client then context:usage("the application is missing: --client-id or AZURE_CLIENT_ID") end
  return { tenant_id = tenant, client_id = client }
end

kinds["client-secret"] = function (azpec, context)
  local given = secret(context, "client_secret_file")
  local options = application(context)
  options.client_secret = given or env "AZURE_CLIENT_SECRET"
  if not options.client_secret then
    context:usage("the application's secret is missing: --client-secret-file or AZURE_CLIENT_SECRET")
  end
  return azpec.credential.client_secret(options)
end

kinds["client-certificate"] = function (azpec, context)
  local options = application(context)
  options.certificate_path = context.args.client_certificate_file or env "AZURE_CLIENT_CERTIFICATE_PATH"
  if not options.certificate_path then
    context:usage("the certificate is missing: --client-certificate-file or AZURE_CLIENT_CERTIFICATE_PATH")
  end
  options.password = env "AZURE_CLIENT_CERTIFICATE_PASSWORD"
  local send = (env "AZURE_CLIENT_SEND_CERTIFICATE_CHAIN" or ""):lower()
  options.send_x5c = send == "1" or send == "true" or nil
  return azpec.credential.client_certificate(options)
end

kinds["workload-identity"] = function (azpec, context)
  return azpec.credential.workload_identity { tenant_id = context.args.tenant_id, client_id = context.args.client_id }
end

kinds["managed-identity"] = function (azpec, context)
  return azpec.credential.managed_identity { client_id = context.args.client_id or env "AZURE_CLIENT_ID" }
end

kinds["azure-cli"] = function (azpec, context)
  return azpec.credential.azure_cli { tenant_id = context.args.tenant_id }
end

kinds["azure-developer-cli"] = function (azpec, context)
  return azpec.credential.azure_developer_cli { tenant_id = context.args.tenant_id }
end

kinds["device-code"] = function (azpec, context)
  return azpec.credential.device_code {
    tenant_id = context.args.tenant_id, client_id = context.args.client_id,
    prompt = function (info) context:prompt(info.message) end,
  }
end

kinds.token = function (azpec, context)
  local token = secret(context, "access_token_file") or env "AZURE_ACCESS_TOKEN"
  if not token then context:usage("the token is missing: --access-token-file or AZURE_ACCESS_TOKEN") end
  return azpec.credential.token { token = token }
end

kinds.environment = function (azpec)
  local others = {}
  for _, link in ipairs(links) do
    if link ~= "environment" then others[#others + 1] = link end
  end
  return azpec.credential.default { exclude = others }
end

kinds.auto = function (azpec)
  return azpec.credential.default()
end

-- What each kind makes of the options beside it.
local uses = {
  auto = {}, environment = {},
  ["client-secret"] = { tenant_id = true, client_id = true, client_secret_file = true },
  ["client-certificate"] = { tenant_id = true, client_id = true, client_certificate_file = true },
  ["workload-identity"] = { tenant_id = true, client_id = true }, ["managed-identity"] = { client_id = true },
  ["azure-cli"] = { tenant_id = true }, ["azure-developer-cli"] = { tenant_id = true },
  ["device-code"] = { tenant_id = true, client_id = true }, token = { access_token_file = true },
}

-- A file that is named says which kind is meant.
local function implied(args)
  return args.client_secret_file and "client-secret" or args.client_certificate_file and "client-certificate"
    or args.access_token_file and "token" or "auto"
end

-- Nobody is to believe that he signs in as what he named when he does not.
local function check(context, kind)
  for _, name in ipairs { "tenant_id", "client_id", "client_secret_file", "client_certificate_file",
    "access_token_file" } do
    if context.args[name] and not uses[kind][name] then
      context:usage(("--%s is nothing to --credential %s; name another one, or leave it out"):format(
        name:gsub("_", "-"), kind))
    end
  end
end

return function (azpec, context)
  local kind = context.args.credential or implied(context.args)
  check(context, kind)
  return kinds[kind](azpec, context)
end
