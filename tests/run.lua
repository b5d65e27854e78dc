-- run.lua [--under=asan|valgrind|tsan] [unit|lua|scripts|loopback|command|hosts|soak|packaging|FILE ...]
--
-- Runs every test program, adds up what they say (TAP), shows what failed, and
-- ends with the line "N passed, N failed[, N skipped]".  A program that
-- crashes, hangs, stops half-way or says nothing counts as one failure.

local build = os.getenv "BUILD" or "build"
local under = "nothing"
local wanted = {}
for _, a in ipairs(arg) do
  under = a:match "^%-%-under=(%a+)$" or under
  if not a:find "^%-%-" then wanted[#wanted + 1] = a end
end
if under == "asan" or under == "tsan" then build = "build/" .. under end

local function lines(command)
  local out = {}
  local pipe <close> = io.popen(command)
  for line in pipe:lines() do out[#out + 1] = line end
  return out
end

local here = lines "pwd"[1]

-- What the developer's own shell says about clouds and proxies is no part of
-- a test.
local clean = "env"
for _, line in ipairs(lines "env") do
  local name = line:match "^([%w_]+)="
  if name and (name:find "^AZURE_" or name:find "^IDENTITY_" or name:find "^MSI_"
               or name:find "^SSL_CERT_" or name == "CURL_CA_BUNDLE"
               or name:lower():find "^%a+_proxy$") then
    clean = clean .. " -u " .. name
  end
end
clean = clean .. (" CMOCKA_MESSAGE_OUTPUT=TAP BUILD='%s' TEST_UNDER=%s LUA_CPATH='%s/%s/?.so;;'"
                  .. " LUA_PATH='%s/scripts/?.lua;%s/tests/?.lua;;' "):format(
                  build, under, here, build, here, here)

-- How a program is run under each tool, and how long it may take (seconds).
local tools = {
  nothing = { unit = "", lua = "", seconds = 120 },
  asan = { unit = "", seconds = 300,
           lua = "LD_PRELOAD=\"$(${CC:-cc} -print-file-name=libasan.so) $PWD/build/preload.so\" " },
  valgrind = { seconds = 900 },
  tsan = { unit = "", seconds = 300 }, -- programs that are built for it alone
}
if under == "asan" then
  clean = clean .. "ASAN_OPTIONS=abort_on_error=0:detect_stack_use_after_return=1 "
    .. "UBSAN_OPTIONS=print_stacktrace=1 "
    .. ("LSAN_OPTIONS=print_suppressions=0:suppressions='%s/tests/tools/lsan.supp' "):format(here)
  assert(os.execute "${CC:-cc} -shared -fPIC -o build/preload.so tests/tools/preload.c")
elseif under == "valgrind" then
  tools.valgrind.unit = "valgrind -q --error-exitcode=99 --leak-check=full --num-callers=20"
    .. " --show-leak-kinds=definite --errors-for-leak-kinds=definite --keep-debuginfo=yes"
    .. " --child-silent-after-fork=yes --trace-children=no --suppressions=tests/tools/valgrind.supp "
  tools.valgrind.lua = tools.valgrind.unit
end
local tool = assert(tools[under], "--under=asan, --under=valgrind or --under=tsan")

-- The kinds of test programs: where they lie, how one is run. valgrind does not follow into the processes that some
-- start, so it has nothing to say of these.
local lua = os.getenv "LUA" or "lua5.4"
local busted = tool.lua and tool.lua .. lua .. " /usr/bin/busted -o TAP %s"
local function program(file) return tool.unit .. file:gsub("^tests/(.*)%.c$", build .. "/%1") end
local groups = {
  { name = "unit", glob = "tests/unit/*.c", command = program },
  { name = "lua", glob = "tests/lua/*_spec.lua", command = busted, clocked = true },
  { name = "scripts", glob = "tests/scripts/*_spec.lua", command = busted, in_processes = true },
  { name = "loopback", glob = "tests/loopback/*_spec.lua", command = busted, clocked = true },
  { name = "command", glob = "tests/command/*_spec.lua", command = busted, clocked = true, in_processes = true },
  { name = "hosts", glob = "tests/hosts/*.c", command = program, clocked = under ~= "tsan" },
  { name = "hosts", glob = "tests/hosts/*_spec.lua", command = busted, clocked = true },
  { name = "soak", glob = "tests/soak/*.c", command = program },
  { name = "packaging", glob = "tests/packaging.sh", command = "bash %s", on_request = true },
}

local total = { passed = 0, failed = 0, skipped = 0 }

-- Reads TAP, shows what was measured; returns the counts and the lines that
-- belong to failures.
local function judge(output)
  local n = { passed = 0, failed = 0, skipped = 0 }
  local planned, last, shown, keep = nil, 0, {}, false
  for _, line in ipairs(output) do
    local no, number, rest = line:match "^(n?o?t? ?)ok (%d+)(.*)"
    if number and (tonumber(number) == last + 1 or number == "1") then
      last, keep = tonumber(number), false
      if rest:find "^[ -]*# SKIP" then
        n.skipped = n.skipped + 1
        print("  skipped: " .. rest:gsub("^[ -]*# SKIP *", ""))
      elseif no == "" then
        n.passed = n.passed + 1
      else
        n.failed, keep = n.failed + 1, true
      end
    end
    local plan = line:match "^1%.%.(%d+)$"
    if plan then planned = (planned or 0) + tonumber(plan) end
    if line:find "^# measured: " then print("  " .. line:sub(3)) end
    if keep and not plan then shown[#shown + 1] = "  " .. line end
  end
  return n, planned, shown
end

local function attempt(file, command)
  -- Through a file: a pipe would stay open as long as anything the program
  -- left behind.
  local log = os.tmpname()
  local status = tonumber(lines(("timeout -k 10 %d %s%s >%s 2>&1 </dev/null; echo $?"):format(
    tool.seconds, clean, command:format(file), log))[1])
  local output = lines("cat " .. log)
  os.remove(log)
  local n, planned, shown = judge(output)
  local ran = n.passed + n.failed + n.skipped
  local broken
  if status == 124 or status == 137 then
    broken = ("did not end within %d seconds"):format(tool.seconds)
  elseif not planned or planned ~= ran then
    broken = ("%s tests announced, %d ran, exit status %d"):format(planned or "no", ran, status)
  elseif status ~= 0 and n.failed == 0 then
    broken = "exit status " .. status
  elseif ran == 0 then
    broken = "no test in it"
  end
  if broken then
    n.failed = n.failed + 1
    shown = { "  not ok: " .. broken }
    for k = math.max(1, #output - 150), #output do shown[#shown + 1] = "  " .. output[k] end
  end
  return n, ran, shown
end

-- Clocks of a shared machine may stop for a while: a file of `clocked` tests
-- that fails is shown, and tried once more; what that says counts.
local function run(file, command, clocked)
  local n, ran, shown = attempt(file, command)
  if n.failed > 0 and clocked then
    print(("again  %s (%d)\n%s"):format(file, ran, table.concat(shown, "\n")))
    n, ran, shown = attempt(file, command)
  end
  print(("%-6s %s (%d)"):format(n.failed == 0 and "ok" or "not ok", file, ran))
  if #shown > 0 then print(table.concat(shown, "\n")) end
  io.stdout:flush()
  for k in pairs(total) do total[k] = total[k] + n[k] end
end

for _, group in ipairs(groups) do
  for _, file in ipairs(lines("ls " .. group.glob .. " 2>/dev/null")) do
    local asked = #wanted == 0 and not group.on_request and not (group.in_processes and under == "valgrind")
    for _, w in ipairs(wanted) do asked = asked or w == group.name or w == file end
    if asked and group.command then
      local command = group.command
      run(file, type(command) == "string" and command or command(file), group.clocked)
    end
  end
end

if total.passed + total.failed == 0 then
  print "not ok: no test was run"
  total.failed = 1
end
print(("%d passed, %d failed%s"):format(total.passed, total.failed,
  total.skipped > 0 and (", %d skipped"):format(total.skipped) or ""))
os.exit(total.failed == 0)
