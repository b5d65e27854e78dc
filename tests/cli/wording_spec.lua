-- The module's advice in the command's words: no text of the C sources is left that only a program could follow.

local assert = require "luassert"
local wording = require "azpec.cli.wording"

-- The literals of these sources that people may be shown: of two words at least.
local function literals(command, comments, joint)
  local found = {}
  local pipe <close> = io.popen(command)
  local code = pipe:read "a":gsub(comments, " ")
  code = code:gsub('\\"', "\1"):gsub(joint, "") -- literals that stand beside each other are one
  for literal in code:gmatch '"([^"\n]*)"' do
    literal = literal:gsub("\1", '"')
    if literal:find "%l%l+ %l%l+" then found[#found + 1] = literal end
  end
  return found
end

local function texts_of(files)
  return literals(files .. " | xargs cat", "\n%s*%-%-[^\n]*", '"%s*%.%.%s*"')
end

local texts = literals("find lua_module -name '*.c' -exec grep -hv '^#include' {} +", "/%*.-%*/", '"%s*\n?%s*"')
local texts_of_doctor = texts_of "ls scripts/azpec/doctor.lua scripts/azpec/doctor/*.lua"
local texts_of_libraries = texts_of "ls scripts/azpec/*.lua scripts/azpec/*/*.lua | grep -v /cli/ | grep -v /emulator/"

-- The fields of the module's tables, as its types name them, whose names cannot be words.
local function fields()
  local found = {}
  for line in io.lines "lua_module/azpec.meta.lua" do
    local name = line:match "^%-%-%-@field (%l+_[%l%d_]+)"
    if name then found[name] = true end
  end
  return found
end

-- What a person at a shell cannot give: fields and functions of the Lua module, and options as if they were fields.
local foreign = { "azpec%.%l", "`", "%-%-%l[%l-]* =" }

-- Of calls that are refused, which wording.complaint names the option of, of damage in the module's own data, and of a
-- program's own functions.
local function is_for_programs(text)
  return text:find "^bad " or text:find " expected" or text:find "^azpec needs" or text:find "^attempt"
    or text:find "^azpec: " or text:find " is invalid$" or text:find "client_secret function"
    or text:find "^the call itself " or text:find "' requires it$"
    or text:find "^on_event raised " or text:find "^before_write "
end

-- Commands of az and azd, and their options.
local function is_for_az(text)
  return text:find "%f[%w]azd? %l+" or text:find "^ %-%-" or text:find "^unknown flag"
end

it("the sources have texts", function ()
  assert(#texts > 100, #texts)
  assert(#texts_of_doctor > 20, #texts_of_doctor)
  assert(#texts_of_libraries > 100, #texts_of_libraries)
  assert.is_true(fields().authority_host and fields().certificate_path and not fields().timeout)
end)

it("a text of the module or of the doctor, worded for the command, names no field of the module", function ()
  local known = fields()
  for _, list in ipairs { texts, texts_of_doctor } do
    for _, text in ipairs(list) do
      local worded = is_for_programs(text) and "" or wording.of(text)
      for _, pattern in ipairs(foreign) do assert.falsy(worded:find(pattern), worded) end
      for word in worded:gmatch "%f[%w_-][%l%d_]+%f[^%w_-]" do assert.falsy(known[word], worded) end
    end
  end
end)

-- Values that the default sign-in takes from a variable alone: it refuses their options.
it("a text that names the option of a tenant or an application names its variable as well", function ()
  local count = 0
  for _, text in ipairs(texts) do
    local worded = (is_for_programs(text) or is_for_az(text)) and "" or wording.of(text)
    for option, variable in pairs { ["--tenant-id"] = "AZURE_TENANT_ID", ["--client-id"] = "AZURE_CLIENT_ID",
      ["--send-certificate-chain"] = "AZURE_CLIENT_SEND_CERTIFICATE_CHAIN" } do
      local is_there = worded:find(option, 1, true) and not worded:find "together with %-%-credential"
      assert(not is_there or worded:find(variable, 1, true), worded)
      count = count + (is_there and 1 or 0)
    end
  end
  assert(count > 8, count)
end)

it("a text of the module or of a library names no option and no variable of the command", function ()
  for _, list in ipairs { texts, texts_of_libraries } do
    for _, text in ipairs(list) do
      assert(is_for_az(text) or not text:find "%f[^%s(]%-%-%l", text)
      assert.falsy(text:find("AZPEC_", 1, true), text)
    end
  end
end)

it("each phrase that is reworded stands in a text of the module or of a library", function ()
  local all = table.concat(texts, "\n") .. table.concat(texts_of_libraries, "\n")
  for _, phrase in ipairs(wording.phrases) do
    local without_last = phrase[1]:match "^(.* )%S+$" -- which the module may add
    assert.truthy(all:find(phrase[1], 1, true) or all:find(without_last, 1, true), phrase[1])
  end
end)

it("what is no field, or quoted, stays", function ()
  for _, text in ipairs { "the connection was refused", "id and token", "a client's timeout", "properties.status",
    "'account_name' is no name", "no name is ('account_name')" } do
    assert.equal(text, wording.of(text))
  end
  assert.equal("give --account, not 'account_name'; a client's --account is --account",
    wording.of "give account_name, not 'account_name'; a client's account_name is account_name")
end)
