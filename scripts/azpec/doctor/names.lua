-- Resolves host names as the machine's programs do (hosts file, nsswitch.conf, resolv.conf), with a time limit.

local cqueues = require "cqueues"
local config = require "cqueues.dns.config"
local errno = require "cqueues.errno"
local hosts = require "cqueues.dns.hosts"
local record = require "cqueues.dns.record"
local resolver = require "cqueues.dns.resolver"

local names = {}

local rcodes = { [2] = "the name server failed (SERVFAIL)", [3] = "there is no such name (NXDOMAIN)",
  [5] = "the name server refused (REFUSED)" }

-- A container may have no hosts file; it then counts as empty.
local function known_hosts(file)
  local known = hosts.new()
  known:loadpath(file)
  return known
end

local function ask(name, kind, timeout, resolv, hosts_file)
  local asker, why = resolver.new(config.stub(resolv), known_hosts(hosts_file or "/etc/hosts"))
  if not asker then return nil, errno.strerror(why) end
  local packet, problem = asker:query(name, kind, "IN", timeout)
  asker:close()
  if not packet then return nil, errno.strerror(problem) end
  return packet
end

local function add_answers(found, packet)
  for answer in packet:grep { section = "answer" } do
    if answer:type() == record.CNAME then
      found.aliases[#found.aliases + 1] = answer:host():gsub("%.$", ""):lower()
    elseif answer:type() == record.A or answer:type() == record.AAAA then
      found.addresses[#found.addresses + 1] = answer:addr()
    end
  end
end

-- Returns { addresses, aliases } of a name, or nil and a text. resolv (table or nil): changes to the machine's
-- configuration, in the form of cqueues.dns.config; hosts_file: replaces /etc/hosts.
function names.resolve(name, timeout, resolv, hosts_file)
  local deadline = cqueues.monotime() + timeout
  local found, problem = { addresses = {}, aliases = {} }, nil
  for _, kind in ipairs { "A", "AAAA" } do
    local packet, why = ask(name, kind, math.max(deadline - cqueues.monotime(), 0.01), resolv, hosts_file)
    if packet then
      problem = problem or rcodes[packet:flags().rcode]
      add_answers(found, packet)
    else
      problem = problem or why
    end
    if #found.addresses > 0 then return found end
  end
  return nil, problem or "it has no address"
end

-- The private networks (RFC 1918, RFC 6598, RFC 4193; loopback and link-local, RFC 6890).
local private_patterns = { "^10%.", "^192%.168%.", "^127%.", "^169%.254%.", "^[fF][cdCD]%x%x:", "^[fF][eE][89abAB]%x:",
  "^::1$" }

-- Returns whether an address belongs to a private network.
function names.is_private(address)
  local a, b = address:match "^(%d+)%.(%d+)%."
  a, b = tonumber(a), tonumber(b)
  if a == 172 and b >= 16 and b <= 31 or a == 100 and b >= 64 and b <= 127 then return true end
  for _, pattern in ipairs(private_patterns) do
    if address:find(pattern) then return true end
  end
  return false
end

return names
