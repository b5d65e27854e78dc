-- azpec.doctor -- checks everything that an approval needs. Each check is independent and has its own time limit.
--
--   local doctor = require "azpec.doctor"
--   local results = doctor.examine { new_client = function (more) return azpec.client(more) end, account_id = id }
--   for _, result in ipairs(results) do print(result.check, result.verdict, result.found, result.next_step) end
--
-- A result: check (one of doctor.checks), verdict ("ok", "warning", "failed", "skipped"), found (a text), next_step
-- (the advice, or nil), seconds (its duration), kind (of a failure: azpec.Error's, or "clock", "names"; "usage" if an
-- account has to be named), details (a table).

local accounts = require "azpec.doctor.accounts"
local clock = require "azpec.doctor.clock"
local proxy = require "azpec.doctor.proxy"
local failure = require "azpec.failure"
local fields = require "azpec.fields"
local rights = require "azpec.rights"
local scope = require "azpec.scope"
local select = require "azpec.select"
local text_of = require "azpec.text"

local doctor = {}

-- In the order of their dependencies.
doctor.checks = { "proxy", "tls", "clock", "signin", "api-version", "account", "rights", "limits", "dns" }

local checks = {}

local function ok(found, details) return { verdict = "ok", found = found, details = details } end
local function skipped(found) return { verdict = "skipped", found = found } end

local function warning(found, next_step, details)
  return { verdict = "warning", found = found, next_step = next_step, details = details }
end

local function failed(kind, found, next_step, details)
  return { verdict = "failed", kind = kind, found = found, next_step = next_step, details = details }
end

-- ---- network -------------------------------------------------------------------------------------------------------

-- Needs no sign-in and no right: the answer 401 also proves that the service is reachable.
local no_token = "azpec-doctor"
local no_account = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/none/providers/Microsoft.Batch"
  .. "/batchAccounts/none"

-- Sends one request that the service must refuse. Returns { err, date, at }.
local function probe(self)
  if self.probed then return self.probed end
  local found = {}
  self.probed = found
  local client <close> = self.new_client { credential = self.token { token = no_token }, timeout = self.timeout,
    retry = { max_tries = 1 }, on_event = function (event)
      if event.event == "response" and event.headers then found.date, found.at = event.headers.date, os.time() end
    end }
  local _, err = client:get_account { id = self.account_id or no_account }
  found.err = err
  return found
end

local function is_answer(err)
  return not err or err.http_status ~= nil
end

local function host_of(url)
  return url:match "^%a+://([^/]*)"
end

-- Returns the advice of an error about the file of certificates to trust, or nil.
local function advice_on_trust(err)
  local is_of_trust = err.kind == "transport" and err.hint and err.hint:find("ca_file", 1, true)
  return is_of_trust and err.hint or nil
end

function checks.proxy(self)
  local endpoint = self.settings.endpoint
  local chosen = proxy.choose(endpoint, self.getenv)
  if not chosen.variable then
    return ok(chosen.because and "none for " .. host_of(endpoint) .. ": " .. chosen.because or "none")
  end
  local named = ("%s, by %s"):format(chosen.url, chosen.variable)
  local err = probe(self).err
  if is_answer(err) then return ok(named, chosen) end
  return failed(err.kind, ("%s; through it the service is not reached: %s"):format(named, err.message),
    advice_on_trust(err) or ("see that the proxy runs and lets %s through; or except it by NO_PROXY"):format(
      host_of(endpoint)), chosen)
end

local function trust_of(settings)
  local parts = {}
  if settings.ca_file then parts[#parts + 1] = "file " .. settings.ca_file end
  if settings.ca_path then parts[#parts + 1] = "directory " .. settings.ca_path end
  return #parts > 0 and "trusts " .. table.concat(parts, " and ") or "trusts what the TLS library does"
end

local function transport_advice(self, err)
  if err.kind == "untrusted" then
    return "if a company's proxy inspects TLS, give its root certificate: ca_file, or SSL_CERT_FILE"
  end
  if advice_on_trust(err) then return err.hint end
  if proxy.choose(self.settings.endpoint, self.getenv).variable then return "see what is said of the proxy" end
  return "see that the name is right and resolves here, and that a firewall lets it through; or name a proxy: "
    .. "HTTPS_PROXY"
end

-- The advice for a sign-in without an answer: the checks of the proxy and of TLS look at the endpoint alone.
local function entra_advice(self, err)
  local host = host_of(self.settings.authority_host or "")
  if err.kind == "untrusted" or not host then return transport_advice(self, err) end
  return ("see that %s, the host of Microsoft Entra ID, is right (authority_host) and resolves here, and that a "
    .. "firewall or proxy (HTTPS_PROXY) lets it through"):format(host)
end

-- What to do about an error that has no hint of its own.
local function default_step(self, err)
  if err.kind == "credential" and err.retryable then return "try again later: the credential was not refused" end
  if err.kind == "credential" then return "correct that credential, or sign in by another one" end
  local is_reached = self.probed and is_answer(self.probed.err)
  if not is_answer(err) and self.wanted.tls and not is_reached then return "see what is said of tls" end
  if not is_answer(err) then return (err.phase == "token" and entra_advice or transport_advice)(self, err) end
  return "try again later; if it stays so, give the message to whoever runs the service"
end

-- Returns the kind of a check's error. A sign-in that may succeed later says nothing against the credential.
local function kind_of(err)
  return err.kind == "credential" and err.retryable and "throttled" or err.kind
end

local function failed_by(self, err)
  err = failure.of_account(err)
  return failed(kind_of(err), err.message, err.hint or default_step(self, err))
end

function checks.tls(self)
  local settings = self.settings
  local err = probe(self).err
  local trust = trust_of(settings)
  local details = { ca_file = settings.ca_file, ca_path = settings.ca_path, endpoint = settings.endpoint }
  if not is_answer(err) then
    return failed(err.kind, ("%s: %s; %s"):format(host_of(settings.endpoint), err.message, trust),
      transport_advice(self, err), details)
  end
  if settings.endpoint:find "^http:" then
    return ok(("%s answers, without TLS as it is loopback"):format(host_of(settings.endpoint)), details)
  end
  return ok(("%s answers, and its certificate is trusted; %s"):format(host_of(settings.endpoint), trust), details)
end

function checks.clock(self)
  local found = probe(self)
  if not found.date then return skipped "no answer to tell the time by" end
  local verdict, text, skew = clock.judge(found.date, found.at)
  local next_step = verdict ~= "ok" and "set the clock; let it be kept by NTP" or nil
  return { verdict = verdict, kind = verdict == "failed" and "clock" or nil, found = text, next_step = next_step,
    details = { skew = skew } }
end

-- ---- identity -----------------------------------------------------------------------------------------------------

local function env_names(getenv)
  local seen = {}
  for _, name in ipairs { "AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET",
    "AZURE_CLIENT_CERTIFICATE_PATH", "AZURE_CLIENT_CERTIFICATE_PASSWORD", "AZURE_CLIENT_SEND_CERTIFICATE_CHAIN",
    "AZURE_ACCESS_TOKEN", "AZURE_FEDERATED_TOKEN_FILE", "AZURE_TOKEN_CREDENTIALS", "AZURE_AUTHORITY_HOST",
    "AZURE_SUBSCRIPTION_ID", "AZURE_POD_IDENTITY_AUTHORITY_HOST", "IDENTITY_ENDPOINT", "IDENTITY_HEADER",
    "IDENTITY_SERVER_THUMBPRINT", "IMDS_ENDPOINT", "MSI_ENDPOINT", "MSI_SECRET", "DEFAULT_IDENTITY_CLIENT_ID",
    "ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN", "SYSTEM_OIDCREQUESTURI", "SYSTEM_ACCESSTOKEN",
    "AZURESUBSCRIPTION_TENANT_ID", "AZURESUBSCRIPTION_CLIENT_ID", "AZURESUBSCRIPTION_SERVICE_CONNECTION_ID" } do
    if (getenv(name) or "") ~= "" then seen[#seen + 1] = name end
  end
  return seen
end

local function client_of(self)
  self.client = self.client or self.new_client { timeout = self.timeout }
  return self.client
end

-- Signs in once, for all checks.
local function sign_in(self)
  if not self.signed_in then
    local identity, err = client_of(self):identity { timeout = self.timeout }
    self.signed_in = { identity = identity, err = err }
  end
  return self.signed_in.identity, self.signed_in.err
end

local function name_of(identity)
  local claims = identity.claims or {}
  local name = claims.upn or claims.preferred_username or claims.appid or claims.azp or claims.oid
  local text = identity.credential
  if name then text = ("%s as %s"):format(text, name) end
  if claims.tid then text = ("%s of tenant %s"):format(text, claims.tid) end
  if identity.expires_on then
    text = ("%s, for %.0f min"):format(text, (identity.expires_on - os.time()) / 60)
  end
  if identity.cached then text = text .. ", from the token cache" end
  return text
end

-- A chain's error has a message for each source.
local function no_sign_in(self, err, details)
  local tried, advice = 0, nil
  for _, link in ipairs(details.links) do
    if link.outcome ~= "untried" then tried = tried + 1 end
    if link.outcome == "failed" then advice = advice or link.hint end
  end
  if tried > 1 and not err.retryable then
    return failed(err.kind, "none of these gave a token", advice or "set one of them up (az login; AZURE_CLIENT_ID and "
      .. "what belongs to it), or give one of azpec.credential's values as `credential`", details)
  end
  local is_cut_off = self.wanted.tls and not is_answer(probe(self).err)
  return failed(kind_of(err), err.message, is_cut_off and "see what is said of tls" or err.hint
    or default_step(self, err), details)
end

function checks.signin(self)
  local identity, err = sign_in(self)
  local details = { links = client_of(self):explain(), environment = env_names(self.getenv) }
  if not identity then return no_sign_in(self, err, details) end
  details.identity = { credential = identity.credential, expires_on = identity.expires_on, claims = identity.claims,
    cached = identity.cached }
  return ok(name_of(identity), details)
end

-- Says why the service cannot be asked, or returns nil.
local function obstacle(self)
  local _, err = sign_in(self)
  if not err then return nil end
  if self.wanted.signin then return skipped "there is no sign-in" end
  return failed_by(self, err)
end

-- ---- requests -----------------------------------------------------------------------------------------------------

-- Returns the azpec.Error that a page of an iterator raises, or nil. Any other error, such as Ctrl-C, is raised.
local function problem_of(iterate)
  local fine, err = pcall(iterate)
  if fine then return nil end
  return type(err) == "table" and err or error(err, 0)
end

-- The same for the first page. Returns also whether it lists nothing.
local function first_problem(...)
  local list, count = table.pack(...), 0
  local err = problem_of(function ()
    for _ in table.unpack(list, 1, list.n) do
      count = count + 1
      if count == 1 then break end
    end
  end)
  return err, count == 0
end

-- Returns { account, err } for the named account; without one, { err, is_empty } for the subscription's accounts.
local function look(self)
  if self.looked then return self.looked end
  local found = {}
  self.looked = found
  local client = client_of(self)
  if self.account_id then
    found.account, found.err = client:get_account { id = self.account_id, timeout = self.timeout }
  else
    found.err, found.is_empty = first_problem(client:list_accounts { timeout = self.timeout })
  end
  return found
end

-- The error codes of Azure Resource Manager for an api-version that it, or the provider, does not support.
local version_codes = { InvalidApiVersionParameter = true, NoRegisteredProviderFound = true,
  MissingApiVersionParameter = true, InvalidResourceType = true, UnsupportedApiVersion = true }

checks["api-version"] = function (self)
  local blocked = obstacle(self)
  if blocked then return blocked end
  local version, err = self.settings.api_version, look(self).err
  if not err then return ok(version .. " is accepted") end
  if version_codes[err.code] then
    return failed("service", err.message, "name one of the versions that the service has by api_version")
  end
  if err.http_status then return skipped(version .. " was not looked at: " .. err.message) end
  return failed_by(self, err)
end

local function table_of(value)
  return type(value) == "table" and value or {}
end

local function count_of(account)
  local pending, all = 0, table_of(table_of(account.properties).privateEndpointConnections)
  for _, connection in ipairs(all) do
    if select.facts(table_of(connection)).status == "Pending" then pending = pending + 1 end
  end
  return #all, pending
end

local account_read = "Microsoft.Batch/batchAccounts/read"
local actions_of, lookup = accounts.actions_of, accounts.lookup

-- The result of a check that concerns one account, if none is named.
local function without_account(self)
  return { verdict = "skipped", kind = "usage", found = self.where
    and "this check looks at one account alone, by account_id" or "no account is named by account_id" }
end

-- Without an account. Azure Resource Manager lists only accounts that the identity may read, and answers 200 for none.
local function look_around(self)
  if not look(self).is_empty then return without_account(self) end
  return warning(("no Batch account found in subscription %s"):format(client_of(self):settings().subscription_id),
    ("ask for %s there, or name another subscription by subscription_id"):format(account_read))
end

-- Returns the accounts of `where`, as azpec.fleet finds them, with the subscriptions that cannot be listed as errors;
-- and the error if no account is found or nothing can be listed.
local function find(self)
  if not self.found then
    local where, errors, found, none = { timeout = self.timeout }, {}, nil, nil
    for name, value in pairs(self.where) do where[name] = value end
    function where.on_error(err, place) errors[#errors + 1] = { place = place, err = err } end
    local err = problem_of(function () found, none = scope.find(client_of(self), where) end)
    if found then found.errors = errors end
    self.found = { accounts = found, err = err or none }
  end
  return self.found.accounts, self.found.err
end

-- Returns the check of the accounts of `where`: whether they can be listed.
local function list_accounts(self)
  local found, err = find(self)
  if not found then return failed_by(self, err) end
  if err then return warning(err.message, err.hint) end
  local words, missing = accounts.words(found), found.errors[1]
  if not missing then return ok(words) end
  return failed_by(self, failure.with(missing.err, { message = ("%s; %s cannot be listed, as %s: %s"):format(words,
    text_of.count(#found.errors, "subscription"), missing.place.id, missing.err.message) }))
end

function checks.account(self)
  local blocked = obstacle(self)
  if blocked then return blocked end
  if self.where then return list_accounts(self) end
  local found = look(self)
  if not (self.account_id or found.err) then return look_around(self) end
  if not found.account then
    if version_codes[found.err.code] then return skipped "see api-version" end
    if found.err.kind == "forbidden" and self.account_id then
      return warning(found.err.message, ("ask for %s at %s"):format(account_read, self.account_id))
    end
    return failed_by(self, found.err)
  end
  local properties = table_of(found.account.properties)
  local all, pending = count_of(found.account)
  local text = ("%s in %s, %s; public access %s; %d connection%s, %d of them pending"):format(
    found.account.name, found.account.location, properties.provisioningState or "in no known state",
    properties.publicNetworkAccess or "unknown", all, all == 1 and "" or "s", pending)
  return ok(text)
end

local function read_permissions(self)
  local permissions = {}
  local err = problem_of(function ()
    for permission in client_of(self):list_permissions { id = self.account_id, timeout = self.timeout } do
      permissions[#permissions + 1] = permission
    end
  end)
  return not err and permissions, err
end

-- Returns the needed rights but that to read the account, if the account was read.
local function rights_not_proved(self)
  local needs, is_read = {}, self.looked and self.looked.account
  for _, need in ipairs(rights.needed) do
    if not (is_read and need.action == account_read) then needs[#needs + 1] = need end
  end
  return needs
end

-- If the permissions cannot be read, reading is tried; writing cannot be.
local function rights_by_trying(self, refusal)
  local err = first_problem(client_of(self):list { id = self.account_id, timeout = self.timeout })
  if not err then
    return warning(("connections may be read; whether they may be written cannot be looked up: %s"):format(
      refusal.message), ("ask for %s at %s, to see it here"):format(lookup, self.account_id))
  end
  if err.kind ~= "forbidden" then return failed_by(self, err) end
  return failed("forbidden", ("connections may not be read; the other rights cannot be looked up: %s"):format(
    err.message), ("ask for a role with %s, and %s (to see the rights here) at %s"):format(
    actions_of(rights_not_proved(self)), lookup, self.account_id))
end

local acquire = "Microsoft.Authorization/acquirePolicyToken/action"

-- Only a policy that requires a policy token needs that right, so its absence is no warning.
local function all_there(permissions)
  local note = rights.allows(permissions, acquire) and ""
    or ("; not %s, which is needed only where a policy requires a policy token"):format(acquire)
  return ok("all there: list, approve, reject, delete, follow" .. note)
end

local function rights_at_each(self)
  local found, err = find(self)
  if found then return accounts.rights(client_of(self), found, self.timeout) end
  return self.wanted.account and skipped "see account" or failed_by(self, err)
end

function checks.rights(self)
  local blocked = obstacle(self)
  if blocked then return blocked end
  if self.where then return rights_at_each(self) end
  if not self.account_id then return without_account(self) end
  local permissions, err = read_permissions(self)
  if not permissions then
    if err.kind == "forbidden" then return rights_by_trying(self, err) end
    if err.kind == "not_found" and self.wanted.account then return skipped "there is no such account" end
    return failed_by(self, err)
  end
  local missing, is_essential = rights.missing(permissions), false
  if #missing == 0 then return all_there(permissions) end
  for _, need in ipairs(missing) do is_essential = is_essential or need.essential end
  local found = "missing: " .. actions_of(missing)
  local next_step = ("ask for a role with these actions at %s"):format(self.account_id)
  local details = { missing = {} }
  for n, need in ipairs(missing) do details.missing[n] = need.action end
  if is_essential then return failed("forbidden", found, next_step, details) end
  return warning(found, next_step, details)
end

-- With fewer remaining requests than this, a large run would be throttled.
local few = 20

-- The remaining requests by Azure Resource Manager's headers; those of writes are known only after a write.
function checks.limits(self)
  local blocked = obstacle(self)
  if blocked then return blocked end
  look(self)
  local names, texts, is_low = {}, {}, false
  local left = client_of(self):rate_limits()
  for name in pairs(left) do names[#names + 1] = name end
  if #names == 0 then return skipped "the service does not tell them" end
  table.sort(names)
  for n, name in ipairs(names) do
    texts[n] = ("%s %d"):format(name, left[name])
    is_low = is_low or left[name] < few
  end
  local found = "left: " .. table.concat(texts, ", ")
  if not is_low then return ok(found, left) end
  return warning(found, "somebody uses the subscription's limits up; wait a minute, or do less at once", left)
end

-- ---- names ------------------------------------------------------------------------------------------------------

local function public_advice(account, name)
  local _, pending = count_of(account)
  local suffix = name:match "^[^.]+%.[^.]+%.(.+)$" or "batch.azure.com" -- ACCOUNT.REGION.batch.azure.com
  local zone = ("link the private DNS zone privatelink.%s to this network, with a record for %s"):format(suffix,
    name:match "^[^.]*")
  if pending > 0 then return "once approved: " .. zone end
  return zone .. "; from elsewhere a public address is what is to be seen"
end

local function judge_name(self, account, name)
  local names = require "azpec.doctor.names"
  local found, why = (self.resolve or names.resolve)(name, self.timeout)
  if not found then
    return failed("names", ("%s: %s"):format(name, why), "see /etc/resolv.conf, and whether the name server "
      .. "forwards to Azure's"), nil
  end
  local text = ("%s is %s"):format(name, table.concat(found.addresses, ", "))
  if #found.aliases > 0 then text = ("%s (by %s)"):format(text, table.concat(found.aliases, ", ")) end
  for _, address in ipairs(found.addresses) do
    if not names.is_private(address) then
      return warning(text .. ", a public address", public_advice(account, name), found)
    end
  end
  return ok(text .. ", a private address", found)
end

-- Resolves the name of an account on this machine. Returns { verdict, found, next_step }; "ok" for a private address.
function doctor.judge_name(account, timeout)
  fields.check_argument(account, "table", "bad argument #1 to 'judge_name'")
  local name = (account.properties or {}).accountEndpoint
  if not name then return skipped "the account has no endpoint" end
  return judge_name({ timeout = timeout }, account, name)
end

function checks.dns(self)
  local blocked = obstacle(self)
  if blocked then return blocked end
  if not self.account_id then return without_account(self) end
  local account = look(self).account
  if not account then return skipped "the account cannot be read, so its name is not known" end
  local name = table_of(account.properties).accountEndpoint
  if type(name) ~= "string" then return skipped "the account has no endpoint" end
  return judge_name(self, account, name)
end

-- ---- all checks ---------------------------------------------------------------------------------------------------

local function one(self, name)
  local cqueues = require "cqueues"
  local begun = cqueues.monotime()
  local result = checks[name](self)
  result.check, result.seconds = name, math.floor((cqueues.monotime() - begun) * 1000 + 0.5) / 1000
  return result
end

-- Runs the checks and returns the list of results. options: new_client(more), which returns an azpec.client with these
-- additional options; account_id, or where, the accounts to look at (azpec.scope): then their rights are looked up, and
-- what concerns one account is skipped; checks, a list of names (default: all); timeout (seconds for each request; 20);
-- done(result), called after each check; getenv and resolve (as in azpec.doctor.names), to replace the machine's.
function doctor.examine(options)
  fields.check(options, { new_client = "!function", account_id = "string", where = "table", checks = "table",
    timeout = "number", done = "function", getenv = "function", resolve = "function" })
  local self = { new_client = options.new_client, account_id = options.account_id, timeout = options.timeout or 20,
    where = not options.account_id and options.where or nil,
    getenv = options.getenv or os.getenv, resolve = options.resolve, token = require "azpec".credential.token,
    wanted = {} }
  for _, name in ipairs(options.checks or doctor.checks) do
    if not checks[name] then error(("bad field 'checks' ('%s' is no check)"):format(tostring(name)), 2) end
    self.wanted[name] = true
  end
  self.settings = client_of(self):settings()
  local results = {}
  for _, name in ipairs(doctor.checks) do
    if self.wanted[name] then
      local result = one(self, name)
      results[#results + 1] = result
      if options.done then options.done(result) end
    end
  end
  return results
end

return doctor
