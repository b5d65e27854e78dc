-- The options that verbs have in common, in groups; a verb names the groups it wants, by default all three.

local convert = require "azpec.command.convert"

local options = {}

local groups = {}

function groups.scope(command)
  command:group("Where to look",
    command:option("--subscription", "subscription id, also several times (AZURE_SUBSCRIPTION_ID)")
      :argname "ID":count "*":target "subscription":convert(convert.subscription),
    command:option("-g --resource-group", "resource group"):argname "NAME":convert(convert.given),
    command:option("--account", "Batch account"):hidden_name "--account-name":argname "NAME":convert(convert.given),
    command:option("--id", "id of a connection, a Batch account, a resource group, a subscription, or of the "
      .. "private endpoint"):argname "ID":convert(convert.id))
end

options.credentials = { "auto", "environment", "client-secret", "client-certificate", "workload-identity",
  "managed-identity", "azure-cli", "azure-developer-cli", "device-code", "token" }

function groups.client(command)
  command:group("Azure and sign-in",
    command:option("--cloud", "which Azure"):argname "NAME"
      :choices { "AzureCloud", "AzureUSGovernment", "AzureChinaCloud" },
    command:option("--credential", "how to sign in: " .. table.concat(options.credentials, ", ")):argname "NAME"
      :choices(options.credentials),
    command:option("--tenant-id", "directory (AZURE_TENANT_ID)"):argname "ID":convert(convert.given),
    command:option("--client-id", "application or identity (AZURE_CLIENT_ID)"):argname "ID":convert(convert.given),
    command:option("--client-secret-file", "file with the application's secret, - for stdin (AZURE_CLIENT_SECRET)")
      :argname "FILE":convert(convert.given),
    command:option("--client-certificate-file", "file with its certificate and key"):argname "FILE"
      :convert(convert.given),
    command:option("--access-token-file", "file with a ready token, - for stdin (AZURE_ACCESS_TOKEN)")
      :argname "FILE":convert(convert.given),
    command:option("--endpoint", "origin of Azure Resource Manager"):argname "URL",
    command:option("--authority-host", "origin of Microsoft Entra ID"):argname "URL",
    command:option("--api-version", "of Azure's REST API"):argname "DATE",
    command:option("--ca-file", "PEM certificates to trust"):argname "FILE",
    command:option("--timeout", "longest time for one operation, as 300, 5m or 1h"):argname "TIME"
      :convert(convert.seconds),
    command:option("--interval", "time between two looks where the service names none"):argname "TIME"
      :convert(convert.some_seconds))
end

function groups.output(command)
  local quiet = command:flag("-q --quiet", "say nothing but data and errors")
  local verbose = command:flag("-v --verbose", "say more; twice: each request"):count "0-2":target "verbosity"
  command:mutex(quiet, verbose)
  command:group("Output",
    command:option("-o --output", "table, json, jsonl (one line a row), tsv, csv or md"):argname "FORMAT"
      :default "table":choices { "table", "json", "jsonl", "tsv", "csv", "md" },
    command:option("--color", "auto, always or never (NO_COLOR)"):argname "WHEN"
      :choices { "auto", "always", "never" }, quiet, verbose)
end

local order = { "scope", "client", "output" }

-- Adds the groups to an argparse command; wanted: a set as list, nil: all.
function options.add(command, wanted)
  for _, name in ipairs(order) do
    local is_wanted = wanted == nil
    for _, one in ipairs(wanted or {}) do is_wanted = is_wanted or one == name end
    if is_wanted then groups[name](command) end
  end
  command:flag("-h --help", "this page"):target "help"
end

return options
