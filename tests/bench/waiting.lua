-- waiting.lua PORT CA_FILE N -- prints what each of N operations costs that wait between two polls: KiB of blocks in
-- use, KiB of the process and CPU time; and the descriptors of all together.
local azpec = require "azpec"
local cqueues = require "cqueues"
local heap = require "heap"

-- The first ones make the connections, so few that all are there before the others are measured, and the buffers.
local WARM, CONNECTIONS = 1000, 8

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

local n, pollers = tonumber(arg[3]), {}
for k = 1, WARM + n do pollers[k] = false end -- the memory of the table does not count
local client <close> = azpec.client {
  subscription_id = "00000000-0000-0000-0000-000000000001",
  endpoint = "https://127.0.0.1:" .. arg[1], ca_file = arg[2], timeout = 7200, max_connections = CONNECTIONS,
  credential = azpec.credential.token { token = "bench-token" },
}
local fd = { pollfd = client:pollfd(), events = "r" }

-- Begins those operations, and steps until all of them wait for their first poll.  A listener (on_event) would tell of
-- it, but leave garbage.
local function begin(from, to)
  for k = from, to do
    pollers[k] = client:begin_update {
      resource_group_name = "bench", account_name = "waits", private_endpoint_connection_name = "bench." .. k,
      status = "Approved", description = "Approved by bench",
    }
  end
  for k = from, to do
    while not pollers[k]:status() do
      cqueues.poll(fd, 10)
      client:step()
    end
  end
end

begin(1, WARM)
collectgarbage()
collectgarbage()
local used, kib, time = heap(), memory(), os.clock()
begin(WARM + 1, WARM + n)
local spent = os.clock() - time
collectgarbage()
collectgarbage()
print(("%.2f %.2f %.0f %d"):format((heap() - used) / 1024 / n, (memory() - kib) / n, spent / n * 1e6, descriptors()))
