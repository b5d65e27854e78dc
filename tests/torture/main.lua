-- main.lua [STRIDE] -- all torn conversations (torn.lua), then all allocations that fail (alloc.c, the program that
-- ALLOC names). With STRIDE, every STRIDE-th byte and allocation only. Ends with "N passed, N failed".

local torn = require "torture.torn"

local stride = tonumber(arg[1]) or 1

-- Azure Arc's key files have one place on a machine: where a mount of one's own is allowed, alloc.c finds one there.
local allocations = [[
dir=$(mktemp -d) && trap 'rm -rf "$dir"' EXIT && mkdir -p "$dir/azcmagent/tokens" &&
printf 'a key of the torture' > "$dir/azcmagent/tokens/torture.key" || exit
if unshare -rm mount --bind "$dir" /var/opt 2>/dev/null; then
  unshare -rm sh -c 'mount --bind "$0" /var/opt && exec "$@"' "$dir" "$ALLOC" %d
else
  echo '# skipped: Azure Arc (no mount of one'"'"'s own is allowed here)'
  "$ALLOC" %d
fi 2>&1]]

local function torn_conversations()
  local ca_file, begun = os.tmpname(), os.time()
  local count, wrong = torn.run(stride, 100, ca_file)
  os.remove(ca_file)
  for _, line in ipairs(wrong) do print(line) end
  print(("# %d torn conversations in %d s: %d false words, hangs or unsettled writes"):format(count,
    os.time() - begun, #wrong))
  return count - #wrong, #wrong
end

local function failing_allocations()
  local begun, passed, failed = os.time(), nil, nil
  local pipe = assert(io.popen(allocations:format(stride, stride)))
  for line in pipe:lines() do
    passed, failed = line:match "^(%d+) passed, (%d+) failed$"
    if not passed then print(line) end
  end
  local fine = pipe:close()
  passed, failed = tonumber(passed) or 0, tonumber(failed) or 1
  print(("# %d runs with failing allocations in %d s: %d wrong"):format(passed + failed, os.time() - begun, failed))
  return passed, (fine or failed > 0) and failed or 1
end

io.stdout:setvbuf "line"
local passed, failed = torn_conversations()
local more_passed, more_failed = failing_allocations()
passed, failed = passed + more_passed, failed + more_failed
print(("%d passed, %d failed"):format(passed, failed))
os.exit(failed == 0)
