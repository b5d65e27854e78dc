-- Policy tokens: a policy with external evaluation lets a write through only with one. When one is acquired, what the
-- service is told, and what happens where there is none.
package.path = "./tests/?.lua;" .. package.path

local azpec = require "azpec"
local cjson = require "cjson"
local t = require "loopback.support"

local emulator

local change = "/subscriptions/3f1c2a54-6a1e-4b7d-9c55-0e8d1b2a7f10/providers/Microsoft.ChangeSafety/changeRecords/c7"

local function wish(more)
  return t.call(emulator.sample, t.merged({ status = "Approved", description = 'by "me", 東京' }, more or {}))
end

local function deletion(more) return t.call(emulator.sample, more) end

-- The calls that write, with what they are given.
local ways = {
  update = function (client, more) return client:update(wish(more)) end,
  ensure = function (client, more) return client:ensure(wish(more)) end,
  delete = function (client, more) return client:delete(deletion(more)) end,
  begin_update = function (client, more) return client:begin_update(wish(more)):wait() end,
  begin_ensure = function (client, more) return client:begin_ensure(wish(more)):wait() end,
  begin_delete = function (client, more) return client:begin_delete(deletion(more)):wait() end,
}

local function status() return (emulator:connection(emulator.sample) or { status = "none" }).status end

local function guarded(options) emulator:set(t.merged({ policy = "token" }, options or {})) end

-- What came to the service beside looks: the kinds, in order.
local function sent()
  local kinds = {}
  for _, entry in ipairs(emulator:log("update", "delete", "acquire", "acquisition")) do
    kinds[#kinds + 1] = entry.kind
  end
  return table.concat(kinds, " ")
end

local function acquisitions() return emulator:log "acquire" end

-- As t.fails, with a part of the message.
local function fails(kind, part, value, err)
  return t.fails(kind, "^.*" .. part:gsub("%p", "%%%0"), value, err)
end

local function hinted(part, err)
  assert(err.hint and err.hint:find(part, 1, true), "no hint of " .. part .. ": " .. tostring(err.hint))
  return err
end

setup(function () emulator = t.emulator { latency = 0 } end)
before_each(function () emulator:reset() end)
after_each(t.tidy)
teardown(t.close)

describe("after a refusal", function ()
  for name, write in t.each(ways) do
    local kind = name:find "delete" and "delete" or "update"

    it("acquires a token for " .. name .. " and writes again, byte for byte", function ()
      guarded()
      assert(write(emulator:client()))
      assert.equal(("%s acquire %s"):format(kind, kind), sent())
      local first, second = table.unpack(emulator:log(kind))
      assert.same(first.body, second.body)
      assert.equal(first.target, second.target)
      assert.equal(kind == "delete" and "none" or "Approved", status())
    end)

    it("tells the service of " .. name .. " what it writes", function ()
      guarded()
      assert(write(emulator:client()))
      local entry, last = acquisitions()[1], emulator:log(kind)[2]
      assert.equal(emulator.endpoint .. last.target, entry.body.operation.uri)
      assert.equal(last.method, entry.body.operation.httpMethod)
      assert.same(last.body, entry.body.operation.content)
      assert.is_nil(entry.body.changeReference)
      assert.equal("2025-11-01", entry.api_version)
      assert.equal(last.headers["x-ms-client-request-id"], entry.headers["x-ms-client-request-id"])
    end)
  end

  it("acquires none where no policy asks for one", function ()
    assert(emulator:client():update(wish()))
    assert.equal("update", sent())
  end)

  it("reads both places of the details that Azure's tools know", function ()
    guarded { policy_details = "info" }
    assert(emulator:client():update(wish()))
    assert.equal("update acquire update", sent())
  end)

  it("keeps the token for the writes that follow a conflict", function ()
    guarded()
    emulator:faults { { match = { kind = "update", nth = 2, times = 1 }, action = { status = 412 } } }
    assert(emulator:client():ensure(wish()))
    assert.equal("update acquire update update", sent())
  end)

  it("writes with the token after the first has expired", function ()
    guarded { policy_token_lifetime = 60 }
    emulator:faults { { match = { kind = "update", nth = 2, times = 1 }, action = { advance = 61 } } }
    assert(emulator:client():update(wish()))
    assert.equal("update acquire update acquire update", sent())
    assert.equal("Approved", status())
  end)

  it("ends where every token is refused", function ()
    guarded { policy_token_lifetime = 0 }
    local err = fails("forbidden", "RequestDisallowedByPolicy", emulator:client():update(wish()))
    hinted("rejects the policy token", err)
    assert.equal("update acquire update acquire update", sent())
    assert.equal("Pending", status())
  end)

  it("never acquires one where policy_token is never", function ()
    guarded()
    local err = fails("forbidden", "RequestDisallowedByPolicy",
      emulator:client { policy_token = "never" }:update(wish()))
    hinted('policy_token = "auto"', err)
    assert.equal("update", sent())
    assert.equal("PolicyViolation", err.additional_info[1].type)
  end)
end)

describe("beforehand", function ()
  for name, write in t.each(ways) do
    local kind = name:find "delete" and "delete" or "update"

    it("acquires a token for " .. name .. " by the client's option", function ()
      guarded()
      assert(write(emulator:client { policy_token = "always" }))
      assert.equal("acquire " .. kind, sent())
    end)

    it("acquires a token for " .. name .. " by the call's option", function ()
      guarded()
      assert(write(emulator:client(), { policy_token = "always" }))
      assert.equal("acquire " .. kind, sent())
    end)

    it("sends no " .. name .. " where the service issues none", function ()
      local err = fails("protocol", "could not acquire a policy token: the service issued none",
        write(emulator:client { policy_token = "always" }))
      hinted('policy_token = "auto"', err)
      assert.equal("policy", err.phase)
      assert.is_nil(err.continuation_token)
      assert.equal("acquire", sent())
      assert.equal("Pending", status())
    end)
  end

  it("acquires none for an ensure that has nothing to write", function ()
    assert(emulator:client():update(wish()))
    emulator:control("DELETE", "log")
    guarded()
    local done = assert(emulator:client { policy_token = "always" }:ensure(wish()))
    assert.is_false(done.changed)
    assert.equal("", sent())
  end)

  it("is overruled by the call", function ()
    assert(emulator:client { policy_token = "always" }:update(wish { policy_token = "auto" }))
    assert.equal("update", sent())
  end)
end)

describe("a change reference", function ()
  it("goes into the request for the token", function ()
    guarded { policy = "change", policy_change = change }
    assert(emulator:client():update(wish { change_reference = change }))
    assert.equal("acquire update", sent())
    assert.equal(change, acquisitions()[1].body.changeReference)
  end)

  it("can be the client's", function ()
    guarded { policy = "change" }
    assert(emulator:client { change_reference = change }:delete(deletion()))
    assert.equal(change, acquisitions()[1].body.changeReference)
  end)

  it("can wait until a policy asks for it", function ()
    local client = emulator:client { policy_token = "auto", change_reference = change }
    assert(client:update(wish()))
    assert.equal("update", sent())
    guarded { policy = "change" }
    assert(client:delete(deletion()))
    assert.equal("update delete acquire delete", sent())
    assert.equal(change, acquisitions()[1].body.changeReference)
  end)

  it("is asked for where a policy needs one", function ()
    guarded { policy = "change" }
    local err = fails("forbidden", "RequestDisallowedByPolicy", emulator:client():update(wish()))
    hinted("change_reference", err)
    assert.equal("update", sent())
  end)

  it("is asked for where a token acquired beforehand needs one", function ()
    guarded { policy = "change" }
    local err = fails("forbidden", "Deny: A change reference is required.",
      emulator:client():update(wish { policy_token = "always" }))
    hinted("give change_reference", err)
    assert.equal("acquire", sent())
  end)

  it("that does not allow the write is reported in the policy's words", function ()
    guarded { policy = "change", policy_change = change }
    local err = fails("forbidden", "could not acquire a policy token: policy 'guard-private-endpoints': Deny: "
      .. "The change reference '/c8' does not allow this operation.; nothing was written",
      emulator:client():update(wish { change_reference = "/c8" }))
    hinted("a role does not help", err)
    hinted("check change_reference", err)
    assert.equal("acquire", sent())
    assert.equal("Pending", status())
  end)

  it("may hold what JSON has to escape", function ()
    local odd = '/changes/"7\\東'
    guarded { policy = "change", policy_change = odd }
    assert(emulator:client():update(wish { change_reference = odd }))
    assert.equal(odd, acquisitions()[1].body.changeReference)
  end)
end)

describe("an asynchronous acquisition", function ()
  for _, headers in ipairs { "async", "location", "both" } do
    it("is followed by " .. headers, function ()
      guarded { policy_acquisition = "async", policy_headers = headers, policy_seconds = 0.05,
        policy_poll_retry_after = "none" }
      assert(emulator:client():update(wish()))
      assert(sent():find "^update acquire acquisition[ acquisition]* update$", sent())
      assert.equal("Approved", status())
    end)
  end

  it("that is denied sends nothing", function ()
    guarded { policy_acquisition = "async", policy_evaluation = "deny", policy_seconds = 0,
      policy_poll_retry_after = "none" }
    fails("forbidden", "The external evaluation does not allow this.; nothing was written",
      emulator:client():delete(deletion()))
    assert.equal("Pending", status())
  end)

  it("is not waited for beyond the deadline", function ()
    guarded { policy_acquisition = "async", policy_seconds = 3600, policy_poll_retry_after = "ms:50" }
    local err = fails("timeout", "no policy token received within 0.5 s; last error: RequestDisallowedByPolicy",
      emulator:client():update(wish { timeout = 0.5 }))
    assert.is_nil(err.continuation_token)
    assert(err.elapsed.policy > 0)
    assert.equal("Pending", status())
  end)

  it("leaves no continuation token on the way", function ()
    guarded { policy_acquisition = "async", policy_seconds = 3600, policy_poll_retry_after = "ms:50" }
    local client, events = emulator:client()
    local poller <close> = client:begin_update(wish())
    t.await("a poll", function ()
      return events[#events] and events[#events].event == "poll"
    end, function () client:step() end)
    assert.equal("policy", poller:progress().phase)
    assert.equal("azpec.poller (acquiring a policy token)", tostring(poller))
    assert.is_nil(poller:continuation_token())
  end)
end)

describe("without a token", function ()
  it("the refusal stands, with what the evaluation says", function ()
    guarded { policy_evaluation = "deny" }
    local err = fails("forbidden", "could not acquire a policy token: policy 'guard-private-endpoints': Deny: "
      .. "The external evaluation does not allow this.; nothing was written", emulator:client():update(wish()))
    assert.equal("RequestDisallowedByPolicy", err.code)
    assert.equal(403, err.http_status)
    assert.equal("policy", err.phase)
    assert.same({ "guard-private-endpoints", "Deny" }, { err.policy, err.verdict })
    assert.is_nil(err.change_reference)
    assert.equal("PolicyViolation", err.additional_info[1].type)
    assert.is_false(err.retryable)
    assert.equal("update acquire", sent())
  end)

  it("a denial before the write has the policy, its verdict and the change, and no HTTP status of its own", function ()
    guarded { policy_evaluation = "deny" }
    local err = fails("forbidden", "Deny: The external evaluation does not allow this.",
      emulator:client { change_reference = change }:update(wish()))
    assert.same({ "guard-private-endpoints", "Deny", change }, { err.policy, err.verdict, err.change_reference })
    assert.is_nil(err.http_status)
    assert.equal("acquire", sent())
  end)

  it("a failed evaluation is told from a denial by its verdict", function ()
    guarded { policy_evaluation = "fail" }
    assert.equal("Error", fails("service", "did not answer",
      emulator:client { policy_token = "always" }:update(wish())).verdict)
  end)

  it("an error of the write itself has no verdict", function ()
    guarded { policy_failures = 1, policy_retry_after = 0 }
    emulator:faults { { match = { kind = "update", nth = 2 }, action = { status = 409 } } }
    local client = emulator:client { change_reference = change, policy_token = "auto" }
    local err = fails("conflict", "", client:update(wish()))
    assert.same({}, { err.policy, err.verdict, err.change_reference })
  end)

  it("an evaluation that fails without a time is the end", function ()
    guarded { policy_evaluation = "fail" }
    local err = fails("service", "Error: The endpoint of the evaluation did not answer.",
      emulator:client():update(wish()))
    assert.is_true(err.retryable)
    hinted("no denial: try again later", err)
    assert.equal("update acquire", sent())
  end)

  it("an evaluation that names a time is asked again then", function ()
    guarded { policy_failures = 1, policy_retry_after = 0 }
    assert(emulator:client():update(wish()))
    assert.equal("update acquire acquire update", sent())
  end)

  it("a time beyond the deadline is reported", function ()
    guarded { policy_failures = 1, policy_retry_after = 3600 }
    local err = fails("service", "The endpoint of the evaluation is busy.", emulator:client():update(wish()))
    assert.is_true(err.retryable)
    assert(err.retry_after > 3500 and err.retry_after <= 3600, err.retry_after)
  end)

  it("a right that is missing is named", function ()
    guarded()
    emulator:control("PUT", "state", t.merged(emulator.given, { permissions = { {
      actions = { "Microsoft.Batch/*" } } } }))
    guarded()
    local err = fails("forbidden", "could not acquire a policy token: AuthorizationFailed",
      emulator:client():update(wish()))
    hinted("Microsoft.Authorization/acquirePolicyToken/action", err)
    assert.equal("Pending", status())
  end)

  it("a service that is down is asked again, and then the refusal stands", function ()
    guarded()
    emulator:faults { { match = { kind = "acquire" }, action = { status = 503 } } }
    local err = fails("service", "RequestDisallowedByPolicy", emulator:client():update(wish()))
    assert.is_true(err.retryable)
    assert.equal("update acquire acquire acquire acquire", sent())
  end)

  it("a failure has one kind, whether the token was asked for before the write or after its refusal", function ()
    for code, kind in t.each { [503] = "service", [429] = "throttled", [403] = "forbidden" } do
      for _, policy_token in ipairs { "auto", "always" } do
        guarded()
        emulator:faults { { match = { kind = "acquire" }, action = { status = code,
          headers = { ["Retry-After"] = "0" } } } }
        local client = emulator:client { policy_token = policy_token, retry = { max_tries = 1 } }
        fails(kind, "could not acquire a policy token", client:update(wish()))
      end
    end
  end)

  it("an answer that is lost is asked for again", function ()
    guarded()
    emulator:faults { { match = { kind = "acquire", nth = 1, times = 1 }, action = { lose = true } } }
    assert(emulator:client():update(wish()))
    assert.equal("update acquire acquire update", sent())
  end)
end)

describe("before_write", function ()
  it("is asked before each write, and told of the token and the change", function ()
    guarded { policy = "change" }
    local seen = {}
    local client = emulator:client { policy_token = "auto", change_reference = change, before_write = function (write)
      seen[#seen + 1] = write
      return true
    end }
    assert(client:update(wish()))
    assert.equal(2, #seen)
    assert.is_nil(seen[1].policy_token_id)
    assert(seen[2].policy_token_id:find "^%x+%-")
    assert.equal(change, seen[2].change_reference)
    assert.equal(2, seen[2].attempt)
  end)

  it("can keep the write back after the token was issued", function ()
    guarded()
    local client = emulator:client { policy_token = "always", before_write = function () return nil, "no" end }
    fails("canceled", "before_write refused the write: no; nothing was written", client:update(wish()))
    assert.equal("acquire", sent())
  end)

  it("is not asked about the acquisition", function ()
    guarded { policy_evaluation = "deny" }
    local asked = 0
    local client = emulator:client { policy_token = "always", before_write = function ()
      asked = asked + 1
      return true
    end }
    assert.is_nil(client:update(wish()))
    assert.equal(0, asked)
  end)
end)

describe("a resumed ensure", function ()
  local function unsent()
    return cjson.encode { azpec = 1, operation = "ensure", endpoint = emulator.endpoint, id = emulator.sample,
      api_version = "2022-06-01", status = "Approved", client_request_id = "r-1", poll = "resource", changed = false }
  end

  it("that may write acquires a token of its own", function ()
    guarded { policy = "change" }
    assert(assert(emulator:client():resume(unsent(), { write = true, change_reference = change })):wait())
    assert.equal("acquire update", sent())
    assert.equal(change, acquisitions()[1].body.changeReference)
  end)

  it("that may only read acquires none", function ()
    guarded()
    fails("precondition", "nothing was written",
      assert(emulator:client { policy_token = "always" }:resume(unsent())):wait())
    assert.equal("", sent())
  end)
end)

describe("on_event", function ()
  it("reports the acquisition by its phase, and the token by its id", function ()
    guarded()
    local client, events = emulator:client { change_reference = change }
    assert(client:update(wish()))
    local told = {}
    for _, event in ipairs(events) do
      if event.phase == "policy" then told[#told + 1] = event.event end
      if event.event == "policy_token" then
        assert(event.policy_token_id:find "^%x+%-")
        assert.equal(change, event.change_reference)
      end
    end
    assert.equal("request response policy_token", table.concat(told, " "))
  end)

  it("reports each repetition of an evaluation that failed, why, and how long it waits", function ()
    guarded { policy_failures = 2, policy_retry_after = 0 }
    local client, events = emulator:client()
    assert(client:update(wish()))
    local attempts = {}
    for _, event in ipairs(events) do
      if event.event == "retry" then
        assert.equal("policy", event.phase)
        assert.matches("policy 'guard%-private%-endpoints': Error: The endpoint .* is busy", event.reason)
        assert(event.wait > 0)
        attempts[#attempts + 1] = event.attempt
      end
      assert(event.event ~= "poll" or event.phase ~= "policy", "a repetition is told as a poll")
    end
    assert.same({ 2, 3 }, attempts)
  end)
end)

describe("misuse raises:", function ()
  local client

  before_each(function () client = emulator:client() end)

  it("an unknown value of policy_token", function ()
    assert.error_matches(function () client:update(wish { policy_token = "sometimes" }) end,
      "bad field 'policy_token' %(auto, always or never expected%)")
  end)

  for what, value in t.each { ["an empty"] = "", ["a blank"] = "   ", ["a line in a"] = "/c\n7", ["an endless"] =
    ("c"):rep(1025), ["a broken"] = "\xff" } do
    it(what .. " change reference", function ()
      assert.error_matches(function () client:update(wish { change_reference = value }) end,
        "bad field 'change_reference'")
    end)
  end

  it("a change reference that is not used", function ()
    assert.error_matches(function () client:update(wish { change_reference = "/c", policy_token = "never" }) end,
      "bad field 'change_reference' %(policy_token = \"never\" does not use it%)")
    assert.error_matches(function () azpec.client { change_reference = "/c", policy_token = "never" } end,
      "bad field 'change_reference'")
  end)

  it("either beside a call that writes nothing", function ()
    assert.error_matches(function () client:get(t.call(emulator.sample, { policy_token = "always" })) end,
      "policy_token")
  end)
end)
