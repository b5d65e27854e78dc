-- Misuse raises, and the text names the field: every option of every call with every wrong type, and each rule that a
-- value can break.
local azpec = require "azpec"
local kit = dofile "tests/lua/kit.lua"
local luacats = require "tools.luacats"

-- ---- what each call takes, written down once more and by hand ------------------------------------------------------

local expected = {
  string = "string", seconds = "number of seconds from 0 to 1e9", count = "integer from 1 to 1000000", table = "table",
  rows = "integer from 1 to 1000",
  flag = "boolean", callable = "function", credential = "azpec.credential",
}

local client_options = {
  subscription_id = "string", credential = "credential", cloud = "string", endpoint = "string", discover = "flag",
  authority_host = "string", scope = "string", api_version = "string", retry = "table", ca_file = "string",
  ca_path = "string", proxy = "string", trusted_origins = "table", application_id = "string",
  max_connections = "count", on_event = "callable", timeout = "seconds", poll_interval = "seconds", wait = "callable",
  traceparent = "string", tracestate = "string", policy_token = "string", change_reference = "string",
  before_write = "callable", token_key = "string", token_cache = "string",
}
local call_options = {
  timeout = "seconds", poll_interval = "seconds", wait = "callable", client_request_id = "string",
  traceparent = "string", tracestate = "string",
}
local account = kit.merged(call_options, {
  id = "string", subscription_id = "string", resource_group_name = "string", account_name = "string",
})
local connection = kit.merged(account, { private_endpoint_connection_name = "string" })
local deletion = kit.merged(connection, { if_match = "string", policy_token = "string", change_reference = "string" })
local update = kit.merged(deletion, { status = "string", description = "string", action_required = "string" })
local ensure = kit.merged(update, { skip_read = "flag" })
local list = kit.merged(account, { maxresults = "count" })
local resume = kit.merged(call_options, { client_request_id = kit.none, id = "string", write = "flag", key = "string",
  policy_token = "string", change_reference = "string" })

local client = kit.client()

local function method(name, options, good)
  return { name = "client:" .. name, options = options, good = good,
           call = function (t) return client[name](client, t) end }
end
local named = kit.named()
local name_only = kit.named { status = kit.none }
local account_only = kit.merged(name_only, { private_endpoint_connection_name = kit.none })

local calls = {
  { name = "azpec.client", options = client_options, good = {}, call = function (t) return azpec.client(t) end },
  { name = "azpec.update", options = kit.merged(client_options, update), good = kit.config(named),
    call = function (t) return azpec.update(t) end },
  method("update", update, named),
  method("ensure", ensure, named),
  method("delete", deletion, name_only),
  method("get", connection, name_only),
  method("begin_update", update, named),
  method("begin_ensure", ensure, named),
  method("begin_delete", deletion, name_only),
  method("list", list, account_only),
  method("list_private_link_resources", list, account_only),
  method("get_account", account, account_only),
  method("list_permissions", account, account_only),
  method("list_subscriptions", call_options, {}),
  method("query_resource_graph", kit.merged(call_options, { query = "string", subscription_ids = "table",
    top = "rows" }), { query = "resources" }),
  method("identity", { timeout = "seconds", wait = "callable" }, {}),
  method("get_private_link_resource", kit.merged(account, { private_link_resource_name = "string" }),
    kit.merged(account_only, { private_link_resource_name = "batchAccount" })),
  method("list_accounts", kit.merged(call_options, { subscription_id = "string", resource_group_name = "string" }), {}),
  { name = "client:resume", options = resume, good = {}, call = function (t) return client:resume("{}", t) end },
  { name = "poller:continuation_token", options = { key = "string" }, good = {},
    call = function (t) return client:begin_update(named):continuation_token(t) end },
}

-- The types have the same options, so none is forgotten here.
local classes, class_of = {}, {}
do
  local file <close> = assert(io.open "lua_module/azpec.meta.lua")
  for _, item in ipairs(luacats.read(file:read "a")) do
    if item.kind == "class" then classes[item.name] = item end
    for _, param in ipairs(item.params or {}) do
      if param.name == "options" then class_of[item.owner:lower() .. item.separator .. item.name] = param.type end
    end
  end
end

-- Adds the names of a class's fields, its parents' too.
local function add_fields(names, name)
  for _, parent in ipairs(classes[name].parents) do add_fields(names, parent) end
  for _, field in ipairs(classes[name].fields) do names[field.name] = true end
  return names
end

-- A value of each Lua type; those that a number option can be wrong with beside.
local samples = {
  { 5, "5" }, { 1.5, "1.5" }, { true, "boolean" }, { false, "boolean" }, { "x", "string" }, { "5", "string" },
  { {}, "table" }, { print, "function" }, { coroutine.create(print), "thread" }, { io.stdout, "userdata" },
  { 1 / 0, "inf" }, { -1 / 0, "-inf" }, { 0 / 0, "%-?nan" }, { -1, "-1" }, { -0.5, "-0.5" }, { 1e10, tostring(1e10) },
  { math.mininteger, tostring(math.mininteger) },
}

local function takes(kind, v)
  if kind == "string" then return type(v) == "string" end
  if kind == "seconds" then return type(v) == "number" and v >= 0 and v <= 1e9 end
  if kind == "count" then return math.type(v) == "integer" and v > 0 and v <= 1000000 end
  if kind == "rows" then return math.type(v) == "integer" and v >= 1 and v <= 1000 end
  if kind == "flag" then return type(v) == "boolean" end
  return kind == "table" and type(v) == "table" or kind == "callable" and type(v) == "function"
end

local function escaped(s)
  return (s:gsub("[%(%)%.%[%]%+%-%*%?%^%$%%]", "%%%0"))
end

local function sorted(t)
  local names = {}
  for k in pairs(t) do names[#names + 1] = k end
  table.sort(names)
  return ipairs(names)
end

it("each call with options is tried here, but for the credentials", function ()
  local missing = kit.merged(class_of)
  for _, c in ipairs(calls) do missing[c.name] = nil end
  for name in pairs(missing) do assert.matches("^azpec%.credential%.", name) end
end)

for _, c in ipairs(calls) do
  it(c.name .. " has the options of its type", function ()
    local names = {}
    for name in pairs(c.options) do names[name] = true end
    assert.same(add_fields({}, class_of[c.name]), names)
  end)

  describe(c.name .. " refuses a wrong type, naming the field:", function ()
    for _, name in sorted(c.options) do
      local kind = c.options[name]
      it(name, function ()
        for _, s in ipairs(samples) do
          if not takes(kind, s[1]) then
            local got = s[2]:find "nan" and s[2] or escaped(s[2])
            local text = kit.raised(c.call, kit.merged(c.good, { [name] = s[1] }))
            local want = ("^bad field '%s' %%(%s expected, got %s%%)$"):format(name, escaped(expected[kind]), got)
            assert(text:find(want), ("%s = %s: %s"):format(name, tostring(s[1]), text))
          end
        end
      end)
    end
  end)

  describe(c.name, function ()
    it("refuses an unknown option by its name, in a typo of each option too", function ()
      assert.equal("unknown field 'foo'", kit.raised(c.call, kit.merged(c.good, { foo = 1 })))
      for _, name in sorted(c.options) do
        for _, typo in ipairs { name .. "s", name:upper(), name:gsub("_", "-") .. "x", name:sub(2) } do
          local said = kit.raised(c.call, kit.merged(c.good, { [typo] = c.good[name] or "x" }))
          local guess = said:match("^unknown field '" .. escaped(typo) .. "'(.*)$")
          assert(guess and (guess == "" or c.options[guess:match "^; did you mean '([%w_]+)'%?$"]), said)
          assert(typo ~= name .. "s" or #name == 2 or guess == "; did you mean '" .. name .. "'?", said)
        end
      end
    end)

    it("refuses the options of other calls", function ()
      for _, other in ipairs(calls) do
        for _, name in sorted(other.options) do
          if not c.options[name] then
            assert.matches("^unknown field '" .. name .. "'", kit.raised(c.call, kit.merged(c.good, { [name] = "x" })))
          end
        end
      end
    end)

    it("refuses keys that are no strings", function ()
      assert.equal("unknown field (a number) among the options", kit.raised(c.call, kit.merged(c.good, { "x" })))
      assert.equal("unknown field (a boolean) among the options",
        kit.raised(c.call, kit.merged(c.good, { [true] = "x" })))
      assert.equal("unknown field (a function) among the options",
        kit.raised(c.call, kit.merged(c.good, { [print] = "x" })))
    end)

    it("refuses what is no table", function ()
      for _, s in ipairs(samples) do
        if type(s[1]) ~= "table" then
          assert.truthy(kit.raised(c.call, s[1]):find("(table expected, got ", 1, true))
        end
      end
    end)
  end)
end

it("an option's name with a NUL behind it is not taken for that option", function ()
  for _, c in ipairs(calls) do
    for _, name in sorted(c.options) do
      assert.truthy(kit.raised(c.call, kit.merged(c.good, { [name .. "\0x"] = c.good[name] or "x" }))
        :find "^unknown field ")
    end
  end
end)

it("a missing options table raises where one is needed", function ()
  local without = { ["azpec.client"] = true, ["client:list_accounts"] = true, ["client:identity"] = true,
    ["client:list_subscriptions"] = true, ["client:resume"] = true, ["poller:continuation_token"] = true }
  for _, c in ipairs(calls) do
    if not without[c.name] then
      assert.truthy(kit.raised(c.call):find("^bad argument #1 to '[%w_]+' %(table expected, got n[oi][ l]?[valuei]*%)$")
                    or kit.raised(c.call):find("(table expected, got nil)", 1, true), kit.raised(c.call))
    end
  end
end)

it("a method called with a dot raises, naming the client", function ()
  assert.equal("bad argument #1 to 'update' (azpec.client expected, got table)",
    kit.raised(function () local _ = client.update(kit.named()) end))
end)

it("an error of misuse says which line of the caller's it was", function ()
  local line = debug.getinfo(1, "l").currentline + 1
  local ok, e = pcall(function () local _ = client:update { nonsense = 1 } end)
  assert.is_false(ok)
  assert.equal(("options_spec.lua:%d: unknown field 'nonsense'"):format(line), e:match "[^/]*$")
end)

-- ---- counts and seconds ---------------------------------------------------------------------------------------------

it("a count may be a float with an integer's value, as everywhere in Lua", function ()
  azpec.client(kit.config { max_connections = 10 / 2 }):close()
  azpec.client(kit.config { retry = { max_tries = 6 / 2 } }):close()
end)

it("seconds may be an integer, a fraction, zero", function ()
  for _, s in ipairs { 0, 1, 0.25, 1e9 } do
    azpec.client(kit.config { timeout = s, poll_interval = s }):close()
  end
end)

-- The name that is nearest, by at most two letters, or that has the misspelt one in it.
for typo, meant in pairs {
  timout = "timeout", time_out = "timeout", subscription = "subscription_id", pollinterval = "poll_interval",
  on_events = "on_event", group = false, xyzzy = false, i = false, TIMEOUT = false, [("x"):rep(99)] = false,
  ["timeout\0"] = "timeout",
} do
  it(("azpec.client %s for '%s'"):format(meant and "guesses '" .. meant .. "'" or "guesses nothing", typo), function ()
    local said = kit.raised(azpec.client, { [typo] = 1 })
    local guess = meant and ("; did you mean '%s'?"):format(meant) or ""
    assert.equal(("unknown field '%s'"):format(typo:match "^%Z*") .. guess, said)
  end)
end

it("only a name that the call takes is guessed", function ()
  assert.equal("unknown field 'group'; did you mean 'resource_group_name'?",
    kit.raised(client.get, client, { group = "x" }))
  assert.equal("unknown field 'if_match'", kit.raised(client.get, client, { if_match = "x" }))
  assert.equal("unknown field 'connection_name'; did you mean 'private_endpoint_connection_name'?",
    kit.raised(client.get, client, { connection_name = "x" }))
  assert.equal("unknown field 'connection_name'", kit.raised(client.get_account, client, { connection_name = "x" }))
end)

it("a count is at most a million", function ()
  assert.equal("bad field 'max_connections' (integer from 1 to 1000000 expected, got 1000001)",
    kit.raised(azpec.client, { max_connections = 1000001 }))
  azpec.client(kit.config { max_connections = 1000000 }):close()
end)

it("a table whose metatable has __index is refused, because what is behind it would be ignored", function ()
  local why = " (fields of a metatable are not read: put them into the table itself)"
  local behind = setmetatable({}, { __index = function () error "called" end, __metatable = "locked" })
  for _, call in ipairs(calls) do
    assert.equal("bad field '__index'" .. why, kit.raised(call.call, behind), call.name)
  end
  assert.equal("bad field 'retry.__index'" .. why, kit.raised(azpec.client, kit.config { retry = behind }))
  azpec.client(setmetatable(kit.config(), { __name = "mine" })):close()
end)

it("an object with __call is as good as a function", function ()
  local object = setmetatable({}, { __call = function () end })
  azpec.client(kit.config { wait = object, on_event = object }):close()
end)

-- ---- rules of the client's options ----------------------------------------------------------------------------------

local function client_raises(field, value)
  return kit.raised(azpec.client, kit.config { [field] = value })
end

for _, field in ipairs { "endpoint", "authority_host" } do
  local shape = ("bad field '%s' (https://host[:port] expected)"):format(field)
  local path = ("bad field '%s' (https://host[:port] without a path expected)"):format(field)
  local plain = ("bad field '%s' (https expected (http only to a loopback address))"):format(field)
  describe(field .. " is refused when it", function ()
    for situation, case in pairs {
      ["is empty"] = { "", shape },
      ["has no scheme"] = { "management.azure.com", shape },
      ["has another scheme"] = { "ftp://a", shape },
      ["has no host"] = { "https://", shape },
      ["has no host but a port"] = { "https://:443", shape },
      ["names a user"] = { "https://me@a", shape },
      ["names a user and a password"] = { "https://me:secret@a", shape },
      ["has a port beyond 65535"] = { "https://a:65536", shape },
      ["has port 0"] = { "https://a:0", shape },
      ["has a port that is no number"] = { "https://a:b", shape },
      ["holds a blank"] = { "https://a b", shape },
      ["holds a line's end and a header"] = { "https://a\r\nX-Evil: 1", shape },
      ["holds a NUL"] = { "https://a\0.evil", shape },
      ["holds characters beyond ASCII"] = { "https://\u{e4}.de", shape },
      ["has a path"] = { "https://a/b", path },
      ["has two slashes at its end"] = { "https://a//", path },
      ["has a query"] = { "https://a?b=c", path },
      ["has a fragment"] = { "https://a#b", path },
      ["is plain http to another machine"] = { "http://management.azure.com", plain },
      ["is plain http to a private address"] = { "http://10.0.0.1", plain },
      ["is plain http to a name that begins with localhost"] = { "http://localhost.example.com", plain },
      ["is plain http to a name that begins with 127.0.0.1"] = { "http://127.0.0.1.example.com", plain },
    } do
      it(situation, function () assert.equal(case[2], client_raises(field, case[1])) end)
    end
  end)

  it(field .. " may be https anywhere, or http to a loopback address, with one slash at its end", function ()
    for _, good in ipairs { "https://a", "https://a/", "https://a:8443", "HTTPS://A.example.com", "http://localhost:80",
                            "http://127.0.0.1", "http://127.1.2.3:8080", "http://[::1]:8080", "https://[::1]" } do
      azpec.client(kit.config { [field] = good }):close()
    end
  end)

  it(field .. "'s error shows no password of it", function ()
    assert.is_nil(client_raises(field, "https://me:secret@a"):find("secret", 1, true))
  end)
end

describe("the client's option", function ()
  local date = "bad field 'api_version' (YYYY-MM-DD or YYYY-MM-DD-preview expected)"
  for situation, case in pairs {
    ["api_version without a day"] = { "api_version", "2022-06", date },
    ["api_version that is empty"] = { "api_version", "", date },
    ["api_version with a parameter behind it"] = { "api_version", "2022-06-01&x=1", date },
    ["api_version with an empty suffix"] = { "api_version", "2022-06-01-", date },
    ["api_version with letters for digits"] = { "api_version", "YYYY-MM-DD", date },
    ["api_version with a NUL"] = { "api_version", "2022-06-01\0", date },
    ["cloud in a typo"] = { "cloud", "AzurePublic",
      "bad field 'cloud' (AzureCloud, AzureUSGovernment or AzureChinaCloud expected)" },
    ["subscription_id that is empty"] = { "subscription_id", "",
      "bad field 'subscription_id' (a subscription's GUID expected)" },
    ["subscription_id with a slash"] = { "subscription_id", "a/../b",
      "bad field 'subscription_id' (a subscription's GUID expected)" },
    ["subscription_id of 65 characters"] = { "subscription_id", ("a"):rep(65),
      "bad field 'subscription_id' (a subscription's GUID expected)" },
    ["application_id with a header in it"] = { "application_id", "a\r\nX-Evil: 1",
      "bad field 'application_id' (printable ASCII expected)" },
    ["application_id with a blank"] = { "application_id", "a b", "bad field 'application_id' (no blanks expected)" },
    ["application_id of 25 characters"] = { "application_id", ("a"):rep(25),
      "bad field 'application_id' (1 to 24 characters expected)" },
    ["application_id that is empty"] = { "application_id", "",
      "bad field 'application_id' (1 to 24 characters expected)" },
    ["application_id beyond ASCII"] = { "application_id", "\u{e4}",
      "bad field 'application_id' (printable ASCII expected)" },
    ["ca_file that is empty"] = { "ca_file", "", "bad field 'ca_file' (a path expected)" },
    ["ca_file with a NUL"] = { "ca_file", "/etc/ssl\0/x", "bad field 'ca_file' (a path expected)" },
    ["ca_file that is a directory"] = { "ca_file", "/",
      "bad field 'ca_file' ('/': not a regular file but a directory)" },
    ["ca_file that never ends"] = { "ca_file", "/dev/zero",
      "bad field 'ca_file' ('/dev/zero': not a regular file but a device)" },
    ["ca_path with a NUL"] = { "ca_path", "/etc\0", "bad field 'ca_path' (a path expected)" },
    ["trusted_origins with a number"] = { "trusted_origins", { 1 },
      "bad field 'trusted_origins' (list of strings expected)" },
    ["trusted_origins with a path"] = { "trusted_origins", { "https://a", "https://b/c" },
      "bad field 'trusted_origins' (https://host[:port] without a path expected)" },
    ["trusted_origins with plain http"] = { "trusted_origins", { "http://a" },
      "bad field 'trusted_origins' (https expected (http only to a loopback address))" },
    ["trusted_origins that is no list"] = { "trusted_origins", { azure = "https://a" },
      "bad field 'trusted_origins' (list of strings expected)" },
    ["retry with an unknown field"] = { "retry", { tries = 1 },
      "unknown field 'retry.tries'; did you mean 'retry.max_tries'?" },
    ["retry.max_tries of 0"] = { "retry", { max_tries = 0 },
      "bad field 'retry.max_tries' (integer from 1 to 86400 expected, got 0)" },
    ["retry.max_tries of 1.5"] = { "retry", { max_tries = 1.5 },
      "bad field 'retry.max_tries' (integer from 1 to 86400 expected, got 1.5)" },
    ["retry.max_tries as a string"] = { "retry", { max_tries = "3" },
      "bad field 'retry.max_tries' (integer from 1 to 86400 expected, got string)" },
    ["retry.base_delay below 0"] = { "retry", { base_delay = -1 },
      "bad field 'retry.base_delay' (number from 0 to 86400 expected, got -1)" },
    ["retry.base_delay that is no number"] = { "retry", { base_delay = 0 / 0 },
      ("bad field 'retry.base_delay' (number from 0 to 86400 expected, got %s)"):format(0 / 0) },
    ["retry.max_delay without end"] = { "retry", { max_delay = 1 / 0 },
      "bad field 'retry.max_delay' (number from 0 to 86400 expected, got inf)" },
    ["retry.max_delay as a table"] = { "retry", { max_delay = {} },
      "bad field 'retry.max_delay' (number from 0 to 86400 expected, got table)" },
    ["retry.max_retry_after of more than a day"] = { "retry", { max_retry_after = 86401 },
      "bad field 'retry.max_retry_after' (number from 0 to 86400 expected, got 86401)" },
    ["retry.conflict as a number"] = { "retry", { conflict = 1 },
      "bad field 'retry.conflict' (boolean expected, got 1)" },
    ["retry.codes as a text"] = { "retry", { codes = "AccountBusy" },
      "bad field 'retry.codes' (list of the service's error codes expected, got string)" },
    ["retry.codes with a blank in one"] = { "retry", { codes = { "Account Busy" } },
      "bad field 'retry.codes' (list of the service's error codes expected, got table)" },
    ["retry.codes with a number in it"] = { "retry", { codes = { "A", 409 } },
      "bad field 'retry.codes' (list of the service's error codes expected, got table)" },
    ["scope that is empty"] = { "scope", "", "bad field 'scope' (https://.../.default expected)" },
    ["scope with a line's end"] = { "scope", "a\r\nb", "bad field 'scope' (https://.../.default expected)" },
  } do
    it(situation .. " is refused", function () assert.equal(case[3], client_raises(case[1], case[2])) end)
  end

  it("proxy with a NUL is refused: it would be cut off there", function ()
    assert.equal("bad field 'proxy' (a URL expected)", client_raises("proxy", "http://proxy:8080\0x"))
    assert.equal("bad field 'proxy' (a URL expected)", client_raises("proxy", "\0"))
  end)

  it("trusted_origins may hold 15 and not one more", function ()
    local origins = {}
    for i = 1, 15 do origins[i] = "https://host" .. i end
    azpec.client(kit.config { trusted_origins = origins }):close()
    origins[16] = "https://host16"
    assert.equal("bad field 'trusted_origins' (too many)", client_raises("trusted_origins", origins))
  end)

  it("retry with a key that is no string is refused, saying so", function ()
    assert.truthy(client_raises("retry", { 3 }):find "^unknown field %(a number%)")
  end)

  it("retry takes all its fields at once", function ()
    azpec.client(kit.config { retry = { max_tries = 3, base_delay = 0.1, max_delay = 5, max_retry_after = 6,
      conflict = true, codes = { "AccountBusy", "Later" } } }):close()
  end)
end)

-- ---- rules of names -------------------------------------------------------------------------------------------------

local function begin_raises(more)
  return kit.raised(function () local _ = client:begin_update(kit.named(more)) end)
end

describe("the name", function ()
  local group = "bad field 'resource_group_name' (1 to 90 letters, digits, '_', '-', '.', '(' or ')', not ending in "
    .. "'.', expected, got '%s')"
  local acct = "bad field 'account_name' (3 to 24 letters and digits expected, got '%s')"
  local pec = "bad field 'private_endpoint_connection_name' (1 to 101 letters, digits, '_', '-' or '.', not "
    .. "beginning with '.', expected, got '%s')"
  for situation, case in pairs {
    ["resource_group_name of 91 characters"] = { "resource_group_name", ("g"):rep(91), group },
    ["resource_group_name ending in a dot"] = { "resource_group_name", "rg.", group },
    ["resource_group_name that climbs a folder"] = { "resource_group_name", "..", group },
    ["resource_group_name with a slash"] = { "resource_group_name", "a/b", group },
    ["resource_group_name with a percent sign"] = { "resource_group_name", "a%2fb", group },
    ["resource_group_name with a blank"] = { "resource_group_name", "a b", group },
    ["resource_group_name with a NUL"] = { "resource_group_name", "a\0b", group },
    ["resource_group_name with a line's end"] = { "resource_group_name", "a\r\nb", group },
    ["resource_group_name with a question mark"] = { "resource_group_name", "a?b", group },
    ["resource_group_name that is no UTF-8"] = { "resource_group_name", "a\xffb", group },
    ["resource_group_name with half a character"] = { "resource_group_name", "a\xe6\x97", group },
    ["account_name of 2 characters"] = { "account_name", "ab", acct },
    ["account_name of 25 characters"] = { "account_name", ("a"):rep(25), acct },
    ["account_name with a hyphen"] = { "account_name", "my-account", acct },
    ["account_name with a slash"] = { "account_name", "abc/d", acct },
    ["account_name beyond ASCII"] = { "account_name", "b\u{e4}tch", acct },
    ["private_endpoint_connection_name of 102 characters"] =
      { "private_endpoint_connection_name", ("a"):rep(102), pec },
    ["private_endpoint_connection_name with a blank"] = { "private_endpoint_connection_name", "a b", pec },
    ["private_endpoint_connection_name with a slash"] = { "private_endpoint_connection_name", "a/b", pec },
    ["private_endpoint_connection_name that climbs a folder"] = { "private_endpoint_connection_name", "..", pec },
    ["private_endpoint_connection_name that begins with the dot"] =
      { "private_endpoint_connection_name", ".1", pec },
    ["private_endpoint_connection_name with a line's end"] =
      { "private_endpoint_connection_name", "a\r\n", pec },
  } do
    it(situation .. " is refused and shown", function ()
      assert.equal(case[3]:format((case[2]:gsub("%z.*", ""))), begin_raises { [case[1]] = case[2] })
    end)
  end

  for _, field in ipairs { "resource_group_name", "account_name", "private_endpoint_connection_name", "status" } do
    it(field .. " is asked for when it is missing", function ()
      assert.equal(("bad field '%s' (string expected, got nil)"):format(field), begin_raises { [field] = kit.none })
    end)

    it(field .. " that is empty is refused: in a URL it would name something else", function ()
      assert.equal(("bad field '%s' (must not be empty)"):format(field), begin_raises { [field] = "" })
    end)
  end

  for what, rest in pairs { get = "', 'account_name' and 'private_endpoint_connection_name'",
    get_account = "' and 'account_name'", list = "' and 'account_name'" } do
    it("an id or the names are asked for by client:" .. what .. " when neither is there", function ()
      assert.equal("nothing is named: give 'id', or 'resource_group_name" .. rest,
        kit.raised(client[what], client, { timeout = 1 }))
    end)
  end

  it("account_name is not cut off at a NUL", function ()
    assert.truthy(begin_raises { account_name = "abc\0def" }:find("^bad field 'account_name' "))
  end)

  it("subscription_id is asked for when neither call nor client nor environment has one", function ()
    assert.equal("false bad field 'subscription_id' (string expected, got nil; neither the client nor "
      .. "AZURE_SUBSCRIPTION_ID names one)", kit.child [[
      local azpec = require "azpec"
      local client = azpec.client { endpoint = "http://127.0.0.1:1",
        credential = azpec.credential.token { token = "x" } }
      local ok, e = pcall(client.get, client, { resource_group_name = "rg", account_name = "acct",
        private_endpoint_connection_name = "pe" })
      print(ok, e)
    ]]:gsub("%s+", " "))
  end)

  it("is taken at the limits of each rule", function ()
    for _, more in ipairs {
      { account_name = "abc" }, { account_name = ("A9"):rep(12) }, { resource_group_name = ("g"):rep(90) },
      { resource_group_name = "\u{65e5}\u{672c}\u{8a9e}" }, { resource_group_name = ("\u{65e5}"):rep(90) },
      { resource_group_name = "(a)_b-c.d" }, { private_endpoint_connection_name = ("a"):rep(101) },
      { private_endpoint_connection_name = "a." }, { private_endpoint_connection_name = "a_-.0-fF" },
    } do
      client:begin_update(kit.named(more)):cancel()
    end
  end)

  it("private_link_resource_name follows the connection's rule", function ()
    local where = kit.merged(account_only, { private_link_resource_name = "a/b" })
    assert.truthy(kit.raised(client.get_private_link_resource, client, where)
      :find("^bad field 'private_link_resource_name' %(1 to 101 letters"))
    where.private_link_resource_name = nil
    assert.equal("bad field 'private_link_resource_name' (string expected, got nil)",
      kit.raised(client.get_private_link_resource, client, where))
  end)
end)

describe("id", function ()
  local function id_raises(id, more)
    return kit.raised(function ()
      local _ = client:begin_update(kit.merged({ id = id, status = "Approved" }, more))
    end)
  end
  local whole = "bad field 'id' (/subscriptions/.../resourceGroups/.../providers/Microsoft.Batch/batchAccounts/.../"
    .. "privateEndpointConnections/NAME expected)"

  -- What the module made of it is in the error's id.
  local function id_of(options)
    local poller = client:begin_update(options)
    poller:cancel()
    local _, err = poller:result()
    return err.id
  end

  it("stands for the four names", function ()
    assert.equal(kit.id, id_of { id = kit.id, status = "Approved" })
    assert.equal(kit.id, id_of(kit.named()))
  end)

  it("may be in any letter case; the names in it keep theirs", function ()
    assert.equal(kit.id, id_of { id = kit.id:gsub("resourceGroups", "resourcegroups")
      :gsub("Microsoft.Batch", "MICROSOFT.BATCH"):gsub("batchAccounts", "BatchAccounts")
      :gsub("privateEndpointConnections", "privateendpointconnections"), status = "Approved" })
    assert.equal("/subscriptions/" .. kit.subscription:upper() .. "/resourceGroups/RG/providers/Microsoft.Batch/"
      .. "batchAccounts/ACCT/privateEndpointConnections/PE.1", id_of { id = kit.id:upper(), status = "Approved" })
  end)

  it("may name another subscription than the client's: it is the one meant", function ()
    local other = kit.id:gsub("^/subscriptions/[^/]+", "/subscriptions/99999999-0000-4000-8000-000000000000")
    assert.equal(other, id_of { id = other, status = "Approved" })
  end)

  for _, part in ipairs { "resource_group_name", "account_name", "private_endpoint_connection_name" } do
    it("beside " .. part .. " is refused: one or the other", function ()
      assert.equal(("fields 'id' and '%s': give one or the other"):format(part),
        id_raises(kit.id, { [part] = "abc" }))
    end)
  end

  it("beside another subscription_id is refused: they contradict each other", function ()
    assert.equal("bad field 'subscription_id' (not the one in 'id')",
      id_raises(kit.id, { subscription_id = "99999999-0000-4000-8000-000000000000" }))
  end)

  it("beside its own subscription_id is taken, in azpec.update's one table", function ()
    local connection_, err = azpec.update(kit.config { id = kit.id, status = "Approved" })
    assert.is_nil(connection_)
    assert.equal("transport", err.kind)
  end)

  it("of a private endpoint is recognized, and the error says what to do instead", function ()
    assert.equal("bad field 'id' (this is the id of a private endpoint; the id of the Batch account's private endpoint "
      .. "connection expected (list the account's connections and take the one whose privateEndpoint.id this is))",
      id_raises("/subscriptions/" .. kit.subscription
        .. "/resourceGroups/rg/providers/Microsoft.Network/privateEndpoints/pe"))
  end)

  it("of the account itself is recognized", function ()
    assert.equal("bad field 'id' (this is the id of a Batch account or of another of its parts; "
      .. ".../privateEndpointConnections/NAME expected)", id_raises(kit.id:match "^(.*)/[^/]+/[^/]+$"))
  end)

  it("of a private link resource of the account is not a connection's", function ()
    assert.truthy(id_raises((kit.id:gsub("privateEndpointConnections", "privateLinkResources")))
      :find("another of its parts", 1, true))
  end)

  for situation, id in pairs {
    ["empty"] = "", ["of another service's account"] = kit.id:gsub("Microsoft.Batch/batchAccounts",
      "Microsoft.Storage/storageAccounts"), ["without the slash at its head"] = kit.id:sub(2),
    ["a whole URL"] = "https://management.azure.com" .. kit.id, ["no id at all"] = "pe.1",
  } do
    it(situation .. " is refused", function () assert.equal(whole, id_raises(id)) end)
  end

  it("with something behind the name is not taken for a Batch account's", function ()
    assert.equal(whole, id_raises(kit.id .. "/x"))
    assert.equal(whole, id_raises(kit.id .. "/"))
  end)

  it("with a bad name in it is refused by that name's rule", function ()
    assert.equal("bad field 'id' (3 to 24 letters and digits expected)",
      id_raises((kit.id:gsub("/acct/", "/a-b-c/"))))
    assert.truthy(id_raises((kit.id:gsub("/rg/", "//"))):find("1 to 90 letters", 1, true))
    assert.truthy(id_raises(kit.id .. "?api-version=1"):find("1 to 101 letters", 1, true))
    assert.equal("bad field 'id' (a subscription's GUID expected)",
      id_raises((kit.id:gsub("^/subscriptions/[^/]+", "/subscriptions/"))))
  end)

  it("of an account is what client:list takes, and a connection's is not", function ()
    local account_id = kit.id:match "^(.*)/[^/]+/[^/]+$"
    for _, name in ipairs { "list", "list_private_link_resources", "list_permissions" } do
      local _, poller = client[name](client, { id = account_id })
      poller:cancel()
      assert.equal("bad field 'id' (/subscriptions/.../resourceGroups/.../providers/Microsoft.Batch/batchAccounts/NAME "
        .. "expected)", kit.raised(client[name], client, { id = kit.id }))
    end
  end)
end)

-- ---- what is asked -------------------------------------------------------------------------------------------------

describe("status", function ()
  local names = {}
  for name in pairs(azpec.PrivateLinkServiceConnectionStatus) do names[#names + 1] = name end
  table.sort(names)
  local text = ("bad field 'status' (%s or %s expected, got '%%s')"):format(table.concat(names, ", ", 1, #names - 1),
    names[#names])

  it("may be each value of the enumeration", function ()
    for _, s in pairs(azpec.PrivateLinkServiceConnectionStatus) do
      client:begin_update(kit.named { status = s }):cancel()
    end
  end)

  for _, typo in ipairs { "approved", "APPROVED", "Approve", " Approved", "Approved ", "Succeeded", "None" } do
    it(("'%s' is refused"):format(typo), function ()
      assert.equal(text:format(typo), begin_raises { status = typo })
    end)
  end

  it("is not cut off at a NUL", function ()
    assert.truthy(begin_raises { status = "Approved\0Rejected" }:find("^bad field 'status' "))
  end)
end)

describe("header injection:", function ()
  for _, field in ipairs { "if_match", "client_request_id", "traceparent", "tracestate" } do
    local text = ("bad field '%s' (printable ASCII expected)"):format(field)
    it(field .. " with CR, LF, NUL, another control character, or beyond ASCII is refused", function ()
      for _, bad in ipairs { "a\r\nX-Evil: 1", "a\n", "\r", "a\0b", "a\tb", "a\27[0m", "a\127", "\u{e4}", "a\x80" } do
        assert.equal(text, begin_raises { [field] = bad })
      end
    end)

    it(field .. " has 1 to 1024 characters", function ()
      local length = ("bad field '%s' (1 to 1024 characters expected)"):format(field)
      assert.equal(length, begin_raises { [field] = "" })
      assert.equal(length, begin_raises { [field] = ("x"):rep(1025) })
      if not field:find "^trace" then client:begin_update(kit.named { [field] = ("x"):rep(1024) }):cancel() end
    end)
  end

  it("what is no traceparent, and a tracestate without one or with too many members, is refused", function ()
    local parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    local text = "bad field 'traceparent' (W3C Trace Context expected, as 00-<32 hex digits>-<16 hex digits>-01)"
    local zeros = parent:gsub("%x", "0")
    for _, bad in ipairs { "x", parent .. "-more", parent:upper(), parent:gsub("^00", "ff"), zeros } do
      assert.equal(text, begin_raises { traceparent = bad })
      assert.equal(text, kit.raised(azpec.client, { traceparent = bad }))
    end
    assert.equal("bad field 'tracestate' (it requires 'traceparent')", begin_raises { tracestate = "a=1" })
    assert.equal("bad field 'tracestate' (at most 32 members expected)",
      begin_raises { traceparent = parent, tracestate = ("a=1,"):rep(32) .. "a=1" })
    client:begin_update(kit.named { traceparent = parent, tracestate = ("x"):rep(1024) }):cancel()
  end)

  it("an ETag is taken as it came: weak, quoted, or the star", function ()
    for _, tag in ipairs { 'W/"0x8D4EDFEBFADF4AB"', '"0x8D4"', "*" } do
      client:begin_update(kit.named { if_match = tag }):cancel()
    end
  end)
end)

describe("description", function ()
  it("larger than azpec can send is refused, not sent as an empty body", function ()
    local ok, poller = pcall(client.begin_update, client, kit.named { description = ("x"):rep(100000) })
    if not ok then
      assert.truthy(tostring(poller):find("bad field 'description'", 1, true))
    else
      local _, err = poller:wait(10)
      assert.equal("limit", err.kind)
    end
  end)

  it("of 17 MB is refused by its name, and memory has nothing to do with it", function ()
    assert.truthy(begin_raises { description = ("x"):rep(17 * 1024 * 1024) }:find("description", 1, true))
  end)

  it("that is no UTF-8 is refused: a body with it is no JSON (RFC 8259 section 8.1)", function ()
    for _, bad in ipairs { "a\xff", "\xc0\x80", "\xe6\x97", "\x80", "\xf8\x88\x80\x80\x80" } do
      assert.equal("bad field 'description' (UTF-8 expected)", begin_raises { description = bad })
      assert.equal("bad field 'action_required' (UTF-8 expected)", begin_raises { action_required = bad })
    end
  end)

  it("may be empty, of several lines, and of any language", function ()
    for _, text in ipairs { "", "a\nb", "\u{65e5}\u{672c}\u{8a9e} \u{1f600}", "\"quoted\" \\ / \0" } do
      client:begin_update(kit.named { description = text }):cancel()
    end
  end)
end)

-- ---- continuation tokens -------------------------------------------------------------------------------------------

describe("client:resume", function ()
  it("refuses what is no string", function ()
    for _, v in ipairs { 5, true, {}, print } do
      assert.truthy(kit.raised(client.resume, client, v):find("(string expected, got ", 1, true))
    end
    assert.truthy(kit.raised(client.resume, client):find("(string expected, got no value)", 1, true))
  end)

  it("refuses unknown and wrongly typed options, whatever the token is worth", function ()
    for _, token in ipairs { kit.passport(), "no token" } do
      assert.equal("unknown field 'status'", kit.raised(client.resume, client, token, { status = "Approved" }))
      assert.equal("bad field 'timeout' (number of seconds from 0 to 1e9 expected, got string)",
        kit.raised(client.resume, client, token, { timeout = "1" }))
      assert.truthy(kit.raised(client.resume, client, token, 5):find("(table expected, got number)", 1, true))
    end
  end)

  it("refuses header injection in its options", function ()
    assert.equal("bad field 'traceparent' (printable ASCII expected)",
      kit.raised(client.resume, client, kit.passport(), { traceparent = "a\r\nb" }))
  end)

  it("takes no option that it would ignore", function ()
    for field, value in pairs { resource_group_name = "other", account_name = "other",
                                private_endpoint_connection_name = "other", client_request_id = "other",
                                subscription_id = "99999999-0000-4000-8000-000000000000" } do
      local ok, poller, err = pcall(client.resume, client, kit.passport(), { [field] = value })
      local heeded = not ok or not poller and err.kind == "protocol"
        or poller and field == "client_request_id" and poller:progress().client_request_id == value
      assert(heeded, field .. " was ignored")
    end
  end)

  for situation, case in pairs {
    ["is no JSON"] = { "xyz", "it is not JSON" },
    ["is empty"] = { "", "it is not JSON" },
    ["is a JSON string"] = { '"x"', "it is not JSON" },
    ["is an empty object"] = { "{}", "it has another version" },
    ["is of another version"] = { kit.passport { azpec = 2 }, "it has another version" },
    ["names no operation"] = { kit.passport { operation = kit.none }, "it has no operation" },
    ["names an unknown operation"] = { kit.passport { operation = "put" }, "its operation is unknown" },
    ["names an unknown way of polling"] = { kit.passport { poll = "x" }, "its operation is unknown" },
    ["is for another endpoint"] = { kit.passport { endpoint = "https://management.azure.com" },
      "it belongs to another endpoint" },
    ["is for another port of it"] = { kit.passport { endpoint = "http://127.0.0.1:2" },
      "it belongs to another endpoint" },
    ["names no connection"] = { kit.passport { id = "/subscriptions/x" },
      "its id is not a private endpoint connection's" },
    ["is for another subscription"] = { kit.passport {
      id = kit.id:gsub("^/subscriptions/[^/]+", "/subscriptions/99999999-0000-4000-8000-000000000000") },
      "it belongs to subscription 99999999-0000-4000-8000-000000000000, but subscription_id is "
        .. kit.id:match "^/subscriptions/([^/]+)" },
    ["polls on another origin"] = { kit.passport { poll = "location", poll_url = "https://evil.example/x" },
      "its polling URL is on another origin" },
    ["polls nowhere"] = { kit.passport { poll = "location" }, "its polling URL is on another origin" },
    ["holds a header in its ETag"] = { kit.passport { if_match = "a\r\nX: 1" },
      "one of its fields cannot be sent in a request" },
    ["holds a header in its request id"] = { kit.passport { client_request_id = "a\nX: 1" },
      "one of its fields cannot be sent in a request" },
    ["holds a bad api_version"] = { kit.passport { api_version = "2022-06-01&x=1" }, "its api_version is invalid" },
    ["has no request id"] = { kit.passport { client_request_id = kit.none }, "it has no client_request_id" },
    ["has an empty request id"] = { kit.passport { client_request_id = "" }, "its client_request_id is empty" },
    ["does not say whether the write was accepted"] = { kit.passport { changed = kit.none }, "it has no changed" },
    ["has a long request id"] = { kit.passport { client_request_id = ("x"):rep(1025) },
      "its client_request_id is too long" },
    ["has a long ETag"] = { kit.passport { if_match = ("x"):rep(1025) }, "its if_match is too long" },
    ["has a long description"] = { kit.passport { description = ("x"):rep(65537) }, "its description is too long" },
    ["has a long polling URL"] = { kit.passport { poll = "location",
      poll_url = kit.nowhere .. "/" .. ("x"):rep(65536 - #kit.nowhere) }, "its poll_url is too long" },
    ["has a megabyte of a name"] = { kit.passport { operation = ("x"):rep(1024 * 1024) },
      "its operation is too long" },
    ["has a version that is a string"] = { kit.passport { azpec = "1" }, "it has another version" },
    ["has a number for a status"] = { kit.passport { status = 5 }, "its status is not a string" },
    ["has a table for an id"] = { kit.passport { id = { kit.id } }, "its id is not a string" },
    ["has a null for a description"] = { kit.passport { description = require "cjson".null },
      "its description is not a string" },
    ["has a string for a boolean"] = { kit.passport { changed = "false" }, "its changed is not a boolean" },
    ["has a member that is not known"] = { kit.passport { etag = "x" }, "it has an unknown member" },
    ["has a known name in another case"] = { kit.passport { Status = "Rejected" },
      "it has an unknown member" },
    ["has digits at its end"] = { kit.passport() .. "1122", "it is not JSON" },
    ["has a member twice"] = { (kit.passport():gsub("}$", ',"status":"Rejected"}')), "it has a member twice" },
    ["has a member twice, once in escapes"] = { (kit.passport():gsub("}$", ', "statu\\u0073" : "Rejected" }')),
      "it has a member twice" },
    ["has a member twice, with the same value"] = { (kit.passport():gsub("^{", '{"status":"Approved",')),
      "it has a member twice" },
    ["asks for an unknown status"] = { kit.passport { status = "approved" }, "its status is invalid" },
    ["asks for a status with a NUL in it"] = { kit.passport { status = "Approved\0x" }, "its status is invalid" },
  } do
    it("answers nil and an error of kind protocol for a token that " .. situation, function ()
      local poller, err = client:resume(case[1])
      assert.is_nil(poller)
      assert.equal("protocol", err.kind)
      assert.equal("the continuation token is refused: " .. case[2], err.message)
    end)
  end

  it("takes all that a token can hold", function ()
    local url = kit.nowhere .. "/" .. ("x"):rep(65535 - #kit.nowhere)
    local text = ('a:"\\{,}\u{e9}'):rep(6000)
    local token = assert(client:resume(kit.passport { poll = "location", poll_url = url, description = text,
      action_required = "", if_match = ("x"):rep(1024), client_request_id = ("x"):rep(1024) })):continuation_token()
    assert.equal(token, assert(client:resume(token)):continuation_token())
  end)

  it("checks the resource when its id is given, letter case aside", function ()
    local poller, err = client:resume(kit.passport(), { id = kit.id .. "0" })
    assert.is_nil(poller)
    assert.equal("the continuation token is refused: it belongs to another connection", err.message)
    assert.equal("azpec.poller", azpec.type(client:resume(kit.passport(), { id = kit.id:upper() })))
  end)
end)
