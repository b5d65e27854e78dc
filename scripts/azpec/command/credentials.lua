-- What --credential and its companions mean, as a value of azpec.credential.

local links = { "environment", "workload_identity", "managed_identity", "azure_cli", "azure_developer_cli" }

local kinds = {}

local function env(name)
  local value = os.getenv(name)
  return value ~= "" and value or nil
end

local function application(context)
  local args = context.args
  local tenant, client = args.tenant_id or env "AZURE_TENANT_ID", args.client_id or env "AZURE_CLIENT_ID"
  if not tenant then context:usage("the application's directory is missing: --tenant-id or AZURE_TENANT_ID") end
  if not client then context:usage("the application is missing: --client-id or AZURE_CLIENT_ID") end
  return { tenant_id = tenant, client_id = client }
end

kinds["client-secret"] = function (azpec, context)
  local options = application(context)
  options.client_secret = context.args.client_secret_file or env "AZURE_CLIENT_SECRET"
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
    prompt = function (info) context:say(info.message) end,
  }
end

kinds.token = function (azpec, context)
  local token = context.args.access_token_file or env "AZURE_ACCESS_TOKEN"
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

-- A file that is named says which kind is meant.
local function implied(args)
  return args.client_secret_file and "client-secret" or args.client_certificate_file and "client-certificate"
    or args.access_token_file and "token" or "auto"
end

return function (azpec, context)
  return kinds[context.args.credential or implied(context.args)](azpec, context)
end
