-- server.lua RULES FOLDER [tls] -- answers HTTP as no emulator should: byte for byte what a list of rules says.
--
-- RULES is a file with a JSON list; the first rule that fits a request is used: { method =, path = (plain text in
-- the target), times = (that many requests), later = (not the first request of its connection) }. Its answer is
-- `raw` (whole), or made of `status`, `headers` (a list of lines), `body`; `pad` = N makes a JSON body of about N
-- bytes; `length` overrides Content-Length (false: none), `chunked` sends chunks, `cut` = N stops after N bytes of
-- the body. {origin} is this server's own. `after`: "keep" (default), "close" or "stall"; `delay`: seconds before
-- the answer. A rule { greeting = } is sent before any request.
-- `records`: a list of texts, each written by itself, so that each is a TLS record of its own; they replace `raw`.
--
-- Each request is written to FOLDER/<number>, byte for byte, before it is answered; FOLDER/connections has one line
-- a connection. With `tls` the endpoint is HTTPS, and FOLDER/ca.pem is the authority to trust. Ends when stdin closes
-- or on SIGTERM.
--
-- A port of its own, `control`, takes these: POST /_seen, a number: answered when so many requests have come;
-- /_unasked, bytes: written to every idle connection; /_shut: closes those; /_again, { rules =, folder = }: closes all
-- connections and begins anew.

local cjson = require "cjson"
local condition = require "cqueues.condition"
local cqueues = require "cqueues"
local signal = require "cqueues.signal"
local socket = require "cqueues.socket"

local idle = 60

local function read_file(path)
  local file <close> = assert(io.open(path, "rb"))
  return file:read "a"
end

local rules, folder, secure = cjson.decode(read_file(arg[1])), arg[2], arg[3] == "tls"
local loop, news, count, ended = cqueues.new(), condition.new(), 0, false
local connections, idlers = {}, {} -- all, and those that wait for a request

local function listen()
  local listener = socket.listen { host = "127.0.0.1", port = 0 }
  listener:listen(5)
  return listener, (select(3, listener:localname()))
end

local listener, port = listen()
local control_listener, control_port = listen()
local tls = secure and require "azpec.emulator.tls".server "127.0.0.1" or {}
local origin = (secure and "https" or "http") .. "://127.0.0.1:" .. port

local function append(name, bytes)
  local file <close> = assert(io.open(folder .. "/" .. name, "ab"))
  file:write(bytes)
end

-- A reader sees the whole file or none: a client may give up while its request is written here.
local function write_file(name, bytes)
  append(name .. ".new", bytes)
  assert(os.rename(folder .. "/" .. name .. ".new", folder .. "/" .. name))
end

local function pick(method, target, is_later)
  for _, rule in ipairs(rules) do
    local fits = not rule.greeting and (not rule.method or rule.method == method)
      and (not rule.path or target:find(rule.path, 1, true)) and rule.times ~= 0 and (not rule.later or is_later)
    if fits then
      rule.times = rule.times and rule.times - 1
      return rule
    end
  end
  return { status = 500, headers = { "Content-Type: text/plain" }, body = "no rule fits " .. method .. " " .. target }
end

local function fill(text)
  return (text:gsub("{origin}", origin))
end

local function chunks(body)
  local half = #body // 2
  local parts = {}
  for _, part in ipairs { body:sub(1, half), body:sub(half + 1) } do
    if part ~= "" then parts[#parts + 1] = ("%x\r\n%s\r\n"):format(#part, part) end
  end
  return table.concat(parts) .. "0\r\n\r\n"
end

local function bytes_of(rule)
  if rule.raw then return fill(rule.raw) end
  local body = fill(rule.body or "")
  if rule.pad then body = '{"pad":"' .. ("x"):rep(rule.pad) .. '"}' end
  local lines = { ("HTTP/1.1 %d Made"):format(rule.status or 200) }
  for _, line in ipairs(rule.headers or {}) do lines[#lines + 1] = fill(line) end
  if rule.chunked then
    lines[#lines + 1] = "Transfer-Encoding: chunked"
    body = chunks(body)
  elseif rule.length ~= false and rule.status ~= 204 then
    lines[#lines + 1] = "Content-Length: " .. math.tointeger(rule.length or #body)
  end
  if rule.cut then body = body:sub(1, math.tointeger(rule.cut)) end
  return table.concat(lines, "\r\n") .. "\r\n\r\n" .. body
end

local function read_request(sock, buffer)
  local last
  repeat
    last = select(2, buffer:find("\r\n\r\n", 1, true))
    local more = not last and sock:xread(-65536, idle)
    if not last and not more then return nil end
    buffer = buffer .. (more or "")
  until last
  local whole = last + (tonumber(buffer:lower():match "\r\ncontent%-length: *(%d+)") or 0)
  while #buffer < whole do
    local more = sock:xread(-65536, idle)
    if not more then return nil end
    buffer = buffer .. more
  end
  return buffer:sub(1, whole), buffer:sub(whole + 1)
end

-- True: the connection may be used again.
local function answer(sock, method, target, is_later)
  local rule = pick(method, target, is_later)
  if rule.delay then cqueues.sleep(rule.delay) end
  for _, bytes in ipairs(rule.records or { bytes_of(rule) }) do sock:xwrite(fill(bytes), "bn", idle) end
  if rule.after == "stall" then sock:xread(-1, idle) end
  return (rule.after or "keep") == "keep"
end

local function wait_for(wanted)
  local deadline = cqueues.monotime() + idle
  while count < wanted and cqueues.monotime() < deadline do news:wait(deadline - cqueues.monotime()) end
end

-- What a test asks of this server, by path.
local control = {}

function control.seen(body) wait_for(tonumber(body)) end

function control.unasked(body)
  for idler in pairs(idlers) do idler:xwrite(body, "bn", idle) end
end

function control.shut()
  for idler in pairs(idlers) do idler:shutdown "rw" end
end

-- For another test: nothing of the last one stays.
function control.again(body)
  local given = cjson.decode(body)
  for connection in pairs(connections) do connection:shutdown "rw" end
  connections, idlers = {}, {}
  rules, folder, count = given.rules, given.folder, 0
  if tls.authority then write_file("ca.pem", tls.authority) end
end

local function serve_control(sock)
  sock:setmode("bn", "bn")
  local request = assert(read_request(sock, ""))
  local name, body = request:match "^POST /_(%l+) .-\r\n\r\n(.*)$"
  control[name](body)
  sock:xwrite("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "bn", idle)
  sock:close()
end

local function serve(sock, context)
  connections[sock] = true
  if context and not sock:starttls(context, idle) then return sock:close() end
  sock:setmode("bn", "bn")
  for _, rule in ipairs(rules) do
    if rule.greeting then sock:xwrite(rule.greeting, "bn", idle) end
  end
  local rest, known = "", false
  repeat
    idlers[sock] = known or nil
    local request, more = read_request(sock, rest)
    idlers[sock] = nil
    if not request or not connections[sock] then break end
    rest = more
    local method, target = request:match "^(%S+) (%S+)"
    if not known then append("connections", "connection\n") end
    local is_later = known
    known, count = true, count + 1
    write_file(count, request)
    news:signal()
  until not answer(sock, method, target, is_later)
  sock:close()
end

-- Without Nagle's delay: what was written to one connection is there before what is written to another one later.
local function accept(from, answer_to)
  loop:wrap(function ()
    while true do
      local sock = from:accept { nodelay = true }
      sock:onerror(function (_, _, why) return why end)
      loop:wrap(function ()
        pcall(answer_to, sock)
        connections[sock], idlers[sock] = nil, nil
      end)
    end
  end)
end

local function own_pid()
  local file <close> = assert(io.open "/proc/self/stat")
  return file:read "n"
end

signal.ignore(signal.SIGPIPE)
signal.block(signal.SIGTERM)
local on_signal = signal.listen(signal.SIGTERM)
loop:wrap(function ()
  on_signal:wait()
  ended = true
end)
loop:wrap(function ()
  repeat cqueues.poll { pollfd = 0, events = "r" } until not io.stdin:read(1)
  ended = true
end)
if tls.authority then write_file("ca.pem", tls.authority) end
accept(listener, function (sock) serve(sock, tls.context) end)
accept(control_listener, serve_control)
io.stdin:setvbuf "no"
io.stdout:write(cjson.encode { pid = own_pid(), port = port, endpoint = origin,
  control = "http://127.0.0.1:" .. control_port }, "\n")
io.stdout:flush()
while not ended do
  local fine, why = loop:step(60)
  if not fine then io.stderr:write(tostring(why), "\n") end
end
os.exit(0)
