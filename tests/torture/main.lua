-- main.lua [STRIDE] -- all torn conversations; see torn.lua. With STRIDE, every STRIDE-th byte only.

local torn = require "torture.torn"

local stride, ca_file = tonumber(arg[1]) or 1, os.tmpname()
local begun = os.time()
local count, wrong = torn.run(stride, 100, ca_file)
os.remove(ca_file)
for _, line in ipairs(wrong) do print(line) end
print(("%d torn conversations in %d s: %d false words, hangs or unsettled writes"):format(count, os.time() - begun,
  #wrong))
os.exit(#wrong == 0)
