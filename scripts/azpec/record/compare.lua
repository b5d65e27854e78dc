-- Compares two recordings of the same work, request by request and member by member.
--
-- A request of one belongs to the request of the other with the same method, path and parameters, without api-version.
-- Of several, the last belongs to the last, since an operation may be polled more often in one. Ids, names, dates,
-- entity tags, secrets and the api-versions in URLs do not count.

local date = require "azpec.date"
local diff = require "azpec.record.diff"
local exact = require "azpec.record.exact"
local json = require "azpec.json"
local names = require "azpec.record.names"
local requests = require "azpec.record.request"

local compare = {}

-- ---- what counts ---------------------------------------------------------------------------------------------------

local passing = { date = true, etag = true, percentComplete = true, ["x-ms-request-id"] = true,
  ["x-ms-correlation-request-id"] = true }

local function counts(name)
  return not passing[name] and not tostring(name):find "^x%-ms%-ratelimit%-"
end

local function simplify(text, found)
  if date.parse(text) or date.parse_http(text) then return "a date" end
  text = text:gsub("([?&])api%-version=[^&]*&?", "%1"):gsub("[?&]$", "")
  return (found:replace(text):gsub("00000000%-0000%-0000%-0000%-%d+", "an id"):gsub("hidden%-%d+", "hidden"))
end

-- Returns the exchanges without what does not count.
local function simplified(recorded)
  local found = names.new()
  for _, exchange in ipairs(recorded.exchanges) do found:learn(exchange.request.url) end
  found:learn_all(recorded.exchanges)
  return exact.map(recorded.exchanges, function (text) return simplify(text, found) end, counts)
end

-- ---- pairs ---------------------------------------------------------------------------------------------------------

-- Returns the exchanges by request, and the requests in their order.
local function grouped(exchanges)
  local groups, order = {}, {}
  for _, exchange in ipairs(exchanges) do
    local parts = requests.parts(exchange.request)
    local key = json.encode { parts.method, parts.path, parts.query or json.null }
    if not groups[key] then order[#order + 1] = key end
    groups[key] = groups[key] or {}
    table.insert(groups[key], exchange)
  end
  return groups, order
end

local function all_keys(first, second)
  local keys, seen = {}, {}
  for _, order in ipairs { first, second } do
    for _, key in ipairs(order) do
      if not seen[key] then keys[#keys + 1] = key end
      seen[key] = true
    end
  end
  return keys
end

local function sides(exchange)
  local request = { headers = exchange.request.headers }
  for _, name in ipairs { "body", "body_text", "body_base64" } do request[name] = exchange.request[name] end
  return { request = request, response = exchange.response, failure = exchange.failure }
end

local function add(found, name, one)
  one.request = name
  one.text = ("%s: %s: %s, then %s"):format(name, one.where, diff.shown(one.first), diff.shown(one.second))
  found[#found + 1] = one
end

-- Of a request that reads, the number does not count.
local function compare_group(found, one, other)
  local example = (one or other)[1].request
  local name = requests.name(example)
  local here, there = one and #one or 0, other and #other or 0
  if here ~= there and (here == 0 or there == 0 or example.method ~= "GET") then
    add(found, name, { where = "times", first = tostring(here), second = tostring(there) })
  end
  for back = 0, math.min(here, there) - 1 do
    for _, difference in ipairs(diff.of(sides(one[here - back]), sides(other[there - back]))) do
      add(found, name, difference)
    end
  end
end

-- Returns a list of differences: { request, where, first, second, text }. request: "PATCH /subscriptions/...", with
-- placeholders; where: "response.body.properties.groupIds", or "times" for a request that one has not, or writes that
-- one has more often; first, second: JSON texts, nil where there is nothing; text: all of it for people.
function compare.of(first, second)
  local found = {}
  local ours, order = grouped(simplified(first))
  local theirs, other_order = grouped(simplified(second))
  for _, key in ipairs(all_keys(order, other_order)) do compare_group(found, ours[key], theirs[key]) end
  return found
end

return compare
