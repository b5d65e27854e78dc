-- Reads the words of standard input: ids, names, and rows that an earlier azpec has written.

local convert = require "azpec.cli.convert"
local failure = require "azpec.cli.error"
local file = require "azpec.file"
local ids = require "azpec.resource_id"
local json = require "azpec.json"
local output = require "azpec.cli.output"
local text = require "azpec.text"

local piped = {}

-- ---- what the command before this one did --------------------------------------------------------------------------

-- By the action of a verb that writes: how to pass on those rows that it may take. Each keeps the last line of rows
-- that are not complete.
local filters = {
  approve = [[jq -c 'select(.action == "approve" or .complete == false)' chooses the rows to approve]],
  reject = [[jq -c 'select(.action == "reject" or .complete == false)' chooses the rows to reject]],
  delete = "jq -c 'del(.action)' passes the rows on without their decisions",
}

-- Results of decisions that are not carried out.
local undone = { ["would approve"] = true, ["would reject"] = true, ["would change"] = true, held = true,
  ignored = true }

-- Returns whether a row is a decision. The result "unchanged" is that of a decision or of a change; only decisions, of
-- auto and plan, have the private endpoint. A row of drift has no result, and decides nothing.
local function is_decision(row)
  return row.action and row.result and (undone[row.result] or row.private_endpoint) and true or false
end

local most_named = 3

-- Ends the verb if rows have another decision than what the verb does. others: those rows.
local function refuse_others(context, others)
  if #others == 0 then return end
  local named = {}
  for n = 1, math.min(#others, most_named) do
    named[n] = ("%s (%s)"):format(ids.last_segment(others[n].id) or others[n].id, tostring(others[n].action))
  end
  local more = #others - #named
  error(failure.new("usage", ("%s on standard input %s another decision than %s: %s%s; nothing was done"):format(
    text.count(#others, "row"), #others == 1 and "has" or "have", context.verb, table.concat(named, ", "),
    more > 0 and (" and %d more"):format(more) or ""), { hint = "`azpec auto --apply` and `azpec apply` carry out "
      .. "decisions; " .. filters[context.verb] }), 0)
end

-- Ends the verb if the command before this one has failed as a whole, as a run that at_most refuses.
local function refuse_failed(context, errors)
  for _, err in ipairs(errors) do
    if not (err.id or err.place) then
      local is_excess = err.kind == "too_many"
      error(failure.new(is_excess and "too_many" or "some_failed",
        "the command before this one failed, so this one does nothing: " .. tostring(err.message),
        { exit_code = is_excess and context.codes.ambiguous or context.codes.some_failed,
          hint = type(err.hint) == "string" and err.hint or nil }), 0)
    end
  end
end

-- Takes over the errors of the command before this one, which has not listed or done all. line: the last one.
local function inherit(context, line)
  local last, errors = json.decode(line), {}
  for _, err in ipairs(type(last) == "table" and type(last.errors) == "table" and last.errors or {}) do
    if type(err) == "table" then errors[#errors + 1] = err end
  end
  if filters[context.verb] then refuse_failed(context, errors) end
  context:inherit_unread(errors, "the rows on standard input are not complete: ")
end

-- ---- lines ---------------------------------------------------------------------------------------------------------

-- Returns whether a line is of -o json, or of a table or -o tsv: no name has a blank. Or it is no text, as in UTF-16 or
-- with NUL between names.
local function is_foreign(line)
  return line:find '^%s*{"schema_version"' or line:find '^%s*[^%s/{%["]+%s+%S'
    or not line:find "^%s*[{%[]" and text.has_control(text.trim(line))
end

-- Returns the row of a line, or nil if the line is an id or a name.
local function row_of(context, line)
  if not (line:find "^%s*{" or line:find "^%s*%[%s*%S") then return nil end
  local row = json.decode(line)
  if type(row) ~= "table" or row[1] then
    context:usage("standard input has JSON that is not one row per line; give it rows as -o jsonl or jq -c '.[]' "
      .. "prints them")
  elseif type(row.id) ~= "string" then
    context:usage "standard input has a row without id; leave --columns out there, or add id to it"
  end
  return row
end

-- Calls add with each id and name of standard input, one per line. A JSON row, as of -o jsonl, gives its id. In a JSON
-- list of strings, as az prints it, brackets and commas are skipped.
function piped.read(context, add)
  local count, others = 0, {}
  local ok, why = file.lines(io.stdin, function (line)
    count = count + 1
    line = file.without_mark(line:gsub("\n$", ""))
    if output.is_mark(line) then return inherit(context, line) end
    if is_foreign(line) then
      context:usage(("line %d of standard input is neither an id nor a name; give it rows of -o jsonl, or a column of "
        .. "-o tsv, in UTF-8"):format(count))
    end
    local row = row_of(context, line)
    if row and filters[context.verb] and is_decision(row) and row.action ~= context.verb then
      others[#others + 1] = row
    end
    local word = convert.name_or_id(row and row.id or line:gsub(",%s*$", ""))
    if word ~= "" and word ~= "[" and word ~= "]" then add(word) end
  end, "ids")
  if not ok then context:usage(("standard input: %s; give it one id or name per line"):format(why)) end
  refuse_others(context, others)
end

return piped
