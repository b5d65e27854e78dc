-- Signing in with a certificate: the options and variables of the command, and what it says of a file it cannot use.

local assert = require "luassert"
local kit = require "cli.kit"
local signin = require "loopback.signin_support"
local support = require "loopback.support"

local emulator, azpec = kit.stage()

local where = "-g default-azurebatch-japaneast --account sampleacct"
local dir = signin.certificates()

before_each(function ()
  local state = emulator:state()
  state.certificates = { support.read(dir .. "/leaf.crt") }
  emulator:control("PUT", "state", state)
  emulator:control("DELETE", "log")
end)

-- The environment of an application without a secret.
local function env(more)
  local all = kit.environment(emulator)
  all.AZURE_CLIENT_SECRET = nil
  return support.merged(all, more or {})
end

local function list(options, more)
  return azpec("list", where .. " " .. options, { env = env(more and more.env), stdin = more and more.stdin })
end

local p12 = "--client-certificate-file " .. dir .. "/leaf.p12"

describe("azpec --client-certificate-file", function ()
  it("takes the password of PKCS#12 from a file, from stdin and from the variable", function ()
    local file = support.write(support.new_path "password", signin.password .. "\n")
    kit.ended(0, list(p12 .. " --client-certificate-password-file " .. file))
    kit.ended(0, list(p12 .. " --client-certificate-password-file -", { stdin = signin.password .. "\r\n" }))
    kit.ended(0, list(p12, { env = { AZURE_CLIENT_CERTIFICATE_PASSWORD = signin.password } }))
    kit.ended(0, list("--client-certificate-password-file " .. file,
      { env = { AZURE_CLIENT_CERTIFICATE_PATH = dir .. "/leaf.p12" } }))
    assert.equal(4, #emulator:log "token")
  end)

  it("names option and variable where the password is missing or wrong, and never the password", function ()
    local both = "--client-certificate-password-file or AZURE_CLIENT_CERTIFICATE_PASSWORD"
    local missing = kit.ended(4, list(p12))
    assert.truthy(missing.err:find("it is encrypted: give its password by " .. both, 1, true), missing.err)
    local wrong = kit.ended(4, list(p12, { env = { AZURE_CLIENT_CERTIFICATE_PASSWORD = "c4nary-wr0ng" } }))
    assert.truthy(wrong.err:find("the password is wrong (" .. both .. ")", 1, true), wrong.err)
    assert.is_nil(wrong.err:find("c4nary", 1, true))
  end)

  it("sends the chain by the option and by the variable", function ()
    for _, case in ipairs { { "", {}, nil }, { "--send-certificate-chain", {}, 1 },
      { "", { AZURE_CLIENT_SEND_CERTIFICATE_CHAIN = "true" }, 1 } } do
      emulator:control("DELETE", "log")
      kit.ended(0, list("--client-certificate-file " .. dir .. "/both.pem " .. case[1], { env = case[2] }))
      assert.equal(case[3], emulator:log "token"[1].token.chain)
    end
  end)

  it("refuses its companions beside another credential", function ()
    for _, options in ipairs { "--client-certificate-password-file x --credential azure-cli",
      "--send-certificate-chain --credential client-secret" } do
      assert.matches("has no effect with %-%-credential", kit.ended(2, list(options)).err)
    end
  end)

  it("is explained with its password and chain in the help", function ()
    local help = kit.ended(0, kit.run "help list").out
    for _, word in ipairs { "--client-certificate-password-file", "AZURE_CLIENT_CERTIFICATE_PASSWORD",
      "--send-certificate-chain", "AZURE_CLIENT_CERTIFICATE_PATH" } do
      assert.truthy(help:find(word, 1, true), word)
    end
  end)
end)
