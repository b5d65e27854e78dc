-- alloc.lua -- what alloc.c lets run out of memory: a scenario is one call of a new client against the emulator.
--
-- What must hold, whichever allocation fails:
--   - the call ends with a value, with nil and an error, or raises "not enough memory" (or OpenSSL's own reason, where
--     OpenSSL has none left); it never times out;
--   - a value of a write is true: the connection is as asked;
--   - an error after a write that was carried out has a continuation token, and never says that the write failed;
--   - with memory back, the same client (or a new one, where none was made) hands out what was begun, and works.
-- alloc.c looks for memory and descriptors that are left, and for runs that do not end.

-- luacheck: globals azpec e starved wait_at control token setenv folder
local cjson = require "cjson".new()

local subscription = "3f1c2a54-6a1e-4b7d-9c55-0e8d1b2a7f10"
local tenant, application = "8d5d7f62-54e8-4c0b-a3d1-5b6f2f3c9e01", "b1e0c6a4-2f75-4a39-8d0e-6c1f7a9b3d22"
local secret, header = "a secret of the torture", "an identity header of the torture"
local job_token = "a-job-s-request-token"
local federated, arc_key = "a.federated.token", "a key of the torture"
local arc_file = "/var/opt/azcmagent/tokens/torture.key"
local trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
local user = { client_id = "0c3a1f5e-7d24-4b86-9e10-2f6a8b4c9d11" }

-- ---- before all ---------------------------------------------------------------------------------------------------

local function write(name, text)
  local file <close> = assert(io.open(name:find "^/" and name or folder .. "/" .. name, "w"))
  file:write(text)
end

local function read(path)
  local file <close> = io.open(path)
  return file and file:read "a"
end

local function connections()
  local list = {}
  for n = 1, 5 do list[n] = { name = "pe" .. n, status = "Pending" } end
  return list
end

local function account(name, options)
  return { account_name = name, resource_group_name = "rg", options = options, connections = connections() }
end

local function load_state()
  control("PUT", "state", cjson.encode {
    tenant_id = tenant, client_id = application, client_secret = secret, subscription_id = subscription,
    certificates = { read(folder .. "/leaf.crt") }, federated_tokens = { federated }, identity_header = header,
    pipeline_token = job_token,
    user_identities = { user }, arc_key_file = folder .. "/arc.key", arc_realm = arc_file,
    options = { operation_polls = 1, retry_after = "none", device_interval = 1, page_size = 2 },
    accounts = { account "acct", account("now", { update_answer = "200" }), account("guarded", { policy = "token" }) },
  })
  write("token", token())
end

local certificate = [[
cd %s && printf '[req]\ndistinguished_name=dn\n[dn]\n' > conf &&
openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out leaf.key 2>/dev/null &&
openssl req -x509 -new -config conf -key leaf.key -subj /CN=leaf -days 30 -out leaf.crt &&
cat leaf.crt leaf.key > both.pem && chmod 755 az azd]]

local program = [[#!/bin/sh
read -r token < '%s/token'
printf '{"%s":"%%s","expires_on":%d,"expiresOn":"%s"}' "$token"
]]

local function prepare()
  local hour = os.time() + 3600
  write("az", program:format(folder, "accessToken", hour, os.date("%Y-%m-%d %H:%M:%S.000000", hour)))
  write("azd", program:format(folder, "token", hour, os.date("!%Y-%m-%dT%H:%M:%SZ", hour)))
  write("federated", federated)
  write("arc.key", arc_key)
  assert(os.execute(certificate:format(folder)))
  load_state()
end

-- ---- the scenarios ------------------------------------------------------------------------------------------------

local function id(n, name)
  return ("/subscriptions/%s/resourceGroups/rg/providers/Microsoft.Batch/batchAccounts/%s"
    .. "/privateEndpointConnections/pe%d"):format(subscription, name or "acct", n)
end

-- An approval whose description is that of this run alone.
local function approval(mark, n, name)
  return { id = id(n or 1, name), status = "Approved", description = mark }
end

local function get(c) return c:get { id = id(5) } end

local function each(iterator, ...)
  local count = 0
  for _ in iterator, ... do count = count + 1 end
  return count
end

local of_account = { resource_group_name = "rg", account_name = "acct" }
local of_application = { tenant_id = tenant, client_id = application }

local function with(base, more)
  local both = {}
  for name, value in pairs(base) do both[name] = value end
  for name, value in pairs(more or {}) do both[name] = value end
  return both
end

local function application_of(kind, more)
  return function () return azpec.credential[kind](with(of_application, more)) end
end

local function managed(options)
  return function () return azpec.credential.managed_identity(options or {}) end
end

local function at(path) return e.endpoint .. path end

-- Of an ensure whose write has not left.
local passport = '{"azpec":1,"operation":"ensure","endpoint":"%s","id":"%s","api_version":"2022-06-01",'
  .. '"status":"Approved","description":"%s","client_request_id":"r-1","poll":"resource","changed":false}'

-- An operation's continuation token, as soon as the service has the operation; nil: it has ended before.
local function token_of(poller, c)
  repeat
    c:step()
    wait_at(c:pollfd())
  until poller:status() or poller:done()
  return poller:continuation_token()
end

local function resumed(token, c, options)
  local again, err = c:resume(token, with({ timeout = 1 }, options))
  if not again then return nil, err end
  return again:wait()
end

local function leave_and_resume(c, mark)
  local poller = c:begin_update(approval(mark))
  local token = token_of(poller, c)
  if not token then return poller:result() end
  poller:cancel()
  return resumed(token, c)
end

local ready_token

-- { name, credential = f() or the token function, env = its environment, options = of the client, call = f(client,
-- mark), writes = ids that get the mark as description or are deleted, fresh = the state is loaded anew before }
local scenarios = {
  { "token", credential = function () return azpec.credential.token { token = ready_token } end },
  { "client secret", credential = application_of("client_secret", { client_secret = secret }) },
  { "client secret over TLS", credential = application_of("client_secret", { client_secret = secret }),
    options = { endpoint = e.tls_endpoint, authority_host = e.tls_endpoint } },
  { "client secret of a function",
    credential = application_of("client_secret", { client_secret = function () return secret end }) },
  { "certificate", credential = application_of("client_certificate", { certificate_path = folder .. "/both.pem" }) },
  { "certificate with its chain, by RS256", credential = application_of("client_certificate",
      { certificate_path = folder .. "/leaf.crt", key_path = folder .. "/leaf.key", send_x5c = true,
        algorithm = "RS256" }) },
  { "assertion",
    credential = application_of("client_assertion", { assertion = function () return federated end }) },
  { "workload identity", credential = application_of("workload_identity",
      { token_file_path = folder .. "/federated" }) },
  { "virtual machine", credential = managed(), env = { AZURE_POD_IDENTITY_AUTHORITY_HOST = e.endpoint } },
  { "virtual machine, a user's identity", credential = managed(user),
    env = { AZURE_POD_IDENTITY_AUTHORITY_HOST = e.endpoint } },
  { "App Service", credential = managed(),
    env = { IDENTITY_ENDPOINT = at "/appservice/token", IDENTITY_HEADER = header } },
  { "Machine Learning", credential = managed(), env = { MSI_ENDPOINT = at "/azureml/token", MSI_SECRET = header } },
  { "Cloud Shell", credential = managed(), env = { MSI_ENDPOINT = at "/cloudshell/token" } },
  { "Service Fabric", credential = managed(), env = { IDENTITY_ENDPOINT = e.tls_endpoint .. "/servicefabric/token",
      IDENTITY_HEADER = header, IDENTITY_SERVER_THUMBPRINT = e.tls_thumbprint } },
  { "Azure Arc", credential = managed(), needs = arc_file,
    env = { IDENTITY_ENDPOINT = at "/arc/token", IMDS_ENDPOINT = e.endpoint } },
  { "GitHub Actions", credential = application_of "github_actions",
    env = { ACTIONS_ID_TOKEN_REQUEST_URL = at "/actions/idtoken", ACTIONS_ID_TOKEN_REQUEST_TOKEN = job_token } },
  { "Azure Pipelines", credential = application_of "azure_pipelines",
    env = { SYSTEM_OIDCREQUESTURI = at "/pipelines/oidctoken", SYSTEM_ACCESSTOKEN = job_token,
      AZURESUBSCRIPTION_SERVICE_CONNECTION_ID = "c8a7e1d4-2b93-4f60-9a15-7e3d0b6c5f21" } },
  { "Azure CLI", credential = function () return azpec.credential.azure_cli { timeout = 3600 } end },
  { "Azure Developer CLI",
    credential = function () return azpec.credential.azure_developer_cli { timeout = 3600 } end },
  { "device code",
    credential = application_of("device_code", { prompt = function (told) return told.message .. "!" end }) },
  { "default chain, environment", credential = function () return azpec.credential.default() end,
    env = { AZURE_TENANT_ID = tenant, AZURE_CLIENT_ID = application, AZURE_CLIENT_SECRET = secret } },
  { "default chain, down to the Azure CLI", credential = function () return azpec.credential.default() end },
  { "chain", env = { AZURE_POD_IDENTITY_AUTHORITY_HOST = e.endpoint }, credential = function ()
    return azpec.credential.chain { azpec.credential.workload_identity {}, azpec.credential.managed_identity {} }
  end },
  { "cloud that the endpoint describes", options = { discover = true, authority_host = false },
    credential = application_of("client_secret", { client_secret = secret }) },
  { "identity", call = function (c)
    local identity, err = c:identity()
    return identity and c:explain(), err
  end },

  { "update", writes = { id(1) }, call = function (c, mark) return c:update(approval(mark)) end },
  { "update done at once", writes = { id(1, "now") },
    call = function (c, mark) return c:update(approval(mark, 1, "now")) end },
  { "update over TLS", writes = { id(1) }, options = { endpoint = e.tls_endpoint },
    call = function (c, mark) return c:update(approval(mark)) end },
  { "ensure", writes = { id(1) }, call = function (c, mark)
    local ensured, err = c:ensure(approval(mark))
    return ensured and ensured.after, err
  end },
  { "delete", writes = { id(4) }, fresh = true, deletes = true,
    call = function (c) return c:delete { id = id(4) } end },
  { "update that a policy refuses at first", writes = { id(1, "guarded") },
    call = function (c, mark) return c:update(approval(mark, 1, "guarded")) end },
  { "delete with a policy token", writes = { id(4, "guarded") }, fresh = true, deletes = true,
    options = { change_reference = "CHG-7" }, call = function (c) return c:delete { id = id(4, "guarded") } end },
  { "list", call = function (c) return each(c:list(of_account)) end },
  { "list of small pages", call = function (c) return each(c:list(with(of_account, { maxresults = 1 }))) end },
  { "list of a group's accounts", call = function (c) return each(c:list_accounts { resource_group_name = "rg" }) end },
  { "subscriptions", call = function (c) return each(c:list_subscriptions()) end },
  { "query of Azure Resource Graph", call = function (c)
    return each(c:query_resource_graph { query = "resources | project id, name", top = 1,
      subscription_ids = { subscription } })
  end },
  { "update that before_write allows", writes = { id(1) },
    options = { before_write = function (ask) return ask.to .. "!" == "Approved!" end },
    call = function (c, mark) return c:update(approval(mark)) end },
  { "settings", options = { token_key = secret, application_id = "torture", max_connections = 1,
      trusted_origins = { "https://torture.example" }, traceparent = trace, tracestate = "a=b",
      on_event = function (event) return event.event .. "!" end, retry = { codes = { "Slow", "Slower" } } } },
  { "accounts", call = function (c)
    return each(c:list_accounts()) + each(c:list_private_link_resources(of_account))
      + each(c:list_permissions(of_account))
  end },
  { "account", call = function (c) return c:get_account(of_account) end },
  { "completions", writes = { id(1), id(2), id(3) }, call = function (c, mark)
    for n = 1, 3 do c:begin_update(approval(mark, n)) end
    local one, why = true, nil
    for _, value, err in c:completions() do
      if not value then one, why = nil, err end
    end
    return one, why
  end },
  { "resume with a key", writes = { id(1) }, may_time_out = true, options = { token_key = secret },
    call = leave_and_resume },
  { "ensure that is resumed to write", writes = { id(1) }, call = function (c, mark)
    local ensured, err = resumed(passport:format(e.endpoint, id(1), mark), c, { write = true, timeout = 36000 })
    return ensured and ensured.after, err
  end },
  -- where the write never left, as nobody can know, the connection is read until the time is up
  { "resume", writes = { id(1) }, may_time_out = true, call = leave_and_resume },
  -- the text of a time-out is made last
  { "update that times out", writes = { id(1) }, may_time_out = true, fresh = true, call = function (c, mark)
    return c:update(with(approval(mark), { timeout = 0.005 }))
  end },
  { "closed in the midst", call = function (c, mark)
    c:begin_update(approval(mark))
    c:begin_ensure(approval(mark, 2))
    c:step()
    c:close()
    return true
  end },
  { "coroutine and events", options = { wait = coroutine.yield, on_event = function (event)
      return event.event .. "!"
    end }, writes = { id(1) }, call = function (c, mark)
    local thread = coroutine.create(function () return c:update(approval(mark)) end)
    local ok, value, err
    repeat
      ok, value, err = coroutine.resume(thread)
      if not ok then error(value, 0) end
      if coroutine.status(thread) ~= "dead" then wait_at(value:pollfd()) end
    until coroutine.status(thread) == "dead"
    return value, err
  end },
}

local by_name, names = {}, {}
for _, scenario in ipairs(scenarios) do
  local name = scenario[1]
  by_name[name] = scenario
  if not scenario.needs or read(scenario.needs) then names[#names + 1] = name end
end

-- ---- one run ------------------------------------------------------------------------------------------------------

local variables = dofile "tests/tools/variables.lua"

local function set_environment(env)
  local all = with({ PATH = folder, AZURE_POD_IDENTITY_AUTHORITY_HOST = "http://127.0.0.1:1" }, env)
  for _, name in ipairs(variables) do setenv(name, all[name]) end
  setenv("PATH", all.PATH)
end

local function options_of(scenario)
  local options = { endpoint = e.endpoint, authority_host = e.endpoint, ca_file = e.ca_file, proxy = "",
    subscription_id = subscription, timeout = 36000, poll_interval = 0.01,
    retry = { max_tries = 3, base_delay = 0.01, max_delay = 1 },
    credential = azpec.credential.token { get = function () return ready_token end },
    wait = function (object) wait_at(object:pollfd()) end }
  options = with(options, scenario.options)
  options.authority_host = options.authority_host or nil
  return options
end

-- Our own failures and libcurl's are known as such; OpenSSL's and those of files come as failures of TLS or of a key.
-- libcurl (7.88.1) without memory to compare a pinned key reports that it does not match; then nothing is sent.
local function is_told(what, allocator)
  return allocator == "OpenSSL" or allocator == "libc" or what.kind == "limit"
    or allocator == "libcurl" and tostring(what):find("does not match pinned public key", 1, true)
    or tostring(what):lower():find("memory", 1, true)
end

local function complaint_of_end(scenario, allocator, ok, value, err)
  if ok and value ~= nil then return nil end
  local what = err
  if not ok then what = value end
  if type(what) == "table" then
    if type(what.kind) ~= "string" or #what.message == 0 then return "an error without kind or message" end
    if what.kind == "timeout" and scenario.may_time_out then return nil end
    if what.kind == "timeout" or what.kind == "operation" or not is_told(what, allocator) then
      return "a false reason: " .. tostring(what)
    end
  elseif ok or not tostring(what):find(allocator == "OpenSSL" and "OpenSSL: " or "not enough memory", 1, true) then
    return "ended with " .. tostring(what)
  end
end

-- How the connection stands when nothing goes on any more.
local function settled(c, which)
  local found, err
  repeat
    found, err = c:get { id = which }
    if not found and err.kind ~= "not_found" then error("with memory back: " .. tostring(err), 0) end
  until not found or found.properties.provisioningState == "Succeeded"
  return found
end

local function complaint_of_write(scenario, c, mark, ok, value, err)
  for _, which in ipairs(scenario.writes or {}) do
    local found = settled(c, which)
    local written = scenario.deletes and not found or not scenario.deletes
      and found.properties.privateLinkServiceConnectionState.description == mark
    if ok and value and not written then return "success, and it was not done" end
    if ok and not value and written and #scenario.writes == 1 and not err.continuation_token then
      return "nothing is said of the write: " .. tostring(err)
    end
  end
end

local function told(ok, value, err)
  if not ok then return "raised " .. tostring(value) end
  return value and "value" or tostring(err)
end

local function run(name, serial, allocator)
  local scenario = by_name[name]
  local mark, c = "run " .. serial, nil
  local call = scenario.call or get
  if scenario.fresh then load_state() end
  ready_token = read(folder .. "/token")
  set_environment(scenario.env)
  local ok, value, err = starved(function ()
    local options = options_of(scenario)
    if scenario.credential then options.credential = scenario.credential() end
    c = azpec.client(options)
    return call(c, mark)
  end)
  local complaint = complaint_of_end(scenario, allocator, ok, value, err)
  if complaint then return complaint end
  if not c or tostring(c):find "closed" then c = azpec.client(options_of {}) end
  if not scenario.options or scenario.options.wait ~= coroutine.yield then
    for _ in c:completions() do end
  else
    c = azpec.client(options_of {})
  end
  complaint = complaint_of_write(scenario, c, mark, ok, value, err)
  if not settled(c, id(5)) then return "with memory back: the connection is not there" end
  c:close()
  return complaint, told(ok, value, err)
end

return { prepare = prepare, names = names, run = run }
