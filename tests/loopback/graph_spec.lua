-- Azure Resource Graph, and the subscriptions that Azure Resource Manager lists: what finds accounts.
package.path = "./tests/?.lua;" .. package.path

local t = require "loopback.support"

local emulator

local other = "11111111-2222-4333-8444-555555555555"
local accounts = "resources | where type =~ 'Microsoft.Batch/batchAccounts'"
local ids = accounts .. " | project id | order by id asc"
local states = accounts .. " | project id, connections = properties.privateEndpointConnections | order by id asc"

local function names(client, options)
  local found = {}
  for row in client:query_resource_graph(options) do found[#found + 1] = row.id:match "[^/]+$" end
  return table.concat(found, " ")
end

local function failure(client, options)
  local ok, err = pcall(names, client, options)
  assert.is_false(ok)
  return err
end

-- The statuses that Graph shows of the account manyacct's first connection.
local function shown(client)
  for row in client:query_resource_graph { query = states } do
    if row.id:find "/manyacct$" then return row.connections[1].properties.privateLinkServiceConnectionState.status end
  end
end

setup(function () emulator = t.emulator() end)
before_each(function () emulator:reset() end)
after_each(t.tidy)
teardown(t.close)

describe("a query of Resource Graph", function ()
  it("finds the rows of all its pages, each asked for by the token of the one before", function ()
    emulator:set { graph_rows = 1 }
    assert.equal("sampleacct manyacct tokyobatch", names(emulator:client(), { query = ids }))
    local tokens = {}
    for n, entry in ipairs(emulator:log "graph") do tokens[n] = entry.body.options["$skipToken"] or "" end
    assert.equal(3, #tokens)
    assert.equal("", tokens[1])
    assert.not_equal(tokens[2], tokens[3])
    assert.equal("/providers/Microsoft.ResourceGraph/resources?api-version=2022-10-01", emulator:log "graph"[1].target)
  end)

  it("is limited to subscriptions where some are named, and to so many rows on a page", function ()
    local state = emulator:state()
    state.accounts[2].subscription_id = other
    emulator:control("PUT", "state", state)
    assert.equal("manyacct", names(emulator:client(), { query = ids, subscription_ids = { other }, top = 1 }))
    local body = emulator:log "graph"[1].body
    assert.same({ other }, body.subscriptions)
    assert.equal(1, body.options["$top"])
    assert.equal("objectArray", body.options.resultFormat)
  end)

  it("without a column id has no second page, which is an error after the first", function ()
    emulator:set { graph_rows = 2 }
    local found = {}
    local ok, err = pcall(function ()
      for row in emulator:client():query_resource_graph { query = "resources | project name" } do
        found[#found + 1] = row.name
      end
    end)
    assert.is_false(ok)
    assert.equal(2, #found)
    t.fails("protocol", "the service has more rows than it returns", nil, err)
  end)

  it("shows a column that is null as absent, like every list", function ()
    for row in emulator:client():query_resource_graph { query = "resources | project id, tags | order by id" } do
      assert.is_nil(row.tags)
    end
  end)

  it("lags behind: a decision shows when that time has passed, by the emulator's clock", function ()
    emulator:set { graph_lag = 60, update_answer = "200" }
    local client = emulator:client()
    assert(client:update { id = emulator.many[1], status = "Approved" })
    assert.equal("Pending", shown(client))
    emulator:control("POST", "clock", { advance = 61 })
    assert.equal("Approved", shown(emulator:client()))
  end)

  it("does not show yet what has just arrived", function ()
    emulator:set { graph_lag = 60 }
    local name = emulator:control("POST", "connections", { account_name = "sampleacct" }).id:match "[^/]+$"
    local aged = emulator:control("POST", "connections", { account_name = "sampleacct", age = 90 }).id:match "[^/]+$"
    local function is_shown(wanted)
      return names(emulator:client(), { query = ("resources | where tostring(properties) contains '%s' | project id")
        :format(wanted) }) == "sampleacct"
    end
    assert.same({ false, true }, { is_shown(name), is_shown(aged) })
    emulator:control("POST", "clock", { advance = 61 })
    assert.is_true(is_shown(name))
  end)

  it("still shows what was deleted meanwhile", function ()
    emulator:set { graph_lag = 60, delete_answer = "204" }
    local client = emulator:client()
    assert(client:delete { id = emulator.sample })
    local function count()
      for row in emulator:client():query_resource_graph { query = states } do
        if row.id:find "/sampleacct$" then return #row.connections end
      end
    end
    assert.equal(1, count())
    emulator:control("POST", "clock", { advance = 61 })
    assert.equal(0, count())
  end)

  it("waits for the end of a window in which no query is left, and meets no 429", function ()
    emulator:set { graph_rows = 1, graph_quota = 2, graph_window = 1, throttle = "on" }
    assert.equal("sampleacct manyacct tokyobatch", names(emulator:client(), { query = ids }))
    for _, entry in ipairs(emulator:log "graph") do assert.equal(200, entry.status) end
  end)

  it("that is refused all the same waits as the header says, though there is no Retry-After", function ()
    emulator:set { graph_quota = 1, graph_window = 1, throttle = "on" }
    local one, two = emulator:client(), emulator:client() -- they do not know of each other
    assert.equal("sampleacct manyacct tokyobatch", names(one, { query = ids }))
    assert.equal("sampleacct manyacct tokyobatch", names(two, { query = ids }))
    local log, refused = emulator:log "graph", 0
    for _, entry in ipairs(log) do refused = refused + (entry.status == 429 and 1 or 0) end
    assert.equal(2 + refused, #log)
  end)

  it("that is lost is sent again: it changes nothing", function ()
    emulator:faults { { match = { kind = "graph", nth = 1 }, action = { lose = true } } }
    assert.equal("sampleacct manyacct tokyobatch", names(emulator:client(), { query = ids }))
    assert.equal(2, #emulator:log "graph")
  end)

  it("that is wrong is refused with the code and the text of the details", function ()
    local err = failure(emulator:client(), { query = "resources | summarize count()" })
    assert.equal("service", err.kind)
    assert.equal("InvalidQuery", err.code)
    assert.truthy(err.message:find("ParserFailure at 'summarize count()'", 1, true), err.message)
  end)

  it("where there is no Resource Graph is not found", function ()
    emulator:set { graph = "off" }
    assert.equal("not_found", failure(emulator:client(), { query = ids }).kind)
  end)

  it("that is forbidden names the role that is missing", function ()
    emulator:faults { { match = { kind = "graph" }, action = { status = 403 } } }
    local err = failure(emulator:client(), { query = ids })
    assert.equal("forbidden", err.kind)
    assert.truthy(err.hint:find("Azure Resource Graph", 1, true), err.hint)
  end)

  for what, case in t.each {
    ["without a query"] = { {}, "bad field 'query' (string expected, got nil)" },
    ["with an empty query"] = { { query = "" }, "bad field 'query' (must not be empty)" },
    ["with a query that is no UTF-8"] = { { query = "\xff" }, "bad field 'query' (UTF-8 expected)" },
    ["with no subscription in the list"] = { { query = "q", subscription_ids = {} },
      "bad field 'subscription_ids' (1 to 1000 subscriptions expected)" },
    ["with a subscription that is none"] = { { query = "q", subscription_ids = { "a b" } },
      "bad field 'subscription_ids' (list of GUIDs expected)" },
    ["with a table of subscriptions that is no list"] = { { query = "q", subscription_ids = { other, x = other } },
      "bad field 'subscription_ids' (list of GUIDs expected)" },
  } do
    it(what .. " is refused before anything is sent", function ()
      local client = emulator:client()
      local ok, err = pcall(client.query_resource_graph, client, case[1])
      assert.is_false(ok)
      assert.truthy(tostring(err):find(case[2], 1, true), tostring(err))
      assert.equal("", emulator:kinds())
    end)
  end

  it("of more than 1000 subscriptions is refused", function ()
    local many = {}
    for n = 1, 1001 do many[n] = ("11111111-2222-4333-8444-%012d"):format(n) end
    local client = emulator:client()
    assert.is_false((pcall(client.query_resource_graph, client, { query = "q", subscription_ids = many })))
    many[1001] = nil
    assert.equal("", names(client, { query = ids, subscription_ids = many }))
  end)
end)

describe("the subscriptions", function ()
  it("are listed page by page, in whatever state, with an api-version of their own", function ()
    emulator:control("PUT", "state", t.merged(emulator:state(), { subscriptions = {
      { subscription_id = other, name = "Old things", state = "Disabled" } } }))
    emulator:set { page_size = 1 }
    local found = {}
    for subscription in emulator:client():list_subscriptions() do
      found[#found + 1] = subscription.subscriptionId .. " " .. subscription.state
    end
    assert.same({ emulator.subscription_id .. " Enabled", other .. " Disabled" }, found)
    assert.equal("/subscriptions?api-version=2022-12-01", emulator:log "subscriptions"[1].target)
  end)

  it("that may not be read are an error, with the right that is missing", function ()
    emulator:faults { { match = { kind = "subscriptions" }, action = { status = 403 } } }
    local ok, err = pcall(function () for _ in emulator:client():list_subscriptions() do error "an item" end end)
    assert.is_false(ok)
    assert.equal("forbidden", err.kind)
    assert.truthy(err.hint:find("Microsoft.Resources/subscriptions/read", 1, true), err.hint)
  end)
end)

it("the emulator counts the requests of each kind, until its log is cleared", function ()
  local client = emulator:client()
  names(client, { query = ids })
  names(client, { query = ids })
  assert.same({ 2, 1 }, { emulator:control("GET", "counts").graph, emulator:control("GET", "counts").token })
  emulator:control("DELETE", "log")
  assert.is_nil(emulator:control("GET", "counts").graph)
end)
