-- What stays stable (CHANGELOG.md): everything that a script for version 1.0 may rely on is still there, and such a
-- script still works. tests/cli/stable/surface-1.0 has its names; from 1.0 on no line of it is removed or changed.
--
--   SURFACE=tests/cli/stable/surface-1.0 make test FILE=stable_spec     writes the file anew, with new names

local assert = require "luassert"
local cjson = require "cjson"
local documents = require "tools.documents"
local examples = require "hosts.examples"
local kit = require "cli.kit"
local surface = require "tools.surface"
local support = require "loopback.support"

local emulator, azpec = kit.stage()
local frozen = "tests/cli/stable/surface-1.0"

-- Commands whose JSON is looked at: a name, the exit code, a verb and its arguments; "!": its standard error.
local commands = {
  { "list", 0, "list", "-g rg-contoso-prod" }, { "show", 0, "show", "web-frontend" },
  { "status", 0, "status", "--rules RULES -g rg-contoso-prod" },
  { "watch", 0, "watch", "old-lab --stop-after 0s -o jsonl" },
  { "approve --dry-run", 0, "approve", "team01 --dry-run" },
  { "approve", 0, "approve", "web-frontend --journal JOURNAL --ticket T-1 --description 'ticket 1'" },
  { "reject", 0, "reject", "team01" }, { "delete", 0, "delete", "team02 --yes" },
  { "wait", 0, "wait", "--for exists web-frontend" },
  { "list", 0, "list", "--api-version 2025-06-01 team03" },
  { "approve", 0, "approve", "team04 --no-wait" }, { "approve", 12, "approve", "called-off old-lab --yes" },
  { "approve --dry-run", 0, "approve", "team05 --dry-run --description new" },
  { "auto", 0, "auto", "--rules RULES -g rg-contoso-prod" },
  { "plan", 0, "plan", "--rules RULES -g rg-contoso-prod --out PLAN" }, { "apply", 0, "apply", "PLAN" },
  { "drift", 10, "drift", "--rules RULES -g rg-contoso-prod" },
  { "report", 0, "report", "-g rg-contoso-prod --rules RULES --journal JOURNAL --out REPORT" },
  { "journal show", 0, "journal", "show JOURNAL" }, { "journal runs", 0, "journal", "runs JOURNAL" },
  { "journal verify", 0, "journal", "verify JOURNAL" },
  { "journal undo", 0, "journal", "undo --run last JOURNAL" },
  { "doctor", 0, "doctor", "-g rg-contoso-prod --account contosobatch --check clock,signin,api-version,rights" },
  { "error", 3, "show", "no-such-connection -g rg-contoso-prod", "!" },
}

-- Calls f(name, JSON) for each of the commands.
local function each_document(f)
  kit.play_sample(emulator)
  local paths = { JOURNAL = support.new_path "journal", PLAN = support.new_path "plan",
    REPORT = support.new_path "report",
    RULES = support.write(support.new_path "rules", documents.block("lua", "-- rules.lua")) }
  for _, row in ipairs(commands) do
    local name, code, verb, line, from_errors = table.unpack(row)
    local result = kit.ended(code, azpec(verb, "-o json " .. line:gsub("%u%u%u%u+", paths)))
    f(name, cjson.decode(from_errors and result.err or result.out), verb, line:gsub("%u%u%u%u+", paths))
  end
end

local seen_once

-- The names and documents of the commands, which run once.
local function once()
  if not seen_once then
    seen_once = {}
    each_document(function (name, document) seen_once[#seen_once + 1] = { name, document } end)
  end
  return seen_once
end

-- The surface as it is now.
local function current()
  local lines = {}
  surface.add_types(lines, "lua_module/azpec.meta.lua")
  surface.add_types(lines, "scripts/azpec/scripts.meta.lua")
  surface.add_commands(lines)
  for _, one in ipairs(once()) do surface.add_json(lines, one[1], one[2]) end
  return lines
end

-- The members of rows by verb, as the guide's table has them.
local function documented()
  local section = documents.read "scripts/README.md":match "\n### Members of rows\n(.-)\n### "
  local verbs, members = { all = {} }, {}
  for kind, list in section:gmatch "\n| (%l+) | (`[^|]+) |" do
    verbs[kind] = {}
    for verb in list:gmatch "`([^`]+)`" do
      table.insert(verbs[kind], verb)
      table.insert(verbs.all, verb)
      members[verb] = {}
    end
  end
  for names, places in section:gmatch "\n| (`[^|]+) | ([^|]+) |" do
    for place in places:gmatch "[^,]+" do
      local word = place:match "^%s*`?(.-)`?%s*$"
      for _, verb in ipairs(verbs[word] or { word }) do
        for name in names:gmatch "`([^`]+)`" do members[verb][name] = true end
      end
    end
  end
  return members
end

-- The rows of a document: those of its list beside the errors, or the row of a line.
local function rows_of(document)
  for name, member in pairs(document) do
    if name ~= "errors" and type(member) == "table" and type(member[1]) == "table" then return member end
  end
  return document.schema_version and {} or { document }
end

it("every name of 1.0 is still there: functions, options, members, values, exit codes, variables, JSON", function ()
  local now = current()
  local path = os.getenv "SURFACE"
  if path then
    local sorted = {}
    for line in pairs(now) do sorted[#sorted + 1] = line end
    table.sort(sorted)
    support.write(path, table.concat(sorted, "\n") .. "\n")
  end
  local missing = {}
  for line in io.lines(frozen) do
    if not now[line] then missing[#missing + 1] = line end
  end
  assert.equal("", table.concat(missing, "\n"))
end)

-- Members that the commands above do not cause.
local rare = { "attempt", "change_reference", "finished_by", "finished_run", "finished_ticket", "next_step", "place",
  "policy_attempts", "policy_token_id", "resumed", "unreadable" }

it("the guide's table has the members of the rows of all verbs, and no others", function ()
  local members, seen = documented(), {}
  for _, one in ipairs(once()) do
    local name, document = table.unpack(one)
    local known = members[name:match "^[%l ]*%l"]
    for _, row in ipairs(known and rows_of(document) or {}) do
      for member in pairs(row) do
        assert(known[member], ("%s: the guide's table has no `%s`"):format(name, member))
        seen[member] = true
      end
    end
  end
  for _, name in ipairs(rare) do
    assert.is_nil(seen[name], name)
    seen[name] = true
  end
  for verb, known in pairs(members) do
    for member in pairs(known) do assert(seen[member], ("no row has `%s` of %s"):format(member, verb)) end
  end
end)

local function is_scalar(value)
  return type(value) ~= "table" or type(value[1]) == "string"
end

-- Of the rare members those of each verb.
local rare_of = { approve = { "resumed", "error_message", "why" }, status = { "place", "unreadable" },
  doctor = { "kind" }, ["journal show"] = { "attempt", "change_reference", "finished_by", "finished_ticket",
    "policy_attempts", "policy_token_id" } }

it("each member of a row but an object is a column", function ()
  each_document(function (name, document, verb, line)
    local known, list = {}, {}
    for _, member in ipairs(rare_of[name] or {}) do known[member] = true end
    for _, row in ipairs(rows_of(document)) do
      for member, value in pairs(row) do known[member] = is_scalar(value) or nil end
    end
    for member in pairs(known) do list[#list + 1] = member end
    if #list == 0 then return end
    local result = azpec(verb, ("-o json %s --columns %s"):format(line, table.concat(list, ",")))
    assert.falsy(result.err:find("there is no column", 1, true), name .. ": " .. result.err)
    for _, row in ipairs(result.out ~= "" and rows_of(cjson.decode(result.out)) or {}) do -- what is deleted has none
      for member, value in pairs(row) do assert(known[member] and is_scalar(value), name .. ": " .. member) end
    end
  end)
end)

-- Command lines, and their columns of CSV and TSV without --columns, which a later version may continue.
local connection = "account_name,name,status,provisioning_state,private_endpoint_name,description,id"
local changes = "name,result,before,after,rule,reason,error_message,id,continuation_token"
local columns = {
  ["approve web-frontend --journal JOURNAL"] = changes, ["auto --rules RULES"] = changes, ["list"] = connection,
  ["wait --for exists web-frontend"] = connection .. ",result",
  ["status"] = "account_name,pending,oldest,approved,outside,rejected,disconnected,last_change,unreadable,other,id",
  ["watch --stop-after 0s"] = "at,event,account_name,name,before,after,provisioning_state,description,id",
  ["drift --rules RULES"] = "account_name,name,today,rule,reason,private_endpoint_name,description,id",
  ["journal show JOURNAL"] = "at,run,by,verb,account_name,name,before,after,result,rule,reason,ticket,change_reference,"
    .. "policy_token_id,finished_by,finished_ticket,finished_run,error_message,begun_at,id,call,request_id,"
    .. "correlation_id",
  ["journal runs JOURNAL"] = "at,run,by,verb,writes,changed,unchanged,failed,unfinished,ticket,change_reference,"
    .. "reason,ended_at",
  ["report --out REPORT"] = "file,accounts,connections,pending,outside,unrecorded,unreadable,"
    .. "unreadable_subscriptions,journal_ok,journal_unfinished",
  ["doctor --check clock"] = "check,verdict,found,next_step,seconds",
}

it("CSV begins with the columns of 1.0", function ()
  kit.play_sample(emulator)
  local paths = { JOURNAL = support.new_path "journal", REPORT = support.new_path "report",
    RULES = support.write(support.new_path "rules", documents.block("lua", "-- rules.lua")) }
  for line, header in support.each(columns) do -- sorted: approve writes the journal first
    local verb, rest = line:gsub("%u%u%u%u+", paths):match "^(%S+)(.*)$"
    local out = azpec(verb, "-o csv" .. rest).out
    assert.equal(header, out:sub(1, #header), line)
    assert.matches("^[,\r]", out:sub(#header + 1))
  end
end)

it("a Lua script for 1.0 works", function ()
  kit.play_sample(emulator)
  local pipe = assert(io.popen(("%s%s tests/cli/stable/script-1.0.lua 2>&1"):format(
    examples.environment(examples.host_folder(), emulator), os.getenv "LUA" or "lua5.4")))
  local printed = pipe:read "a"
  assert(pipe:close(), printed)
  assert.equal("works\n", printed)
end)

it("a shell script for 1.0 works", function ()
  kit.play_sample(emulator)
  local folder = support.new_path "folder"
  assert(os.execute("mkdir " .. support.quote(folder)))
  local env = support.merged(kit.environment(emulator), { AZPEC_ENDPOINT = emulator.tls_endpoint,
    AZPEC_AUTHORITY_HOST = emulator.tls_endpoint, AZPEC_CA_FILE = emulator.ca_file })
  local here = os.getenv "PWD"
  local result = kit.ended(0, kit.shell(("export LUA_CPATH='%s'; cd %s && PATH=%s/scripts/bin:$PATH sh %s"):format(
    os.getenv "LUA_CPATH", support.quote(folder), here, here .. "/tests/cli/stable/script-1.0.sh"), { env = env }))
  assert.equal("works\n", result.out)
end)
