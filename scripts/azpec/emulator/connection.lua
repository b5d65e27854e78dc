-- One private endpoint connection: its JSON form, and the checks of a PATCH body.

local api_versions = require "azpec.api_versions"
local date = require "azpec.date"
local json = require "azpec.json"

local connection = {}

local type_name = "Microsoft.Batch/batchAccounts/privateEndpointConnections"

local function link_state(self, version)
  local name = self.options.action_required_name
  if name == "auto" then
    name = api_versions.has(version, "actionsRequired") and "actionsRequired" or "actionRequired"
  end
  local both = name == "both"
  return {
    status = self.status,
    description = self.description,
    actionRequired = (both or name == "actionRequired") and self.actions_required or nil,
    actionsRequired = (both or name == "actionsRequired") and self.actions_required or nil,
  }
end

local function system_data(self)
  return {
    createdBy = "emulator", createdByType = "Application", createdAt = date.stamp(self.created, true),
    lastModifiedBy = "emulator", lastModifiedByType = "Application", lastModifiedAt = date.stamp(self.modified, true),
  }
end

-- Returns the resource as the service sends it under an api-version.
function connection.wire(self, version)
  local properties = {
    provisioningState = self.provisioning_state,
    privateEndpoint = { id = self.private_endpoint_id },
    groupIds = api_versions.has(version, "groupIds") and self.group_ids or nil,
    privateLinkServiceConnectionState = link_state(self, version),
  }
  for name, value in pairs(self.properties) do properties[name] = value end
  local resource = { id = self.id, name = self.name, type = type_name, etag = self.etag, properties = properties }
  if api_versions.has(version, "tags") then resource.tags = self.tags end
  if api_versions.has(version, "systemData") then resource.systemData = system_data(self) end
  return resource
end

-- Raises an error of the request: HTTP status, code, message, target.
local function refuse(code, target, format, ...)
  error({ status = 400, code = code, target = target, message = format:format(...) }, 0)
end

local function invalid(target, format, ...)
  refuse("InvalidRequestContent", target, "The request content was invalid: " .. format, ...)
end

local function object(value, target)
  if type(value) ~= "table" or #value > 0 then invalid(target, "'%s' must be an object.", target) end
  return value
end

local function is_same(mine, theirs)
  if type(mine) ~= "table" then return type(theirs) == "string" and mine:lower() == theirs:lower() end
  if type(theirs) ~= "table" then return false end
  for name, value in pairs(mine) do
    if not is_same(value, theirs[name]) then return false end
  end
  for name in pairs(theirs) do
    if mine[name] == nil then return false end
  end
  return true
end

local function check_read_only(self, mine, theirs, target)
  local rule = self.options.read_only_members
  if theirs == json.null and rule ~= "refuse" then return end
  if rule == "refuse" then refuse("InvalidResource", target, "The member '%s' is read-only.", target) end
  local must_equal = rule == "equal" or target == "properties.provisioningState"
  if must_equal and not is_same(mine, theirs) then invalid(target, "the read-only member '%s' differs.", target) end
end

-- Reads the members of an object: each has a reader, is read-only, or is unknown.
local function read_members(self, given, mine, readers, path)
  for name, value in pairs(given) do
    local target = path .. name
    if readers[name] then
      readers[name](value, target)
    elseif mine[name] ~= nil then
      check_read_only(self, mine[name], value, target)
    elseif self.options.unknown_members == "refuse" then
      invalid(target, "could not find member '%s'.", target)
    end
  end
end

local statuses = { Approved = true, Pending = true, Rejected = true, Disconnected = true }

local function read_status(value, target)
  if type(value) ~= "string" then invalid(target, "'%s' must be a string.", target) end
  if not statuses[value] then invalid(target, "'%s' is no PrivateLinkServiceConnectionStatus.", value) end
  return value
end

local function read_description(self, value, target)
  if value == json.null then return false end
  if type(value) ~= "string" then invalid(target, "'%s' must be a string.", target) end
  local limit = self.options.description_limit
  if limit > 0 and (utf8.len(value) or #value) > limit then
    refuse("InvalidParameter", target, "The description is longer than %d characters.", limit)
  end
  return value
end

local function read_action(self, value, target)
  local rule = self.options.action_required_write
  if rule == "refuse" then refuse("InvalidResource", target, "The member '%s' is read-only.", target) end
  if type(value) ~= "string" and value ~= json.null then invalid(target, "'%s' must be a string.", target) end
  if rule == "accept" then return json.present(value) or "None" end
end

local function read_link_state(self, given, wanted, mine)
  local readers = {}
  function readers.status(value, target) wanted.status = read_status(value, target) end
  function readers.description(value, target) wanted.description = read_description(self, value, target) end
  function readers.actionRequired(value, target) wanted.actions_required = read_action(self, value, target) end
  readers.actionsRequired = readers.actionRequired
  local path = "properties.privateLinkServiceConnectionState."
  read_members(self, given, mine, readers, path)
  if not wanted.status then invalid(path .. "status", "the required member 'status' is missing.") end
end

local function read_properties(self, given, wanted, mine)
  local readers = {}
  function readers.privateLinkServiceConnectionState(value, target)
    read_link_state(self, object(value, target), wanted, mine.privateLinkServiceConnectionState)
  end
  read_members(self, given, mine, readers, "properties.")
end

local function read_tags(self, given, target)
  local tags = {}
  for name, value in pairs(self.tags or {}) do tags[name] = value end
  for name, value in pairs(object(given, target)) do
    if type(value) ~= "string" and value ~= json.null then invalid(target, "the tag '%s' must be a string.", name) end
    tags[name] = json.present(value)
  end
  return tags
end

local function decode(text)
  local body = utf8.len(text) and json.decode(text)
  if type(body) ~= "table" or not json.is_object(text) then
    invalid(nil, "it could not be read as a JSON object.")
  end
  return body
end

-- Reads a PATCH body. Returns the fields of the connection to set (description = false removes it), or raises an error.
function connection.read_patch(self, text, version)
  local wanted, mine, readers = {}, connection.wire(self, version), {}
  function readers.properties(value, target)
    read_properties(self, object(value, target), wanted, mine.properties)
  end
  if api_versions.has(version, "tags") then
    function readers.tags(value, target) wanted.tags = read_tags(self, value, target) end
  end
  read_members(self, decode(text), mine, readers, "")
  if not wanted.status and not wanted.tags then
    local target = "properties.privateLinkServiceConnectionState"
    invalid(target, "the member '%s' is missing.", target)
  end
  return wanted
end

-- The option for what leaves a final status. The emulator runs without the C module, so it has its own copy of what
-- azpec.transitions calls impossible; a test compares the two.
local final = { Rejected = "approve_rejected", Disconnected = "approve_disconnected" }
local leaving = { Approved = "Approving %s private endpoint connections is not supported.",
  Pending = "Setting %s private endpoint connections to Pending is not supported." }

local function check_final(self, asked)
  local rule = final[self.status]
  if rule and leaving[asked] and self.options[rule] == "refuse" then
    refuse("BadRequest", nil, leaving[asked], self.status:lower())
  end
end

-- Raises an error if the service's rules forbid the change.
function connection.check_change(self, wanted)
  local asked = wanted.status
  check_final(self, asked)
  if asked == "Approved" and self.status == "Approved" and self.options.approve_approved == "refuse" then
    refuse("InvalidValuesForRequestParameters", nil, "The private endpoint connection is approved already.")
  end
  local rule = asked == "Pending" and "request_pending" or asked == "Disconnected" and "request_disconnected"
  if rule and self.options[rule] == "refuse" then
    invalid("properties.privateLinkServiceConnectionState.status", "the status '%s' cannot be asked for.", asked)
  end
end

local function bare(tag)
  return (tag:gsub("^W/", ""))
end

-- Returns whether an If-Match header matches.
function connection.matches(self, if_match)
  if not if_match or if_match == "" or if_match == "*" then return true end
  if self.options.etag_compare == "weak" then return bare(if_match) == bare(self.etag) end
  return if_match == self.etag
end

return connection
