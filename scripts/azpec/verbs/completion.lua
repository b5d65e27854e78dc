-- azpec completion: a script that lets a shell complete verbs and options.

local terminal = require "azpec.command.terminal"

return {
  summary = "print a script with which bash or zsh completes azpec's command lines",
  examples = { "source <(azpec completion bash)                            # in ~/.bashrc",
    "azpec completion zsh > ~/.zfunc/_azpec                     # a folder of fpath" },
  common = {},
  define = function (command)
    command:argument("shell", "bash or zsh"):choices { "bash", "zsh" }
  end,
  run = function (context)
    local whole = require "azpec.command.parser".of_all()
    terminal.write(context.args.shell == "bash" and whole:get_bash_complete() or whole:get_zsh_complete())
    terminal.flush()
  end,
}
