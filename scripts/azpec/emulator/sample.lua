-- The built-in sample: a tenant, an application and four Batch accounts, in the form of a state file.

local subscription = "3f1c2a54-6a1e-4b7d-9c55-0e8d1b2a7f10"

local function guid(number)
  return ("5a7e%04x-91c4-4d2b-8f36-70b1e2c3%04x"):format(number, number * 2654435761 >> 8 & 0xffff)
end

local hour, day = 3600, 86400

local function connection(number, name, state)
  state.name = name .. "." .. guid(number)
  return state
end

local states = {
  { "web-frontend", { status = "Pending", description = "Please approve for web-frontend, ticket 5102" } },
  { "render-farm", { status = "Approved", description = "Auto-approved" } },
  { "old-lab", { status = "Rejected", description = "Not one of ours" } },
  { "gone-vnet", { status = "Disconnected", description = "The private endpoint was removed" } },
  { "being-made", { status = "Pending", provisioning_state = "Creating" } },
  { "being-changed", { status = "Pending", provisioning_state = "Updating" } },
  { "being-removed", { status = "Approved", provisioning_state = "Deleting" } },
  { "went-wrong", { status = "Pending", provisioning_state = "Failed" } },
  { "called-off", { status = "Pending", provisioning_state = "Cancelled" } },
}

local function contoso_connections()
  local list = {}
  for number, state in ipairs(states) do list[number] = connection(number, state[1], state[2]) end
  for number = #list + 1, 25 do
    local team = ("team%02d"):format(number - #states)
    list[number] = connection(number, team, { status = "Pending", description = "Requested by " .. team })
  end
  for number, state in ipairs(list) do state.age = 3 * day - (number - 1) * (3 * day - 2 * hour) // (#list - 1) end
  return list
end

local function sample()
  return {
    tenant_id = "8d5d7f62-54e8-4c0b-a3d1-5b6f2f3c9e01",
    tenant_domain = "contoso.onmicrosoft.com",
    client_id = "b1e0c6a4-2f75-4a39-8d0e-6c1f7a9b3d22",
    client_secret = "emulator+secret/with&every%kind of=character~1",
    certificates = {}, federated_tokens = {}, identity_header = "emulator-identity-header",
    pipeline_token = "emulator-pipeline-token",
    subscription_id = subscription,
    options = { retry_after = 1, operation_seconds = 2 },
    accounts = {
      { account_name = "sampleacct", resource_group_name = "default-azurebatch-japaneast", location = "japaneast",
        connections = {
          { name = "testprivateEndpointConnection5.24d6b4b5-e65c-4330-bbe9-3a290d62f8e0",
            status = "Pending", description = "Please approve, ticket 4711", etag = 'W/"0x8D4EDFEBFADF4AB"',
            age = 5 * hour,
            private_endpoint_id = "/subscriptions/" .. subscription .. "/resourceGroups/default-azurebatch-japaneast"
              .. "/providers/Microsoft.Network/privateEndpoints/testprivateEndpoint" },
        } },
      { account_name = "contosobatch", resource_group_name = "rg-contoso-prod", location = "westeurope",
        options = { retry_after = 2, operation_seconds = 3, page_size = 10 },
        connections = contoso_connections() },
      { account_name = "tokyobatch", resource_group_name = "検証-バッチ(東京)", location = "japaneast",
        options = { retry_after = 15, operation_seconds = 20 },
        connections = { connection(31, "kaihatsu", { status = "Pending", description = "承認をお願いします",
          age = 40 * 60 }) } },
      { account_name = "emptybatch", resource_group_name = "rg-contoso-prod", location = "westeurope",
        connections = {} },
    },
  }
end

return sample
