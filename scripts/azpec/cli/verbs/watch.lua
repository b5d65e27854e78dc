-- azpec watch: prints the changes of connections as they happen.

local convert = require "azpec.cli.convert"
local date = require "azpec.date"
local failure = require "azpec.cli.error"
local rounds = require "azpec.cli.rounds"
local rows = require "azpec.cli.rows"
local targets = require "azpec.cli.targets"
local text = require "azpec.text"
local waiting = require "azpec.cli.waiting"

local default_interval = 10

local columns = rows.with {
  { "TIME", "at" }, { "EVENT", "event" }, { "ACCOUNT", "account_name" }, { "NAME", "name" },
  { "BEFORE", "before" }, { "AFTER", "after" }, { "PROVISIONING", "provisioning_state" },
  { "DESCRIPTION", "description" }, { "ID", "id" },
}

local worded = {
  found = function (row) return text.state(row.status) end,
  new = function (row) return "new, " .. text.state(row.status) end,
  gone = function (row) return "gone, was " .. text.state(row.status) end,
  changed = function (row)
    if row.before ~= row.after then return text.state(row.before) .. " -> " .. text.state(row.after) end
    return text.state(row.status, row.provisioning_state)
  end,
}

local function words(context, row)
  return text.clean(("%s  %s%s: %s%s"):format(row.at, context:place_of(row), row.name, worded[row.event](row),
    row.description and (' "%s"'):format(row.description) or ""))
end

local compared = { "status", "provisioning_state", "description" }

local function differs(a, b)
  for _, name in ipairs(compared) do
    if a[name] ~= b[name] then return true end
  end
  return false
end

-- Returns the rows of the connections that are meant, by id in lower case; the order of these ids; and the rows of the
-- others.
local function read(context, client, is_meant, where)
  local now, order, others = {}, {}, {}
  for connection in context:connections(client, where()) do
    local key, row = connection.id:lower(), rows.of(connection, context)
    if not is_meant(connection) then
      others[key] = row
    else
      if not now[key] then order[#order + 1] = key end
      now[key] = row
    end
  end
  context:tell_unread()
  return now, order, others
end

-- Connections of an account that could not be read this time count as unchanged.
local function keep_unread(context, before, now)
  for key, row in pairs(before or {}) do
    if not now[key] and context:is_unread(key) then now[key] = row end
  end
end

-- Returns the rows as above; for a temporary error, which is waited out, it is the fourth value. Any other error ends
-- the watch.
local function try_to_read(context, client, ...)
  local ok, now, order, others = pcall(read, context, client, ...)
  if ok then return now, order, others end
  if not failure.may_pass(now) then error(now, 0) end
  return nil, nil, nil, now
end

-- Writes the row of an event. old: the row of the last poll, or nil; now: of this one, nil for one that is gone.
local function tell(out, event, old, now)
  local row = now or old
  row.event, row.at = event, date.stamp()
  row.before, row.after = old and old.status, now and now.status
  out:row(row)
end

-- A connection that is meant no longer has changed; it is followed no further.
local function compare(out, before, now, order, others)
  for _, key in ipairs(order) do
    local row, old = now[key], before[key]
    if not old then
      tell(out, "new", nil, row)
    elseif differs(row, old) then
      tell(out, "changed", old, row)
    end
  end
  local missing = {}
  for key in pairs(before) do
    if not now[key] then missing[#missing + 1] = key end
  end
  table.sort(missing)
  for _, key in ipairs(missing) do tell(out, others[key] and "changed" or "gone", before[key], others[key]) end
end

local function run(context)
  local args = context.args
  if args.output == "json" or args.output == "md" then
    context:usage(("a watch has no end at which %s could be written; use -o jsonl"):format(args.output))
  elseif args.output == "table" and args.columns then
    context:usage "a watch has no end at which a table could be written; use --columns with -o tsv"
  end
  local is_meant, _, _, where = targets.matcher(context)
  local out = context:output { live = true, -- may choose the api-version
    line = function (row) return words(context, row) end }
  local client = context:client()
  local shown <close> = waiting.new(context, args.stop_after)
  local times = rounds.new(context, { length = args.stop_after, between = args.interval or default_interval })
  local reader, before = times:reader(client), nil
  while true do
    times:begin()
    local found, order, others, err = try_to_read(context, reader, is_meant, where)
    if found then keep_unread(context, before, found) end
    if found and before then
      compare(out, before, found, order, others)
    elseif found and not args.changes_only then
      for _, key in ipairs(order) do tell(out, "found", nil, found[key]) end
    end
    before = found or before
    local seconds, is_last = times:pause()
    if err and not (is_last and not before) then
      context:note("azpec: %s%s", text.clean(err.message), is_last and "" or "; looking again")
    end
    shown:sees(order and text.count(#order, "connection") or "cannot be read")
    if seconds > 0 then shown:pause(client, seconds) end
    if is_last and not before then error(err, 0) end
    if is_last then break end
  end
  out:close()
end

return {
  columns = columns,
  summary = "print changes to connections as they happen",
  examples = {
    "azpec watch -g rg-contoso-prod --account contosobatch",
    "azpec watch --status Pending --changes-only -o jsonl | while read -r line; do ...; done",
  },
  description = "azpec polls every 10 seconds, or at every --interval. A temporary failure, such as a busy\n"
    .. "service, does not end the command.\n"
    .. "A connection that no longer matches is reported as changed once, and then left out.\n"
    .. "No round passes --stop-after (0: after one round). If no round has succeeded, the exit code is that of the "
    .. "last error: 8 (no answer in time), 9 (the service is busy), or another one.",
  define = function (command)
    targets.define(command)
    command:group("How",
      command:flag("--changes-only", "nothing about how it is at the start"),
      command:option("--stop-after", "end by itself after that time"):argname "TIME":convert(convert.seconds))
  end,
  run = run,
}
