-- A node that ends leaves its lease to the next. KEYS: lease. ARGV: the node.
if redis.call('HGET', KEYS[1], 'node') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'node', '', 'until', '0')
return 1
