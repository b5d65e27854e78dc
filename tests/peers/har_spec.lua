-- What --trace writes, as another program's schema has it: har-validator of npm.
package.path = "./tests/?.lua;" .. package.path

local kit = require "cli.kit"
local npm = require "loopback.npm"
local t = require "loopback.support"

local emulator, azpec = kit.stage { operation_polls = 1 }

describe("an HTTP Archive", function ()
  it("is what har-validator takes, of an approval, of a list, and of a request without an answer", function ()
    local place, why = npm.installed "tests/peers/har"
    if not place then return pending(why) end
    local function check(path)
      return os.execute(("check=$PWD/tests/peers/har/check.js; cd %s && unset LD_PRELOAD && node \"$check\" %s"):format(
        t.quote(place), t.quote(path)))
    end
    emulator:faults { { match = { kind = "update", nth = 1 }, action = { reset = true } } }
    for verb, line in pairs { approve = emulator.sample, list = "-g rg-contoso-prod --account manyacct" } do
      local path = t.new_path "har"
      kit.ended(0, azpec(verb, ("%s --trace %s"):format(line, path)))
      assert.is_true(check(path))
    end
    assert.is_nil(check(t.write(t.new_path "har", '{"log":{"version":"1.2","entries":[]}}')))
  end)
end)
