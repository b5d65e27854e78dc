-- Azure CLI as Debian has it, with homes of its own, and a way to the emulator: az knows Azure's own addresses alone,
-- so a proxy on loopback leads there.

local debian = require "peers.debian"
local signin = require "loopback.signin_support"
local t = require "loopback.support"

local azure_cli = {}

-- Unpacks Azure CLI. Returns the folder and the version, or nil and the reason. name and without: as for
-- debian.unpacked.
function azure_cli.unpacked(name, without)
  if not t.program "/usr/bin/python3" then return nil, "python3 is not installed" end
  local place, why_not = debian.unpacked("azure-cli", without, name)
  if not place then return nil, why_not end
  -- of the standard library, where Python looks for it in one place alone
  if os.execute("ls " .. place .. "/usr/lib/python3.*/distutils >/dev/null 2>&1") and place ~= "" then
    return nil, "python3-distutils is not installed"
  end
  local libraries <close> = io.popen("ls " .. place .. "/usr/lib/python3/dist-packages")
  return place, libraries:read "a":match "\nazure_cli%-([%w.]+)%.egg" or "installed"
end

-- Returns the text of a program that runs the az unpacked in a folder; its way out is the proxy that the file `proxy`
-- of its home names, else one where nobody listens.
function azure_cli.program(place)
  return ([[
export PYTHONPATH=%s/usr/lib/python3/dist-packages SETUPTOOLS_USE_DISTUTILS=stdlib # starts in half the time
export AZURE_CORE_COLLECT_TELEMETRY=0 HTTPS_PROXY=http://127.0.0.1:9
[ -e "$HOME/proxy" ] && export HTTPS_PROXY="$(cat "$HOME/proxy")" REQUESTS_CA_BUNDLE="$HOME/ca.pem"
exec /usr/bin/python3 %s/usr/bin/az "$@"]]):format(place, place)
end

-- Gives a home a way to the emulator, until the test's tidying.
function azure_cli.lead(where, emulator)
  signin.shell(("cd %s && openssl req -x509 -new -newkey rsa:2048 -nodes -keyout key.pem -out ca.pem -days 2 "
    .. "-subj /CN=loopback -addext subjectAltName=DNS:login.microsoftonline.com,DNS:management.azure.com 2>/dev/null")
    :format(where))
  local tunnel = t.start(("sh -c 'exec %s tests/peers/tunnel.lua $$ %s %s/ca.pem %s/key.pem'"):format(
    os.getenv "LUA" or "lua5.4", emulator.tls_endpoint:match ":(%d+)$", where, where))
  t.write(where .. "/proxy", ("http://127.0.0.1:%d"):format(tunnel.port))
end

return azure_cli
