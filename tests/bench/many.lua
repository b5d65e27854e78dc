-- many.lua PORT CA_FILE WIDTH N -- N updates, WIDTH of them at once, in azpec's own loop. Prints how many are done in a
-- second, and the CPU time of one in us: what `raw` prints with a WIDTH.
local azpec = require "azpec"
local cqueues = require "cqueues"

collectgarbage "incremental" -- as in a host's state, and in raw's
local width, total = tonumber(arg[3]), tonumber(arg[4])
local client <close> = azpec.client {
  subscription_id = "00000000-0000-0000-0000-000000000001",
  endpoint = "https://127.0.0.1:" .. arg[1], ca_file = arg[2],
  credential = azpec.credential.token { token = "bench-token" },
}

-- Writes to one connection would follow each other.
local function begin(n)
  client:begin_update {
    resource_group_name = "bench", account_name = "once", private_endpoint_connection_name = "bench" .. n % width,
    status = "Approved", description = "Approved by bench",
  }
end

local function run(n)
  local begun = 0
  while begun < math.min(n, width) do
    begin(begun)
    begun = begun + 1
  end
  for _, connection, err in client:completions() do
    assert(connection, err)
    if begun < n then
      begin(begun)
      begun = begun + 1
    end
  end
end

run(16 * width) -- the connections are made
local wall, cpu = cqueues.monotime(), os.clock()
run(total)
print(("%.0f %.1f"):format(total / (cqueues.monotime() - wall), (os.clock() - cpu) / total * 1e6))
