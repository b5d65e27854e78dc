-- azpec.nearest: which known word was meant.

local assert = require "luassert"
local nearest = require "azpec.nearest"

it("counts letters that are inserted, deleted, replaced or swapped", function ()
  for _, case in ipairs { { "", "", 0 }, { "", "ab", 2 }, { "approve", "aprove", 1 }, { "list", "lsit", 1 },
    { "ca", "abc", 3 }, { "Pending", "pendign", 1 }, { "kitten", "sitting", 3 }, { ("x"):rep(9999), "x", 63 } } do
    assert.equal(case[3], nearest.distance(case[1], case[2]), case[1] .. " " .. case[2])
    assert.equal(case[3], nearest.distance(case[2], case[1]), case[2] .. " " .. case[1])
    assert.equal(case[3], nearest.distance(case[1], case[2], case[3]))
    assert.equal(math.huge, nearest.distance(case[1], case[2], case[3] - 1))
  end
end)

it("finds the nearest, or what a word is the beginning of, and nothing that is far", function ()
  local known = { "list", "show", "approve", "apply", "audit", "auto" }
  for word, found in pairs { aprove = "approve", lsit = "list", app = "approve apply", aud = "audit", xyz = "", l = "",
    auro = "auto", approvee = "approve", LIST = "list" } do
    assert.equal(found, table.concat(nearest.of(word, known), " "), word)
  end
  assert.equal("; did you mean 'list'?", nearest.question("lisst", known))
  assert.equal("; did you mean 'prod'?", nearest.question("pro", { "prod", "Prod", "prod" }))
  assert.equal("", nearest.question("elsewhere", known))
  assert.equal("", nearest.question("description", { "subscription" }))
end)

it("names three of many that are equally near, where any number may be", function ()
  local known = { "batch001", "batch011", "batch010", "batch012", "batch021" }
  assert.equal("", nearest.question("batch01", known))
  assert.equal("; did you mean 'batch001' or 'batch011' or 'batch010' or 1 other?",
    nearest.question("batch01", { table.unpack(known, 1, 4) }, true))
end)
