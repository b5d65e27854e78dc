package.path = "./tests/?.lua;" .. package.path

local azpec = require "azpec"
local cjson = require "cjson"
local t = require "loopback.support"

-- The API document's own sample (Private Endpoint Connection - Update, api-version 2022-06-01).
local path = "/subscriptions/subid/resourceGroups/default-azurebatch-japaneast/providers/Microsoft.Batch"
  .. "/batchAccounts/sampleacct/privateEndpointConnections/" .. t.sample_name
local resource = [[
{
  "id": "]] .. path .. [[",
  "name": "]] .. t.sample_name .. [[",
  "type": "Microsoft.Batch/batchAccounts/privateEndpointConnections",
  "etag": "W/\"0x8D4EDFEBFADF4AB\"",
  "properties": {
    "provisioningState": "Succeeded",
    "privateEndpoint": {
      "id": "/subscriptions/subid/resourceGroups/default-azurebatch-japaneast/providers/Microsoft.Network/]]
  .. [[privateEndpoints/testprivateEndpoint"
    },
    "groupIds": [ "batchAccount" ],
    "privateLinkServiceConnectionState": {
      "status": "Approved",
      "description": "Approved by xyz.abc@company.com"
    }
  }
}]]
local location = "/subscriptions/subid/resourceGroups/default-azurebatch-japaneast/providers/Microsoft.Batch"
  .. "/batchAccounts/sampleacct/privateEndpointConnectionProxyResults/Updating$testprivateEndpointConnection5."
  .. "24d6b4b5$e65c-4330-bbe9-3a290d62f8e0-8D4EDFF164A11C9?api-version=2022-01-01"

local call = {
  resource_group_name = "default-azurebatch-japaneast", account_name = "sampleacct",
  private_endpoint_connection_name = t.sample_name,
  status = azpec.PrivateLinkServiceConnectionStatus.Approved, description = "Approved by xyz.abc@company.com",
}
local answer_200 = { method = "PATCH", status = 200, headers = { t.json_type, 'ETag: W/"0x8D4EDFEBFADF4AB"' },
  body = resource }
local answer_202 = { method = "PATCH", status = 202, headers = { "Retry-After: 15", "Location: {origin}" .. location } }

local function client_of(server, more)
  return server:client(t.merged({ subscription_id = "subid" }, more or {}))
end

describe("the API document's sample", function ()
  after_each(t.tidy)
  teardown(t.close)

  it("is sent as it stands there: method, URL byte for byte, body by value", function ()
    local server = t.server { answer_200 }
    assert(client_of(server):update(call))
    local requests = server:requests()
    assert.equal(1, #requests)
    assert.equal("PATCH " .. path .. "?api-version=2022-06-01 HTTP/1.1", requests[1].line)
    assert.same({ properties = { privateLinkServiceConnectionState = {
      status = "Approved", description = "Approved by xyz.abc@company.com" } } }, cjson.decode(requests[1].body))
    assert.equal("application/json", requests[1].headers["content-type"])
  end)

  it("is sent with these header fields and no other", function ()
    local server = t.server { answer_200 }
    assert(client_of(server):update(call))
    local request = server:requests()[1]
    assert.same({ "accept", "authorization", "content-length", "content-type", "host", "user-agent",
      "x-ms-client-request-id" }, request.names)
    assert.equal("application/json", request.headers.accept)
    assert.equal("Bearer " .. t.canary, request.headers.authorization)
    assert.equal(server.endpoint:match "//(.*)$", request.headers.host)
  end)

  it("answered 200 comes back whole, its weak ETag too", function ()
    local server = t.server { answer_200 }
    local connection = assert(client_of(server):update(call))
    assert.same(cjson.decode(resource), connection)
    assert.equal('W/"0x8D4EDFEBFADF4AB"', connection.etag)
  end)

  it("answered 200 with the ETag in the header alone has it too", function ()
    local body = resource:gsub('%s*"etag":[^\n]*', "")
    local server = t.server { t.merged(answer_200, { body = body }) }
    local connection = assert(client_of(server):update(call))
    assert.same(cjson.decode(resource), connection)
  end)

  it("has the ETag of the body, which no proxy changes, before that of the header", function ()
    for _, header in ipairs { 'ETag: W/"0x8D4EDFEBFADF4AB-gzip"', 'ETag: "0x8D4EDFEBFADF4AB"' } do
      local server = t.server { t.merged(answer_200, { headers = { t.json_type, header } }) }
      assert.equal('W/"0x8D4EDFEBFADF4AB"', assert(client_of(server):update(call)).etag)
    end
  end)

  it("has the ETag of the header where the body's is no entity-tag", function ()
    local body = resource:gsub([["W/\"0x8D4EDFEBFADF4AB\""]], '"0x8D4EDFEBFADF4AB"')
    assert.not_equal(resource, body)
    local server = t.server { t.merged(answer_200, { body = body }) }
    assert.equal('W/"0x8D4EDFEBFADF4AB"', assert(client_of(server):update(call)).etag)
  end)

  it("answered 202 is followed to its Location, $ and foreign api-version byte for byte", function ()
    local quick = { "Retry-After: 0", answer_202.headers[2] }
    local server = t.server {
      t.merged(answer_202, { headers = quick }),
      { method = "GET", path = "ProxyResults", times = 1, status = 202, headers = quick },
      { method = "GET", path = "ProxyResults", status = 200, headers = answer_200.headers, body = resource },
    }
    local connection = assert(client_of(server):update(call))
    assert.same(cjson.decode(resource), connection)
    local requests = server:requests()
    assert.equal(3, #requests)
    assert.equal("GET " .. location .. " HTTP/1.1", requests[2].line)
    assert.equal("GET " .. location .. " HTTP/1.1", requests[3].line)
    assert.equal("Bearer " .. t.canary, requests[3].headers.authorization)
    assert.equal("", requests[3].body)
    assert.is_nil(requests[3].headers["content-type"])
  end)

  it("answered 202 with Retry-After: 15 is asked for after 15 seconds, not before", function ()
    local server = t.server { answer_202 }
    local client, events = client_of(server, { poll_interval = nil })
    local poller = client:begin_update(call)
    local waits = {}
    t.await("its answer", function ()
      for _, event in ipairs(events) do
        if event.event == "poll" then waits[#waits + 1] = event.wait end
      end
      return waits[1]
    end, function () t.fails("timeout", "^still running", poller:wait(0.01)) end)
    assert.same({ 15.0 }, waits)
    assert.equal(1, #server:requests())
  end)

  it("answered 204 is read from the resource", function ()
    local server = t.server {
      { method = "PATCH", status = 204 },
      { method = "GET", status = 200, headers = answer_200.headers, body = resource },
    }
    local connection = assert(client_of(server):update(call))
    assert.same(cjson.decode(resource), connection)
    local requests = server:requests()
    assert.equal(2, #requests)
    assert.equal("GET " .. path .. "?api-version=2022-06-01 HTTP/1.1", requests[2].line)
  end)

  it("named by its id, in any letter case, is the same request", function ()
    local server = t.server { answer_200 }
    local id = path:gsub("resourceGroups", "RESOURCEGROUPS"):gsub("Microsoft.Batch", "microsoft.batch")
    local by_id = { id = id, status = "Approved", description = call.description }
    assert(client_of(server):update(by_id))
    assert.equal(("PATCH " .. path .. "?api-version=2022-06-01 HTTP/1.1"):lower(), server:requests()[1].line:lower())
    assert.same({ id = id, status = "Approved", description = call.description }, by_id)
  end)
end)
