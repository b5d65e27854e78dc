-- The values of --credential: which there are, and which credential of the module each makes.
local azpec = require "azpec"
local make = require "azpec.cli.credentials"
local offered = require "azpec.cli.options".credentials
local wording = require "azpec.cli.wording"

-- The kinds of the module that are not a value of --credential, and why: they need a function or what the command line
-- cannot give, or have another name there.
local module_alone = { client_assertion = "it needs a function", chain = "auto is one", default = "called auto" }

local variables = {
  AZURE_TENANT_ID = "t", AZURE_CLIENT_ID = "c", AZURE_CLIENT_SECRET = "s", AZURE_CLIENT_CERTIFICATE_PATH = "/c.pem",
  AZURE_ACCESS_TOKEN = "a", AZPEC_CREDENTIAL_TIMEOUT = "5s",
}

-- The constructor that this value calls, and its options; the environment has the variables above. context: default:
-- no further option is given.
local function made(value, context)
  local name, options
  local module = { credential = setmetatable({}, { __index = function (_, kind)
    return function (given) name, options = kind, given end
  end }) }
  context = context or { args = { credential = value }, secret = function () end,
    usage = function (_, why) error(why) end }
  local getenv = os.getenv
  os.getenv = function (variable) return variables[variable] end -- luacheck: ignore 122
  local ok, why = pcall(make, module, context)
  os.getenv = getenv -- luacheck: ignore 122
  assert(ok, why)
  return name, options
end

describe("--credential", function ()
  it("offers each kind of the module but those of module_alone", function ()
    local values = {}
    for _, value in ipairs(offered) do values[value] = true end
    for kind in pairs(azpec.credential) do
      assert.equal(not module_alone[kind], values[kind:gsub("_", "-")] or false, kind)
    end
    for kind in pairs(module_alone) do assert.truthy(azpec.credential[kind], kind) end
  end)

  it("makes the credential that it names", function ()
    local others = { auto = "default", environment = "default" }
    for _, value in ipairs(offered) do
      assert.equal(others[value] or value:gsub("-", "_"), (made(value)))
    end
  end)

  it("environment excludes all other links of the default chain, so it has no time for a program", function ()
    local _, options = made "environment"
    assert.same({ exclude = { "workload_identity", "managed_identity", "azure_cli", "azure_developer_cli" } }, options)
    for _, value in ipairs { "auto", "azure-cli", "azure-developer-cli" } do
      assert.equal(5, select(2, made(value)).timeout, value)
    end
  end)

  it("is refused with the option that the refused field comes from", function ()
    local checked_before = { timeout = true }
    for _, value in ipairs(offered) do
      -- each option is given, and its value is its name
      local args = setmetatable({ credential = value }, { __index = function (_, option) return option end })
      local _, fields = made(value, { args = args, secret = function (_, option) return option end,
        usage = function () end })
      for field, option in pairs(fields) do
        if type(option) == "string" and not checked_before[field] then
          assert.equal("--" .. option:gsub("_", "-") .. ": why",
            wording.complaint(("x.lua:1: bad field '%s' (why)"):format(field)))
        end
      end
    end
  end)
end)
