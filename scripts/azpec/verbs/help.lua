-- azpec help: the overview, the page of a verb, or the man page.

local parser = require "azpec.command.parser"
local terminal = require "azpec.command.terminal"

local function page_of(context, name)
  local found, nearest = parser.find_verb(name)
  if not found then
    context:usage(("there is no verb '%s'%s"):format(name, nearest and "; did you mean '" .. nearest .. "'?" or ""))
  end
  local verb = require("azpec.verbs." .. name)
  return parser.help(name, verb, parser.of(name, verb))
end

return {
  summary = "show all verbs, or the page of one",
  examples = { "azpec help", "azpec help approve", "azpec help --man | man -l -" },
  common = {},
  define = function (command)
    command:argument("verb", "the verb"):args "?"
    command:flag("--man", "the man page, in roff")
  end,
  run = function (context)
    local args = context.args
    local text
    if args.man then
      text = require "azpec.command.manual"(require "azpec"._VERSION)
    else
      text = args.verb and page_of(context, args.verb) or parser.overview()
    end
    terminal.write(text)
    terminal.flush()
  end,
}
