-- Turns errors into exit codes and texts: a line that says what happened, then what to do.

local json = require "azpec.json"
local schema_version = require "azpec.cli.output".schema_version
local terminal = require "azpec.cli.terminal"
local text = require "azpec.text"
local wording = require "azpec.cli.wording"

local failure = setmetatable({}, { __index = require "azpec.failure" })

-- Exit codes; 0: done, or nothing to do. (az and gh: 1, 2, 3 and 4 mean the same there.)
failure.codes = {
  other = 1, usage = 2, not_found = 3, credential = 4, forbidden = 5, conflict = 6, operation = 7, timeout = 8,
  throttled = 9, changes = 10, ambiguous = 11, some_failed = 12, not_private = 13,
  interrupted = 130, -- and 129, 143: by SIGHUP, SIGTERM
}

local by_kind = {
  usage = 2, not_found = 3, no_match = 3, credential = 4, forbidden = 5, conflict = 6, precondition = 6,
  operation = 7, service = 7, timeout = 8, throttled = 9, ambiguous = 11, too_many = 11, canceled = 1,
}

-- Returns whether resume, without --write, has found the connection not as asked and no operation under way. The token
-- of that error is for --write.
function failure.needs_write(err)
  return err.continuation_token and err.kind == "precondition" and err.http_status ~= 412
end

-- Returns whether the end of a write is not known.
local function is_unknown(err)
  return err.continuation_token and not failure.needs_write(err)
end

-- Returns whether the command itself kept a write back: the connection has changed since it was chosen.
local function is_kept_back(err)
  return err.kind == "canceled" and err.write_refused == true
end

-- The service, and the endpoint that gives tokens.
local may_be_busy = { service = true, credential = true }

-- Returns whether the service could not answer for the moment, although it was asked several times. A policy whose
-- evaluation failed has answered.
local function is_busy(err)
  return may_be_busy[err.kind] and err.retryable and not err.verdict
end

-- Returns the exit code of any error.
function failure.exit_code(err)
  if type(err) ~= "table" then return failure.codes.other end
  if is_kept_back(err) then return failure.codes.conflict end
  if is_busy(err) and not is_unknown(err) then return failure.codes.throttled end
  return err.exit_code or is_unknown(err) and failure.codes.timeout or by_kind[err.kind] or failure.codes.other
end

local passing = { transport = true, throttled = true, timeout = true }

-- Returns whether an error is temporary, so that a watch continues.
function failure.may_pass(err)
  return type(err) == "table" and (err.retryable or passing[err.kind]) or false
end

local kind_of = { [2] = "usage", [3] = "not_found", [4] = "credential", [5] = "forbidden", [6] = "conflict",
  [7] = "operation", [8] = "timeout", [9] = "throttled", [11] = "too_many", [12] = "some_failed", [13] = "names",
  [130] = "interrupted" }

-- Returns the kind of an error of which only the exit code is known.
function failure.kind(code)
  return kind_of[code] or "other"
end

-- Returns the error of a verb that ended with that code and raised none. conclusions: how it ended, in its own words.
function failure.ending(code, conclusions)
  local message = code == failure.codes.not_private and "a name does not resolve to a private address"
    or "not all was done"
  if #conclusions > 0 then message = table.concat(conclusions, "; ") end
  return failure.new(failure.kind(code), message, { exit_code = code })
end

-- The error that lua raises in a waiting call for SIGINT, and azpec.cli.signals for another signal.
function failure.is_interrupt(err)
  return type(err) == "string" and err:find "interrupted!$" ~= nil
end

-- 128 plus the signal's number, as in shells.
local signal_codes = { SIGTERM = 143, SIGHUP = 129 }

-- Converts such an error to one with an exit code. at (or nil): how far the verb had come.
function failure.interruption(raised, at)
  local name = raised:match "^(SIG%u+): "
  return failure.new("interrupted", ("interrupted%s%s"):format(name and " by " .. name or "", at and "; " .. at or ""),
    { exit_code = signal_codes[name] or failure.codes.interrupted, signal = name or "SIGINT" })
end

-- Returns whether the command line is wrong.
function failure.is_misuse(err)
  return type(err) == "table" and err.kind == "usage"
end

-- ---- what is shown -------------------------------------------------------------------------------------------------

local described = { "place", "kind", "message", "code", "target", "details", "additional_info", "http_status",
  "request_id", "correlation_id", "client_request_id", "id", "phase", "elapsed", "hint", "retryable", "retry_after",
  "policy", "verdict", "change_reference", "replaced", "continuation_token" }

-- Kinds of errors whose message needs no rewording: it names the command's terms, or quotes the service.
local not_ours = { usage = true, timeout = true, operation = true, service = true, no_match = true, ambiguous = true,
  too_many = true }

-- Returns the links of a failed chain in another order: those that are set up and failed come first.
function failure.set_up_first(links)
  local list = json.list()
  for _, is_set_up in ipairs { true, false } do
    for _, link in ipairs(links) do
      if (link.outcome == "failed") == is_set_up then list[#list + 1] = link end
    end
  end
  return list
end

-- Returns the sources of a failed chain as rows, or nil.
function failure.sources(err)
  local links = type(err) == "table" and err.links
  if type(links) ~= "table" or #links < 2 then return nil end
  local list = failure.set_up_first(links)
  for n, link in ipairs(list) do
    list[n] = { credential = link.credential, outcome = link.outcome, elapsed = link.elapsed,
      message = link.message and wording.of(link.message), hint = link.hint and wording.of(link.hint) }
  end
  return list
end

-- Returns the same as lines of a table.
function failure.source_lines(links)
  local lines, width = {}, 0
  for _, link in ipairs(links) do width = math.max(width, #link.credential) end
  for n, link in ipairs(links) do
    local took = link.elapsed and ("%.2f s"):format(link.elapsed) or ""
    lines[n] = text.trim_end(("%s  %-8s %-8s %s"):format(text.pad(link.credential, width), link.outcome, took,
      text.clean(link.message or "")))
  end
  return lines
end

-- Returns a message without the list of sources, which is shown as a table. A service's refusal may stand before it, an
-- earlier error behind it.
local function without_sources(message)
  for _, head in ipairs { "no credential in the chain provided a token", "the chain stopped" } do
    local from, to = message:find(head .. ": .* %(%d+ ms%)")
    if from then return message:sub(1, from - 1) .. head .. message:sub(to + 1) end
  end
  return message:match "^(.-): " or message
end

-- Returns the message for a person. Only the module's own text is reworded: an error with a code or an HTTP status is
-- the service's, so is one with the verdict of a policy; one with an exit code is the command's.
local function message_of(err)
  local message = err.message or tostring(err)
  if message:find "^bad field '" then return wording.complaint(message) end
  if failure.sources(err) then message = without_sources(message) end
  local is_module_text = not (not_ours[err.kind] or err.code or err.http_status or err.exit_code or err.verdict)
  return is_module_text and wording.of(message) or message
end

-- Returns a string member of the service's JSON; its name may have any letter case.
local function member(object, name)
  for key, value in pairs(object) do
    if type(key) == "string" and key:lower() == name and type(value) == "string" and value ~= "" then return value end
  end
end

-- Returns the name of a policy by a prefix of its members in the service's JSON: "policyassignment"; or nil.
local function policy_name(info, prefix)
  return member(info, prefix .. "displayname") or member(info, prefix .. "name") or member(info, prefix .. "id")
end

-- Returns the assignment of the policy that refused a write: the service's refusal, or its evaluation, has it; or nil.
local function refusing_policy(err)
  if err.policy then return err.policy end
  for _, entry in ipairs(type(err.additional_info) == "table" and err.additional_info or {}) do
    local info = type(entry) == "table" and member(entry, "type") == "PolicyViolation" and (entry.info or entry.Info)
    local name = type(info) == "table" and policy_name(info, "policyassignment")
    if name then return name end
  end
end

-- Returns the hint of an error. The module has none for a server that it could not reach, and for one that is busy.
local function hint_of(err)
  if err.hint then return wording.of(err.hint) end
  if err.kind == "credential" and err.retryable and not err.retry_after then return "try again later" end
  return err.kind == "transport" and "azpec doctor says why" or nil
end

-- How many candidates a person is shown that match; and how many anybody, if none matches.
local most_candidates, most_nearest = 10, 3

-- Returns an error as a flat table for programs, with the module's message.
function failure.facts(err)
  if type(err) ~= "table" then return { kind = "other", message = tostring(err) } end
  local facts = {}
  for _, name in ipairs(described) do facts[name] = err[name] end
  facts.kind = facts.kind or "other"
  facts.message = facts.message or tostring(err)
  if is_kept_back(err) then facts.kind, facts.message = "precondition", wording.of(facts.message) end
  facts.hint = hint_of(err) or err.see
  facts.sources, facts.policy = failure.sources(err), refusing_policy(err)
  if err.candidates then
    facts.candidates = json.list()
    for n = 1, math.min(#err.candidates, err.count == 0 and most_nearest or math.huge) do
      facts.candidates[n] = err.candidates[n].id
    end
    facts.count, facts.more = err.count, #err.candidates + (err.more or 0) - #facts.candidates
  end
  return facts
end

-- The phases of an operation in order, and their names for people.
failure.phases = { { "token", "sign-in" }, { "policy", "policy token" }, { "request", "request" },
  { "poll", "polling" }, { "result", "result" } }

-- Returns "sign-in 0.1 s, polling 4.9 s", or nil if the times are not known.
local function time_spent(elapsed)
  local parts = {}
  for _, phase in ipairs(failure.phases) do
    local seconds = elapsed and elapsed[phase[1]] or 0
    if seconds >= 0.05 then parts[#parts + 1] = ("%s %.1f s"):format(phase[2], seconds) end
  end
  return #parts > 0 and table.concat(parts, ", ") or nil
end

local most_details, longest_detail = 10, 300

local function cut(line)
  line = text.clean(line)
  return #line > longest_detail and line:sub(1, (utf8.offset(line, 0, longest_detail) or 1) - 1) .. "..." or line
end

-- Returns the facts of a policy's refusal.
local function policy(info)
  local parts = {}
  for _, part in ipairs { { "assignment", "policyassignment" }, { "definition", "policydefinition" },
    { "set", "policysetdefinition" } } do
    local name = policy_name(info, part[2])
    if name then parts[#parts + 1] = ("%s '%s'"):format(part[1], name) end
  end
  return #parts > 0 and table.concat(parts, ", ") or nil
end

-- Returns the entries of additionalInfo: { type, info } each.
local function add_information(add, list)
  for _, entry in ipairs(type(list) == "table" and list or {}) do
    local kind, info = type(entry) == "table" and member(entry, "type") or "info", nil
    if type(entry) == "table" then info = entry.info or entry.Info end
    if type(info) == "table" then
      add(kind == "PolicyViolation" and policy(info) and "policy" or kind, policy(info) or json.encode(info))
    elseif info ~= nil then
      add(kind, tostring(info))
    end
  end
end

-- Returns the entries of details, including nested ones: { code, message, target, details, additionalInfo }, or
-- strings.
local function add_details(add, details, depth)
  for name, entry in pairs(type(details) == "table" and depth > 0 and details or {}) do
    if type(entry) == "table" then
      local code, message = member(entry, "code") or member(entry, "key"), member(entry, "message")
        or member(entry, "value") or member(entry, "detail")
      if code or message then add("detail", code and message and code .. ": " .. message or code or message) end
      add_details(add, entry.details or entry.Details or not (code or message) and entry, depth - 1)
      add_information(add, entry.additionalInfo or entry.AdditionalInfo)
    elseif math.type(name) == "integer" then
      add("detail", tostring(entry))
    end
  end
end

local function detail_lines(err)
  local lines = {}
  local function add(name, value)
    if value then lines[#lines + 1] = ("  %s: %s"):format(text.clean(name), text.clean(value)) end
  end
  for _, line in ipairs(failure.source_lines(failure.sources(err) or {})) do lines[#lines + 1] = "  " .. line end
  add("about", err.id)
  local is_told = err.code and (err.message or ""):find(err.code, 1, true)
  if err.code and not is_told then
    add("code", err.http_status and ("%s (HTTP %d)"):format(err.code, err.http_status) or err.code)
  end
  add("target", err.target)
  local said = 0
  local function add_some(name, value)
    said = said + 1
    if said <= most_details then add(name, cut(value)) end
  end
  add_details(add_some, err.details, 8)
  add_information(add_some, err.additional_info)
  if said > most_details then add("and", ("%d more; -o json has all"):format(said - most_details)) end
  add("request id", err.request_id)
  if not err.request_id then add("client request id", err.client_request_id) end
  if err.kind == "timeout" then add("time spent", time_spent(err.elapsed)) end
  local is_later = err.kind == "throttled" or err.phase == "policy" or is_busy(err)
  if is_later and err.retry_after then add("try again in", ("%g s"):format(err.retry_after)) end
  add("hint", hint_of(err))
  return lines
end

-- Returns the facts of all candidates of an error.
local function facts_of_candidates(err)
  local list = {}
  for n, candidate in ipairs(err.candidates) do list[n] = require "azpec.select".facts(candidate) end
  return list
end

-- Returns an error of azpec.select about connections of which one must be named (kind "ambiguous" or "too_many"), in
-- the command's words: its message asks for the form that tells the candidates apart. hint (or nil): of "ambiguous".
function failure.of_several(err, hint)
  local form = require "azpec.cli.places".form(facts_of_candidates(err))
  return failure.with(err, { message = err.message:gsub("by its id:$", ("by its id or %s:"):format(form)),
    hint = err.kind == "ambiguous" and hint or err.hint })
end

-- Describes candidates so that they differ: the name that a command line takes (ACCOUNT/NAME), status, description, and
-- the private endpoint's subscription if that is another one.
local function candidate_lines(err)
  local lines, candidates, known = {}, facts_of_candidates(err), require "azpec.cli.places".new()
  local widest, widest_state = 0, 0
  for _, facts in ipairs(candidates) do known:add(facts) end
  local most = math.min(err.count == 0 and most_nearest or most_candidates, #candidates)
  local shown = table.move(candidates, 1, most, 1, {})
  for _, facts in ipairs(shown) do
    facts.label = text.clean(known:name(facts) .. "/" .. (facts.name or "?"))
    widest = math.max(widest, text.width(facts.label))
    widest_state = math.max(widest_state, text.width(text.state(facts.status)))
  end
  for n, facts in ipairs(shown) do
    local line = ("  %s  %s"):format(text.pad(facts.label, widest), text.pad(text.state(facts.status), widest_state))
    if facts.description then line = line .. ('  "%s"'):format(facts.description) end
    local from = facts.private_endpoint_subscription
    if from and from ~= facts.subscription_id then line = line .. "  from subscription " .. from end
    lines[n] = text.trim_end(text.clean(line))
  end
  local more = #err.candidates + (err.more or 0) - #lines
  if more > 0 then lines[#lines + 1] = ("  and %d more"):format(more) end
  if err.hint then lines[#lines + 1] = "  hint: " .. err.hint end
  return lines
end

-- Returns the lines for a person; the first says what happened.
function failure.lines(err)
  if type(err) ~= "table" then return { text.clean(err) } end
  local lines = { text.clean(message_of(err)) }
  if err.see then lines[1] = ("%s (see: %s)"):format(lines[1], err.see) end
  local more = err.candidates and candidate_lines(err) or detail_lines(err)
  return table.move(more, 1, #more, 2, lines)
end

-- Replaces each occurrence of a name.
local function without(line, name)
  return (line:gsub(name:lower():gsub("%p", "%%%0"), "?"))
end

-- Returns what an error says, apart from the connection or account that it is about and from how long it took: equal
-- texts are one reason.
function failure.reason(err)
  if type(err) ~= "table" then return tostring(err) end
  local bare = failure.with(err, {})
  for _, name in ipairs { "id", "request_id", "client_request_id", "hint", "elapsed", "retry_after" } do
    bare[name] = nil
  end
  local line, id = table.concat(failure.lines(bare), "\n"):lower(), err.id or err.place
  line = line:gsub("%f[%w][%d.]+ s%f[%W]", "? s")
  local place = id and require "azpec.resource_id".parse(id) or {}
  for _, name in ipairs { id or "", id and id:match "[^/]+$" or "", place.account_name or "",
    place.resource_group_name or "" } do
    if name ~= "" then line = without(line, name) end
  end
  return line
end

-- Returns whether errors are JSON with this output format.
function failure.is_json(format)
  return format == "json" or format == "jsonl"
end

-- Writes an error to stderr; more: further members of the JSON document.
function failure.show(err, format, more)
  terminal.make_room()
  if failure.is_json(format) then
    local document = { schema_version = schema_version, error = failure.facts(err),
      exit_code = failure.exit_code(err) }
    for name, value in pairs(more or {}) do document[name] = value end
    io.stderr:write(json.encode(document), "\n")
    return
  end
  local lines = failure.lines(err)
  lines[1] = terminal.paint(io.stderr, "red", "azpec: ") .. lines[1]
  io.stderr:write(text.disarm_lines(table.concat(lines, "\n")), "\n")
end

return failure
