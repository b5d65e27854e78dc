-- Who may connect to our Batch accounts. For `azpec auto --rules` and `azpec plan --rules`; try it with
--
--   azpec auto --rules scripts/examples/rules.lua        (only shows what it would do, and why)
--
-- The first rule that matches decides. A request that no rule matches is held for a person. A rule without `status`
-- applies to pending requests only, so decisions of people stay. All fields of a rule must match. A text may have *
-- and ?, and a list means any of its texts.

local build_team = "3f1c2a54-6a1e-4b7d-9c55-0e8d1b2a7f10"
local partners = { "0d9b6f1e-2f60-4f0b-8a52-6f2d6a1c7e01", "7b3a1c55-90de-4a8e-b1ad-2c9e5f7d4b02" }

-- A run that would do more than this does nothing, and says so.
at_most { approve = 20, reject = 5 }

hold "tests need a person" {
  when = { description = { "*test*", "*Test*" } },
  because = "test endpoints are approved by hand, for a day",
}

approve "our build agents" {
  when = {
    private_endpoint_subscription = build_team,
    private_endpoint_resource_group = "rg-build-*",
    group_id = "batchAccount",
  },
  because = "the build team's own subscription",
}

-- A partner's request must name the ticket that we issued. The description replaces the partner's, so it repeats it.
approve "partners with a ticket" {
  when = { private_endpoint_subscription = partners, description = "*NET-*" },
  unless = { account_name = "*prod*" },
  because = "a partner names a ticket",
  description = "{description} (approved: {rule})",
}

-- A function can decide where texts are not enough. It gets the connection's facts and the time, and returns true or
-- false, and optionally a reason. It cannot read files, and has a time limit. If it fails, the request is held.
approve "office hours, by name" {
  when = {
    private_endpoint_name = "batch-ui-*",
    where = function (connection, now)
      local is_working_day = now.weekday ~= "Saturday" and now.weekday ~= "Sunday"
      return is_working_day and #connection.group_ids == 1, "asked for on a " .. now.weekday
    end,
  },
}

reject "too old" {
  when = { older_than = "30d" },
  because = "it was pending for 30 days",
}

-- Tests of these rules. If a decision differs, the file is refused, and the message names the line. A rule that asks
-- for the time cannot be tested here: its decision depends on the day.
local function endpoint(subscription)
  return "/subscriptions/" .. subscription .. "/resourceGroups/rg-build-7"
    .. "/providers/Microsoft.Network/privateEndpoints/agent-1"
end

expect "approve" { private_endpoint = endpoint(build_team), rule = "our build agents" }
expect "hold" { private_endpoint = endpoint(build_team), description = "a test", rule = "tests need a person" }
expect "hold" { private_endpoint = endpoint "ffffffff-0000-4000-8000-000000000000", description = "as in NET-4711" }
for _, partner in ipairs(partners) do
  expect "approve" { private_endpoint = endpoint(partner), description = "as in NET-4711",
    rule = "partners with a ticket" }
  expect "hold" { private_endpoint = endpoint(partner), description = "as in NET-4711", account_name = "prod1" }
end
expect "reject" { age = "31d", rule = "too old" }
