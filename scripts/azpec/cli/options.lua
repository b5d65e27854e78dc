-- The options that verbs share, in groups. A verb names the groups that it needs, by default all three.

local api_versions = require "azpec.api_versions"
local columns = require "azpec.cli.columns"
local convert = require "azpec.cli.convert"
local files = require "azpec.cli.files"

local options = {}

local groups = {}

-- An option whose default comes from a variable of the environment. None of them is a secret. check(value) (or nil):
-- returns a text if the variable's value is wrong.
local function from(variable, option, check)
  option.variable, option.check_variable = variable, check
  return option
end

-- Plain http, to a loopback address, is allowed on the command line only.
local function not_https(value)
  return not value:lower():find "^https://" and "an https address is expected here; the option takes http, too" or nil
end

-- az requires the type of the connection's resource; azpec has one.
local function batch_account_type(word)
  if word:lower() == "microsoft.batch/batchaccounts" then return word end
  return nil, ("'%s' is not Microsoft.Batch/batchAccounts, the only type here"):format(word)
end

-- The kinds of names that completion offers for an option or an argument: "group", "account", "connection", "place"
-- (ACCOUNT/NAME), several with a space between.
function options.named(element, kinds)
  element.completes = kinds
  return element
end

-- Adds --allow-none. A verb that has it ends with 3 where no Batch account is found, unless it is given (false: it is
-- not; azpec.cli.context).
function options.allow_none(command, what)
  return command:flag("--allow-none", "it is no error if " .. what):init(false)
end

local only_graph = "graph: read only accounts in which Azure Resource Graph shows matching connections, though it may "
  .. "lag by minutes or more; "

-- Adds --candidates-from. verb.takes_candidates: the verb needs no account but those with matching connections;
-- verb.takes_source: it needs all accounts, whichever service lists them.
local function candidates_option(command, verb)
  if not (verb.takes_candidates or verb.takes_source) then return nil end
  local option = command:option("--candidates-from", (verb.takes_candidates and only_graph or "")
    .. "arm: read every account that Azure Resource Manager lists"):argname "SOURCE"
  return option:choices(verb.takes_candidates and { "graph", "arm" } or { "arm" })
end

function groups.scope(command, verb)
  local candidates = candidates_option(command, verb)
  command:option "--type":hidden(true):convert(batch_account_type)
  command:group("Where to look",
    command:option("--subscription", "subscription id, also several times (AZURE_SUBSCRIPTION_ID)")
      :argname "ID":count "*":target "subscription":hidden_name "--subscription-id":convert(convert.subscription),
    command:flag("--all-subscriptions", "all subscriptions that the identity may read, found by Azure Resource Graph"),
    options.named(command:option("-g --resource-group", "resource group"):hidden_name "--group":argname "NAME"
      :convert(convert.given), "group"),
    command:flag("--fail-fast", "end where one of several accounts or subscriptions cannot be read"),
    options.named(command:option("--account", "Batch account"):hidden_name "--account-name"
      :hidden_name "--resource-name":hidden_name "--batch-account":argname "NAME":convert(convert.given), "account"),
    command:option("--id", "id of a connection, a Batch account, a resource group, a subscription, or of the "
      .. "private endpoint"):argname "ID":convert(convert.id), candidates)
end

options.credentials = { "auto", "environment", "client-secret", "client-certificate", "workload-identity",
  "github-actions", "azure-pipelines", "managed-identity", "azure-cli", "azure-developer-cli", "device-code", "token" }

-- Values that completion offers for an option that accepts others as well.
function options.suggest(option, values)
  option.values = values
  return option
end

function groups.client(command, verb)
  command:group("Azure and sign-in",
    from("AZPEC_CLOUD", command:option("--cloud", "which Azure"):argname "NAME"
      :choices { "AzureCloud", "AzureUSGovernment", "AzureChinaCloud" }),
    command:option("--credential", "how to sign in: " .. table.concat(options.credentials, ", ")):argname "NAME"
      :choices(options.credentials),
    from("AZPEC_TOKEN_CACHE", command:option("--token-cache", "keyring: share tokens with this user's next commands, "
      .. "in the kernel's keyring; none: do not (the default)"):argname "WHERE":choices { "keyring", "none" }),
    command:option("--credential-timeout", "longest time for az or azd to give a token; default: 10 s "
      .. "(AZPEC_CREDENTIAL_TIMEOUT)")
      :argname "TIME":convert(convert.credential_seconds),
    command:option("--tenant-id", "directory (AZURE_TENANT_ID)"):hidden_name "--tenant":argname "ID"
      :convert(convert.given),
    command:option("--client-id", "application or identity (AZURE_CLIENT_ID)"):argname "ID":convert(convert.given),
    files.streamed(command:option("--client-secret-file", "file with the application's secret, - for stdin "
      .. "(AZURE_CLIENT_SECRET)"):argname "FILE":convert(convert.given)),
    command:option("--client-certificate-file", "file with its certificate and key, PEM or PKCS#12 "
      .. "(AZURE_CLIENT_CERTIFICATE_PATH)"):argname "FILE":convert(convert.given),
    files.streamed(command:option("--client-certificate-password-file", "file with the password of that file, - for "
      .. "stdin (AZURE_CLIENT_CERTIFICATE_PASSWORD)"):argname "FILE":convert(convert.given)),
    command:flag("--send-certificate-chain", "send its issuers along, for an application registered by subject name "
      .. "and issuer (AZURE_CLIENT_SEND_CERTIFICATE_CHAIN)"),
    files.streamed(command:option("--access-token-file", "file with a ready token, - for stdin (AZURE_ACCESS_TOKEN)")
      :argname "FILE":convert(convert.given)),
    files.streamed(command:option("--token-key-file", "file with a secret that signs continuation tokens; resume then "
      .. "takes no others (AZPEC_TOKEN_KEY)"):argname "FILE":convert(convert.given)),
    from("AZPEC_ENDPOINT", command:option("--endpoint", "origin of Azure Resource Manager"):argname "URL",
      not_https),
    from("AZPEC_AUTHORITY_HOST", command:option("--authority-host", "origin of Microsoft Entra ID"):argname "URL",
      not_https),
    from("AZPEC_API_VERSION", options.suggest(command:option("--api-version", "of Azure's REST API"):argname "DATE",
      api_versions.with "DELETE")), -- with these each verb works
    from("AZPEC_CA_FILE", command:option("--ca-file", "PEM certificates to trust"):argname "FILE"),
    command:flag("--retry-conflict", "try again where another operation is in progress (HTTP 409)"),
    command:option("--retry-on", "try again on this error code of the service, also several times"):argname "CODE"
      :count "*":convert(convert.given),
    command:option("--max-tries", "how often a request is sent if the service is busy or cannot be reached, the first "
      .. "one included (4); --timeout ends it sooner, and alone ends the polls of a change; a request of the sign-in "
      .. "is sent three times at most"):argname "N"
      :convert(convert.tries),
    command:option("--timeout", "longest time for one operation, such as 5m, or 90 for seconds (300 s; doctor: 20 s)")
      :argname "TIME":convert(verb.looks_once and convert.seconds or convert.some_seconds),
    command:option("--interval", "time between two polls if the service names none"):argname "TIME"
      :convert(convert.some_seconds))
end

function groups.output(command, verb)
  local quiet = command:flag("-q --quiet", "say nothing but data and errors")
  local verbose = command:flag("-v --verbose", "say more; twice: each request"):count "0-2":target "verbosity"
  command:mutex(quiet, verbose)
  local trace = files.written(command:option("--trace", "write what was sent and answered to this file: an HTTP "
    .. "Archive (HAR 1.2) without bodies and secrets"):argname "FILE":convert(convert.given))
  command:group("Output",
    from("AZPEC_OUTPUT", command:option("-o --output", "table, json, jsonl (one row per line), tsv, csv or md")
      :argname "FORMAT":default "table":choices { "table", "json", "jsonl", "tsv", "csv", "md" }),
    columns.define(command, verb.columns, verb.columns_of),
    command:option("--color", "auto, always or never (NO_COLOR)"):argname "WHEN"
      :choices { "auto", "always", "never" }, quiet, verbose, trace)
end

local order = { "scope", "client", "output" }

-- Options of the groups "client" and "output" are settings: the last one counts, so a command line may override those
-- of an alias. Other options of one value say what is done; see azpec.cli.parser.
--
-- Adds a verb's groups to an argparse command; verb.common: a list of their names, nil: all. verb.columns: those of its
-- output, as azpec.cli.output takes them; verb.looks_once: what --timeout 0 does.
function options.add(command, verb)
  local wanted = verb.common
  for _, name in ipairs(order) do
    local is_wanted = wanted == nil
    for _, one in ipairs(wanted or {}) do is_wanted = is_wanted or one == name end
    local before = #command._options
    if is_wanted then groups[name](command, verb) end
    for n = before + 1, #command._options do command._options[n].is_setting = name ~= "scope" end
  end
  command:flag("-h --help", "this page"):target "help"
end

return options
