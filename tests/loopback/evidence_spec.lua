-- No false word about a write: servers that answer as real ones have, from end to end.

package.path = "./tests/?.lua;" .. package.path

local cjson = require "cjson"
local kit = require "cli.kit"
local t = require "loopback.support"

local json = { t.json_type }
local results = "/privateEndpointConnectionResults/"
local operation = "{origin}" .. t.id:match "^(.*)/privateEndpointConnections" .. results .. "1?api-version=2022-06-01"
local other = t.connection_json():gsub("pec%.24d6b4b5", "other.24d6b4b5")

local function shows(status, more) return { path = t.id, headers = json, body = t.connection_json(status, more) } end

local function times(rule, count)
  rule.times = count
  return rule
end

local function patch(status, headers, body)
  return { method = "PATCH", status = status, headers = t.merged(json, headers or {}), body = body or "" }
end

local function says(word, more)
  return { path = results, headers = json, body = cjson.encode(t.merged({ status = word }, more or {})) }
end

local function update(rules, more)
  local server = t.server(rules)
  local client = server:client(more)
  local value, err = client:update(t.call(t.id, { status = "Approved" }))
  return value, err, server
end

-- "PATCH GET GET": what was asked, the polls marked.
local function asked(server)
  local list = {}
  for n, request in ipairs(server:requests()) do
    list[n] = request.target:find(results, 1, true) and "POLL" or request.method
  end
  return table.concat(list, " ")
end

local function approve(server, more)
  return kit.run(("approve %s --endpoint %s --interval 0.1 %s"):format(t.quote(t.id), server.endpoint, more or ""),
    { env = { AZURE_ACCESS_TOKEN = t.canary } })
end

local failed = says("Failed", { error = { code = "Denied", message = "by rule" } })

describe("a connection that never shows its status", function ()
  after_each(t.tidy)
  teardown(t.close)

  for name, shown in t.each { ["no member of it"] = "{}", null = '{"privateLinkServiceConnectionState":null}',
    ["a null status"] = '{"privateLinkServiceConnectionState":{"status":null}}',
    ["a status of another type"] = '{"privateLinkServiceConnectionState":{"status":{"a":1}}}' } do
    it("is not a success, and its token can be resumed:  " .. name, function ()
      local look = { path = t.id, headers = json, body = ('{"id":"%s","properties":%s}'):format(t.id, shown) }
      local value, err, server = update({ patch(200, nil, look.body), look }, { poll_interval = 0.01 })
      t.fails("protocol", "^", value, err)
      assert.is_string(err.continuation_token)
      assert.equal("PATCH GET GET GET", asked(server))
    end)
  end
end)

describe("an operation that fails after an Approved answer", function ()
  after_each(t.tidy)
  teardown(t.close)

  for _, header in ipairs { "Azure-AsyncOperation: ", "Location: " } do
    it("is asked about, named by " .. header, function ()
      local value, err, server = update { patch(200, { t.json_type, header .. operation }, t.connection_json()),
        times(says "InProgress", 1), failed, shows "Approved" }
      t.fails("operation", "^the operation failed: Denied: by rule", value, err)
      assert.is_nil(err.continuation_token)
      assert.equal("PATCH POLL POLL", asked(server))
    end)
  end

  it("makes the command exit with 7", function ()
    local server = t.server { patch(200, { t.json_type, "Azure-AsyncOperation: " .. operation }, t.connection_json()),
      times(says "InProgress", 1), failed, shows "Pending" }
    local result = approve(server)
    assert.equal(7, result.code)
    assert.truthy(result.err:find("Denied: by rule", 1, true))
    assert.equal("", result.out)
  end)
end)

describe("an operation without a terminal status", function ()
  after_each(t.tidy)
  teardown(t.close)

  for name, headers in t.each {
    ["without a header"] = {}, ["with Retry-After alone"] = { "retry-after-ms: 100" },
    ["with a Location on another host"] = { "Location: https://evil.example/x" },
  } do
    it("is watched until the connection is as asked, " .. name, function ()
      local value, err, server = update { patch(202, headers), times(shows "Pending", 7), shows "Approved" }
      assert(value, err)
      assert.equal("Approved", value.properties.privateLinkServiceConnectionState.status)
      assert.equal("PATCH" .. (" GET"):rep(8), asked(server))
    end)
  end

  it("ends at the deadline, with a continuation token and the untrusted URL named", function ()
    local value, err = update({ patch(202, { "Location: https://evil.example/x" }), shows "Pending" }, { timeout = 1 })
    t.fails("timeout", "^timed out after 1 s; .*the polling URL was not used because its origin is not trusted", value,
      err)
    assert.is_string(err.continuation_token)
    assert.is_true(err.untrusted_poll_url)
  end)

  it("makes the command exit with 8", function ()
    local result = approve(t.server { patch(202), shows "Pending" }, "--timeout 1")
    assert.equal(8, result.code)
    assert.truthy(result.err:find("timed out after 1 s", 1, true))
  end)
end)

describe("a poll that is refused", function ()
  after_each(t.tidy)
  teardown(t.close)

  it("for want of an api-version is not: the client's is added", function ()
    local bare = operation:gsub("%?.*", "")
    local value, err, server = update { patch(202, { "Location: " .. bare }),
      { path = results .. "1?api-version=2022-06-01", headers = json, body = t.connection_json() } }
    assert(value, err)
    assert.equal("PATCH POLL", asked(server))
  end)

  for code, status in t.each { InvalidResourceType = 400, SubscriptionNotRegistered = 409, MethodNotAllowed = 405 } do
    it("by " .. code .. " sends to the connection", function ()
      local refusal = { path = results, status = status, headers = json,
        body = cjson.encode { error = { code = code, message = "no" } } }
      local value, err, server = update { patch(202, { "Location: " .. operation }), refusal,
        times(shows "Pending", 4), shows "Approved" }
      assert(value, err)
      assert.equal("PATCH POLL" .. (" GET"):rep(5), asked(server))
    end)
  end
end)

describe("an answer about another resource", function ()
  after_each(t.tidy)
  teardown(t.close)

  it("is not the result: the connection itself is read", function ()
    local value, err, server = update { patch(202, { "Location: " .. operation }),
      { path = results, headers = json, body = other }, shows "Approved" }
    assert(value, err)
    assert.equal(t.id, value.id)
    assert.equal("PATCH POLL GET", asked(server))
  end)

  it("proves nothing", function ()
    local value, err = update { patch(202, { "Location: " .. operation }),
      { path = results, headers = json, body = other }, shows "Pending" }
    t.fails("operation", "^the operation ended, but the connection is Pending", value, err)
  end)

  it("is read whatever the letter case of its members", function ()
    local loud = t.connection_json("Approved", { provisioningState = "Updating" })
      :gsub('"id"', '"Id"'):gsub('"properties"', '"Properties"'):gsub('"provisioningState"', '"ProvisioningState"')
    local value, err, server = update { patch(202), times({ path = t.id, headers = json, body = loud }, 2),
      shows "Approved" }
    assert(value, err)
    assert.equal("PATCH GET GET GET", asked(server))
  end)

  it("is no reason for ensure to write", function ()
    local server = t.server { { headers = json, body = other } }
    local value, err = server:client():ensure(t.call(t.id, { status = "Approved" }))
    t.fails("protocol", "^the response is another resource", value, err)
    assert.equal("GET", asked(server))
  end)
end)

describe("a success that was not read back", function ()
  after_each(t.tidy)
  teardown(t.close)

  local function unseen(last)
    return { patch(202, { "Azure-AsyncOperation: " .. operation }), says "Succeeded", last }
  end

  it("is not a success: the last read is damaged", function ()
    local value, err = update(unseen { path = t.id, headers = json, body = t.connection_json():sub(1, -20) })
    t.fails("protocol", "^the write was accepted, but its result could not be read: the response is not the connection",
      value, err)
    assert.is_string(err.continuation_token)
  end)

  it("is not a success: the last read gets no response", function ()
    local value, err = update(unseen { path = t.id, raw = "", after = "stall" }, { timeout = 1 })
    t.fails("timeout", "^the operation succeeded, but the connection did not show the result within 1 s", value, err)
    assert.is_string(err.continuation_token)
  end)

  it("makes the command exit with 8", function ()
    local server = t.server { times(shows "Pending", 1), patch(202, { "Azure-AsyncOperation: " .. operation }),
      says "Succeeded", { path = t.id, headers = { "Content-Type: text/html" }, body = "<html>" } }
    local result = approve(server)
    assert.equal(8, result.code)
    assert.equal("", result.out)
    assert.truthy(result.err:find("azpec resume", 1, true), result.err)
  end)
end)

describe("the writer's own part", function ()
  after_each(t.tidy)
  teardown(t.close)

  for _, status in ipairs { 501, 505 } do
    it("is over at " .. status .. ", an answer", function ()
      local value, err, server = update { patch(status), shows "Approved" }
      t.fails("service", "^", value, err)
      assert.is_nil(err.continuation_token)
      assert.equal("PATCH", asked(server))
    end)
  end

  it("undoes no decision that was made after a lost answer", function ()
    local value, err, server = update { { method = "PATCH", raw = "", after = "close" }, shows "Rejected" }
    t.fails("transport", "^", value, err)
    assert.is_string(err.continuation_token)
    assert.equal("PATCH GET", asked(server))
  end)

  it("continues at the polling URL of an ensure's token: its Retry-After, its error", function ()
    local server = t.server { times(shows "Pending", 1), patch(202, { "Azure-AsyncOperation: " .. operation }),
      { path = results, times = 1, after = "stall", raw = "" },
      { path = results, times = 1, headers = { t.json_type, "retry-after-ms: 200" }, body = '{"status":"InProgress"}' },
      failed, shows "Pending" }
    local _, err = server:client { timeout = 1 }:ensure(t.call(t.id, { status = "Approved" }))
    local poller = assert(server:client():resume(err.continuation_token))
    local value, why = poller:wait()
    t.fails("operation", "^the operation failed: Denied: by rule", value, why)
    assert.equal("GET PATCH POLL POLL POLL", asked(server))
  end)
end)
