-- Microsoft's own server for tests of long-running operations, which the clients that AutoRest makes are tried on: each
-- of its operations is played to its end, through peers/lro/server.mjs. Its PUT and POST become a PATCH of ours.
package.path = "./tests/?.lua;" .. package.path

local cjson = require "cjson"
local npm = require "loopback.npm"
local t = require "loopback.support"

local put, patch, post, delete = "put", "patch", "post", "delete"

local bad_request = "^Expected bad request message"
local failed = "^the operation failed: "
local canceled = "^the operation was canceled: "
local senseless = "^the polling URL returned unexpected responses: "
local not_ours = "^the response is not the connection"
local no_end = "^timed out after "

-- method, route; of a failure: its kind, and its message. reads = true: the server counts a GET of the Location as the
-- end, and we read the connection instead, since an update's result is its resource. endless = true: nothing tells the
-- operation's end, and a client that trusts nobody looks at the connection until its time is over.
local cases = {
  -- over at once
  { put, "/put/200/succeeded" },
  { put, "/put/201/succeeded" },
  { put, "/put/200/succeeded/nostate" },
  { patch, "/patch/200/succeeded/ignoreheaders" },
  { delete, "/delete/204/succeeded" },
  { delete, "/error/delete/204/nolocation" },
  -- the resource's own provisioningState
  { put, "/put/201/creating/succeeded/200" },
  { put, "/put/200/updating/succeeded/200" },
  { put, "/put/201/created/failed/200", "operation", failed .. "the resource's provisioningState is Failed" },
  { put, "/put/200/accepted/canceled/200", "operation", canceled .. "the resource's provisioningState is Canceled" },
  { put, "/customheader/put/201/creating/succeeded/200" },
  -- Location
  { put, "/put/202/retry/200" },
  { put, "/put/noheader/202/200" },
  { put, "/putsubresource/202/200" },
  { put, "/putnonresource/202/200" },
  { post, "/post/202/retry/200" },
  { post, "/post/202/noretry/204" },
  { post, "/post/payload/200" },
  { post, "/customheader/post/202/retry/200" },
  { delete, "/delete/noheader" },
  { delete, "/delete/202/retry/200" },
  { delete, "/delete/202/noretry/204" },
  { delete, "/delete/provisioning/202/accepted/200/succeeded" },
  { delete, "/delete/provisioning/202/deleting/200/failed", "operation", failed },
  { delete, "/delete/provisioning/202/deleting/200/canceled", "operation", canceled },
  -- Azure-AsyncOperation, alone or with a Location
  { patch, "/patch/201/retry/onlyAsyncHeader" },
  { patch, "/patch/202/retry/asyncAndLocationHeader" },
  { put, "/putasync/retry/succeeded" },
  { put, "/putasync/noretry/succeeded" },
  { put, "/putasync/retry/failed", "operation", failed },
  { put, "/putasync/noretry/canceled", "operation", canceled },
  { put, "/putasync/noheader/201/200" },
  { put, "/putsubresourceasync/202/200" },
  { put, "/putnonresourceasync/202/200" },
  { put, "/customheader/putasync/retry/succeeded" },
  { post, "/postasync/retry/succeeded" },
  { post, "/postasync/noretry/succeeded" },
  { post, "/postasync/retry/failed", "operation", failed .. "Internal Server Error" },
  { post, "/postasync/retry/canceled", "operation", canceled .. "no error message in" },
  { post, "/customheader/postasync/retry/succeeded" },
  { post, "/LROPostDoubleHeadersFinalAzureHeaderGet" },
  { post, "/LROPostDoubleHeadersFinalAzureHeaderGetDefault", reads = true },
  { post, "/list", reads = true },
  { delete, "/deleteasync/noheader/202/204" },
  { delete, "/deleteasync/retry/succeeded" },
  { delete, "/deleteasync/noretry/succeeded" },
  { delete, "/deleteasync/retry/failed", "operation", failed },
  { delete, "/deleteasync/retry/canceled", "operation", canceled },
  -- a 500 before each answer
  { put, "/retryerror/put/201/creating/succeeded/200" },
  { put, "/retryerror/putasync/retry/succeeded" },
  { post, "/retryerror/post/202/retry/200" },
  { post, "/retryerror/postasync/retry/succeeded" },
  { delete, "/retryerror/delete/202/retry/200" },
  { delete, "/retryerror/delete/provisioning/202/accepted/200/succeeded" },
  { delete, "/retryerror/deleteasync/retry/succeeded" },
  -- a refusal, of the write or later
  { put, "/nonretryerror/put/400", "service", bad_request },
  { put, "/nonretryerror/put/201/creating/400", "service", "^Error from the server" },
  { put, "/nonretryerror/put/201/creating/400/invalidjson", "service", "Error from the server" },
  { put, "/nonretryerror/putasync/retry/400", "service", "HTTP 400" },
  { post, "/nonretryerror/post/400", "service", bad_request },
  { post, "/nonretryerror/post/202/retry/400", "service", bad_request },
  { post, "/nonretryerror/postasync/retry/400", "service", bad_request },
  { delete, "/nonretryerror/delete/400", "service", bad_request },
  { delete, "/nonretryerror/delete/202/retry/400", "service", bad_request },
  { delete, "/nonretryerror/deleteasync/retry/400", "service", bad_request },
  -- answers that make no sense
  { put, "/error/put/200/invalidjson", "protocol", "^unexpected response to the write: " },
  { put, "/error/put/201/noprovisioningstatepayload", "protocol", not_ours },
  { put, "/error/putasync/retry/nostatus", "protocol", senseless },
  { put, "/error/putasync/retry/nostatuspayload", "protocol", not_ours },
  { put, "/error/putasync/retry/invalidjsonpolling", "protocol", senseless },
  { post, "/error/postasync/retry/nopayload", "operation", "^the operation ended, but the connection is Pending" },
  { post, "/error/postasync/retry/invalidjsonpolling", "protocol", senseless },
  { delete, "/error/deleteasync/retry/nostatus", "protocol", senseless },
  { delete, "/error/deleteasync/retry/invalidjsonpolling", "protocol", senseless },
  -- a polling URL that is not there, or none at all
  { put, "/error/putasync/retry/invalidheader", "timeout", no_end, endless = true },
  { post, "/error/post/202/nolocation", "timeout", no_end, endless = true },
  { post, "/error/post/202/retry/invalidheader", "timeout", no_end, endless = true },
  { post, "/error/postasync/retry/invalidheader", "timeout", no_end, endless = true },
  { delete, "/error/delete/202/retry/invalidheader", "timeout", no_end, endless = true },
  { delete, "/error/deleteasync/retry/invalidheader", "timeout", no_end, endless = true },
}

local folder, why_not = npm.installed "tests/peers/lro"

-- Begins all of them at once; what became of each.
local function play()
  local list, numbers = {}, {}
  for n, case in ipairs(cases) do list[n] = { method = case[1], route = case[2], succeeds = not case[3] } end
  local server = t.start(("node tests/peers/lro/server.mjs %s %s"):format(t.quote(folder),
    t.quote(t.write(t.new_path "cases", cjson.encode(list)))))
  local client = t.client { endpoint = server.endpoint, poll_interval = 0.1, timeout = t.hang,
    retry = { max_tries = 4, base_delay = 0.01, max_delay = 2 } }
  for n, case in ipairs(cases) do
    local call = t.call(("%s.%d"):format(t.id, n - 1), { timeout = case.endless and 3 * t.patience or nil,
      client_request_id = "9C4D50EE-2D56-4CD3-8152-34347DC9F2B0" }) -- the one that /customheader wants
    if case[1] ~= delete then call.status = "Approved" end
    numbers[case[1] == delete and client:begin_delete(call) or client:begin_update(call)] = n
  end
  for poller, connection, err in client:completions() do
    local n = numbers[poller]
    local seen = cjson.decode((select(2, t.http(server.endpoint, "GET", "/_seen/" .. n - 1))))
    cases[n].ended = { id = ("%s.%d"):format(t.id, n - 1), connection = connection, err = err, seen = seen }
  end
end

describe("against Microsoft's test server for long-running operations", function ()
  if not folder then
    it("its operations are played", function () pending(why_not) end)
    return
  end
  setup(function ()
    play()
    t.tidy()
  end)
  teardown(t.close)

  for _, case in ipairs(cases) do
    local method, route, kind, message = table.unpack(case)
    it(("%s %s %s"):format(method, route, kind and "fails: " .. kind or "succeeds"), function ()
      local ended = case.ended
      local story = table.concat(ended.seen.requests, ", ")
      assert.truthy(case.reads or ended.seen.covered[1], "the server has not seen its end: " .. story)
      if kind then
        assert.is_table(ended.err, story)
        assert.equal(kind, ended.err.kind)
        local said = ended.err.message:gsub("^the write was accepted, but its result could not be read: ", "")
        assert.truthy(said:find(message), said)
      else
        assert.is_nil(ended.err, tostring(ended.err))
        if method ~= delete then assert.equal(ended.id, ended.connection.id) end
      end
    end)
  end
end)
