-- azpec help: prints the overview, or the page of a verb or a topic, also as a man page.

local nearest = require "azpec.nearest"
local page = require "azpec.cli.page"
local parser = require "azpec.cli.parser"
local terminal = require "azpec.cli.terminal"
local topics = require "azpec.cli.topics"

-- Returns the page of a verb, of a topic, or the overview: for a terminal.
local function for_terminal(verb, found)
  if verb then
    local definition = require("azpec.cli.verbs." .. verb)
    return parser.help(verb, definition, parser.of(verb, definition))
  end
  if not found then return parser.overview() end
  local pages = {}
  for n, topic in ipairs(found) do pages[n] = page.topic(topic) end
  return table.concat(pages, "\n\n")
end

-- The same in roff. A topic is a section of a page.
local function in_roff(verb, found)
  local manual = require "azpec.cli.manual"
  if verb then return manual.of_verb(verb) end
  return topics.is_concept(found) and manual.of_concepts() or manual.of_all()
end

return {
  summary = "show all verbs, or the page of a verb or a topic",
  examples = { "azpec help", "azpec help approve", "azpec help exit-codes", "azpec help concepts",
    "azpec help approve --man | man -l -" },
  common = {},
  define = function (command)
    command:argument("verb", "a verb or a topic: concepts, " .. table.concat(topics.names(), ", ")):args "?"
    command:flag("--man", "as a man page, in roff")
  end,
  run = function (context)
    local word = context.args.verb
    local verb, question = parser.find_verb(word or "help")
    local found = word and not verb and topics.find(word) or nil
    if not verb and not found then
      question = question ~= "" and question or nearest.question(word, topics.names())
      context:usage(("there is no verb or topic '%s'%s"):format(word, question))
    end
    if not word then verb = nil end
    terminal.write((context.args.man and in_roff or for_terminal)(verb, found))
    terminal.flush()
  end,
}
