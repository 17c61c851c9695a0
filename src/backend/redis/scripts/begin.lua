-- A node comes (back). KEYS: state. ARGV: the greatest id that the node knows, a name for a new life, how long that is to
-- settle in milliseconds, and the number of shards.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function parts(id)
  local ms, seq = string.match(id, '^(%d+)-(%d+)$')
  return tonumber(ms), tonumber(seq)
end
local function less(a, b)
  local ams, aseq = parts(a)
  local bms, bseq = parts(b)
  return ams < bms or (ams == bms and aseq < bseq)
end
local state = redis.call('HMGET', KEYS[1], 'last', 'birth', 'life', 'shards', 'format')
if not state[1] then
  local birth = string.format('%.0f-0', now)
  if less(birth, ARGV[1]) then birth = ARGV[1] end
  -- A node may begin more than one: the time tells them apart.
  local life = string.format('%s:%.0f:%s', ARGV[2], now, time[2])
  redis.call('HSET', KEYS[1], 'last', birth, 'birth', birth, 'life', life, 'shards', ARGV[4], 'format', '1',
    'settled', string.format('%.0f', now + ARGV[3]))
  return {life, birth, ARGV[4], '1'}
end
if less(state[1], ARGV[1]) then redis.call('HSET', KEYS[1], 'last', ARGV[1]) end
return {state[3], state[2], state[4], state[5]}
