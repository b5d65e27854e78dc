-- azpec completion: prints a script that completes verbs, options and their values in a shell.

local terminal = require "azpec.cli.terminal"

return {
  summary = "print a script with which bash, zsh or fish completes azpec's command lines",
  examples = { "source <(azpec completion bash)          # in ~/.bashrc",
    "source <(azpec completion zsh)           # in ~/.zshrc, after compinit",
    "azpec completion fish | source           # in ~/.config/fish/config.fish",
    "azpec completion zsh > ~/.zfunc/_azpec   # or once, in a folder of fpath, before compinit",
    "azpec completion fish > ~/.config/fish/completions/azpec.fish" },
  common = {},
  define = function (command)
    command:argument("shell", "bash, zsh or fish"):choices { "bash", "zsh", "fish" }
  end,
  run = function (context)
    terminal.write(require "azpec.cli.completion"[context.args.shell]())
    terminal.flush()
  end,
}
