-- update.lua PORT ACCOUNT N [CA_FILE] -- what raw.c does, by azpec.
local azpec = require "azpec"

local client <close> = azpec.client {
  subscription_id = "00000000-0000-0000-0000-000000000001",
  endpoint = "https://127.0.0.1:" .. arg[1],
  ca_file = arg[4],
  credential = azpec.credential.token { token = "bench-token" },
}
for _ = 1, tonumber(arg[3]) do
  local connection = assert(client:update {
    resource_group_name = "bench",
    account_name = arg[2],
    private_endpoint_connection_name = "bench",
    status = "Approved",
    description = "Approved by bench",
  })
  assert(connection.properties.privateLinkServiceConnectionState.status == "Approved")
end
