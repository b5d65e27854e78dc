package.path = "./tests/?.lua;" .. package.path

local azpec = require "azpec"
local cqueues = require "cqueues"
local t = require "loopback.support"

local emulator

local function approve(client, more)
  return client:update(t.call(emulator.sample, t.merged({ status = "Approved" }, more or {})))
end

local function names(events)
  local list = {}
  for n, event in ipairs(events) do list[n] = event.event end
  return table.concat(list, " ")
end

local function of(events, name)
  local found = {}
  for _, event in ipairs(events) do
    if event.event == name then found[#found + 1] = event end
  end
  return found
end

setup(function () emulator = t.emulator() end)
before_each(function () emulator:reset() end)
after_each(t.tidy)
teardown(t.close)

describe("what on_event is told", function ()
  it("is every step of an operation, in order", function ()
    local client, events = emulator:client()
    assert(approve(client))
    assert.equal("token token request response poll request response poll request response poll request response end",
      names(events))
  end)

  it("is enough to draw progress: the waits, the service's word, what is left", function ()
    emulator:set { poll_answer = "monitor", running_word = "Working" }
    local client, events = emulator:client { poll_interval = 0.13 }
    assert(approve(client))
    local polls = of(events, "poll")
    assert(#polls >= 3)
    for n, event in ipairs(polls) do
      assert.equal(0.13, event.wait)
      assert.equal(n - 1, event.polls)
      assert(event.remaining > 0 and event.remaining <= t.hang)
      assert.equal(emulator.sample, event.id)
    end
    assert.equal("Working", polls[2].status)
    assert.is_number(polls[2].percent_complete)
    local last = events[#events]
    assert.equal("end", last.event)
    assert.is_true(last.ok)
    assert.equal("Succeeded", last.status)
    assert(last.elapsed > 0)
  end)

  it("of a list has one end, and each earlier page its own event", function ()
    emulator:set { ["manyacct:page_size"] = 30 } -- of 64
    local client, events = emulator:client()
    for _ in client:list { resource_group_name = "rg-contoso-prod", account_name = "manyacct" } do end
    local seen = {}
    for _, event in ipairs(events) do
      if event.event ~= "token" then seen[#seen + 1] = event.event end
      assert.equal(events[#events].client_request_id, event.client_request_id or events[#events].client_request_id)
    end
    assert.equal("request response page request response page request response end", table.concat(seen, " "))
  end)

  it("says of a response which attempt it answers", function ()
    emulator:faults { { match = { kind = "get", nth = 1 }, action = { status = 503 } } }
    local client, events = emulator:client { retry = { base_delay = 0.01 } }
    assert(client:get { id = emulator.sample })
    local attempts = {}
    for _, event in ipairs(of(events, "response")) do attempts[#attempts + 1] = event.attempt end
    assert.same({ 1, 2 }, attempts)
  end)

  it("has the parts of each request's time, as far as it had them", function ()
    emulator:faults { { match = { kind = "get" }, action = { hold = true } } }
    local function hold_for_a_moment() -- called when the request is sent
      if not emulator:has_met(1) then return end
      cqueues.poll(0.05)
      emulator:faults { { match = { kind = "get", nth = 1 }, action = { reset = true } },
        { match = { kind = "get", nth = 2 }, action = { reset = true } } } -- a GET is sent again on a new connection
      hold_for_a_moment = function () end
    end
    local client, events = emulator:client { tls = true, retry = { max_tries = 1 }, wait = function (pollable)
      hold_for_a_moment()
      cqueues.poll(pollable)
    end }
    for _ = 1, 2 do client:get { id = emulator.sample } end
    local answers = of(events, "response")
    local kept, lost, made = answers[1].timings, answers[2].timings, of(events, "token")[2].timings
    for part in pairs(made) do assert(made[part] >= 0, part) end
    for _, part in ipairs { "dns", "connect", "tls" } do
      assert.is_number(made[part])
      assert.is_nil(kept[part])
    end
    assert(made.tls > 0)
    assert(kept.wait >= 0.05, kept.wait)
    assert.is_number(kept.receive)
    assert.is_nil(lost.wait or lost.receive)
    assert.is_nil(of(events, "request")[1].timings)
  end)

  it("is enough for a support request: method, URL without query, status, ids", function ()
    local client, events = emulator:client()
    assert(approve(client, { client_request_id = "support-case-17" }))
    local request, response = of(events, "request")[1], of(events, "response")[1]
    assert.equal("PATCH", request.method)
    assert.equal(emulator.endpoint .. emulator.sample, request.url)
    assert.equal("2022-06-01", request.api_version)
    assert.equal("support-case-17", request.client_request_id)
    assert.equal(1, request.attempt)
    assert.equal(202, response.status)
    assert.equal("PATCH", response.method)
    assert.is_string(response.request_id)
    assert.is_string(response.correlation_id)
    assert.equal(response.request_id, response.headers["x-ms-request-id"])
    for _, event in ipairs(events) do assert.is_nil((event.url or ""):find("?", 1, true)) end
  end)

  it("is a retry, why, and how long it is waited", function ()
    emulator:faults { { match = { kind = "update", nth = 1 }, action = { status = 503,
      error = { code = "ServerBusy", message = "Come later." } } } }
    local client, events = emulator:client()
    assert(approve(client))
    local retries = of(events, "retry")
    assert.equal(1, #retries)
    assert.equal("ServerBusy: Come later. (HTTP 503)", retries[1].reason)
    assert.equal("request 2", retries[1].phase .. " " .. math.tointeger(retries[1].attempt))
    assert(retries[1].wait > 0)
    local requests = of(events, "request")
    assert.equal("GET 1", requests[2].method .. " " .. math.tointeger(requests[2].attempt)) -- looks first
    assert.equal("PATCH 2", requests[3].method .. " " .. math.tointeger(requests[3].attempt))
  end)

  it("is why a read is repeated whose answer is garbled, or ends too early", function ()
    local server = t.server { { times = 1, headers = { t.json_type }, body = '{"id":' },
      { times = 1, raw = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{", after = "close" },
      { headers = { t.json_type }, body = t.connection_json() } }
    local client, events = server:client()
    assert(client:get(t.call(t.id)))
    local retries = of(events, "retry")
    assert.equal(2, #retries)
    assert.equal('the response is not a JSON object: {"id":', retries[1].reason)
    assert.matches("^the network connection was closed before the response was complete", retries[2].reason)
  end)

  it("is a try that never got an answer", function ()
    local server = t.server { { times = 1, raw = "", after = "close" },
      { headers = { t.json_type }, body = t.connection_json() } }
    local client, events = server:client()
    assert(client:get(t.call(t.id)))
    local response = of(events, "response")[1]
    assert.is_nil(response.status)
    assert.equal("the network connection was closed before the response was complete", response.error)
  end)

  it("is the failure at the end, in the error's words", function ()
    local client, events = emulator:client()
    local _, err = approve(client, { if_match = '"wrong"' })
    local last = events[#events]
    assert.is_false(last.ok)
    assert.equal("precondition", last.kind)
    assert.equal(err.message, last.message)
  end)

  it("has at the end what finds the failure: code, HTTP status and the service's ids, as the error", function ()
    local client, events = emulator:client()
    local _, err = approve(client, { if_match = '"wrong"' })
    local last = events[#events]
    for _, name in ipairs { "code", "http_status", "request_id", "correlation_id" } do
      assert.is_not_nil(err[name], name)
      assert.equal(err[name], last[name], name)
    end
  end)

  describe("in each event of an operation is the call, and the client_request_id that joins them:", function ()
    local function all(...)
      local count = 0
      for _ in ... do count = count + 1 end
      return count
    end
    local account, rows = { account_name = "sampleacct" }, { query = "resources | project id" }
    for call, f in t.each {
      update = approve,
      ensure = function (client) return client:ensure(t.call(emulator.sample, { status = "Approved" })) end,
      delete = function (client) return client:delete(t.call(emulator.sample)) end,
      get = function (client) return client:get(t.call(emulator.sample)) end,
      list = function (client)
        account.resource_group_name = emulator.sample:match "resourceGroups/([^/]+)"
        return all(client:list(account))
      end,
      query_resource_graph = function (client) return all(client:query_resource_graph(rows)) end,
      identity = function (client) return client:identity() end,
      resume = function (client)
        emulator:set { operation_polls = 1000 }
        local _, err = approve(emulator:client { poll_interval = 0.05 }, { timeout = 0.3 })
        emulator:set { operation_polls = 0 }
        return client:resume(err.continuation_token):wait()
      end,
    } do
      it(call, function ()
        local client, events = emulator:client()
        assert(f(client))
        local last = events[#events]
        assert.equal("end", last.event)
        for _, event in ipairs(events) do
          local joined = event.event ~= "token"
          assert.equal(joined and call or nil, event.call)
          assert.equal(joined and last.client_request_id or nil, event.client_request_id)
        end
      end)
    end
  end)

  it("holds header fields of a short list only, and never what might be a secret", function ()
    local server = t.server { { headers = { t.json_type, "ETag: \"x\"", "x-ms-request-id: r", "Set-Cookie: session=" ..
      t.canary, "X-Echo: " .. t.canary, "Authorization: Bearer " .. t.canary, "Location: {origin}/?sig=" .. t.canary,
      "WWW-Authenticate: Bearer " .. t.canary, "X-MS-RateLimit-Remaining-Subscription-Reads: 99", "Retry-After: 0" },
      body = t.connection_json() } }
    local client, events = server:client()
    assert(client:get(t.call(t.id)))
    local headers = of(events, "response")[1].headers
    local list = {}
    for name in t.each(headers) do list[#list + 1] = name end
    assert.same({ "content-length", "content-type", "etag", "retry-after",
      "x-ms-ratelimit-remaining-subscription-reads", "x-ms-request-id" }, list)
    assert.equal("99", headers["x-ms-ratelimit-remaining-subscription-reads"])
  end)

  it("reports the sign-in without the contents of requests and responses", function ()
    local client, events = emulator:client()
    assert(approve(client))
    local tokens = of(events, "token")
    assert.equal(2, #tokens)
    assert.equal("POST", tokens[1].method)
    assert.equal(200, tokens[2].status)
    assert.is_nil(t.text_of(tokens):find("client_secret", 1, true))
    t.has_no_secret(tokens, "the token's events")
  end)

  it("is nothing when it is not set; what it is set on hears of its own client alone", function ()
    local _, events = emulator:client()
    assert(approve(emulator:client { on_event = false }))
    assert.equal("", names(events))
  end)
end)

describe("on_event (errors, calls of its own)", function ()
  it("may fail: the call concerned raises that, another one does not", function ()
    local bad
    local client = emulator:client { on_event = function (event)
      if event.id == emulator.sample and event.event == "response" then error("listener is broken", 0) end
    end }
    bad = client:begin_update(t.call(emulator.sample, { status = "Approved" }))
    local good = client:begin_update(t.call(emulator.many[1], { status = "Approved" }))
    assert.equal(emulator.many[1], assert(good:wait()).id)
    assert.has_error(function ()
      repeat until bad:wait()
    end, "listener is broken")
    assert.equal(1, #emulator:log("update") - 1)
  end)

  it("and raises after a write was carried out leaves the outcome to the poller", function ()
    local raised
    local client = emulator:client { on_event = function (event)
      if event.event == "response" and event.method == "PATCH" and not raised then
        raised = true
        error("listener is broken", 0)
      end
    end }
    local poller = client:begin_update(t.call(emulator.sample, { status = "Approved" }))
    local ok, err = pcall(poller.wait, poller)
    assert.is_false(ok)
    assert.equal("listener is broken", err)
    assert(poller:done() or poller:continuation_token())
    assert.equal("Approved", assert(poller:wait()).properties.privateLinkServiceConnectionState.status)
    assert.equal(1, #emulator:log("update"))
  end)

  it("and raises during a blocking call keeps the outcome, which goes with the error", function ()
    for _, event_name in ipairs { "request", "response", "poll", "end" } do
      emulator:reset()
      local client = emulator:client { on_event = function (event)
        if event.event == event_name then error("listener is broken", 0) end
      end }
      local ok, err = pcall(approve, client)
      assert.is_false(ok)
      assert.equal("callback", err.kind)
      assert.equal("callback: on_event raised an error: listener is broken; the call itself succeeded: see `result`",
        tostring(err))
      assert.equal("listener is broken", err.raised)
      assert.equal("Approved", err.result.properties.privateLinkServiceConnectionState.status)
      assert.is_nil(err.err)
      assert.equal(1, #emulator:log("update"))
    end
  end)

  it("and raises during a blocking call that fails keeps its error, with the continuation token", function ()
    emulator:set { operation_polls = 1000 }
    local broken = { message = "disk full" }
    local client = emulator:client { poll_interval = 0.05, on_event = function (event)
      if event.event == "poll" then error(broken, 0) end
    end }
    local _, err = pcall(approve, client, { timeout = 0.3 })
    assert.equal(broken, err.raised)
    assert.equal("on_event raised an error: disk full", err.message)
    assert.is_nil(err.result)
    assert.equal("timeout", err.err.kind)
    emulator:set { operation_polls = 0 }
    assert(assert(emulator:client():resume(err.err.continuation_token)):wait())
    assert.equal(1, #emulator:log("update"))
  end)

  it("may not step, close or use the client that calls", function ()
    local client, said
    client = emulator:client { on_event = function ()
      said = said or {}
      for _, call in ipairs { "step", "close" } do said[call] = select(2, pcall(client[call], client)) end
    end }
    assert(approve(client))
    assert.truthy(said.step:find("a client's callback must not step the client", 1, true))
    assert.truthy(said.close:find("a client's callback must not close the client", 1, true))
  end)
end)

describe("what every request carries", function ()
  local function ids(...)
    local seen, list = {}, {}
    for _, entry in ipairs(emulator:log(...)) do
      local id = entry.headers["x-ms-client-request-id"] or "none"
      if not seen[id] then seen[id], list[#list + 1] = true, id end
    end
    return list
  end

  it("one x-ms-client-request-id through retries, polls and the final GET, of the form of a GUID", function ()
    emulator:set { update_answer = "202", poll_answer = "monitor" }
    emulator:faults { { match = { kind = "update", nth = 1 }, action = { status = 503 } },
      { match = { kind = "poll", nth = 2 }, action = { status = 500 } } }
    assert(approve(emulator:client()))
    assert(#emulator:log "update" == 2 and #emulator:log "poll" >= 3 and #emulator:log "get" == 2)
    local list = ids("update", "poll", "get")
    assert.equal(1, #list)
    assert.truthy(list[1]:find "^%x+%-%x%x%x%x%-4%x%x%x%-[89ab]%x%x%x%-%x+$")
  end)

  it("another x-ms-client-request-id for another operation, or the caller's own", function ()
    local client = emulator:client()
    for _ = 1, 3 do assert(client:get(t.call(emulator.sample))) end
    assert.equal(3, #ids "get")
    emulator:control("DELETE", "log")
    assert(approve(client, { client_request_id = "my own id" }))
    assert.same({ "my own id" }, ids("update", "poll", "get"))
  end)

  local parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

  it("a span of its own in the caller's trace, and none when there is none", function ()
    local spans, told = {}, {}
    local client = emulator:client { on_event = function (event) told[event.span_id or 1] = event end }
    emulator:faults { { match = { kind = "update", nth = 1 }, action = { status = 503 } } }
    assert(approve(client, { traceparent = parent, tracestate = "congo=t61" }))
    for _, entry in ipairs(emulator:log("update", "poll", "get")) do
      local span = entry.headers.traceparent:match "^00%-4bf92f3577b34da6a3ce929d0e0e4736%-(%x+)%-01$"
      assert(#span == 16 and span ~= "00f067aa0ba902b7" and not spans[span], span)
      spans[span] = true
      assert.equal("congo=t61", entry.headers.tracestate)
      local event = told[span]
      assert.same({ "response", "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7" },
        { event.event, event.trace_id, event.parent_id })
    end
    assert.is_nil(emulator:log "token"[1].headers.traceparent)
    emulator:control("DELETE", "log")
    assert(client:get(t.call(emulator.sample)))
    assert.is_nil(emulator:log "get"[1].headers.traceparent)
    assert.is_nil(told[1].trace_id)
  end)

  it("the client's traceparent, also to sign in, where the call has none", function ()
    local told = {}
    local client = emulator:client { traceparent = parent, tracestate = "congo=t61", on_event = function (event)
      if event.event == "token" then told[#told + 1] = event end
    end }
    assert(approve(client))
    for _, entry in ipairs(emulator:log()) do
      assert.truthy(entry.headers.traceparent:find("^00%-4bf92f3577b34da6a3ce929d0e0e4736%-%x+%-01$"), entry.kind)
      assert.equal("congo=t61", entry.headers.tracestate)
    end
    assert.equal(16, #told[1].span_id)
    assert.equal(told[1].span_id, told[2].span_id)
    emulator:control("DELETE", "log")
    local own = parent:gsub("4bf9", "1234"):gsub("01$", "00")
    assert(client:get(t.call(emulator.sample, { traceparent = own })))
    local sent = emulator:log "get"[1].headers
    assert.truthy(sent.traceparent:find "^00%-1234")
    assert.truthy(sent.traceparent:find "%-00$")
    assert.is_nil(sent.tracestate)
  end)

  it("a User-Agent of Azure's form, the application's name before it", function ()
    assert(approve(emulator:client()))
    local form = "^azpec/%d+%.%d+%.%d+%S* %(Lua 5%.4; libcurl/[%d.]+%S*; Linux%)$"
    local version = "azpec/" .. azpec._VERSION:match "[%d.]+"
    for _, entry in ipairs(emulator:log()) do
      assert.truthy(entry.headers["user-agent"]:find(form))
      assert.truthy(entry.headers["user-agent"]:find(version, 1, true))
    end
    emulator:control("DELETE", "log")
    assert(emulator:client { application_id = "approver/1.2" }:get(t.call(emulator.sample)))
    assert.truthy(emulator:log "get"[1].headers["user-agent"]:find("^approver/1%.2 " .. form:sub(2)))
  end)

  it("Accept: application/json, and a PATCH of any length without Expect", function ()
    local server = t.server { { method = "DELETE", status = 204 },
      { headers = { t.json_type }, body = t.connection_json() } }
    local client = server:client()
    assert(client:update(t.call(t.id, { status = "Approved", description = ("long "):rep(2000) })))
    assert(client:get(t.call(t.id)))
    assert(client:delete(t.call(t.id)))
    local requests = server:requests()
    assert(#requests[1].body > 10000)
    for _, request in ipairs(requests) do
      assert.equal("application/json", request.headers.accept)
      assert.is_nil(request.headers.expect)
      assert.is_nil(request.headers["accept-encoding"])
    end
    assert.is_nil(requests[2].headers["content-type"])
    assert.equal("DELETE", requests[3].method)
    assert.equal("", requests[3].body)
  end)

  it("the api-version that was asked for", function ()
    assert(approve(emulator:client { api_version = "2024-07-01" }))
    for _, entry in ipairs(emulator:log("update", "poll", "get")) do assert.equal("2024-07-01", entry.api_version) end
  end)
end)
