-- azpec audit verify: what is wrong with a trail, line by line, and the anchor by which to know it again.

local audit = require "azpec.audit"
local json = require "azpec.json"
local output = require "azpec.command.output"
local terminal = require "azpec.command.terminal"
local text = require "azpec.text"

local columns = { { "LINE", "line" }, { "PROBLEM", "kind" }, { "WHICH IS", "message" } }

local function anchor_of(report)
  return report.last and report.last.seq > 0 and ("%d:%s"):format(report.last.seq, report.last.hash) or nil
end

local function write_json(path, report)
  terminal.write(json.encode { schema_version = output.schema_version, file = path, ok = report.ok,
    lines = report.lines, anchor = anchor_of(report), problems = json.list(report.problems),
    repaired = json.list(report.repaired), open = json.list(report.open) } .. "\n")
end

local function list_of(lines)
  return (#lines == 1 and "line " or "lines ") .. table.concat(lines, ", ")
end

-- What is no fault of the trail, but worth knowing.
local function tell(context, report)
  if #report.repaired > 0 then
    context:note("a write was cut off (a crash, a full disk) and noted by the next in %s", list_of(report.repaired))
  end
  if #report.open > 0 then
    context:note("how the writes of %s ended is not known: their results are not in the trail", list_of(report.open))
  end
end

local function write_words(path, report)
  terminal.write(("%s: %s, as they were written\n"):format(path, text.count(report.lines, "line")))
  local anchor = anchor_of(report)
  if anchor then terminal.write(("anchor %s\n"):format(anchor)) end
end

return function (context, path)
  local report, why = audit.verify(path, context.args.anchor)
  if not report then context:fail(context.codes.other, why) end
  local format = context.args.output
  if format == "json" then
    write_json(path, report)
  elseif report.ok and format == "table" then
    write_words(path, report)
  else
    local out = context:output { columns = columns, title = "problems" }
    for _, problem in ipairs(report.problems) do out:row(problem) end
    out:close()
  end
  terminal.flush()
  tell(context, report)
  if report.ok then return 0 end
  context:note("%s: %s in %s", path, text.count(#report.problems, "problem"), text.count(report.lines, "line"))
  return context.codes.other
end
