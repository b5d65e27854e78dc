-- What the doctor's verdicts rest on: rights, proxies, clocks, names.

local clock = require "azpec.doctor.clock"
local cqueues = require "cqueues"
local doctor = require "azpec.doctor"
local names = require "azpec.doctor.names"
local proxy = require "azpec.doctor.proxy"
local rights = require "azpec.rights"

local connections = "Microsoft.Batch/batchAccounts/privateEndpointConnections/"

local function missing(permissions)
  local list = {}
  for n, need in ipairs(rights.missing(permissions)) do list[n] = need.action:match "[^/]*/[^/]*$" end
  return table.concat(list, " ")
end

describe("the rights at many accounts", function ()
  it("are looked up until the time is over, and the accounts that were not looked at are counted", function ()
    local client = { list_permissions = function ()
      local list = { { actions = { "*" } } }
      return function () return table.remove(list) end
    end }
    local found = { accounts = {}, errors = {} }
    for n = 1, 3 do
      found.accounts[n] = { kind = "account", id = "/" .. n, account_name = "a" .. n, resource_group_name = "g" }
    end
    found = require "azpec.fleet".of(found.accounts)
    local result = require "azpec.doctor.accounts".rights(client, found, -1)
    assert.equal("all there at 1 account: list, approve, reject, delete, follow; not looked up at 2 accounts, because "
      .. "the time is over", result.found)
    assert.same({ "warning", 2 }, { result.verdict, result.details.not_looked_up })
    assert.equal("give it more time (`timeout`), or look at one account alone, by account_id", result.next_step)
  end)
end)

describe("rights", function ()
  it("are granted by actions with wildcards, in any letter case", function ()
    local function allows(pattern, action)
      return rights.allows({ { actions = { pattern } } }, action or connections .. "write")
    end
    assert.is_true(allows "*")
    assert.is_true(allows(connections .. "write"))
    assert.is_true(allows "microsoft.batch/BATCHACCOUNTS/privateendpointconnections/WRITE")
    assert.is_true(allows "Microsoft.Batch/*")
    assert.is_true(allows "*/write")
    assert.is_true(allows "Microsoft.Batch/*/write")
    assert.is_true(allows(connections .. "*"))
    assert.is_true(allows "Microsoft.Batch/batchAccounts/*/write")
    assert.is_false(allows "*/read")
    assert.is_false(allows "Microsoft.Batch/batchAccounts/write")
    assert.is_false(allows "Microsoft.Batch/batchAccounts")
    assert.is_false(allows(connections .. "writ?"))
    assert.is_false(allows(connections .. "\\write"))
    assert.is_false(allows "")
  end)

  it("are taken by notActions of the same role alone", function ()
    local all_but = { actions = { "*" }, notActions = { "Microsoft.Batch/*/write" } }
    assert.is_false(rights.allows({ all_but }, connections .. "write"))
    assert.is_true(rights.allows({ all_but }, connections .. "read"))
    assert.is_true(rights.allows({ all_but, { actions = { connections .. "write" } } }, connections .. "write"))
    assert.is_true(rights.allows({ { actions = { connections .. "write" } }, all_but }, connections .. "write"))
    assert.is_false(rights.allows({}, connections .. "read"))
    assert.is_false(rights.allows({ { dataActions = { "*" } } }, connections .. "read"))
  end)

  it("that are missing are named one by one", function ()
    assert.equal("", missing { { actions = { "*" } } })
    assert.equal("privateEndpointConnections/read privateEndpointConnections/write "
      .. "privateEndpointConnectionResults/read privateEndpointConnections/delete batchAccounts/read", missing {})
    assert.equal("privateEndpointConnections/write privateEndpointConnections/delete",
      missing { { actions = { "*/read" } } })
    assert.equal("privateEndpointConnectionResults/read batchAccounts/read",
      missing { { actions = { connections .. "*" } } })
  end)

  it("to follow an operation are those of either collection", function ()
    local proxied = "Microsoft.Batch/batchAccounts/privateEndpointConnectionProxyResults/read"
    assert.equal("batchAccounts/read", missing { { actions = { connections .. "*", proxied } } })
  end)
end)

describe("the proxy in force", function ()
  local function choose(env, url)
    return proxy.choose(url or "https://management.azure.com", function (name) return env[name] end)
  end

  for url, shown in pairs { ["http://user:hu/sh@h:1/x"] = "http://h:1", ["http://user:hush%40h:1"] = "http://h:1",
    ["user:hu://sh@h:1"] = "http://h:1", ["http://user:hush"] = "http://user", ["HTTP://u:hu?s#h@h"] = "HTTP://h",
    ["http://u:hush@[::1]:3128/"] = "http://[::1]:3128", ["u:@h:"] = "http://h:" } do
    it("is shown without the password of " .. url, function ()
      assert.equal(shown, choose { HTTPS_PROXY = url }.url)
    end)
  end

  it("is found by libcurl's rules", function ()
    assert.same({}, choose {})
    assert.same({ url = "http://p:3128", variable = "HTTPS_PROXY" }, choose { HTTPS_PROXY = "http://p:3128" })
    assert.equal("https_proxy", choose { HTTPS_PROXY = "http://p", https_proxy = "http://q" }.variable)
    assert.equal("ALL_PROXY", choose { ALL_PROXY = "socks5://p:1080" }.variable)
    assert.equal("HTTPS_PROXY", choose { HTTPS_PROXY = "p", ALL_PROXY = "q" }.variable)
    assert.same({}, choose { HTTPS_PROXY = "" })
    assert.same({}, choose { http_proxy = "http://p" })
    assert.same({}, choose({ HTTP_PROXY = "http://p" }, "http://127.0.0.1:80"))
    assert.equal("http_proxy", choose({ http_proxy = "http://p" }, "http://127.0.0.1:80").variable)
  end)

  it("is shown without its name and password", function ()
    assert.equal("http://p:3128", choose({ HTTPS_PROXY = "http://user:se@cret@p:3128/" }).url)
    assert.equal("http://p:3128", choose({ HTTPS_PROXY = "user:secret@p:3128" }).url)
    assert.equal("socks5h://p", choose({ HTTPS_PROXY = "socks5h://u:p@p" }).url)
  end)

  it("is not, for whom NO_PROXY excepts", function ()
    local function is_excepted(list, url)
      return choose({ HTTPS_PROXY = "http://p", NO_PROXY = list }, url).variable == nil
    end
    for _, list in ipairs { "*", "management.azure.com", ".azure.com", "azure.com", "x, AZURE.com ", "x azure.com",
      "azure.com." } do
      assert.is_true(is_excepted(list), list)
    end
    for _, list in ipairs { "zure.com", "x.azure.com", "*.azure.com", "com.azure", ".", "x,y" } do
      assert.is_false(is_excepted(list), list)
    end
    assert.is_true(is_excepted("10.0.0.0/8", "https://10.1.2.3:8443"))
    assert.is_true(is_excepted("10.1.2.3", "https://10.1.2.3:8443"))
    assert.is_false(is_excepted("10.0.0.0/16", "https://10.1.2.3"))
    assert.is_false(is_excepted("10.0.0.0/33", "https://10.1.2.3"))
    assert.is_true(is_excepted("::1", "https://[::1]:8443"))
    assert.equal("HTTPS_PROXY names a proxy, but NO_PROXY has 'azure.com'",
      choose({ HTTPS_PROXY = "http://p", NO_PROXY = "azure.com" }).because)
    assert.is_nil(choose({ HTTPS_PROXY = "http://p", no_proxy = "azure.com", NO_PROXY = "other" }).variable)
  end)
end)

describe("the clock", function ()
  local date, time = "Tue, 24 Nov 2026 09:00:00 GMT", 1795510800

  it("is compared with a Date header", function ()
    for _, bad in ipairs { "", "now", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun, 06 Now 1994 08:49:37 GMT" } do
      assert.equal("warning", (clock.judge(bad, time)))
    end
  end)

  it("may be off by what Entra ID tolerates", function ()
    local function judge(skew)
      local verdict, found = clock.judge(date, time + skew)
      return verdict .. ": " .. found
    end
    assert.equal("ok: as the service's", judge(0))
    assert.equal("ok: as the service's", judge(-5))
    assert.equal("ok: 60 s fast, by the service's", judge(60))
    assert.equal("warning: 61 s slow, by the service's", judge(-61))
    assert.equal("warning: 5 min fast, by the service's", judge(300))
    assert.equal("failed: 5 min slow, by the service's", judge(-301))
    assert.equal("failed: 24.0 h fast, by the service's", judge(86400))
  end)
end)

describe("a name", function ()
  it("is looked for in the hosts file, too", function ()
    local path = os.tmpname()
    assert(io.open(path, "w")):write("10.1.2.3 acct.japaneast.batch.example\n"):close()
    local found, why = names.resolve("acct.japaneast.batch.example", 5, { lookup = { "file" } }, path)
    os.remove(path)
    assert.same({ "10.1.2.3" }, found and found.addresses or why)
  end)

  it("is private or public", function ()
    for _, address in ipairs { "10.0.0.4", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1", "127.0.0.1",
      "169.254.1.1", "fd00::1", "fc12:3::4", "fe80::1", "::1" } do
      assert.is_true(names.is_private(address), address)
    end
    for _, address in ipairs { "20.1.2.3", "172.15.0.1", "172.32.0.1", "192.169.1.1", "100.128.0.1", "11.0.0.1",
      "2603:1030::1", "110.0.0.1" } do
      assert.is_false(names.is_private(address), address)
    end
  end)

  local function label(name)
    return (name:gsub("([^.]+)%.?", function (part) return string.char(#part) .. part end)) .. "\0"
  end

  -- A resource record (RFC 1035 section 4.1.3).
  local function answer(name, kind, data)
    return label(name) .. (">I2I2I4s2"):pack(kind, 1, 60, data)
  end

  -- The name server's answer to a query: its code, and records.
  local function reply(query, code, ...)
    local records = table.pack(...)
    local question = query:match "^............([^%z]*%z....)"
    return query:sub(1, 2) .. (">I2I2I2I2I2"):pack(0x8180 | code, 1, records.n, 0, 0) .. question
      .. table.concat(records, "", 1, records.n)
  end

  -- Resolves by a name server on loopback that answers by a function; nil: it is silent.
  local function resolve_by(answering, timeout, hosts_file)
    local server = assert(require "socket".udp())
    assert(server:setsockname("127.0.0.1", 0))
    server:settimeout(0)
    local _, port = server:getsockname()
    local controller, result = cqueues.new(), nil
    controller:wrap(function ()
      while not result do
        cqueues.poll({ pollfd = function () return server:getfd() end, events = function () return "r" end }, 0.05)
        local query, host, from = server:receivefrom()
        local bytes = query and answering(query, query:byte(-3) == 28 and "AAAA" or "A")
        if bytes then server:sendto(bytes, host, from) end
      end
    end)
    controller:wrap(function ()
      result = table.pack(names.resolve("acct.japaneast.batch.example", timeout, { lookup = { "bind" }, search = {},
        nameserver = { ("[127.0.0.1]:%d"):format(port) } }, hosts_file))
    end)
    assert(controller:loop())
    server:close()
    return table.unpack(result, 1, result.n)
  end

  it("is followed through its aliases", function ()
    local name, alias = "acct.japaneast.batch.example", "acct.privatelink.batch.example"
    local found = assert(resolve_by(function (query)
      return reply(query, 0, answer(name, 5, label(alias)), answer(alias, 1, "\10\0\0\4"))
    end, 5))
    assert.same({ "10.0.0.4" }, found.addresses)
    assert.same({ alias }, found.aliases)
  end)

  it("is asked for where there is no hosts file", function ()
    local found = assert(resolve_by(function (query)
      return reply(query, 0, answer("acct.japaneast.batch.example", 1, "\10\0\0\4"))
    end, 5, "tests/no-such-file"))
    assert.same({ "10.0.0.4" }, found.addresses)
  end)

  it("may have an address of IPv6 alone", function ()
    local found = assert(resolve_by(function (query, kind)
      if kind == "A" then return reply(query, 0) end
      return reply(query, 0, answer("acct.japaneast.batch.example", 28, "\xfd" .. ("\0"):rep(14) .. "\1"))
    end, 5))
    assert.same({ "fd00::1" }, found.addresses)
  end)

  it("that is not there says why", function ()
    for code, text in pairs { [2] = "the name server failed (SERVFAIL)", [3] = "there is no such name (NXDOMAIN)",
      [5] = "the name server refused (REFUSED)" } do
      local found, why = resolve_by(function (query) return reply(query, code) end, 1)
      assert.is_nil(found)
      assert.equal(text, why)
    end
    local found, why = resolve_by(function (query) return reply(query, 0) end, 1)
    assert.is_nil(found)
    assert.equal("it has no address", why)
  end)

  it("is not waited for longer than is wanted", function ()
    local begun = cqueues.monotime()
    local found, why = resolve_by(function () end, 0.3)
    assert.is_nil(found)
    assert.is_string(why)
    assert(cqueues.monotime() - begun < 5)
    found, why = names.resolve("acct.example", 5, { lookup = { "bind" }, nameserver = { "[127.0.0.1]:1" } })
    assert.is_nil(found)
    assert.equal("Connection refused", why)
  end)
end)

describe("the doctor", function ()
  local endpoint = "https://management.azure.com"

  -- Examines with a client that answers what is given: account, err; and addresses of the account's name.
  local function examine(checks, given)
    local client = setmetatable({}, { __close = function () end })
    function client.settings() return { endpoint = endpoint, api_version = "2022-06-01" } end
    function client.identity() return { credential = "token", claims = {} } end
    function client.explain() return {} end
    function client.get_account() return given.account, given.err end
    function client.list_permissions() error(given.err, 0) end
    local results = doctor.examine { account_id = "/id", checks = checks, new_client = function () return client end,
      getenv = function (name) return (given.env or {})[name] end,
      resolve = function () return { addresses = given.addresses, aliases = given.aliases or {} } end }
    return table.unpack(results)
  end

  local function account(status)
    return { name = "acct", location = "japaneast", properties = {
      accountEndpoint = "acct.japaneast.batch.azure.com", privateEndpointConnections = {
        { properties = { privateLinkServiceConnectionState = { status = status } } } } } }
  end

  it("takes a public address for something to be looked at, once it is approved", function ()
    local result = examine({ "dns" }, { account = account "Approved", addresses = { "20.1.2.3" },
      aliases = { "x.japaneast.cloudapp.azure.com" } })
    assert.equal("warning", result.verdict)
    assert.equal("acct.japaneast.batch.azure.com is 20.1.2.3 (by x.japaneast.cloudapp.azure.com), a public address",
      result.found)
    assert.equal("link the private DNS zone privatelink.batch.azure.com to this network, with a record for acct; from "
      .. "elsewhere a public address is what is to be seen", result.next_step)
    result = examine({ "dns" }, { account = account "Pending", addresses = { "20.1.2.3" } })
    assert.matches("^once approved: link the private DNS zone", result.next_step)
    result = examine({ "dns" }, { account = account "Approved", addresses = { "10.0.0.4", "20.1.2.3" } })
    assert.equal("warning", result.verdict)
    result = examine({ "dns" }, { account = account "Approved", addresses = { "10.0.0.4" } })
    assert.equal("ok", result.verdict)
  end)

  it("lays no blame where another check has it", function ()
    local err = { kind = "transport", message = "connection refused" }
    local api, there = examine({ "api-version", "account" }, { err = err })
    assert.equal("failed failed", api.verdict .. " " .. there.verdict)
    err = { kind = "not_found", message = "no", http_status = 404, code = "ResourceNotFound" }
    api, there = examine({ "api-version", "account" }, { err = err })
    assert.equal("skipped failed", api.verdict .. " " .. there.verdict)
    assert.equal("failed", (examine({ "rights" }, { err = err })).verdict)
  end)

  it("names each variable of a sign-in that is set, but never its value", function ()
    local env, expected = {}, {}
    for _, name in ipairs(dofile "tests/tools/variables.lua") do
      env[name] = "hush"
      if not name:find "^SSL_" and name ~= "CURL_CA_BUNDLE" then expected[#expected + 1] = name end
    end
    local seen = (examine({ "signin" }, { env = env })).details.environment
    table.sort(seen)
    assert.same(expected, seen)
  end)

  it("knows whose certificates the TLS library's own are", function ()
    local result = examine({ "tls" }, { err = { kind = "credential", http_status = 401 } })
    assert.equal("management.azure.com answers, and its certificate is trusted; trusts what the TLS library does",
      result.found)
  end)
end)
