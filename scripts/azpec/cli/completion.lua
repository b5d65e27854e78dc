-- Completion scripts for bash, zsh and fish: verbs, options and their values, as the verbs define them.

local parser = require "azpec.cli.parser"

local completion = {}

local places = { FILE = true, PLAN = true }

local function argname(element)
  local name = element._argname or element._name:upper()
  return type(name) == "table" and name[1] or name
end

-- An option or an argument: { names, text, takes = whether it has a value, label, values, takes_list = several of
-- them, with commas between, values_of = those of each action, completes = kinds of azpec.cli.names, is_file }.
local function entry(element)
  return { names = element._public_aliases, text = element.summary or element._description or "",
    takes = element._maxargs > 0, label = argname(element), values = element.values, takes_list = element.takes_list,
    values_of = element.values_of, completes = element.completes, is_file = places[argname(element)] }
end

-- All verbs: a list of { name, summary, options = { entry, ... }, arguments = { entry, ... } }.
local function described()
  local list = {}
  for _, name in parser.verbs() do
    local verb = require("azpec.cli.verbs." .. name)
    local command = parser.of(name, verb)
    local one = { name = name, summary = verb.summary, options = {}, arguments = {} }
    for _, option in ipairs(command._options) do
      if not option._hidden then one.options[#one.options + 1] = entry(option) end
    end
    for n, argument in ipairs(command._arguments) do one.arguments[n] = entry(argument) end
    list[#list + 1] = one
  end
  return list
end

-- Calls f for each, and concatenates the results.
local function joined(list, separator, f)
  local parts = {}
  for _, one in ipairs(list) do
    local part = f(one)
    if part then parts[#parts + 1] = part end
  end
  return table.concat(parts, separator)
end

local function verb_names(verbs)
  return joined(verbs, " ", function (verb) return verb.name end)
end

-- Returns the values of a verb's arguments; those of help are the verbs and the topics.
local function own_values(verb, verbs)
  local values = verb.arguments[1] and verb.arguments[1].values
  if verb.name == "help" then
    return verb_names(verbs) .. " concepts " .. table.concat(require "azpec.cli.topics".names(), " ")
  end
  return values and table.concat(values, " ") or nil
end

-- The shell command that prints the names which azpec.cli.names has written. %s: its kinds, with | between.
local print_names = [==[sed -n -E "s#^(%s) ([A-Za-z0-9._/-]*)\$#\2#p" "$AZPEC_NAMES" 2>/dev/null]==]

-- ---- bash ----------------------------------------------------------------------------------------------------------

-- bash breaks words at the characters of COMP_WORDBREAKS, by default at "=" too: "--for status=App" are four words, of
-- which only the last is replaced. `whole` is the word as the command gets it, `typed` the part that is replaced. Each
-- variable has a value before it is read, since the shell may have `set -u`, and IFS may be anything.
local bash_head = [==[
_azpec_names() { local IFS='|'; [[ ${AZPEC_NAMES:-} ]] && ]==] .. print_names:format "$*" .. [==[; }
_azpec() {
    local IFS=$' \t\n' word cur prev verb option= options= own= columns= sort= values= list= whole= kept=
    local typed=${COMP_WORDS[COMP_CWORD]#=}
    local -a words=()
    for word in "${COMP_WORDS[@]:0:COMP_CWORD+1}"; do
        if [[ ${#words[@]} -gt 0 && ( $word == = || $whole == *= ) ]]; then
            whole=$whole$word
            words[${#words[@]}-1]=$whole
        else
            whole=$word
            words+=("$word")
        fi
    done
    cur=$whole prev=${words[${#words[@]}-2]} verb=${words[1]}
    COMPREPLY=()
    if [[ ${#words[@]} -eq 2 ]]; then
        COMPREPLY=($(compgen -W "%s --help --version" -- "$cur"))
        return
    fi
    if [[ $cur == --*=* ]]; then option=${cur%%%%=*}= prev=${cur%%%%=*} cur=${cur#*=}; fi
    case $verb in
%s
    esac
    case $prev in
%s
    esac
    if [[ $list ]]; then
        if [[ $cur == *,* ]]; then kept=${cur%%,*},; fi
        if [[ ${cur#"$kept"} == -* ]]; then kept=$kept-; fi
        compopt -o nospace 2>/dev/null
        COMPREPLY=($(compgen -P "$option$kept" -W "$list" -- "${cur#"$kept"}"))
    else
        if [[ $cur == -* ]]; then values=$options; elif [[ ! $values ]]; then values=$own; fi
        [[ $values ]] || return
        COMPREPLY=($(compgen -P "$option" -W "$values" -- "$cur"))
    fi
    if [[ ${COMPREPLY[*]-} ]]; then COMPREPLY=("${COMPREPLY[@]#"${whole%%"$typed"}"}"); fi
}
complete -o bashdefault -o default -F _azpec azpec
]==]

-- The variable with the values of an option that takes a list: "columns" of --columns.
local function list_variable(option)
  return option.names[1]:match "%l+$"
end

-- Returns the code that sets the variables of a verb's options that take a list; for a verb with actions, those of the
-- action on the command line.
local function bash_lists(verb)
  local function assigned(option, values)
    return ('%s="%s"'):format(list_variable(option), table.concat(values, " "))
  end
  local code, of_actions = "", {}
  for _, option in ipairs(verb.options) do
    if option.takes_list and not option.values_of then code = code .. " " .. assigned(option, option.values) end
    for _, one in ipairs(option.values_of or {}) do
      of_actions[#of_actions + 1] = ("[[ $word != %s ]] || %s"):format(one.name, assigned(option, one.values))
    end
  end
  if #of_actions == 0 then return code end
  return ('%s\n        for word in "${words[@]:2}"; do\n            %s\n        done'):format(code,
    table.concat(of_actions, "\n            "))
end

local function bash_verb(verb, verbs)
  local options = joined(verb.options, " ", function (option) return table.concat(option.names, " ") end)
  local own = verb.arguments[1]
  local values = own and own.completes and ("$(_azpec_names %s)"):format(own.completes) or own_values(verb, verbs)
  return ('    %s) options="%s" own="%s"%s ;;'):format(verb.name, options, values or "", bash_lists(verb))
end

-- Returns the code for an option's value: one of a list, a file (bash's default), or any text.
local function bash_value(option)
  local no_files = "compopt +o default +o bashdefault 2>/dev/null; "
  if option.takes_list then return ("list=$%s; [[ $list ]] || return"):format(list_variable(option)) end
  if option.values then return ('values="%s"'):format(table.concat(option.values, " ")) end
  if option.completes then return ('%svalues="$(_azpec_names %s)" own='):format(no_files, option.completes) end
  return option.is_file and "return" or no_files .. "return"
end

-- Returns the code for all options; an option has the same meaning in every verb, but for the verb's columns.
local function bash_values(verbs)
  local lines, seen = {}, {}
  for _, verb in ipairs(verbs) do
    for _, option in ipairs(verb.options) do
      local pattern = table.concat(option.names, "|")
      if option.takes and not seen[pattern] then
        seen[pattern] = true
        lines[#lines + 1] = ("    %s) %s ;;"):format(pattern, bash_value(option))
      end
    end
  end
  return table.concat(lines, "\n")
end

function completion.bash()
  local verbs = described()
  return bash_head:format(verb_names(verbs), joined(verbs, "\n", function (verb) return bash_verb(verb, verbs) end),
    bash_values(verbs))
end

-- ---- zsh -----------------------------------------------------------------------------------------------------------

local function zsh_text(text)
  return (text:gsub("[%[%]:\\]", "\\%0"):gsub("'", "'\\''"))
end

local function zsh_values(one)
  local values = table.concat(one.values or {}, " ")
  if one.values_of then
    local lists = joined(one.values_of, " ", function (list)
      return ('"%s=%s"'):format(list.name, table.concat(list.values, " "))
    end)
    return (":%s:{_azpec_list_of %s}"):format(zsh_text(one.label), lists)
  end
  local action = one.is_file and "_files" or one.completes and ("{_azpec_names %s}"):format(one.completes)
    or (one.takes_list and "{_azpec_list %s}" or "(%s)"):format(values)
  return (":%s:%s"):format(zsh_text(one.label), action)
end

local function zsh_option(option)
  local list = {} -- "=": the value may follow it
  for n, name in ipairs(option.names) do list[n] = option.takes and #name > 2 and name .. "=" or name end
  local names = #list > 1 and ("{%s}"):format(table.concat(list, ",")) or list[1]
  local text = ("'[%s]%s'"):format(zsh_text(option.text), option.takes and zsh_values(option) or "")
  return ("      '*'%s%s"):format(names, text)
end

local function zsh_verb(verb, verbs)
  local specs = joined(verb.options, " \\\n", zsh_option)
  local own = verb.arguments[1]
  if own then
    own = { label = own.label, is_file = own.is_file, completes = own.completes, values = { own_values(verb, verbs) } }
    specs = specs .. (" \\\n      '*%s'"):format(zsh_values(own))
  end
  return ("  %s) _arguments \\\n%s ;;"):format(verb.name, specs)
end

function completion.zsh()
  local verbs = described()
  return ([==[
#compdef azpec

_azpec_names() {
  local IFS='|'
  local -a names
  names=(${(f)"$([[ -n $AZPEC_NAMES ]] && %s)"})
  compadd -a names
}

_azpec_list() {
  compset -P '*,'
  compset -P -
  compadd -S '' -- "$@"
}

_azpec_list_of() {
  local one
  for one; do
    if (( $words[(I)${one%%%%=*}] )); then _azpec_list ${=one#*=}; fi
  done
}

_azpec() {
  local -a verbs
  verbs=(
%s
  )
  if (( CURRENT == 2 )); then
    _describe verb verbs
    return
  fi
  shift words
  (( CURRENT-- ))
  case $words[1] in
%s
  esac
}

if [[ $funcstack[1] == _azpec ]]; then _azpec "$@"; else compdef _azpec azpec; fi
]==]):format(print_names:format "$*",
    joined(verbs, "\n", function (verb) return ("    '%s:%s'"):format(verb.name, zsh_text(verb.summary)) end),
    joined(verbs, "\n", function (verb) return zsh_verb(verb, verbs) end))
end

-- ---- fish ----------------------------------------------------------------------------------------------------------

local function fish_quoted(text)
  return "'" .. text:gsub("[\\']", "\\%0") .. "'"
end

-- Returns the lines of an option whose values are those of the action on the command line.
local function fish_lists(verb, option)
  local seen = "__fish_seen_subcommand_from"
  return joined(option.values_of or {}, "", function (one)
    return ("\ncomplete -c azpec -n '%s %s; and %s %s' -l %s -x -a %s"):format(seen, verb.name, seen, one.name,
      list_variable(option), fish_quoted(("(__azpec_list %s)"):format(table.concat(one.values, " "))))
  end)
end

local function fish_option(verb, option)
  local words = { ("complete -c azpec -n '__azpec_verb %s'"):format(verb.name) }
  for _, name in ipairs(option.names) do
    words[#words + 1] = (#name == 2 and "-s " or "-l ") .. name:gsub("^%-+", "")
  end
  if option.values and not option.values_of then
    local values = table.concat(option.values, " ")
    words[#words + 1] = "-x -a " .. fish_quoted(option.takes_list and ("(__azpec_list %s)"):format(values) or values)
  elseif option.completes then
    words[#words + 1] = ("-x -a '(__azpec_names %s)'"):format(option.completes)
  elseif option.takes then
    words[#words + 1] = option.is_file and "-r -F" or "-x"
  end
  words[#words + 1] = "-d " .. fish_quoted(option.text)
  return table.concat(words, " ") .. fish_lists(verb, option)
end

local function fish_verb(verb, verbs)
  local lines = { ("complete -c azpec -n __azpec_verb -a %s -d %s"):format(verb.name,
    fish_quoted(verb.summary)) }
  for _, option in ipairs(verb.options) do lines[#lines + 1] = fish_option(verb, option) end
  local values = own_values(verb, verbs)
  local seen = ("complete -c azpec -n '__azpec_verb %s'"):format(verb.name)
  if values then lines[#lines + 1] = ("%s -a %s"):format(seen, fish_quoted(values)) end
  for _, argument in ipairs(verb.arguments) do
    if argument.is_file then lines[#lines + 1] = seen .. " -F" end
    if argument.completes then
      lines[#lines + 1] = ("%s -a '(__azpec_names %s)'"):format(seen, argument.completes)
    end
  end
  return table.concat(lines, "\n")
end

-- The verb is the first word, whatever the others are. A value may be in quotes that are not closed yet.
local fish_functions = ([==[
function __azpec_verb
  set -l words (commandline -opc)
  test "$argv" = "$words[2]"
end
function __azpec_names
  set -l kinds (string join '|' $argv)
  test -n "$AZPEC_NAMES"; and %s
end
function __azpec_list
  set -l kept (commandline -ct | string replace -r '^(--[^=]*=)?["\']?' '' | string replace -r '[^,-]*$' '')
  printf '%%s\n' "$kept"$argv
end
]==]):format(print_names:format "$kinds")

function completion.fish()
  local verbs = described()
  local lines = joined(verbs, "\n", function (verb) return fish_verb(verb, verbs) end)
  return ("%scomplete -c azpec -f\n%s\n"):format(fish_functions, lines)
end

return completion
