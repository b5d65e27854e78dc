-- Which proxy libcurl takes from the environment for a URL, and by which variable (curl's manual, "Environment").

local proxy = {}

local function first_set(names, getenv)
  for _, name in ipairs(names) do
    local value = getenv(name)
    if value and value ~= "" then return name, value end
  end
end

-- For http only in small letters: HTTP_PROXY is a header of a request to a CGI program.
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

-- A name stands for itself and all below it, with or without a dot in front.
local function is_excepted(host, entry)
  entry = entry:gsub("^%.", ""):gsub("%.$", "")
  if entry == "" then return false end
  return host == entry or not ipv4(host) and host:sub(-#entry - 1) == "." .. entry or is_in_net(host, entry)
end

local function exception(host, list)
  if list:match "^%s*(.-)%s*$" == "*" then return "*" end
  for entry in list:lower():gmatch "[^%s,]+" do
    if is_excepted(host, entry) then return entry end
  end
end

-- Without what is in front of an "@": a name and a password.
local function without_credentials(url)
  local scheme, rest = url:match "^(%a[%w+.-]*://)(.*)$"
  rest = (rest or url):gsub("/.*$", ""):gsub("^.*@", "")
  return (scheme or "http://") .. rest
end

-- A table: url and variable of the proxy in force; or, with neither, because = why a proxy is not in force though a
-- variable names one. getenv: os.getenv, or what takes its place.
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
