-- What the command makes of errors, of connections that say little, and of words as people paste them.

local assert = require "luassert"
local kit = require "cli.kit"
local t = require "loopback.support"

local account = t.id:match "^(.*)/privateEndpointConnections/"
local subscription, group, name = t.id:match "^/subscriptions/([^/]+)/resourceGroups/([^/]+)/.*/batchAccounts/([^/]+)/"
local json = { t.json_type, "x-ms-request-id: 1111-aaaa" }

-- Runs azpec against a server of these rules.
local function run(rules, line, more)
  local server = t.server(rules)
  local verb, rest = line:match "^(%S+) ?(.*)$"
  local env = { AZURE_ACCESS_TOKEN = t.canary, AZURE_TOKEN_CREDENTIALS = nil }
  for key, value in pairs(more or {}) do env[key] = value end
  return kit.run(("%s --credential token --endpoint %s --interval 0.02 %s"):format(verb, server.endpoint, rest),
    { env = env }), server
end

local function refused(body, line, status)
  return run({ { status = status or 403, headers = json, body = body } }, line)
end

local show = "show " .. t.id

describe("an error", function ()
  after_each(t.tidy)
  teardown(t.close)

  it("of another operation in progress is tried again with --retry-conflict, and its hint says so", function ()
    local busy = { status = 409, times = 1, headers = json, method = "PATCH",
      body = '{"error":{"code":"AnotherOperationInProgress","message":"busy"}}' }
    local approved = { status = 200, headers = json, method = "PATCH", body = t.connection_json "Approved" }
    local pending = { status = 200, headers = json, body = t.connection_json "Pending" }
    local result = kit.ended(6, (run({ busy, approved, pending }, "approve " .. t.id)))
    assert.matches("hint: .* try again in a minute, or give %-%-retry%-conflict", result.err)
    for _, option in ipairs { "--retry-conflict", "--retry-on Other --retry-on AnotherOperationInProgress" } do
      kit.ended(0, (run({ busy, approved, pending }, ("approve %s %s"):format(option, t.id))))
    end
  end)

  local policy = [[{"error":{"code":"RequestDisallowedByPolicy","target":"mine","message":"Denied.",
    "details":[{"code":"Inner","message":"deep","details":[{"message":"deeper"}]}],
    "additionalInfo":[{"type":"PolicyViolation","info":{"policyAssignmentName":"deny-pe",
    "policyDefinitionDisplayName":"No endpoints"}},{"type":"Other","info":{"a":1}}]}}]]

  it("of a server that cannot be reached has the hint to ask azpec doctor", function ()
    local line = ("list --credential token --endpoint http://127.0.0.1:1 --max-tries 1 --id %s"):format(account)
    local env = { AZURE_ACCESS_TOKEN = t.canary }
    local result = kit.ended(1, kit.run(line, { env = env }))
    assert.matches("^azpec: could not connect to the server: .*\n  hint: azpec doctor says why\n$", result.err)
    result = kit.ended(1, kit.run(line .. " -o json", { env = env }))
    assert.equal("azpec doctor says why", kit.json(result.err, kit.failure).error.hint)
  end)

  it("is told with its target, details, and the policy that refused", function ()
    local result = kit.ended(5, refused(policy, show))
    assert.equal(([[
azpec: RequestDisallowedByPolicy: Denied. (HTTP 403)
  about: %s
  target: mine
  detail: Inner: deep
  detail: deeper
  policy: assignment 'deny-pe', definition 'No endpoints'
  Other: {"a":1}
  request id: 1111-aaaa
]]):format(t.id), (result.err:gsub("  hint: [^\n]*\n", "")))
    assert.matches("\n  hint: an Azure Policy assignment denies this", result.err)
  end)

  it("in JSON is one document with all of it", function ()
    for _, format in ipairs { "json", "jsonl" } do
      local told = kit.json(kit.ended(5, refused(policy, show .. " -o " .. format)).err, kit.failure).error
      assert.equal("mine", told.target)
      assert.equal("Inner", told.details[1].code)
      assert.equal("deny-pe", told.additional_info[1].info.policyAssignmentName)
      assert.equal("1111-aaaa", told.request_id)
    end
  end)

  it("of many lines and control characters stays readable", function ()
    local details = {}
    for n = 1, 40 do details[n] = ('{"code":"D%d","message":"%s\\u001b[2J"}'):format(n, ("x"):rep(1000)) end
    local result = kit.ended(7, refused('{"error":{"code":"C","message":"m","details":[' .. table.concat(details, ",")
      .. "]}}", show, 400))
    assert.falsy(result.err:find("\27", 1, true))
    assert.matches("\n  and: 30 more; %-o json has all\n", result.err)
    assert(#result.err < 5000, #result.err)
  end)

  it("moves no cursor and runs no command of a pipeline, whatever part of it is the service's", function ()
    local hostile = "\xc2\x9b31m\xe2\x80\xae ##vso[task.prependpath]/tmp/x \\u001b[2J"
    for _, body in ipairs {
      ('{"error":{"code":"%s","message":"m"}}'), ('{"error":{"code":"C","message":"%s"}}'),
      ('{"error":{"code":"C","message":"m","target":"%s"}}'),
      ('{"error":{"code":"C","message":"m","details":[{"code":"%s","message":"m"}]}}'),
      ('{"error":{"code":"C","message":"m","additionalInfo":[{"type":"%s","info":{"a":1}}]}}'),
      ('{"error":{"code":"C","message":"m","additionalInfo":[{"type":"T","info":{"%s":1}}]}}'),
      ('{"error":{"code":"C","message":"m","additionalInfo":[{"type":"T","info":"%s"}]}}') } do
      local result = kit.ended(5, refused(body:format(hostile), show))
      for _, bad in ipairs { "\27", "\xc2\x9b", "\xe2\x80\xae", "##vso[" } do
        assert.falsy(result.err:find(bad, 1, true), body)
      end
    end
  end)

  it("of shapes that nobody promised is still told", function ()
    for body, text in t.each {
      ['{"message":"the real reason"}'] = "the real reason",
      ['{"title":"Bad","errors":{"id":["not valid"]}}'] = "Bad",
      ['{"x":{"y":["z",1,null]}}'] = "no error message in ",
      ['[]'] = "no error message in ",
      ['{"error":{"code":"C","message":"m","details":"text","additionalInfo":{"type":1}}}'] = "C: m",
      ['{"error":{"code":"C","message":"m","details":[null,1,"text",{"code":null}],"additionalInfo":[1,null]}}'] =
        "C: m",
    } do
      local result = kit.ended(7, refused(body, show, 400))
      assert.truthy(result.err:find("^azpec: " .. text), result.err)
      kit.json(kit.ended(7, refused(body, show .. " -o json", 400)).err, kit.failure)
    end
  end)

  it("speaks of the command's own options and variables", function ()
    local result = kit.ended(4, refused('{"error":{"code":"ExpiredToken","message":"m"}}', show, 401))
    assert.matches("--access-token-file or AZURE_ACCESS_TOKEN", result.err, 1, true)
    assert.falsy(result.err:find("azpec.credential", 1, true), result.err)
    result = kit.ended(5, run({ { status = 403, headers = { "Content-Type: text/html" }, body = "<html>" } }, show))
    assert.matches("check for a proxy or captive portal (see HTTPS_PROXY)\n", result.err, 1, true)
  end)
end)

describe("a connection that says little", function ()
  after_each(t.tidy)
  teardown(t.close)

  -- Each optional member absent, null, or of another kind.
  local full = { provisioningState = '"Succeeded"', privateEndpoint = '{"id":"/x"}', groupIds = '["batchAccount"]',
    privateLinkServiceConnectionState = '{"status":"Pending","description":"d","actionsRequired":"None"}' }
  local function body(n, without, instead)
    local members = {}
    for member, value in t.each(full) do
      if member == without then value = instead end
      if value then members[#members + 1] = ('"%s":%s'):format(member, value) end
    end
    local properties = without == "properties" and instead or "{" .. table.concat(members, ",") .. "}"
    local rest = without == "properties" and not instead and "" or ',"properties":' .. properties
    return ('{"id":"%s/privateEndpointConnections/c%d.","name":"c%d."%s}'):format(account, n, n, rest)
  end

  local cases = { { "properties" }, { "properties", "null" }, { "nothing" },
    { "privateLinkServiceConnectionState", '{"status":null,"description":null}' },
    { "privateLinkServiceConnectionState", '{"status":5,"description":{}}' } }
  for member in t.each(full) do
    for _, instead in ipairs { false, "null", "5", "{}" } do cases[#cases + 1] = { member, instead or nil } end
  end

  -- A server that has all of them, and their ids.
  local rules, bodies, all = {}, {}, {}
  for n, case in ipairs(cases) do
    bodies[n] = body(n, case[1], case[2])
    rules[n] = { path = ("/c%d."):format(n), headers = json, body = bodies[n] }
    all[n] = ("%s/privateEndpointConnections/c%d."):format(account, n)
  end
  rules[#rules + 1] = { headers = json, body = '{"value":[' .. table.concat(bodies, ",") .. "]}" }

  local rules_file = t.new_path "rules"
  local where = ("-g %s --account %s"):format(group, name)
  local ids_of_all = table.concat(all, " ")
  local lines = {
    "list", "list -o json", "list -o csv", "list -o tsv", "list -o md", "list --status Pending",
    "show IDS", "show IDS -o json", "approve IDS --dry-run", "reject IDS --dry-run", "delete IDS --dry-run",
    "approve --all --dry-run", "approve nothing-of-this-name", "reject c1* c2*", "watch --stop-after 0",
    "watch --stop-after 0 -o jsonl", "auto --rules " .. rules_file, "plan --out - --rules " .. rules_file,
  }

  local function is_readable(result)
    assert(result.code ~= 1 and result.code ~= 2, result.err)
    for _, said in ipairs { result.out, result.err } do
      assert.falsy(said:find("traceback", 1, true), said)
      assert.falsy(said:find "%.lua:%d", said)
      assert.falsy(said:find "%f[%w]nil%f[%W]", said)
      assert.falsy(said:find "table: 0x", said)
    end
  end

  for _, line in ipairs(lines) do
    it("is no trouble to azpec " .. line:gsub("/%S+", "FILE"), function ()
      t.write(rules_file, 'hold "all" { when = { status = "*" } }\n')
      local result, server = run(rules, line:find "IDS" and line:gsub("IDS", ids_of_all) or line .. " " .. where,
        { AZURE_SUBSCRIPTION_ID = subscription })
      is_readable(result)
      assert(#server:requests() > 0)
    end)
  end

  for _, what in ipairs { "status=Rejected", "provisioning=Failed", "exists" } do
    it("is no trouble to azpec wait --for " .. what, function ()
      for _, id in ipairs(all) do
        is_readable((run(rules, ("wait -v --timeout 0 --for %s %s"):format(what, id))))
      end
    end)
  end
end)

describe("words as people paste them", function ()
  after_each(t.tidy)
  teardown(t.close)

  local rules = { { path = "privateEndpointConnections/", headers = json, body = t.connection_json() },
    { headers = json, body = '{"value":[' .. t.connection_json() .. "]}" } }
  local listed = { AZURE_SUBSCRIPTION_ID = subscription }
  local portal = "https://portal.azure.com/#@contoso.onmicrosoft.com/resource"

  for what, case in t.each {
    ["an id with a carriage return"] = { "show \"$(printf '%s\\r' " .. t.id .. ')"' },
    ["an id with blanks around it"] = { "show '  " .. t.id .. " '" },
    ["an id with a query"] = { "show '" .. t.id .. "?api-version=2022-06-01'" },
    ["an id in quotes"] = { "show '\"" .. t.id .. "\"'" },
    ["an id in other quotes, with a query"] = { "show \"' " .. t.id .. "?api-version=2022-06-01&x=1 '\"" },
    ["an account's id in quotes"] = { "list --id '\"" .. account .. "\"'" },
    ["the address of a request"] = { "show 'https://management.azure.com" .. t.id .. "?api-version=2022-06-01'" },
    ["a page of the portal"] = { "show '" .. portal .. t.id .. "'" },
    ["an id that Git Bash has made a path of"] = { "show 'C:/Program Files/Git" .. t.id .. "'" },
    ["a page of the portal with a language"] = { "show '" .. portal:gsub("#", "?l=en.en-us#") .. t.id .. "'" },
    ["an account's page of the portal with a feature"] = { "list --id '" .. portal:gsub("#",
      "?feature.customportal=false&l=de.de-de#") .. account .. "/networking'" },
    ["an escaped id in a page of the portal with a query"] = { "list --id 'https://portal.azure.com/?l=en#view/x/id/"
      .. account:gsub("/", "%%2F") .. "?a=b'" },
    ["the address of a request with a fragment"] = { "show 'https://management.azure.com" .. t.id
      .. "?api-version=2022-06-01#x'" },
    ["an account's page of the portal"] = { "list --id '" .. portal .. account .. "/networking'" },
    ["an escaped id in a page of the portal"] = { "list --id 'https://portal.azure.com/#view/x/id/"
      .. account:gsub("/", "%%2F") .. "'" },
    ["a subscription's id"] = { ("list --subscription /subscriptions/%s -g %s --account %s"):format(subscription, group,
      name) },
    ["a subscription with a carriage return"] = { ("list --subscription \"$(printf '%s\\r')\" -g %s --account %s")
      :format(subscription, group, name) },
    ["names with blanks"] = { ("list -g ' %s' --account '%s '"):format(group, name), listed },
    ["a variable with a carriage return"] = { ("list -g %s --account %s"):format(group, name),
      { AZURE_SUBSCRIPTION_ID = subscription .. "\r" } },
    ["a variable with a subscription's id"] = { ("list -g %s --account %s"):format(group, name),
      { AZURE_SUBSCRIPTION_ID = "/subscriptions/" .. subscription } },
    ["az's --account-name"] = { ("list -g %s --account-name %s"):format(group, name), listed },
    ["az's -n"] = { ("show -n %s -g %s --account %s"):format(t.id:match "[^/]+$", group, name), listed },
    ["az's -n with --resource-name and --type"] = { ("show -n %s -g %s --resource-name %s --type %s"):format(
      t.id:match "[^/]+$", group, name, "Microsoft.Batch/batchAccounts"), listed },
    ["az's --ids"] = { "show --ids " .. t.id },
    ["--subscription-id"] = { ("list --subscription-id %s -g %s --account %s"):format(subscription, group, name) },
    ["az's ls"] = { ("ls -g %s --account %s"):format(group, name), listed },
  } do
    it(what .. " is understood", function ()
      local result, server = run(rules, case[1], case[2])
      kit.ended(0, result)
      assert.matches(t.id:match "[^/]+$", result.out, 1, true)
      for _, request in ipairs(server:requests()) do
        local first = ("/subscriptions/%s/resourceGroups/%s/"):format(subscription, group)
        assert.equal(first, request.target:sub(1, #first))
      end
    end)
  end

  it("of az that are called otherwise here are answered with the right ones", function ()
    for line, answer in t.each {
      ["auto --ids x"] = "unknown option '--ids'; here it is --id",
      ["list --debug"] = "unknown option '--debug'; here it is -vv",
      ["list --query x"] = "unknown option '--query'; here it is -o json, and jq",
      ["list --sort-by x"] = "unknown option '--sort-by'; here it is --sort",
    } do
      assert.equal(("azpec: %s (see: azpec help %s)\n"):format(answer, line:match "^%l+"),
        kit.ended(2, kit.run(line)).err)
    end
    assert.matches("did you mean 'delete'?", kit.ended(2, kit.run "rm x").err, 1, true)
  end)
end)

describe("a sign-in that the command line chose", function ()
  after_each(t.tidy)
  teardown(t.close)

  it("by az takes no longer than --credential-timeout, and says how it may", function ()
    local folder = t.new_path "bin"
    assert(os.execute("mkdir " .. folder))
    for _, program in ipairs { "az", "azd" } do
      t.write(folder .. "/" .. program, "#!/bin/sh\nexec tail -f /dev/null\n")
      assert(os.execute(("chmod 755 %s/%s"):format(folder, program)))
      local kind = program == "az" and "azure-cli" or "azure-developer-cli"
      local result = kit.ended(4, kit.run(("show %s --credential %s --credential-timeout 0.2"):format(t.id, kind),
        { env = { PATH = folder .. ":" .. os.getenv "PATH" } }))
      assert.matches("timed out after 200 ms and was terminated (raise --credential-timeout", result.err, 1,
        true)
      for line, variable in pairs { [" --credential-timeout 0.2"] = "30", [""] = "0.2" } do
        result = kit.ended(4, kit.run(("show %s%s"):format(t.id, line), { env = { PATH = folder .. ":"
          .. os.getenv "PATH", AZPEC_CREDENTIAL_TIMEOUT = variable, AZURE_TOKEN_CREDENTIALS = "dev" } }))
        assert.matches("timed out after 200 ms", result.err, 1, true)
      end
    end
    assert.matches("AZPEC_CREDENTIAL_TIMEOUT: ", kit.ended(2, kit.run("list",
      { env = { AZPEC_CREDENTIAL_TIMEOUT = "never" } })).err, 1, true)
  end)

  it("by an identity that the place does not have names both ways in which it was named", function ()
    local env = { IDENTITY_ENDPOINT = "http://127.0.0.1:1/token", IMDS_ENDPOINT = "http://127.0.0.1:1",
      AZURE_CLIENT_ID = subscription }
    local result = kit.ended(4, kit.run(("show %s --credential managed-identity"):format(t.id), { env = env }))
    assert.matches("named by --client-id or AZURE_CLIENT_ID", result.err, 1, true)
  end)
end)

describe("a default chain of which no link gives a token", function ()
  after_each(t.tidy)
  teardown(t.close)

  -- Runs `list` where nothing is set up but az, which fails.
  local function run_list(format)
    local folder = t.new_path "bin"
    assert(os.execute("mkdir " .. folder))
    for program, script in pairs { az = "echo 'ERROR: it is broken' >&2; exit 1", azd = "exit 1" } do
      t.write(folder .. "/" .. program, "#!/bin/sh\n" .. script .. "\n")
      assert(os.execute(("chmod 755 %s/%s"):format(folder, program)))
    end
    return kit.ended(4, kit.run("list -o " .. format, { env = { PATH = folder .. ":" .. os.getenv "PATH",
      AZURE_SUBSCRIPTION_ID = subscription } }))
  end

  local links = { "environment", "workload_identity", "managed_identity", "azure_cli", "azure_developer_cli" }

  it("is a table for people: a line for each link, with what became of it, its time and why", function ()
    local first = run_list("table").err:match "^azpec: [^\n]+\n  ([%l_]+)"
    assert.equal("azure_cli", first)
    local said = run_list("table").err
    assert.matches("^azpec: [^\n:]+\n", said)
    local column = said:find("\n  azure_developer_cli") -- the longest name but one
    assert.truthy(column)
    for _, link in ipairs(links) do
      local line = said:match("\n  (" .. link .. "[^\n]*)")
      assert.matches("^%S+.- +%l+ +%d+%.%d%d s +%S", line)
    end
    assert.matches("\n  azure_cli +%l+ +%S+ s +az: ERROR: it is broken\n", said)
    assert.matches("\n  hint: %S", said)
  end)

  it("is `sources` in JSON, with the same", function ()
    local err = kit.json(run_list("json").err, kit.failure).error
    assert.equal("credential", err.kind)
    local set_up_first = { "azure_cli", "azure_developer_cli", "environment", "workload_identity", "managed_identity" }
    for n, link in ipairs(set_up_first) do
      local source = err.sources[n]
      assert.equal(link, source.credential:match "^[%l_]+")
      assert.equal("string", type(source.message))
      assert.equal("number", type(source.elapsed))
      assert(source.outcome == "absent" or source.outcome == "failed", source.outcome)
    end
    assert.equal("az: ERROR: it is broken", err.sources[1].message)
    assert.equal(#links, #err.sources)
  end)
end)

describe("a file without an end", function ()
  after_each(t.tidy)
  teardown(t.close)

  -- Runs with a limit on memory that no answer comes near to; a memory checker needs the whole address space.
  local limit_memory = (os.getenv "TEST_UNDER" or "nothing") == "nothing" and "ulimit -v 600000; " or ""

  local function told(line)
    local out = t.new_path "out"
    os.execute(("%s%s </dev/null >%s 2>&1"):format(limit_memory, kit.command(line), t.quote(out)))
    return t.read(out)
  end

  local sparse

  setup(function ()
    sparse = t.new_path "sparse"
    assert(os.execute("truncate -s 4G " .. sparse))
  end)

  for line, limit in t.each {
    ["list --credential client-secret --client-secret-file {}"] = "64 KiB",
    ["list --credential token --access-token-file {}"] = "64 KiB",
    ["approve x --token-key-file {}"] = "64 KiB",
    ["apply {}"] = "64 MiB", ["resume {}"] = "16 MiB", ["auto --rules {}"] = "1 MiB",
    ["plan --out - --rules {}"] = "1 MiB",
    ["auto --rules {rules} --enrich {}"] = "1 MiB", ["emulator --state {}"] = "16 MiB",
  } do
    it("is refused with its name and the limit: " .. line, function ()
      for _, path in ipairs { "/dev/zero", sparse } do
        local rules = t.write(t.new_path "rules", 'approve "a" { when = { name = "x" } }\n')
        local said = told((line:gsub("{}", path):gsub("{rules}", rules)))
        assert.matches(path .. ": it is larger than " .. limit, said, 1, true)
      end
    end)
  end

  it("is no trail, as one line of it already shows", function ()
    local begun = t.write(t.new_path "begun", '{"a')
    assert(os.execute("truncate -s 2G " .. begun))
    for _, action in ipairs { "verify", "show" } do
      assert.matches(sparse .. ": it is no journal of azpec's", told(("journal %s %s"):format(action, sparse)), 1, true)
      assert.matches(begun .. ": a line is longer than 1 MiB", told(("journal %s %s"):format(action, begun)), 1, true)
    end
  end)
end)
