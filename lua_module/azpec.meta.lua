---@meta azpec

--- The whole Lua API of azpec, for people and for editors (LuaCATS).  tests/lua/meta_spec.lua fails when this file
--- and the built module differ.
---
--- What is the same everywhere:
---
--- * Times are numbers of seconds, fractions allowed; they are rounded up to whole milliseconds.
--- * Strings are bytes; names and texts are UTF-8.
--- * Misuse raises an error that names the field: a missing or wrongly typed option, an unknown one, a value
---   against the rules below, a mistyped name of an enumeration, a closed client.  Numbers are not taken for strings,
---   nor strings for numbers.
--- * The world failing returns `nil` and an `azpec.Error`, or, from an iterator, raises that table.
--- * Running out of memory raises Lua's own error.
--- * The caller's tables are never changed, and no longer read once the call has returned.
---
--- Documents that rules below are taken from, by the short names used there:
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
--- * `AZURE_TENANT_ID`, `AZURE_CLIENT_ID`: the application of the default chain's "environment" and of
---   azpec.credential.workload_identity; the latter is also the client id of the default chain's managed identity,
---   user-assigned then.
--- * `AZURE_CLIENT_SECRET`: "environment" signs in with this secret ...
--- * `AZURE_CLIENT_CERTIFICATE_PATH`, `AZURE_CLIENT_CERTIFICATE_PASSWORD`: ... else with this certificate and its key;
---   the password is needed only where the file is encrypted.
--- * `AZURE_CLIENT_SEND_CERTIFICATE_CHAIN`: "1" or "true" sends the chain along, as `send_x5c`.
--- * `AZURE_ACCESS_TOKEN`: ... else "environment" is this ready token.
--- * `AZURE_FEDERATED_TOKEN_FILE`: the token's file of azpec.credential.workload_identity.
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
---@field libcurl string the libcurl in use and its TLS library: "libcurl/7.88.1 OpenSSL/3.0.19"
---@field credential azpec.credentials the kinds of credential, a function each
---@field PrivateLinkServiceConnectionStatus azpec.PrivateLinkServiceConnectionStatus what `status` may be
--- what a connection's `provisioningState` may be
---@field PrivateEndpointConnectionProvisioningState azpec.PrivateEndpointConnectionProvisioningState
local azpec = {}

--- Approves, rejects or otherwise updates one connection, and returns when the operation is over: makes a client,
--- calls its `update`, closes it.
---@param options azpec.OneCallOptions
---@return azpec.Connection? connection
---@return azpec.Error? err
function azpec.update(options) end

--- A client: one subscription, one credential, the connections kept open for them.  It does no I/O before its first
--- call.
---@param options? azpec.ClientOptions absent: everything from the environment
---@return azpec.Client client
function azpec.client(options) end

--- What kind of object of azpec's a value is; like io.type.
---@param value any
---@return "azpec.client"|"azpec.poller"|"azpec.credential"|"azpec.error"|nil name nil: none of azpec's
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
  Pending = "Pending",           -- nobody has decided yet
  Rejected = "Rejected",         -- the endpoint may not be used
}

--- How far the service is with a connection [Update].
---@enum azpec.PrivateEndpointConnectionProvisioningState
azpec.PrivateEndpointConnectionProvisioningState = {
  Cancelled = "Cancelled", -- its creation was canceled by the user
  Creating = "Creating",
  Deleting = "Deleting",
  Failed = "Failed",       -- an update failed and may be tried again
  Succeeded = "Succeeded", -- its status is final
  Updating = "Updating",   -- its status may yet change
}

--- ---- options -----------------------------------------------------------------------------------------------------

--- Clouds by the names of Azure's own tools; each stands for an endpoint, an authority host and a scope.
---@alias azpec.Cloud
---| "AzureCloud" # https://management.azure.com, https://login.microsoftonline.com; the default
---| "AzureUSGovernment" # https://management.usgovcloudapi.net, https://login.microsoftonline.us
---| "AzureChinaCloud" # https://management.chinacloudapi.cn, https://login.chinacloudapi.cn

--- How a call waits: called with what the call waits for, before the call's first step and whenever there is nothing
--- to do at present, it returns when its `pollfd()` is readable, or at any other time.  It may yield.  Of all calls of
--- a client that are woken together one steps.  What it raises ends the call, as coroutine.close does: a call that made
--- the operation itself cancels it, poller:wait leaves it to its client.
--- `cqueues.poll` fits as it is.
---@alias azpec.Waiter fun(pollable: azpec.Poller|azpec.Client)

---@class (exact) azpec.ClientOptions
--- GUID of the subscription: 1 to 64 letters, digits, '-', '_'; one that is no GUID is warned of (Lua's `warn`);
--- default: AZURE_SUBSCRIPTION_ID
---@field subscription_id? string
---@field credential? azpec.Credential who asks; default: azpec.credential.default()
---@field cloud? azpec.Cloud default: "AzureCloud"; endpoint, authority_host and scope go before it
--- Azure Resource Manager's origin, "https://host[:port]"; http only to a loopback address; default: the cloud's.
--- It changes no scope
---@field endpoint? string
--- Microsoft Entra ID's origin, as endpoint; default: AZURE_AUTHORITY_HOST, then the cloud's
---@field authority_host? string
--- what a token is asked for, printable ASCII [Client credentials]; default: the cloud's endpoint and "/.default"
---@field scope? string
--- "YYYY-MM-DD", or with a suffix such as "-preview" [Common]; default: "2022-06-01".  It is sent with every request
--- except to polling URLs, which go back as they came
---@field api_version? string
--- asks the endpoint, before the first token, for the authority host and the scope of its cloud where they are given
--- neither as options nor by AZURE_AUTHORITY_HOST: GET /metadata/endpoints, without a token [Clouds].  The scope is the
--- audience that is the endpoint, or the first, and "/.default"; a cloud that signs in at ADFS is refused.  Default:
--- false, they are the `cloud`'s
---@field discover? boolean
--- seconds an operation may take in all, sign-in and retries included; default: 300.  0: none is begun
---@field timeout? number
--- seconds between two polls where the service names no time (Retry-After, RFC 9110 section 10.2.3); default, and 0:
--- 2, growing by half to 30.  Values of Retry-After that are no whole seconds and no date, zero, and dates that have
--- passed count as none.  Between two polls there is never less than 0.1, nor more than 600
---@field poll_interval? number
---@field retry? azpec.RetryOptions
--- file of PEM certificates to trust; default: SSL_CERT_FILE, CURL_CA_BUNDLE, then libcurl's own
---@field ca_file? string
---@field ca_path? string directory of such, with hashed names; default: SSL_CERT_DIR, then libcurl's own
--- URL of a proxy, as curl takes it; "": none; default: from the environment.  A managed identity's tokens never
--- come by way of it
---@field proxy? string
--- at most 15 further origins, as endpoint, to which polling URLs and links to the next page may lead and the token
--- may go; default: none but the endpoint's
---@field trusted_origins? string[]
--- 1 to 24 printable ASCII characters without blanks, put before azpec's name in User-Agent [Core]; default: none
---@field application_id? string
--- TCP connections open at once, 1 to 1000000; default: no limit of its own.  At most 64 requests are on their way
--- at once in any case
---@field max_connections? integer
---@field wait? azpec.Waiter how calls wait; default: they block the thread
--- told of each request, answer, wait and end, in the thread that steps; it must not yield, nor step, wait or close
--- the client.  What it raises is raised by the next wait or result of the poller concerned; an event of sign-in
--- concerns none, its error becomes a warning.  Ctrl-C, as lua raises it ("interrupted!"), ends any wait at once.
--- A blocking call (`client:update`) that raises such an error has lost its outcome, continuation token included.  A
--- poller (`begin_update`) keeps it: call its `wait`, `result` or `continuation_token` after the error
---@field on_event? fun(event: azpec.Event)

--- The times of retries.  Tried again are failures below HTTP, 408, 429, 500, 502, 503 and 504 [Core].  The wait is
--- the service's (Retry-After; retry-after-ms and x-ms-retry-after-ms go before it) or (2^tries - 1) * base_delay *
--- [0.8, 1.3).  A write that may have been carried out is sent again only after a look at the connection; 501 and
--- 505 are answers, and end it.  A poll is tried until the operation's deadline, however often; sign-in 3 times at
--- most, and the metadata service of a virtual machine 7 times, by its own rule.
---@class (exact) azpec.RetryOptions
---@field max_tries? integer the first try included, 1 to 86400; default: 4
---@field base_delay? number seconds, 0 to 86400; default: 0.8
--- seconds, 0 to 86400: the longest wait; a service that asks for a longer one is not asked again; default: 60
---@field max_delay? number
--- retry 409 too, except ScopeLocked and a missing registration; default: false, then only one with Retry-After
---@field conflict? boolean

--- What every call takes, beside what it is about.
---@class (exact) azpec.CallOptions
--- seconds this operation may take; for a list: all its pages together, without its caller's own time between two of
--- them; default: the client's
---@field timeout? number
--- seconds between two polls where the service names no time; default, and 0: the client's
---@field poll_interval? number
---@field wait? azpec.Waiter how this call waits; default: the client's
--- x-ms-client-request-id on every request of the operation [Common]: 1 to 1024 printable ASCII characters; default:
--- a random GUID (version 4)
---@field client_request_id? string
--- traceparent on every request of the operation (W3C Trace Context): 1 to 1024 printable ASCII characters; default:
--- none
---@field traceparent? string

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

--- What is asked of a connection.  The body holds only what is named here; what it leaves out the service leaves as
--- it is [Update].
---@class (exact) azpec.UpdateOptions: azpec.ConnectionName, azpec.CallOptions
---@field status azpec.PrivateLinkServiceConnectionStatus the new state, or the plain string
---@field description? string the reason, for people; UTF-8 (RFC 8259 section 8.1)
--- what the consumer still has to do, UTF-8; sent as actionRequired, from api-version 2022-10-01 on as
--- actionsRequired
---@field action_required? string
--- If-Match (RFC 9110 section 13.1.1): an ETag byte for byte, quotes and W/ included, or "*"; 1 to 1024 printable
--- ASCII characters.  Default: none, unconditional; for ensure: the ETag it has read
---@field if_match? string

--- The options of a client and of its update in one table.
---@class (exact) azpec.OneCallOptions: azpec.ClientOptions, azpec.UpdateOptions

---@class (exact) azpec.DeleteOptions: azpec.ConnectionName, azpec.CallOptions
---@field if_match? string as for update

---@class (exact) azpec.GetOptions: azpec.ConnectionName, azpec.CallOptions

---@class (exact) azpec.ListOptions: azpec.AccountName, azpec.CallOptions
---@field maxresults? integer how many items a page holds at most, 1 to 1000000 [List]; default: as the service likes

---@class (exact) azpec.GetAccountOptions: azpec.AccountName, azpec.CallOptions

---@class (exact) azpec.ListPermissionsOptions: azpec.AccountName, azpec.CallOptions

---@class (exact) azpec.GetPrivateLinkResourceOptions: azpec.AccountName, azpec.CallOptions
---@field private_link_resource_name string the same characters as a connection's name [Link]

---@class (exact) azpec.ListAccountsOptions: azpec.CallOptions
---@field subscription_id? string as the client's; default: the client's
---@field resource_group_name? string as a connection's; default: the accounts of the whole subscription

---@class (exact) azpec.IdentityOptions
---@field timeout? number seconds that signing in may take; default: the client's
---@field wait? azpec.Waiter as for update

---@class (exact) azpec.ResumeOptions
---@field id? string the token must belong to this connection, letter case aside
---@field write? boolean whether a resumed ensure may send its update again, where no operation is under way and the
--- connection is not as asked; default: false, it only reads, and ends with an error of kind "precondition"
---@field timeout? number seconds from now on; default: the client's
---@field poll_interval? number as for update
---@field wait? azpec.Waiter as for update
---@field traceparent? string as for update

--- ---- credentials -------------------------------------------------------------------------------------------------

--- A credential: an immutable description of who asks; it may be shared by clients.  `tostring` shows the kind and
--- nothing else.  Strings have 1 to 32768 bytes, the contents of certificates and keys up to 1 MiB.
---
--- The token lives in the client that fetched it; one fetch serves all that wait for it.  It is renewed 5 minutes
--- before its end; after half its life where it lives no longer than that, or is a managed identity's and lives more
--- than 2 hours; or when the answer says (refresh_in).  A renewal that fails is tried again 30 seconds later, and
--- spoils no token that lives.
---
--- When the service answers with a claims challenge [Claims], a token with these claims is asked for once.  `token`
--- as a string, `managed_identity` and `azure_cli` cannot do that: the error is of kind "credential" and says so.
---
--- What fails is an azpec.Error with the phase "token": of kind "credential" where no token is to be had, "transport"
--- where nobody answers, "protocol" where the answer makes no sense.  A hint says what to do where that is known.
--- `code`, `request_id` and `correlation_id` are Microsoft Entra ID's own.
---
--- The host's functions (`get`, `assertion`, `sign`, `prompt`) run in the thread that steps; they must not yield, nor
--- step, wait or close the client.  What they raise becomes an error of kind "credential"; so does `nil` and a reason
--- from those that return something.
---@class azpec.Credential

---@class azpec.credentials
azpec.credential = {}

---@class (exact) azpec.TokenOptions
---@field token? string a ready bearer token (RFC 6750), sent as it is and never renewed; either this or `get`
---@field get? azpec.TokenFunction asked for a token whenever one is needed

--- `scope`: as the client's.  `claims`: the JSON text of a claims challenge that the service answered with, to be
--- passed on to Microsoft Entra ID [Claims], or nil.  `token`: the bearer token.  `expires_on`: seconds since 1970,
--- UTC, also in digits; without it an hour is assumed.
---@alias azpec.TokenFunction fun(scope: string, claims: string?): (token: string?, expires_on: (number|string)?)

--- A ready token, or a function that knows how to get one.
---@param options azpec.TokenOptions
---@return azpec.Credential
function azpec.credential.token(options) end

---@class (exact) azpec.ClientSecretOptions
---@field tenant_id string the directory's GUID or domain: letters, digits, '.' and '-'
---@field client_id string the application's GUID
--- the secret's value, not its id; or a function that is asked for it with each token, where secrets are rotated
---@field client_secret string|azpec.SecretFunction

---@alias azpec.SecretFunction fun(): (client_secret: string?, why: any)

--- An application with a secret (RFC 6749 section 4.4) [Client credentials].
---@param options azpec.ClientSecretOptions
---@return azpec.Credential
function azpec.credential.client_secret(options) end

--- How an assertion is signed (RFC 7518).
---@alias azpec.SigningAlgorithm
---| "PS256" # RSASSA-PSS with SHA-256, MGF1 with SHA-256 and a salt of 32 bytes; the default
---| "RS256" # RSASSA-PKCS1-v1_5 with SHA-256

---@class (exact) azpec.ClientCertificateOptions
---@field tenant_id string as for client_secret
---@field client_id string the application's GUID
--- file with the certificate, issuers after it or before it: PEM, DER or PKCS#12, known by its content; it may hold
--- the key, too.  Either this or `certificate`
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

--- `algorithm`: which of the two.  `data`: the bytes to be signed, whole, not their digest.  `signature`: the
--- signature's bytes, not encoded in any way.
---@alias azpec.SignFunction fun(algorithm: azpec.SigningAlgorithm, data: string): (signature: string?, why: any)

--- An application with a certificate: each token is asked for with an assertion that is signed anew and lives 10
--- minutes, its header naming the certificate by SHA-256 (x5t#S256), for RS256 by SHA-1 (x5t) [Certificates] (RFC
--- 7523).  Needs the module azpec_signing, which is loaded when the first token is asked for; files are read anew for
--- each token, since they are rotated.
---@param options azpec.ClientCertificateOptions
---@return azpec.Credential
function azpec.credential.client_certificate(options) end

---@class (exact) azpec.ClientAssertionOptions
---@field tenant_id string as for client_secret
---@field client_id string the application's GUID
---@field assertion azpec.AssertionFunction asked for an assertion for each token

--- `jwt`: a JSON Web Token that Microsoft Entra ID accepts for this application: signed by a certificate of its, or
--- by an issuer that it federates with [Federation].
---@alias azpec.AssertionFunction fun(): (jwt: string?, why: any)

--- An application with an assertion that somebody else makes (RFC 7523) [Client credentials].
---@param options azpec.ClientAssertionOptions
---@return azpec.Credential
function azpec.credential.client_assertion(options) end

---@class (exact) azpec.WorkloadIdentityOptions
---@field tenant_id? string as for client_secret; default: AZURE_TENANT_ID
---@field client_id? string the application's GUID; default: AZURE_CLIENT_ID
--- file with the token that Kubernetes, or another issuer, has written, 256 KiB at most; read anew for each token,
--- since it is rotated; default: AZURE_FEDERATED_TOKEN_FILE
---@field token_file_path? string

--- A workload whose platform vouches for it, such as a pod of Azure Kubernetes Service [Federation].  Where a part or
--- the file is missing a chain goes on.
---@param options? azpec.WorkloadIdentityOptions absent: everything from the environment
---@return azpec.Credential
function azpec.credential.workload_identity(options) end

--- At most one of the three names a user-assigned identity; default: the system-assigned one.
---@class (exact) azpec.ManagedIdentityOptions
---@field client_id? string the identity's client id
---@field object_id? string its object (principal) id; not for Azure ML
---@field resource_id? string its Azure resource id; not for Azure ML

--- The identity that Azure has given to the machine or service that this runs on.  Which place is asked, the
--- environment says when the client is made; the first of:
---
--- 1. IDENTITY_ENDPOINT, IDENTITY_HEADER and IDENTITY_SERVER_THUMBPRINT: Service Fabric [Fabric], whose certificate
---    must have that SHA-1 thumbprint, or nothing is sent; needs the module azpec_signing;
--- 2. IDENTITY_ENDPOINT and IDENTITY_HEADER: App Service, Functions, Container Apps [App Service];
--- 3. MSI_ENDPOINT and MSI_SECRET: Azure ML;
--- 4. MSI_ENDPOINT: Cloud Shell;
--- 5. IDENTITY_ENDPOINT and IMDS_ENDPOINT, or the agent's program /opt/azcmagent/bin/himds: Azure Arc [Arc];
--- 6. else a virtual machine's metadata service [Virtual machines], tried again for over 70 seconds while it is under
---    update.  Inside a chain it is first probed for a second; "not here" is believed for 5 minutes.  Whatever
---    answers there without the service's documented errors is not the service, and the chain continues at once.
---
--- The file that Azure Arc's challenge names must be a regular file `/var/opt/azcmagent/tokens/*.key` of at most 4096
--- bytes.  Root or the folder's owner must own it, and others must not be able to write it.
---
--- Service Fabric, Cloud Shell and Azure Arc have no user-assigned identities: to name one is an error of kind
--- "credential".  No proxy is used, and plain http as these places have it.
---@param options? azpec.ManagedIdentityOptions
---@return azpec.Credential
function azpec.credential.managed_identity(options) end

---@class (exact) azpec.AzureCliOptions
---@field tenant_id? string as for client_secret; default: the one that az has signed in to
--- a subscription's name or GUID, for the account that az has for it: letters, digits, '-', '_', '.' and blanks;
--- default: az's own
---@field subscription? string
---@field timeout? number seconds that az may take, up to 3600; default: 10.  Then it is ended

--- Whoever has signed in with `az login`: runs `az account get-access-token`, found on the PATH, without a shell and
--- without blocking [Azure CLI].  It gets the host's environment but for AZURE_CLIENT_SECRET,
--- AZURE_CLIENT_CERTIFICATE_PASSWORD and AZURE_ACCESS_TOKEN; so does azd.
---@param options? azpec.AzureCliOptions
---@return azpec.Credential
function azpec.credential.azure_cli(options) end

---@class (exact) azpec.AzureDeveloperCliOptions
---@field tenant_id? string as for client_secret; default: the one that azd has signed in to
---@field timeout? number seconds that azd may take, up to 3600; default: 10.  Then it is ended

--- Whoever has signed in with `azd auth login`: runs `azd auth token`, as azure_cli runs az [Developer CLI].
---@param options? azpec.AzureDeveloperCliOptions
---@return azpec.Credential
function azpec.credential.azure_developer_cli(options) end

---@class (exact) azpec.DeviceCodeOptions
---@field tenant_id? string as for client_secret, or "common"; default: "organizations"
---@field client_id? string the application's GUID; default: 04b07795-8ddb-461a-bbee-02f9e1bf7b46, Azure CLI's own
---@field prompt azpec.PromptFunction tells a person what to do

--- What it returns is not looked at.
---@alias azpec.PromptFunction fun(info: azpec.DeviceCode)

--- A new table each time.
---@class azpec.DeviceCode
---@field user_code string what the person enters ...
---@field verification_uri string ... on this page
---@field message string both in a sentence, as Microsoft Entra ID words it

--- A person, who signs in with a browser on any device [Device code] (RFC 8628).  The call goes on when that is done,
--- or fails with the operation's deadline: give it a `timeout` that people can keep.  Later tokens come without a
--- person, by a refresh token that is kept in the client's memory and nowhere else.
---@param options azpec.DeviceCodeOptions
---@return azpec.Credential
function azpec.credential.device_code(options) end

--- Several credentials, 1 to 16 and none of them a chain, tried in this order.  One that is not set up here (nothing
--- configured, no such program, no metadata service, nobody logged in) passes on to the next; one that is set up and
--- fails ends it.  The one that gave a token is asked first from then on.  When none gives one, the error's message
--- has each of them, why it gave none, and how long it took.
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

---@class (exact) azpec.DefaultOptions
---@field exclude? azpec.DefaultLink[] links to leave out; default: none

--- What the place where this runs offers when the client is made: a chain, in the documented order [Chains].
---
--- * environment: AZURE_TENANT_ID and AZURE_CLIENT_ID with AZURE_CLIENT_SECRET or AZURE_CLIENT_CERTIFICATE_PATH, the
---   secret first; else AZURE_ACCESS_TOKEN.
--- * workload_identity, managed_identity, azure_cli, azure_developer_cli: as these without options, but for
---   AZURE_CLIENT_ID, which names a user-assigned managed identity; a failure of the last two never keeps the chain
---   from going on.
---
--- AZURE_TOKEN_CREDENTIALS narrows it: "prod" takes the first three, "dev" the last two, a name of azpec.DefaultLink
--- that one alone; letter case does not matter.  Anything else makes azpec.client raise; so does a chain with no link
--- left.
---@param options? azpec.DefaultOptions
---@return azpec.Credential
function azpec.credential.default(options) end

--- ---- the client --------------------------------------------------------------------------------------------------

--- `local client <close> = azpec.client{...}` closes it at the end of the block; tostring shows the endpoint, or
--- that it is closed.  A client keeps its pollers until their outcome has been taken: dropping one cancels nothing.
--- Every method but close raises on a closed client.  After fork(2), in the child, its pollers end as canceled and
--- send nothing, and it goes on with new sockets.
---@class azpec.Client
local Client = {}

--- PATCHes a connection and follows the operation to its end [Update]: by Azure-AsyncOperation, by Location, or,
--- where neither can be used, by the connection itself [Async] [Track].  A polling URL on a trusted origin is followed
--- after any 2xx, whatever the body says.  It succeeds only when the connection was read as asked, in a final state.
--- A write whose answer was lost is sent again only after the connection was read, and is then guarded by its ETag;
--- it is not sent again over a decision other than Pending that somebody may have made meanwhile.
---@param options azpec.UpdateOptions
---@return azpec.Connection? connection
---@return azpec.Error? err
function Client:update(options) end

--- Deletes a connection and waits until it is gone [Delete]: until 204, a word of success, or 404 at the connection.
---@param options azpec.DeleteOptions
---@return true? deleted
---@return azpec.Error? err
function Client:delete(options) end

--- Reads a connection and updates it only if a member that is named here differs; guarded by the ETag read, and
--- read again when somebody else was faster, up to 5 times.  Where the service refuses the ETag of the body, the
--- header's is used.
---@param options azpec.UpdateOptions
---@return azpec.Ensured? ensured
---@return azpec.Error? err
function Client:ensure(options) end

--- Reads a connection [Get].
---@param options azpec.GetOptions
---@return azpec.Connection? connection
---@return azpec.Error? err
function Client:get(options) end

--- Who signs in: has a token, or gets one, and says what it says of itself.  Asks nobody but who gives tokens.
---@param options? azpec.IdentityOptions
---@return azpec.Identity? identity
---@return azpec.Error? err
function Client:identity(options) end

--- What the last sign-in made of each link of the credential, in order; never waits, and signs nobody in.
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

--- As update, but returns at once and does no I/O: the first step sends.
---@param options azpec.UpdateOptions
---@return azpec.Poller poller
function Client:begin_update(options) end

--- As delete, but returns at once and does no I/O.
---@param options azpec.DeleteOptions
---@return azpec.Poller poller
function Client:begin_delete(options) end

--- As ensure, but returns at once and does no I/O.
---@param options azpec.UpdateOptions
---@return azpec.Poller poller
function Client:begin_ensure(options) end

--- Goes on with an operation that was left, in another process too; does no I/O itself.  The polling URL is asked
--- where the token has one, else the connection.  Nothing is written unless `write` allows it.  A token is refused, as
--- an error of kind "protocol", when it is damaged, or not for this endpoint, the client's subscription (if it has one)
--- and the connection of `id`.  Tokens are not signed: see SECURITY.md.
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

--- The pollers of `begin_*` and `resume` that had ended at the last step and that nobody has collected, for a generic
--- `for`, as `completions`; but never waits and never steps: for a guest in an event loop, after `step`.
---@return fun(client: azpec.Client): azpec.Poller?, azpec.Connection|azpec.Ensured|true|nil, azpec.Error? next
---@return azpec.Client client
function Client:finished() end

--- What the service last said is left of its limits (the headers x-ms-ratelimit-remaining-*) [Throttling].
---@return azpec.RateLimits limits a new table
function Client:rate_limits() end

--- What the client works with, whether it came from options, from the environment, or is the default.
---@return azpec.Settings settings a new table
function Client:settings() end

--- Moves all of the client's work as far as it goes without waiting.
function Client:step() end

--- Lets time pass, and moves all of the client's work meanwhile; waits as its calls do.  Ends before its time only when
--- the client is closed.
---@param seconds number not negative
function Client:wait(seconds) end

--- The client's one descriptor, for any event loop: readable when `step` has something to do, or when a poller that
--- somebody waits for has ended.  It stays open as long as the Lua state, and serves another client once this one
--- is closed.
---@return integer fd
function Client:pollfd() end

--- What the descriptor is to be watched for, in cqueues' words.
---@return "r" events
function Client:events() end

--- The descriptor has its own timer: no other is needed.
---@return nil timeout
function Client:timeout() end

--- Ends all live pollers as canceled, with their continuation tokens, wakes who waits for them, and closes all
--- connections. Any number of times.  Raises inside one of the client's own callbacks.
function Client:close() end

--- ---- the poller --------------------------------------------------------------------------------------------------

--- One operation.  tostring shows how far it is.  `local poller <close>` gives it up at the end of the block: an
--- operation that has not ended is canceled as by `cancel`.
---@class azpec.Poller
local Poller = {}

--- Whether the operation has ended, well or not.
---@return boolean
function Poller:done() end

--- The service's last word on the operation, such as "Updating" or "InProgress"; nil: none so far.
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
---@param seconds? number not negative, 0: one step and no waiting; default: until the end
---@return azpec.Connection|azpec.Ensured|true|nil result as from the blocking call
---@return azpec.Error? err
function Poller:wait(seconds) end

--- Stops waiting: the operation ends as "canceled" here, and goes on at the service if it was begun there.  Any
--- number of times, and without effect after the end.
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

--- A text with which `client:resume` goes on: versioned JSON without secrets, bound to endpoint, subscription and
--- connection. nil unless a write may have reached the service and its end is unknown.
---@return string?
function Poller:continuation_token() end

--- ---- results -----------------------------------------------------------------------------------------------------
--- Results keep the wire's shape and names, members unknown here included; JSON null is nil (RFC 8259).

--- A private endpoint connection [Update].
---@class azpec.Connection
---@field id string
---@field name? string
---@field type? string "Microsoft.Batch/batchAccounts/privateEndpointConnections"
---@field etag? string the ETag, the body's, or else the header's, which a proxy may change; goes back as if_match
---@field properties azpec.ConnectionProperties
---@field tags? table<string, string> from api-version 2025-06-01 on
---@field systemData? table from api-version 2025-06-01 on

---@class azpec.ConnectionProperties
---@field provisioningState? azpec.PrivateEndpointConnectionProvisioningState|string
---@field privateEndpoint? azpec.PrivateEndpoint
---@field groupIds? string[] which part of the account it is for, such as "batchAccount"
---@field privateLinkServiceConnectionState? azpec.ConnectionState

---@class azpec.PrivateEndpoint
---@field id? string the private endpoint, perhaps in another subscription

---@class azpec.ConnectionState
---@field status azpec.PrivateLinkServiceConnectionStatus|string
---@field description? string
---@field actionRequired? string with actionsRequired: both are there when the service sent either
---@field actionsRequired? string

---@class azpec.Ensured
---@field changed boolean whether it was written
---@field before? azpec.Connection as it was found; absent where it was resumed after its write
---@field after azpec.Connection as it is now

--- A private link resource [Link].
---@class azpec.PrivateLinkResource
---@field id string
---@field name? string
---@field type? string
---@field etag? string
---@field properties? table groupId, requiredMembers, requiredZoneNames

--- A Batch account [Account].
---@class azpec.Account
---@field id string
---@field name? string
---@field type? string
---@field location? string
---@field properties? table

--- Who is signed in; never the token itself.
---@class azpec.Identity
---@field credential azpec.CredentialName the link of the credential that gave the token
--- seconds since 1970 when the token ends; absent where a ready token does not say
---@field expires_on? integer
---@field claims azpec.Claims what the token says of itself, not verified; empty for an opaque one

--- The claims that are shown, of those that a token has [Token claims]; strings, times in seconds since 1970.
---@class azpec.Claims
---@field aud? string for whom the token is
---@field iss? string who made it
---@field tid? string the tenant
---@field oid? string the object id of who is signed in: what role assignments name
---@field appid? string the application's client id ...
---@field azp? string ... as version 2 of the token calls it
---@field app_displayname? string
---@field upn? string a person's name to sign in with ...
---@field unique_name? string ... as other tokens call it ...
---@field preferred_username? string ... and version 2
---@field name? string a person's name for people
---@field idtyp? string "app" or "user"
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
---| "managed_identity (virtual machine)"
---| "managed_identity (App Service)"
---| "managed_identity (Azure Arc)"
---| "managed_identity (Service Fabric)"
---| "managed_identity (Cloud Shell)"
---| "managed_identity (Azure ML)"
---| "azure_cli"
---| "azure_developer_cli"
---| "device_code"

--- What became of a link of the credential.
---@class azpec.Link
---@field credential azpec.CredentialName
---@field outcome azpec.LinkOutcome
---@field elapsed? number seconds it took, or has taken so far; absent: it was not tried
---@field message? string why it gave no token, or none yet

---@alias azpec.LinkOutcome
---| "token" # it gave the token
---| "failed" # it is set up here, and failed
---| "absent" # it is not set up here, so that a chain goes on
---| "trying" # at present; its time may be longer than the call's
---| "untried" # another one came first, or nobody has signed in yet

--- What one role assignment allows [Permissions]; "*" in an action stands for any characters.
---@class azpec.Permission
---@field actions? string[]
---@field notActions? string[]
---@field dataActions? string[]
---@field notDataActions? string[]

--- The fields are those of azpec.ClientOptions.
---@class azpec.Settings
---@field endpoint string
---@field subscription_id? string absent: none was given
---@field authority_host? string absent: not discovered yet
---@field scope? string likewise
---@field api_version string
---@field ca_file? string neither: whatever the TLS library itself trusts
---@field ca_path? string

--- What is left of each limit; absent: never heard of.
---@class azpec.RateLimits
---@field ["subscription-reads"]? integer
---@field ["subscription-writes"]? integer
---@field ["subscription-deletes"]? integer
---@field ["subscription-global-reads"]? integer
---@field ["subscription-global-writes"]? integer
---@field ["subscription-global-deletes"]? integer
---@field ["tenant-reads"]? integer
---@field ["tenant-writes"]? integer
---@field ["subscription-resource-requests"]? integer
---@field ["subscription-resource-entities-read"]? integer

---@class azpec.Progress
---@field phase azpec.Phase never "token"
---@field status? string as from status()
---@field request_id? string x-ms-request-id of the last answer
---@field correlation_id? string x-ms-correlation-request-id of the last answer
---@field client_request_id string
---@field polls integer how often it was polled
---@field retries integer how often the present request has failed
---@field elapsed number seconds so far
---@field percent_complete? integer 0 to 100, where the service says so
---@field next_wait? number seconds until the next request is due
---@field untrusted_poll_url? true as in an event

--- ---- errors ------------------------------------------------------------------------------------------------------

---@alias azpec.ErrorKind
---| "credential" # no token could be had, or the service refused it (401)
---| "forbidden" # 403
---| "not_found" # 404
---| "precondition" # 412: the ETag is another one now; or `resume` without `write` found what is still to be written
---| "conflict" # 409
---| "throttled" # 429
---| "service" # any other error status
---| "operation" # accepted, and ended Failed or Canceled, or not as asked
---| "timeout" # the operation's time, or the wait's, was up
---| "canceled" # the waiting was ended; the service was not told
---| "transport" # below HTTP: name, connection, TLS, an answer cut off
---| "protocol" # an answer that makes no sense, a redirect of the sign-in, a refused continuation token
---| "untrusted" # a certificate, or an address that a reply named, that may not be trusted
---| "limit" # larger than azpec takes

---@alias azpec.Phase
---| "token" # signing in
---| "request" # the first request, with its retries
---| "poll" # polling, the waits between included
---| "result" # reading the connection at the end

--- Why a call failed.  tostring gives "kind: message; hint; request id ...", and `..` joins it with strings.  No
--- field holds a secret except that `continuation_token` holds the polling URL.
---@class azpec.Error
---@field kind azpec.ErrorKind
---@field message string for people
--- the service's own code, always a string (Microsoft Entra ID's: "AADSTS..." [Error codes], or the word of OAuth)
---@field code? string
---@field target? string what the service says the error is about
---@field details? table[] the service's details, as they came
---@field additional_info? table[] the service's additionalInfo, as it came [Common]
---@field http_status? integer absent: no answer
---@field request_id? string x-ms-request-id, or Microsoft Entra ID's trace_id
---@field correlation_id? string x-ms-correlation-request-id, or Microsoft Entra ID's correlation_id
---@field client_request_id? string what was sent as x-ms-client-request-id
---@field id? string the id of what the call was about
---@field phase? azpec.Phase where it failed
---@field retryable? boolean the same call may well succeed later
---@field retry_after? number seconds the service asks to wait
---@field hint? string what to do about it
---@field elapsed? azpec.Elapsed
---@field links? azpec.Link[] phase "token": what became of each link of the credential
---@field untrusted_poll_url? true as in an event
--- for `client:resume`; there exactly when a write may have reached the service and its end is unknown
---@field continuation_token? string

--- Seconds spent, by phase.
---@class azpec.Elapsed
---@field token number
---@field request number
---@field poll number
---@field result number
---@field total number

--- ---- events ------------------------------------------------------------------------------------------------------

---@alias azpec.EventName
---| "token" # a request for a token is sent, or answered (then with status or error)
---| "request" # a request is sent
---| "response" # it was answered, or failed
---| "poll" # the operation is running; there will be a wait before the next look
---| "retry" # there will be a wait before the next try
---| "end" # the operation has ended

--- What on_event is told: a new table each time, without bodies and secrets.  URLs come without their query.
---@class azpec.Event
---@field event azpec.EventName
---@field id? string the id of what the operation is about; not for token
---@field client_request_id? string not for token
---@field phase? azpec.Phase not for end
---@field method? "GET"|"POST"|"PATCH"|"DELETE" token, request, response
---@field url? string token, request, response
---@field api_version? string token, request, response: of the URL's query
---@field attempt? integer request, poll, retry: 1 for the first try
---@field status? integer|string token, response: the HTTP status; poll, retry, end: the service's last word
---@field headers? table<string, string> token, response: by name in lower case; only those known to hold no secret
---@field request_id? string token, response: x-ms-request-id
---@field correlation_id? string token, response: x-ms-correlation-request-id
---@field error? string token, response: what went wrong below HTTP
---@field detail? string token, response: the same in libcurl's words
---@field wait? number poll, retry: seconds
---@field remaining? number poll, retry: seconds until the operation's deadline
---@field polls? integer poll, retry, end: polls so far
---@field reason? string retry: why
---@field percent_complete? integer poll, retry: where the service says so
--- poll, retry: the service named a polling URL on an origin that is not trusted; the connection itself is polled
---@field untrusted_poll_url? true
---@field ok? boolean end
---@field kind? azpec.ErrorKind end, not ok
---@field message? string end, not ok
---@field elapsed? number seconds since the operation's first request could go; not for token

return azpec
