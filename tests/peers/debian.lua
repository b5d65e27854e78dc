-- Programs of others from Debian's packages, for tests that run them, without installing anything on the machine.
-- debian.unpacked(PACKAGE, without, name) unpacks it, and each package that it needs and the machine lacks, into a
-- folder that all runs share, with this name (the package's); `without` are tar's patterns of files to leave out.
-- Returns the folder, "" where the machine has the package itself, or nil and why apt could not be used. One run at a
-- time unpacks there.

local t = require "loopback.support"

local debian = {}

local unpack = [[
base=${XDG_CACHE_HOME:-/tmp}/azpec-tests-$(id -u)
mkdir -p -m 700 "$base" && [ -O "$base" ] || exit 1
folder=$base/$name
mkdir -p "$folder/packages" && cd "$folder/packages" && exec 9>../lock && flock 9 || exit 1
[ -e ../unpacked ] && exec echo "$folder"
lists= # where apt keeps what it knows; a machine without that gets it for this alone
apt() { timeout 100 apt-get -qq --no-install-recommends $lists "$@" 9>&-; }
needed() { apt -s install "$package" | sed -n 's/^Inst \([^ ]*\).*/\1/p'; }
all=$(needed 2>/dev/null)
if [ -z "$all" ] && ! dpkg -s "$package" >/dev/null 2>&1; then
  mkdir -p ../lists/partial && lists="-o Dir::State::Lists=$folder/lists" && apt update && all=$(needed)
  [ -n "$all" ] || exit 1
fi
[ -z "$all" ] && exec echo ""
apt download $all || exit 1
for file in *.deb; do
  dpkg-deb --fsys-tarfile "$file" 9>&- | tar -x -C .. $without 9>&- || exit 1
done
rm -rf ../packages ../lists
: >../unpacked
echo "$folder"]]

function debian.unpacked(package, without, name)
  for _, program in ipairs { "apt-get", "dpkg-deb", "flock" } do
    if not t.program(program) then return nil, program .. " is not installed" end
  end
  local options = {}
  for n, pattern in ipairs(without or {}) do options[n] = "--exclude=" .. pattern end
  local log = t.new_path "apt"
  local pipe = assert(io.popen(("{ unset LD_PRELOAD; package=%s name=%s without=%s\n%s\n} 2>%s"):format(
    t.quote(package), t.quote(name or package), t.quote(table.concat(options, " ")), unpack, t.quote(log))))
  local said = pipe:read "a":match "^[^\n]*"
  if pipe:close() then return said end
  local why = t.read(log)
  assert(why == "" or why:find "Failed to fetch" or why:find "Unable to locate" or why:find "Could not resolve"
    or why:find "has no installation candidate", why) -- anything else is a fault of this file
  return nil, "apt cannot get " .. package
end

return debian
