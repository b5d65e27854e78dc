-- A part of the torn conversations; `make torture` has them all.

package.path = "./tests/?.lua;" .. package.path

local t = require "loopback.support"
local torn = require "torture.torn"

describe("conversations torn at some byte", function ()
  teardown(t.close)

  it("end in time, without a false word and without a second write unseen", function ()
    local count, wrong = torn.run(151, 100, t.path "ca.pem")
    assert.equal("", table.concat(wrong, "\n"))
    assert(count > 200, count)
  end)
end)
