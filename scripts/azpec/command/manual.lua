-- The man page, in roff, from what the verbs themselves say: azpec help --man.

local failure = require "azpec.command.failure"
local page = require "azpec.command.page"
local parser = require "azpec.command.parser"

local exits = {
  { 0, "Done, or nothing to do." }, { "other", "Another error." }, { "usage", "The command line is wrong." },
  { "not_found", "Not found, or nothing matches." }, { "credential", "No sign-in." },
  { "forbidden", "The identity lacks a right." }, { "conflict", "A conflict, or the ETag is another one now." },
  { "operation", "The service refused, or the operation failed." },
  { "timeout", "The deadline passed; how it ends is not known, and what to type to go on waiting is printed." },
  { "throttled", "The service is busy, and the tries are used up." },
  { "changes", "Something changed, or would; only with --detailed-exitcode." },
  { "ambiguous", "More than one matches, or more than allowed." }, { "some_failed", "Some of many failed." },
  { "interrupted", "Interrupted by Ctrl-C; what to type to go on waiting is printed." },
  { 129, "The same by SIGHUP." }, { 143, "The same by SIGTERM." },
}

local environment = {
  { "AZURE_SUBSCRIPTION_ID", "The subscription, where no option names one." },
  { "AZURE_TENANT_ID, AZURE_CLIENT_ID, AZURE_CLIENT_SECRET", "The application that signs in." },
  { "AZURE_ACCESS_TOKEN", "A ready token." },
  { "AZPEC_AUDIT_FILE", "Where writes are put down, as --audit." },
  { "NO_COLOR", "No colours." },
}

local function escaped(text)
  text = text:gsub("\\", "\\e"):gsub("%-", "\\-")
  return (text:gsub("\n[.']", function (start) return "\n\\&" .. start:sub(2) end):gsub("^[.']", "\\&%0"))
end

local function add_verb(out, name)
  local verb = require("azpec.verbs." .. name)
  local command = parser.of(name, verb)
  out[#out + 1] = (".SS azpec %s"):format(escaped(name))
  out[#out + 1] = escaped(verb.summary:sub(1, 1):upper() .. verb.summary:sub(2)) .. "."
  local description = page.description(verb)
  if description then out[#out + 1] = ".PP\n.nf\n" .. escaped(description) .. "\n.fi" end
  out[#out + 1] = ".PP\n.nf"
  for _, example in ipairs(verb.examples) do out[#out + 1] = escaped(example) end
  out[#out + 1] = ".fi"
  for _, group in ipairs(page.groups(command)) do
    out[#out + 1] = (".PP\n%s:"):format(escaped(group.title))
    for _, entry in ipairs(group) do
      out[#out + 1] = (".TP\n.B %s\n%s"):format(escaped(entry.label), escaped(entry.text))
    end
  end
end

-- The whole page; version: "azpec 1.2.3".
return function (version)
  local out = { ('.TH AZPEC 1 "" "%s" "User Commands"'):format(version), ".SH NAME",
    "azpec \\- private endpoint connections of Azure Batch accounts", ".SH SYNOPSIS",
    ".B azpec\n.I VERB\n[\\fIARGUMENT\\fR ...] [\\fIOPTION\\fR ...]", ".SH VERBS" }
  for _, name in parser.verbs() do add_verb(out, name) end
  out[#out + 1] = ".SH EXIT STATUS"
  for _, exit in ipairs(exits) do
    out[#out + 1] = (".TP\n.B %d\n%s"):format(failure.codes[exit[1]] or exit[1], escaped(exit[2]))
  end
  out[#out + 1] = ".SH ENVIRONMENT"
  for _, variable in ipairs(environment) do
    out[#out + 1] = (".TP\n.B %s\n%s"):format(variable[1], escaped(variable[2]))
  end
  return table.concat(out, "\n") .. "\n"
end
