-- Selectors: what matches, and what is said when none or several do.

local azpec = require "azpec"
local glob = require "azpec.glob"
local select = require "azpec.select"

local guid = "24d6b4b5-e65c-4330-bbe9-3a290d62f8e0"
local subscription, partner = "3f1c2a54-6a1e-4b7d-9c55-0e8d1b2a7f10", "aaaaaaaa-6a1e-4b7d-9c55-0e8d1b2a7f10"

local function connection(name, more)
  more = more or {}
  return {
    id = ("/subscriptions/%s/resourceGroups/rg-Batch/providers/Microsoft.Batch/batchAccounts/%s"
      .. "/privateEndpointConnections/%s"):format(subscription, more.account or "acct", name),
    name = name, etag = 'W/"1"',
    properties = {
      provisioningState = "Succeeded", groupIds = more.groups or { "batchAccount" },
      privateEndpoint = { id = ("/subscriptions/%s/resourceGroups/%s/providers/Microsoft.Network/privateEndpoints/%s")
        :format(more.from or subscription, more.group or "rg-net", name:match "^[^.]*") },
      privateLinkServiceConnectionState = { status = more.status or "Pending", description = more.description },
    },
  }
end

local build = connection("build." .. guid, { description = "Ticket 42, please" })
local nightly = connection("build-nightly", { status = "Approved", groups = { "nodeManagement", "batchAccount" } })
local stranger = connection("build." .. guid:gsub("2", "3"), { from = partner, group = "RG-Elsewhere" })
local all = { build, nightly, stranger }

local function raised(wanted)
  local ok, message = pcall(select.new, wanted)
  assert.is_false(ok)
  return (message:gsub("^[%w_/.-]+:%d+: ", ""))
end

local function names(list)
  local result = {}
  for n, one in ipairs(list) do result[n] = one.name end
  return table.concat(result, " ")
end

describe("a glob", function ()
  local function matches(pattern, text, fold) return glob.compile(pattern, fold)(text) end

  it("is exact without a wildcard", function ()
    assert.is_true(matches("a.c", "a.c"))
    assert.is_false(matches("a.c", "abc"))
    assert.is_false(matches("a", "ab"))
    assert.is_false(matches("%a", "b"))
    assert.is_false(matches("A", "a"))
    assert.is_true(matches("A", "a", true))
  end)

  it("knows *, ? and \\", function ()
    for pattern, texts in pairs {
      ["*"] = { "", "a", "a/b\n" }, ["a*"] = { "a", "ab" }, ["*a"] = { "a", "aba" }, ["a*b*c"] = { "abc", "aXbXbXc" },
      ["a?c"] = { "abc", "aéc", "a語c", "a\xFFc" }, ["a\\*c"] = { "a*c" }, ["\\?*"] = { "?", "?a" },
      ["a\\"] = { "a\\" }, ["*?*"] = { "a", "語" }, ["**a**"] = { "a", "bab" },
    } do
      for _, text in ipairs(texts) do assert.is_true(matches(pattern, text), pattern .. " and " .. text) end
    end
    for pattern, texts in pairs {
      ["a*"] = { "", "ba" }, ["a*b*c"] = { "ab", "acb", "abcd" }, ["a?c"] = { "ac", "abbc" }, ["a\\*c"] = { "abc" },
      ["*?*"] = { "" },
    } do
      for _, text in ipairs(texts) do assert.is_false(matches(pattern, text), pattern .. " and " .. text) end
    end
  end)

  it("is quick, whatever the text", function ()
    local begun = os.clock()
    assert.is_false(matches(("*a"):rep(20) .. "b", ("a"):rep(4096)))
    assert(os.clock() - begun < 5, "too slow")
  end)
end)

describe("a selector", function ()
  local function matching(wanted)
    local selector, found = select.new(wanted), {}
    for _, one in ipairs(all) do
      if selector:matches(one) then found[#found + 1] = one end
    end
    return names(found)
  end

  it("without a field matches all, and knows that", function ()
    assert.equal(names(all), matching {})
    assert.is_true(select.new {}:is_empty())
    assert.is_false(select.new { name = "x" }:is_empty())
    assert.equal("every connection", tostring(select.new {}))
  end)

  it("takes a connection's name with or without its GUID", function ()
    assert.equal(build.name, matching { name = build.name:upper() })
    assert.equal(names { build, stranger }, matching { name = "Build" })
    assert.equal(names(all), matching { name = "build*" })
    assert.equal("build-nightly", matching { name = "build-nightly" })
    assert.equal("", matching { name = "buil" })
    assert.equal("", matching { name = "build.24d6b4b5" })
  end)

  it("finds the connection of a private endpoint by its id", function ()
    assert.equal(stranger.name, matching { id = stranger.properties.privateEndpoint.id:upper() })
    assert.equal(stranger.name, matching { private_endpoint = stranger.properties.privateEndpoint.id })
    assert.equal("build-nightly", matching { id = nightly.id })
    assert.equal("", matching { id = "build-nightly" })
    assert.equal(stranger.name, matching { id = "/subscriptions/" .. partner .. "/*/privateEndpoints/*" })
  end)

  it("knows the private endpoint's parts", function ()
    assert.equal(names { build, stranger }, matching { private_endpoint = "build" })
    assert.equal("build-nightly", matching { private_endpoint_name = "*-nightly" })
    assert.equal(stranger.name, matching { private_endpoint_resource_group = "rg-elsewhere" })
    assert.equal(names { build, nightly }, matching { private_endpoint_subscription = subscription:upper() })
  end)

  it("is not deceived by an id that only looks like another", function ()
    local sly = connection("sly")
    sly.properties.privateEndpoint.id = "/subscriptions/" .. partner .. "/resourceGroups/x/providers/Microsoft.Network"
      .. "/privateEndpoints/subscriptions/" .. subscription .. "/resourceGroups/rg-net/providers/Microsoft.Network"
      .. "/privateEndpoints/build"
    assert.is_false(select.new { private_endpoint_subscription = "*" }:matches(sly))
    assert.is_false(select.new { private_endpoint_name = "*" }:matches(sly))
  end)

  it("knows status, description, group id, account, group and subscription", function ()
    assert.equal("build-nightly", matching { status = "approved" })
    assert.equal(names { build, stranger }, matching { status = "Pend*" })
    assert.equal(build.name, matching { description = "*Ticket 42*" })
    assert.equal("", matching { description = "*ticket 42*" })
    assert.equal("build-nightly", matching { group_id = "nodemanagement" })
    assert.equal(names(all), matching { group_id = "batchAccount" })
    assert.equal(names(all), matching { account_name = "ACCT", resource_group_name = "RG-batch",
      subscription_id = subscription, provisioning_state = "succeeded" })
    assert.equal("", matching { account_name = "other" })
  end)

  it("takes lists: any of them, and every field", function ()
    assert.equal(names { build, nightly }, matching { name = { "build-nightly", build.name } })
    assert.equal(build.name, matching { name = { "build-nightly", build.name }, status = { "Pending", "Rejected" } })
  end)

  it("copes with a connection that says little", function ()
    for _, bare in ipairs { {}, { id = "/x" }, { id = nightly.id, name = "build-nightly", properties = {} } } do
      assert.is_false(select.new { status = "Pending" }:matches(bare))
      assert.is_false(select.new { private_endpoint = "*" }:matches(bare))
      assert.is_false(select.new { group_id = "*" }:matches(bare))
      assert.is_true(select.new {}:matches(bare))
    end
  end)

  it("raises on what it does not know, naming the field", function ()
    assert.equal("unknown field 'nme'; did you mean 'name'?", raised { nme = "x" })
    assert.equal("unknown field '1'", raised { "x" })
    assert.equal("bad field 'name' (string expected, got number)", raised { name = 1 })
    assert.equal("bad field 'name' (string expected, got boolean)", raised { name = { "x", true } })
    assert.equal("bad field 'name' (it is empty)", raised { name = "" })
    assert.equal("bad field 'name' (the list is empty)", raised { name = {} })
    assert.equal("bad field 'name' (list of strings expected)", raised { name = { "x", y = "z" } })
    assert.equal("bad argument #1 to 'new' (table expected, got nil)", raised())
    assert.equal("bad field 'status' ('Aproved' is not one of Approved, Disconnected, Pending, Rejected; "
      .. "did you mean 'Approved'?)",
      raised { status = "Aproved" })
  end)

  it("knows the statuses that the module knows", function ()
    for status in pairs(azpec.PrivateLinkServiceConnectionStatus) do select.new { status = status } end
  end)

  it("says what it asks for", function ()
    assert.equal("name 'a' or 'b' and status 'Pending'",
      tostring(select.new { status = "Pending", name = { "a", "b" } }))
  end)
end)

describe("facts", function ()
  it("have these names, and no others", function ()
    local found = {}
    for name in pairs(select.facts { id = build.id, etag = '"1"', properties = { provisioningState = "Succeeded",
      privateEndpoint = build.properties.privateEndpoint,
      privateLinkServiceConnectionState = { status = "Pending", description = "x" } },
      systemData = { createdAt = "2026-01-01", createdBy = "x" } }) do found[#found + 1] = name end
    table.sort(found)
    assert.same(select.fact_names, found)
  end)

  it("are strings, and group ids a list of strings, whatever the service sent", function ()
    for _, odd in ipairs { true, 5, { a = 1 }, { "x" } } do
      for _, facts in ipairs {
        select.facts { id = odd, name = odd, etag = odd, properties = odd, systemData = odd },
        select.facts { id = build.id, name = odd, etag = odd, systemData = { createdAt = odd, createdBy = odd },
          properties = { provisioningState = odd, groupIds = { odd, "batchAccount" }, privateEndpoint = { id = odd },
          privateLinkServiceConnectionState = { status = odd, description = odd } } },
      } do
        for name, value in pairs(facts) do
          if name ~= "group_ids" then assert.is_string(value, name) end
        end
        for _, value in ipairs(facts.group_ids) do assert.is_string(value) end
      end
    end
  end)
end)

describe("choosing", function ()
  it("gives the one that matches", function ()
    assert.equal(nightly, select.new { status = "Approved" }:one(all))
  end)

  it("says that none matches, and which come nearest", function ()
    local found, err = select.new { name = "build", status = "Approved" }:one(all)
    assert.is_nil(found)
    assert.equal("no_match", err.kind)
    assert.equal("no connection matches name 'build' and status 'Approved'; these come nearest:", err.message)
    assert.same(all, err.candidates)
    assert.equal(0, err.count)
    assert.equal(("no_match: %s\n  %s  Pending  from %s  \"Ticket 42, please\""):format(err.message, build.id,
      build.properties.privateEndpoint.id), tostring(err):match "^[^\n]*\n[^\n]*")
    found, err = select.new { name = "nightly", status = "Approved" }:one(all)
    assert.is_nil(found)
    assert.same({ nightly }, err.candidates)
    assert.equal("no connection matches name 'nightly' and status 'Approved'; this one comes nearest:", err.message)
    found, err = select.new { name = "nobody" }:one(all)
    assert.is_nil(found)
    assert.equal("no connection matches name 'nobody'; there are:", err.message)
    found, err = select.new { name = "nobody", status = "Pending" }:one(all)
    assert.is_nil(found)
    assert.same({ "no connection matches name 'nobody' and status 'Pending'", {}, 0 },
      { err.message, err.candidates, err.count })
  end)

  it("of many shows those whose names are nearest, wherever they stand in the list", function ()
    local many = {}
    for n = 1, 300 do many[n] = connection(("team%03d"):format(n)) end
    many[290] = connection "web-frontend"
    local function nearest_to(name)
      local found, err = select.new { name = name }:one(many)
      assert.is_nil(found)
      return err
    end
    assert.same({ many[290] }, nearest_to "web-frontned".candidates)
    assert.same({ many[290] }, nearest_to "frontend".candidates)
    assert.equal("no connection matches name 'WEB-FRONT'; this one comes nearest:", nearest_to "WEB-FRONT".message)
    local err = nearest_to "team301"
    assert.same(many[1], err.candidates[1]) -- one letter off, and so are 001, 101, 201, 300
    assert.equal("no connection matches name 'database'; there are:", nearest_to "database".message)
    assert.equal(100, #nearest_to "database".candidates)
    assert.equal(200, nearest_to "database".more)
    assert.equal("  and 290 more", tostring(nearest_to "database"):match "[^\n]*$")
    assert.equal(0, nearest_to "frontend".more)
  end)

  it("shows of a stranger's text nothing that moves a cursor or turns the direction of writing", function ()
    local odd = connection("odd", { description = "\27[2Jgone\r\u{202e}flip\u{9b}31m" })
    assert.truthy(select.describe(odd):find('"?[2Jgone??flip?31m"', 1, true), select.describe(odd))
  end)

  it("says that there is nothing to choose from", function ()
    local found, err = select.new { name = "build" }:one {}
    assert.is_nil(found)
    assert.equal("no_match: there is no connection at all", tostring(err))
    assert.same({}, err.candidates)
  end)

  it("never takes the first of several", function ()
    local found, err = select.new { status = "Pending" }:one(all)
    assert.is_nil(found)
    assert.equal("ambiguous", err.kind)
    assert.equal("2 connections match status 'Pending'; name one by its id:", err.message)
    assert.same({ build, stranger }, err.candidates)
    assert.equal(2, err.count)
  end)

  it("counts a connection once, though it is listed twice", function ()
    local again = connection("build-nightly", { status = "Approved" })
    again.id = again.id:upper()
    assert.equal(nightly, select.new { status = "Approved" }:one { nightly, again, nightly })
  end)
end)

describe("choosing (many)", function ()
  it("gives all, up to a number", function ()
    local selector = select.new { status = "Pending" }
    assert.same({ build, stranger }, selector:all(all))
    assert.same({ build, stranger }, selector:all(all, { max = 2 }))
    local found, err = selector:all(all, { max = 1 })
    assert.is_nil(found)
    assert.equal("too_many: 2 connections match status 'Pending', and at most 1 may:", err.kind .. ": " .. err.message)
    assert.same({ build, stranger }, err.candidates)
    found, err = selector:all({ nightly }, { max = 1 })
    assert.is_nil(found)
    assert.equal("no_match", err.kind)
  end)

  it("raises on a bad max", function ()
    for _, max in ipairs { 0, -1, 1.5, "3" } do
      local ok, message = pcall(select.new {}.all, select.new {}, all, { max = max })
      assert.is_false(ok)
      assert.truthy(message:find("bad field 'max' (positive integer expected, got " .. max .. ")", 1, true))
    end
    local ok, message = pcall(select.new {}.all, select.new {}, all, { most = 1 })
    assert.is_false(ok)
    assert.truthy(message:find("unknown field 'most'", 1, true))
  end)

  it("takes an iterator, with all that a generic for takes, and closes it", function ()
    local closed = 0
    local function iterator(state, control)
      assert(state == all)
      for n, one in ipairs(state) do
        if control == nil or state[n - 1] == control then return one, "account" end
      end
    end
    local closing = setmetatable({}, { __close = function () closed = closed + 1 end })
    assert.equal(nightly, select.new { status = "Approved" }:one(iterator, all, nil, closing))
    assert.equal(1, closed)
    local seen = {}
    for one, account in select.new { status = "Pending" }:filter(iterator, all, nil, closing) do
      assert.equal("account", account)
      seen[#seen + 1] = one
    end
    assert.same({ build, stranger }, seen)
    assert.equal(2, closed)
    local next_one = coroutine.wrap(function () for _, one in ipairs(all) do coroutine.yield(one) end end)
    assert.equal(2, #select.new { status = "Pending" }:all(next_one))
  end)

  it("shows ten of many, remembers a hundred, counts all", function ()
    local many = {}
    for n = 1, 250 do many[n] = connection(("many%03d"):format(n)) end
    local found, err = select.new { status = "Pending" }:one(many)
    assert.is_nil(found)
    assert.equal(100, #err.candidates)
    assert.equal(250, err.count)
    assert.equal(150, err.more)
    assert.equal(11, _G.select(2, tostring(err):gsub("\n", "")))
    assert.equal("  and 240 more", tostring(err):match "[^\n]*$")
  end)

  it("shows no control characters that a stranger wrote", function ()
    local evil = connection("evil", { description = "\27[2Jok\r\n\127" })
    local _, err = select.new { name = "x" }:one { evil }
    assert.truthy(tostring(err):find('"?[2Jok???"', 1, true))
  end)
end)
