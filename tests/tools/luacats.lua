-- luacats.lua -- reads a file of types (LuaCATS, https://luals.github.io/wiki/annotations/), for reference.lua and for
-- the tests of these files.
--
--   local types = luacats.read(text, known)     -- known: names of types that other files declare, as keys
--   for _, item in ipairs(types) do print(item.line, item.kind, item.name) end
--   for _, problem in ipairs(types.problems) do print(problem) end     -- "LINE: message"
--
-- The items, in the order of the file; text is a list of lines, and each of these has one:
--   section   name: of a line "--- ---- NAME ----"
--   text      belongs to nothing else
--   class     name, parents, fields: a list of values, operators: a list of values, variable: that of its functions
--   alias     name, type or values: a list of values
--   enum      name, values: a list of values
--   function  owner: the variable, separator ("." or ":"), name, params, returns: lists of values
-- A value: { name, type, optional, text }, of which some are nil.
--
-- A tag that these files do not use is a problem, so that nothing is left out of the reference.
local luacats = {}

local built_in = {}
for name in ("nil any boolean string number integer function table thread userdata lightuserdata true false"):gmatch
  "%S+" do built_in[name] = true end

-- ---- types ---------------------------------------------------------------------------------------------------------

-- Each of these reads one part of a type at a position, and returns the position after it. names gets the names of
-- types. They raise a message.
local read_type

local function after(s, at, mark)
  return s:match("^ *%" .. mark .. "()", at)
    or error(("'%s' is missing in '%s'"):format(mark, s), 0)
end

-- A list up to that mark; without one, as long as there are commas.
local function read_list(s, at, close, item, names)
  if close and s:find("^ *%" .. close, at) then return after(s, at, close) end
  repeat
    local whole = item(s, at, names)
    at = s:match("^ *,()", whole)
    if not at then return close and after(s, whole, close) or whole end
  until false
end

local function read_parameter(s, at, names)
  local typed = s:match("^ *[%w_]+%??: *()", at) or s:match("^ *%.%.%.: *()", at)
  return read_type(s, typed or error(("a parameter without a type in '%s'"):format(s), 0), names)
end

local function read_member(s, at, names)
  local key = s:match("^ *%[()", at)
  return key and read_type(s, after(s, after(s, read_type(s, key, names), "]"), ":"), names)
    or read_parameter(s, at, names)
end

local function read_result(s, at, names)
  return read_type(s, s:match("^ *[%w_]+%??: *()", at) or at, names)
end

local function read_function(s, at, names)
  at = read_list(s, after(s, at, "("), ")", read_parameter, names)
  local results = s:match("^: *()", at)
  if not results then return at end
  local open = s:match("^%(()", results)
  return read_list(s, open or results, open and ")", read_result, names)
end

local function read_unit(s, at, names)
  at = s:match("^ *()", at)
  local mark = s:sub(at, at)
  if mark == "(" then
    at = after(s, read_type(s, at + 1, names), ")")
  elseif mark == "{" then
    at = read_list(s, at + 1, "}", read_member, names)
  elseif mark == '"' then
    at = s:match('^"[^"]*"()', at) or error(("a quote is missing in '%s'"):format(s), 0)
  else
    local name, rest = s:match("^(%a[%w_.]*)()", at)
    if not name then error(("a type is missing in '%s'"):format(s), 0) end
    if name == "fun" then return read_function(s, rest, names) end
    names[#names + 1] = name
    at = s:find("^<", rest) and read_list(s, rest + 1, ">", read_type, names) or rest
  end
  while s:find("^%[%]", at) or s:find("^%?", at) do at = s:match("^%[%]()", at) or at + 1 end
  return at
end

function read_type(s, at, names)
  repeat
    local whole = read_unit(s, at, names)
    at = s:match("^ *|()", whole)
    if not at then return whole end
  until false
end

-- Splits "TYPE TEXT"; also returns the names of types in it.
local function split(s)
  local names = {}
  local whole = read_type(s, 1, names)
  if s:find("^%S", whole) then error(("a type ends in '%s'"):format(s:sub(whole)), 0) end
  local text = s:sub(whole):match "^%s*#?%s*(.*)$"
  if text:find '^"[^"]*".*"$' then error("of a text from quote to quote, editors show the first string alone", 0) end
  return s:sub(1, whole - 1), text, names
end

-- ---- tags ----------------------------------------------------------------------------------------------------------

-- What the tags of a comment do: each gets the state of the reader, the text behind the tag and the lines above it.
local tags = {}

local function add(self, item)
  item.line, self.item = self.line, item
  if item.kind ~= "function" then
    if self.declared[item.name] then error(item.name .. " is declared twice", 0) end
    self.declared[item.name] = true
  end
  self.types[#self.types + 1] = item
end

-- A value with a name and a type. Its text is above it or behind it, since what follows a line belongs to the next one.
local function named_value(self, rest, above)
  local name, typed = rest:match "^(%S+)%s+(.+)$"
  if not name then error("a name and a type are missing", 0) end
  local bare, optional = name:gsub("%?$", "")
  local type, text, names = split(typed)
  if #above > 0 and text ~= "" then error(bare .. " has a text above it and one behind it", 0) end
  for _, one in ipairs(names) do self.used[#self.used + 1] = { one, self.line } end
  return { name = bare:match '^%["(.*)"%]$' or bare, type = type, optional = optional > 0,
    text = #above > 0 and above or { text } }
end

function tags.meta() end

function tags.class(self, rest, above)
  local name, parents = rest:gsub("^%(exact%)%s*", ""):match "^([%w_.]+):?%s*(.*)$"
  local class = { kind = "class", name = name, is_exact = rest:find "^%(exact%)" ~= nil, parents = {},
    text = above, fields = {}, operators = {} }
  for parent in parents:gmatch "[%w_.]+" do
    class.parents[#class.parents + 1] = parent
    self.used[#self.used + 1] = { parent, self.line }
  end
  add(self, class)
end

function tags.field(self, rest, above)
  local class = self.item
  if not class or class.kind ~= "class" then error("a field without a class", 0) end
  local field = named_value(self, rest, above)
  for _, other in ipairs(class.fields) do
    if other.name == field.name then error(("%s has the field %s twice"):format(class.name, field.name), 0) end
  end
  class.fields[#class.fields + 1] = field
end

function tags.operator(self, rest)
  if not self.item or self.item.kind ~= "class" then error("an operator without a class", 0) end
  local name, operand, result = rest:match "^(%l+)%(?([^():]*)%)?: ?(%S+)$"
  if not name then error("operator NAME(TYPE): TYPE is expected", 0) end
  table.insert(self.item.operators, { name = ("%s(%s)"):format(name, operand), type = result, text = {} })
end

function tags.alias(self, rest, above)
  local name, typed = rest:match "^(%S+)%s*(.*)$"
  add(self, { kind = "alias", name = name, text = above, values = {} })
  if typed == "" then return end
  local type, _, names = split(typed)
  self.item.type = type
  for _, one in ipairs(names) do self.used[#self.used + 1] = { one, self.line } end
end

function tags.enum(self, rest, above)
  add(self, { kind = "enum", name = rest, text = above, values = {} })
end

local function of_function(self, above)
  if not self.item then self.item = { kind = "function", line = self.line, text = above, params = {}, returns = {} } end
  if self.item.kind ~= "function" then error(("it is inside %s"):format(self.item.name), 0) end
  if self.item.text ~= above and #above > 0 then error("a text between the tags of a function", 0) end
  return self.item
end

function tags.param(self, rest, above)
  local f = of_function(self, above)
  if #f.returns > 0 then error("a parameter after a result", 0) end
  f.params[#f.params + 1] = named_value(self, rest, {})
end

tags["return"] = function (self, rest, above)
  local f = of_function(self, above)
  local type, text, names = split(rest)
  for _, one in ipairs(names) do self.used[#self.used + 1] = { one, self.line } end
  local name, more = text:match "^(%S+)%s*(.*)$"
  f.returns[#f.returns + 1] = { name = name, type = type, text = { more or "" } }
end

-- ---- lines ---------------------------------------------------------------------------------------------------------

local function end_function(self, code)
  local owner, separator, name, params = code:match "^function ([%w_.]+)([.:])([%w_]+)%((.-)%) end$"
  local f = of_function(self, self.above)
  if not name then error("a function was expected", 0) end
  f.owner, f.separator, f.name = owner, separator, name
  local wanted, given = {}, {}
  for param in params:gmatch "[^, ]+" do wanted[#wanted + 1] = param end
  for n, param in ipairs(f.params) do given[n] = param.name end
  wanted, given = table.concat(wanted, ", "), table.concat(given, ", ")
  if wanted ~= given then error(("%s has the parameters (%s), not (%s)"):format(name, wanted, given), 0) end
  if self.functions[owner .. name] then error(("%s%s%s is there twice"):format(owner, separator, name), 0) end
  self.functions[owner .. name] = true
  self.types[#self.types + 1] = f
end

-- Ends a comment: at code, or at an empty line, for which code is nil.
local function end_comment(self, code)
  local item, above = self.item, self.above
  self.item, self.above = nil, {}
  if code and code:find "^function " then
    self.item, self.above = item, above
    end_function(self, code)
    self.item, self.above = nil, {}
  elseif item and item.kind == "function" then
    error("parameters or results without a function", 0)
  elseif item then
    if #above > 0 then error("a text after the last tag", 0) end
    if item.kind == "class" and code then item.variable = code:match "^local ([%w_]+)" or code:match "^([%w_.]+) =" end
    self.enum = item.kind == "enum" and item or nil
    if self.enum and code then item.place = code:match "^([%w_.]+) =" end
    if item.kind == "alias" and not item.type and #item.values == 0 then error(item.name .. " has no type", 0) end
  elseif #above > 0 then
    local section = above[1]:match "^%-%-%-%- (.-) %-+$"
    if section then table.remove(above, 1) end
    self.types[#self.types + 1] = { kind = section and "section" or "text", name = section, line = self.line,
      text = above }
  end
end

local function read_comment(self, comment)
  local tag, rest = comment:match "^%s*@([^%s:]+)%s*(.*)$"
  local value = comment:match "^%s*|%s*(.*)$"
  if tag then
    local above = self.above
    self.above = {}
    if not tags[tag] then error(("the tag @%s is not known"):format(tag), 0) end
    tags[tag](self, rest, above)
  elseif value then
    if not self.item or self.item.kind ~= "alias" then error("a value without an alias", 0) end
    local type, text = split(value)
    table.insert(self.item.values, { name = type, text = { text } })
  else
    self.above[#self.above + 1] = comment:gsub("^ ", "")
  end
end

local function read_line(self, line)
  local comment = line:match "^%-%-%-(.*)$"
  if comment then return read_comment(self, comment) end
  local name, value, text = line:match '^  (%w+) = "(%w+)",?%s*%-?%-?%s*(.*)$'
  if self.enum and name then
    table.insert(self.enum.values, { name = name, type = ('"%s"'):format(value), text = { text } })
  else
    end_comment(self, line ~= "" and line or nil)
  end
end

function luacats.read(text, known)
  local types = { problems = {} }
  local self = { types = types, declared = {}, used = {}, functions = {}, above = {}, line = 0 }
  local function complain(line, message) types.problems[#types.problems + 1] = ("%d: %s"):format(line, message) end
  for line in (text .. "\n"):gmatch "([^\n]*)\n" do
    self.line = self.line + 1
    local ok, message = pcall(read_line, self, line)
    if not ok then complain(self.line, message) end
  end
  for _, use in ipairs(self.used) do
    local name = use[1]
    if not (built_in[name] or self.declared[name] or known and known[name]) then
      complain(use[2], ("the type %s is not declared"):format(name))
    end
  end
  local is_field = {}
  for _, item in ipairs(types) do
    for _, field in ipairs(item.fields or {}) do is_field[("%s.%s"):format(item.name, field.name)] = true end
  end
  for _, item in ipairs(types) do -- such a field would be a value of the enumeration, not its table
    if is_field[item.place] then complain(item.line, item.place .. " is also a field") end
  end
  types.declared = self.declared
  return types
end

-- A value's name with "?" where it may be absent; nil: it has none.
function luacats.shown(value)
  return value.name and value.name .. (value.optional and "?" or "")
end

return luacats
