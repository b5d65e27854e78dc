-- The topics of `azpec help TOPIC`: what verbs share. The same texts make the man pages: concepts azpec(7), the others
-- sections of azpec(1).
--
-- A topic has a title, and as its parts paragraphs (strings) and rows ({ label, text }).

local failure = require "azpec.cli.error"

local function exit(code, text)
  return { ("%3d"):format(failure.codes[code] or code), text }
end

local topics = {}

topics.concepts = {
  { name = "connections", title = "Connections and their states",
    "A private endpoint is the address of an Azure service in a virtual network. Its owner asks a Batch account for "
    .. "access, and the account gets a private endpoint connection with the status Pending. A person with write "
    .. "access to the account approves or rejects it.",
    { "Pending", "The request waits for a decision. It can become Approved or Rejected." },
    { "Approved", "The endpoint reaches the account. It can become Rejected, which removes access." },
    { "Rejected", "Final: no approval is possible. The owner deletes the endpoint and creates a new one to ask "
      .. "again." },
    { "Disconnected", "Final: no approval is possible. The private endpoint was removed; delete the connection." },
    "The provisioning state says whether a change is under way. It is one of "
    .. table.concat(require "azpec.select".provisioning_states, ", ") .. ". While a change is under way, only a "
    .. "deletion can begin.",
    "A name such as web-frontend.5a7e0001-91c4-4d2b-8f36-70b1e2c33779 is the endpoint's name, a dot and a GUID." },

  { name = "naming", title = "Naming connections",
    "Name a connection by its id, its name with or without the GUID, ACCOUNT/NAME, or the address of its page in the "
    .. "Azure portal. Where accounts share a name, put the group, or subscription and group, in front. Lines of output "
    .. "begin in the same form. The word - reads ids or names from standard input, one per line; rows of -o jsonl "
    .. "serve as well.",
    "A row can be a decision of `auto`, `plan`, `apply --show` or a dry run. If its action is not the verb's, approve, "
    .. "reject and delete do nothing and end with 2. `azpec auto --apply` and `azpec apply` carry out decisions. After "
    .. "a command that failed as a whole, such as by at_most (11), these verbs do nothing either.",
    "Options such as --private-endpoint, --described and --status select by properties. * and ? match parts of a "
    .. "value. Several values of one option mean any of them; several options must all match. Only --described "
    .. "is case-sensitive.",
    "If no connection or more than one matches, azpec changes nothing, lists the candidates, and ends with 3 or 11. "
    .. "For many at once, give --all or --max N." },

  { name = "operations", title = "Operations that take time",
    "The service changes a connection in a long-running operation, which takes seconds to minutes. azpec polls until "
    .. "it has read the connection in its final state; only then the change counts as done.",
    "A time is written with its unit: 30s, 15m, 2h, 7d or 2w. A number alone is seconds. Ages, as of --older-than and "
    .. "--since, need the unit.",
    "After Ctrl-C, or when --timeout has passed, the operation continues at the service. azpec then prints a "
    .. "continuation token and the command `azpec resume` with it. --no-wait prints the token at once.",
    "Each write is guarded by the ETag that was read before, so a change by somebody else is noticed. If a response "
    .. "is lost, azpec reads the connection before it sends the write again. It does not write over a decision that "
    .. "somebody else made meanwhile; the exit code is 6. A repeated approve, reject or delete is harmless." },

  { name = "rules", title = "Rules and plans",
    "A file of rules decides on requests: approve, reject, ignore or hold. The first rule that matches decides. A "
    .. "request that no rule matches is held for a person. The file is Lua, run without access to files or programs. "
    .. "If a function of it or of --enrich fails, the request is held, and the exit code is 12.",
    { "approve \"the web team\" { when = { name = \"web-*\" }, because = \"why\" }", "A rule." },
    { "when, unless", "What a rule looks at: name, id, status, provisioning_state, description, group_id, "
      .. "private_endpoint, private_endpoint_name, private_endpoint_resource_group, private_endpoint_subscription, "
      .. "subscription_id, resource_group_name, account_name, older_than, younger_than (\"7d\"), where (a function). "
      .. "Only description and matches() are case-sensitive." },
    { "where = function (connection, now) ... end", "connection has the names above, now has year, month, day, hour, "
      .. "min, weekday (\"Monday\") and time, in UTC. connection.facts is what --enrich gives. Reading another member "
      .. "is an error." },
    { "at_most { approve = 20, reject = 5 }", "A run that would do more does nothing." },
    { "expect \"hold\" { name = \"lab-1\" }", "A test: if the decision differs, the file is refused." },
    "`azpec auto` shows the decisions, with -v also why each rule before did not match, and with --apply carries them "
    .. "out. `azpec plan` writes them to a file for a "
    .. "second person to read, and `azpec apply` carries out that file and nothing else. `azpec drift` lists approved "
    .. "connections that no rule would approve today." },

  { name = "journals", title = "Journals",
    "With --journal FILE each write is recorded twice: the intent before the request is sent, and the result after. "
    .. "A write whose intent cannot be recorded is not sent.",
    "The same command with the same journal finishes an interrupted run and writes nothing twice; a dry run shows "
    .. "what is unfinished. A command with another verb, other connections, another --description, other "
    .. "rules or another plan is not the same command. --timeout, --max-tries, --parallel, --ticket, -o and -v may "
    .. "differ.",
    "`azpec journal runs` lists the runs, `show` their writes; `verify` finds changed and missing lines, "
    .. "and `undo` reverts a run where nothing has changed since. A truncated file, and a file whose "
    .. "hashes were recomputed, are detected only with the anchor that an earlier `verify` printed (--anchor)." },

  { name = "policies", title = "Policies that evaluate a write",
    "An Azure Policy with external evaluation allows a write only with a policy token. If the service "
    .. "refuses a write without a token, azpec acquires a token and sends the write again. With --policy-token always, "
    .. "azpec acquires the token before the write; with --policy-token never, it acquires no token.",
    "--change-reference ID names the change that allows the write. It is sent with the request for the token, which is "
    .. "then acquired before each write, and is in the journal. Without a token nothing is written: a denial ends with "
    .. "5, a failed evaluation with 7.",
    "The identity needs Microsoft.Authorization/acquirePolicyToken/action on the subscription." },

  { name = "signing-in", title = "Signing in",
    "By default azpec tries, in this order, the application or token in the environment, a workload identity, a "
    .. "managed identity, Azure CLI and Azure Developer CLI. After `az login` nothing else is needed. --credential "
    .. "chooses one. The default order and --credential environment take AZURE_TENANT_ID and AZURE_CLIENT_ID, and "
    .. "refuse --tenant-id and --client-id (exit code 2). Secrets come from the environment, a file or standard input, "
    .. "never from an argument.",
    "At the accounts the identity needs Microsoft.Batch/batchAccounts/privateEndpointConnections/read, with "
    .. ".../write to approve and reject, and .../delete to delete. A write also needs "
    .. "Microsoft.Batch/batchAccounts/privateEndpointConnectionResults/read and "
    .. ".../privateEndpointConnectionProxyResults/read, to follow it to its end: Azure uses one of the two. To find "
    .. "accounts it needs Microsoft.Batch/batchAccounts/read. Without this right Azure does not list an account, and "
    .. "reports no error. The right is not needed if -g and --account, or an id, name the account. `azpec doctor`, and "
    .. "the check before more than ten writes, look up the rights with Microsoft.Authorization/permissions/read. Where "
    .. "a policy requires a policy token, the identity needs Microsoft.Authorization/acquirePolicyToken/action on the "
    .. "subscription; see azpec help policies.",
    "`azpec doctor` checks sign-in, network and rights, and says what to do." },

  { name = "output", title = "Output",
    "Data goes to standard output, all else to standard error. A table on a terminal is as wide as the terminal; "
    .. "elsewhere nothing is cut. -o json has everything, with schema_version; -o jsonl has one row per line; -o tsv, "
    .. "csv and md are tables for other programs; tsv has no line of titles. A script names their columns with "
    .. "--columns. With JSON an error is one JSON document on standard error.",
    "Several writes, and any write that removes access, need confirmation. On a terminal azpec asks. Without a "
    .. "terminal, or if CI is set, it needs --yes, or --max N where the verb has it. Without them it ends with 2.",
    "Names of members and options, and exit codes, stay as they are in all versions with the same major number. "
    .. "Without --columns, tsv and csv may get more columns at the end." },
}

topics.reference = {
  { name = "exit-codes", also = "exit", title = "Exit status",
    exit(0, "Done, or nothing to do."),
    exit("other", "Another error, a server that cannot be reached, or an answer to the question that is not yes."),
    exit("usage", "The command line is wrong."), exit("not_found", "Not found, or nothing matches; of auto, plan and "
      .. "drift without --allow-none: no Batch account is found."),
    exit("credential", "No credential is set up, or it is refused."), exit("forbidden", "The identity lacks a right."),
    exit("conflict", "A conflict, or the ETag has changed; of auto --lock: another run holds the lock."),
    exit("operation", "The service refused, or the operation failed."),
    exit("timeout", "The deadline passed, or the outcome of a write is unknown. If a write is answered 408, 500, "
      .. "502, 503 or 504 until all attempts are used up, it may have arrived. If an operation may still be running, "
      .. "the command to continue is printed."),
    exit("throttled", "The service, or the endpoint that gives tokens, is busy or fails for the moment, and all "
      .. "attempts are used up."),
    exit("changes", "With --detailed-exitcode: something changed or would change; of status, an account has pending "
      .. "requests or is outside the rules. Of drift, also without the option: an approved connection is outside the "
      .. "rules."),
    exit("ambiguous", "More than one matches, or more than allowed."),
    exit("some_failed", "Some of many failed, not every account or subscription could be read, or a function of the "
      .. "rules or of --enrich failed. JSON has \"complete\": false and the errors."),
    exit("not_private", "Approved, but with --verify-dns a name does not resolve to a private address here."),
    exit(129, "Interrupted by SIGHUP."),
    exit("interrupted", "Interrupted by Ctrl-C; the command to continue is printed."),
    exit(141, "Nobody reads standard output any more."), exit(143, "Interrupted by SIGTERM.") },

  { name = "environment", title = "Environment",
    { "AZURE_SUBSCRIPTION_ID", "The subscription, where no option names one. Without it, the default one of az or azd "
      .. "where these sign in." },
    { "AZURE_TENANT_ID, AZURE_CLIENT_ID", "The application or identity that signs in." },
    { "AZURE_CLIENT_SECRET", "The application's secret." },
    { "AZURE_CLIENT_CERTIFICATE_PATH, AZURE_CLIENT_CERTIFICATE_PASSWORD, AZURE_CLIENT_SEND_CERTIFICATE_CHAIN",
      "Its certificate and key in one file; their password; 1 or true sends the chain." },
    { "AZURE_ACCESS_TOKEN", "A ready token." },
    { "AZURE_FEDERATED_TOKEN_FILE", "The token file of a workload identity." },
    { "AZURE_TOKEN_CREDENTIALS", "What the default sign-in tries: prod (environment, workload and managed identity), "
      .. "dev (az and azd), or one of EnvironmentCredential, WorkloadIdentityCredential, ManagedIdentityCredential, "
      .. "AzureCLICredential and AzureDeveloperCLICredential." },
    { "AZURE_AUTHORITY_HOST", "The address of Microsoft Entra ID." },
    { "ACTIONS_ID_TOKEN_REQUEST_URL, ACTIONS_ID_TOKEN_REQUEST_TOKEN", "Set by GitHub Actions, for github-actions." },
    { "SYSTEM_OIDCREQUESTURI, SYSTEM_ACCESSTOKEN", "Set by Azure Pipelines, for azure-pipelines." },
    { "AZURESUBSCRIPTION_TENANT_ID, AZURESUBSCRIPTION_CLIENT_ID, AZURESUBSCRIPTION_SERVICE_CONNECTION_ID",
      "The application and the service connection of azure-pipelines." },
    { "IDENTITY_ENDPOINT, IDENTITY_HEADER, IDENTITY_SERVER_THUMBPRINT, IMDS_ENDPOINT, MSI_ENDPOINT, MSI_SECRET, "
      .. "DEFAULT_IDENTITY_CLIENT_ID", "Set by the Azure service that has a managed identity." },
    { "AZURE_POD_IDENTITY_AUTHORITY_HOST", "Another address of a virtual machine's metadata service." },
    { "AZPEC_ENDPOINT, AZPEC_AUTHORITY_HOST, AZPEC_CA_FILE, AZPEC_CLOUD, AZPEC_API_VERSION, AZPEC_OUTPUT, "
      .. "AZPEC_TOKEN_CACHE, AZPEC_CREDENTIAL_TIMEOUT",
      "The options --endpoint, --authority-host and so on, where the command line does not have them." },
    { "AZPEC_JOURNAL", "The journal, where --journal names none. AZPEC_AUDIT_FILE is another name." },
    { "AZPEC_TOKEN_KEY", "The key of continuation tokens, where --token-key-file names none." },
    { "AZPEC_NAMES", "A file to which list writes the names that it reads, for completion." },
    { "SSL_CERT_FILE, CURL_CA_BUNDLE, SSL_CERT_DIR", "Certificates to trust, without --ca-file." },
    { "HTTPS_PROXY, https_proxy, ALL_PROXY, NO_PROXY", "The proxy, as curl reads them." },
    { "TRACEPARENT, TRACESTATE", "The distributed trace that the requests join (W3C Trace Context)." },
    { "NO_COLOR, TERM, COLUMNS", "No colours; the kind of terminal; its width." },
    { "CI", "If set, azpec asks no questions." } },
}

-- Returns the names of all topics, in the order of help.
function topics.names()
  local names = {}
  for _, list in ipairs { topics.concepts, topics.reference } do
    for _, topic in ipairs(list) do names[#names + 1] = topic.name end
  end
  return names
end

-- Returns the topics that a word names, which are all concepts for "concepts"; or nil.
function topics.find(word)
  if word == "concepts" then return topics.concepts end
  for _, list in ipairs { topics.concepts, topics.reference } do
    for _, topic in ipairs(list) do
      if topic.name == word or topic.name == word .. "s" or topic.also == word then return { topic } end
    end
  end
  return nil
end

-- Returns whether what topics.find returned are concepts.
function topics.is_concept(found)
  for _, topic in ipairs(topics.concepts) do
    if found and found[1] == topic then return true end
  end
  return false
end

return topics
