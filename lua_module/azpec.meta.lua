---@meta azpec

--- The whole Lua API of azpec, for people and for editors (LuaCATS).  tests/lua/meta_spec.lua fails when this file
--- and the built module differ.
---
--- What is the same everywhere:
---
--- * Times are numbers of seconds, fractions allowed; they are rounded up to whole milliseconds.  An option takes 0 to
---   1e9.
--- * Strings are bytes; names and texts are UTF-8.
--- * Misuse raises an error that names the field: a missing or wrongly typed option, an unknown one, a value
---   against the rules below, a mistyped name of an enumeration, a closed client.  Numbers are not taken for strings,
---   nor strings for numbers.
--- * Every other failure returns `nil` and an `azpec.Error`; an iterator raises that table.
--- * Without memory a call raises an error with the text "not enough memory", or returns an `azpec.Error` of kind
---   "limit".
--- * The caller's tables are never changed, and no longer read once the call has returned.  Only their own fields are
---   read: options whose metatable has `__index` are misuse.
---
--- Sources of the rules below, by the short names used there:
---
--- * [Update], [Get], [Delete], [List]: "Private Endpoint Connection - Update" (Get, Delete, List By Batch Account),
---   Azure Batch Management REST API, api-version 2022-06-01.
--- * [Link]: "Private Link Resource - Get" and "- List By Batch Account", same API.
--- * [Account]: "Batch Account - Get", "- List" and "- List By Resource Group", same API.
--- * [Permissions]: "Permissions - List For Resource", Azure Authorization REST API, api-version 2022-04-01.
--- * [Names]: "Naming rules and restrictions for Azure resources", Azure Resource Manager documentation.
--- * [Async]: "Asynchronous Operations", Azure Resource Manager Resource Provider Contract.
--- * [Track]: "Track asynchronous Azure operations", Azure Resource Manager documentation.
--- * [Common]: "Common API details", Azure Resource Manager Resource Provider Contract.
--- * [Policy]: "Policy Tokens - Acquire", Azure Policy REST API, api-version 2025-11-01.
--- * [Throttling]: "Understand how Azure Resource Manager throttles requests".
--- * [Private Link]: "Manage Azure private endpoints", Azure Private Link documentation.
--- * [Core]: "Azure Core", Azure SDK general guidelines.
--- * [Client credentials]: "Microsoft identity platform and the OAuth 2.0 client credentials flow".
--- * [Certificates]: "Microsoft identity platform application authentication certificate credentials".
--- * [Device code]: "Microsoft identity platform and the OAuth 2.0 device authorization grant flow".
--- * [Federation]: "Workload identity federation", Microsoft Entra Workload ID.
--- * [Virtual machines]: "How to use managed identities for Azure resources on an Azure VM to acquire an access token".
--- * [App Service]: "Use managed identities for App Service and Azure Functions".
--- * [Arc]: "Authenticate against Azure resources with Azure Arc-enabled servers".
--- * [Fabric]: "How to use a Service Fabric application's managed identity to access Azure services".
--- * [Azure CLI]: "az account", Azure CLI reference.
--- * [Developer CLI]: "Azure Developer CLI reference".
--- * [Chains]: "Credential chains in the Azure Identity client library".
--- * [Token claims]: "Access token claims reference", Microsoft identity platform.
--- * [Clouds]: "az cloud register", Azure CLI reference; "Use API version profiles with Azure CLI in Azure Stack Hub".
--- * [Claims]: "Claims challenges, claims requests and client capabilities", Microsoft identity platform.
--- * [Error codes]: "Microsoft Entra authentication and authorization error codes".
--- * RFC 3986 (URIs), RFC 6749 (OAuth 2.0), RFC 6750 (bearer tokens), RFC 7518 (signatures), RFC 7523 (assertions),
---   RFC 8259 (JSON), RFC 8628 (device code), RFC 9110 (HTTP semantics); W3C Trace Context.
---
--- Environment variables.  An empty one counts as unset; azpec's own are read once, when a client is made.
---
--- * `AZURE_SUBSCRIPTION_ID`: the subscription where no option names one.
--- * `AZURE_AUTHORITY_HOST`: Microsoft Entra ID's origin where no option names it; https only.
--- * `AZURE_TOKEN_CREDENTIALS`: which links the default chain has; see azpec.credential.default.
--- * `AZURE_TENANT_ID`, `AZURE_CLIENT_ID`: the application of the default chain's "environment", of
---   azpec.credential.workload_identity and of azpec.credential.github_actions; AZURE_TENANT_ID is also the usual
---   tenant of the default chain's az and azd, AZURE_CLIENT_ID the client id of its managed identity, user-assigned
---   then.
--- * `AZURE_CLIENT_SECRET`: "environment" signs in with this secret ...
--- * `AZURE_CLIENT_CERTIFICATE_PATH`, `AZURE_CLIENT_CERTIFICATE_PASSWORD`: ... else with this certificate and its key;
---   the password is needed only where the file is encrypted.
--- * `AZURE_CLIENT_SEND_CERTIFICATE_CHAIN`: "1" or "true" sends the chain along, as `send_x5c`.
--- * `AZURE_ACCESS_TOKEN`: ... else "environment" is this ready token.
--- * `AZURE_FEDERATED_TOKEN_FILE`: the token's file of azpec.credential.workload_identity.
--- * `ACTIONS_ID_TOKEN_REQUEST_URL`, `ACTIONS_ID_TOKEN_REQUEST_TOKEN`: GitHub Actions sets them in a job that may
---   have id tokens; see azpec.credential.github_actions.
--- * `SYSTEM_OIDCREQUESTURI`, `SYSTEM_ACCESSTOKEN`: those of Azure Pipelines; see azpec.credential.azure_pipelines.
--- * `AZURESUBSCRIPTION_TENANT_ID`, `AZURESUBSCRIPTION_CLIENT_ID`: its application, and ...
--- * `AZURESUBSCRIPTION_SERVICE_CONNECTION_ID`: ... service connection, as the task AzureCLI@2 sets them.
--- * `IDENTITY_ENDPOINT`, `IDENTITY_HEADER`, `IDENTITY_SERVER_THUMBPRINT`, `IMDS_ENDPOINT`: the places that hand out a
---   managed identity's tokens set these themselves; see azpec.credential.managed_identity.
--- * `MSI_ENDPOINT`, `MSI_SECRET`: older ones of the same kind; `DEFAULT_IDENTITY_CLIENT_ID`: Azure ML's identity where
---   no option names one.
--- * `AZURE_POD_IDENTITY_AUTHORITY_HOST`: another origin of the metadata service than http://169.254.169.254.
--- * `SSL_CERT_FILE`, `CURL_CA_BUNDLE`: a file of certificates to trust, the first that is set; `SSL_CERT_DIR`: a
---   directory of such.  Read where neither `ca_file` nor `ca_path` is given.
--- * `https_proxy`, `HTTPS_PROXY`, `http_proxy`, `all_proxy`, `ALL_PROXY`, `no_proxy`, `NO_PROXY`: read by libcurl
---   at each connection, as curl's manual says, where `proxy` is not given.
---
---@class azpec
---@field _VERSION string "azpec " and this module's version
---@field _RELEASED string the date of this version: "2026-11-30"
---@field libcurl string the libcurl in use and its TLS library: "libcurl/7.88.1 OpenSSL/3.0.19"
---@field credential azpec.credentials functions that make credentials, one for each kind
--- what becomes of a change: `transitions[status][wanted]`
---@field transitions table<string, table<string, azpec.Transition>>
local azpec = {}

--- Approves, rejects or otherwise updates one connection, and returns when the operation has ended.  It makes a
--- client, calls its `update` and closes it.
---@param options azpec.OneCallOptions
---@return azpec.Connection? connection
---@return azpec.Error? err
function azpec.update(options) end

--- A client: one subscription, one credential, the connections kept open for them.  It does no I/O before its first
--- call.
---
--- ```lua
--- local client <close> = azpec.client { timeout = 60 }
--- local found, err = client:get { id = id }
--- print(found and found.name or err)
--- ```
---@param options? azpec.ClientOptions absent: everything from the environment
---@return azpec.Client client
function azpec.client(options) end

--- The kind of azpec object that a value is, as io.type does for files.
---@param value any
---@return "azpec.client"|"azpec.poller"|"azpec.credential"|"azpec.error"|nil name nil: not an azpec object
function azpec.type(value) end

--- ---- enumerations ------------------------------------------------------------------------------------------------
--- Tables of strings, usable with pairs.  Reading a name that is not there raises an error that names the
--- enumeration; so does changing one.

--- The state of the link between the private endpoint and the Batch account [Update].  A rejected or disconnected
--- connection cannot be approved again; it is deleted, and the endpoint's owner makes a new one [Private Link].
---@enum azpec.PrivateLinkServiceConnectionStatus
azpec.PrivateLinkServiceConnectionStatus = {
  Approved = "Approved",         -- the endpoint may be used
  Disconnected = "Disconnected", -- the endpoint was removed by its owner
  Pending = "Pending",           -- not decided yet
  Rejected = "Rejected",         -- the endpoint may not be used
}

--- What becomes of a connection of one status for which another status, or its deletion ("Deleted"), is asked
--- [Private Link].  A pair without an entry has no documented rule.  The module sends what a caller asks for; the
--- table serves forecasts.
---@class azpec.Transition
---@field result "unchanged"|"allowed"|"impossible" unchanged: it already has that status
---@field way_out string? impossible: what to do instead

--- The state of the last operation on a connection [Update].
---@enum azpec.PrivateEndpointConnectionProvisioningState
azpec.PrivateEndpointConnectionProvisioningState = {
  Cancelled = "Cancelled", -- its creation was canceled by the user
  Creating = "Creating",   -- it is being created
  Deleting = "Deleting",   -- it is being deleted
  Failed = "Failed",       -- an update failed and may be tried again
  Succeeded = "Succeeded", -- no operation is running
  Updating = "Updating",   -- an operation is running; its status may change
}

--- ---- options -----------------------------------------------------------------------------------------------------

--- Clouds by the names of Azure's own tools; each stands for an endpoint, an authority host and a scope.
---@alias azpec.Cloud
---| "AzureCloud" # https://management.azure.com, https://login.microsoftonline.com; the default
---| "AzureUSGovernment" # https://management.usgovcloudapi.net, https://login.microsoftonline.us
---| "AzureChinaCloud" # https://management.chinacloudapi.cn, https://login.chinacloudapi.cn

--- Where tokens are kept for other processes.
---@alias azpec.TokenCache
---| "none" # nowhere: each process signs in; the default
---| "keyring" # in the user keyring of the Linux kernel (keyrings(7))

--- How a call waits.  It is called with the object that the call waits for, before the first step and whenever nothing
--- can be done.  It returns when the object's `pollfd()` is readable; it may return earlier, and it may yield.  Of all
--- calls of a client that are woken together, one steps.  An error that it raises ends the call, as coroutine.close
--- does: a call that started the operation cancels it, poller:wait leaves it to its client.
--- `cqueues.poll` fits as it is.
---@alias azpec.Waiter fun(pollable: azpec.Poller|azpec.Client)

--- The options of azpec.client.
---@class (exact) azpec.ClientOptions: azpec.PolicyOptions
--- GUID of the subscription: 1 to 64 letters, digits, '-', '_'; one that is no GUID is warned of (Lua's `warn`);
--- default: AZURE_SUBSCRIPTION_ID; without that, and where az or azd signs in, that program's default one
--- (`az account show`, `azd config get defaults.subscription`): a call that names no subscription signs in first,
--- within its timeout, but for begin_*, which raise before client:identity has found it
---@field subscription_id? string
---@field credential? azpec.Credential the identity to sign in with; default: azpec.credential.default()
---@field cloud? azpec.Cloud default: "AzureCloud"; endpoint, authority_host and scope take precedence
--- Azure Resource Manager's origin, "https://host[:port]"; http only to a loopback address; default: the cloud's.
--- It changes no scope
---@field endpoint? string
--- Microsoft Entra ID's origin, as endpoint; default: AZURE_AUTHORITY_HOST, then the cloud's
---@field authority_host? string
--- the scope of the token, "https://.../.default", printable ASCII [Client credentials]; default: the cloud's endpoint
--- and "/.default"
---@field scope? string
--- "YYYY-MM-DD", or with a suffix such as "-preview" [Common]; default: "2022-06-01".  It is sent with every request
--- except to polling URLs, which go back as they came
---@field api_version? string
--- asks the endpoint, before the first token, for the authority host and the scope of its cloud where they are given
--- neither as options nor by AZURE_AUTHORITY_HOST: GET /metadata/endpoints, without a token [Clouds].  The scope is the
--- audience that is the endpoint, or the first, and "/.default"; a cloud that signs in at ADFS is refused.  Default:
--- false, they are the `cloud`'s
---@field discover? boolean
--- seconds for one operation, sign-in and retries included; default: 300.  0: no operation is started
---@field timeout? number
--- seconds between two polls where the service names no time (Retry-After, RFC 9110 section 10.2.3); default, and 0:
--- 2, growing by half to 30.  A Retry-After that is neither whole seconds nor a date, zero, and a date in the past
--- count as none.  The interval is at least 0.1 and at most 600
---@field poll_interval? number
---@field retry? azpec.RetryOptions which failures are retried, and how often
--- file of PEM certificates to trust; default: SSL_CERT_FILE, CURL_CA_BUNDLE, then libcurl's own
---@field ca_file? string
---@field ca_path? string directory of such certificates, with hashed names; default: SSL_CERT_DIR, then libcurl's own
--- URL of a proxy, as curl takes it; "": none; default: from the environment.  https:// means TLS with the proxy
--- itself; most proxies have http://.  Tokens of managed identities never use it
---@field proxy? string
--- at most 15 further origins, as endpoint, to which polling URLs and links to the next page may lead and the token
--- may go; default: none but the endpoint's
---@field trusted_origins? string[]
--- 1 to 24 printable ASCII characters without blanks, put before azpec's name in User-Agent [Core]; default: none
---@field application_id? string
--- TCP connections open at once, 1 to 1000000; default: no limit of its own.  At most 64 requests are on their way
--- at once in any case
---@field max_connections? integer
--- the parent of all requests, those to sign in included, whose call names none: as for update; default: none
---@field traceparent? string
---@field tracestate? string as for update
---@field wait? azpec.Waiter how calls wait; default: they block the calling thread
--- called for each request, response, wait and end, in the thread that steps; not for a wait for a rate limit that
--- another operation has met.  It must not yield, and must not step, close or wait for the client.  An error that it
--- raises is raised by the next wait or result of the poller of the event; for an event of the sign-in, which has no
--- poller, it becomes a warning.  Ctrl-C, as lua raises it ("interrupted!"), ends any wait at once.  A blocking call
--- (`client:update`) raises an azpec.CallbackError, which has the call's outcome.  A poller (`begin_update`) keeps it:
--- call its `wait`, `result` or `continuation_token` after the error
---@field on_event? fun(event: azpec.Event)
--- called before each PATCH and DELETE is sent, whichever call sends it, repetitions included.  It is not called
--- again if libcurl repeats a request over HTTP/1.1, because the server refused it by HTTP_1_1_REQUIRED.  Only `true`
--- allows the write.
--- Any other result, or an error, ends the operation with an error of kind "canceled" that has the second result or
--- the error's text in its message, of a table its `message`; the request is not sent.  It runs in the thread that
--- steps; it must not yield, nor step, wait or close the client
---@field before_write? fun(write: azpec.Write): boolean?, any?
--- a secret, not empty, that signs all continuation tokens, those in errors too, and `resume` refuses others; needs
--- azpec_signing.so; default: they are not signed.  At least 32 random bytes are advised
---@field token_key? string
--- whether tokens are shared with this user's other processes, until they expire; never on a disk, never with another
--- user.  A token of a managed identity, of `token`, and of a credential with a function of the host's is not shared.
--- Needs azpec_signing.so.  If the cache cannot be used, as in many containers, on_event gets one event and the client
--- works without it; default: "none"
---@field token_cache? azpec.TokenCache

--- When a policy token is acquired.
---@alias azpec.PolicyTokenWhen
---| "auto" # after a refusal that requires one
---| "always" # before the operation's first write
---| "never" # the refusal is the end

--- Of writes that a policy of Azure Policy with external evaluation guards [Policy].  Such a write needs a policy
--- token, which the service issues for this one operation: its URL, method and body.  Without a token no write is sent.
---@class (exact) azpec.PolicyOptions
--- when a policy token is acquired.  A token that the service refuses, for example because it has expired, is replaced
--- once.  Default: the client's; the client's own default: "always" with a `change_reference`, otherwise "auto"
---@field policy_token? azpec.PolicyTokenWhen
--- the id of the change that allows the write, 1 to 1024 bytes of UTF-8 without control characters and blanks around
--- it; sent with each request for a policy token.  Default: the client's, or none
---@field change_reference? string

--- When requests are retried: after a failure below HTTP, after 408, 429, 500, 502, 503 and 504 [Core], and, of a read
--- and of a request for a policy token, after a 200 whose body is not the JSON that its Content-Type says.  The wait is
--- the service's (retry-after-ms and x-ms-retry-after-ms before Retry-After), else (2^tries - 1) * base_delay *
--- [0.8, 1.3).  A write that may have taken effect is sent again only after the connection was read; 501 and 505 are
--- final.  A poll is repeated until the operation's deadline, a request of the sign-in up to 3 times in all, and the
--- metadata service of a virtual machine up to 7 times, by its own rule.
---@class (exact) azpec.RetryOptions
---@field max_tries? integer attempts, the first one included, 1 to 86400; default: 4
---@field base_delay? number seconds, 0 to 86400; default: 0.8
---@field max_delay? number seconds, 0 to 86400: the longest wait; default: 60
--- seconds, 0 to 86400: the longest wait that the service may ask for; if it asks for a longer one, or for one that
--- ends after the deadline, the call fails at once; default: `max_delay`
---@field max_retry_after? number
--- retry 409 too, except one whose cause lasts until somebody removes it, such as ScopeLocked or a missing
--- registration; default: false, then only one with Retry-After
---@field conflict? boolean
--- further error codes of the service to retry, in any letter case, with a status of 400 or more; each is one word
---@field codes? string[]

--- The options of every call.
---@class (exact) azpec.CallOptions
--- seconds for this operation; for a list: for all its pages, without the caller's own time between pages; default: the
--- client's
---@field timeout? number
--- seconds between two polls where the service names no time; default, and 0: the client's
---@field poll_interval? number
---@field wait? azpec.Waiter how this call waits; default: the client's
--- x-ms-client-request-id on every request of the operation [Common]: 1 to 1024 printable ASCII characters; default:
--- a random GUID (version 4)
---@field client_request_id? string
--- the parent of the operation's requests (W3C Trace Context, level 1): each is sent with a traceparent of that trace
--- and a span id of its own, which its events tell; default: the client's
---@field traceparent? string
---@field tracestate? string sent along as it is, 32 members and 1024 characters at most; goes with traceparent

--- Names one private endpoint connection: by `id`, or by its parts.
---@class (exact) azpec.ConnectionName
--- the connection's whole id, "/subscriptions/.../privateEndpointConnections/NAME", its fixed words in any letter
--- case [Common]; with it none of the names below, and no other subscription_id than its own
---@field id? string
---@field subscription_id? string as the client's; default: the client's
--- 1 to 90 letters, digits, '_', '-', '.', '(' and ')', not ending in '.' [Names]; characters beyond ASCII are left
--- to the service to judge, and percent-encoded (RFC 3986)
---@field resource_group_name? string
---@field account_name? string 3 to 24 ASCII letters and digits [Update]
--- 1 to 101 ASCII letters, digits, '_', '-' and '.', not beginning with '.'; where dots stand, which [Update] allows
--- before the GUID alone, is left to the service to judge: a private endpoint's own name may have some
---@field private_endpoint_connection_name? string

--- Names one Batch account: by `id`, or by its parts.
---@class (exact) azpec.AccountName
--- the account's whole id, "/subscriptions/.../batchAccounts/NAME", its fixed words in any letter case [Common];
--- with it none of the names below, and no other subscription_id than its own
---@field id? string
---@field subscription_id? string as the client's; default: the client's
---@field resource_group_name? string as a connection's
---@field account_name? string 3 to 24 ASCII letters and digits [Account]

--- The requested values of a connection.  The body has only the members named here; the service does not change the
--- others [Update].
---@class (exact) azpec.UpdateOptions: azpec.ConnectionName, azpec.CallOptions, azpec.PolicyOptions
---@field status azpec.PrivateLinkServiceConnectionStatus the new state, or the plain string
---@field description? string the reason, for people; UTF-8 (RFC 8259 section 8.1), at most 65536 bytes
--- what the consumer must still do, UTF-8, at most 65536 bytes; sent as actionRequired, from api-version 2022-10-01 on
--- as actionsRequired
---@field action_required? string
--- If-Match (RFC 9110 section 13.1.1): an ETag byte for byte, quotes and W/ included, or "*"; 1 to 1024 printable
--- ASCII characters.  Default: none, unconditional; for ensure: the ETag that it has read.  With one of your own, a 412
--- is final for ensure, and a connection that already is as asked is unchanged whatever its ETag
---@field if_match? string

--- The options of a client and of its update in one table.
---@class (exact) azpec.OneCallOptions: azpec.ClientOptions, azpec.UpdateOptions

--- The options of azpec.Client:ensure and azpec.Client:begin_ensure.
---@class (exact) azpec.EnsureOptions: azpec.UpdateOptions
--- the caller has just read the connection with the ETag `if_match`, and it is not as requested: the update is sent
--- without another read.  After 412 the connection is read once.  If it is as requested now, nothing was changed;
--- otherwise the call fails with an error of kind "precondition".  Needs if_match; default: false
---@field skip_read? boolean

--- The options of azpec.Client:delete and azpec.Client:begin_delete.
---@class (exact) azpec.DeleteOptions: azpec.ConnectionName, azpec.CallOptions, azpec.PolicyOptions
---@field if_match? string as for update; no api-version describes it for a DELETE, so the service may ignore it

--- The options of azpec.Client:get.
---@class (exact) azpec.GetOptions: azpec.ConnectionName, azpec.CallOptions

--- The options of azpec.Client:list and azpec.Client:list_private_link_resources.
---@class (exact) azpec.ListOptions: azpec.AccountName, azpec.CallOptions
---@field maxresults? integer the most items on a page, 1 to 1000000 [List]; default: the service decides

--- The options of azpec.Client:get_account.
---@class (exact) azpec.GetAccountOptions: azpec.AccountName, azpec.CallOptions

--- The options of azpec.Client:list_permissions.
---@class (exact) azpec.ListPermissionsOptions: azpec.AccountName, azpec.CallOptions

--- The options of azpec.Client:get_private_link_resource.
---@class (exact) azpec.GetPrivateLinkResourceOptions: azpec.AccountName, azpec.CallOptions
---@field private_link_resource_name string the same characters as a connection's name [Link]

--- The options of azpec.Client:list_accounts.
---@class (exact) azpec.ListAccountsOptions: azpec.CallOptions
---@field subscription_id? string as the client's; default: the client's
---@field resource_group_name? string as a connection's; default: the accounts of the whole subscription

--- The options of azpec.Client:list_subscriptions.
---@class (exact) azpec.ListSubscriptionsOptions: azpec.CallOptions

--- The options of azpec.Client:query_resource_graph.
---@class (exact) azpec.QueryResourceGraphOptions: azpec.CallOptions
---@field query string in the language of Azure Resource Graph (KQL); UTF-8, 1 to 65536 bytes
---@field subscription_ids? string[] 1 to 1000 of them; default: all that the identity may read in its tenant
---@field top? integer rows on a page, 1 to 1000; default: 1000

--- The options of azpec.Client:identity.
---@class (exact) azpec.IdentityOptions
---@field timeout? number seconds that signing in may take; default: the client's
---@field wait? azpec.Waiter as for update

--- The options of azpec.Client:resume.
---@class (exact) azpec.ResumeOptions: azpec.PolicyOptions
--- the token must belong to this connection, letter case aside, such as `err.id`; it may be of another subscription
---@field id? string
--- whether a resumed ensure may send its update again, where no operation is under way and the connection is not as
--- asked; default: false, it only reads, and ends with an error of kind "precondition"
---@field write? boolean
---@field timeout? number seconds from now on; default: the client's
---@field poll_interval? number as for update
---@field wait? azpec.Waiter as for update
---@field traceparent? string as for update
---@field tracestate? string as for update
---@field key? string the token must be signed with it; needs azpec_signing.so; default: the client's token_key

--- The options of azpec.Poller:continuation_token.
---@class (exact) azpec.ContinuationOptions
---@field key? string signs the token, by HMAC-SHA256; needs azpec_signing.so; default: the client's token_key

--- ---- credentials -------------------------------------------------------------------------------------------------

--- A credential: an immutable description of an identity; clients may share it.  `tostring` shows the kind and
--- nothing else.  Strings have 1 to 32768 bytes, the contents of certificates and keys up to 1 MiB.
---
--- A client keeps its token in memory; one fetch serves all waiting calls.  The token is renewed 5 minutes before it
--- expires; at half of its life if that is shorter, or if it is a managed identity's and lives more than 2 hours; or at
--- refresh_in of the response.  A renewal that fails is tried again after 30 seconds; the old token stays in use.
---
--- When the service answers with a claims challenge [Claims], a token with these claims is requested once.  `token`
--- as a string, `managed_identity` and `azure_cli` cannot do that: the error is of kind "credential" and says so.
---
--- A failure is an azpec.Error of phase "token": of kind "credential" if no token was provided, "transport" if no
--- server answered, "protocol" if the response was unexpected.  The hint says what to do, if that is known.  `code`,
--- `request_id` and `correlation_id` are Microsoft Entra ID's own.
---
--- The host's functions (`get`, `client_secret`, `assertion`, `sign`, `prompt`) run in the thread that steps; they must
--- not yield, nor step, wait or close the client.  An error that they raise, or `nil` and a reason, becomes an error of
--- kind "credential".
---@class azpec.Credential

--- The functions that make credentials. A missing, unknown or wrongly typed option raises an error that names it;
--- nothing is read or sent before a client needs a token.
---@class azpec.credentials
azpec.credential = {}

--- The options of azpec.credential.token.
---@class (exact) azpec.TokenOptions
---@field token? string a ready bearer token (RFC 6750), sent as it is and never renewed; either this or `get`
---@field get? azpec.TokenFunction called whenever a token is needed; it must not yield

--- `scope`: as the client's.  `claims`: the JSON text of a claims challenge that the service answered with, or nil.  It
--- must be passed on to Microsoft Entra ID until a token was received; later tokens do not need it [Claims].
--- `refused`: the token that the service refused with HTTP 401, if it came from this function, or nil; the same token
--- would be refused again.  `token`: the bearer token.  `expires_on`: seconds since 1970, UTC, also in digits; without
--- it an hour is assumed.
---
--- It is called for the first token; for a new one 5 minutes before the old one expires, or at half of a life that is
--- shorter than that; and after a 401.  It must not yield.  Where acquiring a token waits for an event loop, let a
--- coroutine renew it earlier, and return the stored one, or nil and "no token yet".  The guide has an example.
---
--- Without a token it returns nil and the reason, for the error's message: any value.  Of a table the text `message` is
--- shown, and `retryable = true` makes `err.retryable` true.  The other functions of credentials give `why` likewise.
--- An error that such a function raises is read in the same way.
---@alias azpec.TokenFunction fun(scope: string, claims: string?, refused: string?): (token: string?, expires_on: any)

--- A ready token, or a function that knows how to get one.
---@param options azpec.TokenOptions
---@return azpec.Credential
function azpec.credential.token(options) end

--- The options of azpec.credential.client_secret.
---@class (exact) azpec.ClientSecretOptions
---@field tenant_id string the directory's GUID or domain: letters, digits, '.' and '-'
---@field client_id string the application's GUID
--- the secret's value, not its id; or a function that returns it, called for each token, for secrets that are rotated
---@field client_secret string|azpec.SecretFunction

--- `client_secret`: the secret's value; nil: no secret was found, and `why` has the reason.
---@alias azpec.SecretFunction fun(): (client_secret: string?, why: any)

--- An application with a secret (RFC 6749 section 4.4) [Client credentials].
---@param options azpec.ClientSecretOptions
---@return azpec.Credential
function azpec.credential.client_secret(options) end

--- How an assertion is signed (RFC 7518).
---@alias azpec.SigningAlgorithm
---| "PS256" # RSASSA-PSS with SHA-256, MGF1 with SHA-256 and a salt of 32 bytes; the default
---| "RS256" # RSASSA-PKCS1-v1_5 with SHA-256

--- The options of azpec.credential.client_certificate.
---@class (exact) azpec.ClientCertificateOptions
---@field tenant_id string as for client_secret
---@field client_id string the application's GUID
--- file with the certificate, issuers after it or before it: PEM, DER, PKCS#12 or the base64 of these two, known by its
--- content; it may hold the key, too.  Either this or `certificate`
---@field certificate_path? string
---@field certificate? string the content of such a file
--- file with the private key, RSA of 2048 bits or more: PEM, DER or PKCS#12; default: the key beside the
--- certificate.  Either this or `key`
---@field key_path? string
---@field key? string the content of such a file
---@field password? string what the key or the PKCS#12 file is encrypted with; default: none
--- send the certificate's chain along (x5c), as an application registered by subject name and issuer needs it;
--- default: false
---@field send_x5c? boolean
---@field algorithm? azpec.SigningAlgorithm default: "PS256"
---@field sign? azpec.SignFunction signs in place of a key, which may stay in an HSM; either this, key or key_path
--- the certificate's thumbprint in hexadecimal digits, colons and blanks ignored: SHA-256, for RS256 SHA-1.  With
--- `sign` it stands for `certificate` or `certificate_path`, and azpec_signing.so is not needed
---@field thumbprint? string
--- beside `thumbprint`, for `send_x5c`: the base64 of each certificate in DER, 1 to 32 of them, the application's own
--- first, each further one the issuer of the one before (RFC 7515 4.1.6)
---@field x5c? string[]

--- `algorithm`: which of the two.  `data`: the bytes to be signed, whole, not their digest.  `signature`: the
--- signature's bytes, not encoded in any way.
---@alias azpec.SignFunction fun(algorithm: azpec.SigningAlgorithm, data: string): (signature: string?, why: any)

--- An application with a certificate: each token is asked for with a newly signed assertion that lives 10
--- minutes, its header naming the certificate by SHA-256 (x5t#S256), for RS256 by SHA-1 (x5t) [Certificates] (RFC
--- 7523).  Needs the module azpec_signing, which is loaded when the first token is asked for, unless `sign` and
--- `thumbprint` are given; files are read again for each token, since they may be rotated.
---@param options azpec.ClientCertificateOptions
---@return azpec.Credential
function azpec.credential.client_certificate(options) end

--- The options of azpec.credential.client_assertion.
---@class (exact) azpec.ClientAssertionOptions
---@field tenant_id string as for client_secret
---@field client_id string the application's GUID
---@field assertion azpec.AssertionFunction called for each token

--- `jwt`: a JSON Web Token that Microsoft Entra ID accepts for this application: signed by a certificate of its, or
--- by an issuer that it federates with [Federation].
---@alias azpec.AssertionFunction fun(): (jwt: string?, why: any)

--- An application with an assertion that another party signs (RFC 7523) [Client credentials].
---@param options azpec.ClientAssertionOptions
---@return azpec.Credential
function azpec.credential.client_assertion(options) end

--- The options of azpec.credential.workload_identity.
---@class (exact) azpec.WorkloadIdentityOptions
---@field tenant_id? string as for client_secret; default: AZURE_TENANT_ID
---@field client_id? string the application's GUID; default: AZURE_CLIENT_ID
--- file with the token that Kubernetes, or another issuer, has written, 256 KiB at most; read again for each
--- token, since it is rotated; default: AZURE_FEDERATED_TOKEN_FILE
---@field token_file_path? string

--- A workload that its platform identifies, such as a pod of Azure Kubernetes Service [Federation].  If a value or the
--- file is missing, a chain tries its next link.
---@param options? azpec.WorkloadIdentityOptions absent: everything from the environment
---@return azpec.Credential
function azpec.credential.workload_identity(options) end

--- The options of azpec.credential.github_actions.
---@class (exact) azpec.GithubActionsOptions
---@field tenant_id? string as for client_secret; default: AZURE_TENANT_ID
---@field client_id? string the application's GUID; default: AZURE_CLIENT_ID
--- the audience of the application's federated credential; default: "api://AzureADTokenExchange", in the US
--- Government's and China's clouds that with "USGov" or "China" behind it
---@field audience? string

--- A job of GitHub Actions, whose application trusts the repository [Federation].  With each access token, the job gets
--- a new id token from ACTIONS_ID_TOKEN_REQUEST_URL, and Microsoft Entra ID takes it as the application's assertion.
--- The job needs the permission `id-token: write`.  If a value or a variable is missing, a chain tries its next link.
--- The URL must be https; plain http is possible to a loopback address, where authority_host is one too.
---@param options? azpec.GithubActionsOptions absent: everything from the environment
---@return azpec.Credential
function azpec.credential.github_actions(options) end

--- The options of azpec.credential.azure_pipelines.
---@class (exact) azpec.AzurePipelinesOptions
---@field tenant_id? string as for client_secret; default: AZURESUBSCRIPTION_TENANT_ID
---@field client_id? string the application's GUID; default: AZURESUBSCRIPTION_CLIENT_ID
--- the id of a service connection with workload identity federation, which is in the URL of its page; default:
--- AZURESUBSCRIPTION_SERVICE_CONNECTION_ID
---@field service_connection_id? string

--- A job of Azure Pipelines, by a service connection [Federation].  With each access token, the job gets a new id
--- token from SYSTEM_OIDCREQUESTURI, and Microsoft Entra ID takes it as the application's assertion.  The step needs
--- `env: SYSTEM_ACCESSTOKEN: $(System.AccessToken)`; the task AzureCLI@2 sets the variables AZURESUBSCRIPTION_*.
--- If a value or a variable is missing, a chain tries its next link.  The URL follows the rule of github_actions.
---@param options? azpec.AzurePipelinesOptions absent: everything from the environment
---@return azpec.Credential
function azpec.credential.azure_pipelines(options) end

--- At most one of the three names a user-assigned identity; default: the system-assigned one.
---@class (exact) azpec.ManagedIdentityOptions
---@field client_id? string the identity's client id
---@field object_id? string its object (principal) id; not for Azure ML
---@field resource_id? string its Azure resource id; not for Azure ML

--- The identity that Azure has assigned to the machine or service that this runs on.  The environment decides which
--- source is asked, when the client is made; it is the first of:
---
--- 1. IDENTITY_ENDPOINT, IDENTITY_HEADER and IDENTITY_SERVER_THUMBPRINT: Service Fabric [Fabric], whose certificate
---    must have that SHA-1 thumbprint, or nothing is sent; needs the module azpec_signing;
--- 2. IDENTITY_ENDPOINT and IDENTITY_HEADER: App Service, Functions, Container Apps [App Service];
--- 3. MSI_ENDPOINT and MSI_SECRET: Azure ML;
--- 4. MSI_ENDPOINT: Cloud Shell;
--- 5. IDENTITY_ENDPOINT and IMDS_ENDPOINT, or the agent's program /opt/azcmagent/bin/himds: Azure Arc [Arc];
--- 6. else a virtual machine's metadata service [Virtual machines], tried again for over 70 seconds while it is under
---    update.  Inside a chain it is first probed for a second; a missing service is not probed again for
---    5 minutes.  A server that answers without the documented errors is not the service, and the chain continues.
---
--- The file that Azure Arc's challenge names must be a regular file `/var/opt/azcmagent/tokens/*.key` of at most 4096
--- bytes.  Root or the folder's owner must own it, and others must not be able to write it.
---
--- Service Fabric, Cloud Shell and Azure Arc have no user-assigned identities: to name one is an error of kind
--- "credential".  No proxy is used, and plain http as these places have it.
---@param options? azpec.ManagedIdentityOptions
---@return azpec.Credential
function azpec.credential.managed_identity(options) end

--- The options of azpec.credential.azure_cli.
---@class (exact) azpec.AzureCliOptions
--- as for client_secret; default: the tenant of `subscription`; without one, that of the client's subscription where az
--- has seen it (`az account list`), else az's own
---@field tenant_id? string
--- a subscription's name or GUID, for the account that az has for it: letters, digits, '-', '_', '.' and blanks; not
--- beside tenant_id, since az takes one of the two
---@field subscription? string
---@field timeout? number seconds for az, up to 3600; default: 10.  Then it is terminated

--- The user who has signed in with `az login`: runs `az account get-access-token`, found on the PATH, without a shell
--- and without blocking [Azure CLI].  It gets the host's environment but for AZURE_CLIENT_SECRET,
--- AZURE_CLIENT_CERTIFICATE_PASSWORD and AZURE_ACCESS_TOKEN; so does azd.  In a chain, they do not get the secrets of a
--- managed identity or a pipeline that is a link of it.
---@param options? azpec.AzureCliOptions
---@return azpec.Credential
function azpec.credential.azure_cli(options) end

--- The options of azpec.credential.azure_developer_cli.
---@class (exact) azpec.AzureDeveloperCliOptions
---@field tenant_id? string as for client_secret; default: the one that azd has signed in to
---@field timeout? number seconds for azd, up to 3600; default: 10.  Then it is terminated

--- The user who has signed in with `azd auth login`: runs `azd auth token`, as azure_cli runs az [Developer CLI].
---@param options? azpec.AzureDeveloperCliOptions
---@return azpec.Credential
function azpec.credential.azure_developer_cli(options) end

--- The options of azpec.credential.device_code.
---@class (exact) azpec.DeviceCodeOptions
---@field tenant_id? string as for client_secret, or "common"; default: "organizations"
---@field client_id? string the application's GUID; default: 04b07795-8ddb-461a-bbee-02f9e1bf7b46, Azure CLI's own
---@field prompt azpec.PromptFunction shows the user what to do

--- Its results are ignored.
---@alias azpec.PromptFunction fun(info: azpec.DeviceCode)

--- A new table each time.
---@class azpec.DeviceCode
---@field user_code string the code that the user enters ...
---@field verification_uri string ... on this page
---@field message string both in a sentence, as Microsoft Entra ID words it

--- A user who signs in with a browser on any device [Device code] (RFC 8628).  The call continues after that, or fails
--- at the operation's deadline: give it a `timeout` of minutes.  Later tokens need no user: they come by a refresh
--- token, which is kept in the client's memory only.
---@param options azpec.DeviceCodeOptions
---@return azpec.Credential
function azpec.credential.device_code(options) end

--- Several credentials, 1 to 16 and none of them a chain, tried in this order.  One that is not set up here (nothing
--- configured, no such program, no metadata service, no user signed in) is skipped; one that is set up and fails ends
--- the chain.  The one that provided a token is asked first from then on.  If none does, the error's message lists each
--- one with its reason and its time.
---
--- ```lua
--- local chain = azpec.credential.chain {
---   azpec.credential.workload_identity(), azpec.credential.azure_cli { timeout = 30 } }
--- print(azpec.type(chain))
--- ```
---@param credentials azpec.Credential[]
---@return azpec.Credential
function azpec.credential.chain(credentials) end

--- The links of the default chain, in their order, and their names in AZURE_TOKEN_CREDENTIALS.
---@alias azpec.DefaultLink
---| "environment" # EnvironmentCredential
---| "workload_identity" # WorkloadIdentityCredential
---| "managed_identity" # ManagedIdentityCredential
---| "azure_cli" # AzureCLICredential
---| "azure_developer_cli" # AzureDeveloperCLICredential

--- The options of azpec.credential.default.
---@class (exact) azpec.DefaultOptions
---@field exclude? azpec.DefaultLink[] links to leave out; default: none
---@field timeout? number seconds that az and azd may take, each, up to 3600; default: 10

--- A chain of the sources that exist when the client is made, in the documented order [Chains].
---
--- * environment: AZURE_TENANT_ID and AZURE_CLIENT_ID with AZURE_CLIENT_SECRET or AZURE_CLIENT_CERTIFICATE_PATH, the
---   secret first; else AZURE_ACCESS_TOKEN.
--- * workload_identity, managed_identity, azure_cli, azure_developer_cli: as these without options, but for
---   AZURE_CLIENT_ID, which names a user-assigned managed identity, and AZURE_TENANT_ID, which names the tenant for
---   azd, and for az where it has not seen the client's subscription; a failure of the last two never ends the
---   chain.
---
--- AZURE_TOKEN_CREDENTIALS narrows it: "prod" takes the first three, "dev" the last two, a name of azpec.DefaultLink
--- that one alone; letter case does not matter.  azpec.client raises an error for any other value, and for a chain
--- without links.
---@param options? azpec.DefaultOptions
---@return azpec.Credential
function azpec.credential.default(options) end

--- ---- the client --------------------------------------------------------------------------------------------------

--- `local client <close> = azpec.client{...}` closes it at the end of the block; tostring shows the endpoint, or
--- that it is closed.  A client keeps its pollers until their outcome was collected.  A poller that the program drops
--- is not canceled.  Every method except close raises on a closed client.  After fork(2), in the child, its pollers end
--- as canceled and send nothing; new operations use new sockets.
---@class azpec.Client
local Client = {}

--- PATCHes a connection and follows the operation to its end [Update]: by Azure-AsyncOperation, by Location, or,
--- where neither can be used, by the connection itself [Async] [Track].  A polling URL on a trusted origin is followed
--- after any 2xx, whatever the body says.  It succeeds only when the connection was read as requested, in a final
--- state.  A write without a response is sent again only after the connection was read, with its ETag in If-Match; it
--- does not overwrite a later decision, that is a status other than Pending.
---@param options azpec.UpdateOptions
---@return azpec.Connection? connection
---@return azpec.Error? err
function Client:update(options) end

--- Deletes a connection and waits until it is gone [Delete]: until 204, the status Succeeded, or
--- 404 for the connection.
---@param options azpec.DeleteOptions
---@return true? deleted
---@return azpec.Error? err
function Client:delete(options) end

--- Reads a connection and updates it only if a member that is named here differs; with the ETag that was
--- read in If-Match.  After a 412 it reads again, up to 5 times.  If the service refuses the body's ETag, the header's
--- is used.  While another operation runs, it waits for its end.  If another writer decided meanwhile, so that the
--- status is neither Pending, nor the requested one, nor the one that was read first, no write is sent, or none again:
--- the error is "precondition".
---
--- ```lua
--- local ensured = assert(client:ensure { id = id, status = "Approved", description = "ticket 5102" })
--- print(ensured.changed, ensured.after.properties.privateLinkServiceConnectionState.status)
--- ```
---@param options azpec.EnsureOptions
---@return azpec.Ensured? ensured
---@return azpec.Error? err
function Client:ensure(options) end

--- Reads a connection [Get].
---@param options azpec.GetOptions
---@return azpec.Connection? connection
---@return azpec.Error? err
function Client:get(options) end

--- The identity that signs in: gets a token if none is valid, and returns its claims.  It asks only the source of the
--- token.  If az or azd signs in, it also finds the subscription of a client without one.
---@param options? azpec.IdentityOptions
---@return azpec.Identity? identity
---@return azpec.Error? err
function Client:identity(options) end

--- The outcome of each link of the credential in the last sign-in, in order.  It neither waits nor signs in.
---@return azpec.Link[] links
function Client:explain() end

--- Reads a Batch account [Account].
---@param options azpec.GetAccountOptions
---@return azpec.Account? account
---@return azpec.Error? err
function Client:get_account(options) end

--- Reads one private link resource of an account: what private endpoints can be made for [Link].
---@param options azpec.GetPrivateLinkResourceOptions
---@return azpec.PrivateLinkResource? resource
---@return azpec.Error? err
function Client:get_private_link_resource(options) end

--- The connections of an account, for a generic `for`; follows nextLink, with one page in memory [List].  A page
--- that fails raises its azpec.Error; leaving the loop frees it.
---
--- ```lua
--- for one in client:list { resource_group_name = "rg-contoso-prod", account_name = "contosobatch" } do
---   print(one.name)
--- end
--- ```
---@param options azpec.ListOptions
---@return fun(poller: azpec.Poller): azpec.Connection? next
---@return azpec.Poller poller
---@return nil
---@return azpec.Poller closing
function Client:list(options) end

--- The Batch accounts of a resource group or of the whole subscription, as `list` [Account].
---@param options? azpec.ListAccountsOptions
---@return fun(poller: azpec.Poller): azpec.Account? next
---@return azpec.Poller poller
---@return nil
---@return azpec.Poller closing
function Client:list_accounts(options) end

--- The private link resources of an account, as `list` [Link].
---@param options azpec.ListOptions
---@return fun(poller: azpec.Poller): azpec.PrivateLinkResource? next
---@return azpec.Poller poller
---@return nil
---@return azpec.Poller closing
function Client:list_private_link_resources(options) end

--- What the identity that signs in may do at an account, as `list` [Permissions]: an action is allowed when one of
--- the permissions has it among its `actions` and not among its `notActions`.  Asked with an api-version of its own,
--- whatever the client's is.
---@param options azpec.ListPermissionsOptions
---@return fun(poller: azpec.Poller): azpec.Permission? next
---@return azpec.Poller poller
---@return nil
---@return azpec.Poller closing
function Client:list_permissions(options) end

--- The subscriptions that the identity that signs in may read, as `list` ["Subscriptions - List" of Azure Resource
--- Manager].  Asked with an api-version of its own.
---@param options? azpec.ListSubscriptionsOptions
---@return fun(poller: azpec.Poller): azpec.Subscription? next
---@return azpec.Poller poller
---@return nil
---@return azpec.Poller closing
function Client:list_subscriptions(options) end

--- The rows that a query of Azure Resource Graph finds, as `list` ["Resources - Resources"].  A row is a table of the
--- query's columns.  Follows $skipToken, which the service sends only for rows that have a column `id`: project it, and
--- order by it.  Where the service has more rows than it returns ("resultTruncated", or more subscriptions than a query
--- reaches), that is an error of the kind "protocol" after the last row.  Queries have a limit of their own; a
--- query waits for the next window if none is left.  The rows may be minutes older than those of Azure Resource
--- Manager.
---@param options azpec.QueryResourceGraphOptions
---@return fun(poller: azpec.Poller): table<string, any>? next
---@return azpec.Poller poller
---@return nil
---@return azpec.Poller closing
function Client:query_resource_graph(options) end

--- As update, but returns at once and does no I/O: the first step sends.  Of several operations of a client that
--- write to one connection, each starts when the one before it has ended; only then does its timeout run.  Reads do
--- not wait.
---
--- ```lua
--- local poller = client:begin_update { id = id, status = "Approved" }
--- print(poller:done())
--- assert(poller:wait(60))
--- print(poller:done())
--- ```
---@param options azpec.UpdateOptions
---@return azpec.Poller poller
function Client:begin_update(options) end

--- As delete, but returns at once and does no I/O.
---@param options azpec.DeleteOptions
---@return azpec.Poller poller
function Client:begin_delete(options) end

--- As ensure, but returns at once and does no I/O.
---@param options azpec.EnsureOptions
---@return azpec.Poller poller
function Client:begin_ensure(options) end

--- Continues an operation, also one of another process; it does no I/O itself.  It polls the URL in the token if there
--- is one, else the connection.  Nothing is written unless `write` allows it.  A token is refused, as an error of kind
--- "protocol", when it is damaged, not for this endpoint, or not signed with `key`.  It must belong to the connection
--- of `id`; without `id`, to the client's subscription (if it has one).  Without a key anyone can write a token: see
--- SECURITY.md.
--- Raises where a signature cannot be checked: azpec_signing is not installed, or OpenSSL fails.
---@param continuation_token string from a poller or an error
---@param options? azpec.ResumeOptions
---@return azpec.Poller? poller
---@return azpec.Error? err
function Client:resume(continuation_token, options) end

--- Hands out pollers of `begin_*` and `resume` as they end, for a generic `for`, with what their `result` returns:
--- the pollers in the table, or, without one, every poller that nobody has collected, those begun inside the loop
--- included.  It ends when none is left, and waits as the client's `wait` says; what was not handed out stays the
--- client's.  One that is collected elsewhere meanwhile is not handed out.  Raises on a poller of another client or
--- of another running loop, and on a second loop without a table.
---@param pollers? table<any, azpec.Poller>
---@return fun(loop: userdata): azpec.Poller?, azpec.Connection|azpec.Ensured|true|nil, azpec.Error? next
---@return userdata loop
---@return nil
---@return userdata closing
function Client:completions(pollers) end

--- The pollers of `begin_*` and `resume` that have ended and whose outcome was not collected, for a generic `for`, as
--- `completions`.  It neither waits nor steps: a guest in an event loop calls it after `step`.  A poller that was
--- canceled is among them after the next step, or once its `done` was called.
---@return fun(client: azpec.Client): azpec.Poller?, azpec.Connection|azpec.Ensured|true|nil, azpec.Error? next
---@return azpec.Client client
function Client:finished() end

--- The rest of each rate limit, as last reported by the service (x-ms-ratelimit-remaining-*) [Throttling].
---@return azpec.RateLimits limits a new table
function Client:rate_limits() end

--- The values that the client uses: from options, from the environment, or the defaults.
---@return azpec.Settings settings a new table
function Client:settings() end

--- Moves all of the client's work as far as it goes without waiting.
function Client:step() end

--- Waits for some seconds, as the client's calls wait, and does all of the client's work meanwhile.  It returns earlier
--- only if the client is closed.
---@param seconds number from 0 to 1e9
function Client:wait(seconds) end

--- The client's one descriptor, for any event loop: readable when `step` has something to do, or when a poller that
--- a call waits for has ended.  It stays open as long as the Lua state, and serves another client once this one
--- is closed.  After fork(2) the child's client has another one: call pollfd again there, and watch that.
---@return integer fd
function Client:pollfd() end

--- What the descriptor is to be watched for, in cqueues' words.
---@return "r" events
function Client:events() end

--- The descriptor has its own timer: no other is needed.
---@return nil timeout
function Client:timeout() end

--- Ends all live pollers as canceled, with their continuation tokens, wakes the calls that wait for them, and
--- closes all connections.  A call that waits in an event loop returns when the loop runs next.  It may be called
--- again.  Raises inside one of the client's own callbacks.
function Client:close() end

--- ---- the poller --------------------------------------------------------------------------------------------------

--- One operation.  tostring shows its state.  `local poller <close>` cancels it at the end of the block, as `cancel`
--- does, unless it has ended.
---@class azpec.Poller
local Poller = {}

--- Whether the operation has ended, with success or not.  If true, `client:finished` hands it out.
---@return boolean
function Poller:done() end

--- The last status that the service reported, such as "Updating" or "InProgress"; nil: none so far.
---@return string?
function Poller:status() end

--- What the blocking call would have returned; never waits, and raises before the end.  The same at each call.
---@return azpec.Connection|azpec.Ensured|true|nil result
---@return azpec.Error? err
function Poller:result() end

--- What is known so far, from memory.
---@return azpec.Progress progress a new table
function Poller:progress() end

--- Waits for the end, or for some seconds at most; when these have passed first, the error is of kind "timeout" and
--- `done()` still false.
---@param seconds? number 0 or more; 0: one step and no waiting; default: until the end
---@return azpec.Connection|azpec.Ensured|true|nil result as from the blocking call
---@return azpec.Error? err
function Poller:wait(seconds) end

--- Stops waiting: the operation ends as "canceled" here.  The service continues it if it has started.  It may be called
--- again, and has no effect after the end.
function Poller:cancel() end

--- Moves all of the client's work as far as it goes without waiting.
---@return boolean done
function Poller:step() end

--- The client's descriptor; it becomes readable when this poller ends, too, until its `step` is called or its
--- outcome taken.
---@return integer fd
function Poller:pollfd() end

--- What the descriptor is to be watched for, in cqueues' words.
---@return "r" events
function Poller:events() end

--- The descriptor has its own timer: no other is needed.
---@return nil timeout
function Poller:timeout() end

--- A text with which `client:resume` continues: versioned JSON without secrets, bound to endpoint, subscription and
--- connection. nil unless a write may have reached the service and its end is unknown.  With a key its last member is
--- hmac_sha256, the HMAC-SHA256 of the token without that member, in hexadecimal digits; raises where it cannot be
--- computed.
---@param options? azpec.ContinuationOptions
---@return string?
function Poller:continuation_token(options) end

--- ---- results -----------------------------------------------------------------------------------------------------
--- Results keep the wire's shape and names, members unknown here included; JSON null is nil (RFC 8259).

--- A private endpoint connection [Update].
---@class azpec.Connection
---@field id string its resource id, ".../batchAccounts/ACCOUNT/privateEndpointConnections/NAME"
---@field name? string the last part of the id
---@field type? string "Microsoft.Batch/batchAccounts/privateEndpointConnections"
---@field etag? string the ETag, the body's, or else the header's, which a proxy may change; goes back as if_match
---@field properties azpec.ConnectionProperties what the service knows of it
---@field tags? table<string, string> from api-version 2024-07-01 on
---@field systemData? table from api-version 2025-06-01 on

--- The properties of a connection [Update].
---@class azpec.ConnectionProperties
---@field provisioningState? azpec.PrivateEndpointConnectionProvisioningState|string of its last operation
---@field privateEndpoint? azpec.PrivateEndpoint what asks for access
---@field groupIds? string[] which part of the account it is for, such as "batchAccount"
---@field privateLinkServiceConnectionState? azpec.ConnectionState its status and the reason

--- The private endpoint of a connection [Update].
---@class azpec.PrivateEndpoint
---@field id? string the private endpoint, perhaps in another subscription

--- The state of the link, with what people have written [Update].
---@class azpec.ConnectionState
---@field status azpec.PrivateLinkServiceConnectionStatus|string a value that is unknown here is a string, too
---@field description? string the reason, for people
---@field actionRequired? string with actionsRequired: both are there when the service sent either
---@field actionsRequired? string the name of the same from api-version 2022-10-01 on

--- The result of azpec.Client:ensure.
---@class azpec.Ensured
---@field changed boolean whether it was written
---@field before? azpec.Connection as it was found; absent where it was not read: resumed after its write, or skip_read
---@field after azpec.Connection as it is now

--- A private link resource [Link].
---@class azpec.PrivateLinkResource
---@field id string its resource id
---@field name? string the last part of the id
---@field type? string its resource type
---@field etag? string its ETag
---@field properties? table groupId, requiredMembers, requiredZoneNames

--- A Batch account [Account].
---@class azpec.Account
---@field id string its resource id
---@field name? string the last part of the id
---@field type? string its resource type
---@field location? string the region, such as "westeurope"
---@field properties? table as the service sent them

--- Who is signed in; never the token itself.
---@class azpec.Identity
---@field credential azpec.CredentialName the link of the credential that gave the token
--- seconds since 1970 when the token ends; absent where a ready token does not say
---@field expires_on? integer
---@field cached? true another process fetched the token: see token_cache
---@field claims azpec.Claims the claims of the token, not verified; empty for an opaque token

--- The claims that are shown, of those that a token has [Token claims]; strings, times in seconds since 1970.
---@class azpec.Claims
---@field aud? string for whom the token is
---@field iss? string who made it
---@field tid? string the tenant
---@field oid? string the object id of who is signed in: what role assignments name
---@field appid? string the application's client id ...
---@field azp? string ... as version 2 of the token calls it
---@field app_displayname? string the application's name for people
---@field upn? string a person's name to sign in with ...
---@field unique_name? string ... as other tokens call it ...
---@field preferred_username? string ... and version 2
---@field name? string a person's name for people
---@field idtyp? string who it is: "app" or "user"
---@field xms_mirid? string the resource whose managed identity it is
---@field iat? integer made at
---@field nbf? integer good from
---@field exp? integer good until

--- What a link of the credential is called: its kind's name, that of a managed identity's source, or "environment"
--- where the environment names no application.
---@alias azpec.CredentialName
---| "token"
---| "environment"
---| "client_secret"
---| "client_certificate"
---| "client_assertion"
---| "workload_identity"
---| "github_actions"
---| "azure_pipelines"
---| "managed_identity (virtual machine)"
---| "managed_identity (App Service)"
---| "managed_identity (Azure Arc)"
---| "managed_identity (Service Fabric)"
---| "managed_identity (Cloud Shell)"
---| "managed_identity (Azure ML)"
---| "azure_cli"
---| "azure_developer_cli"
---| "device_code"

--- The outcome of a link of the credential.
---@class azpec.Link
---@field credential azpec.CredentialName which link
---@field outcome azpec.LinkOutcome its outcome
---@field elapsed? number seconds it took, or has taken so far; absent: it was not tried
---@field message? string why it gave no token, or none yet; or that the token is from the token cache
---@field hint? string what to do about it, as the command to type

--- The outcome of a link of the credential in a sign-in.
---@alias azpec.LinkOutcome
---| "token" # it gave the token
---| "failed" # it is set up here, and failed
---| "absent" # it is not set up here; a chain tries its next link
---| "trying" # at present; its time may be longer than the call's
---| "untried" # another one came first, or there was no sign-in yet

--- A subscription ["Subscriptions - List" of Azure Resource Manager].
---@class azpec.Subscription
---@field id string "/subscriptions/..."
---@field subscriptionId string its GUID
---@field displayName? string its name for people
---@field tenantId? string the GUID of its tenant
---@field state? string one of "Enabled", "Warned", "PastDue", "Disabled" and "Deleted"

--- What one role assignment allows [Permissions]; "*" in an action stands for any characters.
---@class azpec.Permission
---@field actions? string[] what it allows at the resource ...
---@field notActions? string[] ... but for these
---@field dataActions? string[] what it allows with the data in it ...
---@field notDataActions? string[] ... but for these

--- The fields are those of azpec.ClientOptions.
---@class azpec.Settings
---@field endpoint string Azure Resource Manager's origin
---@field subscription_id? string absent: none was given, and none found yet
--- who named it: "options", "AZURE_SUBSCRIPTION_ID", or the program whose default it is
---@field subscription_from? "options"|"AZURE_SUBSCRIPTION_ID"|"azure_cli"|"azure_developer_cli"
---@field authority_host? string absent: not discovered yet
---@field scope? string likewise
---@field token_cache? "keyring" absent: no token is shared
---@field api_version string what is sent as api-version
---@field ca_file? string neither: whatever the TLS library itself trusts
---@field ca_path? string likewise
---@field process_id integer the process that uses the client: another one after fork(2)
---@field identity? azpec.Identity who signed in last, without asking again; absent: nobody has yet

--- The rest of each limit; absent: not reported yet.
---@class azpec.RateLimits
---@field ["subscription-reads"]? integer reads of a subscription
---@field ["subscription-writes"]? integer writes to a subscription
---@field ["subscription-deletes"]? integer deletions in a subscription
---@field ["subscription-global-reads"]? integer reads of a subscription by all identities
---@field ["subscription-global-writes"]? integer writes to a subscription by all identities
---@field ["subscription-global-deletes"]? integer deletions in a subscription by all identities
---@field ["tenant-reads"]? integer reads of the tenant
---@field ["tenant-writes"]? integer writes to the tenant
---@field ["subscription-resource-requests"]? integer requests to one resource type
---@field ["subscription-resource-entities-read"]? integer resources read of one resource type

--- The result of azpec.Poller:progress.
---@class azpec.Progress
---@field id? string the id of what the operation is about
---@field phase azpec.Phase never "token"
---@field status? string as from status()
---@field request_id? string x-ms-request-id of the last answer
---@field correlation_id? string x-ms-correlation-request-id of the last answer
---@field client_request_id string what is sent as x-ms-client-request-id
---@field polls integer how often it was polled
--- how often the present request has failed, or the write that is sent again
---@field retries integer
---@field elapsed number seconds so far
---@field percent_complete? integer 0 to 100, where the service says so
---@field next_wait? number seconds until the next request is due, or a rate limit of the service allows it
---@field untrusted_poll_url? true as in an event

--- ---- errors ------------------------------------------------------------------------------------------------------

--- One more kind exists outside this list: "callback" of azpec.CallbackError, which is raised.
---@alias azpec.ErrorKind
---| "credential" # no token was provided, or the service refused it (401)
---| "forbidden" # 403
---| "not_found" # 404
---| "precondition" # 412; or another writer decided meanwhile; or `resume` without `write` found a write to be done
---| "conflict" # 409
---| "throttled" # 429
---| "service" # any other error status
---| "operation" # accepted, and ended Failed or Canceled, or not as requested
---| "timeout" # the deadline of the operation, or of the wait, passed
---| "canceled" # the caller stopped waiting; the service may continue; or `before_write` refused the write
---| "transport" # below HTTP: name, connection, TLS, an answer cut off
---| "protocol" # an unexpected response, a redirect of the sign-in, a refused continuation token
---| "untrusted" # a certificate, or a URL in a response, that is not trusted
---| "limit" # larger than azpec accepts, or not enough memory
---| "journal" # of a client of azpec.journal: the journal cannot be written

--- The parts of an operation, in their order.
---@alias azpec.Phase
---| "token" # signing in
---| "policy" # acquiring a policy token
---| "request" # the first request, with its retries and the reads before them
---| "poll" # polling, the waits between included
---| "result" # reading the connection at the end

--- Why a call failed.  tostring gives "kind: message; hint; request id ...", and `..` joins it with strings.  No
--- field holds a secret except that `continuation_token` holds the polling URL.
---
--- ```lua
--- local missing, err = client:get { id = id .. "x" }
--- if err and err.kind == "not_found" then print(err.http_status, missing) end
--- ```
---@class azpec.Error
---@operator concat(any): string
---@field kind azpec.ErrorKind what kind of failure it is
---@field message string for people
--- the service's own code, always a string (Microsoft Entra ID's: "AADSTS..." [Error codes], or OAuth's `error`)
---@field code? string
---@field target? string what the service says the error is about
---@field details? table[] the service's details, as they came
---@field additional_info? table[] the service's additionalInfo, as it came [Common]
--- of the answer that says what went wrong; absent: there was none, or it was a 200 with a policy's evaluation that
--- denied the write or failed
---@field http_status? integer
---@field request_id? string x-ms-request-id, or Microsoft Entra ID's trace_id
---@field correlation_id? string x-ms-correlation-request-id, or Microsoft Entra ID's correlation_id
---@field client_request_id? string what was sent as x-ms-client-request-id
---@field id? string the id of what the call was about
---@field phase? azpec.Phase where it failed
--- the same call may succeed later, although nobody removes the cause.  So it is true of a conflict that passes, even
--- if `retry` does not repeat it, and false of one that lasts, such as ScopeLocked
---@field retryable? boolean
---@field retry_after? number seconds the service asks to wait
---@field hint? string what to do about it
---@field elapsed? azpec.Elapsed the time spent
---@field change_reference? string phase "policy": that is given
---@field policy? string phase "policy": the assignment of the policy whose evaluation gave no token
---@field verdict? string phase "policy": what that evaluation says, in the service's word: "Deny", "Error", "Failed"
---@field links? azpec.Link[] where the sign-in failed, also after a 401: the outcome of each link of the credential
---@field untrusted_poll_url? true as in an event
--- an earlier attempt of the write got no response and may have taken effect; the connection was changed since
---@field replaced? true
--- the write was not sent. Kind "canceled": `before_write` did not allow it, or raised an error. Of a client of
--- azpec.journal, "journal": the intent could not be recorded; "precondition": it would replace a later decision
---@field write_refused? true
--- for `client:resume`; there exactly when a write may have reached the service and its end is unknown
---@field continuation_token? string

--- What a blocking call raises where `on_event` has raised an error.  tostring as of azpec.Error.
---@class azpec.CallbackError
---@operator concat(any): string
---@field kind "callback" no kind of azpec.Error has this name
---@field message string for people
---@field hint string whether the call itself succeeded
---@field raised any what on_event raised
---@field result? any what the call would have returned
---@field err? azpec.Error what it would have returned after nil
---@field retryable boolean false

--- Seconds spent, by phase.  The wait for a rate limit of the service belongs to the phase of the request that waits.
---@class azpec.Elapsed
---@field token number signing in
---@field policy number acquiring a policy token
---@field request number the first request, with its retries and the reads before them
---@field poll number polling, the waits between included
---@field result number reading the connection at the end
---@field total number all of these

--- ---- writes ------------------------------------------------------------------------------------------------------

--- The argument of before_write: a new table each time.
---@class azpec.Write
---@field verb "PATCH"|"DELETE" the request method
---@field call "update"|"ensure"|"delete"|"resume" which call, or its begin_*, asked for it
---@field id string the connection's id
---@field etag? string the request's If-Match; absent: the write is not guarded
---@field from? string the connection's status as this operation has read it; absent: it has not
---@field to? azpec.PrivateLinkServiceConnectionStatus the status that is asked for; not for DELETE
---@field description? string that is asked for
---@field action_required? string that is asked for
---@field change_reference? string that is given
---@field policy_token_id? string the id of the policy token that the write has; absent: it has none, or one without
---@field attempt integer how many writes of this operation have been sent, and 1
---@field client_request_id string what is sent as x-ms-client-request-id
---@field identity azpec.Identity the identity that is signed in

--- ---- events ------------------------------------------------------------------------------------------------------

--- The names of events.
---@alias azpec.EventName
---| "token" # a request for a token is sent, or answered (then with status or error)
---| "request" # a request is sent
---| "response" # it was answered, or failed
---| "policy_token" # a policy token was issued for the operation's writes
---| "poll" # the operation is running; the next poll follows after a wait
---| "retry" # the next attempt follows after a wait
---| "subscription" # the sign-in has found a default subscription
---| "page" # a page of a list was read, and others follow; a list that is left before its last page has no end
---| "end" # the operation has ended
---| "token_cache" # a token was found in the token cache, stored, removed, or refused (see outcome)

--- The parts of a request's last attempt, in seconds, as libcurl measures them (curl_easy_getinfo(3), TIMES). dns,
--- connect and tls are absent on a connection that served before, wait and receive without an answer.
---@class azpec.Timings
---@field dns? number the name was resolved
---@field connect? number the connection was made, to the proxy if there is one
---@field tls? number the TLS handshake, and what a proxy needed
---@field wait? number until the first byte of the answer; sending is part of it
---@field receive? number the rest of the answer

--- The argument of on_event: a new table each time, without bodies and secrets.  URLs come without their query.
---@class azpec.Event
---@field event azpec.EventName its name
--- which call, or its begin_*, the event belongs to: "get" and "list" also of an account or a private link resource;
--- not for token, subscription and token_cache
---@field call? "update"|"ensure"|"delete"|"resume"|"get"|"list"|"query_resource_graph"|"identity"
--- the id of what the operation is about; not for token, subscription and token_cache, nor of calls that are about
--- no single resource, as identity and list_subscriptions
---@field id? string
--- the same in all events of one operation, from its first request to its end;
--- not for token, subscription and token_cache, nor for the end of identity, which sends no request of its own
---@field client_request_id? string
---@field phase? azpec.Phase not for end, subscription and token_cache
---@field method? "GET"|"POST"|"PATCH"|"DELETE" token, request, response
---@field url? string token, request, response
---@field api_version? string token, request, response: of the URL's query
--- request, response, poll, retry: 1 for the first attempt; of a retry in the phase "policy": of the evaluation
---@field attempt? integer
---@field status? integer|string token, response: the HTTP status; poll, retry, end: the last status
---@field headers? table<string, string> token, response: by name in lower case; only those known to hold no secret
---@field request_id? string token, response, end (not ok): x-ms-request-id
---@field correlation_id? string token, response, end (not ok): x-ms-correlation-request-id
--- token, request, response: 32 hex digits of the distributed trace, where a traceparent was given
---@field trace_id? string
---@field span_id? string token, request, response: 16 hex digits, the request's own; those of its answer are the same
---@field parent_id? string token, request, response: 16 hex digits of the traceparent that was given
---@field timings? azpec.Timings response, and token when it is answered
---@field policy_token_id? string policy_token: the token's id; absent: it has none
---@field change_reference? string policy_token: that is given
---@field error? string token, response: the failure below HTTP
---@field detail? string token, response: the same in libcurl's words
---@field wait? number poll, retry: seconds
---@field remaining? number poll, retry: seconds until the operation's deadline
---@field polls? integer poll, retry, end: polls so far
---@field reason? string retry: why
---@field subscription_id? string subscription: the one that was found
---@field subscription_from? string subscription: "azure_cli" or "azure_developer_cli"
---@field percent_complete? integer poll, retry: where the service says so
--- poll, retry: the service named a polling URL on an origin that is not trusted; the connection itself is polled
---@field untrusted_poll_url? true
---@field ok? boolean page, end
---@field kind? azpec.ErrorKind end, not ok
---@field code? string end, not ok: the service's error code, as in the error
---@field http_status? integer end, not ok: as in the error
---@field message? string end, not ok; token_cache, refused: why
--- token_cache: "refused" comes once, and the cache is not used again
---@field outcome? "found"|"stored"|"removed"|"refused"
--- seconds since the operation's first request could go; not for token, subscription and token_cache, nor for the end
--- of an operation that never began
---@field elapsed? number

return azpec
