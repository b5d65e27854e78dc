-- Chromium without a window, driven by the Chrome DevTools Protocol over a pipe: no port is opened, no name is
-- resolved, and nothing leaves the machine.
--
--   local browser, why = require "peers.browser".start()       -- nil: chromium is not installed
--   local page = browser:open("/tmp/report.html", { dark = true, width = 390 })
--   page.value "document.title"                                -- what an expression has
--   page.said                                                  -- console messages, errors, violations of its policy
--   page.requests                                              -- URLs that were asked for, the page's own the first
--   browser:close()

local cjson = require "cjson"
local t = require "loopback.support"

local browser = {}
browser.__index = browser

-- Who reads the pipe gets a message a line. Root needs --no-sandbox; the page is the test's own.
local command = [[exec %s --headless=new --no-sandbox --disable-gpu --user-data-dir=%s --remote-debugging-pipe \
  --disable-background-networking --disable-component-update --disable-sync --disable-breakpad --no-first-run \
  --disable-crash-reporter --disable-dev-shm-usage --host-resolver-rules='MAP * ~NOTFOUND, EXCLUDE 127.0.0.1' \
  --force-color-profile=srgb --hide-scrollbars about:blank 3<%s 4>%s >/dev/null 2>%s]]

local read_messages = [[exec perl -e '$| = 1; $/ = "\0"; while (<STDIN>) { chomp; print "$_\n" }' <%s]]

function browser.start()
  local program = t.program "chromium"
  if not program then return nil, "chromium is not installed" end
  local q = t.quote
  local self = setmetatable({ sent = 0, folder = t.new_path "browser", into = t.new_path "into", out = t.new_path "out",
    errors = t.new_path "errors" }, browser)
  assert(os.execute(("mkfifo -m 600 %s %s"):format(q(self.into), q(self.out))))
  self.process = assert(io.popen("unset LD_PRELOAD; " .. command:format(program, q(self.folder), q(self.into),
    q(self.out), q(self.errors))))
  self.pipe = assert(io.open(self.into, "w"))
  self.pipe:setvbuf "no"
  self.messages = assert(io.popen("unset LD_PRELOAD; " .. read_messages:format(q(self.out))))
  return self
end

local function note(page, message)
  local method, about = message.method, message.params
  if method == "Network.requestWillBeSent" then
    page.requests[#page.requests + 1] = about.request.url
  elseif method == "Runtime.consoleAPICalled" or method == "Runtime.exceptionThrown" or method == "Log.entryAdded" then
    page.said[#page.said + 1] = cjson.encode(about)
  elseif method then
    page.events[method] = true
  end
end

local function read(self)
  local line = self.messages:read "l"
  if not line then error("chromium has ended:\n" .. (t.read(self.errors) or "")) end
  local message = cjson.decode(line)
  if self.page then note(self.page, message) end
  return message
end

-- Calls a method of the protocol; its result.
function browser:call(method, parameters, session)
  self.sent = self.sent + 1
  local fields = { id = self.sent, method = method, params = parameters, sessionId = session }
  self.pipe:write(cjson.encode(fields), "\0")
  while true do
    local answer = read(self)
    if answer.id == self.sent then
      return answer.result or error(method .. ": " .. cjson.encode(answer.error))
    end
  end
end

-- Opens a file, or an address of this machine, and waits until it is shown. how: dark, print (booleans), width, height
-- (in CSS pixels), script (false: JavaScript is off), before (a function that is given page.call first).
function browser:open(path, how)
  how = how or {}
  if self.target then self:call("Target.closeTarget", { targetId = self.target }) end
  local target = self:call("Target.createTarget", { url = "about:blank" }).targetId
  local session = self:call("Target.attachToTarget", { targetId = target, flatten = true }).sessionId
  local page = { said = {}, requests = {}, events = {} }
  self.target = target
  local function call(method, parameters)
    return self:call(method, parameters, session)
  end
  for _, domain in ipairs { "Page", "Network", "Runtime", "Log" } do call(domain .. ".enable") end
  call("Emulation.setEmulatedMedia", { media = how.print and "print" or "",
    features = { { name = "prefers-color-scheme", value = how.dark and "dark" or "light" } } })
  call("Emulation.setDeviceMetricsOverride", { width = how.width or 1400, height = how.height or 900,
    deviceScaleFactor = 1, mobile = (how.width or 1400) < 800 })
  if how.script == false then call("Emulation.setScriptExecutionDisabled", { value = true }) end
  if how.before then how.before(call) end
  self.page = page
  call("Page.navigate", { url = path:find "^http" and path or "file://" .. path })
  while not page.events["Page.loadEventFired"] do read(self) end
  page.call = call
  function page.value(expression)
    local answer = call("Runtime.evaluate", { expression = expression, returnByValue = true, awaitPromise = true })
    assert(not answer.exceptionDetails, cjson.encode(answer))
    return answer.result.value
  end
  return page
end

function browser:close()
  self.page = nil
  self:call "Browser.close"
  self.pipe:close()
  self.messages:close()
  self.process:close()
end

return browser
