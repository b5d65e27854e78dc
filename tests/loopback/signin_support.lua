-- What the sign-in tests share: an emulator that knows certificates and identities, child processes with an environment
-- of their own, and programs that pretend to be az and azd.

local assert = require "luassert"
local cjson = require "cjson"
local t = require "loopback.support"

local signin = {}

local quote = t.quote

-- Distinctive secrets; each may appear in the one request it belongs to and nowhere else.
signin.header = "canary-identity-header-71c05b8e/+="
signin.federated = { "canary.federated-token-1.5bd0c7", "canary.federated-token-2.91fe3a" }
signin.arc_key = "canary-arc-key-b64d09e2f1c7"
signin.password = "canary-p4ssw0rd-5f2e"
signin.pipeline = "canary-pipeline-token-a94be07c1d"
signin.connection = "9d0c4e5b-6a71-4f2e-8b3d-1c5e7f902a64"
signin.az_token = "canary.az-token.d1a5c3f0e97b4826"
signin.user = { client_id = "0c3a1f5e-7d24-4b86-9e10-2f6a8b4c9d11",
  object_id = "7e5d9a02-1c3b-4f68-8a97-b0d4e6f81c22",
  resource_id = "/subscriptions/3f1c2a54-6a1e-4b7d-9c55-0e8d1b2a7f10/resourceGroups/rg/providers"
    .. "/Microsoft.ManagedIdentity/userAssignedIdentities/one" }

local canaries = { signin.header, signin.federated[1], signin.federated[2], signin.arc_key, signin.password,
  signin.pipeline, signin.az_token, "PRIVATE KEY-----", "eyJhbGci" }

signin.canaries = canaries

-- Fails when any of the secrets stands in the text.
function signin.clean(text, what)
  t.has_no_secret(text, what)
  for _, secret in ipairs(canaries) do
    assert(not text:find(secret, 1, true), "a secret (" .. secret .. ") stands in " .. what .. ": " .. text)
  end
end

-- What a command prints, without the last line's end; fails when it does.
function signin.shell(command)
  local pipe = assert(io.popen("{ unset LD_PRELOAD; " .. command .. "\n} 2>&1"))
  local said = pipe:read "a"
  assert(pipe:close(), command .. "\n" .. said)
  return (said:gsub("\n$", ""))
end

-- A new directory, empty or with these files.
function signin.folder(files)
  local path = t.new_path "folder"
  signin.shell("mkdir -m 700 " .. quote(path))
  for name, bytes in pairs(files or {}) do t.write(path .. "/" .. name, bytes) end
  return path
end

-- ---- certificates --------------------------------------------------------------------------------------------------

local recipe = [[
printf '[req]\ndistinguished_name=dn\n[dn]\n' > conf
for name in leaf other; do
  openssl genpkey -quiet -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out $name.key 2>/dev/null ||
    openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out $name.key 2>/dev/null || exit 1
  openssl req -x509 -new -config conf -key $name.key -subj /CN=$name -days 30 -out $name.crt || exit 1
done
cat leaf.crt leaf.key > both.pem
openssl pkcs8 -topk8 -in leaf.key -passout "pass:$password" -out locked.key
openssl pkcs12 -export -in leaf.crt -inkey leaf.key -passout "pass:$password" -out leaf.p12
]]

local certificates

-- The folder of certificates: leaf.crt and .key, both.pem, locked.key, leaf.p12; other.crt and .key, not registered.
function signin.certificates()
  if not certificates then
    certificates = signin.folder()
    signin.shell(("cd %s; password=%s\n%s"):format(quote(certificates), quote(signin.password), recipe))
  end
  return certificates
end

-- ---- the emulator --------------------------------------------------------------------------------------------------

local emulator

local function state_of(more)
  local spec = emulator:control("GET", "state")
  return t.merged(spec, { tenant_domain = "contoso.onmicrosoft.com", client_secret = t.secret,
    certificates = { t.read(signin.certificates() .. "/leaf.crt") }, federated_tokens = signin.federated,
    identity_header = signin.header, pipeline_token = signin.pipeline,
    service_connection_id = signin.connection,
    user_identities = { signin.user },
    options = { operation_polls = 2, retry_after = "none" } }, more or {})
end

-- The emulator for the tests of one file.
function signin.start()
  emulator = t.emulator()
  return emulator
end

-- As at start, for the next test; more: fields of the state.
function signin.reset(more)
  emulator:reset()
  emulator:control("PUT", "state", state_of(more))
  emulator:control("DELETE", "log")
end

-- The requests of that kind, each with its query as params.
function signin.log(...)
  local list = emulator:log(...)
  for _, entry in ipairs(list) do
    entry.params = {}
    for name, value in entry.target:gmatch "[?&]([^=&]+)=([^&]*)" do
      entry.params[name] = value:gsub("%%(%x%x)", function (hex) return string.char(tonumber(hex, 16)) end)
    end
  end
  return list
end

-- ---- child processes -----------------------------------------------------------------------------------------------

local driver = [==[
local azpec, cjson, cqueues = require "azpec", require "cjson", require "cqueues"
local file <close> = assert(io.open(arg[1]))
local given = cjson.decode(file:read "a")
local told, results, client = {}, {}, nil

local function dump(value, out, seen)
  if type(value) ~= "table" then
    out[#out + 1] = tostring(value)
  elseif not seen[value] then
    seen[value] = true
    for name, item in pairs(value) do
      dump(name, out, seen)
      dump(item, out, seen)
    end
  end
  return out
end

local function note(begun, value, err)
  local result = { ok = value ~= nil, took = cqueues.monotime() - begun }
  if err then
    for _, name in ipairs { "kind", "message", "code", "hint", "http_status", "request_id", "correlation_id", "phase",
                            "retryable" } do
      result[name] = err[name]
    end
    result.all = tostring(err) .. "\n" .. table.concat(dump(err, {}, {}), "\n")
  end
  results[#results + 1] = result
  return value, err
end

local function new(more)
  local options = { endpoint = given.endpoint, authority_host = given.endpoint, ca_file = given.ca_file,
    subscription_id = given.subscription_id, poll_interval = 0.02, timeout = given.timeout or given.hang,
    scope = given.scope,
    retry = { max_tries = given.max_tries or 1, base_delay = 0.01, max_delay = 3 }, proxy = given.proxy,
    on_event = function (event) told[#told + 1] = event end }
  for name, value in pairs(more or {}) do options[name] = value end
  return azpec.client(options)
end

local function get(which)
  local begun = cqueues.monotime()
  return note(begun, (which or client):get { id = given.id })
end

local function tokens() -- answers about a token so far
  local count = 0
  for _, event in ipairs(told) do
    if event.event == "token" and (event.status or event.error) then count = count + 1 end
  end
  return count
end

local function get_until(done) -- asks, until something is so
  local deadline = cqueues.monotime() + (given.timeout or given.hang)
  while not done() do
    assert(cqueues.monotime() < deadline, "the deadline has passed")
    assert(client:get { id = given.id })
  end
end

local function write(path, text)
  local file <close> = assert(io.open(path, "w"))
  file:write(text)
end

local credential
local ok, why = pcall(function ()
  credential = (function () --[[CREDENTIAL]] end)()
  client = new { credential = credential }
  do --[[BODY]] end
  client:close()
end)
if not ok then results[#results + 1] = { ok = false, raised = tostring(why) } end
print(cjson.encode { results = results, tokens = tokens(), credential = tostring(credential),
  told = table.concat(dump(told, {}, {}), "\n") })
]==]

local passed_on = { "LUA_CPATH", "LUA_PATH", "LD_PRELOAD", "ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS", "HOME" }

local function environment(env)
  local all = { PATH = "/nonexistent", TZ = "UTC" }
  for _, name in ipairs(passed_on) do all[name] = os.getenv(name) end
  all = t.merged(all, env or {})
  local words = {}
  for name, value in t.each(all) do words[#words + 1] = quote(name .. "=" .. value) end
  return table.concat(words, " ")
end

local function fill(template, name, code)
  local first, last = template:find("--[[" .. name .. "]]", 1, true)
  return template:sub(1, first - 1) .. "\n" .. code .. "\n" .. template:sub(last + 1)
end

-- The command that runs a child; spec: credential and body (Lua code; body is one get unless told otherwise), env (all
-- of its environment), given (more values for the code), within (a command put in front).
function signin.command(spec)
  local given = t.merged({ endpoint = emulator.endpoint, subscription_id = emulator.subscription_id,
    ca_file = emulator.ca_file, id = emulator.sample, tenant_id = emulator.tenant_id, client_id = emulator.client_id,
    user = signin.user, hang = t.hang }, spec.given or {})
  local code = fill(fill(driver, "CREDENTIAL", spec.credential or ""), "BODY", spec.body or "get()")
  return ("%s env -i %s %s -k 1 %d %s %s %s"):format(spec.within or "exec", environment(spec.env),
    t.program "timeout", t.life, t.program(os.getenv "LUA" or "lua5.4"),
    quote(t.write(t.new_path "child" .. ".lua", code)), quote(t.write(t.new_path "given", cjson.encode(given))))
end

local child = {}
child.__index = child

-- Runs it to its end: {results = {{ok, took, kind, message ...}}, tokens, credential, told}; [1] is the first result.
-- Nothing that it printed may hold a secret.
function signin.run(spec)
  return signin.begin(spec):finish()
end

-- The same in two halves, so that something can happen meanwhile.
function signin.begin(spec)
  local pipe = assert(io.popen(signin.command(spec) .. " 2>&1 </dev/null"))
  return setmetatable({ pipe = pipe }, child)
end

function child:finish()
  local said = self.pipe:read "a"
  self.pipe:close()
  signin.clean(said, "a process's output")
  -- LeakSanitizer's own tracer may fall over a thread that is just ending, which says nothing of the program.
  local fallen = said:find("Tracer caught signal", 1, true)
  if fallen and said:find("LeakSanitizer has encountered a fatal error", fallen, true) then
    said = said:sub(1, fallen - 1)
  end
  local fine, out = pcall(cjson.decode, said)
  assert(fine, "no JSON came from the process: " .. said)
  out[1] = out.results[1]
  return out
end

local function shown(result)
  return result and (result.raised or (result.kind or "ok") .. ": " .. tostring(result.message)) or "no result"
end

-- Runs it and expects every result to be fine.
function signin.works(spec)
  local out = signin.run(spec)
  assert(out[1], "no result")
  for _, result in ipairs(out.results) do assert(result.ok, shown(result)) end
  return out
end

-- Runs it and expects the first result to be an error of that kind whose message has that text in it.
function signin.fails(kind, text, spec)
  local out = signin.run(spec)
  local result = out[1]
  assert(result and not result.ok and result.kind == kind and result.message:find(text, 1, true),
    ("expected %s: ... %s ...\ngot %s"):format(kind, text, shown(result)))
  return result, out
end

-- ---- az and azd ----------------------------------------------------------------------------------------------------

-- A folder with programs: {az = "shell text"}. Each notes its arguments and its process id.
function signin.programs(scripts)
  local folder = signin.folder()
  for name, script in pairs(scripts) do
    t.write(folder .. "/" .. name, ([[#!/bin/sh
unset LD_PRELOAD
for word; do printf '%%s\n' "$word"; done >>'%s/%s.words'
echo $$ >>'%s/%s.pids'
%s
]]):format(folder, name, folder, name, script))
    signin.shell("chmod 755 " .. quote(folder .. "/" .. name))
  end
  return folder
end

-- What a program of the folder was called with, blank between the words.
function signin.words(folder, name)
  return ((t.read(folder .. "/" .. name .. ".words") or ""):gsub("\n$", ""):gsub("\n", " "))
end

-- How often it was called.
function signin.calls(folder, name)
  return select(2, (t.read(folder .. "/" .. name .. ".pids") or ""):gsub("\n", ""))
end

return signin
