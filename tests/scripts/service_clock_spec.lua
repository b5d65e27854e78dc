local service_clock = require "azpec.service_clock"

local function answer(date) return { event = "response", headers = { date = date } } end

describe("azpec.service_clock", function ()
  local count, clock
  before_each(function ()
    count = 100
    clock = service_clock.new(function () return count end)
  end)

  it("knows no time before the service has answered", function ()
    assert.is_nil(clock:now())
    clock:observe { event = "request", headers = { date = "Thu, 01 Jan 1970 00:01:00 GMT" } }
    clock:observe(answer "yesterday")
    clock:observe { event = "response" }
    assert.is_nil(clock:now())
    assert.is_nil(clock:complaint(1e9))
  end)

  it("goes on from the last answer's Date by a clock that cannot step", function ()
    clock:observe(answer "Thu, 01 Jan 1970 00:01:00 GMT")
    assert.equal(60, clock:now())
    count = 105
    assert.equal(65, clock:now())
    clock:observe(answer "Thu, 01 Jan 1970 00:02:00 GMT")
    assert.equal(120, clock:now())
  end)

  it("names a machine's clock that is more than five minutes off", function ()
    clock:observe(answer "Thu, 01 Jan 1970 01:00:00 GMT")
    assert.is_nil(clock:complaint(3600 + 300))
    assert.equal("5 min fast, by the service's", clock:complaint(3600 + 301))
    assert.equal("60 min slow, by the service's", clock:complaint(0))
  end)
end)
