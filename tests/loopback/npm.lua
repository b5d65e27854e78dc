-- Programs of others that npm installs, for tests that talk to them. npm.installed(FOLDER) installs what the folder's
-- package-lock.json pins, once for all runs; it returns the place, or nil and why npm could not be used. Each content
-- of that file has a place of its own, and one run at a time installs there.

local t = require "loopback.support"

local npm = {}

local install = [[
base=${XDG_CACHE_HOME:-/tmp}/azpec-tests-$(id -u)
mkdir -p -m 700 "$base" && [ -O "$base" ] || exit 1
folder=$base/$(basename "$source")-$(cksum <"$source/package-lock.json" | cut -d ' ' -f 1)
mkdir -p "$folder" && cd "$folder" && exec 9>lock && flock 9 || exit 1
if ! [ -e installed ]; then
  cp "$source"/package.json "$source"/package-lock.json . &&
  timeout 200 npm ci --ignore-scripts --no-audit --no-fund --prefer-offline >log 2>&1 9>&- || { cat log; exit 1; }
  : >installed
fi
pwd]]

function npm.installed(source)
  if not (t.program "node" and t.program "npm") then return nil, "node or npm is not installed" end
  local pipe = assert(io.popen(("source=$PWD/%s; unset LD_PRELOAD\n%s"):format(source, install)))
  local said = pipe:read "a":gsub("\n$", "")
  if pipe:close() then return said end
  local unreachable = said:find "ENOTFOUND" or said:find "ECONN" or said:find "ETIMEDOUT" or said:find "EAI_AGAIN"
    or said:find "network"
  assert(unreachable, said)
  return nil, "npm cannot be reached"
end

return npm
