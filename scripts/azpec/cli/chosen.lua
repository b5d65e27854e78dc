-- --connection: of a plan, a run or a journal, only the connections that its words name.

local convert = require "azpec.cli.convert"
local failure = require "azpec.cli.error"
local ids = require "azpec.resource_id"
local nearest = require "azpec.nearest"
local options = require "azpec.cli.options"
local rows = require "azpec.cli.rows"
local select = require "azpec.select"
local text = require "azpec.text"

local chosen = {}

-- Adds --connection. use: what it does. Returns it, for an option group.
function chosen.option(command, use)
  return options.named(command:option("--connection", use .. "; by id, name, or ACCOUNT/NAME with * and ?; also "
    .. "several times"):argname "WORD":count "*":init(false):convert(convert.given), "connection place")
end

-- Returns the selector of a word: an id, a name, or a name with its place.
local function selector_of(word)
  word = convert.name_or_id(word)
  return select.new(convert.place_and_name(word) or { [word:find "/" and "id" or "name"] = word }, convert.nouns)
end

-- Returns the word that names a connection as `word` does.
local function name_like(word, facts)
  if not word:find "/" then return facts.base_name end
  return facts.account_name and ("%s/%s"):format(facts.account_name, word:find "/%*$" and "*" or facts.base_name)
end

-- Ends the verb if a word names none of these ids. owner: who would know it, such as "the plan has".
local function check(context, word, selector, connection_ids, owner)
  local names = {}
  for _, id in ipairs(connection_ids) do
    if selector:matches { id = id } then return end
    names[#names + 1] = name_like(word, rows.of_id(id))
  end
  context:fail(context.codes.not_found, ("%s no connection '%s'%s"):format(owner, word, nearest.question(word, names)))
end

-- Ends the verb, as `azpec approve` does, if a word without wildcards names several of these ids.
local function check_single(word, selector, connection_ids)
  if word:find "[*?]" then return end
  local candidates = {}
  for n, id in ipairs(connection_ids) do candidates[n] = { id = id } end
  local _, err = selector:one(candidates)
  if err then error(failure.of_several(err, "with * or ? a word means all that match"), 0) end
end

-- Returns a function that returns whether --connection names the connection of an id; without the option, it names
-- all. Ends the verb if one of its words names none of these ids. owner: as for check; to_write: the verb may write
-- these connections, so a word without wildcards must name one only.
function chosen.test(context, connection_ids, owner, to_write)
  local selectors = {}
  for n, word in ipairs(context.args.connection or {}) do
    selectors[n] = selector_of(word)
    check(context, word, selectors[n], connection_ids, owner)
    if to_write then check_single(word, selectors[n], connection_ids) end
  end
  return function (id)
    for _, selector in ipairs(selectors) do
      if selector:matches { id = id } then return true end
    end
    return #selectors == 0
  end
end

-- Returns those of the items for whose id is_chosen returns true.
function chosen.among(items, is_chosen)
  local kept = {}
  for _, item in ipairs(items) do
    if is_chosen(item.id) then kept[#kept + 1] = item end
  end
  return kept
end

-- Returns those of the items that --connection names, and the function of chosen.test. The summary of the verb, and
-- `changes_left_out` in JSON, have the number of other changes. Lines name accounts so that all of the items differ.
function chosen.items(context, items, owner)
  local connection_ids, left_out = {}, 0
  for n, item in ipairs(items) do
    connection_ids[n] = item.id
    context.places:add(ids.parse(item.id) or {})
  end
  local is_chosen = chosen.test(context, connection_ids, owner, true)
  for _, item in ipairs(items) do
    if item.action ~= "hold" and not is_chosen(item.id) then left_out = left_out + 1 end
  end
  if context.args.connection then context:add_to_envelope { changes_left_out = left_out } end
  context.left_out = left_out > 0 and ("; %s left out by --connection"):format(text.count(left_out, "other change"))
  return chosen.among(items, is_chosen), is_chosen
end

return chosen
