-- The values of --credential: which there are, and which credential of the module each makes.
local azpec = require "azpec"
local make = require "azpec.cli.credentials"
local offered = require "azpec.cli.options".credentials

-- The kinds of the module that are not a value of --credential.
local module_alone = { client_assertion = "it needs a function", chain = "auto is one", default = "called auto" }

local variables = {
  AZURE_TENANT_ID = "t", AZURE_CLIENT_ID = "c", AZURE_CLIENT_SECRET = "s", AZURE_CLIENT_CERTIFICATE_PATH = "/c.pem",
  AZURE_ACCESS_TOKEN = "a", AZPEC_CREDENTIAL_TIMEOUT = "5s",
}

-- The constructor that this value calls, and its options; the environment has the variables above.
local function made(value)
  local name, options
  local module = { credential = setmetatable({}, { __index = function (_, kind)
    return function (given) name, options = kind, given end
  end }) }
  local context = { args = { credential = value } }
  function context:secret() return nil end
  function context:usage(why) error(why) end
  local getenv = os.getenv
  os.getenv = function (variable) return variables[variable] end -- luacheck: ignore 122
  local ok, why = pcall(make, module, context)
  os.getenv = getenv -- luacheck: ignore 122
  assert(ok, why)
  return name, options
end

describe("--credential", function ()
  it("offers each kind of the module that needs no function", function ()
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
end)
