-- What went wrong, as an exit code and as text: one line that says what, then what helps.

local json = require "azpec.json"
local schema_version = require "azpec.command.output".schema_version
local terminal = require "azpec.command.terminal"
local text = require "azpec.text"
local wording = require "azpec.command.wording"

local failure = {}

-- Exit codes; 0: done, or nothing to do. (az and gh: 1, 2, 3 and 4 mean the same there.)
failure.codes = {
  other = 1, usage = 2, not_found = 3, credential = 4, forbidden = 5, conflict = 6, operation = 7, timeout = 8,
  throttled = 9, changes = 10, ambiguous = 11, some_failed = 12, interrupted = 130, -- and 129, 143: by SIGHUP, SIGTERM
}

local by_kind = {
  usage = 2, not_found = 3, no_match = 3, credential = 4, forbidden = 5, conflict = 6, precondition = 6,
  operation = 7, service = 7, timeout = 8, throttled = 9, ambiguous = 11, too_many = 11, canceled = 1,
}

-- A write whose end is not known, whatever kept it from being known. It is known where resume, without --write, has
-- found the connection not as asked and no operation under way: that error's token serves --write.
local function is_unknown(err)
  return err.continuation_token and (err.kind ~= "precondition" or err.http_status == 412)
end

-- The exit code of an error: azpec's own, a selection's, a scope's, or anything else.
function failure.exit_code(err)
  if type(err) ~= "table" then return failure.codes.other end
  return err.exit_code or is_unknown(err) and failure.codes.timeout or by_kind[err.kind] or failure.codes.other
end

local passing = { transport = true, throttled = true, timeout = true }

-- Whether it may be otherwise at the next look, so is no reason to end a watch.
function failure.may_pass(err)
  return type(err) == "table" and (err.retryable or passing[err.kind]) or false
end

local kind_of = { [2] = "usage", [3] = "not_found", [6] = "conflict", [8] = "timeout", [11] = "too_many",
  [12] = "some_failed",  [130] = "interrupted" }

-- The kind of a failure of which only the exit code is known.
function failure.kind(code)
  return kind_of[code] or "other"
end

-- lua raises this where a call waits when SIGINT has come, azpec.command.signals when another signal has.
function failure.is_interrupt(err)
  return type(err) == "string" and err:find "interrupted!$" ~= nil
end

-- 128 and the signal's number, as shells have it.
local signal_codes = { SIGTERM = 143, SIGHUP = 129 }

-- What was raised so, as an error with its exit code.
function failure.interruption(raised)
  local name = raised:match "^(SIG%u+): "
  return { kind = "interrupted", exit_code = signal_codes[name] or failure.codes.interrupted, signal = name or "SIGINT",
    message = name and "interrupted by " .. name or "interrupted" }
end

-- Whether the command line is wrong.
function failure.is_misuse(err)
  return type(err) == "table" and err.kind == "usage"
end

-- ---- what is shown -------------------------------------------------------------------------------------------------

local described = { "kind", "message", "code", "target", "details", "additional_info", "http_status", "request_id",
  "correlation_id", "client_request_id", "id", "phase", "elapsed", "hint", "retryable", "retry_after",
  "continuation_token" }

-- Kinds of errors whose message is in the command's words, as those of a rules file, or quotes the service.
local not_ours = { usage = true, timeout = true, operation = true, service = true }

-- The message for a person. Only the module's own text is worded anew; a code or an HTTP status shows that the service
-- speaks, an exit code that the command does.
local function message_of(err)
  local message = err.message or tostring(err)
  if message:find "^bad field '" then return wording.complaint(message) end
  local is_module_text = not (not_ours[err.kind] or err.code or err.http_status or err.exit_code)
  return is_module_text and wording.of(message) or message
end

-- An error as a flat table for programs; its message is the module's.
function failure.facts(err)
  if type(err) ~= "table" then return { kind = "other", message = tostring(err) } end
  local facts = {}
  for _, name in ipairs(described) do facts[name] = err[name] end
  facts.kind = facts.kind or "other"
  facts.message = facts.message or tostring(err)
  facts.hint = facts.hint and wording.of(facts.hint) or err.see
  if err.candidates then
    facts.candidates = json.list()
    for n, connection in ipairs(err.candidates) do facts.candidates[n] = connection.id end
    facts.count = err.count
  end
  return facts
end

local phases = { { "token", "sign-in" }, { "request", "request" }, { "poll", "polling" }, { "result", "result" } }

-- "sign-in 0.1 s, polling 4.9 s"; nil where nothing is known of it.
local function time_spent(elapsed)
  local parts = {}
  for _, phase in ipairs(phases) do
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

-- A member of the service's, its name in any letter case, that is a text.
local function member(object, name)
  for key, value in pairs(object) do
    if type(key) == "string" and key:lower() == name and type(value) == "string" and value ~= "" then return value end
  end
end

-- What a policy's refusal tells of the policy.
local function policy(info)
  local parts = {}
  for _, part in ipairs { { "assignment", "policyassignment" }, { "definition", "policydefinition" },
    { "set", "policysetdefinition" } } do
    local name = member(info, part[2] .. "displayname") or member(info, part[2] .. "name")
      or member(info, part[2] .. "id")
    if name then parts[#parts + 1] = ("%s '%s'"):format(part[1], name) end
  end
  return #parts > 0 and table.concat(parts, ", ") or nil
end

-- What additionalInfo tells: { type, info } each.
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

-- What details tell, and those in them: { code, message, target, details, additionalInfo } each, or texts.
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
    if value then lines[#lines + 1] = ("  %s: %s"):format(name, text.clean(value)) end
  end
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
  if err.kind == "throttled" and err.retry_after then add("try again in", ("%g s"):format(err.retry_after)) end
  add("hint", err.hint and wording.of(err.hint))
  return lines
end

local most_candidates = 10

-- Enough to tell them apart by: their names, where they are, what they say, and whose private endpoint it is where that
-- is another subscription's.
local function candidate_lines(err)
  local facts_of, lines = require "azpec.select".facts, {}
  local widest = 0
  for n, connection in ipairs(err.candidates) do
    if n <= most_candidates then widest = math.max(widest, #(facts_of(connection).name or "")) end
  end
  for n, connection in ipairs(err.candidates) do
    if n > most_candidates then break end
    local facts = facts_of(connection)
    local line = ("  %s  %s  %s/%s"):format(text.pad(text.clean(facts.name or "?"), widest), text.state(facts.status),
      facts.resource_group_name or "?", facts.account_name or "?")
    if facts.description then line = line .. ('  "%s"'):format(facts.description) end
    local from = facts.private_endpoint_subscription
    if from and from ~= facts.subscription_id then line = line .. "  from " .. facts.private_endpoint end
    lines[#lines + 1] = text.clean(line)
  end
  local more = math.max(err.count or 0, #err.candidates) - #lines
  if more > 0 then lines[#lines + 1] = ("  and %d more"):format(more) end
  if err.hint then lines[#lines + 1] = "  hint: " .. err.hint end
  return lines
end

-- The lines for a person; the first says what happened.
function failure.lines(err)
  if type(err) ~= "table" then return { text.clean(err) } end
  local lines = { text.clean(message_of(err)) }
  if err.see then lines[1] = ("%s (see: %s)"):format(lines[1], err.see) end
  local more = err.candidates and candidate_lines(err) or detail_lines(err)
  return table.move(more, 1, #more, 2, lines)
end

-- Whether errors are told in JSON in this output format.
function failure.is_json(format)
  return format == "json" or format == "jsonl"
end

-- Writes an error to stderr; more: members beside it in JSON.
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
  io.stderr:write(table.concat(lines, "\n"), "\n")
end

return failure
