-- Data on stdout, all else on stderr; each stream as it may be: closed, full, a broken pipe, a terminal.

local assert = require "luassert"
local kit = require "cli.kit"
local support = require "loopback.support"

local emulator, azpec = kit.stage()

local account = "-g default-azurebatch-japaneast --account sampleacct "
local many = "-g rg-contoso-prod --account manyacct "

-- What a terminal shows of a command.
local function shown(line, env)
  local terminal = kit.on_terminal(kit.command(line:gsub("^%l+", "%0 " .. kit.address(emulator), 1),
    support.merged(kit.environment(emulator), { TERM = "xterm" }, env or {})))
  return terminal
end

describe("standard output", function ()
  it("tells what was done before an error, in each format", function ()
    local lines = { table = 2, json = 3, jsonl = 2, tsv = 1 }
    for format, count in pairs(lines) do
      emulator:reset()
      emulator:faults { { match = { kind = "list", path = "/manyacct/" }, action = { status = 403 } } }
      local result = kit.ended(5, azpec("list", "--fail-fast -o " .. format))
      local _, found = result.out:gsub("\n", "")
      assert.equal(count, found, format)
      assert.matches("sampleacct", result.out)
    end
  end)

  it("and standard error in one file are whole: no line overwrites another", function ()
    local log, env = support.new_path "log", support.merged(kit.environment(emulator), { TERM = "xterm" })
    for _, format in ipairs { "table", "json", "jsonl", "tsv", "csv", "md" } do
      emulator:faults { { match = { kind = "list", path = "/manyacct/" }, action = { status = 403 } } }
      local data = azpec("list", "-o " .. format).out
      kit.ended(12, azpec("list", "-o " .. format, { redirect = ">" .. log, closing = "2>&1", env = env }))
      -- the ids and times of the two runs differ
      local function same(bytes)
        return (bytes:gsub('"errors":%[.-%]}\n', '"errors":[]}\n'):gsub('"read_at":"[^"]*"', '"read_at":""'))
      end
      local text = same(support.read(log))
      data = same(data)
      assert.equal(data, text:sub(1, #data), format)
      assert.matches(format:find "^json" and "^{[^\n]*}\n$" or "^azpec: [^\n]*\n  ", text:sub(#data + 1), format)
    end
  end)

  it("that is closed is an error before anything is done", function ()
    local result = kit.ended(1, azpec("approve", emulator.sample, { redirect = ">&-" }))
    assert.equal("azpec: standard output is closed\n", result.err)
    result = kit.ended(1, azpec("approve", emulator.sample .. " -o json", { redirect = ">&-" }))
    local told = kit.json(result.err, kit.failure).error
    assert.same({ "output", "standard output is closed" }, { told.kind, told.message })
    assert.equal(0, #emulator:log())
  end)

  it("that is full is an error, in each format and for each page", function ()
    for _, format in ipairs { "table", "json", "jsonl", "tsv" } do
      local result = kit.ended(1, azpec("list", account .. "-o " .. format, { redirect = ">/dev/full" }))
      local told = "cannot write to standard output: No space left on device"
      if format:find "^json" then
        assert.equal(told, kit.json(result.err, kit.failure).error.message)
      else
        assert.equal("azpec: " .. told .. "\n", result.err)
      end
    end
    for _, line in ipairs { "help", "list -h", "--version", "completion bash", "help --man" } do
      assert.matches("cannot write to standard output", kit.ended(1, kit.run(line, { redirect = ">/dev/full" })).err)
    end
  end)

  -- The list is longer than a pipe holds: whoever reads one line only is gone before it is all written.
  local function into_head(prefix)
    local code = support.new_path "code"
    local line = ("list %s %s -o jsonl"):format(kit.address(emulator), many)
    local err = support.new_path "err"
    assert(os.execute(("( %s %s 2>%s; echo $? >%s ) | head -n 1 >/dev/null"):format(prefix,
      kit.command(line, kit.environment(emulator)):gsub("timeout %-k 1 %d+ ", ""), err, code)))
    return tonumber(support.read(code)), support.read(err)
  end

  it("that nobody reads any more ends it quietly", function ()
    local code, err = into_head ""
    assert.equal(128 + 13, code)
    assert.equal("", err)
  end)

  it("that nobody reads any more ends it quietly, with 1, where SIGPIPE is ignored", function ()
    local code, err = into_head "trap '' PIPE;"
    assert.equal(1, code)
    assert.equal("", err)
  end)
end)

describe("standard error and input", function ()
  it("may be closed", function ()
    local result = kit.ended(0, azpec("approve", emulator.sample, { closing = "<&- 2>&-" }))
    assert.equal(support.sample_name .. ": Approved (was Pending)\n", result.out)
  end)

  it("have the notes, unless -q", function ()
    local result = kit.ended(0, azpec("list", account .. "--status Rejected"))
    assert.same({ "", "no connection matches\n" }, { result.out, result.err })
    assert.equal("", kit.ended(0, azpec("list", account .. "--status Rejected -q")).err)
  end)

  it("have each request with -vv", function ()
    local result = kit.ended(0, azpec("list", account .. "-vv"))
    local id, answer = result.err:match("\n +%d+%.%d%d%d > GET http://127%.0%.0%.1:%d+/subscriptions/"
      .. "[^\n]*/privateEndpointConnections (%x+%-[%x-]+)\n +%d+%.%d%d%d (< 200 [^\n]+)\n")
    local request_id = emulator:log("list")[1].request_id
    assert.equal(("< 200 %s %s"):format(id, request_id), answer)
  end)

  it("name the connection of each wait with -v and -vv, as the lines of its result do", function ()
    for _, option in ipairs { "-v", "-vv" } do
      emulator:reset()
      emulator:set { operation_polls = 1 }
      emulator:faults { { match = { kind = "update", times = 2 }, action = { status = 500,
        headers = { ["Retry-After"] = "1" }, error = { code = "InternalServerError", message = "busy" } } } }
      local two = ("%s %s %s --yes"):format(option, emulator.many[1], emulator.sample)
      local result = kit.ended(0, azpec("approve", two))
      for name in result.out:gmatch "([^\n]+): Approved" do
        assert.matches(name .. ": InternalServerError: busy (HTTP 500); next attempt in 1.", result.err, 1, true)
        if option == "-vv" then assert.matches(name .. ": running; next poll in ", result.err, 1, true) end
      end
    end
  end)

  it("give secrets: the application's, and a token", function ()
    local env = { AZURE_CLIENT_SECRET = "" }
    env = support.merged(kit.environment(emulator), env)
    kit.ended(0, azpec("list", account .. "--client-secret-file -", { env = env, stdin = support.secret .. "\n" }))
    local file = support.write(support.new_path "secret", support.secret)
    kit.ended(0, azpec("list", account .. "--client-secret-file " .. file, { env = env }))
    assert.matches("^azpec: .*nowhere: No such file", kit.ended(2, kit.run "list --client-secret-file /nowhere").err)
    assert.matches("/dev/null is empty", kit.ended(2, kit.run "list --access-token-file /dev/null").err)
  end)
end)

describe("formats", function ()
  it("JSON lines are a row each", function ()
    local result = kit.ended(0, azpec("list", many .. "-o jsonl"))
    local count = 0
    for line in result.out:gmatch "[^\n]+" do
      count = count + 1
      kit.json(line, kit.connection_row)
    end
    assert.equal(64, count)
  end)

  it("tab-separated values are for cut: each line has the same fields", function ()
    emulator:control("PUT", "state", { tenant_id = emulator.tenant_id, client_id = emulator.client_id,
      client_secret = support.secret, subscription_id = emulator.subscription_id, accounts = { {
        account_name = "sampleacct", resource_group_name = "default-azurebatch-japaneast",
        connections = { { name = "odd", status = "Pending",
          description = "a\tb\nc\\d" } } } } })
    local result = kit.ended(0, azpec("list", account .. "-o tsv"))
    local fields = {}
    for field in result.out:gmatch "([^\t\n]*)[\t\n]" do fields[#fields + 1] = field end
    assert.equal(7, #fields)
    assert.equal("a\\tb\\nc\\\\d", fields[6])
  end)

  it("no JSON is still JSON", function ()
    local result = kit.ended(0, azpec("list", account .. "--status Rejected -o json"))
    assert.matches('^{"schema_version":1,"connections":%[%],"complete":true,', result.out)
    local document = kit.json(result.out, kit.connections)
    assert.same({ 1, 0, 0 }, { document.totals.accounts, document.totals.connections, document.totals.rejected })
  end)

  it("a stranger's description moves no cursor", function ()
    emulator:control("PUT", "state", { tenant_id = emulator.tenant_id, client_id = emulator.client_id,
      client_secret = support.secret, subscription_id = emulator.subscription_id, accounts = { {
        account_name = "sampleacct", resource_group_name = "default-azurebatch-japaneast",
        connections = { { name = "odd", status = "Pending",
          description = "\27[2Jgone\r\u{202e}flip\u{9b}31m" } } } } })
    for _, verb in ipairs { "list", "show" } do
      local out = kit.ended(0, azpec(verb, account .. "odd")).out
      assert.falsy(out:find "[\27\r]")
      assert.truthy(out:find("?[2Jgone??flip?31m", 1, true), out)
    end
    for _, format in ipairs { "tsv", "csv" } do
      local line = ("%s odd -o %s"):format(account, format)
      assert.truthy(azpec("list", line).out:find("\27[2Jgone", 1, true))
      local on_terminal = shown("list " .. line):finish().err
      assert.falsy(on_terminal:find "\27")
      assert.truthy(on_terminal:find("?[2Jgone??flip?31m", 1, true), on_terminal)
    end
  end)

  local function set_description(description)
    emulator:control("PUT", "state", { tenant_id = emulator.tenant_id, client_id = emulator.client_id,
      client_secret = support.secret, subscription_id = emulator.subscription_id, accounts = { {
        account_name = "sampleacct", resource_group_name = "default-azurebatch-japaneast",
        connections = { { name = "odd", status = "Pending",
          description = description } } } } })
  end

  it("a stranger's description is no command of a CI system, in any format", function ()
    set_description "##vso[task.setvariable variable=a]b"
    for verb, line in pairs { list = account, show = account .. "odd", watch = account .. "--stop-after 0s" } do
      for _, format in ipairs { "table", "md", "json", "jsonl", "tsv", "csv" } do
        if not (verb == "watch" and (format == "md" or format == "json")) then
          local result = kit.ended(0, azpec(verb, ("%s -o %s"):format(line, format)))
          assert.matches("task.setvariable", result.out, 1, true)
          assert.falsy((result.out .. result.err):find("##vso[", 1, true), verb .. " " .. format)
        end
      end
    end
    local result = azpec("show", account .. "nix")
    assert.matches("# #vso[task", result.err, 1, true)
    assert.falsy(result.err:find("##vso[", 1, true))
  end)

  it("a line within a stranger's description is no command of GitHub Actions, in any format", function ()
    for _, line_end in ipairs { "\n", "\r", "\r\n" } do
      set_description("x" .. line_end .. "::add-path::/tmp/evil" .. line_end .. " ::error::")
      for _, format in ipairs { "table", "md", "json", "jsonl", "tsv", "csv" } do
        local out = kit.ended(0, azpec("list", account .. "-o " .. format)).out
        assert.matches("add-path", out, 1, true)
        assert.falsy(("\n" .. out):find "[\r\n]%s*::%a", format)
      end
    end
  end)

  it("a command of GitHub Actions is none, either, if it is divided over two cells", function ()
    emulator:control("PUT", "state", { tenant_id = emulator.tenant_id, client_id = emulator.client_id,
      client_secret = support.secret, subscription_id = emulator.subscription_id, accounts = { {
        account_name = "sampleacct", resource_group_name = "default-azurebatch-japaneast",
        connections = { { name = "odd", status = "Pending", description = "::set-output name=x",
          private_endpoint_id = "/subscriptions/" .. emulator.subscription_id
            .. "/resourceGroups/rg/providers/Microsoft.Network/privateEndpoints/y::z" } } } } })
    for _, format in ipairs { "table", "md", "tsv", "csv" } do
      local line = account .. "--columns description,private_endpoint_name -o " .. format
      local out = kit.ended(0, azpec("list", line)).out
      assert.matches("set-output name=x", out, 1, true)
      assert.matches("y::z", out, 1, true)
      assert.falsy(("\n" .. out):find "[\r\n]%s*::%a", format)
    end
  end)

  it("a command of GitHub Actions is none, either, if it is divided over a line of words", function ()
    local lua = os.getenv "LUA" or "lua5.4"
    local pipe <close> = io.popen(lua .. [[ -e '
      local out = require "azpec.cli.output".new("table", { line = function (row) return row.a .. row.b end })
      out:row { a = "::set-output ", b = "x::y" }
      out:close()']])
    assert.equal(": :set-output x::y\n", pipe:read "a")
  end)

  it("JSON has no control character and nothing that turns the direction of writing", function ()
    set_description "\u{9b}31m\u{202e}flip\u{85}"
    for _, format in ipairs { "json", "jsonl" } do
      local out = kit.ended(0, azpec("list", account .. "-o " .. format)).out
      assert.matches("\\u009b31m\\u202eflip\\u0085", out, 1, true)
      assert.falsy(out:find "[\128-\255]")
    end
  end)

  it("a description is no formula in comma-separated values", function ()
    for _, description in ipairs { "=1+1", " =1+1", "\u{ff1d}1+1", "\"=1+1", "\u{a0}@x", "\tx" } do
      set_description(description)
      local out = kit.ended(0, azpec("list", account .. "-o csv")).out
      assert.truthy(out:find("'" .. description:gsub('"', '""'), 1, true), out)
    end
  end)

  it("a description is no formula, either, where another sign separates cells", function ()
    for _, sign in ipairs { ";", "\t", "\n", "; ", ";\"" } do
      set_description("x" .. sign .. "=cmd|' /C calc'!A0;y-1;z")
      local out = kit.ended(0, azpec("list", account .. "-o csv")).out
      assert.falsy(out:find '[;\t\n][%s"]*=', out)
      assert.truthy(out:find("=cmd|' /C calc'!A0;y-1;z", 1, true), out)
    end
  end)

  it("a description has neither marks nor character references in Markdown", function ()
    set_description "&rlm;<b> &#8207; `x` | \\"
    assert.matches([[| \&rlm;\<b\> \&\#8207; \`x\` \| \\ |]],
      kit.ended(0, azpec("list", account .. "-o md --columns name,description")).out, 1, true)
  end)

  it("an error is JSON, too, where data is", function ()
    local result = kit.ended(3, azpec("show", account .. "nix -o json"))
    local failure = kit.json(result.err, kit.failure)
    assert.equal("no_match", failure.error.kind)
    assert.equal(emulator.sample, failure.error.candidates[1])
    assert.equal("", result.out)
  end)
end)

describe("colours", function ()

  it("are shown on a terminal, and only there", function ()
    local line = "list " .. many .. "--name 'many0*'"
    local yellow = "\27[33mPending"
    assert.truthy(shown(line):finish().err:find(yellow, 1, true))
    assert.falsy(shown(line, { NO_COLOR = "1" }):finish().err:find "\27")
    for _, kind in ipairs { "dumb", "" } do assert.falsy(shown(line, { TERM = kind }):finish().err:find "\27") end
    assert.falsy(shown(line .. " --color never"):finish().err:find "\27")
    assert.falsy(azpec("list", many).out:find "\27")
    assert.truthy(azpec("list", many .. "--color always").out:find(yellow, 1, true))
    assert.falsy(azpec("list", many .. "--color always -o tsv").out:find "\27")
  end)
end)

describe("a terminal", function ()
  it("is asked before more than one is touched, and no is the answer", function ()
    local terminal = shown("approve " .. many .. "--all --name 'many0*'")
    terminal:answer "\n"
    local result = kit.ended(1, terminal:finish())
    assert.matches("Approve 9 connections%? %[y/N%]", result.err)
    assert.matches("azpec: .*nothing was done", result.err)
    assert.equal(0, #emulator:log "update")
  end)

  it("is taken at its word: what another person decides while the question stands stays so", function ()
    local terminal = shown("reject " .. many .. "--all --status Pending --name 'many0*'")
    repeat until #emulator:log "list" > 0 -- what it asks about is what that said
    kit.ended(0, azpec("approve", emulator.many[1]))
    terminal:answer "y\n"
    local result = kit.ended(12, terminal:finish())
    assert.matches("9 connections: 8 changed, 1 stale", result.err)
    assert.equal("Approved", emulator:connection(emulator.many[1]).status)
  end)

  it("shows a bar while many are under way", function ()
    local terminal = shown("approve " .. many .. "--all --name 'many0*'")
    terminal:answer "y\n"
    local result = kit.ended(0, terminal:finish())
    assert.matches("%[[#-]+%] %d/9", result.err)
    assert.equal(9, #emulator:log "update")
  end)

  it("shows none where TERM names no terminal that could, and one of any width", function ()
    local line = "approve --yes " .. many .. "--all --name 'many0*'"
    for _, kind in ipairs { "dumb", "" } do
      emulator:reset()
      assert.falsy(kit.ended(0, shown(line, { TERM = kind }):finish()).err:find "[\27%[]")
    end
    for _, columns in ipairs { "0", "1", "-5", "wide", "3.5", "1e9", "99999999999999999999" } do
      emulator:reset()
      assert.matches("9 connections: 9 changed",
        kit.ended(0, shown(line, { COLUMNS = columns }):finish()).err)
    end
  end)

  it("is not asked with --yes", function ()
    assert.falsy(kit.ended(0, shown("approve --yes " .. many .. "--all --name 'many0*'"):finish()).err:find "y/N")
  end)
end)
