package.path = "./tests/?.lua;" .. package.path

local azpec = require "azpec"
local cjson = require "cjson"
local t = require "loopback.support"

local emulator

local function status_of(connection)
  return connection.properties.privateLinkServiceConnectionState.status
end

-- So many seconds are enough for what a test does before its deadline passes, on any machine.
local plenty = 2 * t.patience

-- What an update asks for.
local function wish(more)
  return t.call(emulator.sample, t.merged({ status = "Approved", description = "by me" }, more or {}))
end

local function polled(poller)
  t.await("a poll", function () return poller:progress().polls > 0 end, function () poller:wait(0.01) end)
end

-- The continuation token of an operation that is under way at the service, and that nobody here polls any more.
local function left_alone(call, more)
  emulator:set { operation_polls = 1000 }
  local client = emulator:client()
  local poller = client["begin_" .. (call or "update")](client, call == "delete" and t.call(emulator.sample, more)
    or wish(more))
  polled(poller)
  poller:cancel()
  return t.fails("canceled", "^", poller:wait()).continuation_token
end

-- Ends at its deadline with the operation under way; the error.
local function expired()
  emulator:set { operation_polls = 100000 }
  return t.fails("timeout", "^timed out after ", emulator:client { timeout = plenty }:update(wish()))
end

local function let_it_end() emulator:set { operation_polls = 0 } end

local client_code = [[
  local client <close> = azpec.client { endpoint = given.endpoint, authority_host = given.endpoint,
    poll_interval = 0.02, timeout = given.hang, subscription_id = given.subscription_id,
    credential = azpec.credential.client_secret { tenant_id = given.tenant_id, client_id = given.client_id,
      client_secret = given.secret } }
]]

local resume_code = client_code .. [[
  local poller, refused = client:resume(given.token)
  if not poller then return print(refused.kind, refused.message) end
  local result, err = poller:wait()
  print(result and cjson.encode(result) or tostring(err))]]

local function given(more)
  return t.merged({ endpoint = emulator.endpoint, tenant_id = emulator.tenant_id, client_id = emulator.client_id,
    secret = t.secret, subscription_id = emulator.subscription_id, id = emulator.sample, hang = t.hang }, more or {})
end

local function resumed_elsewhere(token)
  return cjson.decode(t.child("local cjson = require 'cjson'\n" .. resume_code, given { token = token }))
end

setup(function () emulator = t.emulator() end)
before_each(function () emulator:reset() end)
after_each(t.tidy)
teardown(t.close)

describe("a deadline", function ()
  it("that passes while polling says what is known and gives a token", function ()
    emulator:set { poll_answer = "monitor" }
    local err = expired()
    assert.truthy(err.message:find("; last status: InProgress", 1, true), err.message)
    assert.equal("poll", err.phase)
    assert.is_true(err.retryable)
    assert.is_nil(err.http_status)
    assert.equal(emulator.sample, err.id)
    assert.is_string(err.request_id)
    assert.is_string(err.correlation_id)
    assert.equal(emulator:log "update"[1].headers["x-ms-client-request-id"], err.client_request_id)
    assert(err.elapsed.poll > 0 and err.elapsed.total >= 0.9 * plenty, t.text_of(err.elapsed))
    assert.is_string(err.continuation_token)
  end)

  it("names the last error when there was one", function ()
    emulator:faults { { match = { kind = "poll" }, action = { status = 503, retry_after = "3600",
      error = { code = "ServerBusy", message = "Come later." } } } }
    local err = expired()
    assert.truthy(err.message:find("ServerBusy: Come later.", 1, true), err.message)
    assert.is_string(err.continuation_token)
  end)

  it("covers sign-in, request and polls together", function ()
    emulator:set { operation_polls = 100000 }
    emulator:faults { { match = { kind = { "token", "update" } }, action = { delay = plenty / 4 } } }
    local took, value, err = t.timed(function () return emulator:client { timeout = plenty }:update(wish()) end)
    t.fails("timeout", "^timed out after ", value, err)
    local spent = err.elapsed
    assert(spent.token >= plenty / 4 - 0.01 and spent.request >= plenty / 4 - 0.01, t.text_of(spent))
    assert(math.abs(spent.token + spent.request + spent.poll - spent.total) < 0.002, t.text_of(spent))
    assert(took >= plenty - 0.01, took)
  end)

  it("given for one call holds for that call", function ()
    emulator:faults { { match = { kind = "update" }, action = { hold = true } } }
    local client = emulator:client { timeout = 3600 }
    local _, value, err = t.timed(client.update, client, wish { timeout = 0.1 })
    t.fails("timeout", "^timed out after 0.1 s", value, err)
  end)

  it("of no time at all ends before anything is sent", function ()
    local value, err = emulator:client():update(t.call(emulator.sample, { status = "Approved", timeout = 0 }))
    t.fails("timeout", "^timed out after 0 s", value, err)
    assert.is_nil(err.continuation_token)
    assert.equal(0, #emulator:log "update")
  end)
end)

describe("a continuation token", function ()
  it("is versioned JSON that has the request, and no secret", function ()
    local token = left_alone("update", { if_match = "*" })
    t.has_no_secret(token, "a continuation token")
    local fields = cjson.decode(token)
    assert.equal(1, fields.azpec)
    assert.equal("update", fields.operation)
    assert.equal(emulator.endpoint, fields.endpoint)
    assert.equal(emulator.sample, fields.id)
    assert.equal("Approved", fields.status)
    assert.equal("by me", fields.description)
    assert.equal("*", fields.if_match)
    assert.equal("2022-06-01", fields.api_version)
    assert.equal(emulator:log "update"[1].headers["x-ms-client-request-id"], fields.client_request_id)
  end)

  it("continues in another process and gets the result, without a second PATCH", function ()
    local token = left_alone()
    let_it_end()
    local connection = resumed_elsewhere(token)
    assert.equal("Approved", status_of(connection))
    assert.equal("by me", connection.properties.privateLinkServiceConnectionState.description)
    assert.equal(1, #emulator:log "update")
    local ids = {}
    for _, entry in ipairs(emulator:log("update", "poll", "get")) do
      ids[entry.headers["x-ms-client-request-id"]] = true
    end
    assert.equal(1, #(function () local n = {} for id in pairs(ids) do n[#n + 1] = id end return n end)())
  end)

  it("outlives kill -9 in the middle of polling", function ()
    emulator:set { operation_polls = 1000 }
    local file = t.path "token.json"
    local pipe <close> = io.popen(t.command(client_code .. [[
      local poller = client:begin_update { id = given.id, status = "Approved" }
      repeat poller:wait(0.01) until poller:progress().polls >= 2
      local file <close> = io.open(given.file, "w")
      file:write(poller:continuation_token())
      file:flush()
      local stat <close> = io.open "/proc/self/stat"
      io.stdout:write(stat:read "n", "\n")
      io.stdout:flush()
      poller:wait()
      print "came to an end"]], given { file = file }) .. " 2>/dev/null")
    local pid = pipe:read "n"
    assert(os.execute(("kill -KILL %d"):format(pid)))
    assert.equal("", (pipe:read "a":gsub("%s", "")))
    let_it_end()
    assert.equal("Approved", status_of(resumed_elsewhere(t.read(file))))
    assert.equal(1, #emulator:log "update")
  end)

  it("of an operation that ended meanwhile gets the result", function ()
    local token = left_alone()
    let_it_end()
    assert(emulator:client():get(t.call(emulator.sample)))
    assert.equal("Approved", status_of(assert(assert(emulator:client():resume(token)):wait())))
  end)

  it("of an operation that failed meanwhile gets the failure", function ()
    local token = left_alone()
    emulator:set { operation_polls = 0, operation_end = "failed" }
    local value, err = assert(emulator:client():resume(token)):wait()
    t.fails("operation", "^the operation failed: PrivateEndpointConnectionUpdateFailed: ", value, err)
    assert.is_nil(err.continuation_token)
  end)
end)

-- A token of an ensure whose write the service may not have received, as anybody can write it.
local function forged(more)
  return cjson.encode(t.merged({ azpec = 1, operation = "ensure", endpoint = emulator.endpoint, id = emulator.sample,
    api_version = "2022-06-01", status = "Approved", client_request_id = "r-1", poll = "resource", changed = false },
    more or {}))
end

describe("a continuation token (of a write that may not have arrived)", function ()
  -- An update whose PATCH has come to the emulator, and met a fault there.
  local function begun_and_met()
    local poller = emulator:client():begin_update(wish())
    t.await("the update", function () return emulator:has_met(1) end, function () poller:wait(0.01) end)
    return poller
  end

  it("of a lost response continues from the resource", function ()
    emulator:faults { { match = { kind = "update" }, action = { perform = true, stall = true } } }
    local poller = begun_and_met()
    poller:cancel()
    local err = t.fails("canceled", "^", poller:wait())
    assert.equal("Approved", status_of(assert(assert(emulator:client():resume(err.continuation_token)):wait())))
    assert.equal(1, #emulator:log "update")
  end)

  it("of a PATCH that never arrived does not claim that it took effect", function ()
    emulator:faults { { match = { kind = "update" }, action = { stall = true } } }
    local poller = begun_and_met()
    poller:cancel()
    local err = t.fails("canceled", "^", poller:wait())
    emulator:release()
    local connection, why = assert(emulator:client { timeout = 1 }:resume(err.continuation_token)):wait()
    local asked_again = #emulator:log "update" > 1
    assert(why or asked_again, "a success without a write: " .. (connection and status_of(connection) or ""))
    if not why then return end
    t.fails("timeout", "^timed out after 1 s", nil, why)
    assert.is_string(why.continuation_token)
  end)

  it("of an ensure causes no write unless the caller allows it", function ()
    for _, options in ipairs { false, {}, { write = false } } do
      local value, err = assert(emulator:client():resume(forged(), options or nil)):wait()
      t.fails("precondition", "^the connection is not in the requested state and no operation is running; "
        .. "nothing was written: its status is Pending$", value, err)
      assert.matches("write = true", err.hint)
      assert.equal(forged(), cjson.encode(cjson.decode(err.continuation_token)))
    end
    assert.equal(0, #emulator:log "update")
    local result = assert(assert(emulator:client():resume(forged(), { write = true })):wait())
    assert.is_true(result.changed)
    assert.equal("Approved", status_of(result.after))
    assert.equal(1, #emulator:log "update")
  end)

  it("of an ensure writes over no decision that was made meanwhile", function ()
    emulator:faults { { match = { kind = "update", nth = 1 }, action = { close = true } } }
    local poller = emulator:client { retry = { max_tries = 1 } }:begin_ensure(wish())
    local _, lost = poller:wait()
    assert(emulator:client():update(t.call(emulator.sample, { status = "Rejected" })))
    local value, err = assert(emulator:client():resume(lost.continuation_token, { write = true })):wait()
    t.fails("precondition", "^the connection was changed by another writer, so the write was not sent again: "
      .. "its status was Pending and is Rejected", value, err)
    assert.equal("Rejected", emulator:connection(emulator.sample).status)
    assert.equal(2, #emulator:log "update")
  end)

  it("of an ensure whose connection is as asked by now needs no write", function ()
    assert(emulator:client():update(t.call(emulator.sample, { status = "Approved" })))
    local result = assert(assert(emulator:client():resume(forged())):wait())
    assert.equal("Approved", status_of(result.after))
    assert.equal(1, #emulator:log "update")
  end)

  it("of an ensure that found another operation under way waits for its end, and does not write", function ()
    emulator:set { operation_polls = 2 }
    emulator:client():begin_update(t.call(emulator.sample, { status = "Rejected" })):wait(0.5)
    local value, err = assert(emulator:client():resume(forged())):wait()
    t.fails("precondition", "^the connection is not in the requested state .*: its status is Rejected$", value, err)
    assert.equal(1, #emulator:log "update")
  end)

  it("in a journal has no say in what a continued run writes", function ()
    local client = emulator:client()
    local etag = assert(client:get(t.call(emulator.sample))).etag
    local summary = require "azpec.run".run { client = client, items = { { id = emulator.sample, status = "Approved",
      etag = etag, begun_before = true, token = forged { status = "Rejected" } } } }
    assert.equal(1, summary.changed)
    local writes = emulator:log "update"
    assert.equal(1, #writes)
    assert.equal(etag, writes[1].headers["if-match"])
    assert.equal("Approved", emulator:connection(emulator.sample).status)
  end)
end)

describe("a continuation token (options and calls)", function ()
  it("is not checked against a subscription that the client does not have", function ()
    local client = azpec.client { endpoint = emulator.endpoint, credential = emulator:credential(),
      authority_host = emulator.endpoint }
    assert.is_nil(client:settings().subscription_id)
    local other = emulator.sample:gsub("^/subscriptions/[^/]+", "/subscriptions/00000000-1111-2222-3333-444444444444")
    local value, err = assert(client:resume(forged { id = other })):wait()
    t.fails("not_found", "^SubscriptionNotFound", value, err)
  end)

  it("of a deletion continues until the connection is gone", function ()
    local token = left_alone "delete"
    assert.equal("delete", cjson.decode(token).operation)
    let_it_end()
    assert.is_true(resumed_elsewhere(token))
    assert.is_nil(emulator:connection(emulator.sample))
  end)

  it("of an ensure says that it changed something", function ()
    local token = left_alone "ensure"
    let_it_end()
    local result = resumed_elsewhere(token)
    assert.is_true(result.changed)
    assert.equal("Approved", status_of(result.after))
    assert.equal(1, #emulator:log "update")
  end)

  it("can be resumed with its id named, in any letter case, and options of the call", function ()
    local token = left_alone()
    let_it_end()
    local poller = assert(emulator:client():resume(token, { id = emulator.sample:upper(), timeout = t.hang,
      poll_interval = 0.01 }))
    assert.equal("Approved", status_of(assert(poller:wait())))
  end)

  it("keeps the polling URL byte for byte", function ()
    emulator:set { operation_url_extra = "&t=%24a$b%2Fc~+'()" }
    local token = left_alone()
    let_it_end()
    assert.equal("Approved", status_of(resumed_elsewhere(token)))
  end)

  it("is there exactly while the end is unknown", function ()
    local poller = emulator:client():begin_update(t.call(emulator.sample, { status = "Approved" }))
    assert.is_nil(poller:continuation_token())
    assert(poller:wait())
    assert.is_nil(poller:continuation_token())
  end)
end)

describe("a continuation token (refused)", function ()
  local function refused(why, token, client, options)
    local value, err = client:resume(token, options)
    return t.fails("protocol", "the continuation token is refused: " .. why, value, err)
  end

  it("is refused by a client of another endpoint, subscription, or for another id", function ()
    local token = left_alone()
    local before = emulator:kinds()
    refused("it belongs to another endpoint", token, emulator:client { tls = true })
    refused("it belongs to another endpoint", token, emulator:client { endpoint = "https://management.azure.com" })
    refused(("it belongs to subscription %s, but subscription_id is %s"):format(emulator.subscription_id,
      "00000000-1111-2222-3333-444444444444"), token, emulator:client {
      subscription_id = "00000000-1111-2222-3333-444444444444" })
    refused("it belongs to another connection", token, emulator:client(), { id = emulator.many[1] })
    assert.equal(before, emulator:kinds())
  end)

  it("of another subscription is accepted for its id, which the error has", function ()
    emulator:set { operation_polls = 1000 }
    local client = emulator:client { subscription_id = "00000000-1111-2222-3333-444444444444" }
    local _, err = client:update { id = emulator.sample, status = "Approved", timeout = 0.3 }
    assert.equal("timeout", err.kind)
    refused(("it belongs to subscription %s, but subscription_id is %s"):format(emulator.subscription_id,
      "00000000-1111-2222-3333-444444444444"), err.continuation_token, client)
    refused("it belongs to another connection", err.continuation_token, client, { id = emulator.many[1] })
    emulator:set { operation_polls = 0 }
    assert(assert(client:resume(err.continuation_token, { id = err.id:upper() })):wait())
    assert.equal(1, #emulator:log "update")
  end)

  it("is refused when it has another version, unknown, or changed by somebody", function ()
    local token = left_alone()
    local client = emulator:client()
    local function changed(fields)
      return cjson.encode(t.merged(cjson.decode(token), fields))
    end
    refused("it has another version", changed { azpec = 2 }, client)
    refused("its operation is unknown", changed { operation = "launch" }, client)
    refused("its polling URL is on another origin", changed { poll_url = "https://evil.example/op" }, client)
    refused("its polling URL is on another origin", changed { poll_url = emulator.tls_endpoint .. "/op" }, client)
    refused("one of its fields cannot be sent in a request", changed { if_match = "x\r\nEvil: 1" }, client)
    refused("its status is invalid", changed { status = "Maybe" }, client)
    refused("its api_version is invalid", changed { api_version = "2022&x=1" }, client)
    refused("its id is not a private endpoint connection's", changed { id = "/subscriptions/x" }, client)
  end)

  it("is refused when it is damaged, before anything is sent", function ()
    local client = emulator:client()
    local before = emulator:kinds()
    refused("it has no client_request_id", (forged():gsub('"client_request_id":"r%-1",?', ""):gsub(",}", "}")), client,
      { write = true })
    refused("its poll_url is too long", forged { poll = "location", poll_url = emulator.endpoint .. "/"
      .. ("x"):rep(65536) }, client)
    refused("it has a member twice", (forged():gsub("}$", ',"status":"Rejected"}')), client, { write = true })
    refused("its description is not a string", forged { description = { "x" } }, client, { write = true })
    refused("it has an unknown member", forged { force = true }, client, { write = true })
    assert.equal(before, emulator:kinds())
  end)

  it("is refused when it is garbage", function ()
    local client = emulator:client()
    for _, token in ipairs { "", "garbage", "{", "null", "17", '"text"', "\0\255\1", ("["):rep(1000) } do
      refused("it is not JSON", token, client)
    end
    for _, token in ipairs { "{}", "[]", '{"azpec":"1.5"}', '{"azpec":null}', '{"azpec":{}}' } do
      refused("it has another version", token, client)
    end
    t.fails("protocol", "^the continuation token is refused: ", client:resume '{"azpec":1}')
    assert.has_error(function () client:resume(nil) end)
    assert.has_error(function () client:resume({}) end)
  end)
end)

describe("a continuation token (signed)", function ()
  it("is signed with a key, and is refused where it was not or has been changed", function ()
    emulator:set { operation_polls = 1000 }
    local key, client = "key of 32 bytes: keep it secret!", emulator:client()
    local poller = client:begin_update(wish())
    polled(poller)
    local bare, signed = poller:continuation_token(), poller:continuation_token { key = key }
    local mac = signed:match '^.+,"hmac_sha256":"(%x+)"}$'
    assert.equal(bare:sub(1, -2), signed:sub(1, #bare - 1))
    -- as any other program computes it
    assert.equal(mac, t.child([[
      local hmac = require "openssl.hmac".new(given.key, "sha256"):final(given.text)
      io.write((hmac:gsub(".", function (c) return ("%02x"):format(c:byte()) end)))]], { key = key, text = bare }))
    assert.is_nil(signed:find(key, 1, true))
    local before = emulator:kinds()
    local not_signed, wrong = "it is not signed", "it is not signed with this key, or was changed"
    local other = mac:gsub("^.", function (c) return c == "0" and "1" or "0" end)
    for token, why in pairs {
      [bare] = not_signed, ["{}"] = not_signed, [""] = not_signed, [signed:sub(1, -2)] = not_signed,
      [signed .. "x"] = not_signed, [signed:gsub(mac, mac:sub(1, 63))] = not_signed,
      [signed:gsub("Approved", "Rejected")] = wrong, [signed:gsub(mac, other)] = wrong,
      [signed:gsub(mac, mac:upper())] = wrong, [signed:gsub(mac, ("0"):rep(64))] = wrong,
      [signed:gsub('"changed"', ' "changed"')] = wrong, ['{,"hmac_sha256":"' .. mac .. '"}'] = wrong,
    } do
      t.fails("protocol", "the continuation token is refused: " .. why, client:resume(token, { key = key }))
    end
    t.fails("protocol", "the continuation token is refused: " .. wrong, client:resume(signed, { key = "another" }))
    assert.equal(before, emulator:kinds())
    let_it_end()
    for _, read in ipairs { signed, signed .. "\n", " \t" .. signed .. " \r\n" } do -- as from a file
      assert.equal("Approved", status_of(assert(assert(client:resume(read, { key = key })):wait())))
    end
    assert(assert(client:resume(signed)):wait()) -- who has no key cannot check it
  end)

  it("is signed wherever a client with a key makes one, and that client takes no others", function ()
    local key, unsigned = "the client's own key", left_alone()
    emulator:reset()
    emulator:set { operation_polls = 1000 }
    local client = emulator:client { token_key = key }
    local poller = client:begin_update(wish())
    polled(poller)
    local own = poller:continuation_token()
    assert.matches('"hmac_sha256":"%x+"}$', own)
    assert(own ~= poller:continuation_token { key = "another" })
    poller:cancel()
    assert.equal(own, select(2, poller:wait()).continuation_token)
    let_it_end()
    t.fails("protocol", "^the continuation token is refused: it is not signed", client:resume(unsigned))
    t.fails("protocol", "^the continuation token is refused: it is not signed with this key",
      client:resume(own, { key = "another" }))
    assert(assert(client:resume(own)):wait())
    assert(assert(emulator:client():resume(own, { key = key })):wait())
  end)

  it("needs azpec_signing.so only where it is signed", function ()
    local code = client_code:gsub("subscription_id = given.subscription_id,", "%0 token_key = given.key,") .. [[
      print(select(2, client:resume("{}", { key = "k" })))]]
    local hide = "package.cpath = package.cpath:gsub('/%?%.so', '/none/?.so') package.loaded.cjson = require 'cjson'\n"
    local out = t.child(hide .. code, given())
    assert.matches("the continuation token is refused: it is not signed", out, 1, true)
    code = code:gsub('"{}"', "given.token")
    out = t.child(hide .. code, given { token = '{"azpec":1,"hmac_sha256":"' .. ("0"):rep(64) .. '"}' })
    assert.matches("the continuation token cannot be checked: azpec_signing.so is not installed (it is built where " ..
      "OpenSSL's headers", out, 1, true)
    out = t.child(hide .. code, given { token = "{}", key = "k" })
    assert.matches("bad field 'token_key' (azpec_signing.so is not installed", out, 1, true)
  end)

  it("has a key that is a string, and not an empty one", function ()
    local client = emulator:client()
    for value, why in pairs { [""] = "must not be empty", [17] = "string expected, got 17" } do
      local message = ("bad field 'key' (%s)"):format(why)
      assert.has_error(function () client:resume("{}", { key = value }) end, message)
      local poller = client:begin_update(wish())
      assert.has_error(function () poller:continuation_token { key = value } end, message)
      poller:cancel()
      assert.has_error(function () emulator:client { token_key = value } end, (message:gsub("'key'", "'token_key'")))
    end
    assert.has_error(function () client:begin_update(wish()):continuation_token { keys = "x" } end,
      "unknown field 'keys'; did you mean 'key'?")
  end)
end)

describe("a continuation token (where it comes from)", function ()
  it("is worth as much when it comes from cancel or close", function ()
    for _, way in ipairs { "cancel", "close" } do
      emulator:reset()
      emulator:set { operation_polls = 1000 }
      local client = emulator:client()
      local poller = client:begin_update(t.call(emulator.sample, { status = "Approved" }))
      polled(poller)
      if way == "cancel" then poller:cancel() else client:close() end
      local value, err = poller:wait()
      t.fails("canceled", "^", value, err)
      let_it_end()
      assert.equal("Approved", status_of(assert(assert(emulator:client():resume(err.continuation_token)):wait())))
      assert.equal(1, #emulator:log "update")
    end
  end)

  it("does not depend on who made the client", function ()
    local token = left_alone()
    let_it_end()
    local form = "grant_type=client_credentials&scope=https%3A%2F%2Fmanagement.azure.com%2F.default&client_id="
      .. emulator.client_id .. "&client_secret="
      .. t.secret:gsub("[^%w]", function (c) return ("%%%02X"):format(c:byte()) end)
    local _, answer = t.http(emulator.endpoint, "POST", "/" .. emulator.tenant_id .. "/oauth2/v2.0/token", form,
      "Content-Type: application/x-www-form-urlencoded\r\n")
    local bearer = azpec.credential.token { token = cjson.decode(answer).access_token }
    local client = emulator:client { credential = bearer }
    assert.equal("Approved", status_of(assert(assert(client:resume(token)):wait())))
  end)
end)
