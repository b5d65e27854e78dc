-- screenshot.lua [check] -- the picture of the page of azpec.report that scripts/README.md shows: a PNG, made by
-- Chromium. `make pictures` writes scripts/pictures/report.png by it.
--
-- Two versions of Chromium draw different pixels. So the file has the SHA-256 of the page's source in a text chunk, and
-- "check" compares only that: equal data make an equal page.
local base64 = require "azpec.base64"
local digest = require "openssl.digest"
local report = require "azpec.report"
local sample = require "scripts.report_support"

local path, keyword = "scripts/pictures/report.png", "page-sha256"
local page = report.render(sample.data(sample.connections(12, 120)))
local hash = digest.new "sha256":final(page):gsub(".", function (c) return ("%02x"):format(c:byte()) end)

-- The checksum of a chunk (PNG, 5.5).
local function crc(bytes)
  local value = 0xffffffff
  for n = 1, #bytes do
    value = value ~ bytes:byte(n)
    for _ = 1, 8 do value = value >> 1 ~ (value & 1) * 0xedb88320 end
  end
  return value ~ 0xffffffff
end

local function text_chunk()
  local data = "tEXt" .. keyword .. "\0" .. hash
  return string.pack(">I4", #data - 4) .. data .. string.pack(">I4", crc(data))
end

if arg[1] == "check" then
  local file <close> = assert(io.open(path, "rb"))
  os.exit(file:read "a":find(text_chunk(), 1, true) ~= nil)
end

local t = require "loopback.support"
local browser = assert(require "peers.browser".start())
local shown = browser:open(t.write(t.new_path "page" .. ".html", page), { width = 1100, height = 760 })
local png = base64.decode(shown.call("Page.captureScreenshot", { format = "png" }).data)
browser:close()
t.close()
local file <close> = assert(io.open(path, "wb"))
file:write(png:sub(1, -13), text_chunk(), png:sub(-12)) -- the last chunk is IEND: 12 bytes
