-- A verb as an argparse command, its help with the examples first, and usage errors in one line.

local argparse = require "argparse"
local options = require "azpec.command.options"
local page = require "azpec.command.page"
local verbs = require "azpec.command.verbs"

local parser = {}

-- How many letters two words differ in (a letter more, less or other, or two swapped), as far as it matters here.
local function is_near(a, b)
  if #a > #b then a, b = b, a end
  if #b - #a > 1 then return false end
  local at = 1
  while at <= #a and a:byte(at) == b:byte(at) do at = at + 1 end
  local rest_a, rest_b = a:sub(at), b:sub(at)
  return rest_a == rest_b:sub(2) or rest_a:sub(2) == rest_b:sub(2)
    or #a == #b and rest_a:sub(3) == rest_b:sub(3) and rest_a:sub(1, 2):reverse() == rest_b:sub(1, 2)
end

-- All verbs by name, in the order of help: an iterator over group title, name.
function parser.verbs()
  return coroutine.wrap(function ()
    for _, group in ipairs(verbs) do
      for n = 2, #group do coroutine.yield(group[1], group[n]) end
    end
  end)
end

-- What az and other tools call the same.
local verbs_elsewhere = { ls = "list", get = "show", rm = "delete", remove = "delete", deny = "reject",
  accept = "approve", update = "approve", diagnose = "doctor", undo = "audit" }

local options_elsewhere = { ["--ids"] = "--id", ["--resource-name"] = "--account", ["--batch-account"] = "--account",
  ["--connection-name"] = "--name", ["--private-endpoint-connection-name"] = "--name", ["--group"] = "--resource-group",
  ["--debug"] = "-vv", ["--only-show-errors"] = "--quiet", ["--query"] = "-o json, and jq",
  ["--tenant"] = "--tenant-id",
  ["--subscription-id"] = "--subscription", ["--format"] = "--output", ["--wait-timeout"] = "--timeout",
  ["--ca-bundle"] = "--ca-file", ["--force"] = "--yes", ["-y"] = "--yes", ["-s"] = "--subscription" }

-- The complaint with what an option of another tool's is called here.
local function translated(complaint)
  local option = complaint:match "^unknown option '(%-[%w-]+)'"
  local here = option and options_elsewhere[option]
  return here and ("unknown option '%s'; here it is %s"):format(option, here) or nil
end

-- Whether there is a verb of that name; else the name that was probably meant, if any.
function parser.find_verb(name)
  local nearest = verbs_elsewhere[name]
  for _, known in parser.verbs() do
    if known == name then return true end
    if is_near(known, name) then nearest = known end
  end
  return false, nearest
end

-- What an option's value is refused for is told with the option's name.
local function name_in_complaints(option)
  local convert = option._convert
  if type(convert) ~= "function" then return end
  option:convert(function (word)
    local value, why = convert(word)
    if value ~= nil then return value end
    return nil, ("%s: %s"):format(option._public_aliases[#option._public_aliases], why)
  end)
end

-- Defines a verb on a command of argparse's.
local function define(command, verb)
  verb.define(command)
  options.add(command, verb.common)
  for _, option in ipairs(command._options) do name_in_complaints(option) end
  return command
end

-- The parser for one verb.
function parser.of(name, verb)
  return define(argparse("azpec " .. name):add_help(false), verb)
end

-- A parser that knows all verbs, for completion and the man page.
function parser.of_all()
  local whole = argparse("azpec", "Private endpoint connections of Azure Batch accounts."):add_help(false)
  for _, name in parser.verbs() do
    local verb = require("azpec.verbs." .. name)
    define(whole:command(name, verb.summary):add_help(false), verb)
  end
  whole:flag("-h --help", "show help"):target "help"
  whole:flag("--version", "show the version")
  return whole
end

-- A number below zero looks like an option to argparse.
local function below_zero(arguments, complaint)
  local sign_and_digit = complaint:match "^unknown option '(%-%d)'"
  if not sign_and_digit then return nil end
  for n, word in ipairs(arguments) do
    if n > 1 and word:sub(1, 2) == sign_and_digit then
      return ("%s: '%s' is below zero"):format(arguments[n - 1], word)
    end
  end
end

-- The arguments as a table, or nil and what is wrong in one line.
function parser.parse(command, arguments)
  local ok, result = command:pparse(arguments)
  if ok then return result end
  return nil, below_zero(arguments, result) or translated(result)
    or (result:gsub("\n", "; "):gsub("; Did you mean", "; did you mean"))
end

local function capital(text)
  return text:sub(1, 1):upper() .. text:sub(2)
end

-- The page of a verb, the examples first.
parser.help = page.help

-- The page of the whole command.
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
    parts[#parts + 1] = ("  %-12s %s"):format(name, capital(require("azpec.verbs." .. name).summary))
  end
  parts[#parts + 1] = "\nazpec help VERB, or azpec VERB -h, shows a verb's options; azpec --version the version."
  return table.concat(parts, "\n") .. "\n"
end

return parser
