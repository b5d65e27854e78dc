-- What a verb is given: its arguments, clients, where to look, output, and how to say and to end things.

local failure = require "azpec.command.failure"
local terminal = require "azpec.command.terminal"
local text = require "azpec.text"

local context = {}
context.__index = context

context.codes = failure.codes
context.exit_code = failure.exit_code

function context.new(verb, args)
  return setmetatable({ verb = verb, args = args, pollers = {}, reasons = {} }, context)
end

-- ---- what people read ----------------------------------------------------------------------------------------------

-- Whether stderr is for a program: then it has at most one JSON document, which the frame writes at the end.
function context:is_json()
  return failure.is_json(self.args.output)
end

-- To stderr, whatever -q and -o say: what somebody has to read to go on.
function context:prompt(message)
  terminal.make_room()
  io.stderr:write(text.clean_lines(message), "\n")
end

local function worded(format, ...)
  return select("#", ...) > 0 and format:format(...) or format
end

local most_held = 100

-- To stderr, whatever -q says; with -o json only at the end, where it is not in an error's document.
function context:say(...)
  if not self:is_json() then return self:prompt(worded(...)) end
  self.said = self.said or {}
  self.said[#self.said + 1] = worded(...)
  if #self.said > most_held then table.remove(self.said, 1) end
end

-- An error that does not end the verb: at once, or in the frame's JSON document.
function context:complain(err)
  self.complaints = self.complaints or {}
  self.complaints[#self.complaints + 1] = err
  if not self:is_json() then failure.show(err) end
end

-- To stderr unless -q.
function context:note(...)
  if self:is_json() or not self.args.quiet then self:say(...) end
end

-- To stderr with -v.
function context:detail(...)
  if (self.args.verbosity or 0) > 0 then self:prompt(worded(...)) end
end

-- Rows on stdout in the format asked for; see azpec.command.output.
function context:output(options)
  self.out = require "azpec.command.output".new(self.args.output or "table", options)
  return self.out
end

-- A bar on stderr for much work; without a terminal, or with -q, nothing.
function context:progress(options)
  if self.args.quiet or self:is_json() or not terminal.can_draw(io.stderr) then
    return { update = function () end, close = function () end }
  end
  return require "azpec.command.progress".new(options)
end

-- ---- endings -------------------------------------------------------------------------------------------------------

-- Ends the verb with an exit code. Does not return.
function context:fail(code, message, hint)
  error(setmetatable({ exit_code = code, kind = failure.kind(code), message = message, hint = hint },
    { __tostring = function () return message end }), 0)
end

-- The same where the command line is wrong.
function context:usage(message)
  error({ kind = "usage", message = message, see = "azpec help " .. self.verb }, 0)
end

-- An operation whose end is to be waited for: if the waiting is broken off, the frame says how to go on. Returns it.
function context:track(poller)
  self.pollers[#self.pollers + 1] = poller
  return poller
end

-- A continuation token that the frame is to show at the end; nil is none.
function context:keep(token)
  self.unfinished = self.unfinished or {}
  self.unfinished[#self.unfinished + 1] = token
end

-- ---- the service ---------------------------------------------------------------------------------------------------

-- The first subscription that the command line names, in whatever way; that of a private endpoint, which may be a
-- stranger's, only where nothing else does.
local function subscription(args)
  if args.subscription and args.subscription[1] then return args.subscription[1] end
  local words = table.pack(args.id, table.unpack(type(args.which) == "table" and args.which or {}))
  for n = 1, words.n do
    local found = words[n] and require "azpec.ids".parse(words[n])
    if found and (found.kind ~= "private_endpoint" or (os.getenv "AZURE_SUBSCRIPTION_ID" or "") == "") then
      return found.subscription_id
    end
  end
  local ids = require "azpec.ids"
  local found = ids.parse(ids.plain(os.getenv "AZURE_SUBSCRIPTION_ID" or ""))
  return found and found.subscription_id -- the module takes the variable itself, but no id in it
end

-- The subscriptions that are configured, by --subscription or else by the environment.
function context:subscriptions()
  local given = self.args.subscription or {}
  if #given > 0 then return given end
  local ids = require "azpec.ids"
  local word = ids.plain(os.getenv "AZURE_SUBSCRIPTION_ID" or "")
  if word == "" then return {} end
  return { (ids.parse(word) or {}).subscription_id or word }
end

-- What tells of each request with -vv, else nil: for on_event.
function context:tracer()
  if (self.args.verbosity or 0) < 2 then return nil end
  return require "azpec.command.trace"(self)
end

-- Why the next write to a connection is made, for an audit trail: { rule, reason, before = connection }.
function context:because(id, about)
  self.reasons[id:lower()] = about
end

-- A client as the options and the environment say, with more fields or others; its writes are audited where that is
-- wanted.
function context:client(overrides)
  local azpec, args = require "azpec", self.args
  local fields = {
    subscription_id = subscription(args), cloud = args.cloud, endpoint = args.endpoint,
    authority_host = args.authority_host, api_version = args.api_version, ca_file = args.ca_file,
    timeout = args.timeout, poll_interval = args.interval, on_event = self:tracer(), application_id = "azpec-command",
  }
  for name, value in pairs(overrides or {}) do fields[name] = value end
  fields.credential = fields.credential or require "azpec.command.credentials"(azpec, self)
  fields.wait = require "azpec.command.signals".hold()
  local audited = require "azpec.command.trail"
  local trail = audited.open(self)
  if trail then fields.on_event = audited.observing(trail, fields.on_event) end
  local ok, client = pcall(azpec.client, fields)
  if not ok then self:usage(require "azpec.command.wording".complaint(tostring(client))) end
  if trail then client = audited.wrap(self, client) end
  self.clients = self.clients or {}
  self.clients[#self.clients + 1] = client
  return client
end

-- The scope that the options name.
function context:scope()
  local args = self.args
  local ids = args.subscription and #args.subscription > 0 and args.subscription or nil
  return { subscription_ids = ids, resource_group_name = args.resource_group, account_name = args.account,
    id = args.id }
end

-- The connections of all that the options name, for a generic `for`. timeout (or nil): seconds for each list.
function context:connections(client, timeout)
  local scope = self:scope()
  scope.timeout = timeout
  return require "azpec.scope".connections(client or self:client(), scope)
end

return context
