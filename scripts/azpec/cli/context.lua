-- The context of a verb: its arguments, clients, scope, output, messages and exits.

local failure = require "azpec.cli.error"
local terminal = require "azpec.cli.terminal"
local text = require "azpec.text"

local context = {}
context.__index = context

context.codes = failure.codes
context.exit_code = failure.exit_code

-- words: the command line behind the verb; args: what it means; paths: of the files that it names.
function context.new(verb, args, words, paths)
  return setmetatable({ verb = verb, args = args, words = words, paths = paths, pollers = {}, reasons = {}, unread = {},
    incomplete = {}, repeated = {}, said = {},
    places = require "azpec.cli.places".new(),
    clock = require "azpec.service_clock".new(), errors = {}, unread_errors = {}, untold = {}, gone = {},
    as_asked = {} }, context)
end

-- ---- what people read ----------------------------------------------------------------------------------------------

-- Returns whether stderr is for a program. It then gets at most one JSON document, which the frame writes at the end.
function context:is_json()
  return failure.is_json(self.args.output)
end

-- Writes to stderr regardless of -q and -o: text that a person needs to continue.
function context:prompt(message)
  terminal.make_room()
  io.stderr:write(text.clean_lines(message), "\n")
end

local function worded(format, ...)
  return select("#", ...) > 0 and format:format(...) or format
end

local most_held = 100

-- Keeps a line for the end. line.ends: it says how the verb ended; line.is_note: -q hides it after success.
local function hold(self, line)
  self.said[#self.said + 1] = line
  if #self.said > most_held then table.remove(self.said, 1) end
end

-- Writes a line to stderr. With -o json it is shown at the end, in the member "notes" of the error's document if there
-- is one. With self.notes, a list, it is added to that instead, for a verb that draws.
local function tell(self, is_note, line)
  if self.notes then
    self.notes[#self.notes + 1] = line
  elseif self:is_json() then
    hold(self, { line = line, is_note = is_note })
  else
    self:prompt(line)
  end
end

-- Writes to stderr regardless of -q.
function context:say(...)
  tell(self, false, worded(...))
end

-- Reports an error that does not end the verb: at once, or in the frame's JSON document. Many connections fail for the
-- same reason, or by one cause (err.cause): later ones are named at the end, by tell_repeated.
function context:complain(err)
  self.complaints = self.complaints or {}
  self.complaints[#self.complaints + 1] = err
  if self:is_json() then return end
  local reason = (err.is_unknown and "unknown: " or "") .. (err.cause or failure.reason(err))
  local known = self.repeated[reason]
  if known then
    known.others[#known.others + 1] = err
    return
  end
  known = { err = err, others = {} }
  self.repeated[reason], self.repeated[#self.repeated + 1] = known, known
  local shown = failure.with(err, {})
  if not self:is_new_hint(err.hint) then shown.hint = nil end
  failure.show(shown)
end

local function name_of(place)
  return place.account_name and ("%s/%s"):format(place.resource_group_name, place.account_name) or place.id
end

-- Returns the name of what an error is about.
local function subject_of(self, err)
  local found = require "azpec.resource_id".parse(err.id or err.place or "")
  if not found then return text.clean(err.id or err.place or "?") end
  if found.kind ~= "connection" then return text.clean(name_of(found)) end
  return self:place_of(found) .. text.clean(require "azpec.resource_id".last_segment(found.id))
end

-- Returns the beginning of a line about an event of on_event: the name of the connection or account, or "".
function context:beginning_of(event)
  return event.id and subject_of(self, event) .. ": " or ""
end

-- Names what has failed for a reason that complain has shown already.
function context:tell_repeated()
  for _, known in ipairs(self.repeated) do
    local lines = {}
    for n, err in ipairs(known.others) do
      local differs = err.cause and err.message ~= known.err.message
      lines[n] = ("  %s%s"):format(subject_of(self, err), differs and ": " .. text.clean(err.message) or "")
    end
    if #lines > 0 then
      local how = not known.err.is_unknown and "failed"
        or #lines == 1 and "is not known to have ended" or "are not known to have ended"
      self:prompt(("azpec: %s %s like %s:\n%s"):format(#lines == 1 and "1 other" or #lines .. " others", how,
        subject_of(self, known.err), table.concat(lines, "\n")))
    end
  end
  self.repeated = {}
end

-- Returns whether a hint has not been shown yet, and remembers it.
function context:is_new_hint(hint)
  self.hints = self.hints or {}
  local is_new = hint ~= nil and not self.hints[hint]
  if is_new then self.hints[hint] = true end
  return is_new
end

-- Writes to stderr unless -q.
function context:note(...)
  if self:is_json() or not self.args.quiet then tell(self, true, worded(...)) end
end

-- Says how the verb ended, unless -q: in JSON the message of an ending that is no success.
function context:conclude(...)
  self:tell_repeated()
  if not self:is_json() then return self:note(...) end
  hold(self, { line = worded(...), is_note = true, ends = true })
end

-- Writes what was held back for JSON.
function context:tell_held()
  for _, said in ipairs(self.said) do
    if not (said.is_note and self.args.quiet) then self:prompt(said.line) end
  end
end

function context:is_verbose()
  return (self.args.verbosity or 0) > 0
end

-- Writes to stderr with -v.
function context:detail(...)
  if self:is_verbose() then self:prompt(worded(...)) end
end

-- Returns the output of rows on stdout, in the format of -o; see azpec.cli.output. options.columns (default: the
-- verb's).
function context:output(options)
  local columns = require "azpec.cli.columns"
  options.columns = options.columns or require("azpec.cli.verbs." .. self.verb).columns
  options.chosen, options.sort = columns.chosen(self, options.columns), columns.sorter(self, options.columns)
  self.out = require "azpec.cli.output".new(self.args.output or "table", options)
  self.out.errors, self.out.envelope = self.errors, self.envelope
  return self.out
end

-- Returns whether the command line names one account, so that lines need not name it.
local function names_one_account(args)
  local ids = require "azpec.resource_id"
  local found = ids.parse(args.id or "")
  if args.account or found and found.account_name then return true end
  local first = (args.which or {})[1]
  for _, word in ipairs(args.which or {}) do
    local one = ids.parse(word)
    if not one or one.kind ~= "connection" or ids.account_of(word) ~= ids.account_of(first) then return false end
  end
  return first ~= nil
end

-- Sets the subject of the lines: rows, or nil for all that the options name. With several accounts each line names its
-- own. are_found: the rows are those that were found by the options, which may mean other accounts as well.
function context:lines_are_of(rows, are_found)
  local ids, known, count = require "azpec.resource_id", {}, 0
  for _, row in ipairs(rows or {}) do
    local account = (ids.account_of(row.id) or ""):lower()
    if not known[account] then
      known[account], count = true, count + 1
      self.places:add(ids.parse(row.id) or {})
    end
  end
  self.has_several = count > 1 or (are_found or not rows) and not names_one_account(self.args)
end

-- Returns the prefix of a row's name: "contosobatch/" or ""; with the group where another account has that name.
function context:place_of(row)
  if self.has_several == nil then self:lines_are_of() end
  local is_named = row.account_name and (self.has_several or self.places:is_shared(row))
  return is_named and text.clean(self.places:name(row)) .. "/" or ""
end

local no_progress = { begin = function () end, update = function () end, follow = function () end,
  close = function () end, clear = function () end, tick = function () end }

-- Returns the progress display (azpec.cli.progress). It shows something on a terminal, or with -v.
function context:progress()
  if self.shown then return self.shown end
  local is_drawn = not self.args.quiet and not self:is_json() and terminal.can_draw(io.stderr)
  self.shown = no_progress
  if is_drawn or self:is_verbose() then
    self.shown = require "azpec.cli.progress".new { is_drawn = is_drawn,
      say = function (line) self:detail("%s", line) end }
  end
  terminal.bar = self.shown
  return self.shown
end

-- ---- endings -------------------------------------------------------------------------------------------------------

-- Ends the verb with an exit code. Does not return.
function context:fail(code, message, hint)
  error(failure.new(failure.kind(code), message, { exit_code = code, hint = hint }), 0)
end

-- Ends the verb because of a wrong command line. Does not return.
function context:usage(message)
  error(failure.new("usage", message, { see = "azpec help " .. self.verb }), 0)
end

-- Registers an operation that the verb waits for, and returns it. If the wait is interrupted, the frame says how to
-- continue.
function context:track(poller)
  self.pollers[#self.pollers + 1] = poller
  self:progress():follow(poller)
  return poller
end

-- Keeps a continuation token (or nil), which the frame shows at the end. needs_write: its change must be sent again.
function context:keep(token, needs_write)
  self.unfinished = self.unfinished or {}
  self.unfinished[#self.unfinished + 1] = token and { token = token, needs_write = needs_write }
end

-- ---- the service ---------------------------------------------------------------------------------------------------

-- Returns the first subscription that the command line names in any form, or nil. That of a private endpoint, which may
-- be someone else's, counts only if there is no other.
local function named_subscription(args)
  if args.subscription and args.subscription[1] then return args.subscription[1] end
  local words = table.pack(args.id, table.unpack(type(args.which) == "table" and args.which or {}))
  for n = 1, words.n do
    local found = words[n] and require "azpec.resource_id".parse(words[n])
    if found and (found.kind ~= "private_endpoint" or (os.getenv "AZURE_SUBSCRIPTION_ID" or "") == "") then
      return found.subscription_id
    end
  end
end

-- Returns the configured subscriptions: of --subscription, else of the environment, whose value is checked like the
-- option's.
function context:subscriptions()
  local given, word = self.args.subscription or {}, os.getenv "AZURE_SUBSCRIPTION_ID" or ""
  if #given > 0 or word == "" then return given end
  local id, why = require "azpec.cli.convert".subscription(word)
  if not id then self:usage("AZURE_SUBSCRIPTION_ID: " .. why) end
  return { id }
end

-- Returns the secret in the file that an option names (read once), or nil.
function context:secret(name)
  local path = self.args[name]
  if not path then return nil end
  self.secrets = self.secrets or {}
  local content, why = self.secrets[name], nil
  if not content then content, why = require "azpec.cli.convert".secret(path) end
  if not content then self:usage(("--%s: %s"):format(name:gsub("_", "-"), why)) end
  self.secrets[name] = content
  return content
end

-- Returns the key of continuation tokens, or nil if they are not signed. An empty variable, as of a CI system's secret
-- that is not set, would turn the check of tokens off.
local function token_key(self)
  local key = self:secret "token_key_file" or os.getenv "AZPEC_TOKEN_KEY"
  if key == "" then self:usage "AZPEC_TOKEN_KEY is empty; unset it, or set it to the key of continuation tokens" end
  return key
end

-- Returns the time from which ages are computed: the service's, once it has answered. Notes a large deviation of this
-- machine's clock once; no age depends on that clock then.
function context:now()
  local wrong = not self.is_clock_judged and self.clock:complaint(os.time())
  if wrong then
    self.is_clock_judged = true
    self:note("azpec: this machine's clock is %s; ages are calculated with the service's clock", wrong)
  end
  return self.clock:now() or os.time()
end

-- Tells once that no token can be shared. The command continues without.
local function tell_refusal(self, event)
  if event.event ~= "token_cache" or event.outcome ~= "refused" or self.is_refusal_told then return end
  self.is_refusal_told = true
  self:note("azpec: --token-cache keyring: no token is shared: %s", event.message)
end

local programs = { azure_cli = "az", azure_developer_cli = "azd" }

-- Nobody has named the subscription: that of the program that people sign in by is taken, and said once.
local function tell_subscription(self, event)
  if self.told_subscription == event.subscription_id then return end
  self.told_subscription = event.subscription_id
  self:note("azpec: in subscription %s, the default one of %s; --subscription names another", event.subscription_id,
    programs[event.subscription_from] or event.subscription_from)
end

local shortest_told = 0.95 -- seconds; it is shown as 1.0

-- With -v: a wait before the next attempt, which else would look like a hang; and each repetition of a policy's
-- evaluation, which its owner is asked about.
local function tell_retry(self, event)
  if event.wait >= shortest_told or event.phase == "policy" then
    self:detail("azpec: %s%s; next attempt in %.1f s", self:beginning_of(event), text.clean(event.reason), event.wait)
  end
end

local reading = { get = true, list = true, query_resource_graph = true }

-- Handles an event of on_event: for the subscription, for the clock, and for -vv and --trace.
function context:tracer()
  local told = (self.args.verbosity or 0) > 1 and require "azpec.cli.trace"(self) or nil
  local recorder = self:recorder()
  return function (event)
    self.clock:observe(event)
    tell_refusal(self, event)
    if event.event == "retry" and not told then tell_retry(self, event) end
    if event.event == "retry" and self.waiting and reading[event.call] then self.waiting:retries(event) end
    if event.event == "subscription" then tell_subscription(self, event) end
    if recorder then recorder:observe(event) end
    if told then told(event) end
  end
end

-- Returns the recorder of --trace, shared by all clients, or nil.
function context:recorder()
  local path = self.args.trace
  if not path or self.har then return self.har end
  local recorder, why, is_refused = require "azpec.cli.har".start(path, require "azpec"._VERSION:match "[%d.]+%S*")
  if not recorder then self:fail(is_refused and self.codes.usage or self.codes.other, "--trace: " .. why) end
  self.har = recorder
  return recorder
end

-- Returns a variable of the environment; nil if it is empty.
local function variable(name)
  local value = os.getenv(name)
  return value ~= "" and value or nil
end

-- An invalid traceparent or tracestate in the environment is ignored, as W3C Trace Context demands.
local function new_client(self, fields)
  local ok, client = pcall(require "azpec.cli.journal".client, self, fields)
  local refused = not ok and tostring(client):match "bad field '(trace%l+)'"
  if not refused then return ok, client end
  self:detail("azpec: %s is ignored: it is not as W3C Trace Context has it", refused:upper())
  fields.tracestate = nil
  if refused == "traceparent" then fields.traceparent = nil end
  return new_client(self, fields)
end

-- Sets the reason of the next write to a connection, for the journal: { verb, rule, reason, before = connection }.
function context:because(id, about)
  self.reasons[id:lower()] = about
end

-- Declares that ages of connections are needed; who: the option or rule, for messages; what (default: "ages"): what it
-- needs. Ends the verb if the given api-version does not return them.
function context:need_ages(who, what)
  local ages, given = require "azpec.ages", self.args.api_version
  if given and not ages.are_told(given) then
    self:usage(("%s needs %s, and %s %s tells none; leave it out, or give %s or later"):format(who, what or "ages",
      require "azpec.cli.wording".name_of "api_version", given, ages.since))
  end
  self.args.api_version = given or ages.since
end

-- Writes a connection only if it still has the status that was shown or selected. If the service sends no ETag, nothing
-- else detects a decision in between.
local function guard(self)
  return function (write)
    local about = self.reasons[write.id:lower()]
    local seen = about and about.before and require "azpec.select".facts(about.before).status
    if not (seen and write.from) or seen:lower() == write.from:lower() then return true end
    return nil, ("it is %s now, and was %s when it was chosen"):format(text.state(write.from), text.state(seen))
  end
end

-- Returns the longest Retry-After that is obeyed: one that fits into the time of an operation. A day is the module's
-- limit.
local function longest_wait(timeout)
  return math.min(timeout or 300, 86400)
end

-- Returns a client with the options of the command line and the environment, plus the given fields. With --journal its
-- writes are recorded.
function context:client(overrides)
  local azpec, args = require "azpec", self.args
  local fields = {
    subscription_id = named_subscription(args) or self:subscriptions()[1], cloud = args.cloud, endpoint = args.endpoint,
    authority_host = args.authority_host, api_version = args.api_version, ca_file = args.ca_file,
    token_cache = args.token_cache, timeout = args.timeout, poll_interval = args.interval,
    retry = { conflict = args.retry_conflict or nil, codes = args.retry_on, max_tries = args.max_tries,
      max_retry_after = longest_wait(args.timeout) },
    on_event = self:tracer(), application_id = "azpec-command",
    token_key = token_key(self), traceparent = variable "TRACEPARENT",
  }
  fields.tracestate = fields.traceparent and variable "TRACESTATE"
  require "azpec.cli.policy".set(self, fields)
  for name, value in pairs(overrides or {}) do fields[name] = value end
  fields.credential = fields.credential or require "azpec.cli.credentials"(azpec, self)
  fields.wait = require "azpec.cli.signals".hold()
  fields.before_write = guard(self)
  local ok, client = new_client(self, fields)
  local is_misuse = type(client) ~= "table" and not tostring(client):find("not enough memory", 1, true)
  if not ok and not is_misuse then error(client, 0) end
  if not ok then self:usage(require "azpec.cli.wording".complaint(tostring(client))) end
  self.clients = self.clients or {}
  self.clients[#self.clients + 1] = client
  return client
end

-- Ends the verb if --all-subscriptions and an option that names a subscription are both given.
local function check_all_subscriptions(self)
  local args = self.args
  local other = args.subscription and #args.subscription > 0 and "--subscription" or args.id and "--id"
  if other then self:usage("--all-subscriptions and " .. other .. " contradict each other; give one of them") end
end

-- Returns the scope that the options name.
function context:scope()
  local args = self.args
  if args.all_subscriptions then check_all_subscriptions(self) end
  local ids = args.subscription and #args.subscription > 0 and args.subscription or nil
  return { subscription_ids = ids, resource_group_name = args.resource_group, account_name = args.account,
    id = args.id, all_subscriptions = args.all_subscriptions }
end

-- Returns the subscription in which the verb looks although its command line names none: that of the environment, or
-- the default one of az or azd, which costs a sign-in; else nil.
function context:implied_subscription(client)
  local args = self.args
  if not args.subscription or args.all_subscriptions or named_subscription(args) then return nil end
  if not client:settings().subscription_id then client:identity() end -- its error is that of the first request
  return client:settings().subscription_id
end

-- Adds members to the JSON envelope of the listing.
function context:add_to_envelope(members)
  self.envelope = self.envelope or {}
  for name, value in pairs(members) do self.envelope[name] = value end
  if self.out then self.out.envelope = self.envelope end
end

-- Adds to the JSON envelope when a listing was read, and its totals. counts: those of the verb.
function context:add_totals(counts)
  local totals = { unreadable = 0, unreadable_subscriptions = 0 }
  for _, place in ipairs(self.incomplete) do
    local member = place.kind == "subscription" and "unreadable_subscriptions" or "unreadable"
    totals[member] = totals[member] + 1
  end
  totals.accounts = self.found_count - totals.unreadable - #self.gone
  for name, value in pairs(counts) do totals[name] = value end
  self:add_to_envelope { read_at = require "azpec.date".stamp(math.floor(self:now())), totals = totals }
end

-- "2 accounts and 1 subscription could not be read".
local function unread_words(place_ids)
  return require "azpec.resource_id".counted(place_ids) .. " could not be read"
end

-- Handles an account that was deleted after it was found. The listing is complete without it.
local function pass_over(self, place)
  self.gone[#self.gone + 1] = place.id
  self:add_to_envelope { gone = require "azpec.json".list(self.gone) }
  self:note("azpec: %s is gone; passed over", name_of(place))
end

-- Keeps an error for the JSON envelope of the rows, which then says that not all was done or read. id (or nil): of the
-- connection that it is about.
function context:fall_short(err, id)
  local facts = failure.facts(err)
  facts.id = facts.id or id
  self.errors[#self.errors + 1] = facts
end

-- The same for a place that cannot be read. facts: of its error.
function context:add_unread(facts)
  self.unread_errors[#self.unread_errors + 1], self.errors[#self.errors + 1] = facts, facts
end

-- Handles a connection for which a function of the rules has failed: it is reported once, and the exit code is 12.
function context:undecided(id, message)
  local key = ("%s %s"):format(id:lower(), message)
  if self.incomplete[key] then return end
  self.incomplete[key], self.is_undecided = true, true
  local err = failure.new("other", message, { exit_code = context.codes.some_failed, id = id })
  self.untold[#self.untold + 1] = err
  self:fall_short(err)
end

-- Handles one of several subscriptions or accounts that cannot be read: it is reported once, the listing continues, and
-- the exit code says that it is partial.
function context:unreadable(err, place)
  if err.is_gone then return pass_over(self, place) end
  self.unread[place.id:lower()] = err
  local key = ("%s %s %s"):format(place.id:lower(), err.kind, err.message)
  if self.incomplete[key] then return end
  self.incomplete[key] = true
  self.incomplete[#self.incomplete + 1] = place
  local shown = failure.with(err, { message = ("cannot read %s: %s"):format(name_of(place), err.message),
    place = place.id })
  self.untold[#self.untold + 1] = shown
  self:add_unread(failure.facts(shown))
end

-- Returns what errors of an earlier command say. An error without place and id is of the command as a whole.
local function words_of_errors(errors)
  local place_ids, failed, parts = {}, 0, {}
  for _, err in ipairs(errors) do
    if type(err.place) == "string" then
      place_ids[#place_ids + 1] = err.place
    elseif err.id then
      failed = failed + 1
    else
      parts[#parts + 1] = "the command before this one failed: " .. tostring(err.message)
    end
  end
  if failed > 0 then
    table.insert(parts, 1, "the command before this one has failed for " .. text.count(failed, "connection"))
  end
  if #place_ids > 0 then table.insert(parts, 1, unread_words(place_ids)) end
  return #parts > 0 and table.concat(parts, "; ") or "the command before this one gives no error"
end

-- Takes over the errors of an earlier command, so that this one's rows are not complete either. errors: their facts;
-- beginning: of the line that says so.
function context:inherit_unread(errors, beginning)
  for _, err in ipairs(errors) do
    if type(err.place) == "string" then
      self.incomplete[#self.incomplete + 1] = require "azpec.resource_id".parse(err.place) or {}
    end
    self:add_unread(err)
  end
  self.falls_short = true
  self.inherited = "azpec: " .. beginning .. words_of_errors(errors)
  if not self:is_json() then self:say("%s", self.inherited) end
end

-- Reports the places that could not be read, and the failed functions of rules, since the last call; called after the
-- rows of a listing.
function context:tell_unread()
  local untold = self.untold
  self.untold = {}
  for _, err in ipairs(untold) do self:complain(err) end
end

-- Returns whether a connection's account or subscription could not be read in the last listing.
function context:is_unread(connection_id)
  for place in pairs(self.unread) do
    if connection_id:lower():find(place .. "/", 1, true) == 1 then return true end
  end
  return false
end

-- Forgets the notes, errors and unreadable places of earlier listings, so that the exit code speaks of the next one.
function context:start_anew()
  self.notes, self.told_found = {}, nil
  self.untold, self.errors, self.unread_errors, self.incomplete, self.is_undecided = {}, {}, {}, {}, nil
end

-- Returns the number of places that could not be read in the last listing, in words.
function context:unread_words()
  local place_ids = {}
  for id in pairs(self.unread) do place_ids[#place_ids + 1] = id end
  return unread_words(place_ids)
end

-- Returns the reason why the last listing is partial, or nil.
function context:last_unread()
  local _, err = next(self.unread)
  return err
end

-- Returns the line that says that there is no account at all. A missing right looks like that, and success must not: a
-- verb that has --allow-none ends with the error unless it is given.
local function words_of_none(self, none)
  if self.args.allow_none == false then
    error(failure.with(none, { hint = none.hint .. "; if no account exists, give --allow-none" }), 0)
  end
  return ("azpec: %s: %s"):format(none.message, failure.facts(none).hint)
end

-- Returns what may be missing from the found accounts, and what is slower; or nil.
local function words_of_found(found, by_graph)
  if by_graph then
    return ("azpec: %s read, in which Azure Resource Graph shows matching connections; it may lag by minutes or more")
      :format(#found.accounts == 1 and "1 account is" or #found.accounts .. " accounts are")
  elseif found.graph_err then
    return ("azpec: Azure Resource Graph gives no whole answer (%s); every account that Azure Resource Manager lists "
      .. "is read"):format(found.graph_err.message)
  elseif found.graph_is_empty then
    return "azpec: Azure Resource Graph shows no account; every account that Azure Resource Manager lists is read"
  end
end

-- Tells how the accounts were found, once for each answer. An empty answer is reported also with -q, unless
-- --allow-none expects it. none: the error that says so, or nil.
local function tell_found(self, found, none)
  for _, account in ipairs(found.accounts) do self.places:add(account) end
  self.found_accounts, self.found_count = found.accounts, #found.accounts
  local by_graph = found.source == "graph" and self.args.candidates_from == "graph"
  self.accounts_from = found.source ~= "named" and found.source or nil
  self:add_to_envelope { candidates_from = by_graph and "graph" or nil, accounts_from = self.accounts_from }
  local words = none and words_of_none(self, none) or words_of_found(found, by_graph)
  local tell_it = none and not self.args.allow_none and self.say or self.note
  if words and words ~= self.told_found then tell_it(self, "%s", words) end
  self.told_found = words
end

-- Returns where the last listing has searched, as advice after it has found nothing; nil if the command line names the
-- account. place: of a word, or nil.
function context:where_searched(place)
  local args, count = self.args, self.found_count
  if not count or args.account or args.id or place then return nil end
  count = count - #self.gone
  for _, unread in ipairs(self.incomplete) do
    if unread.kind ~= "subscription" then count = count - 1 end
  end
  return ("%s %s searched%s"):format(text.count(count, "Batch account"), count == 1 and "was" or "were",
    args.all_subscriptions and "" or "; --all-subscriptions searches all subscriptions")
end

-- Returns the scope (default: the options') with what a listing needs beside it.
local function listing_of(self, where)
  local scope = where or self:scope()
  scope.candidates = self.args.candidates_from == "graph" and (self.candidates or {}) or nil
  scope.source = self.args.candidates_from == "arm" and "arm" or nil
  function scope.on_found(found, none) tell_found(self, found, none) end
  self.unread, self.gone, self.envelope = {}, {}, nil
  self.found_count = 1 -- the id of a connection finds no accounts
  if not self.args.fail_fast then
    function scope.on_error(err, place) self:unreadable(err, place) end
  end
  return scope
end

-- Iterates over the connections of a scope (default: the options'), for a generic `for`. If several places are listed,
-- those that cannot be read are passed over, unless --fail-fast. self.candidates: with --candidates-from, the
-- connections that make an account worth reading (azpec.fleet).
function context:connections(client, where)
  return require "azpec.scope".connections(client or self:client(), listing_of(self, where))
end

-- Iterates over the accounts of the options' scope, each with the list of its connections, likewise. The third value is
-- the error of an account or a subscription of several that cannot be read.
function context:accounts(client)
  local scope, shown = listing_of(self), self:progress()
  local on_found, counts = scope.on_found, nil
  function scope.on_found(found, none)
    on_found(found, none)
    if #found.accounts < 2 then return end
    counts = { done = 0, failed = 0, total = #found.accounts }
    shown:begin(counts.total)
  end
  local following, _, _, closing = require "azpec.scope".accounts(client or self:client(), scope)
  return function ()
    local account, connections, err = following()
    if counts and account and account.kind == "account" then
      counts.done, counts.failed = counts.done + 1, counts.failed + (err and 1 or 0)
      counts.running = math.min(require "azpec.fleet".at_once, counts.total - counts.done)
      shown:update(counts)
    end
    return account, connections, err
  end, nil, nil, setmetatable({}, { __close = function ()
    local list <close> = closing -- luacheck: ignore
    shown:close()
  end })
end

-- Returns the final exit code for a verb's own: 12 if the listing was partial, or a function of the rules failed.
function context:code_of(code)
  local codes = self.codes
  self:tell_unread()
  local is_told = self.inherited or #self.incomplete == 1 -- a single one has been named
  if (#self.incomplete > 0 or self.falls_short) and (self:is_json() or not is_told) then
    local place_ids = {}
    for n, place in ipairs(self.incomplete) do place_ids[n] = place.id end
    self:conclude("%s", self.inherited or "azpec: " .. unread_words(place_ids))
  end
  local falls_short = #self.incomplete > 0 or self.is_undecided or self.falls_short
  return falls_short and (code == 0 or code == codes.changes) and codes.some_failed or code
end

return context
