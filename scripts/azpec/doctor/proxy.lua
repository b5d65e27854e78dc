-- Finds the proxy that libcurl takes from the environment for a URL, and its variable (curl's manual, "Environment").

local text_of = require "azpec.text"

local proxy = {}

local function first_set(names, getenv)
  for _, name in ipairs(names) do
    local value = getenv(name)
    if value and value ~= "" then return name, value end
  end
end

-- http_proxy only in lower case: a CGI program gets HTTP_PROXY from a request's header.
local variables = {
  https = { "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY" },
  http = { "http_proxy", "all_proxy", "ALL_PROXY" },
}

local function ipv4(text)
  local a, b, c, d = text:match "^(%d+)%.(%d+)%.(%d+)%.(%d+)$"
  if not a then return nil end
  local number = 0
  for _, part in ipairs { a, b, c, d } do
    if tonumber(part) > 255 then return nil end
    number = number << 8 | tonumber(part)
  end
  return number
end

local function is_in_net(host, entry)
  local address, net, bits = ipv4(host), entry:match "^([%d.]+)/(%d+)$"
  net = net and ipv4(net)
  bits = tonumber(bits)
  if not address or not net or bits > 32 then return false end
  local mask = ~0 << (32 - bits) & 0xffffffff
  return address & mask == net & mask
end

-- A name matches itself and all its subdomains, with or without a leading dot.
local function is_excepted(host, entry)
  entry = entry:gsub("^%.", ""):gsub("%.$", "")
  if entry == "" then return false end
  return host == entry or not ipv4(host) and host:sub(-#entry - 1) == "." .. entry or is_in_net(host, entry)
end

local function exception(host, list)
  if text_of.trim(list) == "*" then return "*" end
  for entry in list:lower():gmatch "[^%s,]+" do
    if is_excepted(host, entry) then return entry end
  end
end

-- Removes a name and a password before an "@", even one that is encoded, and a port that is no number: that may be the
-- password of a URL without a host.
local function without_credentials(url)
  local scheme, rest = url:match "^(%a[%w+.-]*://)(.*)$"
  rest = (rest or url):gsub("%%40", "@"):gsub("^.*@", ""):gsub("[/?#].*$", "")
  local host = rest:match "^%[.-%]" or rest:match "^[^:]*"
  local port = rest:sub(#host + 1)
  return (scheme or "http://") .. host .. (port:match "^:%d*$" or "")
end

-- Returns a table: url and variable of the proxy in use; or, without these, because: the reason why the proxy that a
-- variable names is not used. getenv: os.getenv or a replacement.
function proxy.choose(url, getenv)
  local scheme, host = url:lower():match "^(%a+)://([^/]*)"
  host = host:match "^%[(.*)%]" or host:gsub(":%d+$", ""):gsub("%.$", "")
  local variable, value = first_set(variables[scheme], getenv)
  if not variable then return {} end
  local exceptions, list = first_set({ "no_proxy", "NO_PROXY" }, getenv)
  local entry = list and exception(host, list)
  if entry then return { because = ("%s names a proxy, but %s has '%s'"):format(variable, exceptions, entry) } end
  return { url = without_credentials(value), variable = variable }
end

return proxy
