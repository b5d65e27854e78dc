-- The errors of the modules for scripts.

local azpec = require "azpec"
local failure = require "azpec.failure"

describe("a failure", function ()
  it("reads as azpec.Error does, alone and within a text", function ()
    assert.equal("not_found: no such account; look again",
      tostring(failure.new("not_found", "no such account", { hint = "look again" })))
    assert.equal("x: usage: wrong", "x: " .. failure.new("usage", "wrong"))
    assert.equal("usage: wrong!", failure.new("usage", "wrong") .. "!")
  end)

  it("shows candidates, ten at most", function ()
    local candidates = {}
    for n = 1, 12 do candidates[n] = { id = "/subscriptions/s/x/" .. n } end
    local text = tostring(failure.new("ambiguous", "30 match", { candidates = candidates, count = 30 }))
    assert.equal(11, select(2, text:gsub("\n", "")))
    assert.matches("\n  and 20 more$", text)
  end)

  it("is a copy where an error gets other members", function ()
    local client <close> = azpec.client { subscription_id = "3f1c2a54-6a1e-4b7d-9c55-0e8d1b2a7f10",
      credential = azpec.credential.token { get = function () error "no token today" end } }
    local _, err = client:get { resource_group_name = "g", account_name = "abc",
      private_endpoint_connection_name = "n" }
    local copy = failure.with(err, { hint = "another one" })
    for name, value in pairs(err) do
      if name ~= "hint" then assert.equal(value, copy[name], name) end
    end
    assert.equal("another one", copy.hint)
    assert.matches("^" .. err.kind .. ": .*; another one$", tostring(copy))
  end)
end)
