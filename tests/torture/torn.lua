-- torn.lua -- whole conversations, torn at every byte of every reply.
--
-- A server of one connection carries out what it is asked and knows the truth. Between it and the client stands a
-- relay, which spoils the bytes of the first TCP connection once: at one byte the stream is cut, reset, stalled, or a
-- bit is flipped. Afterwards everything is as it should be. Over TLS it is the ciphertext that is spoilt.
--
-- What must hold, whatever is torn:
--   - success only if the server has carried it out, and with the connection as it is;
--   - a failure after a write comes with a continuation token, and never says that the operation failed;
--   - no second write before the connection was read;
--   - an end within the deadline.
-- A bit flipped in the write's own status line over plain HTTP is another answer, and believed: nothing can tell.

local azpec = require "azpec"
local cjson = require "cjson"
local condition = require "cqueues.condition"
local cqueues = require "cqueues"
local linger = require "socket"
local socket = require "cqueues.socket"
local tls = require "azpec.emulator.tls"

local torn = { actions = { "cut", "reset", "stall", "flip" }, verbs = { "update", "ensure", "delete" } }

local deadline, patience = 1.5, 30 -- seconds
local account = "/subscriptions/3f1c2a54-6a1e-4b7d-9c55-0e8d1b2a7f10/resourceGroups/rg/providers/Microsoft.Batch"
  .. "/batchAccounts/acct"
local id = account .. "/privateEndpointConnections/pe.24d6"

-- ---- the truth ----------------------------------------------------------------------------------------------------

local truth = {}
truth.__index = truth

local function new_truth()
  return setmetatable({ status = "Pending", tag = 1, writes = 0, unsettled = 0, requests = 0, read = true }, truth)
end

-- The operation ends at the second look at it, or at the connection.
function truth:advance()
  if not self.wanted then return end
  self.left = self.left - 1
  if self.left > 0 then return end
  self.status, self.wanted, self.ended = self.wanted, nil, true
  self.tag = self.tag + 1
end

function truth:write(request, wanted)
  self.writes = self.writes + 1
  if not self.read then self.unsettled = self.unsettled + 1 end
  self.read = false
  if self.status == "gone" then return 404, { error = { code = "ResourceNotFound", message = "gone" } } end
  if request.tag and request.tag ~= ('"%d"'):format(self.tag) then
    return 412, { error = { code = "PreconditionFailed", message = "another ETag" } }
  end
  self.tag, self.wanted, self.left = self.tag + 1, wanted, 2
  local url = request.origin .. account .. "/privateEndpointConnectionResults/1?api-version=2022-06-01"
  return 202, nil, { "Azure-AsyncOperation: " .. url, "Location: " .. url }
end

function truth:get()
  self.read = true
  self:advance()
  if self.status == "gone" then return 404, { error = { code = "ResourceNotFound", message = "gone" } } end
  return 200, { id = id, name = "pe.24d6", etag = ('"%d"'):format(self.tag), properties = {
    provisioningState = not self.wanted and "Succeeded" or self.wanted == "gone" and "Deleting" or "Updating",
    privateLinkServiceConnectionState = { status = self.status } } }, { ('ETag: "%d"'):format(self.tag) }
end

function truth:answer(request)
  self.requests = self.requests + 1
  if request.method == "PATCH" then return self:write(request, "Approved") end
  if request.method == "DELETE" then return self:write(request, "gone") end
  if request.target:find("/privateEndpointConnections/pe.24d6?", 1, true) then return self:get() end
  if not request.target:find("/privateEndpointConnectionResults/1?", 1, true) then
    return 404, { error = { code = "NotFound", message = "no such operation" } }
  end
  self:advance()
  return 200, { status = self.ended and "Succeeded" or "InProgress" }
end

-- ---- the server ---------------------------------------------------------------------------------------------------

local function read_request(sock)
  local line = sock:xread("*L", patience)
  local request = line and {}
  if not request then return nil end
  request.method, request.target = line:match "^(%S+) (%S+)"
  local length = 0
  for header in function () return sock:xread("*L", patience) end do
    local name, value = header:match "^([^:]+): *(.-)\r\n$"
    if not name then break end
    if name:lower() == "content-length" then length = tonumber(value) end
    if name:lower() == "if-match" then request.tag = value end
    if name:lower() == "host" then request.host = value end
  end
  if length > 0 then sock:xread(length, patience) end
  return request.target and request
end

local function reply(status, body, headers)
  local text = body and cjson.encode(body) or ""
  local lines = { ("HTTP/1.1 %d Made"):format(status), "Content-Length: " .. #text,
    table.unpack(headers or {}) }
  if body then lines[#lines + 1] = "Content-Type: application/json" end
  return table.concat(lines, "\r\n") .. "\r\n\r\n" .. text
end

local function serve(sock, facts, secured)
  sock:setmode("b", "bn")
  sock:onerror(function (_, _, code) return code end)
  if secured and not sock:starttls(secured.context, patience) then return sock:close() end
  for request in read_request, sock do
    request.origin = (secured and "https://" or "http://") .. request.host
    if not sock:xwrite(reply(facts:answer(request)), "bn", patience) then break end
  end
  sock:close()
end

-- ---- the relay ----------------------------------------------------------------------------------------------------

local function flip(byte)
  return string.char(byte:byte() ~ 1)
end

local function reset(sock)
  local handle = linger.tcp()
  handle:setfd(sock:pollfd())
  handle:setoption("linger", { on = true, timeout = 0 })
  handle:setfd(-1)
  sock:close()
end

-- From the server to the client, the fault on its way. Returns how many bytes passed.
local function carry(from, to, fault)
  local passed = 0
  for data in function () return from:xread(-4096, patience) end do
    if fault.facts.writes > 0 then fault.write_at = fault.write_at or passed end
    local at = not fault.done and fault.at - passed
    if at and at < #data then
      fault.done = true
      if fault.action == "flip" then
        data = data:sub(1, at) .. flip(data:sub(at + 1, at + 1)) .. data:sub(at + 2)
      else
        to:xwrite(data:sub(1, at), "bn", patience)
        return fault.action
      end
    end
    passed = passed + #data
    fault.passed = passed
    if not to:xwrite(data, "bn", patience) then break end
  end
  return "cut"
end

-- In a coroutine of its own; the other end of a socket may be closed at any time.
local function begin(work, ...)
  local given = table.pack(...)
  cqueues.running():wrap(function ()
    local ok, why = pcall(work, table.unpack(given, 1, given.n))
    if not ok and not tostring(why):find("closed", 1, true) then error(why, 0) end
  end)
end

local function relay(client, port, fault)
  local server = socket.connect("127.0.0.1", port)
  for _, sock in ipairs { client, server } do
    sock:setmode("b", "bn")
    sock:onerror(function (_, _, code) return code end)
  end
  begin(function ()
    for data in function () return client:xread(-4096, patience) end do
      if not server:xwrite(data, "bn", patience) then break end
    end
    server:shutdown "w"
  end)
  local how = carry(server, client, fault)
  if how == "stall" then cqueues.sleep(deadline + 1) end
  if how == "reset" then reset(client) else client:close() end
  server:close()
end

local function listen(handle)
  local listener = socket.listen("127.0.0.1", 0)
  listener:onerror(function (_, _, code) return code end)
  listener:listen(5)
  local _, _, port = listener:localname()
  begin(function ()
    for sock in function () return listener:accept() end do begin(handle, sock) end
  end)
  return listener, port
end

-- ---- one conversation ---------------------------------------------------------------------------------------------

local calls = {
  update = function (client) return client:update { id = id, status = "Approved" } end,
  ensure = function (client)
    local result, err = client:ensure { id = id, status = "Approved" }
    return result and result.after, err
  end,
  delete = function (client) return client:delete { id = id } end,
}

local function in_status_line(case, fault)
  return not case.tls and case.action == "flip" and fault.write_at and case.at >= fault.write_at
    and case.at < fault.write_at + #"HTTP/1.1 202"
end

-- What is wrong with the outcome; nil: nothing.
local function complaint(case, fault, value, err, took)
  local facts = fault.facts
  local wanted = case.verb == "delete" and "gone" or "Approved"
  if took > patience - 5 then return ("took %.1f s"):format(took) end
  if facts.unsettled > 0 then return "a second write before a look" end
  if value then
    if facts.status ~= wanted then return "success, and it is " .. facts.status end
    local state = case.verb ~= "delete" and (value.properties.privateLinkServiceConnectionState or {})
    if state and (value.id ~= id or state.status ~= wanted) then return "success without the sight" end
    return nil
  end
  if err.kind == "operation" then return "called failed: " .. tostring(err) end
  if not err.continuation_token and facts.tag > 1 and not in_status_line(case, fault) then
    return "nothing is said of the write: " .. tostring(err)
  end
end

-- case: { verb, tls, action, at }. Returns what is wrong, how many bytes the first connection carried when nothing was
-- torn, and the truth.
function torn.play(case, secured, ca_file)
  local facts = new_truth()
  local fault = { action = case.action, at = case.at or math.huge, facts = facts }
  local server, server_port = listen(function (sock) serve(sock, facts, case.tls and secured) end)
  local first = true
  local middle, port = listen(function (sock)
    local mine = first and fault or { facts = facts, at = math.huge }
    first = false
    relay(sock, server_port, mine)
  end)
  local begun = cqueues.monotime()
  local client <close> = azpec.client { endpoint = (case.tls and "https" or "http") .. "://127.0.0.1:" .. port,
    credential = azpec.credential.token { token = "torn" }, subscription_id = "3f1c2a54-6a1e-4b7d-9c55-0e8d1b2a7f10",
    timeout = case.action and deadline or patience, -- a whole one ends, however slow the machine
    poll_interval = 0.1, retry = { base_delay = 0.01, max_delay = 0.1 }, ca_file = ca_file,
    wait = cqueues.poll, proxy = "" }
  local value, err = calls[case.verb](client)
  server:close()
  middle:close()
  return complaint(case, fault, value, err, cqueues.monotime() - begun), fault.passed
end

-- ---- all of them --------------------------------------------------------------------------------------------------

local function add_cases(list, verb, over_tls, length, stride)
  for at = 0, length - 1, stride do
    for _, action in ipairs(torn.actions) do
      list[#list + 1] = { verb = verb, tls = over_tls, action = action, at = at }
    end
  end
end

local function name_of(case)
  return ("%s over %s, %s at byte %s"):format(case.verb, case.tls and "TLS" or "HTTP", case.action or "whole",
    case.at or "none")
end

-- Every stride-th byte, with each action, `most` conversations at once. Returns how many there were, and a list of what
-- went wrong.
function torn.run(stride, most, ca_file)
  local loop, wrong, done = cqueues.new(), {}, false
  local secured, cases = tls.server "127.0.0.1", {}
  local file <close> = assert(io.open(ca_file, "w"))
  file:write(secured.authority)
  file:flush()

  local function judge(case)
    local ok, why, length = pcall(torn.play, case, secured, ca_file)
    if why then wrong[#wrong + 1] = name_of(case) .. ": " .. tostring(why) end
    return ok and length
  end

  loop:wrap(function ()
    for _, over_tls in ipairs { false, true } do
      for _, verb in ipairs(torn.verbs) do
        local length = judge { verb = verb, tls = over_tls }
        add_cases(cases, verb, over_tls, length or 0, stride)
      end
    end
    local running, left = 0, condition.new()
    for _, case in ipairs(cases) do
      running = running + 1
      loop:wrap(function ()
        judge(case)
        running = running - 1
        left:signal()
      end)
      while running >= most do left:wait() end
    end
    while running > 0 do left:wait() end
    done = true
  end)
  while not done do
    local ok, why = loop:step(patience)
    if not ok then wrong[#wrong + 1], done = tostring(why), true end
  end
  return #cases + 6, wrong
end

return torn
