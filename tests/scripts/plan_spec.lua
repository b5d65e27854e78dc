-- Plans: what they hold, and that an edited, cut, reordered or foreign one is not carried out.

local cjson = require "cjson"
local file = require "azpec.file"
local plan = require "azpec.plan"
local rules = require "azpec.rules"

local function write(path, text)
  local handle <close> = assert(io.open(path, "wb"))
  assert(handle:write(text))
end

local set = assert(rules.parse([[
  approve "ours" { when = { private_endpoint_name = "build-*" }, because = "it is ours", description = "by {rule}" }
  reject "theirs" { when = { private_endpoint_name = "evil" } }]], "r.lua"))

local function connection(name, status)
  return {
    id = "/subscriptions/s/resourceGroups/rg/providers/Microsoft.Batch/batchAccounts/acct/privateEndpointConnections/"
      .. name, etag = 'W/"' .. name .. '"',
    properties = { provisioningState = "Succeeded",
      privateEndpoint = { id = "/subscriptions/s/resourceGroups/n/providers/Microsoft.Network/privateEndpoints/"
        .. name },
      privateLinkServiceConnectionState = { status = status or "Pending", description = "please \"now\"\n" } },
  }
end

local function example()
  local draft = plan.new { rules = set, tool = "azpec 9", now = 1800000000 }
  for _, one in ipairs { connection "build-1", connection "evil", connection "other", connection("old", "Approved"),
    connection "build-2" } do
    draft:add(one, set:decide(one))
  end
  return draft
end

local function refused(kind, message, text, key)
  local read, err = plan.parse(text, key)
  assert.is_nil(read)
  assert.equal(kind .. ": " .. message, tostring(err))
end

local edited = "the plan was changed after it was made: its sha256 does not match its contents"

describe("a plan", function ()
  it("has the errors of what could not be read, under its hash; without any it is complete", function ()
    local draft = example()
    draft:note_unread {}
    assert.is_true(assert(plan.parse(draft:text())).complete)
    local err = { place = "/subscriptions/s", kind = "forbidden", message = "no", code = "Denied" }
    draft:note_unread { { place = err.place, kind = err.kind, message = err.message, code = err.code, hint = "-" } }
    local read = assert(plan.parse(draft:text()))
    assert.same({ false, { err } }, { read.complete, read.errors })
    refused("edited", edited, (draft:text():gsub('"complete": false', '"complete": true')))
    refused("edited", edited, (draft:text():gsub('"Denied"', '"Throttled"')))
  end)

  it("of before these members is read as ever", function ()
    local draft = example()
    draft.complete = nil
    for _, item in ipairs(draft.items) do item.private_endpoint = nil end
    assert.falsy(draft:text():find("complete", 1, true) or draft:text():find('"private_endpoint"', 1, true))
    assert.equal(4, #assert(plan.parse(draft:text())).items)
  end)

  it("says who made it, with the claims that the journal has, and no others", function ()
    local who = { credential = "azure_cli", upn = "ops@contoso.com", tid = "t" }
    local draft = plan.new { rules = set, who = who }
    assert.same(who, assert(plan.parse(draft:text())).who)
    refused("plan", "plan.who.upn: string expected, got number", (plan.new { rules = set, who = { upn = 1 } }:text()))
    refused("plan", "plan.who.groups is not known", (plan.new { rules = set, who = { credential = "token" } }:text()
      :gsub('"who": {', '"who": {\n    "groups": "g",')))
  end)

  it("whose hash was computed again is refused where its parts do not agree", function ()
    local function forged(change)
      local draft = example()
      change(draft)
      return (draft:text())
    end
    refused("plan", "plan.summary.approve is 0, but the items have 2",
      forged(function (draft) draft.summary.approve = 0 end))
    refused("plan", "plan.summary.hold is -5, but the items have 1",
      forged(function (draft) draft.summary.hold = -5 end))
    refused("plan", "plan.made_at: it is not a time", forged(function (draft) draft.made_at = "yesterday" end))
    refused("plan", "plan.items[5]: the plan has this connection twice", forged(function (draft)
      draft.items[5], draft.summary[draft.items[1].action] = draft.items[1], draft.summary[draft.items[1].action] + 1
    end))
  end)

  it("holds each decision with what it was made on", function ()
    local draft = example()
    assert.equal(3, draft:changes())
    local read = assert(plan.parse(draft:text()))
    assert.equal("azpec 9", read.made_by)
    assert.equal("2027-01-15T08:00:00Z", read.made_at)
    assert.same({ file = "r.lua", sha256 = set.sha256 }, read.rules)
    assert.same({ approve = 2, reject = 1, hold = 1, ignore = 1, unchanged = 0 }, read.summary)
    local endpoints = "/subscriptions/s/resourceGroups/n/providers/Microsoft.Network/privateEndpoints/"
    assert.same({ action = "approve", id = connection "build-1".id, private_endpoint = endpoints .. "build-1",
      etag = 'W/"build-1"', rule = "ours", reason = "it is ours", current = { status = "Pending",
      description = "please \"now\"\n", provisioning_state = "Succeeded" },
      wanted = { status = "Approved", description = "by ours" } }, read.items[1])
    assert.same({ action = "hold", id = connection "other".id, private_endpoint = endpoints .. "other",
      etag = 'W/"other"', reason = "no rule matches", current = { status = "Pending",
      description = "please \"now\"\n", provisioning_state = "Succeeded" } },
      read.items[3])
    assert.equal(4, #read.items)
  end)

  it("reads well", function ()
    local text = example():text()
    assert.truthy(text:find('\n  "rules": {\n    "file": "r.lua",\n', 1, true))
    assert.truthy(text:find('\n    {\n      "action": "approve",\n      "id": "/subscriptions/s/', 1, true))
    assert.truthy(text:find('\n      "wanted": {\n        "status": "Approved",\n', 1, true))
  end)

  it("may be laid out anew, which changes nothing", function ()
    assert(plan.parse(cjson.encode(cjson.decode(example():text()))))
  end)

  it("without an item is one", function ()
    local empty = plan.new { rules = set }
    assert.equal(0, #assert(plan.parse(empty:text())).items)
    assert.equal(0, empty:changes())
  end)

  it("is read by whoever made it, whatever its texts are", function ()
    local draft = plan.new { rules = set }
    local odd = connection "build-1"
    odd.properties.privateLinkServiceConnectionState.description = 'no UTF-8: \xff; "a": \\ \0 : {'
    draft:add(odd, set:decide(odd))
    assert.equal(1, #assert(plan.parse(draft:text())).items)
  end)

  it("is refused if an object has two members of one name, which a person could read differently", function ()
    local text = example():text()
    for name in text:gmatch '"([%w_]+)":' do
      local twice = text:gsub(('"%s": '):format(name), ('"%s": "what the eye meets", %%0'):format(name), 1)
      refused("edited", "the plan was changed after it was made: an object has two members of one name", twice)
    end
    refused("edited", "the plan was changed after it was made: an object has two members of one name",
      (text:gsub('"status": "Pending"', '"stat\\u0075s": "Approved", %0', 1)))
  end)

  it("is refused where it holds numbers that are none", function ()
    for _, number in ipairs { "1e999", "-1e999" } do
      for _, name in ipairs { "azpec_plan", "approve" } do
        local text = example():text():gsub(('("%s": )%%d'):format(name), "%1" .. number)
        refused("plan", "not a plan: a number in it is too large", text)
      end
    end
    for _, number in ipairs { "NaN", "Infinity", "0x2" } do
      local read, err = plan.parse((example():text():gsub('("approve": )%d', "%1" .. number)))
      assert.is_nil(read)
      assert.matches("^not a plan: ", err.message)
    end
  end)
end)

describe("a plan (refused)", function ()
  it("is refused when a value was changed", function ()
    local text = example():text()
    local count = 0
    -- Each string, number and boolean in it, one after the other.
    for at, word, last in text:gmatch '()": "?([^"{}%[%],\n]+)()' do
      if not text:sub(1, at - 1):find '"azpec_plan$' then
        count = count + 1
        local other = word == "true" and "false" or tonumber(word) and word + 1 or "x" .. word
        local changed = text:sub(1, last - #word - 1) .. other .. text:sub(last)
        local read, err = plan.parse(changed)
        assert.is_nil(read, changed)
        assert.equal("edited", err.kind, tostring(err))
      end
    end
    assert(count > 30, count)
  end)

  it("is refused when an item was taken away, put in, or moved", function ()
    local function with(change)
      local contents = cjson.decode(example():text())
      change(contents)
      return cjson.encode(contents)
    end
    refused("edited", edited, with(function (c) table.remove(c.items, 3) end))
    refused("edited", edited, with(function (c) table.remove(c.items) end))
    refused("edited", edited, with(function (c) c.items[5] = c.items[1] end))
    refused("edited", edited, with(function (c) c.items[1], c.items[2] = c.items[2], c.items[1] end))
    refused("edited", edited, with(function (c) c.items[1].wanted.description = nil end))
    refused("plan", "plan.extra is not known", with(function (c) c.extra = 1 end))
    refused("plan", "plan.sha256 is missing", with(function (c) c.sha256 = nil end))
    refused("plan", "plan.summary.hold is missing", with(function (c) c.summary.hold = nil end))
    refused("plan", "plan.items: table expected, got string", with(function (c) c.items = "all" end))
  end)

  it("is refused when it was cut, wherever", function ()
    local text = example():text()
    for length = 0, #text - 2, 7 do
      local read, err = plan.parse(text:sub(1, length))
      assert.is_nil(read)
      assert.equal("plan", err.kind)
    end
  end)

  it("is refused when it is none, or of another form", function ()
    refused("plan", "not an azpec plan", "{}")
    refused("plan", "not an azpec plan", "[1]")
    refused("plan", "not an azpec plan", "3")
    refused("plan", "the plan has version 2; this azpec reads version 1", '{"azpec_plan":2}')
    refused("plan", "the plan has version \"x\"; this azpec reads version 1", '{"azpec_plan":"x"}')
  end)

  it("is refused when its hash was made anew but what is asked makes no sense", function ()
    local draft = example()
    draft.items[1].wanted.status = "Rejected"
    refused("plan", "plan.items[1]: its action and what is wanted do not agree", draft:text())
    draft = example()
    draft.items[2].action = "delete"
    refused("plan", "plan.items[2]: its action and what is wanted do not agree", draft:text())
    draft = example()
    draft.items[1].id = nil
    refused("plan", "plan.items[1].id is missing", draft:text())
  end)

  it("takes a connection once", function ()
    local draft, first = example(), connection "build-1"
    local text = draft:text()
    for _, id in ipairs { first.id, first.id:upper() } do
      first.id = id
      local ok, err = pcall(draft.add, draft, first, set:decide(first))
      assert.is_false(ok)
      assert.equal("plan: the plan has this connection already: " .. id, tostring(err))
    end
    assert.equal(text, draft:text())
    draft:add(first, { action = "ignore", reason = "only counted" })
    assert(plan.parse(draft:text()))
  end)

  it("does not change what no ETag guards", function ()
    local draft, bare = plan.new { rules = set }, connection "build-1"
    bare.etag = nil
    draft:add(bare, set:decide(bare))
    assert.equal(0, draft:changes())
    assert.equal("hold: the service sent no ETag, so the change could overwrite a newer one",
      draft.items[1].action .. ": " .. draft.items[1].reason)
    draft = example()
    draft.items[1].etag = nil
    refused("plan", "plan.items[1].etag is missing", draft:text())
  end)
end)

describe("a plan (signed, written)", function ()
  it("is signed with a key, and read with that key alone", function ()
    local text = example():text "a key"
    assert(plan.parse(text, "a key"))
    assert(plan.parse(text))
    refused("edited", "the plan was not signed with this key", text, "another key")
    refused("edited", "the plan is not signed", example():text(), "a key")
    assert.is_nil(text:find("a key", 1, true))
  end)

  it("is written whole or not at all", function ()
    local path = os.tmpname()
    write(path, "")
    assert.is_true(example():write(path))
    assert.equal(4, #assert(plan.read(path)).items)
    local read, err = plan.read(path, "key")
    assert.is_nil(read)
    assert.equal(path .. ": the plan is not signed", err.message)
    os.remove(path)
    read, err = plan.read(path)
    assert.is_nil(read)
    assert.equal("plan: " .. path .. ": No such file or directory", tostring(err))
    local ok, why = example():write "/nowhere/at/all.json"
    assert.is_nil(ok)
    assert.truthy(why:find("No such file or directory", 1, true))
  end)

  it("replaces nothing but a plan", function ()
    local path = os.tmpname()
    assert.is_true(example():write(path)) -- it was empty
    assert.is_true(example():write(path))
    for _, text in ipairs { "before", "{}", "[]", '{"a":1}', "return 1\n" } do
      write(path, text)
      local ok, why, is_taken = example():write(path)
      assert.is_nil(ok)
      assert.is_true(is_taken)
      assert.equal(path .. ": there is another file; name a new one, or remove it", why)
      assert.equal(text, file.read(path, "plan"))
    end
    os.remove(path)
  end)

  it("goes into a pipe, which stays what it is", function ()
    local path = os.tmpname()
    assert(os.execute(("rm %s && mkfifo %s"):format(path, path)))
    local reader <close> = io.popen("cat " .. path)
    assert.is_true(example():write(path))
    assert.equal(example():text(), reader:read "a")
    assert(os.execute("[ -p " .. path .. " ]"))
    assert(os.remove(path))
  end)

  it("leaves the file that was there where the disk is full", function ()
    local path = os.tmpname()
    write(path, "before")
    -- A limit on the size of files stands for a full disk: what is written fails likewise, also what was buffered.
    local code = ("local ok, why = require 'azpec.file'.replace('%s', ('x'):rep(%d), function () return true end) "
      .. "io.write(tostring(ok), ' ', why)")
    for _, bytes in ipairs { 1100, 1000000 } do
      local pipe <close> = io.popen(("trap '' XFSZ; ulimit -f 1; lua5.4 -e \"%s\""):format(code:format(path, bytes)))
      local said = pipe:read "a"
      assert.equal("nil " .. path .. ": File too large", said)
      assert.equal("before", file.read(path, "plan"))
    end
    local pipe <close> = io.popen("ls " .. path .. "*")
    assert.equal(path .. "\n", pipe:read "a")
    os.remove(path)
  end)
end)
