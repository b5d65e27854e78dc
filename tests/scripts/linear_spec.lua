-- Whatever reads foreign text takes a time that grows as the text does, on texts that were made to be hard.
--
-- Each reader gets n bytes and 8 n. A linear one takes 8 times as long; one that looks back or ahead for each byte
-- takes 64 times as long. The measure is this process's processor time, the least of several tries. A busy machine adds
-- to it and never takes from it, so more tries are made while a reader seems slow.

local assert = require "luassert"

local chain = require "azpec.journal.chain"
local convert = require "azpec.cli.convert"
local failure = require "azpec.cli.error"
local ids = require "azpec.resource_id"
local json = require "azpec.json"
local output = require "azpec.cli.output"
local select = require "azpec.select"
local text = require "azpec.text"

local small, factor, limit, fewest, most = 20000, 8, 28, 3, 30

-- As many repetitions as make n bytes, between two texts.
local function made(head, again, tail)
  return function (n) return head .. again:rep(n // #again) .. tail end
end

local function table_line(value)
  output.table_lines({ { "A", "a" }, { "B", "b" } }, { { a = value, b = "" } })
end

local function sources(value)
  failure.source_lines { { credential = "azure_cli", outcome = "failed", message = value } }
end

local readers = {
  { "text.is_formula passes over blanks", text.is_formula, made("", "\u{200b}\u{a0}", "x") },
  { "text.is_formula passes over hidden characters", text.is_formula, made("", "\u{ad}\u{3164} ", "日") },
  { "text.no_formula reads cells within a cell", text.no_formula, made("", ";\u{200b}\u{a0}", "") },
  { "text.clean reads hidden characters", text.clean, made("", "\u{200b}\u{ad}\xff", "") },
  { "text.clean looks for commands", text.clean, made("::", "\u{a0}%0A:#", "x") },
  { "text.trim reads blanks within a text", text.trim, made("a", " ", "b") },
  { "text.trim reads blanks alone", text.trim, made("", " ", "") },
  { "convert.name_or_id reads blanks", convert.name_or_id, made("a", " ", "b") },
  { "json.encode escapes hidden characters", json.encode, made("", "\u{200b}\u{ad}\xff##", "") },
  { "a table's line ends with blanks", table_line, made("a", " ", "b") },
  { "a credential's message has blanks", sources, made("a", " ", "b") },
  { "ids.plain reads slashes", ids.plain, made("", "/", "") },
  { "ids.plain reads slashes in a URL", ids.plain, made("https://a/subscriptions/b", "/", "?a") },
  { "ids.plain reads slashes before a question mark", ids.plain, made("", "/", "?a") },
  { "ids.plain reads question marks", ids.plain, made("/", "?a", "") },
  { "ids.plain reads quotes", ids.plain, made("'", "'", "/") },
  { "ids.parse reads slashes", ids.parse, made("/subscriptions", "/", "") },
  { "ids.last_segment reads a long name", ids.last_segment, made("/", "a", "/") },
  { "select.facts reads a long id", function (id) return select.facts { id = id } end, made("/", "a", "/") },
  { "chain.open reads a torn line of braces", chain.open, made('{"a', "{", "") },
  { "chain.open reads a torn line of hashes", chain.open, made('{"a', ',"hash":"00"}', "") },
  { "chain.open reads a repair of braces", chain.open, function (n)
    local torn = '{"a' .. ("{"):rep(n)
    return torn .. chain.seal(chain.repair(torn), 2, chain.origin) .. "x"
  end },
}

-- The seconds of one reading: of a try that reads until the clock, which may be coarse, has moved enough.
local function time_of(read, value)
  local begun, count = os.clock(), 0
  repeat
    read(value)
    count = count + 1
  until os.clock() - begun > 0.03
  return (os.clock() - begun) / count
end

describe("time grows as the text does, where", function ()
  for _, reader in ipairs(readers) do
    local name, read, make = table.unpack(reader)
    it(name, function ()
      local few, many, short, long, tries = make(small), make(small * factor), math.huge, math.huge, 0
      repeat
        short, long, tries = math.min(short, time_of(read, few)), math.min(long, time_of(read, many)), tries + 1
      until tries == most or tries >= fewest and long < limit * short
      assert(long < limit * short, ("%g s, then %g s"):format(short, long))
    end)
  end
end)
