-- azpec.record: conversations with the emulator and with a server that misbehaves are recorded, played and compared.
package.path = "./tests/?.lua;" .. package.path

local azpec = require "azpec"
local cjson = require "cjson"
local exact = require "azpec.record.exact"
local json = require "azpec.json"
local lfs = require "lfs"
local record = require "azpec.record"
local t = require "loopback.support"
local documents = require "tools.documents"

local plain = "env -u LD_PRELOAD " .. (os.getenv "LUA" or "lua5.4")
local emulator = t.emulator { poll_answer = "auto" }

before_each(function () emulator:reset() end)

local function file_of(value)
  return t.write(t.new_path "recording", type(value) == "string" and value or json.encode(value))
end

-- A recorder before the emulator, or before a server of the test.
local function recorder_of(more)
  return record.start(t.merged({ file = t.new_path "recording", endpoint = emulator.tls_endpoint,
    authority_host = emulator.tls_endpoint, ca_file = emulator.ca_file, lua = plain }, more or {}))
end

local function player_of(path, more)
  return record.play(t.merged({ file = path, lua = plain }, more or {}))
end

local quick = { poll_interval = 0.01, timeout = t.hang, retry = { base_delay = 0.01 } }

local function client_of(recorder, more)
  return recorder:client(t.merged(quick, { subscription_id = emulator.subscription_id,
    credential = emulator:credential() }, more or {}))
end

-- A shell command that runs Lua, and writes the mode of its last argument's file first.
local function telling_lua(mode)
  return ("sh -c %s sh"):format(t.quote(("for last; do :; done; stat -c %%a \"$last\" >%s; exec %s \"$@\""):format(mode,
    plain)))
end

-- Records what work(client) does. Returns the path of the file, the JSON in it, and what work returned.
local function recorded(work, settings, options)
  local path = settings and settings.file or t.new_path "recording"
  local recorder <close> = recorder_of(t.merged(settings or {}, { file = path }))
  local client <close> = client_of(recorder, options)
  local results = table.pack(work(client))
  recorder:close()
  return path, cjson.decode(t.read(path) or "null"), table.unpack(results, 1, results.n)
end

local function approve(client)
  return client:update { id = emulator.sample, status = "Approved", description = "ticket 4711" }
end

local function status_of(connection)
  return connection.properties.privateLinkServiceConnectionState.status
end

-- A recording of one exchange after another, written by hand.
local function handmade(exchanges)
  return file_of { azpec_recording = 1, begun = "2026-05-04T01:02:03Z", endpoint = "https://management.azure.com",
    authority_host = "https://login.microsoftonline.com", exchanges = json.list(exchanges) }
end

local id = "/subscriptions/3f1c2a54-6a1e-4b7d-9c55-0e8d1b2a7f10/resourceGroups/rg/providers/Microsoft.Batch"
  .. "/batchAccounts/acct/privateEndpointConnections/pe.1"

local function resource(status)
  return { id = id, name = "pe.1", properties = { provisioningState = "Succeeded",
    privateLinkServiceConnectionState = { status = status } } }
end

local function read_of(status, response)
  return { request = { method = "GET", url = id .. "?api-version=2022-06-01" },
    response = t.merged({ status = 200, body = resource(status) }, response or {}) }
end

local function ask(player, method, target, body)
  local status, answer = t.http(player.endpoint, method, target, body)
  return status, answer
end

describe("a recording", function ()
  it("of an approval plays it again, without the service, its secret or its waits", function ()
    emulator:set { retry_after = "1", operation_polls = 1 }
    local path, file, approved = recorded(approve)
    assert.equal("Approved", status_of(approved))
    assert.equal(1, file.azpec_recording)
    local player <close> = player_of(path)
    local requests = #emulator:log()
    local client <close> = player:client()
    local played = assert(client:update { id = player.connections[1], status = "Approved",
      description = "ticket 4711" })
    assert.same(approved, played)
    assert.equal(requests, #emulator:log())
    player:check()
  end)

  it("takes a client that code under test makes by the options, and plays to one", function ()
    local path = t.new_path "recording"
    do
      local recorder <close> = recorder_of { file = path }
      local client <close> = azpec.client(recorder:options(t.merged(quick, { credential = emulator:credential() })))
      assert(approve(client))
    end
    local player <close> = player_of(path)
    local client <close> = azpec.client(player:options { timeout = t.hang })
    assert(client:update { id = player.connections[1], status = "Approved", description = "ticket 4711" })
    player:check()
  end)

  it("plays each answer to a repeated poll once, in its order, whatever else is asked in between", function ()
    local path = recorded(function (client)
      assert(client:get { id = emulator.tokyo })
      return approve(client)
    end)
    local player <close> = player_of(path)
    local client <close> = player:client()
    local polls = 0
    local poller = client:begin_update { id = emulator.sample, status = "Approved", description = "ticket 4711",
      wait = nil }
    assert(client:get { id = emulator.tokyo }) -- was the first request when it was recorded
    local connection = assert(poller:wait(t.hang) and poller:result())
    for _, exchange in ipairs(cjson.decode(t.read(path)).exchanges) do
      if exchange.request.url:find("Results/", 1, true) then polls = polls + 1 end
    end
    assert.equal("Approved", status_of(connection))
    assert(polls >= 2)
    player:check()
  end)

  it("of many requests at once plays them in any order", function ()
    local function approve_all(client, ids)
      for _, one in ipairs(ids) do client:begin_update { id = one, status = "Approved" } end
      local approved = {}
      for poller in client:completions() do approved[#approved + 1] = assert(poller:result()).id end
      table.sort(approved)
      return approved
    end
    local backwards = {}
    for n, one in ipairs(emulator.many) do backwards[#emulator.many + 1 - n] = one end
    local path, _, approved = recorded(function (client) return approve_all(client, emulator.many) end)
    local player <close> = player_of(path)
    local client <close> = player:client()
    assert.equal(64, #approved)
    assert.same(approved, approve_all(client, backwards))
    player:check()
  end)

  it("is private, indented, sorted, and the same for the same conversation but for times and ids", function ()
    local path = recorded(approve, { replace_ids = true })
    local again = recorded(approve, { replace_ids = true })
    local function without_times(text)
      return (text:gsub('"after": [%d.]+', ""):gsub('"%d%d%d%d%-[%d:TZ.-]+"', ""):gsub('"%a+, %d[^"]+GMT"', "")
        :gsub('0x%x+', ""):gsub('("x%-ms%-ratelimit%-[%w-]+": )"%d+"', "%1")) -- the limit is of a time, too
    end
    local text = t.read(path)
    assert.matches('^{\n  "authority_host": "https', text)
    assert.equal("rw-------", io.popen("stat -c %A " .. path):read "l":sub(2))
    emulator:reset()
    assert.equal(without_times(text):gsub("percentComplete[^\n]*", ""),
      (without_times(t.read(again)):gsub("percentComplete[^\n]*", "")))
  end)

  it("replaces an older recording, but no other file, and none by nothing", function ()
    local path = recorded(approve)
    local before = t.read(path)
    recorded(function () end, { file = path })
    assert.equal(before, t.read(path))
    recorded(function (client) return client:get { id = emulator.sample } end, { file = path })
    assert.equal(2, #cjson.decode(t.read(path)).exchanges)
    local other = t.write(t.new_path "notes", "{}")
    assert.error_matches(function () recorder_of { file = other } end, "azpec.record: .*there is another file")
    assert.error_matches(function () recorder_of { file = "/nowhere/at/all.json" } end, "azpec.record: .*/nowhere")
  end)

  it("that cannot be written is an error of close, which replaces no other error", function ()
    local function work(err)
      local folder = t.new_path "folder"
      assert(os.execute("mkdir " .. folder))
      local recorder <close> = recorder_of { file = folder .. "/recording.json" }
      t.http(recorder.endpoint, "GET", "/x")
      assert(os.execute("rm -r " .. folder))
      if err then error(err) end
    end
    assert.error_matches(work, "^azpec.record: .*/recording.json: No such file")
    assert.error_matches(function () work "its own" end, "its own")
  end)

  it("is not begun with arguments of another type, which blames the caller", function ()
    for name, call in t.each { start = function () record.start(5) end, play = function () record.play "x" end } do
      local _, why = pcall(call)
      assert.matches(("^[^:]*record_spec.lua:%%d+: azpec.record: bad argument #1 to '%s' %%(table expected, got ")
        :format(name), why)
    end
  end)

  it("leaves no folder behind, and no warning comes, when its program ends without close", function ()
    local folder = t.new_path "temporary"
    assert(lfs.mkdir(folder))
    local path = t.new_path "recording"
    assert.equal("", t.child([[warn "@on"
      local record = require "azpec.record"
      local recorder = record.start { file = given.path, lua = given.lua }
      pcall(record.play, { file = "/nowhere/at/all.json", lua = given.lua })]], { path = path, lua = plain },
      { TMPDIR = folder }))
    assert(lfs.rmdir(folder))
  end)

  it("is written by a recorder whose program has failed", function ()
    local path = t.new_path "recording"
    local script = t.write(t.new_path "script", ([[
      local settings = { file = %q, endpoint = %q, authority_host = %q, ca_file = %q, lua = %q }
      local recorder = require "azpec.record".start(settings)
      local client = recorder:client { credential = require "azpec".credential.token { token = "none" } }
      client:get { id = %q, timeout = 20 }
      error "the test has failed"
    ]]):format(path, emulator.tls_endpoint, emulator.tls_endpoint, emulator.ca_file, plain, emulator.sample))
    assert.is_nil(os.execute(("exec %s %s 2>/dev/null"):format(plain, script)))
    local exchanges = cjson.decode(t.read(path)).exchanges
    assert.equal(401, exchanges[1].response.status)
  end)

  it("by two recorders at once is a whole one", function ()
    local path = t.new_path "recording"
    local one <close> = recorder_of { file = path }
    local other <close> = recorder_of { file = path }
    for _, recorder in ipairs { one, other } do
      local client <close> = client_of(recorder)
      assert(client:get { id = emulator.sample })
    end
    one:close()
    other:close()
    local player <close> = player_of(path)
    local client <close> = player:client()
    assert(client:get { id = emulator.sample })
  end)

  it("has the failure of a request without an answer, and plays it", function ()
    emulator:fail { kind = "get", times = 1, reset = true }
    local path, file = recorded(function (client) return assert(client:get { id = emulator.sample }) end)
    assert.matches("the connection ended without an answer", file.exchanges[2].failure, 1, true)
    local player <close> = player_of(path)
    local client <close> = player:client()
    assert(client:get { id = emulator.sample })
    player:check()
  end)

  it("keeps a policy token's conversation, in which the service gets its own URLs", function ()
    emulator:set { policy = "token" }
    local path, file, approved = recorded(approve)
    assert.equal("Approved", status_of(approved))
    local acquired
    for _, exchange in ipairs(file.exchanges) do
      if exchange.request.url:find("acquirePolicyToken", 1, true) then acquired = exchange end
    end
    assert.matches("^hidden%-%d+$", acquired.response.body.token)
    assert.equal(1, acquired.request.body.operation.uri:find(emulator.tls_endpoint, 1, true))
    local player <close> = player_of(path)
    local client <close> = player:client()
    assert(approve(client))
    player:check()
  end)

  it("does not pass through where the service's certificate is not trusted", function ()
    local _, file, _, err = recorded(function (client)
      return client:get { id = emulator.sample }
    end, { ca_file = t.server({}, true).ca_file }, { retry = { max_tries = 1 }, credential = azpec.credential.token {
      token = t.canary } })
    assert.equal("transport", err.kind)
    assert.matches("cannot connect", file.exchanges[1].failure, 1, true)
  end)
end)

it("a recorder does not trust a certificate for another name", function ()
  local tls, server = require "azpec.emulator.tls", require "azpec.emulator.server"
  local secured, loop, answer, why = tls.server "127.0.0.1", require "cqueues".new(), nil, nil
  local listener, port = assert(server.listen("127.0.0.2", 0))
  loop:wrap(function ()
    local sock = listener:accept()
    sock:onerror(function (_, _, code) return code end)
    sock:starttls(secured.context, t.hang)
    sock:close()
    listener:close()
  end)
  loop:wrap(function ()
    local service = assert(require "azpec.record.upstream".new("https://127.0.0.2:" .. port,
      t.write(t.new_path "ca", secured.authority)))
    answer, why = service:request { method = "GET", path = "/", query = "", headers = {}, body = "" }
  end)
  assert(loop:loop())
  assert.is_nil(answer)
  assert.matches("certificate verify failed", why, 1, true)
end)

-- ---- secrets -------------------------------------------------------------------------------------------------------

describe("a recording's secrets", function ()
  local function canary(n) return ("canary-%d-Ab3/x+9=="):format(n) end

  local body = { access_token = canary(1), refreshToken = canary(2), properties = { primaryKey = canary(3),
    connectionString = "AccountName=a;AccountKey=" .. canary(4), keys = { { value = canary(5) } },
    link = "https://a.blob.core.windows.net/c?sv=1&sig=" .. canary(6):gsub("%W", "") .. "&se=2" },
    nextLink = "{origin}/x?api-version=1&t=1&c=MIIcanary7&s=canary8&h=canary9",
    message = "you sent " .. t.canary .. ", and AccountKey=canary-key-10;x" }

  it("are in no place of the file, though the client got them", function ()
    local server = t.server({ { headers = { "Set-Cookie: session=canary-cookie-1", "X-Unknown: canary-header-2",
      "Content-Type: application/json", "Location: {origin}/y?code=canary-code-3" }, status = 200,
      body = cjson.encode(body):gsub("\\/", "/") } })
    local path = t.new_path "recording"
    local recorder <close> = recorder_of { file = path, endpoint = server.endpoint, authority_host = server.endpoint }
    local status, answer, head = t.http(recorder.endpoint, "POST", "/a/oauth2/v2.0/token?sig=canary-sig-4",
      "grant_type=password&client_secret=canary-form-5&password=canary+form+6&client_id=x&device=canary-7",
      "Authorization: Bearer " .. t.canary .. "\r\nCookie: canary-cookie-7\r\nSecret: canary-secret-8\r\n"
        .. "X-Ms-Policy-External-Evaluations: pat canary-policy-9\r\n"
        .. "Content-Type: application/x-www-form-urlencoded\r\n")
    assert.equal(200, status)
    assert.truthy(answer:find(canary(1), 1, true) and head:find("canary-code-3", 1, true))
    recorder:close()
    local text = t.read(path)
    assert.is_nil(text:lower():find "canary")
    t.has_no_secret(text, "the recording")
    local exchange = cjson.decode(text).exchanges[1]
    assert.equal("a.blob.core.windows.net", exchange.response.body.properties.link:match "//(.-)/")
    assert.matches("^grant_type=password&client_secret=hidden%-%d+&password=hidden%-%d+&client_id=x&device=hidden",
      exchange.request.body_text)
    assert.is_nil(exchange.response.headers["set-cookie"] or exchange.response.headers["x-unknown"])
  end)

  it("in its settings, a proxy's password, are in a private file until the recorder has read it", function ()
    local mode = t.new_path "mode"
    local recorder <close> = recorder_of { lua = telling_lua(mode), proxy = "http://me:" .. t.secret .. "@127.0.0.1:1" }
    assert.equal("600\n", t.read(mode))
    local folder = recorder.ca_file:match "^(.*)/"
    assert.is_nil(t.read(folder .. "/settings.json"))
    assert(os.execute(("! grep -rqs -e %s %s"):format(t.quote(t.secret), t.quote(folder))))
  end)

  it("are the same everywhere, so that a link with a signature can be followed", function ()
    local link = ("{origin}%s?api-version=2022-06-01&s=canary1canary&h=canary2"):format(
      emulator.sample:match "^(.*)/[^/]+$")
    local server = t.server({
      { path = "s=canary1canary", status = 200, body = cjson.encode { value = { resource "Pending" } } },
      { status = 200, body = cjson.encode { value = { resource "Approved" }, nextLink = link }:gsub("\\/", "/") },
    }, true)
    local function list(client)
      local found = {}
      for connection in client:list { id = emulator.sample:match "^(.*)/[^/]*/[^/]*$" } do
        found[#found + 1] = status_of(connection)
      end
      return found
    end
    local path, _, listed = recorded(list, { endpoint = server.endpoint or server.tls_endpoint,
      ca_file = server.ca_file }, { credential = azpec.credential.token { token = t.canary } })
    assert.same({ "Approved", "Pending" }, listed)
    t.has_no_secret(t.read(path), "the recording")
    assert.is_nil(t.read(path):find "canary")
    local player <close> = player_of(path)
    local client <close> = player:client()
    assert.same({ "Approved", "Pending" }, list(client))
    player:check()
  end)

  it("with replace_ids are also ids and names, which become valid and consistent ones", function ()
    local path = recorded(function (client)
      approve(client)
      return client:get { id = emulator.tokyo }
    end, { replace_ids = true })
    local text = t.read(path)
    for _, name in ipairs { emulator.subscription_id, emulator.tenant_id, emulator.client_id, "sampleacct",
      "default-azurebatch", "testprivateEndpoint", "24d6b4b5", "tokyobatch", "検証", "%E6%A4%9C", "kaihatsu" } do
      assert.is_nil(text:lower():find(name:lower(), 1, true), name)
    end
    local player <close> = player_of(path)
    assert.matches("^/subscriptions/00000000%-0000%-0000%-0000%-%d+/resourceGroups/group1/providers/Microsoft.Batch"
      .. "/batchAccounts/account1/privateEndpointConnections/connection1$", player.connections[1])
    local client <close> = player:client()
    assert.equal("Approved", status_of(assert(client:update { id = player.connections[1], status = "Approved",
      description = "ticket 4711" })))
    assert.equal(player.connections[2], assert(client:get { id = player.connections[2] }).id)
    player:check()
  end)
end)

-- ---- bodies --------------------------------------------------------------------------------------------------------

describe("a body", function ()
  it("comes back with its empty arrays, long numbers and control characters", function ()
    local text = '{"a":[],"b":{},"c":[1.50,12345678901234567890,[{}]],"d":null,"e":"\\u0000\\u001b\\u2028é"}'
    assert.equal(text, json.encode(exact.decode(text)))
    assert.equal(text, json.encode(exact.decode(exact.pretty(exact.decode(text)))))
  end)

  local bodies = { ["of bytes"] = "\x89PNG\r\n\0\xff\xfe", ["that is compressed though nobody asked for it"] =
    "\x1f\x8b\x08\0\0\0\0\0\0\xff\1\0\0\xff\xff", ["of text"] = "<html>\1 no JSON</html>", ["that is empty"] = "" }

  for name, bytes in t.each(bodies) do
    it(name .. " is played byte for byte", function ()
      local server = t.server { { status = 200, headers = { "Content-Type: text/plain" }, body = bytes } }
      local path = t.new_path "recording"
      local recorder <close> = recorder_of { file = path, endpoint = server.endpoint }
      assert.equal(200, (t.http(recorder.endpoint, "GET", "/x")))
      recorder:close()
      local player <close> = player_of(path)
      local _, played = ask(player, "GET", "/x")
      assert.equal(bytes, played)
      assert.matches("accept-encoding: identity", server:requests()[1].bytes:lower(), 1, true)
    end)
  end

  it("in chunks is whole", function ()
    emulator:fail { kind = "get", chunked = true }
    local path = recorded(function (client) return assert(client:get { id = emulator.sample }) end)
    local player <close> = player_of(path)
    local client <close> = player:client()
    assert.equal(emulator.sample, assert(client:get { id = emulator.sample }).id)
  end)
end)

-- ---- playing -------------------------------------------------------------------------------------------------------

describe("a player", function ()
  it("ignores the order of members and parameters, and the letter case and encoding of a path", function ()
    local path = handmade { { request = { method = "POST", url = "/A/b%2Dc?x=1&y=a%20b", body = { a = 1, b = { 2 } } },
      response = { status = 200, body_text = "it" } } }
    local player <close> = player_of(path, { repeats = true })
    for _, request in ipairs { { "/A/b%2Dc?x=1&y=a%20b", '{"a":1,"b":[2]}' }, { "/a/B-c?y=a%20b&X=1",
      '{ "b": [ 2 ],\n"a": 1 }' } } do
      assert.equal("it", select(2, ask(player, "POST", request[1], request[2])))
    end
    for _, request in ipairs { { "/a/b-c?x=2&y=a%20b", '{"a":1,"b":[2]}' },
      { "/a/b-c?x=1&y=a%20b", '{"a":1,"b":[3]}' }, { "/a/b-c/d?x=1&y=a%20b", '{"a":1,"b":[2]}' } } do
      assert.equal(501, (ask(player, "POST", request[1], request[2])))
    end
  end)

  it("refuses what was not recorded, names the nearest request and the difference, and is not asked again", function ()
    local player <close> = player_of(handmade { read_of "Pending", { request = { method = "PATCH",
      url = id .. "?api-version=2022-06-01" }, response = { status = 200, body = resource "Approved" } } })
    local client <close> = player:client { api_version = "2024-02-01" }
    local _, err = client:get { id = id }
    assert.equal("NotRecorded", err.code)
    assert.equal(1, err.tries or 1)
    assert.matches('number 1: there query.api-version is "2022-06-01", not "2024-02-01"', err.message, 1, true)
    local _, refused = player:unused()
    assert.equal(1, #refused)
    assert.error_matches(function () player:check() end, "no answer to GET .*not made: number 1, GET .*number 2, PATCH")
  end)

  it("has no secret of a refused request in its message", function ()
    local player <close> = player_of(handmade { read_of "Pending" })
    local _, answer = t.http(player.endpoint, "POST", id .. "?sig=canary-sig-1", '{"password":"canary-body-2"}',
      "Authorization: Bearer canary-token-3\r\n")
    local _, refused = player:unused()
    assert.matches("The recording has no answer to POST", answer, 1, true)
    assert.is_nil((answer .. refused[1]):find "canary")
  end)

  it("says how often a request was recorded that comes once more; with repeats, answers it", function ()
    local path = handmade { read_of "Pending", read_of "Approved" }
    local function statuses(more)
      local player <close> = player_of(path, more)
      local client <close> = player:client()
      local found, err = {}, nil
      for n = 1, 3 do
        local connection, why = client:get { id = id }
        found[n], err = connection and status_of(connection), why
      end
      return found, err
    end
    local found, err = statuses()
    assert.same({ "Pending", "Approved" }, found)
    assert.matches("The recording has 2 answers to GET .*, and this is request 3", err.message)
    assert.same({ "Pending", "Approved", "Approved" }, (statuses { repeats = true }))
  end)

  it("of an empty recording says so", function ()
    local player <close> = player_of(handmade {})
    local client <close> = player:client()
    local _, err = client:get { id = id }
    assert.matches("The recording has no requests.", err.message, 1, true)
  end)

  it("does not wait for a Retry-After, and still tells that there was one", function ()
    local player <close> = player_of(handmade {
      read_of("Pending", { status = 409, headers = { ["retry-after"] = "3600" },
        body = { error = { code = "Conflict", message = "busy" } } }),
      read_of("Pending", { status = 429, headers = { ["retry-after"] = "Mon, 04 May 2026 03:02:03 GMT" } }),
      read_of "Approved" })
    local client <close> = player:client { timeout = t.hang }
    assert.equal("Approved", status_of(assert(client:get { id = id }))) -- a 409 is retried only with a Retry-After
    player:check()
  end)

  it("signs in by a token that has not expired, as often as it is asked, whatever the secret", function ()
    local player <close> = player_of(handmade { { request = { method = "POST", url = "/t/oauth2/v2.0/token",
      body_text = "client_id=b1e0c6a4-2f75-4a39-8d0e-6c1f7a9b3d22&client_secret=hidden-1" }, response = { status = 200,
      body = { access_token = "hidden-2", token_type = "Bearer", expires_in = 0, expires_on = "1" } } },
      read_of "Pending", read_of "Pending" })
    assert.equal("t", player.tenant_id)
    for _, credential in ipairs { false, emulator:credential() } do
      local client <close> = player:client { credential = credential or nil }
      assert.equal("Pending", status_of(assert(client:get { id = id })))
    end
  end)

  it("plays a sign-in that was refused", function ()
    local path = recorded(function (client) return client:get { id = emulator.sample } end, nil, {
      credential = emulator:credential { client_secret = "wrong-" .. t.canary } })
    t.has_no_secret(t.read(path), "the recording")
    local player <close> = player_of(path)
    local client <close> = player:client()
    local _, err = client:get { id = emulator.sample }
    assert.equal("credential", err.kind)
    assert.matches("AADSTS", err.message, 1, true)
  end)

  it("has the time of the recording, or the one it is given, and dates its answers by it", function ()
    local path = handmade { t.merged(read_of "Pending", { after = 90.5 }) }
    local begun = require "azpec.date".parse "2026-05-04T01:02:03Z"
    for now, expected in pairs { [begun] = "Mon, 04 May 2026 01:03:33 GMT", [0] = "Thu, 01 Jan 1970 00:01:30 GMT" } do
      local player <close> = player_of(path, { now = now ~= begun and now or nil })
      assert.equal(now, player:now())
      local dates = {}
      local client <close> = player:client { on_event = function (event)
        dates[#dates + 1] = event.headers and event.headers.date
      end }
      assert(client:get { id = id })
      assert.equal(expected, dates[#dates])
      assert.equal(now + 90.5, player:now())
    end
  end)

  it("says what is wrong with a file", function ()
    local whole = t.read(handmade { read_of "Pending" })
    for text, why in pairs { [whole:sub(1, -20)] = "it is no complete JSON document .*record it again",
      ["{}"] = "it is no recording of azpec.record", ["[]"] = "it is no recording",
      [whole:gsub('"azpec_recording":1', '"azpec_recording":2')] = "its format is 2, and this azpec reads 1",
      [whole:gsub('"method"', '"way"')] = "exchanges%[1%].request needs method and url",
      [whole:gsub('"status":200', '"state":200')] = "exchanges%[1%] needs a response with a status, or a failure" } do
      local path = file_of(text)
      assert.error_matches(function () player_of(path) end,
        "^azpec.record: it did not start: " .. path:gsub("%p", "%%%0") .. ": " .. why)
    end
    assert.error_matches(function () player_of "/nowhere.json" end, "/nowhere.json: No such file")
  end)

  it("and a recorder blame the caller for settings that are missing or unknown", function ()
    for _, begin in ipairs { "start", "play" } do
      for why, call in pairs {
        ["bad field 'file' %(a path expected, got nil%)"] = function () record[begin]() end,
        ["bad field 'file' %(a path expected, got a string with a NUL%)"] =
          function () record[begin] { file = "a\0b" } end,
        ["unknown field 'quickly'"] = function () record[begin] { quickly = true } end,
      } do
        local ok, problem = pcall(call)
        assert.is_false(ok)
        assert.matches("^[^:]*record_spec.lua:%d+: azpec.record: " .. why .. "$", problem)
      end
    end
  end)
end)

-- ---- comparing -----------------------------------------------------------------------------------------------------

describe("azpec.record.compare", function ()
  local function version(api_version, work, settings)
    emulator:reset()
    return (recorded(work or function (client)
      return client:update { id = emulator.sample, status = "Rejected", action_required = "ask first" }
    end, settings, { api_version = api_version }))
  end

  it("finds no difference between two recordings of the same work, though ids, times and polls differ", function ()
    local first = version "2022-06-01"
    emulator:set { operation_polls = 5 }
    assert.same({}, record.compare(first, (recorded(function (client)
      return client:update { id = emulator.sample, status = "Rejected", action_required = "ask first" }
    end, { replace_ids = true }))))
  end)

  it("finds the members that differ between api-versions, in requests and responses", function ()
    local found = {}
    for _, one in ipairs(record.compare(version "2022-06-01", version "2024-02-01")) do
      found[#found + 1] = ("%s %s %s %s"):format(one.request:match "^%u+", one.where, one.first, one.second)
    end
    local state = "body.properties.privateLinkServiceConnectionState."
    assert.same({ "PATCH request." .. state .. 'actionRequired "ask first" nil',
      "PATCH request." .. state .. 'actionsRequired nil "ask first"' }, { found[1], found[2] })
  end)

  it("finds a request that only one has, and a status that differs", function ()
    local function two(client)
      client:get { id = emulator.tokyo }
      return client:get { id = emulator.sample }
    end
    local first = version(nil, two)
    emulator:reset()
    emulator:fail { kind = "get", status = 403 }
    local second = recorded(function (client) return client:get { id = emulator.sample } end)
    local texts = {}
    for n, one in ipairs(record.compare(first, second)) do texts[n] = one.text end
    local all = table.concat(texts, "\n")
    assert.matches("connection%d: times: 1, then 0", all)
    assert.matches("response.status: 200, then 403", all, 1, true)
    assert.matches("response.body.properties: {.*, then nothing", all)
  end)
end)

describe("the command guide's program", function ()
  local program = documents.block("lua", 'local record = require "azpec.record"')

  -- In place of the public cloud, of its credential and of the files there are the emulator's.
  local function shim(files)
    local function start(settings)
      local recorder = recorder_of(t.merged(settings, { file = files[settings.file] }))
      local client = recorder.client
      function recorder:client()
        return client(self, t.merged(quick, { subscription_id = emulator.subscription_id,
          credential = emulator:credential() }))
      end
      return recorder
    end
    return { start = start, play = function (settings) return player_of(files[settings.file]) end,
      compare = function (first, second) return record.compare(files[first], files[second]) end }
  end

  local function run(files, is_recording)
    local lines = {}
    local env = setmetatable({ connection_id = emulator.sample, require = function () return shim(files) end,
      os = { getenv = function () return is_recording end },
      print = function (line) lines[#lines + 1] = line end }, { __index = _G })
    assert(load(program, "=scripts/README.md", "t", env))()
    return lines
  end

  it("records, plays and compares", function ()
    local files = { ["approve.json"] = t.new_path "recording",
      ["approve-2024-02-01.json"] = recorded(approve, nil, { api_version = "2024-02-01" }) }
    emulator:reset()
    local said = run(files, true)
    assert.equal("connection1", said[1])
    assert.same(said, run(files, false))
  end)
end)
