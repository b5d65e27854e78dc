-- reference.lua [check] -- writes lua_module/REFERENCE.md and scripts/REFERENCE.md, from the types (LuaCATS) and the
-- comment at the beginning of each module in Lua.  With "check" it names the pages that differ from that.
package.path = "tests/?.lua;" .. package.path
local luacats = require "tools.luacats"

local width = 100
local signs = "`?` behind a name: it may be absent. `?` behind a type: or nil."
local pages = {
  { path = "lua_module/REFERENCE.md", types = "lua_module/azpec.meta.lua", title = "Reference of the Lua module azpec",
    first = "The module", intro = "Every function, option, result and value of the module, as `make reference` writes "
      .. "them from [azpec.meta.lua](azpec.meta.lua). The guide is [README.md](README.md). " .. signs
      .. " A name in square brackets is the source of a rule; see [the list](#module-azpec)." },
  { path = "scripts/REFERENCE.md", types = "scripts/azpec/scripts.meta.lua", modules = "scripts/",
    title = "Reference of the modules for scripts", intro = "Every function, option and result of the modules in Lua, "
      .. "as `make reference` writes them from [scripts.meta.lua](azpec/scripts.meta.lua) and the beginning of each "
      .. "module. The guide is [README.md](README.md#lua-modules-for-scripts). " .. signs },
}
local links = {} -- where a page explains a type, a function or a source, by the text of the link

local function read(path)
  local file <close> = io.open(path)
  return file and file:read "a" or ""
end

-- ---- Markdown ------------------------------------------------------------------------------------------------------

-- The name by which a forge links to a heading.
local function anchor_of(heading)
  return "#" .. heading:lower():gsub("[^%w _-]", ""):gsub(" ", "-")
end

local function linked_name(name)
  return links[("`%s`"):format(name)] and ("[`%s`]"):format(name)
end

-- Code as it is or with its names as links; text without what would be emphasis or HTML.
local function inline(text)
  local parts, is_code = {}, false
  for part, tick in text:gmatch "([^`]*)(`?)" do
    if is_code then
      parts[#parts + 1] = linked_name(part) or ("`%s`"):format(part)
    else
      parts[#parts + 1] = part:gsub("[*<]", "\\%0"):gsub("%f[%w_]_+%f[^%w_]", "\\%0"):gsub("azpec%.[%w_.]*%w%(?",
        linked_name)
    end
    is_code = is_code ~= (tick ~= "")
  end
  return table.concat(parts)
end

-- A paragraph in lines, the first of them behind a mark. No line begins with what would be a mark of its own.
local function wrapped(text, mark)
  local lines, line, indent = {}, mark or "", (" "):rep(#(mark or ""))
  for word in text:gmatch "%S+" do
    if utf8.len(line .. word) >= width and #line > #indent and not word:find "^[-+*#>=|]+$" then
      lines[#lines + 1], line = line, indent
    end
    line = line .. (#line > #indent and " " or "") .. word
  end
  lines[#lines + 1] = line
  return table.concat(lines, "\n")
end

-- Paragraphs, lists and code from the lines of a comment.
local function markdown(lines)
  local parts, open, is_fenced = {}, nil, false
  local function finish()
    if open then parts[#parts + 1] = wrapped(inline(open.text), open.mark) .. (open.mark and "\n" or "\n\n") end
    open = nil
  end
  for _, line in ipairs(lines) do
    local mark, text = line:match "^(%*) +(.*)$"
    if not mark then mark, text = line:match "^(%d+%.) +(.*)$" end
    if line:find "^```" or is_fenced or not (open and open.mark) and line:find "^  " then
      finish()
      is_fenced = is_fenced ~= (line:find "^```" ~= nil)
      parts[#parts + 1] = (line:find "^  " and not is_fenced and "  " or "") .. line .. "\n"
    elseif mark then
      finish()
      open = { text = text, mark = (mark == "*" and "-" or mark) .. " " }
    elseif line == "" then
      finish()
      parts[#parts + 1] = "\n"
    else
      open = open or { text = "" }
      open.text = open.text .. " " .. line
    end
  end
  finish()
  return (table.concat(parts):gsub("\n\n\n+", "\n\n"):gsub("^\n+", ""):gsub("\n+$", ""))
end

local function linked(type)
  local text = ("`%s`"):format(type):gsub('"?azpec%.?[%w_.]*', function (name)
    return links[("`%s`"):format(name)] and ("`[`%s`]`"):format(name)
  end)
  return (text:gsub("``", ""))
end

-- A list of values, each with its name, its type and what is said of it.
local function entries(title, values)
  if #values == 0 then return "" end
  local lines = {}
  for n, value in ipairs(values) do
    local name, text = luacats.shown(value), inline(table.concat(value.text, " "))
    local what = (name and "`" .. name .. "`" or "") .. (value.type and (" (%s)"):format(linked(value.type)) or "")
    lines[n] = wrapped(what .. (text ~= "" and ": " .. text or ""), "- ")
  end
  return title .. ":\n\n" .. table.concat(lines, "\n")
end

-- Names an item as a program does, and keeps where it and the sources that it lists are found.
local function place(item, class_of)
  local kind = ({ class = "Class", alias = "Alias", enum = "Enumeration" })[item.kind]
  if (item.variable or "."):find "^[%l_]+$" then kind = "Module" end
  if item.kind == "function" then
    local names = {}
    for n, param in ipairs(item.params) do names[n] = luacats.shown(param) end
    item.name = (item.owner:find "^azpec" and item.owner or class_of[item.owner]) .. item.separator .. item.name
    item.heading = ("%s `%s(%s)`"):format(item.separator == ":" and "Method" or "Function", item.name,
      table.concat(names, ", "))
  elseif kind then
    item.heading = ("%s `%s`"):format(kind, item.name)
  end
  if item.heading then links[("`%s`"):format(item.name)] = anchor_of(item.heading) end
  for _, line in ipairs(item.text) do
    for list in line:gmatch "^%* (%[[^:]+):" do
      for source in list:gmatch "%[([^%]]+)%]" do links[source] = anchor_of(item.heading) end
    end
  end
end

-- The comment at the beginning of a module.
local function head_of(page, name)
  local lines = {}
  for line in read((page.modules or "/") .. name:gsub("%.", "/") .. ".lua"):gmatch "([^\n]*)\n" do
    if not line:find "^%-%-" then break end
    lines[#lines + 1] = line:gsub("^%-%- ?", ""):gsub("^azpec%S+ %-%- (%l)", string.upper)
  end
  return markdown(lines)
end

-- ---- pages ---------------------------------------------------------------------------------------------------------

local function compose(page, known)
  local types = luacats.read(read(page.types), known)
  assert(#types.problems == 0, page.types .. ":" .. table.concat(types.problems, "\n"))
  local class_of, contents, parts, names = {}, {}, {}, nil
  for _, item in ipairs(types) do
    if item.variable then class_of[item.variable] = item.name end
  end
  for _, item in ipairs(types) do place(item, class_of) end
  for _, item in ipairs(types) do
    if item.kind == "section" or not names and item.kind ~= "text" then
      local title = item.kind == "section" and item.name or page.first
      title = title:match "^azpec[%w_.]*" or title:gsub("^%l", string.upper)
      contents[#contents + 1] = ("[%s](%s)"):format(title, anchor_of(title))
      names = {}
      table.move({ "## " .. title, names, head_of(page, title) }, 1, 3, #parts + 1, parts)
    end
    if names then
      if item.heading then
        names[#names + 1] = linked_name(item.name)
        parts[#parts + 1] = "### " .. item.heading
      end
      local parents = {}
      for n, parent in ipairs(item.parents or parents) do parents[n] = linked(parent) end
      table.move({ markdown(item.text), item.type and wrapped(("It is %s."):format(linked(item.type))) or "",
        entries("Parameters", item.params or {}), entries("Returns", item.returns or {}),
        entries("Values", item.values or {}), entries("Fields", item.fields or {}),
        #parents > 0 and wrapped(("It also has the fields of %s."):format(table.concat(parents, ", "))) or "",
        entries("Operators", item.operators or {}) }, 1, 8, #parts + 1, parts)
    end
  end
  for n, part in ipairs(parts) do
    if type(part) == "table" then parts[n] = #part > 0 and wrapped(table.concat(part, ", ") .. ".") or "" end
  end
  local text = table.concat({ "# " .. page.title, wrapped(page.intro),
    wrapped("Contents: " .. table.concat(contents, ", ") .. "."), table.concat(parts, "\n\n") }, "\n\n")
  local used = {}
  for name, target in pairs(links) do
    if text:find(("[%s]"):format(name), 1, true) then used[#used + 1] = ("[%s]:%s"):format(name, target) end
    if target:find "^#" then links[name] = "../" .. page.path .. target end -- for the next page
  end
  table.sort(used)
  return text:gsub("\n\n\n+", "\n\n") .. "\n\n" .. table.concat(used, "\n") .. "\n", types.declared
end

local known
for _, page in ipairs(pages) do
  local text
  text, known = compose(page, known)
  if arg[1] ~= "check" then
    assert(io.open(page.path, "w")):write(text):close()
  elseif read(page.path) ~= text then
    print(page.path .. " differs from the types; make reference writes it")
  end
end
