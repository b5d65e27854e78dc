-- azpec help: the overview, or the page of a verb.

local parser = require "azpec.command.parser"
local terminal = require "azpec.command.terminal"

return {
  summary = "show this, or the page of a verb",
  examples = { "azpec help", "azpec help approve" },
  common = {},
  define = function (command)
    command:argument("verb", "the verb"):args "?"
  end,
  run = function (context)
    local name = context.args.verb
    if name then
      local found, nearest = parser.find_verb(name)
      if not found then
        context:usage(("there is no verb '%s'%s"):format(name, nearest and "; did you mean '" .. nearest .. "'?" or ""))
      end
      local verb = require("azpec.verbs." .. name)
      terminal.write(parser.help(name, verb, parser.of(name, verb)))
    else
      terminal.write(parser.overview())
    end
    terminal.flush()
  end,
}
