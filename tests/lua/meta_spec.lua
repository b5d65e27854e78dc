-- lua_module/azpec.meta.lua against the built module and, where only the source tells, against its text: what one has
-- and the other has not, in either direction, is a failure.
local azpec = require "azpec"
local kit = dofile "tests/lua/kit.lua"
local luacats = require "tools.luacats"

local path = "lua_module/azpec.meta.lua"

local function text_of(name)
  local file <close> = assert(io.open(name))
  return file:read "a"
end

-- ---- the file, by names -------------------------------------------------------------------------------------------

local function by_name(values)
  local found = {}
  for _, value in ipairs(values) do
    found[value.name:match '^"(.*)"$' or value.name] = { type = value.type, text = table.concat(value.text, " "),
      optional = value.optional }
  end
  return found
end

local function read_meta()
  local meta = { classes = {}, aliases = {}, enums = {}, functions = {} }
  for _, item in ipairs(luacats.read(text_of(path))) do
    if item.kind == "class" then
      meta.classes[item.name] = { fields = by_name(item.fields), parents = item.parents }
    elseif item.kind == "alias" then
      meta.aliases[item.name] = { type = item.type or "", values = {} }
      for value, more in pairs(by_name(item.values)) do meta.aliases[item.name].values[value] = more.text end
    elseif item.kind == "enum" then
      meta.enums[item.name] = { values = {} }
      for _, value in ipairs(item.values) do meta.enums[item.name].values[value.name] = value.type:match '"(.*)"' end
    elseif item.kind == "function" then
      local options = by_name(item.params).options
      meta.functions[item.owner] = meta.functions[item.owner] or {}
      meta.functions[item.owner][item.name] = { options = options and options.type,
        text = table.concat(item.text, " ") }
    end
  end
  return meta
end

local meta = read_meta()

-- The fields of a class, its parents' too.
local function fields_of(name)
  local fields = {}
  local class = assert(meta.classes[name], "no class " .. name)
  for _, parent in ipairs(class.parents) do
    for k, v in pairs(fields_of(parent)) do fields[k] = v end
  end
  for k, v in pairs(class.fields) do fields[k] = v end
  return fields
end

local function keys(t)
  local names = {}
  for k in pairs(t) do names[#names + 1] = k end
  table.sort(names)
  return names
end

-- All first captures of a pattern in some files, as a set.
local function found(pattern, ...)
  local set = {}
  for _, name in ipairs { ... } do
    for x in text_of(name):gmatch(pattern) do set[x] = true end
  end
  return set
end

local function merged(...)
  local all = {}
  for _, t in ipairs { ... } do
    for k, v in pairs(t) do all[k] = v end
  end
  return all
end

-- The text between two lines of a source file.
local function between(name, from, to)
  local text = text_of(name)
  local _, a = text:find(from)
  local b = text:find(to, assert(a, name .. ": " .. from), true)
  return text:sub(a + 1, assert(b) - 1)
end

local function words(text, pattern)
  local set = {}
  for x in text:gmatch(pattern) do set[x] = true end
  return set
end

-- ---- functions -----------------------------------------------------------------------------------------------------

describe("azpec.meta.lua's functions are the module's:", function ()
  local client = kit.client()
  local poller = client:begin_update(kit.named())

  local function functions(t)
    local names = {}
    for k, v in pairs(t) do
      if type(v) == "function" then names[k] = true end
    end
    return keys(names)
  end

  it("azpec's", function () assert.same(functions(azpec), keys(meta.functions.azpec)) end)

  it("azpec.credential's", function ()
    assert.same(functions(azpec.credential), keys(meta.functions["azpec.credential"]))
  end)

  it("the client's methods", function ()
    assert.same(functions(getmetatable(client).__index), keys(meta.functions.Client))
  end)

  it("the poller's methods", function ()
    assert.same(functions(getmetatable(poller).__index), keys(meta.functions.Poller))
  end)

  it("nobody else's", function ()
    assert.same({ "Client", "Poller", "azpec", "azpec.credential" }, keys(meta.functions))
  end)

  it("each with a sentence about it", function ()
    for owner, names in pairs(meta.functions) do
      for name, f in pairs(names) do
        assert(f.text and #f.text > 20, owner .. "." .. name .. " has no text")
      end
    end
  end)

  it("and the rest of the module's table is documented, too", function ()
    local names = {}
    for k, v in pairs(azpec) do
      if type(v) ~= "function" then names[#names + 1] = k end
    end
    table.sort(names)
    local documented = merged(meta.classes.azpec.fields)
    for enum in pairs(meta.enums) do documented[enum:match "[^.]+$"] = true end
    assert.same(names, keys(documented))
  end)

  it("the file is Lua that loads", function ()
    assert.equal("function", type(loadfile(path)))
  end)
end)

-- ---- enumerations --------------------------------------------------------------------------------------------------

describe("azpec.meta.lua's enumerations are the module's:", function ()
  it("their names", function ()
    local names = {}
    for k, v in pairs(azpec) do
      if type(v) == "table" and k ~= "credential" and k ~= "transitions" then names[#names + 1] = "azpec." .. k end
    end
    table.sort(names)
    assert.same(names, keys(meta.enums))
  end)

  for name, enum in pairs(meta.enums) do
    it(name, function ()
      local values = {}
      for k, v in pairs(azpec[name:match "[^.]+$"]) do values[k] = v end
      assert.same(values, enum.values)
    end)
  end

  it("azpec.Cloud's values are those of options.c, and accepted", function ()
    local rows = words(between("lua_module/lua/options.c", "clouds%[%] = {", "};"), '{ "(%w+)"')
    assert.same(keys(rows), keys(meta.aliases["azpec.Cloud"].values))
    for cloud in pairs(rows) do azpec.client(kit.config { cloud = cloud }):close() end
  end)

  it("azpec.PolicyTokenWhen's values are those of policy.c, and accepted", function ()
    local names = words(between("lua_module/core/policy.c", "policy_when_name", "return"), '"(%w+)"')
    assert.same(keys(names), keys(meta.aliases["azpec.PolicyTokenWhen"].values))
    for when in pairs(names) do azpec.client(kit.config { policy_token = when }):close() end
  end)

  it("azpec.ErrorKind's values are those of fail.c but for none, and that of azpec.journal", function ()
    local names = words(between("lua_module/core/fail.c", "fail_kind_name", "return"), '"([%w_]+)"')
    names.none, names.journal = nil, true
    assert.same(keys(names), keys(meta.aliases["azpec.ErrorKind"].values))
  end)

  it("azpec.Phase's values are those of fail.c", function ()
    local names = words(between("lua_module/core/fail.c", "phase_name", "return"), '"([%w_]+)"')
    assert.same(keys(names), keys(meta.aliases["azpec.Phase"].values))
  end)

  it("azpec.EventName's values are those of events.c", function ()
    local names = {}
    for call in text_of "lua_module/lua/events.c":gmatch "begin%(L,([^;]+);" do
      for name in call:gmatch '"([%w_]+)"' do names[name] = true end
    end
    assert.same(keys(names), keys(meta.aliases["azpec.EventName"].values))
  end)

  it("azpec.CredentialName's values are those of the flows", function ()
    local names = {}
    for file in io.popen "ls lua_module/core/token/*.c":lines() do
      names = merged(names, found('\n\t%.name = "([^"]+)"', file))
    end
    names.cache, names.discovery = nil, nil -- they come before the links
    assert.same(keys(names), keys(meta.aliases["azpec.CredentialName"].values))
  end)

  it("azpec.LinkOutcome's values and azpec.Claims' fields are those of identity.c", function ()
    local outcomes = words(between("lua_module/lua/identity.c", "outcomes%[%] = {", "};"), '"(%w+)"')
    assert.same(keys(outcomes), keys(meta.aliases["azpec.LinkOutcome"].values))
    local claims = words(between("lua_module/lua/identity.c", "shown%[%] = {", "};"), '"([%w_]+)"')
    assert.same(keys(claims), keys(meta.classes["azpec.Claims"].fields))
  end)

  it("each value of these has its meaning beside it", function ()
    for _, name in ipairs { "azpec.Cloud", "azpec.PolicyTokenWhen", "azpec.ErrorKind", "azpec.Phase",
                            "azpec.EventName", "azpec.LinkOutcome",
                            "azpec.SigningAlgorithm", "azpec.DefaultLink", "azpec.TokenCache" } do
      for value, text in pairs(meta.aliases[name].values) do
        assert(#text > 2, name .. " " .. value .. " has no text")
      end
    end
  end)
end)

-- ---- options -------------------------------------------------------------------------------------------------------

-- Every name that any call may know: options.c's own table, and all that is documented.
local candidates = words(between("lua_module/lua/options.c", " fields%[%] = {", "};"), '{ "([%w_]+)"')
for name, class in pairs(meta.classes) do
  if name:find "Options$" or name:find "Name$" then
    for field in pairs(class.fields) do candidates[field] = true end
  end
end

-- What the module says a field must be; nil: it does not know the field.
local wrong = coroutine.create(print)
local function asked_of(call, field)
  local text = kit.raised(call, field, wrong)
  if text:find("unknown field '" .. field .. "'", 1, true) then return nil end
  return text:match "^bad field '[%w_.]+' %((.-) expected" or error("for " .. field .. ": " .. text)
end

-- Does the documented type mean what the module asks for?
local function agrees(expected, type)
  if meta.aliases[type] and meta.aliases[type].type ~= "" then type = meta.aliases[type].type end
  local is_string = type == "string" or meta.enums[type] or meta.aliases[type]
  if expected == "string" then return is_string end
  if expected == "string or function" then
    return type:find "^string|" and meta.aliases[type:sub(8)].type:find "^fun%("
  end
  if expected:find "^number of seconds" or expected:find "^number from" then
    return type == "number" or type == "integer"
  end
  if expected:find "^integer from" then return type == "integer" end
  if expected == "boolean" then return type == "boolean" end
  if expected == "function" then return type:find "^fun%(" end
  if expected:find "^list of" then return type == "string[]" end
  if expected == "table" then return type:find "%[%]$" or meta.classes[type] end
  return expected == "azpec.credential" and type == "azpec.Credential"
end

local function compare(class, call, names)
  local documented = fields_of(class)
  for field in pairs(names) do
    local expected, doc = asked_of(call, field), documented[field]
    assert(not expected or doc, ("%s: '%s' is accepted, not documented"):format(class, field))
    assert(expected or not doc, ("%s: '%s' is documented, not accepted"):format(class, field))
    assert(not doc or agrees(expected, doc.type),
      ("%s: '%s' is %s in the module, %s in the document"):format(class, field, expected, doc and doc.type))
  end
  for field, doc in pairs(documented) do
    assert(names[field], field .. " was not tried")
    assert(#doc.text > 5 or meta.classes[doc.type], ("%s: '%s' has no text"):format(class, field))
    if doc.type == "number" then
      assert(doc.text:find "second" or doc.text:find "^as ", ("%s: '%s' has no unit"):format(class, field))
    end
  end
end

-- Options that are just enough.
local enough = {
  client_secret = { tenant_id = "a", client_id = "b", client_secret = "c" },
  client_certificate = { tenant_id = "a", client_id = "b", certificate = "c" },
  client_assertion = { tenant_id = "a", client_id = "b", assertion = print },
  device_code = { prompt = print },
}

describe("azpec.meta.lua's options are those that the module accepts, with their types:", function ()
  local client = kit.client()
  local good = { ["azpec.OneCallOptions"] = kit.config(kit.named()), ["azpec.UpdateOptions"] = kit.named() }

  for _, owner in ipairs { "azpec", "Client" } do
    for name, f in pairs(meta.functions[owner]) do
      if f.options and name ~= "resume" then
        it(owner .. "." .. name .. " takes " .. f.options, function ()
          compare(f.options, function (field, value)
            local options = kit.merged(good[f.options] or {}, { [field] = value })
            if owner == "azpec" then return azpec[name](options) end
            return client[name](client, options)
          end, candidates)
        end)
      end
    end
  end

  it("Client.resume takes azpec.ResumeOptions", function ()
    compare("azpec.ResumeOptions", function (field, value)
      return client:resume(kit.passport(), { [field] = value })
    end, candidates)
  end)

  it("retry takes azpec.RetryOptions", function ()
    local names = words(text_of "lua_module/lua/options.c":match '{[^{}]*"max_tries"[^{}]*}', '"([%w_]+)"')
    compare("azpec.RetryOptions", function (field, value)
      local text = kit.raised(azpec.client, kit.config { retry = { [field] = value } })
      error((text:gsub("'retry%.", "'")), 0)
    end, merged(names, meta.classes["azpec.RetryOptions"].fields))
  end)

  for kind, f in pairs(meta.functions["azpec.credential"]) do
    if f.options and kind ~= "default" then
      it("azpec.credential." .. kind .. " takes " .. f.options, function ()
        local names = words(text_of "lua_module/lua/credential.c", '"([%l%d_]+)"')
        compare(f.options, function (field, value)
          azpec.credential[kind](kit.merged(enough[kind] or {}, { [field] = value }))
        end, merged(names, fields_of(f.options)))
      end)

      it(f.options .. " has the fields that credential.c's kinds give " .. kind, function ()
        local types = { string = "string", text = "string", certificates = "list of certificates",
          schema_function = "function",
          seconds = "number of seconds", schema_boolean = "boolean", secret_value = "string or function" }
        local kinds = between("lua_module/lua/credential.c", "%} kinds%[%] = {", "};")
        local row = assert(kinds:match('{ "' .. kind .. '",(.-}) } }'), kind)
        local documented, n = fields_of(f.options), 0
        for field, type, required in row:gmatch '{ "([%w_]+)",%s*&([%l_]+),%s*(%u+) }' do
          local doc = assert(documented[field], field .. " is not documented")
          assert(agrees(types[type], doc.type), ("%s is %s, not %s"):format(field, type, doc.type))
          assert.equal(required == "OPTIONAL", doc.optional, field)
          n = n + 1
        end
        assert.equal(#keys(documented), n)
      end)
    end
  end

  it("azpec.credential.default takes azpec.DefaultOptions", function ()
    local names = words(text_of "lua_module/lua/credential.c", '"([%l%d_]+)"')
    local documented = fields_of "azpec.DefaultOptions"
    for field in pairs(merged(names, documented)) do
      local ok = pcall(azpec.credential.default, { [field] = field == "timeout" and 1 or {} })
      assert.equal(documented[field] ~= nil, ok, field)
    end
  end)
end)

describe("azpec.meta.lua's values are those of the module:", function ()
  local client = kit.client()

  it("azpec.DefaultLink has the links of the default chain, their names, and the order of each", function ()
    local text = text_of(path):match '%-%-%-@alias azpec%.DefaultLink\n(.-)\n\n'
    local said, order, listed = {}, {}, {}
    for link, name in text:gmatch '"([%l_]+)" # (%a+)' do said[#said + 1] = link .. " " .. name end
    for link, name in between("lua_module/lua/credential.c", "%} default_links%[%] = {", "};"):gmatch
      '{ "([%l_]+)", "(%a+)"' do order[#order + 1] = link .. " " .. name end
    assert.same(order, said)
    for link in text_of(path):match "%-%-%- %* environment: .-\n%-%-%-\n":gmatch "%f[%w_][%l_]+%f[^%w_]" do
      if meta.aliases["azpec.DefaultLink"].values[link] then listed[#listed + 1] = link end
    end
    for i, link in ipairs(order) do assert.equal(link:match "^%S+", listed[i]) end
    for link in pairs(meta.aliases["azpec.DefaultLink"].values) do azpec.credential.default { exclude = { link } } end
  end)

  it("azpec.SigningAlgorithm's values are those that are taken, the first of them the default", function ()
    local values = meta.aliases["azpec.SigningAlgorithm"].values
    for algorithm in pairs(values) do
      azpec.credential.client_certificate(kit.merged(enough.client_certificate, { algorithm = algorithm }))
    end
    local said = kit.raised(azpec.credential.client_certificate,
      kit.merged(enough.client_certificate, { algorithm = "?" }))
    assert.same(keys(values), keys(words(said, "%f[%u](%u%u%d+)")))
    local default = fields_of "azpec.ClientCertificateOptions".algorithm.text:match '"(%w+)"'
    assert.equal(text_of "lua_module/lua/provide.c":match 'algorithm : SPAN%("(%w+)"%)', default)
  end)

  -- Without a required field a call raises for that very field; least: options that are just enough.
  for class, case in pairs {
    ["azpec.UpdateOptions"] = { function (t) client:begin_update(t):cancel() end, { id = kit.id, status = "Pending" } },
    ["azpec.DeleteOptions"] = { function (t) client:begin_delete(t):cancel() end, { id = kit.id } },
    ["azpec.GetPrivateLinkResourceOptions"] = { function (t) client:get_private_link_resource(t) end,
      { id = kit.id:match "^(.*)/[^/]+/[^/]+$", private_link_resource_name = "batchAccount" } },
    ["azpec.ClientOptions"] = { function (t) azpec.client(t):close() end, {} },
    ["azpec.RetryOptions"] = { function (t) azpec.client { retry = t }:close() end, {} },
    ["azpec.ClientSecretOptions"] = { function (t) azpec.credential.client_secret(t) end, enough.client_secret },
    ["azpec.ClientCertificateOptions"] = { function (t) azpec.credential.client_certificate(t) end,
      enough.client_certificate },
    ["azpec.ClientAssertionOptions"] = { function (t) azpec.credential.client_assertion(t) end,
      enough.client_assertion },
    ["azpec.DeviceCodeOptions"] = { function (t) azpec.credential.device_code(t) end, enough.device_code },
    ["azpec.WorkloadIdentityOptions"] = { function (t) azpec.credential.workload_identity(t) end, {} },
    ["azpec.GithubActionsOptions"] = { function (t) azpec.credential.github_actions(t) end, {} },
    ["azpec.AzurePipelinesOptions"] = { function (t) azpec.credential.azure_pipelines(t) end, {} },
    ["azpec.ManagedIdentityOptions"] = { function (t) azpec.credential.managed_identity(t) end, {} },
    ["azpec.AzureCliOptions"] = { function (t) azpec.credential.azure_cli(t) end, {} },
    ["azpec.AzureDeveloperCliOptions"] = { function (t) azpec.credential.azure_developer_cli(t) end, {} },
    ["azpec.DefaultOptions"] = { function (t) azpec.credential.default(t) end, {} },
  } do
    it("the required fields of " .. class .. " are marked so, and only those", function ()
      local call, least = table.unpack(case)
      call(least)
      for field, doc in pairs(fields_of(class)) do
        local ok, text = pcall(call, kit.merged(least, { [field] = kit.none }))
        local needed = not ok and text:find("bad field '" .. field .. "'", 1, true) ~= nil
        assert(needed == not doc.optional, class .. ": " .. field)
      end
    end)
  end

  it("the defaults said there are those of the source", function ()
    local fields, retry = meta.classes["azpec.ClientOptions"].fields, meta.classes["azpec.RetryOptions"].fields
    local options = text_of "lua_module/lua/options.c"
    assert.truthy(fields.api_version.text:find(options:match 'api_version = SPAN%("([^"]+)"%)', 1, true))
    assert.truthy(fields.timeout.text:find("default: " .. options:match '"timeout", (%d+)000%)' .. ".", 1, true))
    local header = text_of "lua_module/core/retry.h"
    assert.truthy(retry.max_tries.text:find("default: " .. header:match "%.max_tries = (%d+)", 1, true))
    assert.truthy(retry.base_delay.text:find("default: 0." .. header:match "%.base_delay = (%d)00", 1, true))
    assert.truthy(retry.max_delay.text:find("default: " .. header:match "%.max_delay = (%d+)000", 1, true))
    for name, row in pairs(meta.aliases["azpec.Cloud"].values) do
      local endpoint, authority = options:match('"' .. name .. '",%s*"([^"]+)",%s*"([^"]+)"')
      assert.truthy(row:find(endpoint .. ", " .. authority, 1, true), name)
    end
  end)

  it("the defaults and limits said of credentials are those of the source", function ()
    local edge, credentials = text_of "lua_module/lua/provide.c", text_of "lua_module/lua/credential.c"
    local timeout = "default: " .. edge:match "PROGRAM_TIMEOUT = (%d+)000," .. "."
    for _, class in ipairs { "azpec.AzureCliOptions", "azpec.AzureDeveloperCliOptions" } do
      assert.truthy(fields_of(class).timeout.text:find(timeout, 1, true), class)
    end
    local device = fields_of "azpec.DeviceCodeOptions"
    assert.truthy(device.client_id.text:find(credentials:match '"(%x+%-%x+%-%x+%-%x+%-%x+)"', 1, true))
    assert.truthy(device.tenant_id.text:find(credentials:match 'set%(L, "tenant_id", ("%l+")%)', 1, true))
    local path_text = fields_of "azpec.WorkloadIdentityOptions".token_file_path.text
    assert.truthy(path_text:find(edge:match "MAX_FILE = (%d+) %* 1024" .. " KiB", 1, true))
    local links = text_of "lua_module/lua/credential.h":match "MAX_LINKS = (%d+)"
    assert.truthy(meta.functions["azpec.credential"].chain.text:find("1 to " .. links .. " ", 1, true))
    local bytes = credentials:match "MAX_VALUE = (%d+)"
    assert.truthy(text_of(path):find("Strings have 1 to " .. bytes .. " bytes", 1, true))
    assert.truthy(credentials:find("MAX_TEXT = 1024 * 1024", 1, true)) -- 1 MiB
  end)
end)

-- ---- results, errors, events ---------------------------------------------------------------------------------------

-- The names that a source file gives to fields.
local function set_names(text)
  local names = {}
  for call in text:gmatch "%l+_%l+(%b())" do
    local name = call:match '^%(L,%s*"([%w_]+)"'
    if name then names[name] = true end
  end
  for call in text:gmatch "lua_setfield(%b())" do
    for name in call:gmatch '"([%w_]+)"' do names[name] = true end
  end
  return names
end

-- Whether a value is of a documented type. Any table is of a class, and a list of anything.
local function is_of(documented, value)
  if documented:find("|", 1, true) then
    for one in documented:gmatch "[^|]+" do
      if is_of(one, value) then return true end
    end
    return false
  end
  local alias = meta.aliases[documented]
  if alias then return alias.values[value] ~= nil end
  if documented:find "^table" or documented:find "%[%]$" or meta.classes[documented] then
    return type(value) == "table"
  end
  return documented == type(value) or documented == math.type(value) or documented == tostring(value)
    or documented == ('"%s"'):format(value)
end

-- Fails unless each member of a table is a documented field, and of its type.
local function expect_documented(class, value)
  local documented = fields_of(class)
  for k, v in pairs(value) do
    local doc = assert(documented[k], k .. " is not documented")
    if not is_of(doc.type, v) then
      error(("%s.%s is %s (%s), and documented as %s"):format(class, k, v, math.type(v) or type(v), doc.type), 2)
    end
  end
end

describe("azpec.meta.lua's tables hold what the module puts into them:", function ()
  it("azpec.Error", function ()
    local text = text_of "lua_module/lua/error.c"
    local names = set_names((text:gsub("\nint error_raise_with.-\n}\n", "")))
    names.total = nil -- of elapsed
    for name in text:gmatch '{ "%a+", "([%l_]+)" }' do names[name] = true end -- the service's, renamed
    assert.same(keys(names), keys(fields_of "azpec.Error"))
  end)

  it("azpec.CallbackError", function ()
    local names = set_names(between("lua_module/lua/error.c", "\nint error_raise_with", "\n}"))
    names.message, names.retryable = true, true -- as of any error
    assert.same(keys(names), keys(fields_of "azpec.CallbackError"))
  end)

  it("azpec.Write", function ()
    assert.same(keys(set_names(text_of "lua_module/lua/before_write.c")), keys(fields_of "azpec.Write"))
  end)

  it("azpec.Elapsed: a number for each phase, and their sum", function ()
    assert.same(keys(merged(meta.aliases["azpec.Phase"].values, { total = true })), keys(fields_of "azpec.Elapsed"))
  end)

  it("azpec.Error at run time", function ()
    local client <close> = kit.client()
    local _, err = client:update(kit.named())
    expect_documented("azpec.Error", err)
    for k, doc in pairs(fields_of "azpec.Error") do assert(doc.optional or err[k] ~= nil, k .. " is missing") end
  end)

  it("azpec.Progress", function ()
    local text = between("lua_module/lua/poller.c", "static int l_progress", "\n}")
    assert.same(keys(set_names(text)), keys(fields_of "azpec.Progress"))
  end)

  it("azpec.Ensured", function ()
    local text = between("lua_module/lua/poller.c", "static void push_ensured", "\n}")
    assert.same(keys(set_names(text)), keys(fields_of "azpec.Ensured"))
  end)

  it("azpec.Event and azpec.Timings", function ()
    local timings = set_names(between("lua_module/lua/events.c", "static void set_timings", "lua_setfield"))
    assert.same(keys(timings), keys(fields_of "azpec.Timings"))
    local names = set_names(text_of "lua_module/lua/events.c" .. text_of "lua_module/lua/trace_context.c")
    for name in pairs(timings) do names[name] = fields_of "azpec.Event"[name] and true end
    assert.same(keys(names), keys(fields_of "azpec.Event"))
  end)

  it("azpec.Event at run time, sign-in included", function ()
    local function look(event) expect_documented("azpec.Event", event) end
    for _, c in ipairs { azpec.credential.token { token = "t" },
                         azpec.credential.client_secret { tenant_id = "a", client_id = "b", client_secret = "c" } } do
      local client <close> = kit.client { credential = c, on_event = look,
                                          retry = { max_tries = 2, base_delay = 0.01, max_delay = 1 } }
      assert.equal("transport", select(2, client:update(kit.named())).kind)
    end
  end)

  it("azpec.DeviceCode", function ()
    local text = between("lua_module/lua/provide.c", "static void provide_prompt", "\n}")
    assert.same(keys(words(text, 'set_text%(L, "([%l_]+)"')), keys(fields_of "azpec.DeviceCode"))
  end)

  it("azpec.RateLimits", function ()
    local names = words(between("lua_module/core/rate.c", "names%[RATE_COUNT%] = {", "};"), '"([%w-]+)"')
    assert.same(keys(names), keys(fields_of "azpec.RateLimits"))
  end)
end)

-- ---- the environment -----------------------------------------------------------------------------------------------

describe("azpec.meta.lua's environment", function ()
  local function documented()
    local names = {}
    for line in text_of(path):gmatch "%-%-%- %* (`[^\n]+)" do
      for name in line:gmatch "`([%a_]+)`" do names[name] = true end
    end
    return names
  end

  local proxies = { https_proxy = true, HTTPS_PROXY = true, http_proxy = true, all_proxy = true, ALL_PROXY = true,
                    no_proxy = true, NO_PROXY = true } -- libcurl's

  it("names the variables that the source reads, and no others but libcurl's for proxies", function ()
    local read = {}
    for _, name in ipairs(dofile "tests/tools/variables.lua") do read[name] = true end
    assert.same(keys(merged(read, proxies)), keys(documented()))
  end)

  it("is read nowhere but in options.c, and libcurl's for proxies in curl_proxy.c", function ()
    local files = {}
    for line in io.popen "grep -rl 'getenv(' lua_module":lines() do files[line] = true end
    assert.same({ ["lua_module/lua/options.c"] = true, ["lua_module/io/curl_proxy.c"] = true }, files)
    for name in pairs(found('"([%a]+_[%a]+)"', "lua_module/io/curl_proxy.c")) do assert(proxies[name], name) end
  end)
end)

it("azpec.meta.lua's classes are all used, and all that are used are there", function ()
  local text = text_of(path)
  for name in text:gmatch "azpec%.%u[%w]+" do
    assert(meta.classes[name] or meta.aliases[name] or meta.enums[name], name .. " is not described")
  end
  for name in pairs(meta.classes) do
    local _, n = text:gsub(name:gsub("%.", "%%.") .. "%f[^%w]", "")
    assert(n >= 2 or name:find "^azpec%.?%l*$", name .. " is not used")
  end
end)

it("azpec.meta.lua says the source of a rule by a name that its list explains, and no other", function ()
  local text = text_of(path)
  local explained = words(text, "%-%-%- %* %[([%a ]+)%]")
  for line in text:gmatch "%-%-%- %* (%[[^:]+):" do
    for name in line:gmatch "%[([%a ]+)%]" do explained[name] = true end
  end
  local cited = {}
  for line in text:gmatch "[^\n]+" do
    if not line:find "^%-%-%- %* %[" then
      for name in line:gmatch "%[(%u[%a ]+)%]" do cited[name] = true end
    end
  end
  assert.same(keys(explained), keys(cited))
end)
