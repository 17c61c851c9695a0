-- A node takes the lease of a shelf, or renews it. KEYS: lease. ARGV: the node, and for how long in milliseconds.
-- Returns the number of its lease, or nothing if another node has it.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local lease = redis.call('HMGET', KEYS[1], 'node', 'number', 'until')
local number = tonumber(lease[2] or 0)
if lease[1] ~= ARGV[1] then
  if lease[3] and now < tonumber(lease[3]) then return false end
  -- The time, so that it grows even if Redis has lost what it was.
  number = math.max(number + 1, now)
end
redis.call('HSET', KEYS[1], 'node', ARGV[1], 'number', string.format('%.0f', number),
  'until', string.format('%.0f', now + ARGV[2]))
return string.format('%.0f', number)
