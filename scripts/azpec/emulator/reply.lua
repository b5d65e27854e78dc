-- Answers, {status, headers = {{name, value}, ...}, body, value}, and the services' error bodies.

local json = require "azpec.json"

local reply = {}

function reply.new(status, body)
  return { status = status, headers = {}, body = body or "" }
end

function reply.json(status, value)
  local answer = reply.new(status, json.encode(value))
  answer.value = value
  answer.headers[1] = { "Content-Type", "application/json; charset=utf-8" }
  return answer
end

-- The error of Azure Resource Manager ("CloudError" in the REST description).
function reply.error(status, code, message, target, additional_info)
  local answer = reply.json(status, { error = { code = code, message = message, target = target,
    additionalInfo = additional_info } })
  answer.code = code
  return answer
end

-- Raises the error that the answer to the request in hand will be.
function reply.refuse(status, code, format, ...)
  error({ status = status, code = code, message = format:format(...) }, 0)
end

function reply.add(answer, name, value)
  answer.headers[#answer.headers + 1] = { name, value }
end

function reply.get(answer, name)
  name = name:lower()
  for _, header in ipairs(answer.headers) do
    if header[1]:lower() == name then return header[2] end
  end
end

function reply.remove(answer, name)
  name = name:lower()
  for index = #answer.headers, 1, -1 do
    if answer.headers[index][1]:lower() == name then table.remove(answer.headers, index) end
  end
end

return reply
