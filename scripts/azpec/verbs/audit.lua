-- azpec audit: the trail of writes: whether it is as it was written, what stands in it, and a run undone.

local actions = {
  verify = "azpec.command.audit_verify",
  show = "azpec.command.audit_show",
  undo = "azpec.command.audit_undo",
}

local function anchor(text)
  local known, why = require "azpec.audit.verify".anchor(text)
  return known and text, why
end

return {
  summary = "verify, show, or undo a run of, the trail that --audit keeps",
  examples = {
    "azpec approve --all --status Pending -g rg-contoso-prod --audit trail.jsonl --ticket CHG-5102",
    "azpec audit verify trail.jsonl                             # ends with an anchor; keep it elsewhere",
    "azpec audit verify trail.jsonl --anchor 12:5c2e...         # finds a cut end, too",
    "azpec audit show trail.jsonl --since 7d -o md",
    "azpec audit undo trail.jsonl --run 20261124T091500Z-5be1f2a0            # what would be done",
    "azpec audit undo trail.jsonl --run 20261124T091500Z-5be1f2a0 --apply --yes",
  },
  description = [[
verify names each line that was changed, removed, added or moved, and ends with code 1 then. undo brings back what a run
changed where nobody has changed it since; what cannot be brought back it says first, and does nothing without --apply.
Its own writes go into the same trail.]],
  define = function (command)
    command:argument("action", "verify, show or undo"):choices { "verify", "show", "undo" }
    command:argument("file", "the trail (AZPEC_AUDIT_FILE)"):args "?"
    command:group("verify",
      command:option("--anchor", "NUMBER:HASH as an earlier verify told it"):argname "ANCHOR":convert(anchor))
    command:group("show",
      command:option("--since", "only what was done since then, as 2026-11-24T09:15:00Z or 7d"):argname "TIME",
      command:option("--connection", "only what was done to this one"):argname "ID",
      command:option("--run", "only what was done in this run; for undo: the run"):argname "RUN")
    command:group("undo",
      command:flag("--apply", "do it, not only show it"),
      command:flag("--reject", "reject what the run approved; it cannot be approved again"),
      command:option("--ticket", "number of the ticket, for the audit trail"):argname "TEXT",
      command:flag("--yes", "do not ask; needed without a terminal"):hidden_name "-y",
      command:flag("--detailed-exitcode", "10 where something changed, or would"))
  end,
  common = { "client", "output" },
  run = function (context)
    local args = context.args
    args.file = args.file or os.getenv "AZPEC_AUDIT_FILE"
    if not args.file or args.file == "" then context:usage "which trail? Name its file" end
    return require(actions[args.action])(context, args.file)
  end,
}
