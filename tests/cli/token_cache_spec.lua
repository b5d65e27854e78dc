-- --token-cache keyring: the next command asks Entra ID nothing; where that cannot be, it is said once.

local assert = require "luassert"
local kit = require "cli.kit"
local support = require "loopback.support"

local emulator, azpec = kit.stage()

local quote = support.quote
local where = "-g default-azurebatch-japaneast --account sampleacct"
local keyring = { AZPEC_TOKEN_CACHE = "keyring" }

local function list(options, env)
  return kit.ended(0, azpec("list", where .. " " .. (options or ""), { env = support.merged(
    kit.environment(emulator), env or {}) }))
end

local has_keyring = os.execute "keyctl show @u >/dev/null 2>&1"

local function it_with_keyring(title, f)
  it(title, function ()
    if not has_keyring then return pending "the kernel keeps no keys here" end
    f()
  end)
end

local function asked() return #emulator:log "token" end

before_each(function ()
  emulator:set { token_lifetime = 600 }
  emulator:control("DELETE", "log")
end)

describe("azpec --token-cache keyring", function ()
  it_with_keyring("asks for one token in a loop of commands", function ()
    for _ = 1, 3 do assert.equal("", list("--token-cache keyring").err) end
    assert.equal(1, asked())
    assert.equal("", list("", keyring).err)
    assert.equal(1, asked())
  end)

  it("is off unless it is asked for, and the command line goes before the variable", function ()
    list()
    list()
    assert.equal(2, asked())
    list("--token-cache none", keyring)
    list("--token-cache none", keyring)
    assert.equal(4, asked())
  end)

  it("refuses another value, by the name of what has it", function ()
    local env = kit.environment(emulator)
    assert.matches("%-%-token%-cache", kit.ended(2, azpec("list", where .. " --token-cache disk", { env = env })).err)
    env.AZPEC_TOKEN_CACHE = "disk"
    assert.matches("^azpec: AZPEC_TOKEN_CACHE", kit.ended(2, azpec("list", where, { env = env })).err)
  end)

  it_with_keyring("shows with -vv what became of the token, and never the token", function ()
    assert.matches("the token is %a+ the keyring", list("-vv --token-cache keyring").err)
    assert.matches("the token is from the keyring", list("-vv --token-cache keyring").err)
  end)

  it_with_keyring("is named by the doctor", function ()
    list("--token-cache keyring")
    local result = kit.ended(0, azpec("doctor", where .. " --check signin --token-cache keyring",
      { env = kit.environment(emulator) }))
    assert.matches("for %d+ min, from the token cache", result.out)
  end)

  describe("where the kernel keeps no keys", function ()
    local function forbidden(line)
      local out, err = support.new_path "out", support.new_path "err"
      local _, _, code = os.execute(("%s/tools/forbid 1 %s >%s 2>%s"):format(os.getenv "BUILD" or "build",
        kit.command(line .. " " .. kit.address(emulator), kit.environment(emulator)), quote(out), quote(err)))
      return { code = code, out = support.read(out), err = support.read(err) }
    end

    it("says so once and does its work", function ()
      local result = forbidden("list --token-cache keyring -g default-azurebatch-japaneast")
      assert.equal(0, result.code)
      assert.equal("azpec: --token-cache keyring: no token is shared: the kernel forbids it, as in many containers "
        .. "(EPERM)\n", result.err)
      assert.matches("^ACCOUNT", result.out)
    end)

    it("says nothing with -q, and no second document with -o json", function ()
      for _, options in ipairs { "-q", "-o json" } do
        local result = forbidden("list --token-cache keyring " .. options .. " " .. where)
        assert.equal(0, result.code)
        assert.is_nil(result.err:find("%-%-token%-cache.*%-%-token%-cache"))
        if options == "-q" then assert.equal("", result.err) end
      end
    end)
  end)
end)
