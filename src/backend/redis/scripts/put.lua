-- Changes what is on a shelf, if the lease is still this one. KEYS: lease, values. ARGV: the node, the number of its lease, then
-- for each change its key, 1 to put a value or 0 to take it away, and the value. Returns whether they were made.
local lease = redis.call('HMGET', KEYS[1], 'node', 'number')
if lease[1] ~= ARGV[1] or lease[2] ~= ARGV[2] then return 0 end
for at = 3, #ARGV, 3 do
  if ARGV[at + 1] == '1' then
    redis.call('HSET', KEYS[2], ARGV[at], ARGV[at + 2])
  else
    redis.call('HDEL', KEYS[2], ARGV[at])
  end
end
return 1
