-- What lists are made of: pages that say little, wrongly, or in a circle.
package.path = "./tests/?.lua;" .. package.path

local t = require "loopback.support"

local account = t.id:match "^(.*)/privateEndpointConnections/"
local json = { t.json_type }

-- The names in a list, and what ended it, if that was an error.
local function names(server)
  local found = {}
  local ok, err = pcall(function ()
    for connection in server:client():list { id = account } do found[#found + 1] = connection.name end
  end)
  return table.concat(found, " "), not ok and err or nil
end

local function page(names_in_it, link)
  local items = {}
  for name in names_in_it:gmatch "%S+" do
    items[#items + 1] = ('{"id":"%s/privateEndpointConnections/%s","name":"%s","properties":{}}')
      :format(account, name, name)
  end
  return ('{"value":[%s],"nextLink":%s}'):format(table.concat(items, ","), link or "null")
end

describe("a list", function ()
  after_each(t.tidy)
  teardown(t.close)

  it("whose next page is itself ends after that page, with an error", function ()
    local server = t.server { { headers = json, body = page("a b", '"{origin}' .. account
      .. '/privateEndpointConnections?api-version=2022-06-01"') } }
    local found, err = names(server)
    assert.equal("a b", found)
    assert.equal("protocol", err.kind)
    assert.truthy(err.message:find("the list loops", 1, true), err.message)
    assert.equal(1, #server:requests())
  end)

  it("whose pages go in a circle ends at the first repetition", function ()
    local server = t.server {
      { path = "page=2", headers = json, body = page("c", '"{origin}/x?page=3"') },
      { path = "page=3", headers = json, body = page("d", '"{origin}/x?page=2"') },
      { headers = json, body = page("a b", '"{origin}/x?page=2"') },
    }
    local found, err = names(server)
    assert.equal("a b c d", found)
    assert.equal("protocol", err.kind)
    assert.equal(3, #server:requests())
  end)

  for what, body in t.each {
    ["with value null and nextLink null"] = '{"value":null,"nextLink":null}',
    ["with value null"] = '{"value":null}',
    ["without value, and nextLink null"] = '{"nextLink":null}',
    ["with nothing in it"] = '{"value":[]}',
  } do
    it(what .. " is empty", function ()
      local found, err = names(t.server { { headers = json, body = body } })
      assert.equal("", found)
      assert.is_nil(err)
    end)
  end

  for what, case in t.each {
    ["that is an empty object"] = { "{}", "the page of the list has no 'value'" },
    ["that is another document"] = { '{"values":[]}', "the page of the list has no 'value'" },
    ["whose value is a text"] = { '{"value":"x"}', "the 'value' of the list's page is not an array" },
    ["whose value is an object"] = { '{"value":{"a":{}}}', "the 'value' of the list's page is not an array" },
    ["with an item that is null"] = { '{"value":[{"id":"/x"},null]}',
      "an item in the 'value' of the list's page is not an object" },
    ["with an item that is a number"] = { '{"value":[7]}',
      "an item in the 'value' of the list's page is not an object" },
    ["whose nextLink is a number"] = { '{"value":[],"nextLink":7}', "the link to the next page is not a string" },
    ["that is empty, and whose nextLink is an object"] = { '{"nextLink":{}}',
      "the link to the next page is not a string" },
    ["that is cut off"] = { '{"value":[', 'the response is not a JSON object: {"value":[' },
    ["of a status that is not a page's"] = { '{"value":[]}', 'the response status is not 200: {"value":[]}', 202 },
  } do
    it(what .. " fails, and the message says what is wrong", function ()
      local found, err = names(t.server { { status = case[3], headers = json, body = case[1] } })
      assert.equal("", found)
      t.fails("protocol", case[2], nil, err)
    end)
  end

  it("whose value is null continues with the next page", function ()
    local found, err = names(t.server {
      { path = "page=2", headers = json, body = page "a" },
      { headers = json, body = '{"value":null,"nextLink":"{origin}/x?page=2"}' } })
    assert.equal("a", found)
    assert.is_nil(err)
  end)

  it("answered with 200 and an error is that error", function ()
    local _, err = names(t.server { { headers = json,
      body = '{"error":{"code":"InvalidSubscriptionState","message":"It is off."}}' } })
    assert.equal("InvalidSubscriptionState", err.code)
    assert.equal("InvalidSubscriptionState: It is off. (HTTP 200)", err.message)
  end)

  it("or a connection answered with 200 and an error is that error", function ()
    local server = t.server { { headers = json, body = '{"error":{"code":"ResourceNotFound","message":"Gone."}}' } }
    t.fails("not_found", "ResourceNotFound: Gone. (HTTP 200)", server:client():get { id = t.id })
  end)

  it("answered with a page of HTML asks for the proxy in the way", function ()
    local _, err = names(t.server { { headers = { "Content-Type: text/html" }, body = "<html>Log in</html>" } })
    assert.equal("protocol", err.kind)
    assert.truthy(err.hint:find("check for a proxy or captive portal", 1, true), err.hint)
  end)

  it("has connections whose optional members are null, and to Lua absent", function ()
    local server = t.server { { headers = json, body = ([[{"value":[{"id":"%s/privateEndpointConnections/a","name":"a",
      "etag":null,"type":null,"systemData":null,"properties":{"provisioningState":null,"privateEndpoint":null,
      "groupIds":null,"privateLinkServiceConnectionState":null}}],"nextLink":null}]]):format(account) } }
    for connection in server:client():list { id = account } do
      assert.same({ id = account .. "/privateEndpointConnections/a", name = "a", properties = {} }, connection)
    end
  end)
end)
