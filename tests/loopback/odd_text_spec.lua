-- One odd text in one item of many: the item is there, and so are the others, as they were.
package.path = "./tests/?.lua;" .. package.path

local t = require "loopback.support"

local account = t.id:match "^(.*)/privateEndpointConnections/"

-- A connection whose description is this, as JSON.
local function item(name, description)
  return ([[{"id":"%s/privateEndpointConnections/%s","name":"%s","properties":{"provisioningState":"Succeeded",
    "privateLinkServiceConnectionState":{"status":"Pending","description":"%s"}}}]])
    :format(account, name, name, description)
end

local function description_of(connection)
  return connection.properties.privateLinkServiceConnectionState.description
end

describe("a text", function ()
  after_each(t.tidy)
  teardown(t.close)

  for what, case in t.each {
    ["with half a surrogate pair"] = { [[a\ud83d]], "a\u{fffd}" },
    ["with the other half"] = { [[\ude00b]], "\u{fffd}b" },
    ["cut in the middle of an emoji"] = { [[ok \uD83D...]], "ok \u{fffd}..." },
    ["that is Latin-1"] = { "gr\xfc\xdfe", "gr\u{fffd}\u{fffd}e" },
    ["with a byte of UTF-8 cut off"] = { "caf\xc3", "caf\u{fffd}" },
    ["with a surrogate as UTF-8"] = { "\xed\xa0\xbd", ("\u{fffd}"):rep(3) },
    ["with a raw NUL"] = { "a\0b", "a\u{fffd}b" },
    ["with an escape that JSON does not have"] = { [[c:\x]], "c:\u{fffd}x" },
    ["with an escaped NUL"] = { [[a\u0000b]], "a\0b" },
    ["with raw control characters"] = { "a\1\27[31m\nb", "a\1\27[31m\nb" },
    ["with escaped control characters"] = { [[a\u0001\u001b[31m\nb]], "a\1\27[31m\nb" },
    ["with a whole pair"] = { [[\ud83d\ude00 日本]], "\u{1f600} 日本" },
    ["that speaks of an escape"] = { [[\\ud83d \"\\\"]], [[\ud83d "\"]] },
    ["with U+FEFF and U+202E"] = { [[\ufeff\u202e]], "\u{feff}\u{202e}" },
  } do
    local others = { "first \\\\ud83d", "\xe2\x82\xac", "last" }
    local wanted = { [[first \ud83d]], "\u{20ac}", "last" }

    it(what .. " leaves the list as it is", function ()
      local server = t.server { { headers = { t.json_type }, body = '{"value":[' .. table.concat({
        item("a", others[1]), item("odd", case[1]), item("b", others[2]), item("c", others[3]) }, ",") .. "]}" } }
      local found = {}
      for connection in server:client():list { id = account } do
        found[#found + 1] = connection.name .. "=" .. description_of(connection)
      end
      assert.same({ "a=" .. wanted[1], "odd=" .. case[2], "b=" .. wanted[2], "c=" .. wanted[3] }, found)
    end)

    it(what .. " is read and approved", function ()
      local server = t.server { { headers = { t.json_type }, body = item("odd", case[1]):gsub("Pending", "Approved") } }
      local connection = assert(server:client():get { id = account .. "/privateEndpointConnections/odd" })
      assert.equal(case[2], description_of(connection))
      assert(server:client():update { id = account .. "/privateEndpointConnections/odd", status = "Approved" })
    end)
  end

  it("is not looked for in JSON that is cut off: that stays an error", function ()
    local server = t.server { { headers = { t.json_type }, body = '{"value":[' .. item("a", [[\ud83d]]) } }
    local ok, err = pcall(function ()
      for _ in server:client { retry = { max_tries = 1 } }:list { id = account } do error "a connection" end
    end)
    assert.is_false(ok)
    assert.equal("protocol", err.kind)
  end)
end)
