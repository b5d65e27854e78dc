-- Fault rules. A rule counts the requests that match it; the first rule that is due is applied.

local check = require "azpec.emulator.check"
local condition = require "cqueues.condition"
local json = require "azpec.json"
local routes = require "azpec.emulator.routes"

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

local one_kind = { with = function (value, path)
  local why = routes.complaint(check.value(value, word, path))
  if why then check.fail(path, "%s", why) end
  return value
end }

local kind_or_kinds = { with = function (value, path)
  return check.value(value, type(value) == "table" and { list = one_kind } or one_kind, path)
end }

local match_schema = {
  method = word, path = pattern, plain = flag, kind = kind_or_kinds, tls = flag,
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

-- A rule that is due and does nothing would only keep the rules behind it from being applied.
local function check_action(rule, path)
  if next(rule.action) then return end
  check.fail(path .. ".action", "what to do is missing: give status, reset, stall or another field")
end

local function check_reset(rule, path)
  local action = rule.action
  if not (action.reset or action.reset_at) then return end
  if not pcall(require, "socket.core") then check.fail(path, "reset needs LuaSocket (Debian: lua-socket)") end
end

local function compile(spec, index)
  local path = ("faults[%d]"):format(index)
  local rule = check.record(spec, rule_schema, path)
  check_action(rule, path)
  check_reset(rule, path)
  local match = rule.match or {}
  rule.match, rule.seen, rule.name = match, 0, rule.name or "#" .. index
  rule.first = math.max(match.nth or 1, 1)
  rule.last = rule.first + (match.times or match.nth and 1 or math.huge) - 1
  return rule
end

local function compile_all(list, after)
  check.value(list, { list = { is = "any" } }, "faults")
  local rules, problems = table.move(after, 1, #after, 1, {}), {}
  for _, spec in ipairs(list) do
    rules[#rules + 1] = check.collect(problems, compile, spec, #rules + 1)
  end
  check.raise(problems)
  return rules
end

-- Replaces the rules by a list. Raises an error with all faults of it.
function faults:load(list)
  self.rules = compile_all(list, {})
  self.replaced:signal()
end

-- Adds rules behind the others. What is held stays so.
function faults:add(list)
  table.move(compile_all(list, self.rules), #self.rules + 1, #self.rules + #list, #self.rules + 1, self.rules)
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

-- Counts the request, and returns the rule to apply, or nil.
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

-- Returns the number of matches of each rule.
function faults:describe()
  local list = json.list()
  for index, rule in ipairs(self.rules) do list[index] = { name = rule.name, seen = rule.seen } end
  return list
end

return faults
