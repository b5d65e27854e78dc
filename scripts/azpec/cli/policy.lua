-- The options of writes that a policy of Azure Policy with external evaluation guards: its token, and the change that
-- allows the write.

local convert = require "azpec.cli.convert"
local text = require "azpec.text"

local policy = {}

-- Returns --change-reference. help: what the verb does with it.
function policy.change_option(command, help)
  return command:option("--change-reference", help):argname "ID":convert(convert.ticket)
end

-- Adds them to a verb that writes.
function policy.define(command)
  local when = command:option("--policy-token", "auto: after a refusal that requires one; always: before each write; "
    .. "never"):argname "WHEN":choices { "auto", "always", "never" }
  local always = command:flag("--acquire-policy-token", "the same as --policy-token always")
  command:mutex(when, always)
  command:group("Policies that require a policy token (Azure Policy, external evaluation)", when, always,
    policy.change_option(command, "id of the change that allows this; sent with each request for a policy token, which "
      .. "then is acquired before each write; without such a policy every write fails: add --policy-token auto"))
end

-- Takes over the change that a plan was approved for. Ends the verb if the command line contradicts it.
function policy.follow(context, plan)
  local args, planned = context.args, plan.change_reference
  if not planned then return end
  if args.change_reference and args.change_reference ~= planned then
    context:usage(("the plan is of change '%s', and --change-reference says '%s'; make a new plan with that option")
      :format(text.clean(planned), text.clean(args.change_reference)))
  elseif args.policy_token == "never" then
    context:usage(("the plan is of change '%s', which --policy-token never would not send"):format(text.clean(planned)))
  end
  args.change_reference = planned
end

-- Sets the fields of azpec.client; ends the verb where the options contradict each other.
function policy.set(context, fields)
  local args = context.args
  if args.change_reference and args.policy_token == "never" then
    context:usage "--change-reference does not go with --policy-token never"
  end
  args.policy_token = args.policy_token or args.acquire_policy_token and "always" or nil
  fields.policy_token, fields.change_reference = args.policy_token, args.change_reference
end

return policy
