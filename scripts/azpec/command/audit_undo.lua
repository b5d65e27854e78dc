-- azpec audit undo: shows what a run left behind and what it would be again; with --apply makes it so.

local audit = require "azpec.audit"
local consent = require "azpec.command.consent"
local failure = require "azpec.command.failure"
local select = require "azpec.select"
local text = require "azpec.text"
local undo = require "azpec.audit.undo"

local columns = {
  { "NAME", "name" }, { "RESULT", "result" }, { "IS", "from" }, { "BECOMES", "to" }, { "WHY", "reason" },
  { "ID", "id", for_programs = true },
}

local function row_of(item, result, reason)
  return { id = item.id, name = select.facts({ id = item.id }).name, result = result, reason = reason,
    from = (item.from or {}).status, to = (item.to or {}).status }
end

local function plan_of(context, path)
  local args = context.args
  if not args.run then context:usage "which run? azpec audit show tells them; --run RUN" end
  local plan, why = audit.undo(path, args.run, { reject = args.reject })
  if not plan then context:fail(context.codes.other, why) end
  return plan
end

-- What cannot be brought back, in words, before anything else; returns how many that are, and how many are so already.
local function tell(context, plan)
  local staying, already = #plan.impossible, 0
  for _, item in ipairs(plan.impossible) do
    context:say("%s stays as it is: %s", select.facts({ id = item.id }).name, item.reason)
  end
  for _, item in ipairs(plan.items) do
    if item.is_so then already = already + 1 end
    if item.stale then
      staying = staying + 1
      context:say("%s stays as it is: %s", select.facts({ id = item.id }).name, item.stale)
    end
  end
  return staying, already
end

local function is_todo(item)
  return not item.stale and not item.is_so
end

local function targets_of(plan)
  local list = {}
  for _, item in ipairs(plan.items) do
    if is_todo(item) then list[#list + 1] = { id = item.id, connection = item.current } end
  end
  return list
end

local function always()
  return true
end

local function is_any(plan, status)
  for _, item in ipairs(plan.items) do
    if item.to.status == status and item.from.status ~= status and is_todo(item) then return true end
  end
  return false
end

local function warn(context, plan)
  if is_any(plan, "Pending") then
    context:say "Pending is asked for; should the service refuse that, nothing changes, and --reject rejects instead"
  end
  if is_any(plan, "Rejected") then context:say "what is rejected now cannot be approved again" end
end

local function show(out, plan, done)
  for _, item in ipairs(plan.impossible) do out:row(row_of(item, "stays", item.reason)) end
  for _, item in ipairs(plan.items) do
    if item.stale then
      out:row(row_of(item, "stays", item.stale))
    elseif item.is_so then
      out:row(row_of({ id = item.id, from = item.to, to = item.to }, "unchanged", "it is so already"))
    elseif not done then
      out:row(row_of(item, "would change"))
    end
  end
end

local function apply(context, plan, client, out, todo)
  local changed, failed = 0, 0
  local bar = todo > 1 and context:progress { total = todo }
  for _, item in ipairs(plan.items) do
    context:because(item.id, { verb = "undo", before = item.current, reason = "undoes run " .. context.args.run })
  end
  plan:apply(client, function (item, connection, err)
    if connection then
      changed = changed + 1
      out:row(row_of(item, "changed"))
    else
      failed = failed + 1
      failure.show(err)
      context:keep(err.continuation_token)
      out:row(row_of(item, "failed", err.message))
    end
    if bar then
      bar:update { done = changed + failed, failed = failed,
        running = math.min(todo - changed - failed, undo.most_at_once) }
    end
    context.not_begun = out.problem and todo - changed - failed
    return out.problem == nil
  end, function (poller) context:track(poller) end)
  if bar then bar:close() end
  return changed, failed
end

return function (context, path)
  local args = context.args
  local plan = plan_of(context, path)
  args.audit = path
  local first = plan.items[1]
  local client = first and context:client { subscription_id = select.facts({ id = first.id }).subscription_id }
  if first then plan:check(client) end
  local staying, already = tell(context, plan)
  local todo = #plan.items + #plan.impossible - staying - already
  warn(context, plan)
  if args.apply then consent.need(context, targets_of(plan), { verb = "Undo", noun = "change", removes = always }) end
  local out = context:output { columns = columns, title = "items", lasting = args.apply }
  show(out, plan, args.apply)
  local changed, failed = 0, 0
  if args.apply and todo > 0 then changed, failed = apply(context, plan, client, out, todo) end
  out:close()
  if not args.apply then
    context:note("%s would be undone; nothing was done; --apply does it", text.count(todo, "change"))
    return args.detailed_exitcode and todo > 0 and context.codes.changes or 0
  end
  context:note("%s undone, %d failed, %d stay as they are%s", text.count(changed, "change"), failed, staying,
    already > 0 and (", %d so already"):format(already) or "")
  if failed + staying > 0 then return context.codes.some_failed end
  return args.detailed_exitcode and changed > 0 and context.codes.changes or 0
end
