-- Lists in pages: value and nextLink, with $skipToken and maxresults.

local base64 = require "azpec.base64"
local json = require "azpec.json"
local reply = require "azpec.emulator.reply"

local paging = {}

local function wanted_page(request, settings)
  local given = request.params.maxresults
  local limit = given and given:find "^%d+$" and math.tointeger(given)
  if given and not (limit and limit >= 1 and limit < 1 << 31) then
    reply.refuse(400, "InvalidParameter", "The query parameter 'maxresults' is not a valid number: '%s'.", given)
  end
  local size = settings.page_size > 0 and settings.page_size or math.huge
  return math.min(size, limit or math.huge)
end

-- Returns the start of the page: the serial number of the item before it; 0 for the first, -1 for an empty page.
local function start_of(request, settings)
  local token = request.params["$skiptoken"]
  if not token then return settings.empty_page == "yes" and -1 or 0 end
  local serial = (base64.decode(token) or ""):match "^after:(%d+)$"
  if not serial then reply.refuse(400, "InvalidParameter", "The query parameter '$skipToken' is not valid.") end
  return tonumber(serial)
end

local function next_link(request, serial)
  local query = request.query:gsub("&?[%%$][^=&]*[Ss]kip[Tt]oken=[^&]*", "")
  local token = base64.encode("after:" .. serial):gsub("=", "%%3D")
  return ("%s%s%s&%%24skipToken=%s"):format(request.origin, request.path, query, token)
end

-- Returns one page of items, sorted by serial number, and the serial number after which the next page begins.
local function page(items, start, size)
  local value = json.list()
  if start < 0 then return value, 0 end
  for index, item in ipairs(items) do
    if item.serial > start then
      value[#value + 1] = item
      if #value >= size then return value, items[index + 1] and item.serial end
    end
  end
  return value
end

local last_links = { null = json.null, empty = "" }

-- Answers with a page of items, each with its serial number, as `write` returns them.
function paging.reply(request, settings, items, write)
  local value, following = page(items, start_of(request, settings), wanted_page(request, settings))
  for index, item in ipairs(value) do value[index] = write(item) end
  local link = following and next_link(request, following) or last_links[settings.last_link]
  return reply.json(200, { value = value, nextLink = link })
end

return paging
