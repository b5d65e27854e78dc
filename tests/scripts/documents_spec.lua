-- The documents as a whole: their form, their links, and that what they list is what there is.
local documents = require "tools.documents"

local page_width, longest_without_contents, longest_front_page, longest_section = 100, 150, 125, 40

-- A document without its fenced blocks.
local function prose(path)
  return ("\n" .. documents.read(path)):gsub("\n```.-\n```", "")
end

-- The name by which a heading is linked to, as GitHub makes it.
local function anchor_of(heading)
  return (heading:lower():gsub("[^%w _-]", ""):gsub(" ", "-"))
end

local function anchors(path)
  local found = {}
  for heading in prose(path):gmatch "\n#+ ([^\n]+)" do found[anchor_of(heading)] = true end
  return found
end

local function line_count(text) return select(2, text:gsub("\n", "")) end

for _, path in ipairs(documents.paths) do
  it(path .. " links only to files and headings that exist", function ()
    local folder = path:match "^(.*/)[^/]*$" or ""
    local text = prose(path)
    for target in (text:gsub("\n%[[^%]\n]+%]:(%S+)", "\n](%1)")):gmatch "%]%(([^%s)]+)%)" do
      if not target:find "^https?://" then
        local file, anchor = target:match "^([^#]*)#?(.*)$"
        local whole = file == "" and path or folder .. file
        while whole:find "[%w_]+/%.%./" do whole = whole:gsub("[%w_]+/%.%./", "", 1) end
        assert(io.open(whole), target):close()
        assert(anchor == "" or anchors(whole)[anchor], target .. ": no such heading")
      end
    end
  end)

  it(path .. " has no long lines, but for tables and what programs print", function ()
    for line in prose(path):gmatch "[^\n]+" do
      local is_quoted = line:find "^    " and path:find "REFERENCE" -- from the head of a module
      assert(utf8.len(line) <= page_width or line:find "^|" or not line:find "%s" or is_quoted, line)
    end
    for _, block in ipairs(documents.blocks()) do
      for line in block.text:gmatch(block.path == path and documents.is_code[block.language] and "[^\n]+" or "$^") do
        assert(utf8.len(line) <= page_width, line)
      end
    end
  end)

  it(path .. " has no two headings with one anchor", function ()
    local found = {}
    for heading in prose(path):gmatch "\n#+ ([^\n]+)" do
      assert(not found[anchor_of(heading)] or path == "CHANGELOG.md", heading)
      found[anchor_of(heading)] = true
    end
  end)

  it(path .. " lists its contents, if it is long", function ()
    local text = prose(path)
    if line_count(documents.read(path)) <= longest_without_contents then return end
    local contents = assert(text:match "\nContents: (.-)\n\n"):gsub("\n", " ")
    for heading in text:gmatch "\n## ([^\n]+)" do
      assert.truthy(contents:find(("[%s](#%s)"):format(heading, anchor_of(heading)), 1, true), heading)
    end
  end)
end

it("the Lua in the documents compiles, block by block", function ()
  for _, block in ipairs(documents.blocks "lua") do
    assert(load(block.text, ("=%s, line %d"):format(block.path, block.line)))
  end
end)

it("the documents require only modules that the types describe", function ()
  local described = documents.read "lua_module/azpec.meta.lua" .. documents.read "scripts/azpec/scripts.meta.lua"
  for _, path in ipairs(documents.paths) do
    for name in documents.read(path):gmatch 'require%s*%(?"(azpec%.[%w_.]+)"' do
      assert(described:find("\n%-%-%-@%l+ " .. name:gsub("%p", "%%%0") .. "%f[ \n]"), path .. ": " .. name)
    end
  end
end)

it("README.md is short, and names all other documents", function ()
  local text = documents.read "README.md"
  assert(line_count(text) <= longest_front_page, line_count(text) .. " lines")
  for _, path in ipairs(documents.paths) do
    assert(path == "README.md" or text:find("](" .. path .. ")", 1, true), path)
  end
end)

it("CHANGELOG.md begins with the version and date of azpec.h, but for what is not released", function ()
  local azpec = require "azpec"
  local newest = documents.read "CHANGELOG.md":match "\n## (%d[^\n]*)"
  assert.equal(azpec._VERSION:match "%d.*" .. " - " .. azpec._RELEASED, newest)
end)

it("a section of CHANGELOG.md fits a screen", function ()
  for section in (documents.read "CHANGELOG.md":gsub("\n##", "\0%0") .. "\0"):gmatch "[^\0]+" do
    assert(line_count(section) <= longest_section, section:match "[^\n]*\n[^\n]*")
  end
end)

it("the command guide lists the exit codes that azpec help lists", function ()
  local guide, listed = documents.read "scripts/README.md":match "\n| exit code |[^\n]*\n|[-|]+\n(.-)\n\n", {}
  for codes in guide:gmatch "%f[^\n\0]| ([^|]+) |" do
    for code in codes:gmatch "%d+" do listed[code] = true end
  end
  local known = {}
  for _, exit in ipairs(require "azpec.cli.topics".find "exit-codes"[1]) do known[exit[1]:match "%d+"] = true end
  assert.same(known, listed)
end)

it("azpec help environment names each variable that the module reads", function ()
  local named = {}
  for _, row in ipairs(require "azpec.cli.topics".find "environment"[1]) do
    for name in (type(row) == "table" and row[1] or ""):gmatch "[%u_]+" do named[name] = true end
  end
  for _, name in ipairs(dofile "tests/tools/variables.lua") do assert(named[name], name) end
end)

it("the command guide lists every verb, and the library guide every function", function ()
  local guide = documents.read "scripts/README.md":match "\n| verb |(.-)\n\n"
  for _, verb in require "azpec.cli.parser".verbs() do assert(guide:find("`" .. verb .. "`", 1, true), verb) end
  guide = documents.read "lua_module/README.md":match "\n| call |(.-)\n\n"
  local meta <close> = assert(io.open "lua_module/azpec.meta.lua")
  for name in meta:read "a":gmatch "\nfunction Client:(%w+[%w_]*)" do
    assert(documents.read "lua_module/README.md":find("%f[%w_]" .. name .. "%f[^%w_]"), name)
  end
  for _, kind in ipairs { "update", "client" } do assert(guide:find("`azpec." .. kind, 1, true), kind) end
end)
