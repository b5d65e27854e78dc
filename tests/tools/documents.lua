-- documents.lua -- what azpec says in Markdown, for the tests: the documents, their blocks of code, and the commands
-- that they show with their output.
local documents = { paths = {} }

-- Every document of the tree.
do
  local pipe <close> = io.popen "find . -name '*.md' -not -path './build/*' -not -path './.git/*' | sort"
  for path in pipe:lines() do documents.paths[#documents.paths + 1] = path:sub(3) end
end

-- The languages of blocks that people write; the others are what programs print.
documents.is_code = { lua = true, c = true, sh = true }

function documents.read(path)
  local file <close> = assert(io.open(path))
  return file:read "a"
end

-- Returns a list of { path =, language =, text =, line = the number of its first line }: the fenced blocks of all
-- documents, or those of one language.
function documents.blocks(language)
  local list = {}
  for _, path in ipairs(documents.paths) do
    local block, number = nil, 0
    for line in documents.read(path):gmatch "([^\n]*)\n" do
      number = number + 1
      local fence = line:match "^```(%a*)$"
      if block and fence then
        if not language or block.language == language then list[#list + 1] = block end
        block = nil
      elseif fence then
        block = { path = path, language = fence, text = "", line = number + 1 }
      elseif block then
        block.text = block.text .. line .. "\n"
      end
    end
  end
  return list
end

-- Returns the text of the one block of a language in which this text stands at the start of a line.
function documents.block(language, text)
  local found
  for _, block in ipairs(documents.blocks(language)) do
    if ("\n" .. block.text):find("\n" .. text, 1, true) then
      assert(not found, "two documents show " .. text)
      found = block.text
    end
  end
  return assert(found, "no document shows " .. text)
end

-- Returns the commands of the console block in which one begins with these words: a list of { line =, output = }.
function documents.commands(words)
  local commands = {}
  for line in documents.block("console", "$ " .. words):gmatch "[^\n]+" do
    local command = line:match "^%$ (.*)$"
    if command then
      commands[#commands + 1] = { line = command, output = "" }
    else
      commands[#commands].output = commands[#commands].output .. line .. "\n"
    end
  end
  return commands
end

-- Returns the rights that README.md lists, in full: ".../write" stands for another last part.
function documents.rights()
  local list = {}
  for word in documents.read "README.md":match "\n| right |(.-)\n\n":gmatch "`([^`]*/[^`]*)`" do
    local tail = word:match "^%.%.%.(/.*)$"
    if tail then
      local head = list[#list]
      for _ in tail:gmatch "/" do head = head:match "^(.*)/" end
      word = head .. tail
    end
    list[#list + 1] = word
  end
  return list
end

return documents
