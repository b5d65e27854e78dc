-- azpec delete: a connection is taken away; harmless where it is gone already.

local change = require "azpec.command.change"
local select = require "azpec.select"
local targets = require "azpec.command.targets"
local text = require "azpec.text"

local function gone_already(target)
  return change.row(target, "unchanged")
end

local function make_spec(context)
  return function (client)
    local spec = { verb = "Delete" }
    function spec.removes(target) return target.connection ~= nil end
    -- The connection as it is now; nil: it is gone. The deletion is then of exactly this one.
    local function read(target)
      if target.connection then return target.connection end
      return targets.get(client, target.id)
    end
    function spec.begin(target)
      local connection, err = read(target)
      if err then return nil, nil, err end
      if not connection then return nil, gone_already(target) end
      local etag, problem = select.etag(connection)
      if problem and not context.args.if_match then return nil, nil, problem end
      target.before = select.facts(connection).status
      context:because(target.id, { before = connection })
      return client:begin_delete { id = target.id, if_match = context.args.if_match or etag }
    end
    function spec.row(target)
      return change.row(target, "changed", { before = target.before })
    end
    function spec.plan(target)
      local connection, err = read(target)
      if err then return nil, err end
      if not connection then return gone_already(target) end
      return change.row(target, "would change", { before = select.facts(connection).status, etag = connection.etag })
    end
    function spec.words(row)
      if row.result == "changed" then return ("%s: deleted (was %s)"):format(row.name, text.state(row.before)) end
      if row.result == "unchanged" then return ("%s: already gone"):format(row.name) end
      if row.result == "would change" then
        return ("%s: would be deleted (is %s)"):format(row.name, text.state(row.before))
      end
      return row.result == "begun" and row.continuation_token or nil
    end
    return spec
  end
end

return {
  summary = "delete a connection, or all that match; harmless where it is gone already",
  examples = {
    "azpec delete /subscriptions/.../privateEndpointConnections/NAME --yes",
    "azpec delete --all --status Disconnected -g rg-contoso-prod --dry-run",
    "azpec delete --status Disconnected -g rg-contoso-prod --max 20 --yes",
  },
  define = change.define,
  run = function (context) return change.run(context, make_spec(context)) end,
}
