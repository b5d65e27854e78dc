-- azpec.date: the dates of Azure's JSON and of HTTP headers.

local date = require "azpec.date"

describe("azpec.date", function ()
  -- examples of RFC 3339, 5.6 and 5.8
  for stamp, time in pairs {
    ["1970-01-01T00:00:00Z"] = 0, ["1985-04-12T23:20:50.5Z"] = 482196050.5,
    ["1996-12-19T16:39:57-08:00"] = 851042397, ["2000-02-29T12:00:00z"] = 951825600,
    ["2038-01-19 03:14:08Z"] = 2147483648, ["1937-01-01T12:00:27+00:20"] = -1041337173,
  } do
    it("reads " .. stamp, function () assert.equal(time, date.parse(stamp)) end)
  end

  it("reads no timestamp without a zone, or of another form", function ()
    for _, stamp in ipairs { "", "2026-05-04", "2026-05-04T03:02:01", "2026-5-4T3:2:1Z",
                             "Sun, 06 Nov 1994 08:49:37 GMT" } do
      assert.is_nil(date.parse(stamp), stamp)
    end
  end)

  it("reads no day and no time that there is not", function ()
    for _, stamp in ipairs { "2026-13-01T00:00:00Z", "2026-00-01T00:00:00Z", "2026-02-30T00:00:00Z",
      "2026-02-29T00:00:00Z", "1900-02-29T00:00:00Z", "2026-04-31T00:00:00Z", "2026-01-00T00:00:00Z",
      "2026-01-01T24:00:00Z", "2026-01-01T00:60:00Z", "2026-01-01T00:00:61Z" } do
      assert.is_nil(date.parse(stamp), stamp)
    end
    assert.equal(date.parse "1999-01-01T00:00:00Z", date.parse "1998-12-31T23:59:60Z") -- RFC 3339, 5.8
  end)

  it("writes what it reads, in whole seconds", function ()
    for _, time in ipairs { 0, 951825600, 951868799, 1798761600 } do
      assert.equal(time, date.parse(date.stamp(time)))
      assert.equal(date.stamp(time), date.stamp(time + 0.9))
    end
    assert.equal("2000-02-29T12:00:00Z", date.stamp(951825600))
  end)

  it("writes milliseconds where they are asked for", function ()
    assert.equal("2000-02-29T12:00:00.250Z", date.stamp(951825600.25, true))
    assert.equal("2000-02-29T12:00:00.000Z", date.stamp(951825600, true))
  end)

  it("reads and writes the Date header of HTTP, in any locale", function ()
    assert.equal(784111777, date.parse_http "Sun, 06 Nov 1994 08:49:37 GMT")
    assert.equal("Sun, 06 Nov 1994 08:49:37 GMT", date.http(784111777.9))
    for _, bad in ipairs { "", "now", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun, 06 Now 1994 08:49:37 GMT" } do
      assert.is_nil(date.parse_http(bad))
    end
  end)
end)
