-- The recipes of scripts/examples, run against the emulator as far as they run without their services.

local assert = require "luassert"
local kit = require "cli.kit"
local documents = require "tools.documents"
local support = require "loopback.support"

local emulator = kit.stage()
before_each(function () emulator:set { operation_polls = 0 } end)

local function recipe(name) return support.read("scripts/examples/" .. name) end

-- The scripts in a YAML text: the lines below a `KEY: |` that are indented at least as the first of them.
local function scripts(yaml)
  local found, inside = {}, nil
  for line in (yaml .. "\n"):gmatch "(.-)\n" do
    local indent = #line:match "^ *"
    inside = inside == "next" and indent or inside
    if inside and (indent >= inside or line == "") then
      found[#found] = found[#found] .. line:sub(inside + 1) .. "\n"
    else
      inside = nil
    end
    if line:find ": |$" then
      inside = "next"
      found[#found + 1] = ""
    end
  end
  return found
end

-- What each service puts into the environment of a job that signs in by an id token, where no secret is.
local function job(more)
  return support.merged({ AZURE_TENANT_ID = "", AZURE_CLIENT_ID = "", AZURE_CLIENT_SECRET = "" }, more)
end

local function github(more)
  return job(support.merged({ ACTIONS_ID_TOKEN_REQUEST_URL = emulator.tls_endpoint .. "/actions/idtoken",
    ACTIONS_ID_TOKEN_REQUEST_TOKEN = "emulator-pipeline-token", AZURE_TENANT_ID = emulator.tenant_id,
    AZURE_CLIENT_ID = emulator.client_id }, more))
end

local function azure()
  return job { SYSTEM_OIDCREQUESTURI = emulator.tls_endpoint .. "/pipelines/oidctoken",
    SYSTEM_ACCESSTOKEN = "emulator-pipeline-token", AZURESUBSCRIPTION_TENANT_ID = emulator.tenant_id,
    AZURESUBSCRIPTION_CLIENT_ID = emulator.client_id,
    AZURESUBSCRIPTION_SERVICE_CONNECTION_ID = "c8a7e1d4-2b93-4f60-9a15-7e3d0b6c5f21" }
end

-- Runs a script in a new folder that has rules.lua; what it says, and the folder.
local function run(script, more)
  local folder = support.new_path "folder"
  assert(os.execute("mkdir -p " .. folder .. "/plan"))
  support.write(folder .. "/rules.lua", 'approve "one" { when = { name = "many01" }, because = "it is one" }\n')
  local env = support.merged(kit.environment(emulator), { AZPEC_ENDPOINT = emulator.tls_endpoint,
    AZPEC_AUTHORITY_HOST = emulator.tls_endpoint, AZPEC_CA_FILE = emulator.ca_file, HOME = folder,
    AZURE_TOKEN_CREDENTIALS = "EnvironmentCredential", PIPELINE_WORKSPACE = folder })
  local path = ("PATH=%s/scripts/bin:$PATH\nexport LUA_CPATH='%s'\ncd %s\n"):format(os.getenv "PWD",
    os.getenv "LUA_CPATH", folder)
  return kit.shell(path .. script, { env = support.merged(env, more or {}) }), folder
end

it("GitHub Actions: decides, keeps the trail, and says nothing where there is nothing to do", function ()
  local decide = scripts(recipe "github-actions.yml")[2]
  local result, folder = run(decide, github { GITHUB_RUN_ID = "4711" })
  assert.matches("^manyacct/many01%S+: Approved %(was Pending%): rule 'one', it is one\n$", kit.ended(0, result).out)
  assert.matches('"ticket":"4711"', support.read(folder .. "/journal.jsonl"))
  result, folder = run(decide, github { GITHUB_RUN_ID = "4712" })
  assert.equal("", kit.ended(0, result).out .. result.err)
  assert.is_nil(io.open(folder .. "/journal.jsonl")) -- an empty file would be uploaded
end)

it("Azure Pipelines: plans, and applies the plan that was made, unless something has changed", function ()
  local made = scripts(recipe "azure-pipelines.yml")
  local plan, apply = made[2], made[4]
  local both = plan .. "mkdir -p plan; cp plan.json plan/\n"
  assert.matches("many01%S+: Approved", kit.ended(0, (run(both .. apply, azure()))).out)
  emulator:reset()
  emulator:set { operation_polls = 0 }
  local changed = ("azpec reject --credential azure-pipelines --yes %s\n"):format(emulator.many[1])
  assert.matches("nothing was done", kit.ended(6, (run(both .. changed .. apply, azure()))).err)
end)

it("cron: prints changes, and nothing where there are none", function ()
  local line = recipe "crontab":match "\n%*/15 %* %* %* %* ([^\n]+)"
  local result = run(line)
  assert.matches("^manyacct/many01%S+: Approved", kit.ended(0, result).out)
  result = run(line)
  assert.equal("", kit.ended(0, result).out .. result.err)
end)

it("cron: writes a report of what the rules did, and prints nothing", function ()
  local text = recipe "crontab"
  local decide, report = text:match "\n%*/15 %* %* %* %* ([^\n]+)", text:match "\n5 6 %* %* 1 +([^\n]+)"
  local result, folder = run(decide .. " >/dev/null\n" .. report)
  assert.equal("", kit.ended(0, result).out .. result.err)
  assert.matches("many01", support.read(folder .. "/report.html"), 1, true)
end)

it("the guide: approves the oldest requests, which are shown first", function ()
  local connections = {}
  for n, age in ipairs { 60, 86400, 3600, 172800, 30 } do
    connections[n] = { name = "age" .. age .. ".5a7e0001-91c4-4d2b-8f36-70b1e2c3377" .. n, age = age }
  end
  emulator:control("PUT", "state", support.merged(emulator:state(), { accounts = { { account_name = "acct",
    resource_group_name = "rg", connections = connections } } }))
  emulator:set { operation_polls = 0 }
  local line, replaced = documents.block("sh", "azpec list --status Pending --sort"):gsub("head %-20", "head -2")
  assert.equal(1, replaced)
  assert.matches("^age172800%S+: would become[^\n]+\nage86400%S+: would become[^\n]+\n$", kit.ended(0, run(line)).out)
  local out = kit.ended(0, (run((line:gsub("%-%-dry%-run", "--yes"))))).out
  assert.matches("^age172800%S+: Approved[^\n]+\nage86400%S+: Approved[^\n]+\n$", out)
end)

describe("a pipeline", function ()
  -- The lists of steps of a recipe, as texts.
  local function steps(name)
    local found = {}
    for text in (recipe(name):gsub("\n *steps:\n", "\0") .. "\0"):gmatch "%z([^%z]*)%f[%z]" do
      found[#found + 1] = text
    end
    return found
  end

  local installs = {}
  for _, name in ipairs { "github-actions.yml", "azure-pipelines.yml" } do
    it("fetches azpec and installs it before each job uses it: " .. name, function ()
      local lists = steps(name)
      assert.equal(name == "github-actions.yml" and 1 or 2, #lists)
      for _, list in ipairs(lists) do
        local fetched = list:find "path: s?/?azpec\n"
        local installed = list:find("make -C azpec install", 1, true)
        local used = list:find "azpec %l+ %-%-" or list:find "azpec apply "
        assert(list:find '\n *ref: "%x+"\n' or recipe(name):find "\n *ref: refs/tags/") -- no branch, which moves
        assert(fetched and installed and used and fetched < installed and installed < used, list)
        assert(not list:find "%-%-rules" or list:find "actions/checkout@v4\n" or list:find "checkout: self\n", list)
      end
      for _, script in ipairs(scripts(recipe(name))) do
        if script:find("make -C azpec install", 1, true) then
          installs[script] = true
        end
      end
    end)
  end

  it("has an azpec that runs after that", function ()
    local folder, repository = support.new_path "folder", os.getenv "PWD"
    assert(os.execute(("mkdir -p %s/bin && ln -s %s %s/azpec"):format(folder, repository, folder)))
    support.write(folder .. "/bin/sudo", '#!/bin/sh\nexec "$@"\n')
    assert(os.execute(("chmod 755 %s/bin/sudo"):format(folder)))
    local script = next(installs)
    assert.is_nil(next(installs, script)) -- both install alike
    local result = kit.shell(("unset MAKEFLAGS; cd %s; export DESTDIR=%s/root\nPATH=%s/bin:$PATH\nset -e\n%s\n")
      :format(folder, folder, folder, script)
      .. ('p=%s/root/usr/local\nLUA_PATH="$p/share/lua/5.4/?.lua;;" LUA_CPATH="$p/lib/lua/5.4/?.so;;" '):format(folder)
      .. "$p/bin/azpec --version\n", { env = {} })
    assert.matches("\nazpec %d[^\n]*\n$", kit.ended(0, result).out)
  end)
end)

describe("a container", function ()
  it("needs no place to write to, and no home", function ()
    local line = recipe "Containerfile":match "azpec (auto [^\n]*)":gsub("/rules.lua", "rules.lua")
    -- No file may have a byte, but for what cat writes.
    local result, folder = run(("{ ulimit -f 0; HOME=/nonexistent TMPDIR=/nonexistent azpec %s 2>&1; echo $?; } | cat")
      :format(line))
    assert.matches('^{[^\n]*"result":"held"', result.out)
    assert.matches('"result":"changed"[^\n]*\n1 connection: 1 changed\n%d+ held, %d+ ignored\n0\n$', result.out)
    local pipe <close> = io.popen("ls -A " .. folder)
    assert.equal("plan\nrules.lua\n", pipe:read "a")
  end)

  it("is built from packages that the build is known to need", function ()
    local known = " " .. support.read "tests/tools/deps.sh":gsub("[%s\"\\]+", " ") .. " "
    local build = recipe "Containerfile":match "recommends \\\n(.-)\nCOPY":gsub("\\\n", " ")
    for package in build:gmatch "%S+" do assert.truthy(known:find(" " .. package .. " ", 1, true), package) end
  end)
end)
