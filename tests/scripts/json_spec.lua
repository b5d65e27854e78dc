local json = require "azpec.json"

describe("azpec.json", function ()
  it("writes a number that was too large for Lua as one that is read again", function ()
    assert.equal('{"a":1e999,"b":-1e999}', json.encode(json.decode '{"a":1e999,"b":-1e999}'))
    assert.equal("[null]", json.encode { 0 / 0 })
  end)

  it("sorts members, and keeps an empty list a list", function ()
    assert.equal('{"a":[],"b":{}}', json.encode { b = {}, a = json.list() })
  end)
end)
