-- azpec watch: what changes among connections, as it changes.

local convert = require "azpec.command.convert"
local failure = require "azpec.command.failure"
local rows = require "azpec.command.rows"
local targets = require "azpec.command.targets"
local text = require "azpec.text"

local default_interval = 10

local columns = {
  { "TIME", "at" }, { "EVENT", "event" }, { "ACCOUNT", "account_name" }, { "NAME", "name" },
  { "BEFORE", "status_before" }, { "STATUS", "status" }, { "PROVISIONING", "provisioning_state" },
  { "DESCRIPTION", "description" }, { "ID", "id" },
}

local worded = {
  found = function (row) return text.state(row.status) end,
  new = function (row) return "new, " .. text.state(row.status) end,
  gone = function (row) return "gone, was " .. text.state(row.status) end,
  changed = function (row)
    if row.status ~= row.status_before then
      return text.state(row.status_before) .. " -> " .. text.state(row.status)
    end
    return text.state(row.status, row.provisioning_state)
  end,
}

local function words(row)
  return text.clean(("%s  %s: %s%s"):format(row.at, row.name, worded[row.event](row),
    row.description and (' "%s"'):format(row.description) or ""))
end

local compared = { "status", "provisioning_state", "description" }

local function differs(a, b)
  for _, name in ipairs(compared) do
    if a[name] ~= b[name] then return true end
  end
  return false
end

local function read(context, client, is_meant)
  local now, order = {}, {}
  for connection in context:connections(client) do
    if is_meant(connection) then
      local key = connection.id:lower()
      if not now[key] then order[#order + 1] = key end
      now[key] = rows.of(connection)
    end
  end
  return now, order
end

-- What passes by itself is told and waited for; all else ends the watch, and so does what has lasted from its start to
-- its end.
local function try_to_read(context, client, is_meant, is_last)
  local ok, now, order = pcall(read, context, client, is_meant)
  if ok then return now, order end
  if is_last or not failure.may_pass(now) then error(now, 0) end
  context:note("azpec: %s; looking again", text.clean(now.message))
end

local function tell(out, event, row, before)
  row.event, row.at = event, os.date "!%Y-%m-%dT%H:%M:%SZ"
  row.status_before = before and before.status
  out:row(row)
end

local function compare(out, before, now, order)
  for _, key in ipairs(order) do
    local row, old = now[key], before[key]
    if not old then
      tell(out, "new", row)
    elseif differs(row, old) then
      tell(out, "changed", row, old)
    end
  end
  local gone = {}
  for key in pairs(before) do
    if not now[key] then gone[#gone + 1] = key end
  end
  table.sort(gone)
  for _, key in ipairs(gone) do tell(out, "gone", before[key], before[key]) end
end

local function run(context)
  local args = context.args
  if args.output == "json" or args.output == "md" then
    context:usage(("a watch has no end at which %s could be written; use -o jsonl"):format(args.output))
  end
  local is_meant = targets.matcher(context)
  local client, now = context:client(), require "cqueues".monotime
  local out = context:output { columns = columns, line = words, live = true }
  local stop = args.stop_after and now() + args.stop_after or math.huge
  local before
  while true do
    local found, order = try_to_read(context, client, is_meant, not before and now() >= stop)
    if found and before then
      compare(out, before, found, order)
    elseif found and not args.changes_only then
      for _, key in ipairs(order) do tell(out, "found", found[key]) end
    end
    before = found or before
    local left = stop - now()
    if left <= 0 then break end
    client:wait(math.min(left, args.interval or default_interval))
  end
  out:close()
end

return {
  summary = "print what changes among connections, as it changes",
  examples = {
    "azpec watch -g rg-contoso-prod --account contosobatch",
    "azpec watch --status Pending --changes-only -o jsonl | while read -r line; do ...; done",
  },
  description = "Looks every 10 seconds, or every --interval; what passes, as a busy service, does not end it.",
  define = function (command)
    targets.define(command)
    command:group("How",
      command:flag("--changes-only", "nothing about how it is at the start"),
      command:option("--stop-after", "end by itself after that time"):argname "TIME":convert(convert.seconds))
  end,
  run = run,
}
