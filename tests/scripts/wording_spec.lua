-- The module's advice in the command's words: no text of the C sources is left that only a program could follow.

local assert = require "luassert"
local wording = require "azpec.command.wording"

-- The texts in the C sources that people may be shown: of two words at least.
local function texts()
  local found = {}
  local pipe <close> = io.popen "cat lua_module/*.c lua_module/core/*.c lua_module/signing/*.c"
  local code = pipe:read "a":gsub("/%*.-%*/", " "):gsub("#include[^\n]*", "")
  code = code:gsub('\\"', "\1"):gsub('"%s*\n?%s*"', "") -- literals that stand beside each other are one
  for literal in code:gmatch '"([^"\n]*)"' do
    literal = literal:gsub("\1", '"')
    if literal:find "%l%l+ %l%l+" then found[#found + 1] = literal end
  end
  return found
end

-- What a person at a shell cannot give: fields and functions of the Lua module, and options as if they were fields.
local foreign = { "azpec%.%l", "`", "%f[%w_]ca_file%f[^%w_]", "ca_path", "%f[%w_]client_id%f[^%w_]",
  "%f[%w_]tenant_id%f[^%w_]", "authority_host", "api_version", "certificate_path", "key_path", "poll_interval",
  "if_match", "trusted_origins", "%-%-%l[%l-]* =" }

-- Of calls that are refused, which wording.complaint names the option of, and of damage in the module's own data.
local function is_for_programs(text)
  return text:find "^bad " or text:find " expected" or text:find "^azpec needs" or text:find "^attempt"
    or text:find "^azpec: " or text:find "makes no sense$" or text:find "client_secret function"
    or text:find "is neither a GUID nor a domain"
end

it("the sources have texts", function () assert(#texts() > 100, #texts()) end)

it("a text of the module, worded for the command, names no field of the module", function ()
  for _, text in ipairs(texts()) do
    local worded = is_for_programs(text) and "" or wording.of(text)
    for _, pattern in ipairs(foreign) do assert.falsy(worded:find(pattern), worded) end
  end
end)

it("what is no field stays", function ()
  for _, text in ipairs { "the connection was refused", "id and token", "a client's timeout", "properties.status" } do
    assert.equal(text, wording.of(text))
  end
end)
