-- steps.lua PORT CA_FILE WIDTH N -- N updates, WIDTH of them at once, as a guest in an event loop. Prints the processor
-- time of a client:step() in ms: the median and 99.9 % of all; 99.9 % with Lua's collector, which is stopped for these
-- two; and the longest of the first steps, which hold the TLS handshakes.
local azpec = require "azpec"
local cqueues = require "cqueues"

local width, total = tonumber(arg[3]), tonumber(arg[4])
local client <close> = azpec.client {
  subscription_id = "00000000-0000-0000-0000-000000000001",
  endpoint = "https://127.0.0.1:" .. arg[1], ca_file = arg[2],
  credential = azpec.credential.token { token = "bench-token" },
}
local fd = { pollfd = client:pollfd(), events = "r" }

-- Writes to one connection would follow each other.
local function begin(n)
  client:begin_update {
    resource_group_name = "bench", account_name = "once", private_endpoint_connection_name = "bench" .. n % width,
    status = "Approved", description = "Approved by bench",
  }
end

-- Does n updates, at most WIDTH at once; the processor time of each step.
local function run(n)
  local begun, ended, times = 0, 0, {}
  while ended < n do
    while begun < n and begun - ended < width do
      begin(begun)
      begun = begun + 1
    end
    cqueues.poll(fd, 10)
    local from = os.clock()
    client:step()
    times[#times + 1] = (os.clock() - from) * 1000
    for _, connection, err in client:finished() do
      assert(connection, err)
      ended = ended + 1
    end
  end
  table.sort(times)
  return times
end

local cold = run(16 * width)
local warm = run(total)
collectgarbage()
collectgarbage "stop"
local own = run(total)
local function most(times) return times[math.ceil(#times * 0.999)] end
print(("%.3f %.3f %.3f %.3f"):format(own[#own // 2], most(own), most(warm), cold[#cold]))
