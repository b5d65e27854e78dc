-- approve and reject: a connection gets a status, unless it has it already.

local change = require "azpec.command.change"
local select = require "azpec.select"
local text = require "azpec.text"

local decision = {}

function decision.define(command)
  change.define(command)
  command:option("--description", "the new description; without it the requester's stays"):argname "TEXT"
end

local function status_of(connection)
  return select.facts(connection).status
end

local in_progress = { Creating = true, Updating = true, Deleting = true }

-- What was chosen by what it said of itself is written only as it was then. What is being made changes by itself.
local function etag_seen(connection)
  if not connection or in_progress[select.facts(connection).provisioning_state] then return nil end
  return select.etag(connection)
end

local function is_or_may_become_approved(target)
  local facts = target.connection and select.facts(target.connection) or {}
  return facts.status == "Approved" or in_progress[facts.provisioning_state] or false
end

local function make_spec(context, verb, status)
  local args = context.args
  return function (client, description)
    local spec = { verb = verb }
    if status ~= "Approved" then
      spec.removes = is_or_may_become_approved
    end
    function spec.begin(target)
      local etag, err = args.if_match, nil
      if not etag then etag, err = etag_seen(target.connection) end
      if err then return nil, nil, err end
      return client:begin_ensure { id = target.id, status = status, description = description, if_match = etag }
    end
    function spec.row(target, result)
      return change.row(target, result.changed and "changed" or "unchanged", {
        before = status_of(result.before), after = status_of(result.after),
        description = select.facts(result.after).description, etag = result.after.etag })
    end
    function spec.plan(target)
      local connection, err = target.connection, nil
      if not connection then connection, err = client:get { id = target.id } end
      if not connection then return nil, err end
      local facts = select.facts(connection)
      local is_so = facts.status == status
        and (not description or description == (facts.description or ""))
      return change.row(target, is_so and "unchanged" or "would change", {
        before = facts.status, after = status, description = description or facts.description,
        etag = facts.etag })
    end
    function spec.words(row)
      if row.result == "changed" then
        local after = text.state(row.after)
        return row.before ~= row.after and ("%s: %s (was %s)"):format(row.name, after, text.state(row.before))
          or ("%s: %s (new description)"):format(row.name, after)
      elseif row.result == "unchanged" then
        return ("%s: already %s"):format(row.name, status)
      elseif row.result == "would change" then
        return ("%s: would become %s (is %s)"):format(row.name, status, text.state(row.before))
      elseif row.result == "begun" then
        return row.continuation_token
      end
    end
    return spec
  end
end

-- verb: "Approve"; status: "Approved".
function decision.run(context, verb, status)
  return change.run(context, make_spec(context, verb, status))
end

return decision
