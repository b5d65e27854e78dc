-- Makes argparse commands of verbs: help with the examples first, and usage errors in one line.

local argparse = require "argparse"
local files = require "azpec.cli.files"
local nearest = require "azpec.nearest"
local options = require "azpec.cli.options"
local page = require "azpec.cli.page"
local shell = require "azpec.text".shell
local verbs = require "azpec.cli.verbs"
local wording = require "azpec.cli.wording"

local parser = {}

-- Iterates over group title and name of all verbs, in the order of help.
function parser.verbs()
  return coroutine.wrap(function ()
    for _, group in ipairs(verbs) do
      for n = 2, #group do coroutine.yield(group[1], group[n]) end
    end
  end)
end

-- Verbs of az, kubectl and other tools: synonyms, and those that are only answered with azpec's verb.
local same = { ls = "list", audit = "journal" }
local verbs_elsewhere = { get = "show", describe = "show", rm = "delete", remove = "delete", deny = "reject",
  accept = "approve", update = "approve", diagnose = "doctor", undo = "journal undo", rollback = "journal undo",
  history = "journal show", runs = "journal runs", logs = "journal show", verify = "journal verify",
  version = "--version", run = "auto",
  login = "doctor", whoami = "doctor", account = "doctor", explain = "auto --id ID -v",
  why = "auto --id ID -v", monitor = "watch", follow = "resume" }

local all = "the default: without -g and --account all accounts of the subscription are meant; "
  .. "--all-subscriptions looks in all"

local options_elsewhere = {
  ["--debug"] = "-vv", ["--only-show-errors"] = "--quiet", ["--query"] = "-o json, and jq",
  ["--format"] = "--output", ["--wait-timeout"] = "--timeout", ["--ca-bundle"] = "--ca-file", ["--force"] = "--yes",
  ["--sort-by"] = "--sort", ["--no-headers"] = "-o tsv", ["--ids"] = "--id", ["-s"] = "--subscription",
  ["--auto-approve"] = "--yes", ["--confirm"] = "--yes", ["--what-if"] = "--dry-run", ["--no-prompt"] = "--yes",
  ["--json"] = "-o json", ["--jq"] = "-o json, and jq", ["--template"] = "-o json, and jq", ["-l"] = "--described",
  ["--selector"] = "--described", ["--watch"] = "azpec watch", ["-w"] = "azpec watch", ["-A"] = all,
  ["--waiting"] = "azpec status --waiting",
  ["--all"] = all, ["--all-namespaces"] = all, ["--reason"] = "--description", ["--message"] = "--description",
  ["--comment"] = "--description", ["--description"] = "--described", ["--retries"] = "--max-tries",
  ["--retry"] = "--max-tries", ["--limit"] = "-o jsonl | head", ["--concurrency"] = "--parallel" }

-- Where a verb has --connection: its words for the values of options that choose connections elsewhere.
local connection_words = { ["--subscription"] = "%s/*/*/*", ["-g"] = "%s/*/*", ["--resource-group"] = "%s/*/*",
  ["--account"] = "%s/*", ["--name"] = "%s", ["-n"] = "%s", ["--id"] = "%s" }

-- Returns the verb that a word names; or nil, and a question if the word is near to one.
function parser.find_verb(name)
  local names = {}
  for _, known in parser.verbs() do
    if known == name then return name end
    names[#names + 1] = known
  end
  if same[name] then return same[name] end
  local elsewhere = verbs_elsewhere[name]
  return nil, elsewhere and ("; did you mean '%s'?"):format(elsewhere) or nearest.question(name, names)
end

-- ---- definitions ---------------------------------------------------------------------------------------------------

local function is_option(element)
  return element._public_aliases ~= nil
end

local function name_of(element)
  return is_option(element) and element._public_aliases[#element._public_aliases] or element._name:upper()
end

-- Returns a converter that accepts the values of a list.
local function one_of(values)
  return function (word)
    for _, value in ipairs(values) do
      if value == word then return word end
    end
    if #values == 1 then return nil, ("'%s' is not possible here; the only value is %s"):format(word, values[1]) end
    return nil, ("'%s' is not one of %s%s"):format(word, table.concat(values, ", "), nearest.question(word, values))
  end
end

-- Names the option of a refused value. Values of a fixed set are checked here, because argparse cannot suggest the
-- nearest one; completion offers them.
local function name_in_complaints(element)
  if element._choices then
    element.values, element._choices = element._choices, nil
    element:convert(one_of(element.values))
  end
  local convert = element._convert
  if type(convert) ~= "function" then return end
  element:convert(function (word)
    local value, why = convert(word)
    if value ~= nil then return value end
    return nil, ("%s: %s"):format(name_of(element), why)
  end)
end

-- How several are named, by options that take one value.
local several = { ["--account"] = "-g means all accounts of a group; or give ids of connections",
  ["--resource-group"] = "without it all groups are meant; or run the command once for each" }

-- Refuses a second, other value, which would replace the first one silently.
local function take_once(option)
  local convert, taken = option._convert, nil
  option:convert(function (word)
    if taken and taken ~= word then
      local name = name_of(option)
      return nil, ("%s is given twice, as '%s' and as '%s'%s"):format(name, taken, word,
        several[name] and "; " .. several[name] or "")
    end
    taken = word
    if convert then return convert(word) end
    return word
  end)
end

-- Returns the parser of a verb.
function parser.of(name, verb)
  local command = argparse("azpec " .. name):add_help(false)
  verb.define(command)
  options.add(command, verb)
  for _, elements in ipairs { command._options, command._arguments } do
    for _, element in ipairs(elements) do name_in_complaints(element) end
  end
  for _, option in ipairs(command._options) do
    if option._maxcount == 1 and option._maxargs == 1 and not option.is_setting then take_once(option) end
  end
  return command
end

-- ---- reading -------------------------------------------------------------------------------------------------------

-- Returns the options by name, and the list of their public names.
local function names_of(command)
  local by_name, known = {}, {}
  for _, option in ipairs(command._options) do
    for _, name in ipairs(option._aliases) do by_name[name] = option end
    for _, name in ipairs(option._hidden and {} or option._public_aliases) do
      if #name > 2 then known[#known + 1] = name end
    end
  end
  return by_name, known
end

-- A value may begin with a dash, as in `--sort -created_at` or `--description '- as agreed'`. argparse would read it as
-- an option, so it is joined to its option with "=".
local function join_dashes(by_name, arguments)
  local joined, n = {}, 1
  while n <= #arguments do
    local word, following = arguments[n], arguments[n + 1] or ""
    if word == "--" then return table.move(arguments, n, #arguments, #joined + 1, joined) end
    local option = by_name[word]
    local takes_it = option and option._maxargs == 1 and following:find "^%-[^-]"
      and (option.takes_dash or not by_name[following:sub(1, 2)])
    joined[#joined + 1] = takes_it and name_of(option) .. "=" .. following or word
    n = n + (takes_it and 2 or 1)
  end
  return joined
end

-- Returns the options that variables of the environment set (AZPEC_OUTPUT and the like), or nil and a text. They
-- precede the command line, which overrides them.
local function from_environment(command)
  local words = {}
  for _, option in ipairs(command._options) do
    local value = option.variable and os.getenv(option.variable) or ""
    if value ~= "" then
      local why = option.check_variable and option.check_variable(value)
      if why then return nil, ("%s: %s"):format(option.variable, why) end
      if option._convert then why = select(2, option._convert(value)) end
      if why then return nil, (why:gsub("^%-%-[%l-]+", option.variable)) end
      words[#words + 1] = name_of(option) .. "=" .. value
    end
  end
  return words
end

-- Finds a word such as "-auto-approve", in which argparse would read the option "-a"; returns it with two dashes too.
local function with_one_dash(option, given)
  for _, word in ipairs(given) do
    local name = word:match "^%-(%a[%a-]+)"
    if name and option == "-" .. name:sub(1, 1) then return word:match "^[^=]*", "--" .. name end
  end
end

local function is_among(list, wanted)
  for _, value in ipairs(list) do
    if value == wanted then return true end
  end
  return false
end

-- Returns "--connection 'batch10/*'" for "--account" in `--account batch10`; nil for an option that has no such word.
-- as_given: the option as the command line has it.
local function connection_for(option, as_given, given)
  local form, value = connection_words[option], "NAME"
  for n, word in ipairs(form and given or {}) do
    if word == as_given then value = given[n + 1] or value end
    if word:sub(1, #as_given + 1) == as_given .. "=" then value = word:sub(#as_given + 2) end
  end
  return form and "--connection " .. shell(form:format(value))
end

-- Where a verb that takes no names looks, as advice after one.
local no_names = "; this verb takes no names: give --id ID, or -g and --account"

-- Returns argparse's message in one line. For an unknown option it adds azpec's name of it, or the nearest one; for a
-- name, the options of a verb that takes none.
local function complaint_of(message, known, given)
  if message == "too many arguments" and is_among(known, "--account") then return message .. no_names end
  local option = message:match "^unknown option '([^'\n]+)'"
  if not option then return (message:gsub("\n", "; ")) end
  local word, meant = with_one_dash(option, given)
  meant = meant or option
  local here = is_among(known, "--connection") and connection_for(meant, word or option, given)
    or options_elsewhere[meant]
  local needed = here == all and "--account" or here and here:match "^%-%-%l%S*"
  if needed and not is_among(known, needed) then here = nil end
  return ("unknown option '%s'%s"):format(word or option, here and "; here it is " .. here
    or nearest.question(meant, known))
end

-- The dashes that editors and chat programs make of "-" and "--", and the long mark of a Japanese keyboard.
local other_dashes = { "\u{2010}", "\u{2011}", "\u{2012}", "\u{2013}", "\u{2014}", "\u{2212}", "\u{30FC}", "\u{FF0D}" }

-- Returns the complaint about a word that begins with another dash, or nil. It would be a name. Words
-- after "--", and a value such as of --description, may begin with one.
local function complaint_of_dash(by_name, given)
  for n, word in ipairs(given) do
    if word == "--" then return nil end
    local before = given[n - 1] or ""
    for _, dash in ipairs(before:find "^%-" and by_name[before] and {} or other_dashes) do
      if word:sub(1, #dash) == dash then
        return ("'%s' begins with '%s', which is not the ASCII -"):format(word, dash)
      end
    end
  end
end

-- Parses the arguments. Returns a table, or nil and a message of one line.
function parser.parse(command, arguments)
  local by_name, known = names_of(command)
  local words, wrong = from_environment(command)
  if not words then return nil, wrong end
  local dash = complaint_of_dash(by_name, arguments)
  if dash then return nil, dash end
  local given = join_dashes(by_name, arguments)
  local ok, result = command:pparse(table.move(given, 1, #given, #words + 1, words))
  if not ok then return nil, complaint_of(result, known, given) end
  wording.use_variables(command, result)
  local why = files.complaint(command, result)
  return not why and result or nil, why
end

local function capital(text)
  return text:sub(1, 1):upper() .. text:sub(2)
end

-- Returns the page of a verb, with the examples first.
parser.help = page.help

-- Returns the page of the whole command.
function parser.overview()
  local parts = { "azpec: private endpoint connections of Azure Batch accounts", "", "Examples:",
    "  azpec list -g rg-contoso-prod --account contosobatch",
    "  azpec approve -g rg-contoso-prod --account contosobatch --name web-frontend",
    "  azpec wait --for status=Approved --id /subscriptions/.../privateEndpointConnections/NAME" }
  local shown
  for title, name in parser.verbs() do
    if title ~= shown then
      parts[#parts + 1] = "\n" .. title .. ":"
      shown = title
    end
    page.add_row(parts, { "  " .. name, capital(require("azpec.cli.verbs." .. name).summary) }, 13)
  end
  parts[#parts + 1] = "\nTopics:"
  page.add_row(parts, { "  ", table.concat(require "azpec.cli.topics".names(), ", ") }, 0)
  parts[#parts + 1] = "\n" .. table.concat(page.wrapped("azpec help VERB, or azpec VERB -h, shows a verb's options, "
    .. "azpec help TOPIC a topic, azpec help concepts all concepts, azpec --version the version."), "\n")
  return table.concat(parts, "\n") .. "\n"
end

return parser
