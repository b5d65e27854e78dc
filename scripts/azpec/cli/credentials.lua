-- Makes a value of azpec.credential from --credential and the options that belong to it.

-- Makes each kind from its options.
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
  local given = context:secret "client_secret_file"
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
  options.password = context:secret "client_certificate_password_file" or env "AZURE_CLIENT_CERTIFICATE_PASSWORD"
  local send = (env "AZURE_CLIENT_SEND_CERTIFICATE_CHAIN" or ""):lower()
  options.send_x5c = context.args.send_certificate_chain or send == "1" or send == "true" or nil
  return azpec.credential.client_certificate(options)
end

kinds["workload-identity"] = function (azpec, context)
  return azpec.credential.workload_identity { tenant_id = context.args.tenant_id, client_id = context.args.client_id }
end

kinds["github-actions"] = function (azpec, context)
  return azpec.credential.github_actions { tenant_id = context.args.tenant_id, client_id = context.args.client_id }
end

kinds["azure-pipelines"] = function (azpec, context)
  return azpec.credential.azure_pipelines { tenant_id = context.args.tenant_id, client_id = context.args.client_id }
end

kinds["managed-identity"] = function (azpec, context)
  return azpec.credential.managed_identity { client_id = context.args.client_id or env "AZURE_CLIENT_ID" }
end

-- The longest time for az or azd, in seconds; nil: the module's default.
local function program_timeout(context)
  local given, variable = context.args.credential_timeout, env "AZPEC_CREDENTIAL_TIMEOUT"
  if given or not variable then return given end
  local seconds, why = require "azpec.cli.convert".credential_seconds(variable)
  if not seconds then context:usage("AZPEC_CREDENTIAL_TIMEOUT: " .. why) end
  return seconds
end

local function of_program(context)
  return { tenant_id = context.args.tenant_id, timeout = program_timeout(context) }
end

kinds["azure-cli"] = function (azpec, context)
  return azpec.credential.azure_cli(of_program(context))
end

kinds["azure-developer-cli"] = function (azpec, context)
  return azpec.credential.azure_developer_cli(of_program(context))
end

kinds["device-code"] = function (azpec, context)
  return azpec.credential.device_code {
    tenant_id = context.args.tenant_id, client_id = context.args.client_id,
    prompt = function (info) context:prompt(info.message) end,
  }
end

kinds.token = function (azpec, context)
  local token = context:secret "access_token_file" or env "AZURE_ACCESS_TOKEN"
  if not token then context:usage("the token is missing: --access-token-file or AZURE_ACCESS_TOKEN") end
  return azpec.credential.token { token = token }
end

kinds.environment = function (azpec)
  return azpec.credential.default {
    exclude = { "workload_identity", "managed_identity", "azure_cli", "azure_developer_cli" },
  }
end

kinds.auto = function (azpec, context)
  return azpec.credential.default { timeout = program_timeout(context) }
end

-- The options of each kind.
local uses = {
  auto = { credential_timeout = true }, environment = {},
  ["client-secret"] = { tenant_id = true, client_id = true, client_secret_file = true },
  ["client-certificate"] = { tenant_id = true, client_id = true, client_certificate_file = true,
    client_certificate_password_file = true, send_certificate_chain = true },
  ["workload-identity"] = { tenant_id = true, client_id = true }, ["managed-identity"] = { client_id = true },
  ["github-actions"] = { tenant_id = true, client_id = true },
  ["azure-pipelines"] = { tenant_id = true, client_id = true },
  ["azure-cli"] = { tenant_id = true, credential_timeout = true },
  ["azure-developer-cli"] = { tenant_id = true, credential_timeout = true },
  ["device-code"] = { tenant_id = true, client_id = true }, token = { access_token_file = true },
}

-- Returns the options of all kinds, sorted.
local function all_used()
  local seen, names = {}, {}
  for _, used in pairs(uses) do
    for name in pairs(used) do
      if not seen[name] then seen[name], names[#names + 1] = true, name end
    end
  end
  table.sort(names)
  return names
end

-- An option that names a file implies the kind.
local function implied(args)
  return args.client_secret_file and "client-secret"
    or (args.client_certificate_file or args.client_certificate_password_file) and "client-certificate"
    or args.access_token_file and "token" or "auto"
end

-- Options of another kind are refused: otherwise a person could sign in as another identity than the named one.
local function check(context, kind)
  for _, name in ipairs(all_used()) do
    if context.args[name] and not uses[kind][name] then
      context:usage(("--%s has no effect with --credential %s; leave it out, or give another --credential"):format(
        name:gsub("_", "-"), kind))
    end
  end
end

return function (azpec, context)
  local kind = context.args.credential or implied(context.args)
  check(context, kind)
  return kinds[kind](azpec, context)
end
