-- Fault rules: which request meets which fault. A rule counts the requests that fit it; the first one due is applied.

local check = require "azpec.emulator.check"
local condition = require "cqueues.condition"
local json = require "azpec.json"

local faults = {}
faults.__index = faults

local count, seconds, flag, word = { is = "count" }, { is = "seconds" }, { is = "boolean" }, { is = "string" }

local function text_or_number(value, path)
  if type(value) == "number" then return ("%.14g"):format(value) end
  return check.value(value, word, path)
end

local wish = { with = text_or_number }

local header_values = { with = function (value, path)
  if type(value) ~= "table" then return { text_or_number(value, path) } end
  return check.value(value, { list = wish }, path)
end }

local function either(...)
  local rules = { ... }
  return { with = function (value, path)
    for _, rule in ipairs(rules) do
      local ok, result = pcall(check.value, value, rule, path)
      if ok then return result end
    end
    check.fail(path, "a value of another kind expected, got %s", type(value))
  end }
end

local pattern = { with = function (value, path)
  check.value(value, word, path)
  local ok, why = pcall(string.find, "", value)
  if not ok then check.fail(path, "%s", why) end
  return value
end }

local match_schema = {
  method = word, path = pattern, plain = flag, kind = either(word, { list = word }), tls = flag,
  nth = count, times = count,
}

local error_schema = { code = word, message = word, target = word, details = { is = "any" },
  additionalInfo = { is = "any" }, innererror = { is = "any" } }

local action_schema = {
  -- before
  delay = seconds, hold = flag, advance = seconds, expire_token = flag,
  -- instead of the answer
  status = count, body = { is = "any" }, error = { record = error_schema }, html = flag, perform = flag,
  claims = either(word, flag, { map = { is = "any" } }),
  -- the answer, changed
  headers = { map = header_values }, add_headers = { map = header_values }, remove_headers = { list = word },
  retry_after = wish, location = word, set_body = { map = { is = "any" } }, bom = flag, gzip = flag,
  delay_answer = seconds,
  -- the bytes, changed
  chunked = flag, http_version = { is = "string", match = "^%d%.%d$" }, close_after = flag,
  interim = { list = { record = { status = { is = "count", required = true }, headers = { map = header_values } } } },
  lose = flag, close = flag, reset = flag, stall = either(flag, seconds), garbage = count, raw = word,
  cut = count, cut_at = count, stall_at = count, reset_at = count, flip_at = count,
  dribble = { record = { bytes = count, seconds = seconds } },
}

local rule_schema = {
  name = word, match = { record = match_schema }, action = { record = action_schema, required = true },
}

local function check_reset(rule, path)
  local action = rule.action
  if not (action.reset or action.reset_at) then return end
  if not pcall(require, "socket.core") then check.fail(path, "reset needs LuaSocket (Debian: lua-socket)") end
end

local function compile(spec, index)
  local path = ("faults[%d]"):format(index)
  local rule = check.record(spec, rule_schema, path)
  check_reset(rule, path)
  local match = rule.match or {}
  rule.match, rule.seen, rule.name = match, 0, rule.name or "#" .. index
  rule.first = math.max(match.nth or 1, 1)
  rule.last = rule.first + (match.times or match.nth and 1 or math.huge) - 1
  return rule
end

-- Replaces the rules by those of a list; raises what is wrong with it.
function faults:load(list)
  check.value(list, { list = { is = "any" } }, "faults")
  local rules = {}
  for index, spec in ipairs(list) do rules[index] = compile(spec, index) end
  self.rules = rules
  self.replaced:signal()
end

function faults.new()
  return setmetatable({ rules = {}, replaced = condition.new() }, faults)
end

local function has_kind(wanted, kind)
  if type(wanted) == "string" then return wanted == kind end
  for _, one in ipairs(wanted) do
    if one == kind then return true end
  end
  return false
end

local function fits(match, request, kind)
  if match.method and match.method:upper() ~= request.method then return false end
  if match.tls ~= nil and match.tls ~= request.tls then return false end
  if match.kind and not has_kind(match.kind, kind) then return false end
  return not match.path or request.target:find(match.path, 1, match.plain) ~= nil
end

-- The rule that this request meets, or nil.
function faults:pick(request, kind)
  local picked
  for _, rule in ipairs(self.rules) do
    if fits(rule.match, request, kind) then
      rule.seen = rule.seen + 1
      local is_due = rule.seen >= rule.first and rule.seen <= rule.last
      if is_due and not picked then picked = rule end
    end
  end
  return picked
end

-- Waits until the rules are replaced.
function faults:hold()
  local rules = self.rules
  while self.rules == rules do self.replaced:wait() end
end

-- How often each rule's match was met, for whoever asks.
function faults:describe()
  local list = json.list()
  for index, rule in ipairs(self.rules) do list[index] = { name = rule.name, seen = rule.seen } end
  return list
end

return faults
