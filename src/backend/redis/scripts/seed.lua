-- A node says which messages it has seen last: what Redis has lost is not given again, and who has seen it has missed
-- nothing. KEYS: state, heads. ARGV: whether Redis has begun anew since, then names and ids.
local function parts(id)
  local ms, seq = string.match(id, '^(%d+)-(%d+)$')
  return tonumber(ms), tonumber(seq)
end
local function less(a, b)
  local ams, aseq = parts(a)
  local bms, bseq = parts(b)
  return ams < bms or (ams == bms and aseq < bseq)
end
local birth = redis.call('HGET', KEYS[1], 'birth')
if not birth then return redis.error_reply('UNBEGUN there is no state') end
for at = 2, #ARGV, 2 do
  local name, id = ARGV[at], ARGV[at + 1]
  local head = redis.call('HGET', KEYS[2], name)
  if head then
    local last, rest = string.match(head, '^(%S+)(.*)$')
    if less(last, id) then redis.call('HSET', KEYS[2], name, id .. rest) end
  elseif ARGV[1] == '1' or less(birth, id) then
    redis.call('HSET', KEYS[2], name, id .. ' 0 0')
  end
end
return 'OK'
