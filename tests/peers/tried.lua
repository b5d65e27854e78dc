-- tried.lua write|check: the table of clients in the emulator's README, from what the last run of tests/peers printed.
-- A spec prints "# client: NAME: VERSION" for each client that it runs against the emulator; the client's tests are
-- those whose titles begin with the name. `check` fails for a row that differs; another version is another machine's,
-- and only told.

local readme = "scripts/azpec/emulator/README.md"
local outputs = (os.getenv "BUILD" or "build") .. "/test-output/tests/peers/"

local function read(path)
  local file <close> = assert(io.open(path))
  return file:read "a"
end

local function count(text, name)
  local passed, others = 0, 0
  for line in text:gmatch "[^\n]+" do
    local result, title = line:match "^([not ]*ok) %d+ %- (.*)$"
    local own, skipped = (title or ""):gsub("^# SKIP ", "")
    if own:find(name, 1, true) == 1 then
      if result == "ok" and skipped == 0 then passed = passed + 1 else others = others + 1 end
    end
  end
  return passed, others
end

-- The rows by client: { version, result, spec }; and the names of specs that skipped theirs.
local function ran()
  local rows, names = {}, {}
  local pipe <close> = assert(io.popen("ls " .. outputs))
  for spec in pipe:lines() do
    local text = "\n" .. read(outputs .. spec)
    for name, version in text:gmatch "\n# client: ([^\n]+): ([^\n:]+)" do
      local passed, others = count(text, name)
      names[#names + 1] = name
      rows[name] = { version = version, spec = spec,
        result = passed .. " passed" .. (others > 0 and (", %d did not"):format(others) or "") }
    end
  end
  table.sort(names, function (a, b) return a:lower() < b:lower() end)
  return rows, names
end

local function table_of(rows, names)
  local lines = { "| client | version | tests | |", "|---|---|---|---|" }
  for _, name in ipairs(names) do
    local row = rows[name]
    lines[#lines + 1] = ("| %s | %s | %s | [%s](../../../tests/peers/%s) |"):format(name, row.version, row.result,
      row.spec, row.spec)
  end
  return table.concat(lines, "\n")
end

local marked = "^(.*<!%-%- tried %-%->\n)(.-)(<!%-%- /tried %-%->.*)$"

local function written()
  local rows = {}
  local _, lines = read(readme):match(marked)
  for name, version, result in lines:gmatch "| ([^|\n]+) | ([^|\n]+) | ([^|\n]+) | %[" do
    rows[name] = { version = version, result = result }
  end
  return rows
end

local function differs(text, ...)
  print(("%s: " .. text):format(readme, ...))
  return 1
end

local function check(rows, names)
  local there, faults = written(), 0
  for _, name in ipairs(names) do
    local row, stands = rows[name], there[name]
    if not stands then
      faults = faults + differs("'%s' was tried and is missing; run make tried", name)
    elseif stands.result ~= row.result then
      faults = faults + differs("'%s': %s, but the run: %s; run make tried", name, stands.result, row.result)
    elseif stands.version ~= row.version then
      print(("# measured: %s here is %s, in the README %s"):format(name, row.version, stands.version))
    end
  end
  return faults == 0
end

local rows, names = ran()
if arg[1] == "check" then os.exit(check(rows, names)) end
local before, _, after = read(readme):match(marked)
local file <close> = assert(io.open(readme, "w"))
file:write(before, table_of(rows, names), "\n", after)
