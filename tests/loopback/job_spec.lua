package.path = "./tests/?.lua;" .. package.path

local t = require "loopback.support"

local function state_of(connection)
  return connection.properties.privateLinkServiceConnectionState
end

local emulator

local function job(tls)
  local over = tls and "HTTPS" or "HTTP"

  it("goes from pending to approved over " .. over, function ()
    local client = emulator:client { tls = tls }
    assert.equal("Pending", state_of(assert(client:get(t.call(emulator.sample)))).status)
    local connection = assert(client:update(t.call(emulator.sample, { status = "Approved", description = "by me" })))
    assert.equal("Approved", state_of(connection).status)
    assert.equal("by me", state_of(connection).description)
    assert.equal("Succeeded", connection.properties.provisioningState)
    assert.equal("Approved", emulator:connection(emulator.sample).status)
    for _, entry in ipairs(emulator:log()) do assert.equal(tls or false, entry.tls) end
  end)

  it("asks no more often than the contract needs over " .. over, function ()
    assert(emulator:client { tls = tls }:update(t.call(emulator.sample, { status = "Approved" })))
    assert.equal("token update poll poll poll", emulator:kinds())
  end)

  it("keeps one connection for a whole conversation over " .. over, function ()
    local client = emulator:client { tls = tls }
    for n = 1, 5 do
      assert(client:update(t.call(emulator.many[n], { status = "Approved" })))
      assert(client:get(t.call(emulator.many[n])))
    end
    assert.equal(1, emulator:connection_count())
    assert.equal(1, #emulator:log "token")
  end)
end

setup(function () emulator = t.emulator() end)
before_each(function () emulator:reset() end)
after_each(t.tidy)
teardown(t.close)

describe("the whole job", function ()
  job(nil)
  job(true)

  it("signs in with a secret of hard characters, form-encoded, and sends nothing else", function ()
    assert(emulator:client():get(t.call(emulator.sample)))
    local entry = emulator:log "token"[1]
    assert.equal(200, entry.status)
    assert.equal("application/x-www-form-urlencoded", entry.headers["content-type"])
    assert.same({ "client_id", "client_secret", "grant_type", "scope" }, entry.token.fields)
    assert.equal(0, entry.token.unknown_fields)
    assert.equal("https://management.azure.com/.default", entry.token.scope)
  end)

  it("hands back the ETag that the service gave, and guards the write with it", function ()
    local client = emulator:client()
    local before = assert(client:get(t.call(emulator.sample)))
    assert.equal('W/"0x8D4EDFEBFADF4AB"', before.etag)
    local after = assert(client:update(t.call(emulator.sample, { status = "Approved", if_match = before.etag })))
    assert.equal('W/"0x8D4EDFEBFADF4AB"', emulator:log "update"[1].headers["if-match"])
    assert.not_equal(before.etag, after.etag)
    assert.equal(emulator:connection(emulator.sample).etag, after.etag)
  end)

  it("sends an If-Match of any form byte for byte", function ()
    local client = emulator:client()
    for _, tag in ipairs { "*", '"strong"', 'W/"a b\\c,d"', "bare", "W/'odd'" } do
      client:update(t.call(emulator.sample, { status = "Approved", if_match = tag }))
      local log = emulator:log "update"
      assert.equal(tag, log[#log].headers["if-match"])
    end
  end)

  it("does not send If-Match when none was given", function ()
    assert(emulator:client():update(t.call(emulator.sample, { status = "Approved" })))
    assert.is_nil(emulator:log "update"[1].headers["if-match"])
  end)

  it("stops at a changed ETag and writes nothing", function ()
    local wrong = t.call(emulator.sample, { status = "Approved", if_match = 'W/"0xOLD"' })
    local err = t.fails("precondition", "PreconditionFailed: The condition specified using HTTP conditional header(s) "
      .. "is not met. (HTTP 412)", emulator:client():update(wrong))
    assert.equal(412, err.http_status)
    assert.equal("PreconditionFailed", err.code)
    assert.equal("request", err.phase)
    assert.is_false(err.retryable)
    assert.is_nil(err.continuation_token)
    assert.equal("the connection changed after its ETag was read: read it again, then decide", err.hint)
    assert.equal("Pending", emulator:connection(emulator.sample).status)
    assert.equal("token update", emulator:kinds())
  end)
end)

describe("the whole job (reject, delete, ensure)", function ()
  it("rejects, and the service then refuses to approve", function ()
    local client = emulator:client()
    assert.equal("Rejected", state_of(assert(client:update(t.call(emulator.sample, { status = "Rejected" })))).status)
    local err = t.fails("service", "BadRequest: Approving rejected private endpoint connections is not supported. "
      .. "(HTTP 400)", client:update(t.call(emulator.sample, { status = "Approved" })))
    assert.equal("BadRequest", err.code)
    assert.equal("Rejected", emulator:connection(emulator.sample).status)
  end)

  it("ensure says what to do when a rejected connection cannot be approved", function ()
    local client = emulator:client()
    assert(client:update(t.call(emulator.sample, { status = "Rejected" })))
    local err = t.fails("service", "^BadRequest: ", client:ensure(t.call(emulator.sample, { status = "Approved" })))
    assert.equal("a rejected or disconnected connection cannot be approved again: delete it and have the private "
      .. "endpoint's owner create a new one", err.hint)
  end)

  it("deletes; the connection is gone; deleting again is harmless", function ()
    local client = emulator:client()
    assert.is_true(client:delete(t.call(emulator.sample)))
    assert.is_nil(emulator:connection(emulator.sample))
    t.fails("not_found", "^ResourceNotFound: .* %(HTTP 404%)$", client:get(t.call(emulator.sample)))
    assert.is_true(client:delete(t.call(emulator.sample)))
  end)

  it("delete is guarded by if_match too", function ()
    local client = emulator:client()
    t.fails("precondition", "^PreconditionFailed: ",
      client:delete(t.call(emulator.sample, { if_match = 'W/"0xOLD"' })))
    assert.is_true(client:delete(t.call(emulator.sample, { if_match = 'W/"0x8D4EDFEBFADF4AB"' })))
  end)

  it("ensure writes once and says so, guarded by the ETag that it read", function ()
    local result = assert(emulator:client():ensure(t.call(emulator.sample, { status = "Approved" })))
    assert.is_true(result.changed)
    assert.equal("Pending", state_of(result.before).status)
    assert.equal("Approved", state_of(result.after).status)
    assert.equal("token get update poll poll poll", emulator:kinds())
    assert.equal('W/"0x8D4EDFEBFADF4AB"', emulator:log "update"[1].headers["if-match"])
  end)

  it("ensure of what is so already reads and does not write", function ()
    local client = emulator:client()
    local wish = t.call(emulator.sample, { status = "Approved", description = "by rule 7" })
    assert.is_true(assert(client:ensure(wish)).changed)
    emulator:control("DELETE", "log")
    local result = assert(client:ensure(wish))
    assert.is_false(result.changed)
    assert.same(result.before, result.after)
    assert.equal("Approved", state_of(result.after).status)
    assert.equal("get", emulator:kinds())
  end)

  it("ensure that meets another writer reads again and decides again", function ()
    emulator:faults { { match = { kind = "update", nth = 1 }, action = { status = 412 } } }
    local result = assert(emulator:client():ensure(t.call(emulator.sample, { status = "Approved" })))
    assert.is_true(result.changed)
    assert.equal("token get update get update poll poll poll", emulator:kinds())
  end)
end)

describe("the whole job (lists and values)", function ()
  it("lists all pages, one request a page", function ()
    emulator:set { ["manyacct:page_size"] = 10 }
    local names = {}
    for connection in emulator:client():list { resource_group_name = "rg-contoso-prod", account_name = "manyacct" } do
      names[#names + 1] = connection.name
      assert.equal("Pending", state_of(connection).status)
    end
    assert.equal(64, #names)
    for n, name in ipairs(names) do assert.equal(emulator.many[n]:match "[^/]*$", name) end
    assert.equal(7, #emulator:log "list")
  end)

  it("a loop over the list that breaks asks for no further page", function ()
    emulator:set { ["manyacct:page_size"] = 10 }
    local count = 0
    for _ in emulator:client():list { resource_group_name = "rg-contoso-prod", account_name = "manyacct" } do
      count = count + 1
      if count == 10 then break end
    end
    assert.equal("token list", emulator:kinds())
  end)

  it("lists on through an empty page, and asks for pages of the size wanted", function ()
    emulator:set { ["manyacct:empty_page"] = "yes", ["manyacct:last_link"] = "null" }
    local count = 0
    local wish = { resource_group_name = "rg-contoso-prod", account_name = "manyacct", maxresults = 50 }
    for _ in emulator:client():list(wish) do count = count + 1 end
    assert.equal(64, count)
    assert.equal(3, #emulator:log "list")
    assert.truthy(emulator:log "list"[1].target:find("&maxresults=50", 1, true))
  end)

  it("works in a resource group with a Japanese name, given as it is", function ()
    local connection = assert(emulator:client():update {
      resource_group_name = "検証-バッチ(東京)", account_name = "tokyobatch",
      private_endpoint_connection_name = "kaihatsu.5a7e001f-91c4-4d2b-8f36-70b1e2c3b7bc",
      status = "Approved", description = "承認済み \"引用\"",
    })
    assert.equal("承認済み \"引用\"", state_of(connection).description)
    assert.is_nil(emulator:log "update"[1].target:find "[\x80-\xff]")
  end)

  it("lets unknown members and enum values through", function ()
    emulator:faults { { match = { kind = "get" }, action = { set_body = {
      ["properties.provisioningState"] = "Paused", ["properties.novel"] = { 1, { deep = true } }, ["zone"] = "ü",
      ["properties.privateLinkServiceConnectionState.status"] = "Quarantined" } } } }
    local connection = assert(emulator:client():get(t.call(emulator.sample)))
    assert.equal("Paused", connection.properties.provisioningState)
    assert.equal("Quarantined", state_of(connection).status)
    assert.same({ 1, { deep = true } }, connection.properties.novel)
    assert.equal("ü", connection.zone)
  end)

  for name in t.each { actionRequired = 1, actionsRequired = 1, both = 1 } do
    it("has actionRequired and actionsRequired both when the service sent " .. name, function ()
      emulator:set { action_required_name = name }
      local state = state_of(assert(emulator:client():get(t.call(emulator.sample))))
      assert.equal("None", state.actionRequired)
      assert.equal("None", state.actionsRequired)
    end)
  end

  it("has neither of them when the service sent none", function ()
    emulator:set { action_required_name = "none" }
    local state = state_of(assert(emulator:client():get(t.call(emulator.sample))))
    assert.is_nil(state.actionRequired)
    assert.is_nil(state.actionsRequired)
  end)

  it("sends action_required under the name of the api-version, and only when it is given", function ()
    local wish = t.call(emulator.sample, { status = "Approved", action_required = "None" })
    assert(emulator:client():update(wish))
    assert(emulator:client { api_version = "2024-07-01" }:update(wish))
    local log = emulator:log "update"
    assert.same({ status = "Approved", actionRequired = "None" },
      log[1].body.properties.privateLinkServiceConnectionState)
    assert.same({ status = "Approved", actionsRequired = "None" },
      log[2].body.properties.privateLinkServiceConnectionState)
    assert.equal("2024-07-01", log[2].api_version)
  end)

  it("turns JSON null into nil, at any depth and in lists", function ()
    local server = t.server { { headers = { t.json_type }, body = [[{"id":"]] .. t.id .. [[","name":"n","tags":null,
      "properties":{"provisioningState":"Succeeded","groupIds":["a",null],
      "privateLinkServiceConnectionState":{"status":"Approved","description":null}}}]] } }
    local connection = assert(server:client():get(t.call(t.id)))
    assert.is_nil(connection.tags)
    assert.is_nil(state_of(connection).description)
    assert.same({ "a" }, connection.properties.groupIds)
  end)
end)

describe("the whole job (the ways of the operation)", function ()
  for answer, kinds in t.each {
    ["200"] = "token update", ["201"] = "token update", ["204"] = "token update get",
    updating = "token update poll poll poll",
  } do
    it("takes " .. answer .. " as the answer to the PATCH", function ()
      emulator:set { update_answer = answer }
      local connection = assert(emulator:client():update(t.call(emulator.sample, { status = "Approved" })))
      assert.equal("Approved", state_of(connection).status)
      assert.equal(kinds, emulator:kinds())
    end)
  end

  for name, options in t.each {
    ["Location alone"] = { operation_headers = "location" },
    ["Azure-AsyncOperation alone"] = { operation_headers = "async", poll_answer = "monitor" },
    ["both, the monitor apart"] = { async_url = "own" },
    ["no header at all"] = { operation_headers = "none" },
    ["a Location that changes with each poll"] = { poll_location = "changing" },
    ["no Location in the polls' answers"] = { poll_location = "none" },
    ["an empty last answer"] = { poll_answer = "empty" },
    ["204 as the last answer"] = { poll_answer = "204" },
    ["a poll URL that is not known at first"] = { poll_not_found = 2 },
    ["a resource that lags behind"] = { poll_answer = "monitor", resource_lag = 2 },
    ["words in other letters"] = { poll_answer = "monitor", success_word = "SUCCEEDED", running_word = "running" },
    ["an operation URL to be kept byte for byte"] = { operation_url_extra = "&t=%24a$b%2Fc%2f%7e~+%20'()*;:@,[x]" },
    ["a signed URL in each header"] = { operation_url_signature = "yes" },
    ["a signed URL in each header, the monitor apart"] = { operation_url_signature = "yes", async_url = "own" },
    ["the other collection and api-version"] = { results_collection = "privateEndpointConnectionProxyResults",
      operation_api_version = "2022-01-01" },
  } do
    it("sees a 202 through to the approval with " .. name, function ()
      emulator:set(options)
      local connection = assert(emulator:client():update(t.call(emulator.sample, { status = "Approved" })))
      assert.equal("Approved", state_of(connection).status)
      assert.equal("Succeeded", connection.properties.provisioningState)
      assert.equal(1, #emulator:log "update")
    end)
  end

  for name, options in t.each {
    ["failed, told by the poll"] = { operation_end = "failed" },
    ["failed, told by the monitor"] = { operation_end = "failed", poll_answer = "monitor", async_url = "own" },
  } do
    it("reports an operation that " .. name, function ()
      emulator:set(options)
      local err = t.fails("operation", "^the operation failed: PrivateEndpointConnectionUpdateFailed: The update of "
        .. "the private endpoint connection failed%. %(HTTP %d+%)$",
        emulator:client():update(t.call(emulator.sample, { status = "Approved" })))
      assert.equal("PrivateEndpointConnectionUpdateFailed", err.code)
      assert.equal("poll", err.phase)
      assert.is_nil(err.continuation_token)
    end)
  end

  it("reports an operation that ended with the resource Failed", function ()
    emulator:set { operation_end = "failed", failure_shape = "resource" }
    local err = t.fails("operation", "^the operation failed",
      emulator:client():update(t.call(emulator.sample, { status = "Approved" })))
    assert.is_nil(err.continuation_token)
    assert(not err.message:find("no error message", 1, true), "says nothing of the state Failed: " .. err.message)
  end)

  it("reports an operation that was canceled by the service", function ()
    emulator:set { operation_end = "canceled", poll_answer = "monitor" }
    local err = t.fails("operation", "^the operation was canceled: OperationCanceled: ",
      emulator:client():update(t.call(emulator.sample, { status = "Approved" })))
    assert.equal("OperationCanceled", err.code)
  end)

  it("is one call with everything else from the environment", function ()
    local output = t.child([[
      local connection, err = azpec.update { endpoint = given.endpoint, authority_host = given.endpoint,
        ca_file = given.ca_file, poll_interval = 0.02, resource_group_name = "default-azurebatch-japaneast",
        account_name = "sampleacct", private_endpoint_connection_name = given.name, status = "Approved" }
      print(connection and connection.properties.privateLinkServiceConnectionState.status or tostring(err))]],
      { endpoint = emulator.tls_endpoint, ca_file = emulator.ca_file, name = t.sample_name },
      { AZURE_TENANT_ID = emulator.tenant_id, AZURE_CLIENT_ID = emulator.client_id, AZURE_CLIENT_SECRET = t.secret,
        AZURE_SUBSCRIPTION_ID = emulator.subscription_id })
    assert.equal("Approved", output)
    assert.equal("Approved", emulator:connection(emulator.sample).status)
  end)

  it("without any credential says which variables to set, and sends nothing", function ()
    local said = t.child([[
      local credential = azpec.credential.default { exclude = { "managed_identity", "azure_cli",
        "azure_developer_cli" } }
      local _, err = azpec.update { endpoint = given.endpoint, id = given.id, status = "Approved",
        credential = credential }
      print(err.kind .. ": " .. err.message)]], { endpoint = emulator.endpoint, id = emulator.sample })
    assert.truthy(said:find "^credential: no credential ", said)
    for _, name in ipairs { "AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET", "AZURE_ACCESS_TOKEN" } do
      assert.truthy(said:find(name, 1, true), said)
    end
    assert.equal("", emulator:kinds())
  end)
end)
