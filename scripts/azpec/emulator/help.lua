-- The long part of --help.

local api_versions = require "azpec.api_versions"

local head = [[
When it listens it prints one line of JSON: pid, endpoint, tls_endpoint, tls_thumbprint (SHA-1), ca_file, tenant_id,
client_id, subscription_id, connections (the ids of all). It ends with status 0 on SIGTERM or SIGINT, and with status 1
and one line on stderr when a port is taken or a file is wrong. A temporary ca_file is removed at the end. The file of
--env-file is for a shell: after `. FILE; export AZURE_CLIENT_SECRET=...` the command azpec needs no further option. The
Lua module does not read AZPEC_*: give it the addresses and the ca_file of the line of JSON.

The sample (without --state):
  tenant        8d5d7f62-54e8-4c0b-a3d1-5b6f2f3c9e01 (contoso.onmicrosoft.com)
  client id     b1e0c6a4-2f75-4a39-8d0e-6c1f7a9b3d22
  client secret emulator+secret/with&every%kind of=character~1
  subscription  3f1c2a54-6a1e-4b7d-9c55-0e8d1b2a7f10
  default-azurebatch-japaneast / sampleacct    1 connection, Pending; Retry-After: 1, operations take 2 s
      testprivateEndpointConnection5.24d6b4b5-e65c-4330-bbe9-3a290d62f8e0
  rg-contoso-prod / contosobatch               25 connections in every state, pages of 10; Retry-After: 2, 3 s
  検証-バッチ(東京) / tokyobatch               1 connection, Pending; Retry-After: 15, 20 s
  rg-contoso-prod / emptybatch                 none

What is served, on both ports:
  POST   /{tenant}/oauth2/v2.0/token                      kind token (client credentials by secret or assertion,
                                                          device code, refresh token; form-encoded)
  POST   /{tenant}/oauth2/v2.0/devicecode                 kind devicecode
  GET    /{tenant}[/v2.0]/.well-known/openid-configuration       kind openid_configuration (no token needed)
  GET    /{tenant}/discovery/v2.0/keys, /{tenant}/discovery/instance    kinds keys, instance (no token needed).
         Access tokens are signed from the first request for the keys or the configuration on.
  GET    /metadata/identity/oauth2/token                  kind imds: the instance metadata service
  GET    /appservice/token /arc/token /azureml/token      kinds app_service, arc, azure_ml: IDENTITY_ENDPOINT and
  GET    /servicefabric/token                             service_fabric:           MSI_ENDPOINT point here
  POST   /cloudshell/token                                kind cloud_shell
  GET    /actions/idtoken                                 kind github_actions: ACTIONS_ID_TOKEN_REQUEST_URL points here
  POST   /pipelines/oidctoken                             kind azure_pipelines: SYSTEM_OIDCREQUESTURI points here
  GET    /metadata/endpoints                              kind metadata (no token needed)
  .../subscriptions/{s}/resourceGroups/{g}/providers/Microsoft.Batch/batchAccounts/{a}, and below it:
  GET    /privateEndpointConnections                      kind list     PATCH  .../{name}        kind update
  GET    /privateEndpointConnections/{name}               kind get      DELETE .../{name}        kind delete
  PUT    /privateEndpointConnections/{name}               kind replace, see the option put
  GET    /privateEndpointConnection{Results,ProxyResults,OperationStatuses}/{operation}          kind poll
  GET    /privateLinkResources[/{name}]                   kind links, link
  GET    /providers/Microsoft.Authorization/permissions   kind permissions (api-version 2022-04-01)
  POST   /subscriptions/{s}/providers/Microsoft.Authorization/acquirePolicyToken                 kind acquire
  GET    .../Microsoft.Authorization/policyTokenOperations/{id}                                  kind acquisition
  GET    the account, the group's and the subscription's batchAccounts                           kind account, accounts
  GET    /tenants, /subscriptions, /subscriptions/{s}     kinds tenants, subscriptions, subscription
  GET    /subscriptions/{s}/resourcegroups                kind groups   (these: api-version 2022-12-01, 2021-04-01 ...)
  GET    /subscriptions/{s}/providers/Microsoft.Batch     kind provider: the registration
  GET    /providers/Microsoft.Batch/operations            kind operations
  POST   /providers/Microsoft.ResourceGraph/resources     kind graph (api-version 2022-10-01): the table resources, and
         where PATH =~ 'text', where tostring(PATH) contains 'text', project NAME = PATH, order by NAME asc

Api-versions of Microsoft.Batch: {first} to {last}. DELETE exists since {DELETE}, groupIds since
{groupIds}, tags since {tags}, systemData since {systemData} (azpec.api_versions).

Options (--option NAME=VALUE; in a state file options = {NAME = VALUE}, there for an account or a connection too).
The nearer wins: connection, account, command line, state file, default. On the command line an account or connection
is named in front: --option contosobatch:retry_after=0 or --option 'sampleacct/NAME:update_answer=204'.

]]

local tail = [[
State file (.lua: a table, or a chunk that returns one, in the sandbox of azpec.rules; .json: the same as an object;
unknown names are refused):
  { tenant_id =, tenant_domain =, client_id =, client_secret =, subscription_id =, options = {},
    certificates = {PEM text}, federated_tokens = {text}, identity_header =, arc_key_file = path, arc_realm = path,
    pipeline_token =, service_connection_id =,
    permissions = as an account's, for those without; default: the role Contributor's; what they do not allow is 403,
    user_identities = { { client_id =, object_id =, resource_id = } },
    resource_groups = {"name"}, subscriptions = { { subscription_id =, name =, state = Enabled ... } },
    accounts = { { account_name =, resource_group_name =, subscription_id =, location =, tags = {}, options = {},
      account_endpoint = the host name in answers,
      permissions = { { actions = {}, not_actions = {}, data_actions = {}, not_data_actions = {} } },
      private_link_resources = { { name =, group_id =, required_members = {}, required_zone_names = {} } },
      connections = { { name =, status =, description =, actions_required =, provisioning_state =, etag =,
        private_endpoint_id =, group_ids = {}, tags = {}, properties = {more members}, age = seconds,
        options = {} } } } } }
  Required: accounts; account_name and resource_group_name of each account; name of each connection. Tenant,
  application, secret and subscription are the sample's unless named. All errors of a file are reported at once.
  An assertion at the token endpoint is a federated_token, the id token of a pipeline, or a JWT that one of the
  certificates has signed, RS256 or PS256. pipeline_token (emulator-pipeline-token) is what a job's request for an id
  token has as its bearer token; service_connection_id (c8a7e1d4-2b93-4f60-9a15-7e3d0b6c5f21) is Azure Pipelines'.
  identity_header (emulator-identity-header) is what App Service, Azure ML and Service Fabric want to see; the content
  of arc_key_file what Azure Arc does, whose challenge names arc_realm, or else that file.
  A connection without status is Pending; status and provisioning_state can be any word. A name can be any that a path
  can have, so that a test sees what a client does with it; in Azure a Batch account's has 3 to 24 lowercase letters
  and digits.

Fault file (.lua or .json): a list of rules {name =, match = {}, action = {}}. A rule counts the requests that fit its
match; of the rules that are due the first is applied. match: method, kind (or a list of kinds), path (Lua pattern on
path and query as sent; plain = true: plain text), tls (true or false), nth (begin with the nth fitting request; alone:
only that one), times (that many; default: for ever). action, at least one of:
  first      delay = seconds; hold = true (waits until control replaces or deletes the rules);
             advance = seconds (moves the clock); expire_token = true (the request's token ends now)
  instead    status = 503 [, body = "text" or table, error = {code =, message =, target =, details =}]
  of the     html = true (502 with a page); claims = true | "JSON" | table: 401 with a claims challenge, and from
  answer     now on every token must have been asked for with these claims
             perform = true: the request is carried out all the same, then answered by status, body ...
  on the     headers = {Name = "value" or {"several"}} (replaced or added), add_headers, remove_headers = {}
  answer     retry_after = (see RETRY-AFTER); set_body = {["properties.provisioningState"] = "Odd"}; bom, gzip = true
             location = foreign | http | https | userinfo | port | subdomain | relative | any URL: changes Location
             and Azure-AsyncOperation; delay_answer = seconds (the request has been carried out)
             in values: {origin} {host} {target} {path} {location} {location_path}
  on the     cut = N (bytes of the body; Content-Length says more), cut_at = N (of all bytes): then the end
  bytes      reset_at, stall_at, flip_at = N; dribble = {bytes =, seconds =}; chunked = true; http_version = "1.0"
             interim = {{status = 103, headers = {}}}; close_after = true (without saying so)
             lose = true: carried out, then the connection ends without an answer
             close | reset = true: not carried out, the connection ends; with perform = true: carried out
             stall = true or seconds: never answered; garbage = N random bytes; raw = "bytes"
  Examples:
    return { { match = {kind = "poll", times = 2}, action = {status = 503, headers = {["Retry-After"] = 1}} },
             { match = {method = "PATCH", nth = 1}, action = {lose = true} } }
    [ { "match": {"kind": "update"}, "action": {"location": "foreign"} },
      { "match": {"kind": "get", "nth": 3}, "action": {"claims": true} } ]

Control (--control; no token): /_emulator/
  GET faults    how often each rule's match was met       PUT faults    a list of rules     DELETE faults
  POST faults   a list of rules, behind the others
  GET state     as a state file, without secrets          PUT state     as a state file     DELETE state: as at start
  POST connections   {"account_name":, "resource_group_name":, "name":, "status": ...}: one more; all are optional
  PATCH options {"sampleacct:retry_after": 0, "operation_seconds": 0.1}               DELETE options: as at start
  GET log       the latest entries as a list              DELETE log    forgets them, and the counts
  GET counts    how many requests came of each kind: {"list": 12, "graph": 1}
  POST clock    {"advance": 3600}: tokens expire, operations end; DELETE: the system's again
  PUT and DELETE of state also forget tokens, operations and claims asked for; options set by PATCH stay.
  Secrets that a PUT does not name stay too, so PUT of what GET answered changes nothing.

Log (--log FILE): a JSON object a line, written before the answer is sent: time, number, connection, tls, method, target
(byte for byte), kind, api_version, status, retry_after, request_id, duration, fault (the rule's name or #index),
headers (a few; authorization as "Bearer <redacted>"), body (JSON) and body_bytes of ARM requests, token {grant_type,
scope, fields, unknown_fields (a count), claims, federated (its number), issuer (a pipeline's kind), algorithm,
thumbprint, chain (a count)} of token requests, token {identity, resource} of a managed identity's. Never a token or a
secret.]]

local versions = { first = api_versions.list[1], last = api_versions.list[#api_versions.list] }

return function (options, retry_after)
  local beginning = head:gsub("{(%a+)}", function (name) return versions[name] or api_versions.since[name] end)
  return table.concat({ beginning .. options, retry_after, tail }, "\n\n")
end
