-- waiting.lua PORT CA_FILE N... -- what an operation costs that waits between two polls: KiB and CPU time of each, by
-- how many wait beside each other; descriptors of all together.
local azpec = require "azpec"

local function memory() -- KiB
  for line in io.lines "/proc/self/status" do
    local kb = line:match "^VmRSS:%s+(%d+) kB"
    if kb then return tonumber(kb) end
  end
end

local function descriptors()
  local stat <close> = assert(io.open "/proc/self/stat")
  local pipe <close> = assert(io.popen("ls /proc/" .. stat:read "n" .. "/fd | wc -l"))
  return pipe:read "n"
end

local function begin(client, n)
  for k = 1, n do
    client:begin_update {
      resource_group_name = "bench", account_name = "waits", private_endpoint_connection_name = "bench." .. k,
      status = "Approved", description = "Approved by bench",
    }
  end
end

-- Steps until n operations wait for their first poll.
local function settle(client, told, n)
  local fd = { pollfd = client:pollfd(), events = "r" }
  local cqueues = require "cqueues"
  while told.accepted < n do
    cqueues.poll(fd, 10)
    client:step()
  end
end

print(("%-44s %10s %10s %10s"):format("operations waiting between two polls", "KiB each", "us each", "descriptors"))
for at = 3, #arg do
  local n, told = tonumber(arg[at]), { accepted = 0 }
  local client <close> = azpec.client {
    subscription_id = "00000000-0000-0000-0000-000000000001",
    endpoint = "https://127.0.0.1:" .. arg[1], ca_file = arg[2], timeout = 7200,
    credential = azpec.credential.token { token = "bench-token" },
    on_event = function (event)
      if event.event == "poll" then told.accepted = told.accepted + 1 end
    end,
  }
  begin(client, 100) -- connections and their buffers are there
  settle(client, told, 100)
  collectgarbage()
  collectgarbage()
  local kib, time = memory(), os.clock()
  begin(client, n)
  settle(client, told, 100 + n)
  local spent = os.clock() - time
  collectgarbage()
  collectgarbage()
  print(("  %-42d %10.2f %10.0f %10d"):format(n, (memory() - kib) / n, spent / n * 1e6, descriptors()))
end
