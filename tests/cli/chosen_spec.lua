-- --connection of azpec apply and azpec journal undo: a part of a plan, or of a run.

local assert = require "luassert"
local cjson = require "cjson"
local journal = require "azpec.journal"
local kit = require "cli.kit"
local support = require "loopback.support"

local emulator, azpec = kit.stage { operation_polls = 0 }

local function updates()
  return #emulator:log "update"
end

local function status(n)
  return emulator:connection(emulator.many[n]).status
end

describe("apply --connection", function ()
  local path, option

  -- A plan for three connections of an account and one of another; it holds many04.
  before_each(function ()
    path, option = support.new_path "plan", "--journal " .. support.new_path "journal"
    local rules = support.write(support.new_path "rules" .. ".lua", [[
      approve "x" { when = { name = { "many01", "many02", "many03", "test*" } } }
      hold "y" { when = { name = "many04" } }
      ignore "z" { when = { name = "*" } }]])
    local key = support.write(support.new_path "key", "secret\n")
    kit.ended(0, azpec("plan", ("--rules %s --out %s --sign-key-file %s"):format(rules, path, key)))
    path = ("%s --sign-key-file %s"):format(path, key)
  end)

  local function apply(line, code)
    return kit.ended(code or 0, azpec("apply", ("%s %s"):format(path, line)))
  end

  it("carries out what matches, and the plan without it does the rest; nothing is written twice", function ()
    assert.equal("3 connections: 3 changed; 1 other change left out by --connection\n",
      apply("--connection 'many?cct/*' " .. option).err)
    assert.equal(3, updates())
    assert.equal("Pending", emulator:connection(emulator.sample).status)
    assert.equal("4 connections: 1 changed, 3 unchanged\n", apply(option).err)
    assert.equal(4, updates())
    assert.equal("Approved", emulator:connection(emulator.sample).status)
  end)

  it("takes an id, and several words", function ()
    local said = apply("--connection many02 --connection " .. emulator.many[3]:upper()).err
    assert.equal("2 connections: 2 changed; 2 other changes left out by --connection\n", said)
    assert.same({ "Pending", "Approved", "Approved" }, { status(1), status(2), status(3) })
  end)

  it("chooses also with --dry-run and --show, and JSON counts the changes that are left out", function ()
    local words = "--connection many01 --connection many04"
    local result = apply(words .. " --dry-run")
    assert.matches("many01%S*: would become Approved [^\n]+\nmany04%S*: held: [^\n]+\n$", result.out)
    assert.equal("1 connection: 1 would change; 3 other changes left out by --connection\n", result.err)
    result = apply(words .. " --show")
    assert.matches("^manyacct/many01%S*: would approve: [^\n]+\n  private endpoint: %S+many01\n"
      .. "manyacct/many04%S*: held: [^\n]+\n  private endpoint: %S+many04\n$", result.out)
    assert.matches("^1 to approve, 0 to reject, 1 held; 3 other changes left out by %-%-connection; made at ",
      result.err)
    local document = cjson.decode(apply(words .. " --show -o json").out)
    assert.same({ 2, { approve = 1, reject = 0, hold = 1 }, 3 }, { #document.decisions, document.totals,
      document.changes_left_out })
    apply("--connection many04 --show --detailed-exitcode")
    assert.equal("0 connections: 0 changed; 4 other changes left out by --connection\n",
      apply("--connection many04").err)
    assert.equal(0, updates())
  end)

  it("ends with 3 if a word matches nothing in the plan, and does nothing", function ()
    for word, near in support.each { mnay01 = "many01", ["manyact/*"] = "manyacct/*",
      ["manyacct/mnay01"] = "manyacct/many01" } do
      assert.equal(("azpec: the plan has no connection '%s'; did you mean '%s'?\n"):format(word, near),
        apply(("--connection many01 --connection '%s'"):format(word), 3).err)
    end
    assert.equal(0, updates())
    assert.matches("--connection: it is empty", apply("--connection ' '", 2).err, 1, true)
  end)

  it("refuses a plan that was edited in another connection", function ()
    local file = path:match "^%S+"
    support.write(file, (support.read(file):gsub("many02", "many05", 1)))
    assert.matches("the plan was changed after it was made", apply("--connection many01", 6).err, 1, true)
  end)

  it("leaves what an interrupted apply has begun of other connections to the command without it", function ()
    apply(option)
    local file = option:match "%S+$"
    support.write(file, support.read(file):match "^[^\n]*\n") -- the intent of its first write
    local begun = journal.read(file)[1].connection
    assert.equal("1 connection: 0 changed, 1 unchanged; 3 other changes left out by --connection\n",
      apply(("--connection %s %s"):format(begun == emulator.many[1] and "many02" or "many01", option)).err)
    assert.equal(1, #journal.read(file))
    assert.equal("4 connections: 1 changed, 3 unchanged\n", apply(option).err)
    assert.equal("changed", journal.read(file)[2].outcome)
    assert.equal(4, updates())
  end)

  it("is named by the error for options that choose accounts and connections elsewhere", function ()
    for words, option_here in support.each {
      ["--account batch10"] = "'batch10/*'", ["--account=batch10"] = "'batch10/*'", ["-g rg"] = "'rg/*/*'",
      ["--subscription x"] = "'x/*/*/*'", ["--name 'web-*'"] = "'web-*'", ["-name x"] = "x",
      ["--account"] = "'NAME/*'" } do
      for _, verb in ipairs { "apply plan.json", "journal undo" } do
        assert.equal(("azpec: unknown option '%s'; here it is --connection %s (see: azpec help %s)\n"):format(
          words:match "^[%a-]+", option_here, verb:match "%a+"), kit.ended(2, kit.run(verb .. " " .. words)).err)
      end
    end
  end)
end)

describe("journal undo --connection", function ()
  local path, first

  local function last_run()
    local list = journal.read(path)
    return list[#list].run
  end

  before_each(function ()
    path = support.new_path "journal"
    kit.ended(0, azpec("approve", ("many01 many02 many03 --yes --account manyacct --journal %s"):format(path)))
    first = last_run()
  end)

  local function undo(line, code)
    return kit.ended(code or 0, azpec("journal", ("undo %s --yes %s"):format(path, line)))
  end

  it("reverts only what it names of the run; the rest can be reverted later, also by --run last", function ()
    local said = undo("--run last --connection many01 --apply").err
    assert.matches("1 connection: 1 changed; 2 other changes left out by --connection\n", said, 1, true)
    assert.same({ "Pending", "Approved", "Approved" }, { status(1), status(2), status(3) })
    assert.matches("1 connection: 1 would change; 2 other changes left out by --connection\nnothing was done",
      undo("--run last --connection many02").err, 1, true)
    said = undo("--run last --apply").err
    assert.matches("3 connections: 2 changed, 1 unchanged\n", said, 1, true)
    assert.same({ "Pending", "Pending", "Pending" }, { status(1), status(2), status(3) })
    assert.equal(6, updates())
  end)

  it("counts the other changes in JSON", function ()
    local document = cjson.decode(undo("--run last --connection 'manyacct/many0?' --connection many02 -o json").out)
    assert.same({ 3, 0 }, { #document.results, document.changes_left_out })
  end)

  it("ends with 3 if the run changed no such connection", function ()
    assert.equal(("azpec: run %s changed no connection 'mnay01'; did you mean 'many01'?\n"):format(first),
      undo("--run last --connection mnay01 --apply", 3).err)
    assert.equal(3, updates())
  end)

  it("undoes a part, and undo says so; a redo of that part is the undo of its run", function ()
    undo("--run last --connection many01 --apply")
    local part = last_run()
    local known = ("azpec: run %s was undone in part by run %s; to revert that, give --run %s\n"):format(first, part,
      part)
    local said = undo("--run last --apply").err
    assert.matches(known, said, 1, true)
    local rest = last_run()
    assert.matches(("azpec: run %s was undone in part by run %s and run %s; to revert one of these parts, give its run "
      .. "to --run\n"):format(first, part, rest), undo("--run " .. first).err, 1, true)
    undo(("--run %s --apply"):format(part))
    assert.same({ "Approved", "Pending", "Pending" }, { status(1), status(2), status(3) })
    local redo = last_run()
    assert.matches(("run %s was undone by run %s; to revert that, give --run %s\n"):format(part, redo, redo),
      undo("--run " .. part).err, 1, true)
  end)

  it("names the undo of a part of an undo behind the undo", function ()
    undo("--run last --apply")
    local whole = last_run()
    undo(("--run %s --connection many02 --apply"):format(whole))
    assert.same({ "Pending", "Approved", "Pending" }, { status(1), status(2), status(3) })
    assert.matches(("run %s was undone by run %s, which was undone in part by run %s; to revert the last of these, "
      .. "give --run %s\n"):format(first, whole, last_run(), last_run()), undo("--run " .. first, 12).err, 1, true)
  end)

  it("leaves what an interrupted undo has begun of other connections, so --run last still means its run", function ()
    undo("--run last --apply")
    local lines = {}
    for line in support.read(path):gmatch "[^\n]*\n" do lines[#lines + 1] = line end
    support.write(path, table.concat(lines, "", 1, 7)) -- the intent of its first write
    local begun = journal.read(path)[7].connection
    local other = begun == emulator.many[1] and "many02" or "many01"
    assert.matches("1 connection: 0 changed, 1 unchanged; 2 other changes left out by --connection\n",
      undo(("--run last --connection %s --apply"):format(other)).err, 1, true)
    assert.equal(7, #journal.read(path))
    local said = undo("--run last --apply").err
    assert.matches(("azpec: the undo of run %s is unfinished, so --run last means that run\n"):format(first), said, 1,
      true)
    assert.matches("3 connections: 1 changed, 2 unchanged\n", said, 1, true)
    assert.equal("changed", journal.read(path)[8].outcome)
  end)
end)
