-- The options: undocumented details of the service, and behaviour that a test can change. Each has a line of help.
-- They have layers, of which a later one overrides: default, state file, command line, account, connection.
--
-- Azure CLI's test recordings, which some defaults follow: Azure/azure-cli, tests/latest/recordings of the command
-- modules batch and network.

local check = require "azpec.emulator.check"

local options = {}

local function one_of(...) return { one_of = { ... } } end
local count, seconds, word = { is = "count" }, { is = "seconds" }, { is = "string" }
local wish = { with = function (value, path)
  if type(value) == "number" then return ("%.14g"):format(value) end
  return check.value(value, word, path)
end }
local number_or_off = { with = function (value, path)
  return value == "off" and value or check.value(value, count, path)
end }

local sections = {
  { "How an update or a deletion is answered",
    { "update_answer", one_of("202", "200", "201", "204", "updating"), "202",
      "202 and an operation | 200 or 201 with the result at once | 204, no body |",
      "updating: 200, but provisioningState says Updating and an operation runs" },
    { "delete_answer", one_of("202", "200", "204"), "202", "likewise; 200 has an empty body" },
    { "operation_seconds", seconds, 20, "how long an operation runs" },
    { "operation_polls", number_or_off, "off",
      "N: not seconds count but questions: N polls of the operation or reads",
      "of the connection are answered as running, the next one as ended" },
    { "operation_headers", one_of("both", "location", "async", "none"), "both",
      "which of Location and Azure-AsyncOperation a 202 has" },
    { "async_url", one_of("same", "own"), "same",
      "same: both headers hold one URL, as in Azure CLI's test recordings |",
      "own: Azure-AsyncOperation has its own, which is always a status monitor's" },
    { "results_collection", one_of("privateEndpointConnectionResults", "privateEndpointConnectionProxyResults"),
      "privateEndpointConnectionResults", "the collection in an operation's URL: as in Azure CLI's recordings |",
      "as in the REST sample" },
    { "operation_api_version", word, "same", "api-version in the operation's URL: same as the request's | a version" },
    { "operation_url_extra", word, "",
      "text behind the operation URL's query; a poll must bring it back byte for byte" },
    { "operation_url_signature", one_of("no", "yes"), "no",
      "yes: as in Azure CLI's recordings of 2024, signed URLs of 2.7 KB, a signature",
      "for each header; a poll must bring back one of them" },
    { "retry_after", wish, "15", "on the 202: see RETRY-AFTER below" },
    { "poll_retry_after", wish, "same", "on the answers to polls: same | as above" },
  },
  { "How a poll is answered",
    { "poll_answer", one_of("auto", "resource", "monitor", "empty", "204"), "auto",
      "auto: monitor where the 202 has Azure-AsyncOperation, or else resource;",
      "Python's client ends with an error for any other answer |",
      "resource: 202 while running, then 200 with it (a deletion: 200, empty) |",
      "monitor: always 200 {status, ...} | empty: 202, then 200 without a body |",
      "204: 202, then 204" },
    { "poll_location", one_of("same", "changing", "none"), "same", "the headers of a 202 to a poll" },
    { "poll_not_found", count, 0, "the first N polls are answered 404" },
    { "resource_lag", count, 0, "after the operation's end the resource shows its old state N times more" },
    { "running_word", word, "InProgress", "the monitor's status while running" },
    { "success_word", word, "Succeeded", "and its last words" },
    { "failed_word", word, "Failed", "" },
    { "canceled_word", word, "Canceled", "" },
    { "operation_end", one_of("succeeded", "failed", "canceled"), "succeeded", "how operations end" },
    { "failure_shape", one_of("error", "resource"), "error",
      "a failed operation's last answer: an error |",
      "200 with the resource, its provisioningState Failed or Cancelled" },
    { "failure_status", count, 400, "the error's HTTP status" },
    { "failure_code", word, "PrivateEndpointConnectionUpdateFailed", "its code" },
    { "failure_message", word, "The update of the private endpoint connection failed.", "its message" },
  },
  { "The rules of the service",
    { "put", one_of("update", "refuse"), "update",
      "PUT of a connection, which no api-version describes and Azure CLI sends:",
      "as a PATCH | 405" },
    { "approve_rejected", one_of("refuse", "accept"), "refuse",
      "a rejected connection is to be Approved or Pending:", "400 BadRequest | done" },
    { "approve_disconnected", one_of("refuse", "accept"), "refuse", "a disconnected one is, likewise" },
    { "approve_approved", one_of("accept", "refuse"), "accept",
      "approving an approved one: done again | 400 InvalidValuesForRequestParameters" },
    { "request_pending", one_of("accept", "refuse"), "accept", "Pending as the status asked for" },
    { "request_disconnected", one_of("accept", "refuse"), "accept", "Disconnected as the status asked for" },
    { "concurrent_update", one_of("conflict", "allow"), "conflict",
      "an update while another operation runs: 409 | done" },
    { "conflict_code", word, "AnotherOperationInProgress", "the 409's code" },
    { "conflict_retry_after", wish, "none", "and its Retry-After" },
    { "etag_mismatch_status", { with = function (value, path)
        if value ~= 412 and value ~= 409 then check.fail(path, "412 or 409 expected") end
        return math.tointeger(value)
      end }, 412, "412 | 409: If-Match names another tag" },
    { "etag_compare", one_of("text", "weak"), "text", "If-Match: byte for byte | W/ in front makes no difference" },
    { "delete_if_match", one_of("heed", "ignore"), "heed",
      "If-Match of a DELETE, which no api-version describes:", "as of an update | ignored" },
    { "etag_form", one_of("weak", "strong"), "weak", "the tags that the emulator makes" },
    { "description_limit", count, 0, "longest description taken, in characters; 0: any" },
    { "action_required_name", one_of("actionsRequired", "actionRequired", "both", "none", "auto"), "actionsRequired",
      "the member's name in answers;",
      "auto: as the api-version describes it, actionsRequired since 2022-10-01" },
    { "action_required_write", one_of("ignore", "accept", "refuse"), "ignore", "that read-only member in a PATCH" },
    { "read_only_members", one_of("equal", "ignore", "refuse"), "equal",
      "id, name, etag, groupIds ... in a PATCH: must equal the resource's |",
      "ignored | refused;",
      "a provisioningState that differs is refused in any case" },
    { "unknown_members", one_of("refuse", "ignore"), "refuse", "unknown members in a PATCH" },
  },
  { "Policies with external evaluation (Azure Policy)",
    { "policy", one_of("off", "token", "change"), "off",
      "a write: allowed | needs a policy token | one that was acquired with a change reference" },
    { "policy_evaluation", one_of("allow", "deny", "fail"), "allow", "how an evaluation ends" },
    { "policy_change", word, "any", "the change reference that is accepted; any: each" },
    { "policy_failures", count, 0, "the first N evaluations of an operation fail and name a time, retryAfter," },
    { "policy_retry_after", seconds, 1, "so far ahead" },
    { "policy_acquisition", one_of("sync", "async"), "sync", "200 with the token | 202 and an operation" },
    { "policy_headers", one_of("async", "location", "both"), "async",
      "which of Azure-AsyncOperation and Location that 202 has;", "both: the result is at the Location alone" },
    { "policy_seconds", seconds, 1, "how long that operation runs" },
    { "policy_poll_retry_after", wish, "1", "on that 202: see RETRY-AFTER below" },
    { "policy_token_lifetime", seconds, 3600, "seconds that a policy token is valid" },
    { "policy_token_uses", count, 0, "writes that it is good for; 0: any" },
    { "policy_details", one_of("evaluation", "info"), "evaluation",
      "where missingPolicyTokenDetails stand in the 403: in info.evaluationDetails | in info" },
  },
  { "Lists",
    { "page_size", count, 0, "items on a page; 0: all; maxresults can only make it smaller" },
    { "empty_page", one_of("no", "yes"), "no", "the first page is empty but has a nextLink" },
    { "last_link", one_of("absent", "null", "empty"), "absent", "nextLink on the last page" },
  },
  { "Throttling (token buckets for each subscription and kind of request; only the global layers count)",
    { "throttle", one_of("off", "on"), "off", "off: the counters count but nothing is refused | on: 429 at zero" },
    { "reads_counter", one_of("reads", "global-reads"), "reads",
      "what is left of reads, x-ms-ratelimit-remaining-subscription-...:",
      "-reads | -global-reads, as in Azure CLI's test recordings of 2024" },
    { "reads_bucket", count, 250, "reads at once (polls are reads)" },
    { "reads_refill", count, 25, "and how many come back each second" },
    { "writes_bucket", count, 200, "" },
    { "writes_refill", count, 10, "" },
    { "deletes_bucket", count, 200, "" },
    { "deletes_refill", count, 10, "" },
  },
  { "Azure Resource Graph (only the global layers count)",
    { "graph", one_of("on", "off"), "on", "off: 404, as where it is not available" },
    { "graph_lag", seconds, 0, "it shows connections as they were so many seconds ago" },
    { "graph_rows", count, 1000, "rows on a page at most" },
    { "graph_quota", count, 15, "queries of one principal in each window (refused with throttle=on), and" },
    { "graph_window", seconds, 5, "the seconds of a window" },
  },
  { "Tokens (only the global layers count)",
    { "token_lifetime", seconds, 3599, "seconds that a token is valid" },
    { "expires_in_form", one_of("number", "string"), "number", "how expires_in is written" },
    { "refresh_in", count, 0, "refresh_in in the answer; 0: absent" },
    { "system_identity", one_of("yes", "no"), "yes", "there is a managed identity of the machine's own" },
    { "identity_expiry", one_of("both", "numbers", "expires_in", "expires_on", "rfc3339", "date", "us_date", "none"),
      "both", "expires_in and expires_on in a managed identity's answer: both as text | as numbers |",
      "one of them | expires_on as a date in one of three forms | neither" },
    { "device_interval", count, 5, "interval of a device code, and" },
    { "device_lifetime", count, 900, "the seconds it lives" },
    { "device_polls", count, 1, "so many polls are answered authorization_pending before" },
    { "device_end", one_of("approved", "declined", "expired"), "approved", "the person's answer is there" },
    { "device_slow_down", count, 0, "the first polls that are answered slow_down" },
    { "refresh_token", one_of("rotate", "keep", "refuse"), "rotate",
      "a refresh token can be used once | for ever | never" },
  },
  { "Everything",
    { "latency", seconds, 0, "seconds before each answer" },
    { "tls_certificate", one_of("first", "other", "alternating"), "first",
      "TLS connections see the certificate of tls_thumbprint | another one |", "the one and the other by turns" },
  },
}

local rules, defaults = {}, {}
for _, section in ipairs(sections) do
  for index = 2, #section do
    local name, rule, default = table.unpack(section[index], 1, 3)
    rules[name], defaults[name] = rule, default
  end
end

-- Checks a table of options. Returns the values to use, or raises an error that names the field.
function options.check(values, path)
  return check.record(values, rules, path)
end

local function number_if_meant(name, text)
  local rule = rules[name]
  if rule and rule.is == "string" or type(defaults[name]) == "string" and name ~= "operation_polls" then return text end
  return tonumber(text) or text
end

-- Parses "name=value", "account:name=value" or "account/connection:name=value". Raises an error for any other text.
function options.parse(text)
  local left, value = text:match "^([^=]+)=(.*)$"
  if not left then error({ message = "--option '" .. text .. "': name=value expected" }, 0) end
  local scope, name = left:match "^(.*):([^:]*)$"
  name = name or left
  local checked = options.check({ [name] = number_if_meant(name, value) }, "--option")
  return scope and scope:lower() or "", checked
end

-- Returns a layer whose missing values come from the one below.
function options.layer(values, below)
  return setmetatable(values, { __index = below })
end

options.defaults = defaults

local function help_line(lines, option)
  local name, rule, default = table.unpack(option, 1, 3)
  local left = ("  %s=%s"):format(name, default)
  if #left > 38 then
    lines[#lines + 1], left = left, ""
  end
  local function say(text)
    lines[#lines + 1] = ("%-38s %s"):format(left, text):gsub(" +$", "")
    left = ""
  end
  if rule.one_of then say("[" .. table.concat(rule.one_of, " | ") .. "]") end
  for index = 4, #option do say(option[index]) end
end

-- Returns the text for --help.
function options.help()
  local lines = {}
  for _, section in ipairs(sections) do
    lines[#lines + 1] = section[1] .. ":"
    for index = 2, #section do help_line(lines, section[index]) end
  end
  return table.concat(lines, "\n")
end

return options
