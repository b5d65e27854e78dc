-- azpec journal verify: lists the faults of a journal by line, and prints its anchor.

local journal = require "azpec.journal"
local json = require "azpec.json"
local output = require "azpec.cli.output"
local terminal = require "azpec.cli.terminal"
local text = require "azpec.text"
local verified = require "azpec.cli.verified"

local columns = { { "LINE", "line" }, { "PROBLEM", "kind" }, { "WHICH IS", "message" } }

local function write_json(path, report)
  local facts = verified.facts(path, report)
  facts.schema_version = output.schema_version
  terminal.write(json.encode(facts) .. "\n")
end

local function words_of(path, report)
  return ("%s: %s, as they were written\nanchor %s"):format(path, text.count(report.lines, "line"),
    verified.anchor_of(report))
end

local function run_action(context, path)
  local report, why = journal.verify(path, context.args.anchor)
  if not report then context:fail(context.codes.other, why) end
  local format = context.args.output
  if format == "json" then
    write_json(path, report)
  elseif report.ok and format == "table" then
    terminal.write(words_of(path, report) .. "\n")
  elseif report.ok then
    context:say("%s", words_of(path, report)) -- the rows are problems, and there is no such row
  else
    local out = context:output { columns = columns, title = "problems" }
    for _, problem in ipairs(report.problems) do out:row(problem) end
    out:close()
  end
  terminal.flush()
  verified.tell_notable(context, report, path)
  verified.check_verified(context, path, report)
end

return { columns = columns, run = run_action }
