-- azpec.duration: durations as people write them.

local duration = require "azpec.duration"

describe("azpec.duration", function ()
  it("reads seconds and units", function ()
    for written, seconds in pairs { ["90"] = 90, ["30s"] = 30, ["15m"] = 900, ["2h"] = 7200, ["7d"] = 604800,
                                    ["2w"] = 1209600, ["1.5h"] = 5400, [0] = 0, [0.25] = 0.25 } do
      assert.equal(seconds, duration.seconds(written))
    end
  end)

  it("refuses any other text, and says what to write", function ()
    for _, written in ipairs { "", "m", "-1", "1y", "1 h", "h1", "1e3", -1, math.huge } do
      local seconds, why = duration.seconds(written)
      assert.is_nil(seconds)
      assert.equal(("'%s' is not a duration; write seconds, or 30s, 15m, 2h, 7d, 2w"):format(written), why)
    end
  end)

  it("writes seconds in the largest whole unit", function ()
    for seconds, written in pairs { [0] = "0s", [59.9] = "59s", [60] = "1m", [7199] = "1h", [86400 * 15] = "15d" } do
      assert.equal(written, duration.text(seconds))
    end
  end)

  it("reads an age with its unit only", function ()
    for written, seconds in pairs { ["7d"] = 604800, ["1.5h"] = 5400, ["0"] = 0, [0] = 0 } do
      assert.equal(seconds, duration.age(written))
    end
    for _, written in ipairs { "7", 7 } do
      local seconds, why, lacks_unit = duration.age(written)
      assert.is_nil(seconds)
      assert.is_true(lacks_unit)
      assert.equal("'7' has no unit; write 7d for days, 7h for hours, 7m for minutes", why)
    end
    assert.same({ nil, "'soon' is not a duration; write 30s, 15m, 2h, 7d, 2w" }, { duration.age "soon" })
  end)
end)
