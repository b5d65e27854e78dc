-- Azure Resource Manager's token buckets: one for each subscription, principal and kind of request.

local throttle = {}
throttle.__index = throttle

function throttle.new(clock, options)
  return setmetatable({ clock = clock, options = options, buckets = {} }, throttle)
end

local function refill(self, key, kind)
  local size, rate = self.options[kind .. "_bucket"], self.options[kind .. "_refill"]
  local now = self.clock:now()
  local bucket = self.buckets[key] or { level = size, at = now }
  bucket.level = math.min(size, bucket.level + (now - bucket.at) * rate)
  bucket.at = now
  self.buckets[key] = bucket
  return bucket, rate
end

-- Takes one from a bucket: what is left, and the seconds to wait if nothing was.
function throttle:take(subscription, principal, kind)
  local bucket, rate = refill(self, table.concat({ subscription, principal, kind }, "|"), kind)
  if bucket.level >= 1 then
    bucket.level = bucket.level - 1
    return math.floor(bucket.level)
  end
  local wait = rate > 0 and math.ceil((1 - bucket.level) / rate) or 3600
  return 0, math.max(wait, 1)
end

return throttle
