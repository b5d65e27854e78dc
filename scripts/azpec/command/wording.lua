-- What the C module says, in the words of the command line: its fields are options and variables here.

local wording = {}

-- The options that the fields of the module's calls come from.
local option_of = { subscription_id = "--subscription", resource_group_name = "--resource-group",
  account_name = "--account", poll_interval = "--interval", certificate_path = "--client-certificate-file",
  client_secret = "--client-secret-file", token = "--access-token-file", id = "the id" }
for _, name in ipairs { "cloud", "tenant_id", "client_id", "endpoint", "authority_host", "api_version", "ca_file",
  "timeout", "if_match", "description" } do
  option_of[name] = "--" .. name:gsub("_", "-")
end

-- What a call refused; more: options of further fields.
function wording.complaint(message, more)
  local bare = message:gsub("^[^\n]-:%d+: ", "")
  local field, why = bare:match "^bad field '([%w_]+)' %((.*)%)$"
  local option = field and (more or option_of)[field]
  return option and ("%s: %s"):format(option, why) or bare
end

-- Advice of the module's that only a program could follow.
local phrases = {
  { "give one of azpec.credential's values as `credential`", "name one with --credential" },
  { "give a function (azpec.credential.token{get = ...}) or another credential",
    "give a new one (--access-token-file or AZURE_ACCESS_TOKEN), or sign in another way (--credential)" },
  { "name the cloud by authority_host and scope instead of `discover`", "name it with --cloud or --authority-host" },
  { "`proxy`, HTTPS_PROXY, NO_PROXY", "HTTPS_PROXY, NO_PROXY" },
  { "`proxy` and HTTPS_PROXY", "HTTPS_PROXY" },
  { "`proxy` or HTTPS_PROXY", "HTTPS_PROXY" },
  { "see `proxy`, or", "see HTTPS_PROXY and NO_PROXY, or" },
  { "ca_file and ca_path, or SSL_CERT_FILE", "--ca-file, or SSL_CERT_FILE" },
  { "check client_id and tenant_id", "check --client-id and --tenant-id, or AZURE_CLIENT_ID and AZURE_TENANT_ID" },
  { "check tenant_id and the cloud", "check --tenant-id or AZURE_TENANT_ID, and --cloud" },
  { "check cloud or authority_host", "check --cloud or --authority-host" },
  { "scope, tenant_id or subscription holds", "--tenant-id holds" },
  { "but subscription_id is", "but --subscription (or AZURE_SUBSCRIPTION_ID) is" },
  { "resume with write = true", "give azpec resume the option --write" },
  { "trusted_origins names the origins that may be asked besides the endpoint",
    "ask the endpoint's operator why its answer leads to another origin" },
  { 'give if_match = "*"', "give --if-match '*'" },
  { "; it was ended (raise `timeout`)", "; it was ended" },
  { ", and neither 'key' nor 'key_path' is given", "" },
  { "(see 'exclude' and AZURE_TOKEN_CREDENTIALS)", "(see AZURE_TOKEN_CREDENTIALS)" },
  { "it is encrypted: password needed", "it is encrypted: set AZURE_CLIENT_CERTIFICATE_PASSWORD" },
}

-- The names of fields, as words of their own.
local function options_in(line)
  return (line:gsub("%f[%w_-][%l_]+%f[^%w_-]", function (word)
    return word:find("_", 1, true) and option_of[word] or nil
  end))
end

-- A message or a hint of the module's.
function wording.of(line)
  for _, phrase in ipairs(phrases) do
    local first, last = line:find(phrase[1], 1, true)
    if first then line = line:sub(1, first - 1) .. phrase[2] .. line:sub(last + 1) end
  end
  return options_in(line)
end

return wording
