-- judge.lua -- run by soak.c with (LOG FILE) and the global `ledger`: holds what soak.lua noted against the emulator's
-- log. Raises what does not add up; returns the sums.

-- luacheck: read globals ledger

local log_file = ...
local json = require "cjson".new()

local clients, operations = {}, {}
local complaints = {}

local function complain(...)
  if #complaints < 20 then complaints[#complaints + 1] = (...):format(select(2, ...)) end
end

-- ---- the ledger -----------------------------------------------------------------------------------------------------

local function operation(request_id)
  local op = operations[request_id]
  if not op then
    op = { begun = 0, resumed = 0, ends = {}, let_go = false, errors = {}, writes = {}, requests = {} }
    operations[request_id] = op
  end
  return op
end

-- Whoever is given an outcome has been told of the end before.
local function heard(request_id, how)
  local op = operation(request_id)
  if #op.ends == 0 and not op.client.closed then complain("%s (%s) is %s without an end", request_id, op.kind, how) end
  return op
end

local readers = {
  client = function (number, tries) clients[number] = { tries = tonumber(tries) } end,
  closed = function (number) clients[number].closed = true end,
  begin = function (number, request_id, kind)
    local op = operation(request_id)
    op.client = clients[number]
    if kind == "resume" then
      op.resumed = op.resumed + 1
    else
      op.begun, op.kind = op.begun + 1, kind
    end
  end,
  ["end"] = function (_, request_id, how) table.insert(operation(request_id).ends, how) end,
  let_go = function (_, request_id) operation(request_id).let_go = true end,
  error = function (request_id, kind, token)
    local op = heard(request_id, kind)
    table.insert(op.errors, { kind, token })
  end,
  value = function (request_id, how) heard(request_id, how).value = how end,
  refused = function (...) complain("a continuation token is refused: %s", table.concat({ ... }, " ")) end,
}

for line in io.lines(ledger) do
  local words = {}
  for word in line:gmatch "%S+" do words[#words + 1] = word end
  readers[words[1]](table.unpack(words, 2))
end

-- ---- the log --------------------------------------------------------------------------------------------------------

-- Answers that reach the client as they were meant.
local harmless = { delay_answer = true, chunked = true, close_after = true, dribble = true, http_version = true,
  gzip = true, location = true, expire_token = true, bom = true }

-- A read with another ETag than a write had in If-Match: that write can no longer take effect.
local function settle(op, etag)
  for _, write in ipairs(op.writes) do
    if etag and write.if_match and write.if_match ~= etag then write.settled = true end
  end
end

for line in io.lines(log_file) do
  local entry = json.decode(line)
  local op = operations[entry.headers and entry.headers["x-ms-client-request-id"]]
  if op then
    local intact = not entry.fault or harmless[entry.fault]
    table.insert(op.requests, ("%s %s %s %s"):format(entry.time:match "T(.*)Z", entry.kind, entry.status, entry.fault))
    if entry.kind == "update" or entry.kind == "delete" then
      table.insert(op.writes, { status = entry.status, intact = intact, if_match = entry.headers["if-match"] })
    elseif intact then
      settle(op, entry.etag)
    end
  end
end

-- ---- what has to be so ----------------------------------------------------------------------------------------------

-- An end is told once for each time that an operation was begun or resumed; only what somebody let go of, or a client
-- that was closed, ends without a word.
local function check_ends(request_id, op)
  local begun = op.begun + op.resumed
  if op.begun ~= 1 then complain("%s was begun %d times", request_id, op.begun) end
  if #op.ends > begun then complain("%s: %d ends of %d", request_id, #op.ends, begun) end
  if #op.ends < begun and not op.let_go and not op.client.closed then
    complain("%s (%s): %d ends of %d, and nobody let go of it", request_id, op.kind, #op.ends, begun)
  end
end

-- Each write may be tried max_tries times; a refusal that asks for another token or another look begins anew. After
-- an answer that came through nothing is written again, but by an ensure that was resumed: it looks, and decides anew.
local function check_writes(request_id, op)
  local most, done = op.client.tries * (1 + op.resumed), false
  local decides = op.kind == "ensure" and op.resumed > 0
  for _, write in ipairs(op.writes) do
    if done and not decides then
      complain("%s (%s) wrote again after it was answered: %s", request_id, op.kind, table.concat(op.requests, ", "))
    end
    if write.status == 401 or write.status == 412 then most = most + op.client.tries end
    done = write.intact and write.status and write.status < 300
  end
  if #op.writes > most then complain("%s (%s) wrote %d times of %d", request_id, op.kind, #op.writes, most) end
end

-- May the service have acted, with an end that no answer has shown?
local function is_open(write)
  local status = write.status
  return not write.settled and (not status or status < 300 or status == 408 or status >= 500)
end

-- Without a token nothing may have been left at the service with its end unknown.
local function check_errors(request_id, op)
  local reached = false
  for _, write in ipairs(op.writes) do reached = reached or is_open(write) end
  for _, e in ipairs(op.errors) do
    local cut_short = e[1] == "canceled" or e[1] == "timeout" or e[1] == "transport"
    if cut_short and e[2] == "none" and reached then
      complain("%s (%s) ended as %s without a token, and had written: %s", request_id, op.kind, e[1],
        table.concat(op.requests, ", "))
    end
  end
end

local function check_value(request_id, op)
  if op.value == "done" and #op.writes == 0 and op.kind ~= "delete" then
    complain("%s (%s) is done and never wrote", request_id, op.kind)
  elseif op.value == "unchanged" and #op.writes > 0 then
    complain("%s (%s) says unchanged and wrote: %s", request_id, op.kind, table.concat(op.requests, ", "))
  end
end

local sums, ends = { operations = 0, resumed = 0, unheard = 0, writes = 0, most = 0 }, {}
local function add(name, n) sums[name] = sums[name] + n end

for request_id, op in pairs(operations) do
  check_ends(request_id, op)
  check_writes(request_id, op)
  check_errors(request_id, op)
  check_value(request_id, op)
  add("operations", 1)
  add("resumed", op.resumed)
  for _, how in ipairs(op.ends) do ends[how] = (ends[how] or 0) + 1 end
  add("unheard", op.begun + op.resumed - #op.ends)
  add("writes", #op.writes)
  sums.most = math.max(sums.most, #op.writes)
end

if #complaints > 0 then error(table.concat(complaints, "\n"), 0) end

local told = {}
for how, n in pairs(ends) do told[#told + 1] = how .. " " .. n end
table.sort(told)
return ("accounted for: %d operations, resumed %d times, ended as %s; %d let go with their client or call; "
  .. "%d writes, at most %d of one"):format(sums.operations, sums.resumed, table.concat(told, ", "), sums.unheard,
  sums.writes, sums.most)
