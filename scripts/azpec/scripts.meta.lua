---@meta

--- Types of the modules for scripts, for editors (LuaCATS). Each module's own file begins with how to use it.
--- tests/scripts/meta_spec.lua fails when this file and the modules differ. azpec.meta.lua has those of azpec itself.

--- ---- azpec.run: many changes at once -------------------------------------------------------------------------------

--- The change of a connection; "set" gives it the item's `status`.
---@alias azpec.run.Action "approve"|"reject"|"delete"|"set"

--- One change. Members that are not listed here are kept, for the caller's own use.
---@class azpec.run.Item
---@field id string the connection's id
---@field action? azpec.run.Action absent: as its token or status says
---@field status? string of "set"
---@field description? string the new one
---@field etag? string nothing is written if the connection's is another one
---@field if_match? nil is refused: the guard of an item is its etag
---@field rule? string for the journal
---@field reason? string for the journal
---@field connection? azpec.Connection as it was just read
---@field gone? boolean it was looked for and is not there
---@field err? azpec.Error|azpec.Failure why it is not begun
---@field stale? string why it is not begun: it was changed
---@field impossible? string why it is not begun
---@field token? string a continuation token
---@field write? boolean whether the token may send its update again
---@field begun_before? boolean an earlier run began it
---@field call? string its call in the journal
---@field found? azpec.journal.State as the earlier run found it
---@field before? string its status then

--- The options of azpec.run.run.
---@class (exact) azpec.run.Options
---@field client azpec.Client of azpec.client or journal.client
---@field items azpec.run.Item[]|fun(): azpec.run.Item? a list, or a function that returns the next one
---@field parallel? integer how many are under way at once, 1 at least; default: 100
---@field timeout? number seconds for each; default: the client's
---@field deadline? number seconds for all; default: no limit
---@field summary? azpec.run.Summary of run.summary(); is kept up to date during the run
--- leaves an operation alone once it is accepted, and one with a token once a poll has shown that it is still running;
--- default: false
---@field no_wait? boolean
---@field dry_run? boolean sends nothing, also for what has begun; default: false
--- called before an item begins; returns options for it, or false and an error, which ends the run
---@field on_begin? fun(item: azpec.run.Item): table|false|nil, any
---@field on_result? fun(result: azpec.run.Result) called when an item has ended
--- called with numbers of items so far
---@field on_progress? fun(counts: { done: integer, running: integer, failed: integer })
---@field track? fun(poller: azpec.Poller) called with each new poller, so that it can be canceled

--- How an item ended.
---@alias azpec.run.Outcome
---| "changed" # it is as asked now
---| "would change" # of a dry run
---| "begun" # of no_wait: the service has accepted it
---| "unchanged" # it was already as asked
---| "impossible" # the service does not make this change; see azpec.transitions
---| "stale" # another one has changed it
---| "failed" # it is not as asked
---| "unknown" # a write may be under way at the service, or nothing shows how that of an earlier run ended

--- The end of an item.
---@class azpec.run.Result
---@field item azpec.run.Item which one
---@field outcome azpec.run.Outcome how it ended
---@field before? azpec.Connection the connection as it was found
---@field after? azpec.Connection the connection as it is now
--- why it failed, or is unknown; a Failure where nothing was sent, of the kind "usage" for an item that cannot be right
---@field err? azpec.Error|azpec.Failure
---@field why? string a sentence, where it was not begun
---@field ids { request_id: string?, correlation_id: string?, client_request_id: string? } those of the last answer
---@field resumed? boolean an earlier run began it
---@field token? string how to go on with what is begun or unknown

--- How far a run has come. It also has the number of items with each outcome, under the outcome's name.
---@class azpec.run.Summary
---@field taken integer how many items were taken up
---@field left? "deadline"|"refused"|"credential"|"journal" why others were not
--- the error that ended the run; if it is retryable, the items that were not taken up can be run again
---@field err? any

---@class azpec.run
---@field outcomes azpec.run.Outcome[] all of them
---@field bad table<azpec.run.Outcome, true> those that ask for a person's attention
local run = {}

--- Carries out all items. Raises an error for an unknown option or action, for "set" without a status, and for an item
--- without `id` or with `if_match`, before anything is sent; if `items` is a function, such an item fails instead. An
--- item that is no table always raises an error.
---@param options azpec.run.Options
---@return azpec.run.Summary summary
function run.run(options) end

--- Forecasts an item by the known state of its connection.
---@param item azpec.run.Item
---@return "unchanged"|"allowed"|"impossible"|"in progress"|nil result nil: nothing is known of the connection
---@return string? reason
function run.forecast(item) end

--- The status that an item asks for; nil: only its token knows.
---@param item azpec.run.Item
---@return string? status its new status, or "Deleted"
function run.status_of(item) end

--- A summary in which no item has ended.
---@return azpec.run.Summary summary
function run.summary() end

--- ---- azpec.journal: who changed what, and how far a run has come ---------------------------------------------------

--- The state of a connection in a line.
---@class azpec.journal.State
---@field etag? string its ETag
---@field status? string its status
---@field description? string cut at 4 KiB
---@field provisioning_state? string of its last operation

--- The options of azpec.journal.open.
---@class (exact) azpec.journal.Options
---@field run? string the run's name; default: a new one
---@field who? table as from journal.who
---@field ticket? string recorded with each write
---@field azpec? string the version
---@field subject? string names the task of the run, which no other program uses; its next run continues this one
---@field command? string the command line that begins such a run; is not recorded if it is longer than 16 KiB
--- seconds to wait while another process writes; default: 10. Meanwhile the event loop is blocked. Under cqueues this
--- happens only before a write is sent.
---@field patience? number

--- The options of azpec.journal.client.
---@class (exact) azpec.journal.ClientOptions
---@field verb? string what the program does, recorded with each write
--- what is recorded of a connection, by its id
---@field about? fun(id: string): { verb: string?, rule: string?, reason: string?, before: azpec.Connection? }?

--- An operation without a known result.
---@class azpec.journal.Unfinished
---@field line integer of its last intent
---@field at string RFC 3339
---@field run? string the name of its run
---@field verb? string what the program did
---@field command? string the command line that began its run
---@field ticket? string as the journal was opened with it
---@field call string one id for all lines of the operation
---@field connection string its id

--- The result of azpec.journal.verify.
---@class azpec.journal.Report
---@field ok boolean it has lines, and no problems
---@field intact boolean whether the chain is whole
---@field lines integer how many there are
---@field last? { seq: integer, hash: string } the anchor to keep elsewhere
--- kinds: "changed", "removed", "added", "reordered", "torn", "unannounced"
---@field problems { line: integer, kind: string, message: string }[]
---@field repaired integer[] the lines at which an interrupted write to the file ended
---@field open integer[] the lines of intents without a known result
---@field unfinished azpec.journal.Unfinished[] the same
---@field left_out integer the number of lines that are not as azpec wrote them, and missing from journal.read

--- A run of a journal, of azpec.journal.runs.
---@class azpec.journal.Run
---@field run string its name
---@field at string the time of its first line; RFC 3339, in UTC
---@field ended_at string the time of its last line
---@field verb? string the verb of the command
---@field command? string the command line that began it
---@field who? table as from journal.who
---@field ticket? string as the journal was opened with it
---@field change_reference? string of its first write
---@field reason? string if all its writes have the same one
---@field writes integer the number of its writes
---@field changed integer how many of them changed their connection
---@field unchanged integer how many found it as it was to be
---@field failed integer how many failed
---@field unfinished integer how many have no known result
---@field changes integer how many have changed something, or may have: changed and unfinished

--- A journal to append to. azpec.journal.client calls the methods that write.
---@class azpec.journal.File
---@field open_elsewhere? integer[] after unfinished: the lines of open intents of other subjects
local File = {}

--- Records that a write is about to be sent, and reserves room for its result. Without an entry the write must not be
--- sent.
---@param about table
---@return table? entry
---@return azpec.Error? err
function File:intend(about) end

--- Continues an operation whose intent an earlier process has recorded: reserves room for its result, and writes no
--- line.
---@param about table
---@return table? entry
---@return azpec.Error? err
function File:follow(about) end

--- Gives up an entry that will have no result.
---@param entry table
function File:forget(entry) end

--- Records the end of a write. The error's `record` is the result that could not be written.
---@param entry table
---@param done any
---@param err? azpec.Error
---@param ids? { request_id: string?, correlation_id: string? }
---@return table? place
---@return azpec.Error? err
function File:conclude(entry, done, err, ids) end

--- Checks that the journal can be written, and creates the file if needed.
---@return true? ok
---@return azpec.Error? err
function File:check() end

--- Checks that the journal can be written, and that no line of it was changed.
---@return true? ok no line was changed
---@return azpec.Error? err
function File:check_lines() end

--- The operations that earlier runs of the same subject have begun and whose end is not recorded. It reads the whole
--- file: call it at the start, and after a run with the outcome "unknown", while no write is under way. Raises an error
--- if the journal was opened without `subject`.
---@param wanted? azpec.run.Item[] returns also those of other subjects that do the same to the same connection
---@return azpec.run.Item[]? items
---@return azpec.Error? err
function File:unfinished(wanted) end

--- Begins a new run, in a process that carries out one after the other: its lines have a new name, `counts` begins
--- anew, and the file may have been renamed since. For when no write is under way.
function File:next_run() end

--- Counts the connections by wanted status: those of the items and those that earlier processes of this run have
--- begun, each once. Those that this process has begun are counted only if they are among the items.
--- `azpec.rules.Set:excess` compares the counts with the limits of rules.
---@param items azpec.run.Item[]
---@return table<string, integer> counts by status
function File:counts(items) end

---@class azpec.journal
local journal = {}

--- A journal to append to. Its file is created with the first line. Raises an error for a wrong option.
---@param path string
---@param options? azpec.journal.Options
---@return azpec.journal.File
function journal.open(path, options) end

--- A client that records each of its writes. A write that cannot be recorded is not sent; its error has the kind
--- "journal". It has the methods of an azpec.Client, and its pollers those of an azpec.Poller, but both are tables:
--- azpec.type returns nil for them. Several clients may share one azpec.journal.File.
---@param client_fields azpec.ClientOptions
---@param to azpec.journal.File
---@param options? azpec.journal.ClientOptions
---@return azpec.Client
function journal.client(client_fields, to, options) end

--- The runs of a journal, in the order of their first writes.
---@param records table[] of journal.read
---@return azpec.journal.Run[] runs
function journal.runs(records) end

--- A new name for a run.
---@return string name that sorts by time
function journal.new_run() end

--- The shortest name of an identity.
---@param who? table as from journal.who
---@return string? name
function journal.name_of(who) end

--- The part of an identity that is recorded: the kind of the credential, and the claims that name it.
---@param identity azpec.Identity
---@return table who
function journal.who(identity) end

--- Reads and verifies a journal.
---@param path string
---@param anchor? string "NUMBER:HASH"
---@return table[]? records each with its number in the file, `line`
---@return azpec.journal.Report|string report
function journal.read(path, anchor) end

--- Verifies that a journal is as it was written. With an anchor it also detects a truncated file.
---@param path string
---@param anchor? string "NUMBER:HASH"
---@return azpec.journal.Report? report
---@return string? why
function journal.verify(path, anchor) end

--- Combines intents and results, in the order of the intents.
---@param records table[]
---@param filter? { run: string?, since: number?, connection: string? }
---@return table[] writes each with the number of its last intent in the file, `line`
function journal.writes(records, filter) end

--- ---- azpec.undo: a run brought back --------------------------------------------------------------------------------

---@class azpec.undo
local undo = {}

--- The items that revert a run of a journal file. Raises an error for an unknown option.
---@param path string
---@param run string
---@param options? { reject: boolean? }
---@return azpec.run.Item[]? items
---@return string? why
---@return boolean? is_unknown the journal has no such run
function undo.read(path, run, options) end

--- The items that revert writes. An approval becomes Pending again, or with `reject` is rejected. Raises an error for
--- an unknown option.
---@param writes table[]
---@param options? { reject: boolean? }
---@return azpec.run.Item[]
function undo.items(writes, options) end

--- Reads the connections: sets `connection` in each item, `stale` where one was changed since, and `err` where one
--- cannot be read.
---@param items azpec.run.Item[]
---@param client azpec.Client
function undo.check(items, client) end

--- ---- azpec.failure -------------------------------------------------------------------------------------------------

--- An error of these modules or the command, in the shape of azpec.Error. tostring: "kind: message; hint".
---@class azpec.Failure
---@field kind string azpec.ErrorKind's, "usage", "no_match", "ambiguous", "too_many", "journal", "plan", "edited", ...
---@field message string for people
---@field hint? string what to do
---@field id? string the connection or account concerned
---@field candidates? azpec.Connection[] of a selection: those that match, or come nearest
---@field count? integer of a selection: how many match
---@field more? integer of a selection: how many candidates are not in the list, which has at most 100
---@field is_gone? true of azpec.fleet and what uses it: the account was deleted
---@field unfinished? true of azpec.journal's client: nothing shows how the write of another process ended

---@class azpec.failure
local failure = {}

--- An error of that kind.
---@param kind string
---@param message string
---@param more? table<string, any> further members
---@return azpec.Failure
function failure.new(kind, message, more) end

--- A copy of an error with other members.
---@param err azpec.Error|azpec.Failure
---@param more table<string, any>
---@return azpec.Failure
function failure.with(err, more) end

--- Whether an error proves that the resource of the request does not exist: a 404 with Azure Resource Manager's code.
---@param err azpec.Error|azpec.Failure
---@return boolean
function failure.proves_absence(err) end

--- The error of a request for an account. For each 404 the module advises to check the name of a connection; here the
--- hint names the account.
---@param err azpec.Error|azpec.Failure
---@return azpec.Error|azpec.Failure
function failure.of_account(err) end

--- ---- azpec.wait ----------------------------------------------------------------------------------------------------

--- The options of azpec.wait.wait and azpec.wait.all.
---@class (exact) azpec.wait.Options
---@field client azpec.Client reads the connections
---@field what string|azpec.wait.Condition one of "exists", "gone", "status=STATUS" and "provisioning=STATE"
---@field id? string of wait.wait
---@field ids? string[] of wait.all
---@field selector? azpec.select.Selector which connections, in place of ids
---@field scope? azpec.scope.Scope where to look for them
--- in place of id, ids and selector; the second result: others may be missing
---@field look? fun(has_ended: fun(key: string): boolean): azpec.wait.Found[], boolean?
---@field timeout? number seconds for everything; default: 300; 0: one poll
---@field settle? number seconds for which the condition must hold; default: 0
---@field interval? number seconds between two polls; default: 2, growing to 15
--- another state is seen; nil: none, or not known
---@field on_change? fun(connection: azpec.Connection?, is_unknown: boolean?)
---@field on_pause? fun(seconds: number, pending: integer) before each pause; pending: those that have not ended
---@field on_result? fun(result: azpec.wait.Result, count: integer) one of so many has ended

--- A connection as a poll has found it.
---@class azpec.wait.Found
---@field key string one for the same connection in each poll
---@field id? string its id
---@field name? string its name
---@field connection? azpec.Connection nil: there is none
---@field err? azpec.Error it cannot be read: it has ended
---@field is_unknown? boolean its state could not be read this time

--- The end of the wait for one connection.
---@class azpec.wait.Result
---@field key string that of azpec.wait.Found
---@field id? string its id
---@field name? string its name
---@field connection? azpec.Connection as last read
---@field is_so boolean whether the condition held
---@field is_unknown? boolean its state could not be read the last time
---@field err? azpec.Error it cannot be read, or the condition cannot hold any more

--- A condition to wait for.
---@class azpec.wait.Condition
---@field text string the condition in words
---@field holds fun(connection: azpec.Connection?): boolean nil: the connection is gone
---@field hopeless? fun(connection: azpec.Connection): string? why it cannot hold any more

---@class azpec.wait
---@field conditions string[] all that can be waited for
local wait = {}

--- Waits for one connection, by `id`, or by `selector` and `scope`.
---@param options azpec.wait.Options
---@return boolean? is_so nil: it cannot be read, or the condition cannot hold any more
---@return azpec.Connection|azpec.Error|nil connection
function wait.wait(options) end

--- Waits for several, by `ids`, or by `selector` and `scope`: all that match at the first poll that finds any.
---@param options azpec.wait.Options
---@return boolean are_so
---@return azpec.wait.Result[] results
function wait.all(options) end

--- Parses a condition.
---@param word string
---@return azpec.wait.Condition? condition
---@return string? why
function wait.condition(word) end

--- ---- azpec.plan ----------------------------------------------------------------------------------------------------

--- A plan that is being made.
---@class azpec.plan.Draft
local Draft = {}

--- Adds a decision. A connection that is ignored, or already as wanted, is only counted. Raises an error if its ETag
--- cannot be sent as If-Match, or if the plan has the connection already.
---@param connection azpec.Connection
---@param decision azpec.rules.Decision
function Draft:add(connection, decision) end

--- Records the places that could not be read: with any of them the plan has `complete` = false, and `errors`.
---@param errors { place: string, kind: string, message: string, code: string?, http_status: integer? }[]
function Draft:note_unread(errors) end

--- The number of connections that the plan would change.
---@return integer
function Draft:changes() end

--- The plan as text.
---@param key? string signs it
---@return string
function Draft:text(key) end

--- Writes the plan to a file, completely or not at all.
---@param path string
---@param key? string signs it
---@return true? ok
---@return string? why
---@return boolean? is_other there is a file of another kind, which stays
function Draft:write(path, key) end

---@class azpec.plan
---@field version integer that of the format
local plan = {}

--- The options of azpec.plan.new.
---@class (exact) azpec.plan.Options
---@field rules azpec.rules.Set which the plan names by file and hash
---@field tool? string the program that makes the plan
---@field who? table the identity that makes it, as from azpec.journal.who
---@field endpoint? string the service's URL
---@field ticket? string for the journal of the run
---@field change_reference? string the id of the change that allows the writes, for azpec.client
---@field now? number seconds since 1970; default: now

--- An empty plan.
---@param options azpec.plan.Options
---@return azpec.plan.Draft
function plan.new(options) end

--- Reads a plan from a file. The error has the kind "plan", or "edited".
---@param path string
---@param key? string it has to be signed with it
---@return table? plan
---@return table? err
function plan.read(path, key) end

--- Reads a plan from a text. The error has the kind "plan", or "edited".
---@param text string
---@param key? string
---@return table? plan
---@return table? err
function plan.parse(text, key) end

--- Whether a file that begins so is a plan.
---@param beginning string first bytes of a file
---@return boolean
function plan.is_one(beginning) end

--- Reads the connections that the items would change: sets `connection` in each, `stale` where one has changed, `err`
--- where one cannot be read. `stale` and `other_decision` are texts that say how it has changed. The second one is set
--- in place of the first where the connection has the planned status, but the description of another decision.
---@param items table[] of a plan
---@param client azpec.Client
---@param options? { timeout: number? }
function plan.check(items, client, options) end

--- An item of azpec.run from an item of the plan, with what plan.check has found.
---@param item table of a plan
---@return azpec.run.Item
function plan.item(item) end

--- ---- azpec.select --------------------------------------------------------------------------------------------------

--- Selects connections. tostring: "name 'build' and status 'Pending'".
---@class azpec.select.Selector
local Selector = {}

--- Whether it has no field, and so matches every connection.
---@return boolean
function Selector:is_empty() end

--- The fields that do not match the facts; empty: all match.
---@param facts table
---@return table[]
function Selector:differences(facts) end

--- Why the facts do not match, by the first field, for people: "name is 'lab-1', not 'web-*'".
---@param facts table
---@return string? difference nil: all match
function Selector:difference(facts) end

--- Whether a connection matches.
---@param connection azpec.Connection
---@return boolean
function Selector:matches(connection) end

--- The one connection that matches; of none or several, an error of the kind "no_match" or "ambiguous", with
--- candidates.
---@param ... any a list of connections, or an iterator
---@return azpec.Connection? connection
---@return table? err
function Selector:one(...) end

--- All connections that match; else an error of the kind "no_match", or "too_many" if more than `max` match.
---@param connections azpec.Connection[]|function
---@param options? { max: integer? }
---@return azpec.Connection[]? connections
---@return table? err
function Selector:all(connections, options) end

--- Filters an iterator, for a generic `for`: only connections that match.
---@param iterator function
---@param state any
---@param control any
---@param closing any
---@return fun(): azpec.Connection?, any next and the further values of the iterator
---@return nil
---@return nil
---@return any closing
function Selector:filter(iterator, state, control, closing) end

--- For a listing in which nothing may match.
---@return fun(connection: azpec.Connection) look takes each connection that does not match
---@return fun(): azpec.Connection[] nearest those that were probably meant, the nearest first
function Selector:follow_nearest() end

---@class azpec.select
---@field fields string[] the fields of a selector
local select = {}

--- A selector by these fields; without any it matches every connection. Raises an error for an unknown field or a
--- wrong type.
---@param wanted table<string, string|string[]>
---@param names? table<string, string> by field, what messages call it
---@param now? fun(): number the time with which ages are calculated; default: os.time
---@return azpec.select.Selector
function select.new(wanted, names, now) end

--- The facts of a connection. What the service did not send is absent.
---@class azpec.select.Facts
---@field id? string its id
---@field name? string its name, or the last part of its id
---@field base_name? string the name without its GUID
---@field status? string "Pending" and so on
---@field description? string the requester's text, or that of the last decision
---@field provisioning_state? string of its last operation, such as "Succeeded"
---@field group_ids string[] such as { "batchAccount" }
---@field etag? string its ETag
---@field subscription_id? string the GUID of the account's subscription
---@field resource_group_name? string the account's resource group
---@field account_name? string the Batch account
---@field private_endpoint? string the private endpoint's id
---@field private_endpoint_name? string the last part of that id
---@field private_endpoint_resource_group? string the resource group in that id
---@field private_endpoint_subscription? string the GUID of the subscription in that id
---@field created_at? string when it was created, from api-version 2025-06-01
---@field created_by? string who created it, likewise

--- The facts of a connection in one table.
---@param connection azpec.Connection
---@return azpec.select.Facts facts
function select.facts(connection) end

--- The ETag to send as If-Match; nil: the service sent none. One that cannot be sent is an error of the kind
--- "protocol".
---@param connection azpec.Connection
---@return string? etag
---@return azpec.Error? err
function select.etag(connection) end

--- A connection in one line, for people.
---@param connection azpec.Connection
---@return string line
function select.describe(connection) end

--- ---- azpec.rules ---------------------------------------------------------------------------------------------------

--- A decision of the rules on a connection.
---@class azpec.rules.Decision
---@field action "approve"|"reject"|"hold"|"ignore" what is to be done
---@field reason string for people
---@field rule? string the name of the rule that decided
---@field line? integer its line in the file
---@field status? string its new status
---@field description? string its new description; absent: it stays
---@field changes? boolean whether that is a change
---@field impossible? boolean the service does not make the change; see azpec.transitions
---@field failed? boolean a rule's function failed
---@field unmatched? azpec.rules.Unmatched[] with `explain`: the rules before the one that decided

--- A rule that did not match.
---@class azpec.rules.Unmatched
---@field rule string its name
---@field line integer its line in the file
---@field why string the first condition that does not hold, for people: "name is 'lab-1', not 'web-*'"

--- The options of azpec.rules.Set:decide, azpec.drift.of and azpec.drift.find.
---@class (exact) azpec.rules.DecideOptions
---@field ticket? string replaces {ticket} in a description; default: ""
---@field now? number the time, in seconds since 1970; default: os.time
---@field first_seen? number when the connection was first listed, in seconds since 1970; default: by its own date alone
--- the host's own facts, or a function that returns them, which is called only if a rule's function is. Without them
--- the request is held if that function reads the fact `facts`
---@field facts? table|fun(connection: azpec.Connection): table
---@field explain? boolean the decision says why earlier rules did not match; default: false

--- The rules of a file.
---@class azpec.rules.Set
---@field source string the file's name
---@field sha256 string of its content, in hexadecimal digits
---@field expectations integer the number of its expectations, all of which hold
local Set = {}

--- Decides on a connection. If the function of a rule fails, as by reading an unknown member of its arguments, or
--- azpec.enrich does not take its facts, the request is held.
---@param connection azpec.Connection
---@param options? azpec.rules.DecideOptions
---@return azpec.rules.Decision
function Set:decide(connection, options) end

--- The names of the rules.
---@return string[] names in the order of the file
function Set:names() end

--- The name of a rule whose description has {ticket}.
---@return string? rule
function Set:speaks_of_ticket() end

--- The name of a rule that uses ages, which not every api-version has; see azpec.api_versions.
---@return string? rule
function Set:speaks_of_age() end

--- The name of a rule that is not about pending requests alone.
---@return string? rule
function Set:speaks_of_status() end

--- Rules that are right, but probably not meant so: `when` names a status that never becomes the rule's own.
---@return string[] messages for people, with file and line
function Set:warnings() end

--- Says what exceeds at_most, or the caller's own limit on both together; nil: nothing does. Counts are by action, as
--- in the summary of a plan, or by status, as of `azpec.journal.File:counts`. The summary's hold, ignore and unchanged
--- have no limit. Any other count, such as Deleted, raises an error, since at_most cannot limit it.
---@param counts { approve: integer?, reject: integer?, Approved: integer?, Rejected: integer? }
---@param more? integer
---@return string? message
---@return "approve"|"reject"|"changes"|"more"|nil limit the field of at_most that is exceeded, or "more"
function Set:excess(counts, more) end

---@class azpec.rules
local rules = {}

--- The result of a decision that is only shown.
---@param decision azpec.rules.Decision
---@return "would approve"|"would reject"|"held"|"ignored"|"unchanged"|"impossible"
function rules.result(decision) end

--- The item of azpec.run that carries a decision out.
---@param connection azpec.Connection
---@param decision azpec.rules.Decision
---@return azpec.run.Item? item nil: the decision changes nothing
function rules.item(connection, decision) end

--- Reads rules from a file.
---@param path string
---@param names? { facts: string } what messages call the option `facts` of azpec.rules.Set:decide
---@return azpec.rules.Set? set
---@return string? why as for `azpec.rules.parse`
function rules.read(path, names) end

--- Reads rules from a text. All errors are found, unless Lua cannot run the text to its end.
---@param source string
---@param name? string the file's name in messages; default: "rules"
---@param names? { facts: string } as for `azpec.rules.read`
---@return azpec.rules.Set? set
---@return string? why a line with file and line for each error, at most 20; for several a last one with their number
function rules.parse(source, name, names) end

--- Limits of all rules together. A run that would exceed one of them changes nothing.
---@class (exact) azpec.rules.Limits
---@field approve? integer approvals, not negative; default: no limit
---@field reject? integer rejections, not negative; default: no limit
---@field changes? integer both together, not negative; default: no limit

--- A condition, for `when` and `unless`. A text is exact, or has `*` and `?`; of a list, one must match. All
--- fields that are there must match.
---@class (exact) azpec.rules.Condition
---@field id? string|string[] its id, or that of its private endpoint
---@field name? string|string[] its name, with or without the GUID
---@field status? string|string[] "Pending" and so on; without it, the rule is about pending requests
---@field provisioning_state? string|string[] of its last operation, such as "Failed"
---@field description? string|string[] compared with letter case
---@field group_id? string|string[] such as "batchAccount"
---@field private_endpoint? string|string[] the private endpoint's id or name
---@field private_endpoint_name? string|string[] the last part of that id
---@field private_endpoint_resource_group? string|string[] the resource group in that id
---@field private_endpoint_subscription? string|string[] the GUID of the subscription in that id
---@field subscription_id? string|string[] the GUID of the account's subscription
---@field resource_group_name? string|string[] the account's resource group
---@field account_name? string|string[] the Batch account
--- an age with its unit: "90s", "15m", "2h", "7d", "2w". It never matches a connection without a date, as it is read
--- before api-version 2025-06-01, and without `first_seen`
---@field older_than? string
---@field younger_than? string likewise
--- of the facts (azpec.select.facts, and `facts`, the host's own) and the time; true: it matches. The second result is
--- the reason. Reading an unknown member is an error. It may call no function but those of azpec.rules.Words
---@field where? fun(facts: azpec.rules.Facts, time: azpec.rules.Time): boolean?, string?

--- The connection about which a rule's function is asked. What the service did not send is nil.
---@class azpec.rules.Facts: azpec.select.Facts
---@field facts table the host's own facts (azpec.enrich); without them, reading it is an error

--- The time at which a rule is asked, in UTC.
---@class azpec.rules.Time
---@field time number seconds since 1970
---@field year integer such as 2026
---@field month integer 1 to 12
---@field day integer 1 to 31
---@field hour integer 0 to 23
---@field min integer 0 to 59
---@field weekday string the English name, "Monday" for example

--- A rule. "approve" needs a `when` that says who asks. A function in place of a condition is its `where`. Texts have 1
--- to 1000 bytes of UTF-8.
---@class (exact) azpec.rules.Rule
--- the connections that it is about; default: all pending ones
---@field when? azpec.rules.Condition|fun(facts: azpec.rules.Facts, time: azpec.rules.Time): boolean?, string?
--- those of them that it is not about; default: none
---@field unless? azpec.rules.Condition|fun(facts: azpec.rules.Facts, time: azpec.rules.Time): boolean?, string?
---@field because? string the reason, for people; default: the condition in words
--- of approve and reject: the new description; {rule}, {reason}, {description}, {name} and {ticket} are filled in;
--- default: it stays as it is
---@field description? string

--- A connection about which the rules are asked when the file is read. Another decision than expected is an error.
---@class (exact) azpec.rules.Expectation
---@field id? string its id
---@field name? string its name
---@field status? string default: "Pending"
---@field description? string the requester's text
---@field provisioning_state? string of its last operation
---@field private_endpoint? string an id, from which the endpoint's names follow
---@field subscription_id? string the GUID of the account's subscription
---@field resource_group_name? string the account's resource group
---@field account_name? string the Batch account
---@field group_id? string default: "batchAccount"
---@field age? string such as "2d"; default: not known
---@field facts? table the host's own facts (azpec.enrich); default: {}
---@field rule? string the name of the rule that must decide

--- The names that a file of rules has, beside these of Lua: `error`, `ipairs`, `next`, `pairs`, `select`, `tonumber`,
--- `tostring`, `type`, `assert`; `insert`, `remove`, `concat` and `sort` of `table`; `len`, `lower`, `upper`, `sub`,
--- `find` and `format` of `string`; and `math` without random numbers. `find` takes plain text, and refuses what looks
--- like a pattern of Lua unless its last argument is true. Reading another name is an error, and so is setting a global
--- variable.
---@class azpec.rules.Words
---@field approve fun(name: string): fun(rule: azpec.rules.Rule) the status becomes "Approved"
---@field reject fun(name: string): fun(rule: azpec.rules.Rule) the status becomes "Rejected"
---@field hold fun(name: string): fun(rule: azpec.rules.Rule) a person decides
---@field ignore fun(name: string): fun(rule: azpec.rules.Rule) nothing is done, and nothing is said
---@field at_most fun(limits: azpec.rules.Limits) what all rules may do together
---@field expect fun(action: string): fun(connection: azpec.rules.Expectation) a test of the rules
---@field matches fun(text: string, pattern: string): boolean whether a text matches; `*` and `?` are special

--- ---- azpec.enrich --------------------------------------------------------------------------------------------------

--- Facts are strings, numbers, booleans, and tables of these: at most 16 deep, 10000 values and 262144 bytes.
---@class azpec.enrich
local enrich = {}

--- Reads a file of Lua, outside the sandbox, that returns a function of a connection.
---@param path string
---@return nil|fun(connection: azpec.Connection): table facts_of raises an error that names the file
---@return string? why
function enrich.read(path) end

--- Calls a function of facts. Raises a table with a message where it fails, or returns something else.
---@param f fun(connection: azpec.Connection): table
---@param connection azpec.Connection
---@return table facts a copy
function enrich.ask(f, connection) end

--- Copies facts. Raises a table with a message if they contain another type, or are too large.
---@param facts table
---@return table copy
function enrich.copy(facts) end

--- ---- azpec.report: a page about many connections -------------------------------------------------------------------

--- The data of a page.
---@class (exact) azpec.report.Data
---@field made_at number seconds since 1970, with which ages are calculated
---@field made_by? string the program and its version
---@field endpoint? string where the connections were read
---@field api_version? string by which they were read
---@field identity? string who read them
---@field scope? string where was looked
---@field accounts_from? "graph"|"arm" which service has listed the accounts; absent: they were named
---@field subscriptions? string[] ids of the subscriptions that were looked in, also of those without an account
---@field connections azpec.Connection[] as the service sent them
---@field accounts? string[] ids of accounts, also of those without a connection
---@field unreadable? azpec.report.Unreadable[] accounts and subscriptions
---@field gone? string[] ids of accounts that were deleted after they were found
---@field rules? azpec.report.Rules absent: without decisions
---@field journal? azpec.report.Journal absent: without writes

--- A place that could not be read.
---@class azpec.report.Unreadable
---@field id string of an account or a subscription
---@field kind? string azpec.ErrorKind's
---@field code? string the service's own code
---@field message? string for people

--- The rules, and what they decide.
---@class azpec.report.Rules
---@field file string its name
---@field sha256 string of its content
---@field names? string[] of all rules in the order of the file
---@field decisions table<string, azpec.rules.Decision> by the connection's id
---@field outside table<string, azpec.rules.Decision> by the id of each approved connection that no rule would approve

--- A journal, as azpec.journal reads it.
---@class azpec.report.Journal
---@field file string its name
---@field report azpec.journal.Report of journal.read
---@field writes table[] of journal.writes
---@field anchor? string that the report was made with

--- The numbers of a page.
---@class azpec.report.Totals
---@field accounts integer those that could be read
---@field connections integer all of them
---@field approved integer Approved
---@field pending integer Pending
---@field rejected integer Rejected
---@field disconnected integer Disconnected
---@field other integer of any other status
---@field outside integer approved connections that no rule would approve
---@field unrecorded integer approved or rejected connections that are not so by a write whose end the journal knows

---@class azpec.report
local report = {}

--- Writes a page.
---@param data azpec.report.Data
---@return string html equal data make equal bytes
---@return azpec.report.Totals totals
function report.render(data) end

--- Whether a file that begins so is a report.
---@param beginning string of a file, 1,000 bytes at least
---@return boolean
function report.is_one(beginning) end

--- ---- azpec.transitions ---------------------------------------------------------------------------------------------

---@class azpec.transitions
local transitions = {}

--- Forecasts a change of a connection.
---@param connection azpec.Connection
---@param wanted string a status, or "Deleted"
---@return "unchanged"|"allowed"|"impossible"|"in progress" result
---@return string? reason
function transitions.forecast(connection, wanted) end

--- Forecasts a change by the facts of azpec.select.facts.
---@param facts table
---@param wanted string
---@return "unchanged"|"allowed"|"impossible"|"in progress" result
---@return string? reason
function transitions.of(facts, wanted) end

--- The actions that a connection allows.
---@param connection azpec.Connection
---@return ("approve"|"reject"|"delete")[]
function transitions.possible(connection) end

--- Whether another change of the connection is under way; then with a sentence.
---@param facts table
---@return boolean
---@return string? reason
function transitions.is_in_progress(facts) end

--- ---- azpec.rights --------------------------------------------------------------------------------------------------

--- An action that azpec needs at an account.
---@class azpec.rights.Need
---@field action string such as "Microsoft.Batch/batchAccounts/read"
---@field purpose string for people
---@field or_else? string another action that serves as well
---@field essential? boolean approving needs it

---@class azpec.rights
---@field needed azpec.rights.Need[] all of them
local rights = {}

--- Whether one of the permissions has the action among its `actions`, and not among its `notActions`.
---@param permissions azpec.Permission[] of azpec.Client:list_permissions
---@param action string
---@return boolean
function rights.allows(permissions, action) end

--- The actions that are not granted.
---@param permissions azpec.Permission[] of azpec.Client:list_permissions
---@return azpec.rights.Need[] missing empty: all are granted
function rights.missing(permissions) end

--- ---- azpec.doctor --------------------------------------------------------------------------------------------------

--- The checks.
---@alias azpec.doctor.Check
---| "proxy" # the proxy, if there is one, lets requests through
---| "tls" # the service answers, and its certificate is trusted
---| "clock" # the clock agrees with the service's
---| "signin" # a token is provided
---| "api-version" # the service accepts the api-version
---| "account" # the account can be read; or those of `where` can be listed
---| "rights" # the identity has the rights that azpec.rights names
---| "limits" # the remaining rate limits
---| "dns" # the account's name resolves to a private address on this machine

--- The options of azpec.doctor.examine.
---@class (exact) azpec.doctor.Options
---@field new_client fun(more: azpec.ClientOptions): azpec.Client makes a client with these options, too
---@field account_id? string default: what concerns one account is skipped
---@field where? azpec.scope.Scope without account_id: the rights at each of these accounts are looked up
---@field checks? azpec.doctor.Check[] default: all
---@field timeout? number seconds for each request; default: 20
---@field done? fun(result: azpec.doctor.Result) called after each check
---@field getenv? fun(name: string): string? in place of os.getenv
--- in place of the machine's resolver
---@field resolve? fun(name: string, timeout: number): { addresses: string[], aliases: string[] }?, string?

--- The result of a check.
---@class azpec.doctor.Result
---@field check azpec.doctor.Check which one
---@field verdict "ok"|"warning"|"failed"|"skipped" how it ended
---@field found string what was found, for people
---@field next_step? string what to do
---@field seconds number its duration
--- of a failure: azpec.ErrorKind's, "clock" or "names"; "usage" of a check that is skipped because no account is named
---@field kind? string
---@field details? table what the check has found

---@class azpec.doctor
---@field checks azpec.doctor.Check[] all, in the order of their dependencies
local doctor = {}

--- Runs the checks, in the order of azpec.doctor.checks. Needs cqueues.
---@param options azpec.doctor.Options
---@return azpec.doctor.Result[] results
function doctor.examine(options) end

--- Resolves an account's name on this machine: "ok" for a private address. Needs cqueues.
---@param account azpec.Account
---@param timeout? number seconds
---@return { verdict: string, found: string, next_step: string?, kind: string?, details: table? } result
function doctor.judge_name(account, timeout) end

--- ---- azpec.fleet ---------------------------------------------------------------------------------------------------

--- Where to look.
---@class (exact) azpec.fleet.Where
---@field subscription_ids? string[] default: the client's own
---@field all_subscriptions? boolean all that the identity may read in its tenant
---@field resource_group_name? string default: all
---@field account_name? string default: all
--- only accounts in which Azure Resource Graph shows such a connection; it lags behind, by minutes or more
---@field candidates? azpec.fleet.Candidates
---@field source? "arm" Azure Resource Manager lists the accounts, though Azure Resource Graph could
---@field timeout? number seconds for each list; default: the client's

--- Narrows the accounts to those with such a connection.
---@class (exact) azpec.fleet.Candidates
---@field status? string "Pending", for example; default: any
---@field matches? fun(connection: azpec.Connection): boolean asked about Graph's copy; default: all match

--- An account, or a subscription that could not be read.
---@class azpec.fleet.Place
---@field kind "account"|"subscription" a subscription only with an error
---@field id string its resource id
---@field subscription_id string the GUID
---@field resource_group_name? string of an account
---@field account_name? string of an account

--- The accounts that were found.
---@class azpec.fleet.Found
---@field accounts azpec.fleet.Place[] in which to look
---@field errors { place: azpec.fleet.Place, err: azpec.Error }[] subscriptions whose accounts could not be listed
---@field source "graph"|"arm"|"named" which service has listed the accounts
---@field is_given? true the caller has named the account
---@field graph_err? azpec.Error why Azure Resource Graph has not
---@field graph_is_empty? boolean why Azure Resource Graph has not: it shows no account in all subscriptions
---@field others string[] names of accounts that are there, and are not the account_name
---@field subscription_count? integer of those that Azure Resource Manager was asked for
--- Why no account was found: the identity may read no subscription, nothing has that name, or there is no account.
---@field absent? "subscriptions"|"resource_group"|"account"|"accounts"
---@field groups? string[] names of the resource groups with accounts, if Azure Resource Graph listed them

---@class azpec.fleet
---@field at_once integer how many lists are read at the same time
local fleet = {}

--- Finds accounts, and reads no connection.
---@param client azpec.Client
---@param where azpec.fleet.Where
---@return azpec.fleet.Found
function fleet.find(client, where) end

--- The subscriptions that the identity may read in its tenant. Raises an azpec.Error.
---@param client azpec.Client
---@param timeout? number seconds; default: the client's
---@return string[] ids of the subscriptions that the identity may read in its tenant, but for deleted ones
function fleet.subscriptions(client, timeout) end

--- The same form for given accounts, for the functions below.
---@param accounts azpec.fleet.Place[]
---@param timeout? number seconds for each list; default: the client's
---@return azpec.fleet.Found
function fleet.of(accounts, timeout) end

--- For a generic `for`. What concerns one place is its third value. A sign-in that fails is raised, and so is an error
--- of kind "canceled" if the client is closed during a wait.
---@param client azpec.Client
---@param where azpec.fleet.Where|azpec.fleet.Found
---@return fun(): azpec.fleet.Place?, azpec.Connection?, azpec.Error|azpec.Failure|nil next
---@return nil
---@return nil
---@return any closing
function fleet.connections(client, where) end

--- For a generic `for`: each account once, with the list of its connections.
---@param client azpec.Client
---@param where azpec.fleet.Where|azpec.fleet.Found
---@return fun(): azpec.fleet.Place?, azpec.Connection[]?, azpec.Error|azpec.Failure|nil next
---@return nil
---@return nil
---@return any closing
function fleet.accounts(client, where) end

--- For a generic `for`: each account once, with the list of the identity's permissions there, for `azpec.rights`.
---@param client azpec.Client
---@param where azpec.fleet.Where|azpec.fleet.Found
---@return fun(): azpec.fleet.Place?, azpec.Permission[]?, azpec.Error|azpec.Failure|nil next
---@return nil
---@return nil
---@return any closing
function fleet.permissions(client, where) end

--- ---- azpec.drift ---------------------------------------------------------------------------------------------------

--- An approved connection that the rules would not approve.
---@class azpec.drift.Finding
---@field connection azpec.Connection approved
---@field action "reject"|"hold"|"ignore" what the rules would do with it today
---@field rule? string absent: no rule matches
---@field reason string why, for people
---@field failed? boolean a function of the rule has failed
---@field unmatched? azpec.rules.Unmatched[] with `explain`: the rules before the one that decided

---@class azpec.drift
local drift = {}

--- The finding on one connection.
---@param set azpec.rules.Set
---@param connection azpec.Connection
---@param options? azpec.rules.DecideOptions
---@return azpec.drift.Finding? finding nil: it is not approved, or the rules would approve it
function drift.of(set, connection, options) end

--- For a generic `for`; what concerns one place is its third value, as in azpec.fleet.
---@param client azpec.Client
---@param set azpec.rules.Set
---@param where azpec.fleet.Where|azpec.fleet.Found
---@param options? azpec.rules.DecideOptions
---@return fun(): azpec.fleet.Place?, azpec.drift.Finding?, azpec.Error|azpec.Failure|nil next
---@return nil
---@return nil
---@return any closing
function drift.find(client, set, where, options) end

--- ---- azpec.scope ---------------------------------------------------------------------------------------------------

--- Where to look.
---@class (exact) azpec.scope.Scope
---@field subscription_ids? string[] default: the client's own
---@field resource_group_name? string default: all
---@field account_name? string default: all
---@field id? string of a subscription, resource group, account, connection or private endpoint
---@field account_ids? string[] these accounts, in place of all that the other fields mean
---@field timeout? number seconds for each list
---@field all_subscriptions? boolean as in azpec.fleet.Where
---@field candidates? azpec.fleet.Candidates as in azpec.fleet.Where
---@field source? "arm" as in azpec.fleet.Where
--- called before connections are read; none: there is no account at all
---@field on_found? fun(found: azpec.fleet.Found, none: azpec.Failure?)
--- called for a place that cannot be read; then the listing continues
---@field on_error? fun(err: azpec.Error|azpec.Failure, place: azpec.fleet.Place)

---@class azpec.scope
---@field only_readable string why an account that exists may not be listed, for people
local scope = {}

--- The connections of a scope, for a generic `for`. Raises the errors that on_error does not take.
---@param client azpec.Client
---@param wanted azpec.scope.Scope
---@return fun(): azpec.Connection?, azpec.fleet.Place? next without a place if the scope is one connection
---@return nil
---@return nil
---@return any closing
function scope.connections(client, wanted) end

--- The accounts of a scope with their connections, for a generic `for`.
---@param client azpec.Client
---@param wanted azpec.scope.Scope
---@return fun(): azpec.fleet.Place?, azpec.Connection[]?, azpec.Error|azpec.Failure|nil next
---@return nil
---@return nil
---@return any closing
function scope.accounts(client, wanted) end

--- The accounts of a scope. Reads no connection.
---@param client azpec.Client
---@param wanted azpec.scope.Scope
---@return azpec.fleet.Found found
---@return azpec.Failure? none there is no account; a wrong name is raised
function scope.find(client, wanted) end

--- Raises an error if the id is outside of the scope.
---@param wanted azpec.scope.Scope
---@param id string
function scope.check(wanted, id) end

--- ---- azpec.api_versions --------------------------------------------------------------------------------------------

--- The api-versions of Microsoft.Batch that have private endpoint connections, by its REST descriptions.
---@class azpec.api_versions
---@field list string[] all, the oldest first
---@field default string the one that azpec sends where none is named
---@field since table<string, string> the first that describes GET, PATCH, DELETE, groupIds, tags, systemData ...
local api_versions = {}

--- Whether Microsoft.Batch has this api-version, with private endpoint connections in it.
---@param version string
---@return boolean
function api_versions.is_known(version) end

--- Whether an api-version describes a part.
---@param version string
---@param part string a key of `since`
---@return boolean
function api_versions.has(version, part) end

--- The api-versions that describe a part.
---@param part string a key of `since`
---@return string[] versions the newest first
function api_versions.with(part) end

--- ---- azpec.loop: azpec inside event loops --------------------------------------------------------------------------

--- azpec inside cqueues, and programs on it such as lua-http.
---@class azpec.loop.cqueues
---@field wait azpec.Waiter cqueues.poll itself
local cqueues_loop = {}

--- Calls work with the values of an iterator, each time in its own coroutine, and returns when all have ended. After an
--- error of work or of the iterator nothing more is begun; items under way are finished, then the first error is
--- raised. For coroutines of a cqueues controller.
---@param most integer how many run at once, 1 or more
---@param work fun(...: any) such as one that approves a connection of client:list
---@param ... any the iterator, its state and its first value, as after `in`
function cqueues_loop.each(most, work, ...) end

--- azpec inside libuv, by luv. An error of a coroutine that waits is raised in libuv's callback. After
--- client:close() and uv.stop(), `uv.run "nowait"` lets the calls that wait return their errors, with the continuation
--- tokens. Without it they are lost, unless a timer's callback has stopped the loop.
---@class azpec.loop.luv
--- yields, and libuv's loop resumes the coroutine; raises an error where Lua cannot yield, such as outside of any
--- coroutine
---@field wait azpec.Waiter
---@field each azpec.loop.Each as each of azpec.loop.cqueues, for coroutines that libuv's callbacks resume
local luv_loop = {}

--- azpec inside copas 1 and later; tested with 1.2.0 and 4.11.0. Debian's lua-copas is for Lua 5.1 and 5.2 only:
--- `luarocks --lua-version 5.4 install copas` installs one for Lua 5.4.
---@class azpec.loop.copas
--- yields, and copas resumes its thread; raises an error where Lua cannot yield, and for a client whose descriptor is
--- too large for luasocket's select
---@field wait azpec.Waiter
---@field each azpec.loop.Each as each of azpec.loop.cqueues, for threads of copas
local copas_loop = {}

--- azpec inside a loop around luasocket's select.
---@class azpec.loop.socket
--- yields, and this module's select resumes the coroutine; raises an error where Lua cannot yield, and for a client
--- whose descriptor is too large for luasocket's select
---@field wait azpec.Waiter
---@field each azpec.loop.Each as each of azpec.loop.cqueues, for coroutines that this module's select resumes
local socket_loop = {}

--- socket.select, which also watches the descriptors of clients and resumes the coroutines that wait for them. If only
--- clients were ready, the lists are empty and there is no "timeout". Raises the error of such a coroutine; the next
--- call still reports the other ready sockets.
---@param receive? table sockets to read from
---@param send? table sockets to write to
---@param timeout? number seconds; default: no limit
---@return table readable by number and by socket
---@return table writable by number and by socket
---@return string? err "timeout"
function socket_loop.select(receive, send, timeout) end

--- Calls a function for the values of an iterator, a bounded number at once; azpec.loop.cqueues.each describes it.
---@alias azpec.loop.Each fun(most: integer, work: fun(...: any), ...: any)

--- Called when the first coroutine waits for a descriptor. From then on the loop calls an azpec.loop.Resume whenever it
--- is readable. The result is for the function that ends the watch.
---@alias azpec.loop.Watch fun(fd: integer): any

--- Resumes the coroutines that wait for a descriptor. Raises the first error of one.
---@alias azpec.loop.Resume fun(fd: integer)

--- The module azpec.loop.waiters, for a loop that accepts a descriptor only once: many coroutines wait for one
--- descriptor. unwatch is called when the last one has left, with what watch returned. The third result is an
--- azpec.loop.Each.
---@alias azpec.loop.waiters fun(watch: azpec.loop.Watch, unwatch: function): azpec.Waiter, azpec.loop.Resume, function

--- ---- azpec.emulator ------------------------------------------------------------------------------------------------

--- The settings of azpec.emulator.start.
---@class (exact) azpec.emulator.Settings
---@field state? table a state file's (azpec emulator --help); default: the sample
---@field options? table<string, any> as --option takes them, "account:name" for one account
---@field faults? table[] a fault file's rules
---@field log? string path of the file that gets a line of JSON for each request
---@field lua? string the shell command that runs Lua 5.4; default: "lua5.4"

--- One request that the emulator has answered.
---@class azpec.emulator.Request
---@field kind string "update", "get", "list", "poll", "token" ... (azpec emulator --help)
---@field method string "GET" and so on
---@field target string path and query, as sent
---@field status? integer of the answer; nil: it was not answered
---@field headers table<string, string> some, without credentials
---@field body? any the JSON of a request to Azure Resource Manager
---@field fault? string name of the fault that was applied
---@field time string when it came, RFC 3339
---@field number integer its place among all requests
---@field connection integer the TCP connection that it came by
---@field tls boolean whether by TLS
---@field duration number seconds until its answer
---@field api_version? string of the target's query
---@field body_bytes? integer the length of its body, which is not that of a sign-in
---@field token? table facts of its token, without the token
---@field retry_after? string of the answer
---@field request_id? string x-ms-request-id of the answer
---@field etag? string of the answer

--- An emulator that runs.
---@class azpec.emulator.Emulator
---@field endpoint string "http://127.0.0.1:PORT"
---@field tls_endpoint string "https://127.0.0.1:PORT"
---@field ca_file string path of the certificate to trust; removed by close
---@field tenant_id string of its application
---@field client_id string of its application
---@field client_secret string of its application
---@field subscription_id string the first one of its state
---@field connections string[] the ids of the connections at the start
---@field pid integer of its process
local Emulator = {}

--- Its functions raise errors. Needs cqueues.
---@class azpec.emulator
local emulator = {}

--- Returns when the emulator listens.
---@param settings? azpec.emulator.Settings
---@return azpec.emulator.Emulator emulator a to-be-closed value
function emulator.start(settings) end

--- azpec.client's options, for code that makes its own client: it signs in to this emulator over TLS.
---@param more? table further options, which take precedence
---@return table options
function Emulator:options(more) end

--- A client with these options.
---@param more? table as of options
---@return azpec.Client client
function Emulator:client(more) end

--- One more connection appears, as a new private endpoint makes it.
---@param fields? table a connection's of a state file; account_name, resource_group_name, subscription_id
---@return string id
function Emulator:arrive(fields) end

--- Makes requests fail: a rule's match (kind, method, path, plain, tls, nth, times), name and action in one table. A
--- rule without an action is an error.
---@param fields table such as { kind = "update", times = 2, status = 503 }
function Emulator:fail(fields) end

--- Removes all faults.
function Emulator:heal() end

--- The requests that the emulator has answered.
---@param kind? string only those of this kind
---@return azpec.emulator.Request[] requests the oldest first, 10,000 at least
function Emulator:requests(kind) end

--- Moves the clock: operations end, tokens expire.
---@param seconds number
function Emulator:advance(seconds) end

--- Changes options from now on.
---@param options table<string, any> as azpec.emulator.Settings has them
function Emulator:set(options) end

--- Returns the state without secrets; with a table, replaces the state. The two are inverse.
---@param state? table
---@return table? state
function Emulator:state(state) end

--- Makes clock, state, options, faults and requests as they were at the start.
function Emulator:reset() end

--- One request to /_emulator/ (azpec emulator --help).
---@param method string
---@param what string such as "counts"
---@param body? table
---@return any
function Emulator:control(method, what, body) end

--- Ends the process and removes its files.
function Emulator:close() end

--- ---- azpec.record --------------------------------------------------------------------------------------------------

--- The settings of azpec.record.start.
---@class (exact) azpec.record.Settings
---@field file string path of the recording; an older recording there is replaced
---@field endpoint? string Azure Resource Manager's origin; default: "https://management.azure.com"
---@field authority_host? string Microsoft Entra ID's origin; default: "https://login.microsoftonline.com"
---@field ca_file? string file of certificates to trust, for these two; default: the system's
--- the proxy to reach them by, "http://" or "socks5h://" and "[user:password@]host[:port]"; default: none, whatever the
--- environment has
---@field proxy? string
--- ids and names of resources become placeholders, the same ones everywhere; default: false
---@field replace_ids? boolean
---@field lua? string the shell command that runs Lua 5.4; default: "lua5.4"

--- The settings of azpec.record.play.
---@class (exact) azpec.record.PlayerSettings
---@field file string path of the recording
--- the last answer to a request is repeated; default: false, a request that comes more often than recorded fails
---@field repeats? boolean
---@field now? number what now() is at the beginning, seconds since 1970; default: the time of the recording
---@field lua? string as in azpec.record.Settings

--- A recorder that runs.
---@class azpec.record.Recorder
---@field endpoint string "http://127.0.0.1:PORT"
---@field tls_endpoint string "https://127.0.0.1:PORT"
---@field ca_file string path of the certificate to trust; removed by close
---@field pid integer of its process
local Recorder = {}

--- A player that runs.
---@class azpec.record.Player
---@field endpoint string "http://127.0.0.1:PORT"
---@field tls_endpoint string "https://127.0.0.1:PORT"
---@field ca_file string path of the certificate to trust; removed by close
---@field subscription_id? string of the first request for a resource
---@field tenant_id? string of the first request for a token
---@field client_id? string of the first request for a token
---@field connections string[] the ids of the connections that the recorded requests are about
---@field not_recorded? azpec.record.Gap[] conversations that the recording lacks
---@field pid integer of its process
local Player = {}

--- Conversations of one kind that a recording lacks.
---@class azpec.record.Gap
---@field what string the conversations, for people
---@field times integer how many

--- A difference between two recordings.
---@class azpec.record.Difference
---@field request string "PATCH /subscriptions/...", with placeholders in place of ids and names
--- "response.body.properties.groupIds"; "times" for a request that one recording does not have, or a write that it has
--- more often
---@field where string
---@field first? string JSON; nil: nothing
---@field second? string JSON; nil: nothing
---@field text string all of it, for people

--- Its functions raise errors. Needs cqueues and luaossl.
---@class azpec.record
local record = {}

--- Returns when the recorder listens.
---@param settings azpec.record.Settings
---@return azpec.record.Recorder recorder a to-be-closed value
function record.start(settings) end

--- Returns when the player listens.
---@param settings azpec.record.PlayerSettings
---@return azpec.record.Player player a to-be-closed value
function record.play(settings) end

--- What differs between two recordings of the same work, but for ids, names, dates, entity tags and api-versions in
--- URLs.
---@param first string path
---@param second string path
---@return azpec.record.Difference[]
function record.compare(first, second) end

--- azpec.client's options, for code that makes its own client: its conversation is recorded. The tokens of a sign-in
--- that does not go to the authority host are counted in the recording's not_recorded.
---@param more? table further options, which take precedence
---@return table options
function Recorder:options(more) end

--- A client with these options.
---@param more? table as of options
---@return azpec.Client client
function Recorder:client(more) end

--- Variables for a program, such as the command, which then talks to the recorder, for tokens of managed identities and
--- pipelines as well. Raises an error for Service Fabric's.
---@return table<string, string> variables
function Recorder:environment() end

--- Writes the file, unless nothing was recorded, and ends the process. It is also written if the program ends before.
function Recorder:close() end

--- azpec.client's options, for code that makes its own client: it talks to the player, and needs no secret.
---@param more? table further options, which take precedence
---@return table options
function Player:options(more) end

--- A client with these options.
---@param more? table as of options
---@return azpec.Client client
function Player:client(more) end

--- Variables for a program, which then talks to the player, for the recorded tokens as well.
---@return table<string, string> variables
function Player:environment() end

--- The time of the recording at which the latest answer came, in seconds since 1970. The answers' Date is the same.
---@return number
function Player:now() end

--- The differences between the work under test and the recording.
---@return string[] unused the recorded requests that were not made, but for those of tokens
---@return string[] refused why requests were refused
function Player:unused() end

--- Raises an error if a request was refused, or a recorded one was not made.
function Player:check() end

--- Ends the process and removes its files.
function Player:close() end
