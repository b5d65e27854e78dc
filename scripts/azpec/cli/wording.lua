-- Rewords messages of the C module for the command line: fields become options and variables.

local wording = {}

-- The options from which the fields of the module's calls come.
local option_of = { subscription_id = "--subscription", resource_group_name = "--resource-group",
  account_name = "--account", poll_interval = "--interval", certificate_path = "--client-certificate-file",
  client_secret = "--client-secret-file", token = "--access-token-file", token_key = "--token-key-file",
  send_x5c = "--send-certificate-chain", password = "--client-certificate-password-file", id = "the id",
  service_connection_id = "AZURESUBSCRIPTION_SERVICE_CONNECTION_ID" }
for _, name in ipairs { "cloud", "tenant_id", "client_id", "endpoint", "authority_host", "api_version", "ca_file",
  "timeout", "if_match", "description", "policy_token", "change_reference", "all_subscriptions" } do
  option_of[name] = "--" .. name:gsub("_", "-")
end

-- In texts, values that a variable gives in the default sign-in, which does not take the option.
local variable_of = { tenant_id = "AZURE_TENANT_ID (or --tenant-id)", client_id = "AZURE_CLIENT_ID (or --client-id)" }

-- The variables of the environment that give fields their values.
local given_by = {}

-- Names variables in place of the options that a parsed command line leaves to them.
function wording.use_variables(command, args)
  given_by = {}
  for _, option in ipairs(command._options) do
    local name = option._target or option:_get_default_target()
    local value = option.variable and args[name]
    if value and value == os.getenv(option.variable) then given_by[name] = option.variable end
  end
  if not args.client_certificate_file then given_by.certificate_path = "AZURE_CLIENT_CERTIFICATE_PATH" end
end

-- Returns the option or the variable that gives a field its value.
function wording.name_of(field)
  return given_by[field] or option_of[field]
end

-- Rewords a refused call; more: the options of further fields.
function wording.complaint(message, more)
  local bare = message:gsub("^[^\n]-:%d+: ", "")
  local field, why = bare:match "^bad field '([%w_]+)' %((.*)%)$"
  local option = field and (given_by[field] or (more or option_of)[field])
  return option and ("%s: %s"):format(option, why) or bare
end

local function is_set(name)
  return (os.getenv(name) or "") ~= ""
end

local no_application = "the environment has neither AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET (or a "
  .. "certificate) nor AZURE_ACCESS_TOKEN"

-- Names the variables of an application that the environment lacks, if it has others of them.
local function what_is_missing()
  local missing = {}
  if not is_set "AZURE_TENANT_ID" then missing[#missing + 1] = "AZURE_TENANT_ID" end
  if not is_set "AZURE_CLIENT_ID" then missing[#missing + 1] = "AZURE_CLIENT_ID" end
  if not (is_set "AZURE_CLIENT_SECRET" or is_set "AZURE_CLIENT_CERTIFICATE_PATH") then
    missing[#missing + 1] = "AZURE_CLIENT_SECRET (or AZURE_CLIENT_CERTIFICATE_PATH)"
  end
  if #missing == 0 or #missing == 3 then return no_application end
  return ("%s %s missing"):format(table.concat(missing, " and "), #missing == 1 and "is" or "are")
end

-- Advice of the module that applies to programs only, and the command's: a text, or a function that returns it.
wording.phrases = {
  { no_application, what_is_missing },
  { "or set retry.conflict", "or give --retry-conflict" },
  { "give one of azpec.credential's values as `credential`", "name one with --credential" },
  { "give a function (azpec.credential.token{get = ...}) or another credential",
    "give a new one (--access-token-file or AZURE_ACCESS_TOKEN), or sign in another way (--credential)" },
  { "a token function must request its token with `claims`; otherwise sign in again",
    "sign in again, or in another way (--credential)" },
  { "no account is named by account_id", "no account is named by -g GROUP --account NAME, or by --id" },
  { "one account alone, by account_id", "one account alone, by -g GROUP --account NAME, or by --id" },
  { "name the cloud by authority_host and scope instead of `discover`", "name it with --cloud or --authority-host" },
  { "`proxy`, HTTPS_PROXY, NO_PROXY", "HTTPS_PROXY, NO_PROXY" },
  { "`proxy` and HTTPS_PROXY", "HTTPS_PROXY" },
  { "`proxy` or HTTPS_PROXY", "HTTPS_PROXY" },
  { "see `proxy`, or", "see HTTPS_PROXY and NO_PROXY, or" },
  { "ca_file and ca_path, or SSL_CERT_FILE", "--ca-file or AZPEC_CA_FILE, or SSL_CERT_FILE" },
  { "tenant_id and the cloud", "tenant_id and --cloud" },
  { "or give it as tenant_id", "or give it as --tenant-id together with --credential" },
  { "is right (authority_host)", "is right (AZPEC_AUTHORITY_HOST, --authority-host)" },
  { "check cloud or authority_host", "check --cloud or --authority-host" },
  { "but subscription_id is", "but --subscription (or AZURE_SUBSCRIPTION_ID) is" },
  { "more time (`timeout`)", "more time (--timeout)" },
  { "the sign-in by client_secret", "the sign-in by a client secret" },
  { "before_write refused the write: ", "the write was not sent: " },
  { "resume with write = true", "give azpec resume the option --write" },
  { "add its origin to trusted_origins if requests may go there",
    "ask the endpoint's operator why its answer leads to another origin" },
  { 'policy_token = "auto"', "--policy-token auto" },
  { 'policy_token = "never"', "--policy-token never" },
  { 'give if_match = "*"', "give --if-match '*'" },
  { "terminated (raise `timeout`)", "terminated (raise --credential-timeout, or AZPEC_CREDENTIAL_TIMEOUT)" },
  { "no user-assigned identity by client_id",
    "no user-assigned identity, and one is named by --client-id or AZURE_CLIENT_ID" },
  { "(send_x5c)", "(AZURE_CLIENT_SEND_CERTIFICATE_CHAIN=1, or --send-certificate-chain)" },
  { ", and neither 'key' nor 'key_path' is given", "" },
  { "(see 'exclude' and AZURE_TOKEN_CREDENTIALS)", "(see AZURE_TOKEN_CREDENTIALS)" },
  { "the call itself succeeded: see `result`", "the operation itself succeeded" },
  { "the call itself failed: see `err`", "the operation itself failed" },
  { "it is encrypted: password needed", "it is encrypted: give its password by --client-certificate-password-file or "
    .. "AZURE_CLIENT_CERTIFICATE_PASSWORD" },
  { "the password is wrong",
    "the password is wrong (--client-certificate-password-file or AZURE_CLIENT_CERTIFICATE_PASSWORD)" },
}

local function option_for(word)
  return word:find("_", 1, true) and (given_by[word] or variable_of[word] or option_of[word]) or nil
end

-- The names of fields that appear as separate words. What is quoted was given by the user or the service.
local function options_in(line)
  local parts, from = {}, 1
  line = " " .. line
  local function add_until(last)
    parts[#parts + 1] = line:sub(from, last):gsub("%f[%w_-][%l_]+%f[^%w_-]", option_for)
  end
  for first, quoted, following in line:gmatch "()%f[^%s(]('[^'\n]*')()" do
    add_until(first - 1)
    parts[#parts + 1], from = quoted, following
  end
  add_until(#line)
  return table.concat(parts):sub(2)
end

-- Rewords a message or a hint.
function wording.of(line)
  for _, phrase in ipairs(wording.phrases) do
    local first, last = line:find(phrase[1], 1, true)
    if first then
      local words = type(phrase[2]) == "function" and phrase[2]() or phrase[2]
      line = line:sub(1, first - 1) .. words .. line:sub(last + 1)
    end
  end
  return options_in(line)
end

return wording
