-- Habits from az, gh and kubectl: ids on standard input, variables for options, values with dashes,
-- columns, tables as wide as the terminal.

local assert = require "luassert"
local kit = require "cli.kit"
local support = require "loopback.support"

local emulator, azpec = kit.stage()

local many = "-g rg-contoso-prod --account manyacct "

describe("ids on standard input", function ()
  local function names(out)
    local list = {}
    for name in out:gmatch "([%w]+)%.[%x-]+: " do list[#list + 1] = name end
    return table.concat(list, " ")
  end

  it("are read one per line, with carriage returns, blank lines and names among them", function ()
    local stdin = emulator.many[1] .. "\r\n\n  \r\nmany02\n\"" .. emulator.many[3] .. "\"" -- without an end
    local result = kit.ended(0, azpec("approve", "- --yes " .. many, { stdin = stdin }))
    assert.equal("many01 many02 many03", names(result.out))
    assert.equal(3, #emulator:log "update")
  end)

  it("may be rows, as another azpec prints them", function ()
    for _, format in ipairs { "-o jsonl", "-o tsv | cut -f 7" } do
      local listed = ("%s list %s %s 'many0*' %s"):format("scripts/bin/azpec", kit.address(emulator), many, format)
      local line = ("%s | scripts/bin/azpec reject - --yes --dry-run %s"):format(listed, kit.address(emulator))
      local result = kit.ended(0, kit.shell(line, { env = kit.environment(emulator) }))
      assert.equal("9 connections: 9 would change\n", result.err)
    end
  end)

  it("may be a list in JSON, and several may be one word, as az prints them", function ()
    local two = { emulator.many[1], emulator.many[2] }
    for _, case in ipairs { { "-", ('[\n  "%s",\n  "%s"\n]\n'):format(two[1], two[2]) },
      { "'" .. table.concat(two, "\n") .. "'" }, { "--ids '" .. table.concat(two, " ") .. "'" },
      { "--ids " .. table.concat(two, " ") } } do
      assert.equal("many01 many02", names(kit.ended(0, azpec("reject", "--dry-run " .. case[1],
        { stdin = case[2] })).out))
    end
  end)

  it("stand beside words, each connection once, and name their subscription", function ()
    local result = kit.ended(0, azpec("show", emulator.many[1] .. " - -o tsv", {
      stdin = emulator.many[1] .. "\n" .. emulator.many[2], env = support.merged(kit.environment(emulator),
        { AZURE_SUBSCRIPTION_ID = "" }) }))
    assert.equal(2, select(2, result.out:gsub("\n", "")))
  end)

  it("and words may be ACCOUNT/NAME, as lines of output begin", function ()
    local result = kit.ended(0, azpec("reject", "- manyacct/many02 -g rg-contoso-prod --dry-run",
      { stdin = "MANYACCT/many01\n" }))
    assert.equal("many01 many02", names((result.out:gsub("manyacct/", ""))))
    assert.matches("no connection matches name 'other' and account 'manyacct'",
      kit.ended(3, azpec("show", "manyacct/other -g rg-contoso-prod")).err, 1, true)
  end)

  it("and words may have group and subscription in front, as where accounts share a name", function ()
    for _, place in ipairs { "RG-contoso-prod/", emulator.subscription_id .. "/rg-contoso-prod/" } do
      local out = kit.ended(0, azpec("show", place .. "manyacct/many02 -o tsv --columns name")).out
      assert.matches("^many02%.[^\n]*\n$", out)
    end
    local result = kit.ended(3, azpec("show", "default-azurebatch-japaneast/manyacct/many02"))
    assert.matches("hint: did you mean the Batch account 'rg-contoso-prod/manyacct'?", result.err, 1, true)
    local elsewhere, own = "11111111-2222-4333-8444-555555555555", emulator.subscription_id
    for line, noun in support.each {
      ["rg-x/manyacct/many02 -g rg-contoso-prod"] = "resource group 'rg-contoso-prod'",
      ["other/many02 --account manyacct"] = "account 'manyacct'",
      [elsewhere .. "/rg/acct/x --subscription " .. own] = "subscription '" .. own } do
      for _, verb in ipairs { "show", "wait --for gone --timeout 0" } do
        local name, rest = verb:match "^(%S+) ?(.*)$"
        result = kit.ended(2, azpec(name, rest .. " " .. line))
        assert.matches("' is not in the " .. noun, result.err, 1, true)
      end
    end
    for _, word in ipairs { "a/b/c/d/e", "a//b", "/a", "a/" } do
      assert.matches("a name with its place is ACCOUNT/NAME, GROUP/ACCOUNT/NAME or",
        kit.ended(2, azpec("show", word)).err, 1, true)
    end
  end)

  it("that name an account which is not there are an error, for wait as well: it is not gone", function ()
    for _, line in ipairs { "wait --for gone manyact/many01 --timeout 0", "approve manyact/many01 --dry-run",
      "wait --for exists manyact/many01 --timeout 0", "delete 'many01' manyact/many01 --all --yes" } do
      local verb, rest = line:match "^(%S+) (.*)$"
      local result = kit.ended(3, azpec(verb, rest))
      assert.matches("there is no Batch account 'manyact' [^\n]+; did you mean 'manyacct'%?", result.err)
      assert.matches("--all-subscriptions looks in its other subscriptions", result.err, 1, true)
      assert.equal("", result.out)
    end
  end)

  it("that name one account read it alone, so another that cannot be read changes nothing", function ()
    emulator:faults { { match = { kind = "list", path = "/sampleacct/" }, action = { status = 403 } } }
    emulator:control("DELETE", "log")
    kit.ended(0, azpec("approve", "manyacct/many01 MANYACCT/many02 --dry-run"))
    assert.equal(1, #emulator:log "list")
    local result = kit.ended(12, azpec("approve", "manyacct/many01 tokyobatch/kaihatsu --dry-run"))
    assert.matches("2 connections: 2 would change", result.err, 1, true) -- no other account can have them
    assert.matches("cannot read default-azurebatch-japaneast/sampleacct", result.err, 1, true)
  end)

  it("that are none are an error, and never all", function ()
    for _, stdin in ipairs { "", "\n\r\n" } do
      local result = kit.ended(3, azpec("delete", "- --yes " .. many, { stdin = stdin }))
      assert.equal("azpec: standard input names no connection\n", result.err)
    end
    assert.equal("no connection matches\n", kit.ended(0, azpec("delete", "- --yes --allow-none " .. many)).err)
    kit.ended(2, azpec("approve", "- --yes " .. many, { stdin = "/not/an/id\n" }))
    assert.matches("^azpec: standard input: Bad file descriptor", kit.ended(2, azpec("delete", "- --yes --allow-none "
      .. many, { closing = "<&-" })).err) -- it is closed, not empty
    assert.matches("cannot both read standard input", kit.ended(2, azpec("approve", "- --access-token-file - " .. many,
      { stdin = emulator.many[1] })).err)
    assert.equal(0, #emulator:log "update" + #emulator:log "delete")
  end)

  it("are not a table or -o json, which are refused with what to give", function ()
    local listed = "scripts/bin/azpec list " .. kit.address(emulator) .. " " .. many
    for _, format in ipairs { "", "-o json", "-o tsv" } do
      local line = ("%s %s | scripts/bin/azpec delete - --yes %s"):format(listed, format, kit.address(emulator))
      local result = kit.ended(2, kit.shell(line, { env = kit.environment(emulator) }))
      assert.matches("azpec: line 1 of standard input is neither an id nor a name; give it rows of -o jsonl, or a "
        .. "column of -o tsv, in UTF-8", result.err, 1, true)
    end
    assert.equal(0, #emulator:log "delete")
  end)

  it("are not UTF-16, and no NUL or control character is in them", function ()
    for _, stdin in ipairs { "\255\254m\0a\0n\0y\0001\0\n\0", "many01\0many02\0", "many01\7\n", "many\xff\n" } do
      local result = kit.ended(2, azpec("delete", "- --yes --allow-none " .. many, { stdin = stdin }))
      assert.matches("line 1 of standard input is neither an id nor a name", result.err, 1, true)
    end
    assert.equal("", emulator:kinds())
  end)

  it("are not JSON rows without id, or JSON of several rows, which are refused with what to give", function ()
    local many_rows = "standard input has JSON that is not one row per line; give it rows as -o jsonl or jq -c '.[]' "
      .. "prints them"
    for stdin, said in pairs { ['{"account_name":"manyacct","name":"many01"}\n'] =
        "standard input has a row without id; leave --columns out there, or add id to it",
      ['[\n  {\n    "id": "x"\n  }\n]\n'] = many_rows, ['[{"id":"x"}]\n'] = many_rows, ['["x","y"]\n'] = many_rows,
      ['{\n  "id": "x"\n}\n'] = many_rows } do
      assert.matches(said, kit.ended(2, azpec("show", "- " .. many, { stdin = stdin })).err, 1, true)
    end
    assert.equal("", emulator:kinds())
  end)

  it("may begin with a byte order mark, as PowerShell writes it; files may, too", function ()
    local mark = "\xef\xbb\xbf"
    local stdin = mark .. emulator.many[1] .. "\r\n"
    local result = kit.ended(0, azpec("reject", "- --dry-run " .. many, { stdin = stdin }))
    assert.equal("many01", names(result.out))
    local rules = support.write(support.new_path "rules" .. ".lua", mark .. 'hold "x" { when = { name = "many01" } }\n')
    kit.ended(0, azpec("auto", ("--rules %s %s"):format(rules, many)))
    local secret = support.write(support.new_path "secret", mark .. support.secret .. "\r\n")
    kit.ended(0, azpec("list", ("--client-secret-file %s %s"):format(secret, many),
      { env = support.merged(kit.environment(emulator), { AZURE_CLIENT_SECRET = "" }) }))
  end)

  it("need --yes for more than one, since nobody can be asked", function ()
    local stdin = table.concat(emulator.many, "\n", 1, 2)
    assert.matches("so %-%-yes or %-%-max N is needed", kit.ended(2, azpec("approve", "- " .. many,
      { stdin = stdin })).err)
  end)
end)

describe("--max-tries", function ()
  it("says how often a busy service is asked, and -v each wait", function ()
    emulator:faults { { match = { kind = "list" }, action = { status = 429, headers = { ["Retry-After"] = "1" } } } }
    local result = kit.ended(9, azpec("list", many .. "--max-tries 2 -v"))
    assert.equal(2, #emulator:log "list")
    assert.matches("azpec: rg%-contoso%-prod/manyacct: [^\n]*; next attempt in 1%.%d s\n", result.err)
    assert.matches("--max-tries: '0' is not a number of 1 or more", kit.ended(2, azpec("list", "--max-tries 0")).err, 1,
      true)
  end)

  it("lets a request of the sign-in be sent three times at most, as help and the guide say", function ()
    emulator:faults { { match = { kind = "token" }, action = { status = 503, retry_after = "ms:20" } } }
    for given, tries in pairs { [1] = 1, [8] = 3 } do
      emulator:control("DELETE", "log")
      kit.ended(9, azpec("list", ("%s--max-tries %d"):format(many, given)))
      assert.equal(tries, #emulator:log "token")
    end
    for _, text in ipairs { kit.ended(0, kit.run "help list").out, (support.read "scripts/README.md") } do
      assert.matches("request of the sign-in is sent three times at most", text:gsub("%s+", " "), 1, true)
    end
  end)
end)

describe("a Retry-After", function ()
  local function ask_for(seconds)
    emulator:faults { { match = { kind = "list" }, action = { status = 503, retry_after = tostring(seconds) } } }
  end

  it("that fits into --timeout is obeyed, however long", function ()
    ask_for(3599)
    local process = kit.start(("list %s %s -v --timeout 1h"):format(kit.address(emulator), many),
      { env = kit.environment(emulator) })
    assert.matches("; next attempt in 3599%.0 s$", process:read_until "next attempt")
    process:signal "INT"
    kit.ended(130, process:finish())
  end)

  it("that does not fit ends the command at once", function ()
    for line, seconds in pairs { [""] = 301, ["--timeout 1m"] = 61 } do
      ask_for(seconds)
      assert.matches(("\n  try again in: %d s\n"):format(seconds), kit.ended(9, azpec("list", many .. line)).err)
    end
    assert.equal(2, #emulator:log "list")
  end)
end)

describe("an account's name", function ()
  it("that is given as a connection's is answered with the option to give", function ()
    assert.matches("^no connection matches.*; 'manyacct' is a Batch account: %-%-account manyacct\n$",
      kit.ended(0, azpec("list", "manyacct")).err)
  end)
end)

describe("files of options", function ()
  it("are different ones where azpec writes to one, by whatever name and in whatever place", function ()
    local folder = support.new_path "files"
    assert(os.execute("mkdir " .. folder))
    local function refuses(verb, line, one, other, env)
      local result = kit.ended(2, azpec(verb, (line:gsub("F/", folder .. "/")), { env = env and
        support.merged(kit.environment(emulator), { AZPEC_JOURNAL = folder .. "/f" }) }))
      assert.matches(("azpec: %s and %s name one file, "):format(one, other), result.err, 1, true)
    end
    refuses("approve", "--journal F/f --trace F/./f " .. emulator.sample, "--journal", "--trace")
    refuses("approve", "--trace F/f " .. emulator.sample, "--journal", "--trace", true)
    refuses("auto", "--apply --rules F/r.lua --lock F/f --journal F//f", "--lock", "--journal")
    refuses("report", "--out F/f --trace F/f", "--out", "--trace")
    support.write(folder .. "/r.lua", "")
    assert(os.execute(("ln %s/r.lua %s/p.json"):format(folder, folder)))
    refuses("plan", "--rules F/r.lua --out F/p.json", "--rules", "--out")
    kit.ended(0, azpec("list", many .. "--trace /dev/stderr"))
    assert.equal(0, #emulator:log "update")
    local pipe <close> = io.popen("ls " .. folder)
    assert.equal("p.json\nr.lua\n", pipe:read "a")
  end)
end)

describe("the word - as a file", function ()
  it("is a standard stream or refused, and never the name of a file", function ()
    local function refuses(name, line, env)
      local result = kit.ended(2, kit.run(line, { env = support.merged(kit.environment(emulator), env or {}) }))
      assert.matches(("azpec: %s: - names no file here; write ./- for a file of that name"):format(name), result.err, 1,
        true)
    end
    refuses("--journal", "approve --journal - " .. emulator.sample)
    refuses("--journal", "approve " .. emulator.sample, { AZPEC_JOURNAL = "-" })
    refuses("--trace", "list --trace -")
    refuses("--lock", "auto --apply --rules r.lua --lock -")
    refuses("--rules", "plan --rules - --out -")
    refuses("PLAN", "apply -")
    refuses("FILE", "journal verify -")
    assert.equal(0, #emulator:log "update")
  end)
end)

describe("an option of one value", function ()
  it("that is given twice is refused, with both values", function ()
    for line, words in pairs {
      ["--account a --account=b"] = "--account is given twice, as 'a' and as 'b'; -g means all accounts of a group; "
        .. "or give ids of connections",
      ["-g a --group b"] = "--resource-group is given twice, as 'a' and as 'b'; without it all groups are "
        .. "meant; or run the command once for each",
      ["--sort name --sort status"] = "--sort is given twice, as 'name' and as 'status'",
    } do
      assert.matches(words, kit.ended(2, azpec("list", line)).err, 1, true)
    end
    assert.equal(0, #emulator:log())
  end)

  it("may be repeated as it is; of settings the last one counts", function ()
    local env = support.merged(kit.environment(emulator), { AZPEC_OUTPUT = "json" })
    local result = kit.ended(0, azpec("list", many .. "-o csv -o tsv -g rg-contoso-prod", { env = env }))
    assert.equal(64, select(2, result.out:gsub("\n", "")))
  end)
end)

describe("a value that begins with a dash", function ()
  it("is a value where no option is called so", function ()
    kit.ended(0, azpec("approve", "--description '- as agreed' " .. emulator.sample))
    assert.equal("- as agreed", emulator:connection(emulator.sample).description)
    kit.ended(0, azpec("approve", "--description '-5 degrees' " .. emulator.sample))
    assert.equal("-5 degrees", emulator:connection(emulator.sample).description)
  end)

  it("that is an option stays one", function ()
    assert.matches("option '%-%-description' requires an argument",
      kit.ended(2, azpec("approve", "--description -q " .. emulator.sample)).err)
    assert.matches("option '%-%-description' requires an argument",
      kit.ended(2, azpec("approve", "--description --yes " .. emulator.sample)).err)
    assert.equal(0, #emulator:log "update")
  end)
end)

describe("variables", function ()
  -- Runs azpec with no option that names the emulator.
  local function bare(line, more)
    local env = support.merged(kit.environment(emulator), { AZPEC_ENDPOINT = emulator.tls_endpoint,
      AZPEC_AUTHORITY_HOST = emulator.tls_endpoint, AZPEC_CA_FILE = emulator.ca_file })
    return kit.run(line, { env = support.merged(env, more or {}) })
  end

  it("stand for options", function ()
    assert.matches("^ACCOUNT", kit.ended(0, bare("list " .. many)).out)
    assert.equal(64, #kit.json(kit.ended(0, bare("list " .. many, { AZPEC_OUTPUT = "json" })).out,
      kit.connections).connections)
    assert.matches("InvalidApiVersionParameter", bare("list " .. many,
      { AZPEC_API_VERSION = "1999-01-01" }).err)
    assert.matches("\n  hint: .*%-%-ca%-file or AZPEC_CA_FILE",
      bare("list " .. many, { AZPEC_CA_FILE = "README.md" }).err)
  end)

  it("are named by messages about their values, which name an option only if it is given", function ()
    local ages = "list --older-than 1d " .. many
    for variable, value in pairs { AZPEC_API_VERSION = "1", AZPEC_ENDPOINT = "https://127.0.0.1/path",
      AZPEC_AUTHORITY_HOST = "https://127.0.0.1/path", AZPEC_CA_FILE = "/tmp" } do
      assert.matches(("azpec: %s: "):format(variable), kit.ended(2, bare("list " .. many, { [variable] = value })).err,
        1, true)
    end
    local old, unknown = { AZPEC_API_VERSION = "2021-01-01" }, { AZPEC_API_VERSION = "1999-01-01" }
    assert.matches("and AZPEC_API_VERSION 2021%-01%-01 tells none", kit.ended(2, bare(ages, old)).err)
    assert.matches("and %-%-api%-version 2022%-06%-01 tells none",
      kit.ended(2, bare(ages .. "--api-version 2022-06-01", old)).err)
    assert.matches("omit AZPEC_API_VERSION", kit.ended(7, bare("list " .. many, unknown)).err)
    assert.matches("omit %-%-api%-version", kit.ended(7, bare("list --api-version 1999-02-02 " .. many, unknown)).err)
    local certificate = { AZURE_CLIENT_SECRET = "", AZURE_CLIENT_CERTIFICATE_PATH = "/none" }
    assert.matches("AZURE_CLIENT_CERTIFICATE_PATH '/none': No such file", bare("list " .. many, certificate).err)
    assert.matches("%-%-client%-certificate%-file '/other': No such file",
      bare("list --client-certificate-file /other " .. many, certificate).err)
  end)

  it("give way to the command line, and are nothing where they are empty", function ()
    assert.matches("^manyacct\t", kit.ended(0, bare("list -o tsv " .. many, { AZPEC_OUTPUT = "json" })).out)
    assert.matches("^ACCOUNT", kit.ended(0, bare("list " .. many, { AZPEC_OUTPUT = "", AZPEC_CLOUD = "" })).out)
    kit.ended(0, bare(("list --endpoint %s %s"):format(emulator.endpoint, many),
      { AZPEC_ENDPOINT = "https://127.0.0.1:1" }))
  end)

  it("that are wrong are named, in JSON too where it was asked for", function ()
    assert.equal("azpec: AZPEC_OUTPUT: 'jsno' is not one of table, json, jsonl, tsv, csv, md; did you mean 'json'? "
      .. "(see: azpec help list)\n", kit.ended(2, bare("list", { AZPEC_OUTPUT = "jsno" })).err)
    assert.matches("^AZPEC_CLOUD: ", kit.json(kit.ended(2, bare("list", { AZPEC_OUTPUT = "json",
      AZPEC_CLOUD = "Cloud9" })).err, kit.failure).error.message)
    for _, name in ipairs { "AZPEC_ENDPOINT", "AZPEC_AUTHORITY_HOST" } do
      assert.matches("^azpec: " .. name .. ": an https address is expected here; the option takes http, too ",
        kit.ended(2, bare("list", { [name] = emulator.endpoint })).err)
    end
  end)

  it("of which AZURE_SUBSCRIPTION_ID must be what --subscription must be", function ()
    local why = ": 'prod' is not the id of a subscription, which is a GUID; az account show --name NAME --query id "
      .. "prints it (see: azpec help "
    for _, verb in ipairs { "list", "report --out x.html", "doctor -g rg --account acct" } do
      local name = verb:match "%l+"
      assert.equal("azpec: AZURE_SUBSCRIPTION_ID" .. why .. name .. ")\n",
        kit.ended(2, bare(verb, { AZURE_SUBSCRIPTION_ID = "prod" })).err)
      assert.equal("azpec: --subscription" .. why .. name .. ")\n",
        kit.ended(2, bare(verb .. " --subscription prod")).err)
    end
    kit.ended(0, bare(("list --subscription %s %s"):format(emulator.subscription_id, many),
      { AZURE_SUBSCRIPTION_ID = "prod" }))
  end)

  it("make no difference to help, completion and the man page", function ()
    for _, line in ipairs { "help list", "completion bash", "help --man", "list -h" } do
      assert.equal(kit.run(line).out, kit.ended(0, kit.run(line, { env = { AZPEC_OUTPUT = "json",
        AZPEC_ENDPOINT = "https://secret.example" } })).out)
    end
  end)
end)


describe("columns", function ()
  local function lines(result)
    local list = {}
    for line in kit.ended(0, result).out:gmatch "[^\n]+" do list[#list + 1] = line:gsub(" +$", "") end
    return list
  end

  it("are those that are named, in that order, by title or member, in any format", function ()
    local chosen = many .. "many01 many02 --columns Status,base-name,'private endpoint subscription' "
    local endpoint = emulator.subscription_id
    assert.same({ "STATUS   BASE NAME  PRIVATE ENDPOINT SUBSCRIPTION", "Pending  many01     " .. endpoint,
      "Pending  many02     " .. endpoint }, lines(azpec("list", chosen)))
    assert.same({ "Pending\tmany01\t" .. endpoint, "Pending\tmany02\t" .. endpoint },
      lines(azpec("list", chosen .. "-o tsv")))
    assert.equal("status,base_name,private_endpoint_subscription\r", lines(azpec("list", chosen .. "-o csv"))[1])
    assert.same({ status = "Pending", base_name = "many01", private_endpoint_subscription = endpoint },
      kit.json(lines(azpec("list", chosen .. "-o jsonl"))[1], "any"))
    assert.equal(2, #kit.json(kit.ended(0, azpec("list", chosen .. "-o json")).out,
      support.merged(kit.connections, { connections = { { status = "=Pending", base_name = "string",
        private_endpoint_subscription = "string" } } })).connections)
  end)

  it("are members before titles: a private endpoint's name and id", function ()
    local function cell(name) return lines(azpec("list", many .. "many01 -o tsv --columns " .. name))[1] end
    assert.equal("many01", cell "'private endpoint'")
    assert.matches("^/subscriptions/.*/privateEndpoints/many01$", cell "private_endpoint")
  end)

  it("may be ages, which the chosen api-version has, of each verb that shows connections", function ()
    local rules = support.write(support.new_path "rules", "hold 'all' { because = 'x' }")
    kit.ended(0, azpec("approve", emulator.many[1]))
    for verb, line in pairs { list = "", show = "", wait = "--for exists", watch = "--stop-after 0s", drift = "" } do
      local where = verb == "drift" and many .. "--rules " .. rules or line .. " " .. emulator.many[1]
      local result = azpec(verb, where .. " -o tsv --columns base_name,created_at,age")
      assert.matches("^many01\t%d+%-%d+%-%d+T[%d:.]+Z\t%d+[sm]\n", result.out, verb)
      assert.matches("--columns age needs ages, and --api-version 2022-06-01 tells none", kit.ended(2, azpec(verb, where
        .. " -o tsv --columns age --api-version 2022-06-01")).err, 1, true)
      assert.equal("emulator\n", azpec(verb, where .. " -o tsv --columns created_by").out)
      assert.matches("--columns created_by needs creators, and --api-version 2022-06-01 tells none", kit.ended(2,
        azpec(verb, where .. " -o tsv --columns created_by --api-version 2022-06-01")).err, 1, true)
    end
  end)

  it("make a table of what else is words", function ()
    assert.same({ "RESULT   BEFORE   ACCOUNT", "changed  Pending  manyacct" },
      lines(azpec("approve", "--columns result,before,account_name " .. emulator.many[1])))
    assert.matches("use %-%-columns with %-o tsv", kit.ended(2, azpec("watch", many .. "--columns name")).err)
  end)

  it("that there are not are answered with the nearest, before anything is sent", function ()
    local result = kit.ended(2, azpec("approve", "--columns name,reslt " .. emulator.many[1]))
    assert.matches("^azpec: %-%-columns: there is no column 'reslt'; there are name, result, before, .*; "
      .. "did you mean 'result'%?", result.err)
    assert.matches("'name,,id' has an empty name", kit.ended(2, azpec("list", "--columns name,,id")).err)
    assert.matches("%-%-sort: there is no column 'nam'", kit.ended(2, azpec("list", many .. "--sort nam")).err)
    assert.equal(0, #emulator:log "update")
  end)

  -- Connections whose names, descriptions and times say in which order they are.
  local function put(list)
    local connections = {}
    for n, one in ipairs(list) do connections[n] = { name = one[1], description = one[2], status = one[3] } end
    emulator:control("PUT", "state", { tenant_id = emulator.tenant_id, client_id = emulator.client_id,
      client_secret = support.secret, subscription_id = emulator.subscription_id, accounts = {
        { account_name = "one", resource_group_name = "rg", connections = connections } } })
  end

  local function sorted(by)
    return table.concat(lines(azpec("list", "--account one -g rg -o tsv --columns name --sort " .. by)), " ")
  end

  it("sort, upwards and downwards, without letter case, and with what is missing last", function ()
    put { { "b", "x" }, { "A", "y", "Approved" }, { "d" }, { "C", "x" }, { "e" } }
    assert.equal("A b C d e", sorted "name")
    assert.equal("e d C b A", sorted "-name")
    assert.equal("b C A d e", sorted "description")
    assert.equal("A b C d e", sorted "-description")
    assert.equal("A C b e d", sorted "-description,-name")
    assert.equal("", kit.ended(0, azpec("list", "--account one -g rg 'nobody' --sort name")).out)
    assert.equal("A b d C e", sorted "STATUS") -- equal ones stay in their order
  end)
end)

describe("a table", function ()
  -- The lines that a terminal of so many columns shows.
  local function shown(line, columns, env)
    local inner = ("stty cols %d 2>/dev/null; exec %s"):format(columns, kit.command(line,
      support.merged(kit.environment(emulator), { TERM = "dumb" }, env or {})))
    local pipe <close> = io.popen(kit.in_terminal(inner) .. " </dev/null")
    local list = {}
    for row in pipe:read "a":gmatch "[^\r\n]+" do list[#list + 1] = row end
    return list
  end

  local text = require "azpec.text"
  local list = ("list %s %s many01"):format(kit.address(emulator), many)

  it("is no wider than the terminal; long cells lose their middles", function ()
    local whole = kit.ended(0, kit.run(list, { env = kit.environment(emulator) })).out
    local natural = math.max(text.width(whole:match "^[^\n]*"), text.width(whole:match "\n([^\n]*)\n$"))
    for _, columns in ipairs { natural + 20, natural, natural - 1, 100, 80, 60, 40, 20, 7, 1 } do
      local rows = shown(list, columns)
      assert.equal(2, #rows)
      for _, row in ipairs(rows) do assert(text.width(row) <= columns, columns .. ": " .. row) end
      assert.equal(columns < natural, rows[2]:find("…", 1, true) ~= nil, rows[2])
    end
    local chosen = list .. " --columns account_name,name,status,provisioning_state,private_endpoint_name,created_at"
    for _, row in ipairs(shown(chosen, 30)) do assert(text.width(row) <= 30, row) end
    assert.matches("^manyacct  many01%.5a7e[%x-]*…[%x-]+30001  Pending ", shown(list, 80)[2])
    assert.matches("^ACCOUNT   NAME +STATUS$", shown(list, 40)[1])
    assert.matches("^NAME +STATUS$", shown(list, 20)[1])
  end)

  it("keeps the status whole and the names apart on 80 columns", function ()
    local output, rows = require "azpec.cli.output", require "azpec.cli.rows"
    local connections = {}
    for n = 1, 40 do
      connections[n] = { account_name = "contosobatch", status = "Disconnected", provisioning_state = "Succeeded",
        name = ("team%02d.5a7e0001-91c4-4d2b-8f36-70b1e2c30001"):format(n),
        private_endpoint_name = "web-frontend-private", description = "Requested by the team" }
    end
    local names = {}
    for n, line in ipairs(output.table_lines(rows.columns, connections, 80)) do
      assert(text.width((line:gsub("\n", ""))) <= 80, line)
      local name = n > 1 and assert(line:match "^contosobatch  (%S+) +Disconnected  ", line) or "NAME"
      assert(not names[name], line)
      names[name] = true
    end
  end)

  it("is whole without a terminal, whatever COLUMNS says, and on one that has no width", function ()
    local env = kit.environment(emulator)
    local whole = kit.ended(0, kit.run(list, { env = env })).out
    assert.falsy(whole:find("…", 1, true))
    for _, columns in ipairs { "20", "0", "x" } do
      assert.equal(whole, kit.ended(0, kit.run(list, { env = support.merged(env, { COLUMNS = columns }) })).out)
    end
    assert.equal(whole, table.concat(shown(list, 0), "\n") .. "\n")
    for _, format in ipairs { "tsv", "csv", "jsonl", "md" } do
      assert.falsy(table.concat(shown(list .. " -o " .. format, 40)):find("…", 1, true), format)
    end
  end)
end)

describe("--older-than", function ()
  it("takes those that are so old, by an api-version that tells it", function ()
    local function count(line)
      return select(2, kit.ended(0, azpec("list", many .. line .. " -o tsv")).out:gsub("\n", ""))
    end
    assert.equal(64, count "--older-than 0")
    assert.matches("--older-than: '7' has no unit; write 7d for days, 7h for hours, 7m for minutes",
      kit.ended(2, azpec("reject", many .. "--all --older-than 7 --yes")).err, 1, true)
    assert.equal(0, count "--older-than 2h")
    emulator:control("POST", "clock", { advance = -9000 })
    emulator:control("DELETE", "state") -- created two hours ago
    emulator:control("POST", "clock", { advance = 9000 })
    assert.equal(64, count "--older-than 2h")
    assert.matches("^many01%S+\t%d+%-%d+%-%d+T", kit.ended(0, azpec("list", many .. "many01 -o tsv "
      .. "--columns name,created_at --sort -created_at")).out)
    for _, entry in ipairs(emulator:log "list") do assert.matches("api%-version=2025%-06%-01", entry.target) end
    emulator:control("POST", "connections", { account_name = "manyacct", resource_group_name = "rg-contoso-prod",
      name = "new.5a7e0001-91c4-4d2b-8f36-70b1e2c39999" })
    for sort, first in pairs { age = "new\t%d+s", ["-age"] = "many01\t2h" } do
      assert.matches("^" .. first, kit.ended(0, azpec("list", many .. "-o tsv --columns base_name,age --sort "
        .. sort)).out)
    end
  end)

  it("goes with other options, and with verbs that write", function ()
    local result = kit.ended(3, azpec("approve", many .. "many01 --older-than 2h"))
    assert.equal("azpec: no connection matches name 'many01' and --older-than '2h'; this one comes nearest:",
      result.err:match "^[^\n]*")
    kit.ended(0, azpec("approve", many .. "many01 --older-than 0s"))
    assert.equal(1, #emulator:log "update")
  end)

  it("is refused where the api-version tells no age, and the one to give is named", function ()
    local result = kit.ended(2, azpec("list", many .. "--older-than 7d --api-version 2024-07-01"))
    assert.matches("^azpec: %-%-older%-than needs ages, and %-%-api%-version 2024%-07%-01 tells none; leave it out, or "
      .. "give 2025%-06%-01 or later", result.err)
    assert.matches("%-%-older%-than: 'soon' is not a duration", kit.ended(2, azpec("list", many
      .. "--older-than soon")).err)
    assert.equal(0, #emulator:log "list")
  end)
end)

describe("--description", function ()
  local function said(id) return emulator:connection(id or emulator.sample).description end

  it("is filled in for each connection, and a second run changes nothing, and says so", function ()
    local line = "--description '{description} ({name}, {ticket})' --ticket CHG-1 " .. emulator.sample
    kit.ended(0, azpec("approve", line))
    assert.equal(("Please approve (%s, CHG-1)"):format(support.sample_name), said())
    local why = "its description stays, since {description} would add to it with each run"
    for _, options in ipairs { "", " --dry-run" } do
      assert.equal(("%s: already Approved; %s\n"):format(support.sample_name, why),
        kit.ended(0, azpec("approve", line .. options)).out)
    end
    assert.equal(why, kit.json(kit.ended(0, azpec("approve", line .. " -o json")).out, kit.results).results[1].why)
    assert.equal(support.sample_name .. ": already Approved\n",
      kit.ended(0, azpec("approve", "--description '{description}' " .. emulator.sample)).out)
    assert.equal(1, #emulator:log "update")
    assert.equal(("Please approve (%s, CHG-1)"):format(support.sample_name), said())
  end)

  it("begins with no blank where the requester gave none", function ()
    local id = emulator:arrive {}
    kit.ended(0, azpec("approve", "--description '{description} (by CI)' " .. id))
    assert.equal("(by CI)", said(id))
  end)

  it("is filled in for many, and forecast", function ()
    local line = "--description '{name}: ok' --yes many01 many02 " .. many
    local forecast = kit.ended(0, azpec("approve", line .. " --dry-run -o jsonl")).out:match "[^\n]+"
    assert.equal("many01.5a7e0001-91c4-4d2b-8f36-70b1e2c30001: ok", kit.json(forecast, kit.result_row).new_description)
    kit.ended(0, azpec("approve", line))
    assert.equal("many02.5a7e0001-91c4-4d2b-8f36-70b1e2c30002: ok", said(emulator.many[2]))
  end)

  it("with a place that there is not, without its ticket, or too long, is refused, and nothing is sent", function ()
    for text, message in pairs {
      ["{descripton}"] = "'{descripton}' is not one of {description}, {name}, {ticket}; did you mean 'description'?",
      ["{ticket}"] = "--description speaks of a {ticket}, but there is no --ticket",
      [("x"):rep(140) .. "{name}"] = "--description, filled in, is 207 characters long, and 140 are the most",
    } do
      local result = kit.ended(2, azpec("approve", ("--description '%s' %s"):format(text, emulator.sample)))
      assert.truthy(result.err:find(message, 1, true), result.err)
    end
    assert.equal(0, #emulator:log "update")
  end)
end)

describe("lines of several accounts", function ()
  it("name the account; those of one do not", function ()
    local two = emulator.many[1] .. " " .. emulator.sample
    assert.matches("^manyacct/many01%.[^\n]*: would become[^\n]*\nsampleacct/test[^\n]*: would become",
      kit.ended(0, azpec("approve", "--dry-run " .. two)).out)
    assert.matches("^many01%.", kit.ended(0, azpec("approve", "--dry-run " .. emulator.many[1])).out)
    assert.matches("^manyacct/many01%.", kit.ended(0, azpec("approve", "--dry-run many01")).out)
    assert.matches("^many01%.", kit.ended(0, azpec("approve", "--dry-run many01 --account manyacct")).out)
    kit.ended(0, azpec("approve", "--yes " .. two))
    assert.matches("^manyacct/many01%.[^\n]*: Rejected[^\n]*\nsampleacct/test[^\n]*: Rejected",
      kit.ended(0, azpec("reject", "--yes " .. two)).out)
    assert.matches("^%S+Z  manyacct/many01", kit.ended(0, azpec("watch", "many01 --stop-after 0")).out)
    assert.matches("^%S+Z  many01", kit.ended(0, azpec("watch", "many01 --stop-after 0 --account manyacct")).out)
    assert.matches("^manyacct/many01", kit.ended(0, azpec("wait", "many01 --for exists")).out)
    assert.matches("^manyacct/many01[^\n]*: deleted[^\n]*\nsampleacct/test[^\n]*: deleted",
      kit.ended(0, azpec("delete", "--yes " .. two)).out)
  end)
end)

describe("resume", function ()
  it("lets rows of those that have ended pass, so that the pipe's end tells of all", function ()
    kit.ended(0, azpec("approve", emulator.many[1]))
    local begun = kit.ended(12, azpec("approve", ("--yes --no-wait -o jsonl %s %s %s"):format(emulator.many[1],
      emulator.many[2], emulator.many[3] .. "0")))
    local result = kit.ended(12, azpec("resume", "-", { stdin = begun.out }))
    for _, line in ipairs { "many01%S+: already Approved\n", "many02%S+: Approved\n", "many03%S+: failed: " } do
      assert.matches(line, result.out) -- in the order in which they end
    end
    assert.equal("3 connections: 1 changed, 1 unchanged, 1 failed\n", result.err)
    local rows = kit.json(kit.ended(12, azpec("resume", "- -o json", { stdin = begun.out })).out, kit.results).results
    local results = { rows[1].result, rows[2].result, rows[3].result }
    table.sort(results)
    assert.equal("changed failed unchanged", table.concat(results, " "))
    assert.matches("line 1 is no continuation token", kit.ended(2, azpec("resume", "-",
      { stdin = kit.ended(0, azpec("list", "many01 -o jsonl " .. many)).out })).err)
  end)
end)

describe("auto -q", function ()
  it("prints changes and failures, and else nothing", function ()
    local file = support.write(support.new_path "rules", 'approve "one" { when = { name = "many01" } }\n')
    local line = ("--rules %s %s --apply -q"):format(file, many)
    local result = kit.ended(0, azpec("auto", line))
    assert.matches("^many01%S+: Approved %(was Pending%)[^\n]*\n$", result.out)
    assert.equal("", result.err)
    result = kit.ended(0, azpec("auto", line))
    assert.equal("", result.out .. result.err)
    emulator:reset()
    emulator:faults { { match = { kind = "update" }, action = { status = 403,
      error = { code = "AuthorizationFailed", message = "no" } } } }
    result = kit.ended(5, azpec("auto", line))
    assert.equal("", result.out)
    assert.matches("^azpec: AuthorizationFailed: no [^\n]*\n  about: [^\n]*/many01", result.err)
    for format, rows in pairs { tsv = 1, jsonl = 64 } do
      local out = kit.ended(0, azpec("auto", ("--rules %s %s -q -o %s"):format(file, many, format))).out
      assert.equal(rows, select(2, out:gsub("\n", "")))
    end
  end)
end)
