-- azpec audit show: the writes of a trail, each with its outcome.

local age = require "azpec.age"
local audit = require "azpec.audit"
local select = require "azpec.select"

local columns = {
  { "TIME", "at" }, { "RUN", "run" }, { "WHO", "by" }, { "VERB", "verb" }, { "NAME", "name" },
  { "BEFORE", "status_before" }, { "AFTER", "status_after" }, { "OUTCOME", "outcome" },
  { "RULE", "rule", optional = true }, { "REASON", "reason", optional = true }, { "TICKET", "ticket", optional = true },
  { "ERROR", "error_message", optional = true }, { "CONNECTION", "connection", for_programs = true },
  { "CALL", "call", for_programs = true }, { "REQUEST ID", "request_id", for_programs = true },
  { "CORRELATION ID", "correlation_id", for_programs = true },
}

-- The shortest true name of who it was.
local function name_of(who)
  who = who or {}
  return who.upn or who.preferred_username or who.name or who.appid or who.azp or who.oid or who.credential
end

local chained = { "audit", "seq", "prev", "hash", "event", "torn" }

local function row_of(write)
  for _, name in ipairs(chained) do write[name] = nil end
  write.by = name_of(write.who)
  write.name = select.facts({ id = write.connection }).name
  write.status_before = (write.before or {}).status
  write.status_after = (write.after or {}).status
  write.error_message = (write.error or {}).message
  return write
end

-- "7d" or a time as the trail writes times; they compare as texts.
local function since_of(context)
  local since = context.args.since
  if not since then return nil end
  local seconds = age.seconds(since)
  local moment = seconds and os.time() - seconds or age.parse(since)
  if not moment then context:usage(("--since '%s' is no time; write 7d, or 2026-11-24T09:15:00Z"):format(since)) end
  return os.date("!%Y-%m-%dT%H:%M:%SZ", math.floor(moment))
end

return function (context, path)
  local args = context.args
  local since = since_of(context)
  local records, report = audit.read(path)
  if not records then context:fail(context.codes.other, report) end
  local out = context:output { columns = columns, title = "writes" }
  for _, write in ipairs(audit.writes(records, { run = args.run, since = since, connection = args.connection })) do
    out:row(row_of(write))
  end
  out:close()
  if out.count == 0 then context:note("no such write") end
  if report.ok then return 0 end
  context:say("azpec: the trail is not as it was written: %s; azpec audit verify tells all", report.problems[1].message)
  return context.codes.other
end
