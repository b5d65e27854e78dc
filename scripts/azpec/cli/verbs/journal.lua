-- azpec journal: verifies a journal of writes, lists its runs and writes, and reverts a run.

local chosen = require "azpec.cli.chosen"
local columns = require "azpec.cli.columns"
local convert = require "azpec.cli.convert"
local files = require "azpec.cli.files"
local policy = require "azpec.cli.policy"

local names = { "verify", "runs", "show", "undo" }
local actions = {}
for _, name in ipairs(names) do actions[name] = require("azpec.cli.journal_" .. name) end

-- Returns the columns of some actions, and a list of { action, its columns }.
local function columns_of(some)
  local all, list = {}, {}
  for n, name in ipairs(some) do
    local known = actions[name].columns
    table.move(known, 1, #known, #all + 1, all)
    list[n] = { name, known }
  end
  return all, list
end

local all_columns, columns_of_all = columns_of(names)

-- The options that not every action takes: the name in args, the option, the actions.
local of_some = {
  { "anchor", "--anchor", "verify" }, { "since", "--since", "runs or show" }, { "sort", "--sort", "runs or show" },
  { "connection", "--connection", "show or undo" }, { "run", "--run", "show or undo" },
  { "ticket", "--ticket", "runs, show or undo" }, { "change_reference", "--change-reference", "runs, show or undo" },
  { "apply", "--apply", "undo" }, { "dry_run", "--dry-run", "undo" }, { "reject", "--reject", "undo" },
  { "fail_fast", "--fail-fast", "undo" }, { "yes", "--yes", "undo" },
  { "detailed_exitcode", "--detailed-exitcode", "undo" },
  { "policy_token", "--policy-token", "undo" }, { "acquire_policy_token", "--acquire-policy-token", "undo" },
}

-- Ends the verb if an option means nothing for the action: a filter that filters nothing would pass unnoticed.
local function check_options(context)
  for _, option in ipairs(of_some) do
    local name, words, takers = table.unpack(option)
    if context.args[name] and not takers:find(context.args.action, 1, true) then
      context:usage(("%s goes with %s"):format(words, takers))
    end
  end
end

return {
  columns = all_columns,
  columns_of = columns_of_all,
  summary = "verify or show the journal that --journal keeps, list its runs, or undo one",
  examples = {
    "azpec approve --all --status Pending -g rg-contoso-prod --journal journal.jsonl --ticket CHG-5102",
    "azpec journal verify journal.jsonl                             # ends with an anchor; keep it elsewhere",
    "azpec journal verify journal.jsonl --anchor 12:5c2e...         # also finds a truncated file and new hashes",
    "azpec journal runs journal.jsonl --since 7d                    # one line for each run, with its name",
    "azpec journal show journal.jsonl --since 7d -o md",
    "azpec journal show journal.jsonl --ticket CHG-5102",
    "azpec journal runs journal.jsonl --ticket CHG-5102             # the runs that undo may revert",
    "azpec journal undo journal.jsonl --run last                    # what would be done",
    "azpec journal undo journal.jsonl --run 20261124T091500Z-5be1f2a0 --apply --yes",
    "azpec journal undo journal.jsonl --run last --connection 'web-*' # a part of the run",
  },
  description = [[
verify names each line that was changed, removed, added or moved, and ends with code 1 then. runs lists the runs, show
their writes. LINE is the line of the file where the write, or its last repetition, begins; verify names an unfinished
write by it. All three end with the command lines that finish what has no known result.

undo reverts the changes of a run where nobody has changed the connection since. It first lists the changes that cannot
be reverted. Without --apply it changes nothing. Its own writes go into the same journal. With `show`, --ticket and
--change-reference choose writes; with `runs`, they choose runs that have such a write. `undo` records both, and sends
the change reference.]],
  define = function (command)
    command:argument("action", "verify, runs, show or undo"):choices(names)
    files.named(command:argument("file", "the journal (AZPEC_JOURNAL)"):args "?")
    command:group("verify",
      command:option("--anchor", "NUMBER:HASH as an earlier verify told it"):argname "ANCHOR":convert(convert.anchor))
    command:group("runs and show",
      command:option("--since", "only writes that ended since then, or runs with such a write: 7d, 2026-11-24 or "
        .. "2026-11-24T09:15:00Z")
        :argname "TIME":convert(convert.moment),
      columns.define_sort(command, columns_of { "runs", "show" }),
      command:option("--ticket", "only what has this ticket; for undo: the ticket that its own writes "
        .. "get, which selects nothing"):argname "TEXT"
        :convert(convert.ticket))
    command:group("show",
      chosen.option(command, "only what was done to these; for undo: only these changes of the run"),
      command:option("--run", "only what was done in this run, or in the last one that began; for "
        .. "undo: the run"):argname "RUN")
    local apply = command:flag("--apply", "do it, not only show it")
    local dry_run = command:flag("--dry-run", "only show it, as without --apply")
    command:mutex(apply, dry_run)
    command:group("undo", apply, dry_run,
      command:flag("--reject", "reject what the run approved; it cannot be approved again"),
      command:flag("-y --yes", "do not ask; needed without a terminal"),
      command:flag("--detailed-exitcode", "10 where something changed, or would"),
      command:flag("--fail-fast", "do nothing at all if an account of the run cannot be read"))
    policy.define(command)
  end,
  common = { "client", "output" },
  run = function (context)
    local args = context.args
    check_options(context)
    args.file = args.file or require "azpec.cli.journal".path(args)
    if not args.file or args.file == "" then context:usage "no journal is named: give its file, or AZPEC_JOURNAL" end
    return actions[args.action].run(context, args.file)
  end,
}
