package.path = "./tests/?.lua;" .. package.path

local azpec = require "azpec"
local cjson = require "cjson"
local t = require "loopback.support"

local emulator

local function get(rules, more)
  local server = t.server(rules)
  local client, events = server:client(more)
  local value, err = client:get(t.call(t.id))
  return value, err, server, events
end

local json = { t.json_type, "x-ms-request-id: 1111-aaaa", "x-ms-correlation-request-id: 2222-bbbb" }

local function refusal(body, headers, status)
  return { { status = status or 400, headers = headers or json, body = body } }
end

setup(function () emulator = t.emulator() end)
before_each(function () emulator:reset() end)
after_each(t.tidy)
teardown(t.close)

describe("the shapes of errors", function ()
  it("CloudError, with target and nested details", function ()
    local value, err = get(refusal [[{"error":{"code":"BadThing","message":"It is bad.","target":"properties.x",
      "details":[{"code":"Inner","message":"deep","target":"y","details":[{"code":"Innermost","message":"deeper"}]}],
      "additionalInfo":[{"type":"PolicyViolation","info":{"policy":"p"}}]}}]])
    t.fails("service", "BadThing: It is bad. (HTTP 400)", value, err)
    assert.equal("BadThing", err.code)
    assert.equal("properties.x", err.target)
    assert.equal(400, err.http_status)
    assert.equal("1111-aaaa", err.request_id)
    assert.equal("2222-bbbb", err.correlation_id)
    assert.equal("request", err.phase)
    assert.is_false(err.retryable)
    assert.equal("Innermost", err.details[1].details[1].code)
    assert.equal("p", err.additional_info[1].info.policy)
    assert.equal(t.id, err.id)
    assert.equal("service: BadThing: It is bad. (HTTP 400); request id 1111-aaaa", tostring(err))
    assert.equal("failed: " .. tostring(err) .. "!", "failed: " .. err .. "!")
  end)

  for name, case in t.each {
    ["message as an object"] = { [[{"error":{"code":"C","message":{"lang":"en-us","value":"Words."}}}]],
      "C: Words. (HTTP 400)", "C" },
    ["odata.error"] = { [[{"odata.error":{"code":"C","message":{"lang":"en","value":"Words."}}}]],
      "C: Words. (HTTP 400)", "C" },
    ["code and message at the top"] = { [[{"code":"C","message":"Words."}]], "C: Words. (HTTP 400)", "C" },
    ["Batch's data plane"] = { [[{"odata.metadata":"x","code":"C","message":{"lang":"en","value":"Words."},
      "values":[{"key":"k","value":"v"}]}]], "C: Words. (HTTP 400)", "C" },
    ["error as a string"] = { [[{"error":"invalid_thing","error_description":"Words."}]], "^.*Words%. %(HTTP 400%)$" },
    ["details null"] = { [[{"error":{"code":"C","message":"Words.","details":null,"target":null}}]],
      "C: Words. (HTTP 400)", "C" },
    ["message null"] = { [[{"error":{"code":"C","message":null}}]],
      [[C: no error message in {"error":{"code":"C","message":null}} (HTTP 400)]], "C" },
    ["error null"] = { [[{"error":null}]], [[no error message in {"error":null} (HTTP 400)]] },
    ["an unknown shape"] = { [[{"fault":"F-17"}]], [[no error message in {"fault":"F-17"} (HTTP 400)]] },
    ["message alone"] = { [[{"message":"the real reason"}]], "the real reason (HTTP 400)" },
    ["message in another letter case"] = { [[{"MESSAGE":"the real reason","Code":"C"}]],
      "C: the real reason (HTTP 400)", "C" },
    ["the wrapper in another letter case"] = { [[{"Error":{"Code":"C","Message":"Words.","Target":"t"}}]],
      "C: Words. (HTTP 400)", "C" },
    ["OData's wrapper in another letter case"] = {
      [[{"Odata.Error":{"Code":"C","Message":{"Lang":"en","Value":"Words."}}}]], "C: Words. (HTTP 400)", "C" },
    ["ASP.NET"] = { [[{"Message":"An error has occurred.","ExceptionMessage":"The real reason","ExceptionType":"E"}]],
      "An error has occurred. The real reason (HTTP 400)" },
    ["a problem of RFC 9457"] = { [[{"type":"https://example.com/probs/credit","title":"No credit",
      "status":400,"detail":"Your balance is 30.","instance":"/a"}]],
      "https://example.com/probs/credit: No credit: Your balance is 30. (HTTP 400)",
      "https://example.com/probs/credit" },
    ["a problem without a type of its own"] = { [[{"type":"about:blank","title":"Bad Request"}]],
      "Bad Request (HTTP 400)" },
    ["a problem's detail alone"] = { [[{"detail":"Not Found"}]], "Not Found (HTTP 400)" },
    ["ASP.NET's validation"] = { [[{"title":"One or more validation errors occurred.","status":400,
      "errors":{"id":["The id is not valid."]},"traceId":"00-1"}]],
      "One or more validation errors occurred. (HTTP 400)" },
    ["a map of texts alone"] = { [[{"errors":{"id":["The id is not valid."]}}]], "The id is not valid. (HTTP 400)" },
    ["a list of errors"] = { [[{"errors":[{"code":"C","message":"Words."},{"code":"D","message":"More."}]}]],
      "C: Words. (HTTP 400)", "C" },
    ["a list of texts"] = { [[{"errors":["Words."]}]], "Words. (HTTP 400)" },
    ["error as a list"] = { [[{"error":[{"code":"C","message":"Words."}]}]], "C: Words. (HTTP 400)", "C" },
    ["a list as the body"] = { [=[[{"error":{"code":"C","message":"Words."}}]]=], "C: Words. (HTTP 400)", "C" },
    ["error as a plain text"] = { [[{"error":"the real reason"}]], "the real reason (HTTP 400)" },
    ["error as a text, and a code"] = { [[{"code":"C","error":"the real reason"}]],
      "C: the real reason (HTTP 400)", "C" },
    ["text in details only"] = { [[{"error":{"code":"C","message":"","details":[{"code":"D","message":"Words."}]}}]],
      "C: Words. (HTTP 400)", "C" },
    ["code and text in nested details only"] = {
      [[{"error":{"details":[{"details":[{"code":"D","message":"Words.","target":"t"}]}]}}]],
      "D: Words. (HTTP 400)", "D" },
    ["text in an inner error only"] = { [[{"error":{"code":"C","innererror":{"message":"Words."}}}]],
      "C: Words. (HTTP 400)", "C" },
    ["text in Batch's values only"] = { [[{"code":"C","message":null,"values":[{"key":"Reason","value":"Words."}]}]],
      "C: Words. (HTTP 400)", "C" },
    ["an error in an error"] = { [[{"error":{"error":{"code":"C","message":"Words."}}}]], "C: Words. (HTTP 400)", "C" },
    ["an error deeper than anybody would look"] = { ('{"error":'):rep(40) .. '{"message":"deep"}' .. ("}"):rep(40),
      "^no error message in {" },
    ["a code with members that nobody knows"] = { [[{"error":{"code":"C","pbi.error":{"code":"C","details":[]}}}]],
      [[C: no error message in {"error":{"code":"C","pbi.error":{"code":"C","details":[]}}} (HTTP 400)]], "C" },
    ["a gateway's"] = { [[{"statusCode":400,"message":"Words.","activityId":"1"}]], "Words. (HTTP 400)" },
    ["code as a number"] = { [[{"error":{"code":17,"message":"Words."}}]], "^.*Words%. %(HTTP 400%)$" },
    ["a JSON text that is no object"] = { [["just words"]], "^.*just words.*%(HTTP 400%)$" },
    ["a byte order mark before it"] = { "\xef\xbb\xbf" .. [[{"error":{"code":"C","message":"Words."}}]],
      "C: Words. (HTTP 400)", "C" },
    ["control characters in the message"] = { [[{"error":{"code":"C","message":"a\u001b[31m\r\nb"}}]],
      "C: a [31m  b (HTTP 400)", "C" },
  } do
    it(name, function ()
      local value, err = get(refusal(case[1]))
      t.fails("service", case[2], value, err)
      assert.equal(case[3] or err.code, err.code)
      assert(err.code == nil or type(err.code) == "string")
      assert.equal(400, err.http_status)
      assert.equal("1111-aaaa", err.request_id)
    end)
  end

  for name, case in t.each {
    HTML = { "<!DOCTYPE html>\n<html><body><h1>Bad Gateway</h1></body></html>", "Content-Type: text/html",
      "the response is not JSON but text/html: <!DOCTYPE html> <html><body><h1>Bad Gateway</h1></body></html> "
        .. "(HTTP 400)" },
    XML = { [[<?xml version="1.0"?><Error><Code>C</Code></Error>]], "Content-Type: application/xml",
      [[the response is not JSON but application/xml: <?xml version="1.0"?><Error><Code>C</Code></Error> (HTTP 400)]] },
    ["plain text"] = { "upstream connect error", "Content-Type: text/plain",
      "the response is not JSON but text/plain: upstream connect error (HTTP 400)" },
    ["text without a type"] = { "huh", "X-Type: none", "the response is not JSON (no Content-Type): huh (HTTP 400)" },
    ["broken JSON"] = { [[{"error":{"code":]], t.json_type,
      [[the response says application/json; charset=utf-8 but is not valid JSON: {"error":{"code": (HTTP 400)]] },
    nothing = { "", t.json_type, "empty response (HTTP 400)" },
  } do
    it(name, function ()
      local value, err = get(refusal(case[1], { case[2] }))
      t.fails("service", case[3], value, err)
      assert.is_nil(err.code)
    end)
  end
end)

-- count members "1": value, "2": value and so on, as JSON.
local function members(count, value)
  local list = {}
  for i = 1, count do list[i] = ('"%d":%s'):format(i, value) end
  return "{" .. table.concat(list, ",") .. "}"
end

local function nested(depth, inner)
  return ('{"details":'):rep(depth) .. inner .. ("}"):rep(depth)
end

-- The processor time of a GET.
local function cost(client)
  local begun = os.clock()
  assert.is_nil(client:get(t.call(t.id)))
  return os.clock() - begun
end

-- Whether one answer takes less than four times as long as another one. A busy machine adds to a time, never takes from
-- it: so the least times count, of as many rounds as it needs.
local function is_near(one, other)
  local first, second = t.server(refusal(one)):client(), t.server(refusal(other)):client()
  local least, least_other = math.huge, math.huge
  for _ = 1, 60 do
    least, least_other = math.min(least, cost(first)), math.min(least_other, cost(second))
    if least < 4 * least_other then return true end
  end
  return false, ("%.4f s, and the other one %.4f s"):format(least, least_other)
end

describe("the time to read an error", function ()
  local many, tables = 20000, 10000
  for name, case in t.each {
    ["members of no meaning"] = { members(many, "1"), members(many, "1") },
    ["members of no meaning in an error"] = { '{"error":' .. members(many, "1") .. "}", members(many, "1") },
    ["errors in errors, eight deep"] = { '{"error":' .. nested(8, members(many, "1")) .. "}", members(many, "1") },
    ["errors beside errors"] = { '{"error":' .. nested(7, members(tables, "{}")) .. "}", members(tables, "{}") },
    ["a list of errors without a text"] = { '{"error":{"details":[' .. ("{},"):rep(tables) .. "{}]}}",
      members(tables, "{}") },
  } do
    it("is near that of a result of the same size: " .. name, function ()
      assert(is_near(case[1], '{"value":' .. case[2] .. "}"))
    end)
  end

  it("has a bound, and the exact names are found beyond it", function ()
    local body = members(120000, "1"):sub(1, -2) .. [[,"code":"C","message":"Words."}]]
    local value, err = get(refusal('{"error":' .. body .. "}"))
    t.fails("service", "C: Words. (HTTP 400)", value, err)
  end)
end)

describe("the shapes of errors (details and secrets)", function ()
  it("x-ms-error-code alone is the code", function ()
    local value, err = get(refusal("", { "x-ms-error-code: HeaderCode" }))
    assert.equal("HeaderCode", t.fails("service", "HeaderCode: empty response (HTTP 400)", value, err).code)
  end)

  it("a megabyte of text is cut to a line's length", function ()
    local value, err = get { { status = 400, headers = { "Content-Type: text/plain" }, body = ("lorem "):rep(180000) } }
    t.fails("service", "^the response is not JSON but text/plain: lorem .*%.%.%. %(HTTP 400%)$", value, err)
    assert(#err.message < 2000, #err.message)
  end)

  it("details in the other shapes are handed on as well", function ()
    for _, body in ipairs { [[{"odata.error":{"code":"C","message":"m","details":[{"code":"D"}]}}]],
      [[{"code":"C","message":"m","details":[{"code":"D"}]}]] } do
      local value, err = get(refusal(body))
      t.fails("service", "C: m (HTTP 400)", value, err)
      assert.same({ { code = "D" } }, err.details)
    end
  end)

  it("details of a problem, of Batch's values and of lists are handed on as well", function ()
    for body, details in t.each {
      [ [[{"code":"C","message":"m","values":[{"key":"k","value":"v"}]}]] ] = { { key = "k", value = "v" } },
      [ [[{"title":"m","errors":{"id":["bad"]}}]] ] = { id = { "bad" } },
      [ [[{"ERROR":{"Message":"m","Details":[{"Code":"D"}],"AdditionalInfo":[]}}]] ] = { { Code = "D" } },
      [ [=[[{"code":"C","message":"m"},{"code":"D"}]]=] ] = { { code = "C", message = "m" }, { code = "D" } },
    } do
      local _, err = get(refusal(body))
      assert.same(details, err.details)
    end
  end)

  it("JSON null is nil in details too", function ()
    local value, err = get(refusal [[{"error":{"code":"C","message":"m","details":[{"code":"D","target":null}]}}]])
    t.fails("service", "C: m (HTTP 400)", value, err)
    assert.equal("D", err.details[1].code)
    assert.is_nil(err.details[1].target)
  end)

  it("a bearer token that the service echoes is not printed", function ()
    local value, err = get(refusal('{"error":{"code":"C","message":"bad token: Bearer ' .. t.canary .. '"}}'))
    t.fails("service", "C: bad token: <redacted> (HTTP 400)", value, err)
  end)

  it("a bare token that the service echoes is not printed", function ()
    local value, err = get(refusal('{"error":{"code":"C","message":"token \'' .. t.canary .. '\' is malformed"}}'))
    t.fails("service", "^C: token .* is malformed %(HTTP 400%)$", value, err)
  end)

  it("nor one that it puts where its ids, its code and its target stand", function ()
    local body = ('{"error":{"code":"%s","target":"%s","message":"m"}}'):format(t.canary, t.canary)
    local ids = { "x-ms-request-id: " .. t.canary, "x-ms-correlation-request-id: " .. t.canary }
    local value, err = get(refusal(body, ids))
    t.fails("service", "<redacted>: m (HTTP 400)", value, err)
    assert.equal("<redacted>", err.code)
    assert.equal("<redacted>", err.target)
    assert.equal("<redacted>", err.request_id)
    assert.equal("<redacted>", err.correlation_id)
  end)

  it("nor one in a polling URL, which is not polled then", function ()
    local approved = assert(emulator:client():update(t.call(emulator.sample, { status = "Approved" })))
    emulator:reset()
    local url = emulator.endpoint .. "/operations/" .. t.canary .. "?t=" .. t.canary
    emulator:faults {
      { match = { kind = "update" }, action = { status = 202, headers = { ["Azure-AsyncOperation"] = url } } },
      { match = { kind = "get" }, action = { status = 200, body = approved } },
    }
    local events = {}
    local client = emulator:client { on_event = function (event) events[#events + 1] = event end,
      credential = azpec.credential.token { token = t.canary } }
    local poller = client:begin_update(t.call(emulator.sample, { status = "Approved", poll_interval = 0.1 }))
    t.await("the answer", function () return emulator:has_met(1) end, function () poller:wait(0.01) end)
    t.has_no_secret(poller:continuation_token(), "the continuation token")
    assert(poller:wait())
    t.has_no_secret(events, "the events")
    assert.equal("update get", emulator:kinds())
  end)

  it("nor one in the URL of another page of a list", function ()
    local next_page = ("%s/subscriptions/%s/providers/Microsoft.Batch/batchAccounts/%s?x=1"):format(emulator.endpoint,
      emulator.subscription_id, t.canary)
    emulator:faults {
      { match = { nth = 1 }, action = { status = 200, body = { value = {}, nextLink = next_page } } },
      { match = {}, action = { status = 200, body = { value = {} } } },
    }
    local events = {}
    local client = emulator:client { on_event = function (event) events[#events + 1] = event end,
      credential = azpec.credential.token { token = t.canary } }
    for _ in client:list_accounts {} do error "an account" end
    assert.equal(2, #emulator:log())
    t.has_no_secret(events, "the events")
  end)

  it("nor one that is a name in what the service adds", function ()
    local body = ('{"error":{"code":"C","message":"m","additionalInfo":[{"type":"T","info":{"%s":1,"a":{"x%sy":2}}}]}}')
      :format(t.canary, t.canary)
    local value, err = get(refusal(body))
    t.fails("service", "C: m (HTTP 400)", value, err)
    assert.same({ ["<redacted>"] = 1, a = { ["x<redacted>y"] = 2 } }, err.additional_info[1].info)
  end)
end)

describe("the hint", function ()
  -- By the code, whatever the status: { status, kind, part of the hint }.
  for code, case in t.each {
    AuthorizationFailed = { 403, "forbidden", "granted recently, wait" },
    LinkedAuthorizationFailed = { 403, "forbidden", "linked resource" },
    RequestDisallowedByPolicy = { 403, "forbidden", "Azure Policy" },
    DenyAssignmentAuthorizationFailed = { 403, "forbidden", "deny assignment" },
    ReadOnlyDisabledSubscription = { 409, "forbidden", "disabled or read-only" },
    InvalidSubscriptionState = { 400, "forbidden", "disabled or read-only" },
    ScopeLocked = { 409, "conflict", "lock" },
    AnotherOperationInProgress = { 409, "conflict", "is still running" },
    MissingSubscriptionRegistration = { 409, "service", "az provider register --namespace Microsoft.Batch" },
    SubscriptionNotRegistered = { 409, "service", "az provider register --namespace Microsoft.Batch" },
    SubscriptionNotFound = { 404, "not_found", "subscription's id" },
    ResourceGroupNotFound = { 404, "not_found", "name of the resource group" },
    ResourceNotFound = { 404, "not_found", "full connection name" },
    InvalidAuthenticationTokenTenant = { 401, "credential", "another tenant" },
    TooManyRequests = { 429, "throttled", "fewer operations in parallel" },
    resourcenotfound = { 404, "not_found", "full connection name" },
  } do
    it("of " .. code .. " is its own", function ()
      local value, err = get(refusal(('{"error":{"code":"%s","message":"m"}}'):format(code), nil, case[1]),
        { retry = { max_tries = 1 } })
      assert.is_nil(value)
      assert.equal(case[2], err.kind)
      assert.truthy((err.hint or ""):find(case[3], 1, true), err.hint)
    end)
  end

  it("of a policy's refusal is there with the policy's names", function ()
    local _, err = get(refusal([[{"error":{"code":"RequestDisallowedByPolicy","message":"m","additionalInfo":[
      {"type":"PolicyViolation","info":{"policyAssignmentName":"deny-pe"}}]}}]], nil, 403))
    assert.equal("deny-pe", err.additional_info[1].info.policyAssignmentName)
  end)

  for what, case in t.each {
    ["a proxy's page"] = { "<html><title>Access denied</title></html>", "Content-Type: text/html" },
    ["a proxy's text"] = { "upstream connect error", "Content-Type: text/plain" },
    ["an answer without a type"] = { "blocked", "X-Type: none" },
  } do
    it("of " .. what .. " says that Azure did not answer", function ()
      for _, status in ipairs { 400, 403, 404 } do
        local _, err = get(refusal(case[1], { case[2] }, status))
        assert.truthy((err.hint or ""):find("not from Azure Resource Manager: check for a proxy", 1, true), err.hint)
      end
    end)
  end

  it("of a page from Azure itself, which has an id, does not blame a proxy", function ()
    local _, err = get(refusal("<html>", { "Content-Type: text/html", "x-ms-request-id: 1" }, 404))
    assert.falsy(err.hint:find("proxy", 1, true))
  end)
end)

describe("the statuses", function ()
  local read = "the identity needs Microsoft.Batch/batchAccounts/privateEndpointConnections/read on the Batch account"
    .. "; if it was granted recently, wait a few minutes"
  local write = "the identity needs Microsoft.Batch/batchAccounts/privateEndpointConnections/write on the Batch account"
    .. "; if it was granted recently, wait a few minutes"
  local where = "check the subscription, resource group, account and full connection name (it usually ends in a "
    .. "GUID)"

  for status, case in t.each {
    [400] = { "service", 1 }, [403] = { "forbidden", 1, read }, [404] = { "not_found", 1, where },
    [405] = { "service", 1 }, [408] = { "service", 4, nil, true }, [409] = { "conflict", 1, nil, true },
    [412] = { "precondition", 1 }, [415] = { "service", 1 }, [429] = { "throttled", 4, nil, true },
    [500] = { "service", 4, nil, true }, [501] = { "service", 1 }, [502] = { "service", 4, nil, true },
    [503] = { "service", 4, "the service is busy: try again later", true }, [504] = { "service", 4, nil, true },
  } do
    it(status .. " is " .. case[1] .. (case[2] > 1 and " after four tries" or ", asked once"), function ()
      local value, err, server = get(refusal([[{"error":{"code":"C","message":"m"}}]], nil, status))
      t.fails(case[1], ("C: m (HTTP %d)"):format(status), value, err)
      assert.equal(status, err.http_status)
      assert.equal(case[2], #server:requests())
      assert.equal(case[4] or false, err.retryable)
      if case[3] then assert.equal(case[3], err.hint) end
      assert.is_nil(err.continuation_token)
    end)
  end

  it("403 to a PATCH says which right to write is missing", function ()
    local server = t.server(refusal([[{"error":{"code":"AuthorizationFailed","message":"no"}}]], nil, 403))
    local err = t.fails("forbidden", "AuthorizationFailed: no (HTTP 403)",
      server:client():update(t.call(t.id, { status = "Approved" })))
    assert.equal(write, err.hint)
    assert.is_nil(err.continuation_token)
  end)

  it("403 to a poll says which right to poll is missing, and stays resumable", function ()
    local server = t.server {
      { method = "PATCH", status = 202, headers = { "Location: {origin}/op" } },
      { status = 403, headers = json, body = [[{"error":{"code":"AuthorizationFailed","message":"no"}}]] },
    }
    local err = t.fails("forbidden",
      "the write was accepted, but its result could not be read: AuthorizationFailed: no (HTTP 403)",
      server:client():update(t.call(t.id, { status = "Approved" })))
    assert.equal("poll", err.phase)
    assert.truthy(err.hint:find("privateEndpointConnectionResults/read", 1, true))
    assert.is_string(err.continuation_token)
  end)

  for _, header in ipairs { "Retry-After: 1", "retry-after-ms: 20" } do
    it("409 with " .. header:match "^[^:]*" .. " is asked again", function ()
      local value, _, server = get {
        { times = 1, status = 409, headers = { t.json_type, header },
          body = [[{"error":{"code":"Busy","message":"m"}}]] },
        { headers = json, body = t.connection_json() },
      }
      assert.equal(2, #server:requests())
      assert.equal("Approved", value.properties.privateLinkServiceConnectionState.status)
    end)
  end

  it("409 for a lock is not asked again", function ()
    local value, err, server = get(refusal([[{"error":{"code":"ScopeLocked","message":"m"}}]],
      { t.json_type, "Retry-After: 1" }, 409))
    t.fails("conflict", "ScopeLocked: m (HTTP 409)", value, err)
    assert.equal(1, #server:requests())
  end)

  for code, passes in t.each { AnotherOperationInProgress = true, Conflict = true, ScopeLocked = false,
      MissingSubscriptionRegistration = false, ResourceGroupBeingDeleted = false } do
    it("409 " .. code .. (passes and " may pass" or " lasts") .. ", whatever the options and Retry-After", function ()
      for _, headers in ipairs { { t.json_type }, { t.json_type, "retry-after-ms: 5" } } do
        for _, conflict in ipairs { false, true } do
          local _, err = get(refusal(('{"error":{"code":"%s","message":"m"}}'):format(code), headers, 409),
            { retry = { conflict = conflict, base_delay = 0.001 } })
          assert.equal(passes, err.retryable)
        end
      end
    end)
  end

  it("429 of the subscription holds back other writes, and their progress tells for how long", function ()
    emulator:faults { { match = { kind = "update" }, action = { status = 429, retry_after = "30" } } }
    local client <close> = emulator:client { retry = { max_tries = 1 } }
    local value, err = client:update { id = emulator.sample, status = "Approved" }
    t.fails("throttled", "^SubscriptionRequestsThrottled: ", value, err)
    local poller = client:begin_ensure { id = emulator.sample, status = "Approved" }
    t.await("the wait", function () return poller:progress().next_wait end, function () client:wait(0.01) end)
    local at = poller:progress()
    assert(at.next_wait > 1 and at.next_wait <= 30, at.next_wait)
    assert.equal("request", at.phase)
    poller:cancel()
    assert.equal(0, select(2, poller:wait()).elapsed.token)
  end)

  it("429 waits as long as Retry-After says", function ()
    local took, value, _, server = t.timed(get, {
      { times = 1, status = 429, headers = { "Retry-After: 1" } }, { headers = json, body = t.connection_json() } })
    assert.equal(t.id, value.id)
    assert(took >= 0.99, took)
    assert.equal(2, #server:requests())
  end)

  it("a longer Retry-After than retry.max_delay is obeyed up to retry.max_retry_after", function ()
    local value, err, server = get({ { times = 1, status = 429, headers = { "retry-after-ms: 20" } },
      { status = 429, headers = { t.json_type, "retry-after-ms: 60001" } } },
      { retry = { max_delay = 0.001, max_retry_after = 60 } })
    assert.is_nil(value)
    assert.equal(60.001, err.retry_after)
    assert.equal(2, #server:requests())
  end)

  it("429 with a Retry-After beyond retry.max_delay is handed back at once, with the wish", function ()
    local value, err, server = get { { status = 429, headers = { t.json_type, "Retry-After: 3600" },
      body = [[{"error":{"code":"SubscriptionRequestsThrottled","message":"later"}}]] } }
    t.fails("throttled", "SubscriptionRequestsThrottled: later (HTTP 429)", value, err)
    assert.equal(3600.0, err.retry_after)
    assert.is_true(err.retryable)
    assert.equal(1, #server:requests())
  end)

  it("retry.max_tries = 1 asks once", function ()
    local value, err, server = get(refusal("", nil, 503), { retry = { max_tries = 1 } })
    t.fails("service", "empty response (HTTP 503)", value, err)
    assert.equal(1, #server:requests())
  end)

  it("a 5xx then a success is a success, the same request each time", function ()
    local value, _, server = get {
      { times = 1, status = 503, headers = json }, { times = 1, status = 500, headers = json },
      { headers = json, body = t.connection_json() },
    }
    assert.equal(t.id, value.id)
    local requests = server:requests()
    assert.equal(3, #requests)
    assert.equal(requests[1].bytes, requests[2].bytes)
    assert.equal(requests[1].bytes, requests[3].bytes)
  end)

  it("a 5xx to every PATCH leaves the end unknown, and says so by a token", function ()
    local server = t.server { { method = "PATCH", status = 503, headers = json },
      { headers = json, body = t.connection_json "Pending" } }
    local err = t.fails("service", "empty response (HTTP 503)",
      server:client():update(t.call(t.id, { status = "Approved" })))
    assert.is_string(err.continuation_token)
  end)
end)

local function statuses()
  local list = {}
  for n, entry in ipairs(emulator:log()) do list[n] = entry.kind .. " " .. math.tointeger(entry.status) end
  return table.concat(list, ", ")
end

local function approve(client) return client:update(t.call(emulator.sample, { status = "Approved" })) end

describe("tokens that go astray", function ()
  it("a token that has expired is renewed once, before the PATCH and between polls", function ()
    emulator:faults {
      { match = { kind = "update", nth = 1 }, action = { expire_token = true } },
      { match = { kind = "poll", nth = 2 }, action = { expire_token = true } },
    }
    assert(approve(emulator:client()))
    assert.equal("token 200, update 401, token 200, update 202, poll 202, poll 401, token 200, poll 202, poll 200",
      statuses())
  end)

  it("a token that is always refused ends the call after one renewal", function ()
    emulator:faults { { match = { kind = "update" }, action = { status = 401,
      error = { code = "InvalidAuthenticationToken", message = "No." } } } }
    local err = t.fails("credential", "InvalidAuthenticationToken: No. (HTTP 401)", approve(emulator:client()))
    assert.equal(401, err.http_status)
    assert.equal("the token was rejected: check that it is for this tenant, this cloud and the management endpoint",
      err.hint)
    assert.is_nil(err.continuation_token)
    assert.equal("token 200, update 401, token 200, update 401", statuses())
  end)

  it("a ready token that has expired cannot be renewed, and the error says so", function ()
    local server = t.server(refusal([[{"error":{"code":"ExpiredToken","message":"Too old."}}]], nil, 401))
    local err = t.fails("credential", "ExpiredToken: Too old. (HTTP 401); the token that was given cannot "
      .. "be renewed", server:client():get(t.call(t.id)))
    assert.equal("give a function (azpec.credential.token{get = ...}) or another credential", err.hint)
    assert.equal(1, #server:requests())
  end)

  it("a claims challenge is answered once, with a token asked for with these claims", function ()
    emulator:faults { { match = { kind = "poll", nth = 2 }, action = { claims = true } } }
    assert(approve(emulator:client()))
    assert.equal("token 200, update 202, poll 202, poll 401, token 200, poll 202, poll 200", statuses())
    local tokens = emulator:log "token"
    assert.is_nil(tokens[1].token.claims)
    assert.is_true(tokens[2].token.claims)
  end)

  it("a claims challenge that comes again and again ends the call", function ()
    emulator:faults { { match = { kind = "get" }, action = { claims = true } } }
    local err = t.fails("credential", "^InvalidAuthenticationToken: .* %(HTTP 401%)$",
      emulator:client():get(t.call(emulator.sample)))
    assert.equal(401, err.http_status)
    assert.equal("the service requires a token with new claims (conditional access): a token function must request "
      .. "its token with `claims`; otherwise sign in again", err.hint)
    assert.equal("token 200, get 401, token 200, get 401", statuses())
  end)

  it("a token function that has no new token yet makes the error retryable, also after a refused one", function ()
    for _, action in ipairs { { expire_token = true }, { claims = true } } do
      emulator:faults { { match = { kind = "get" }, action = action } }
      local client = emulator:client { credential = azpec.credential.token { get = function (_, _, refused)
        if refused then return nil, { message = "no token yet", retryable = true } end
        return t.canary .. "old"
      end } }
      local err = t.fails("credential", "^InvalidAuthenticationToken: .* %(HTTP 401%); the token function failed: no "
        .. "token yet$", client:get(t.call(emulator.sample)))
      assert.is_true(err.retryable)
      assert.equal(action.claims or false, err.hint:find "new claims" ~= nil)
    end
  end)

  it("a token function is given the scope, and the claims of a challenge", function ()
    local claims = '{"access_token":{"nbf":{"essential":true,"value":"1"}}}'
    local encoded = "eyJhY2Nlc3NfdG9rZW4iOnsibmJmIjp7ImVzc2VudGlhbCI6dHJ1ZSwidmFsdWUiOiIxIn19fQ=="
    local server = t.server {
      { times = 1, status = 401, headers = { 'WWW-Authenticate: Bearer realm="", error="insufficient_claims", claims="'
        .. encoded .. '"' } },
      { headers = json, body = t.connection_json() },
    }
    local asked = {}
    local credential = azpec.credential.token { get = function (...)
      asked[#asked + 1] = { ... }
      return t.canary .. #asked, os.time() + 3600
    end }
    assert(server:client { credential = credential }:get(t.call(t.id)))
    assert.same({ { "https://management.azure.com/.default" },
      { "https://management.azure.com/.default", claims, t.canary .. 1 } }, asked)
    assert.equal("Bearer " .. t.canary .. "2", server:requests()[2].headers.authorization)
  end)

  it("a token function gets the token that was refused, until it returns another one", function ()
    local server = t.server {
      { times = 1, status = 401, headers = json, body = [[{"error":{"code":"Expired","message":"Too old."}}]] },
      { headers = json, body = t.connection_json() } }
    local seen, stored = {}, { t.canary .. "old", t.canary .. "new" }
    local client = server:client { credential = azpec.credential.token { get = function (_, _, refused_token)
      seen[#seen + 1] = refused_token or "none"
      if refused_token == stored[1] then table.remove(stored, 1) end
      if #seen == 2 then return nil, "no token yet" end
      return stored[1], os.time() + 2
    end } }
    t.fails("credential", "Expired: Too old. (HTTP 401); the token function failed: no token yet",
      client:get(t.call(t.id)))
    for _ = 1, 3 do assert(client:get(t.call(t.id))) end
    assert.same({ "none", t.canary .. "old", t.canary .. "old" }, { table.unpack(seen, 1, 3) })
    assert.equal("Bearer " .. t.canary .. "new", server:requests()[2].headers.authorization)
  end)

  it("a token function gets no refused token of another credential", function ()
    local file = t.write(t.new_path "federated", "an-id-token")
    emulator:faults { { match = { kind = "token" }, action = { status = 200, headers = { ["Content-Type"] =
      "application/json" }, body = '{"access_token":"' .. t.canary .. '","expires_in":3600}' } } }
    local credential, seen = azpec.credential, nil
    local client = emulator:client {
      credential = credential.chain {
        credential.workload_identity { tenant_id = emulator.tenant_id, client_id = emulator.client_id,
          token_file_path = file },
        credential.token { get = function (...) seen = table.pack(...) return t.canary .. "mine" end } },
      before_write = function () os.remove(file) return true end,
    }
    t.fails("credential", "InvalidAuthenticationToken: The access token is invalid. (HTTP 401)", approve(client))
    assert.same({ n = 3, "https://management.azure.com/.default" }, seen)
  end)

  it("a token function that fails is a failure of the credential", function ()
    local server = t.server { { headers = json, body = t.connection_json() } }
    for _, get_token in ipairs { function () error("vault is sealed", 0) end,
      function () return nil, "vault is sealed" end } do
      local err = t.fails("credential", "the token function failed: vault is sealed",
        server:client { credential = azpec.credential.token { get = get_token } }:get(t.call(t.id)))
      assert.equal("token", err.phase)
    end
    assert.equal(0, #server:requests())
  end)

  it("a wrong secret is named by Entra's own number and a hint, and is not printed", function ()
    local secret = "wrong+" .. t.secret
    local err = t.fails("credential", "^sign%-in refused: invalid_client: AADSTS7000215: Invalid client secret "
      .. "provided%..* %(HTTP 401%)$",
      approve(emulator:client { credential = emulator:credential { client_secret = secret } }))
    assert.equal("AADSTS7000215", err.code)
    assert.equal("the client secret is wrong: give the secret's value, not its id", err.hint)
    assert.equal("token", err.phase)
    assert.is_string(err.request_id)
    assert.equal("token 401", statuses())
  end)

  it("an unknown tenant and an unknown application are told apart", function ()
    local nobody = "00000000-0000-0000-0000-000000000001"
    assert.equal("AADSTS90002", t.fails("credential", "^sign%-in refused: invalid_request: AADSTS90002: ",
      approve(emulator:client { credential = emulator:credential { tenant_id = nobody } })).code)
    assert.equal("AADSTS700016", t.fails("credential", "^sign%-in refused: unauthorized_client: AADSTS700016: ",
      approve(emulator:client { credential = emulator:credential { client_id = nobody } })).code)
  end)

  it("a token endpoint that answers with a page is not taken for one", function ()
    emulator:faults { { match = { kind = "token" }, action = { html = true, status = 403 } } }
    local err = t.fails("credential", "sign-in failed: the response is not an OAuth error but text/html; charset=utf-8 "
      .. "(HTTP 403)", approve(emulator:client()))
    assert.equal(403, err.http_status)
  end)

  it("retry governs the token's request too", function ()
    emulator:faults { { match = { kind = "token" }, action = { status = 503 } } }
    local err = t.fails("credential", "^sign%-in failed: .* %(HTTP 503%)$", approve(emulator:client()))
    assert.is_true(err.retryable)
    assert.equal("token token token", emulator:kinds())
  end)
end)

describe("writes that go astray", function ()
  it("a PATCH whose answer was lost is looked for, and not sent again where it was carried out", function ()
    emulator:set { concurrent_update = "allow" }
    emulator:faults { { match = { kind = "update", nth = 1 }, action = { lose = true } } }
    local connection = assert(approve(emulator:client()))
    assert.equal("Approved", connection.properties.privateLinkServiceConnectionState.status)
    assert.equal(1, #emulator:log "update")
    assert(#emulator:log "get" >= 1)
  end)

  it("a PATCH that had no effect is sent again after a read", function ()
    emulator:faults { { match = { kind = "update", nth = 1 }, action = { close = true } } }
    local connection = assert(approve(emulator:client()))
    assert.equal("Approved", connection.properties.privateLinkServiceConnectionState.status)
    assert.equal("token update get update", emulator:kinds():match "^%l+ %l+ %l+ %l+")
  end)

  it("a guarded PATCH whose answer was lost is settled by reading", function ()
    emulator:set { update_answer = "200" }
    emulator:faults { { match = { kind = "update", nth = 1 }, action = { lose = true } } }
    local connection = assert(emulator:client():update(t.call(emulator.sample, {
      status = "Approved", if_match = 'W/"0x8D4EDFEBFADF4AB"' })))
    assert.equal("Approved", connection.properties.privateLinkServiceConnectionState.status)
    assert.equal("token 200, update 200, get 200", statuses())
  end)

  it("a guarded PATCH whose answer was lost, then 412, is neither success nor plain failure", function ()
    emulator:faults { { match = { kind = "update", nth = 1 }, action = { close = true } },
      { match = { kind = "update", nth = 2 }, action = { status = 412 } } }
    local err = t.fails("precondition", "^PreconditionFailed: .* %(HTTP 412%); an earlier attempt got no response",
      emulator:client { poll_interval = 0.1 }:update(
        t.call(emulator.sample, { status = "Approved", if_match = 'W/"0x8D4EDFEBFADF4AB"' })))
    assert.is_string(err.continuation_token)
    assert.is_nil(err.replaced)
    assert.falsy(err.hint:find("changed after", 1, true))
    assert.equal("Pending", emulator:connection(emulator.sample).status)
  end)

  it("polls that are throttled or fail are no failure of the operation", function ()
    emulator:faults {
      { match = { kind = "poll", nth = 1 }, action = { status = 429, headers = { ["retry-after-ms"] = "20" } } },
      { match = { kind = "poll", nth = 2 }, action = { status = 503 } },
      { match = { kind = "poll", nth = 3 }, action = { close = true } },
      { match = { kind = "poll", nth = 4 }, action = { html = true } },
      { match = { kind = "poll", nth = 5 }, action = { cut = 5, status = 200, body = '{"status":"InProgress"}' } },
    }
    assert(approve(emulator:client()))
    assert.equal(1, #emulator:log "update")
  end)

  it("another operation in progress is a conflict, not retried unasked", function ()
    emulator:set { operation_polls = 1000 }
    local client = emulator:client()
    local poller = client:begin_update(t.call(emulator.sample, { status = "Approved" }))
    t.await("a poll", function () return poller:progress().polls > 0 end, function () poller:wait(0.01) end)
    local err = t.fails("conflict", "^AnotherOperationInProgress: .* %(HTTP 409%)$", approve(emulator:client()))
    assert.is_nil(err.continuation_token)
    assert.equal(2, #emulator:log "update")
  end)

  it("a code that the caller lists is retried, in its order and with its tries", function ()
    emulator:faults { { match = { kind = "update", times = 2 },
      action = { status = 400, error = { code = "AccountBusy" } } } }
    t.fails("service", "^AccountBusy: ", approve(emulator:client { retry = { base_delay = 0.01 } }))
    assert(approve(emulator:client { retry = { base_delay = 0.01, codes = { "Other", "accountbusy" } } }))
    assert.equal(3, #emulator:log "update")
  end)

  it("the body of an error can be shown as JSON again", function ()
    local value, err = get(refusal [[{"error":{"code":"C","message":"m","details":[{"code":"D"}]}}]])
    t.fails("service", "C: m (HTTP 400)", value, err)
    assert.same({ { code = "D" } }, cjson.decode(cjson.encode(err.details)))
  end)
end)
