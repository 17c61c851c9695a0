-- One batch of a node: all that follows of a draft happens, or nothing does. KEYS: state, heads, what the node's last batch
-- came to, then for each draft its stream, then the keys of idempotency. ARGV: channel of pub/sub, number of the batch,
-- messages retained (0: all), bytes (0: all), age in milliseconds (0: any), channels, the greatest id that the node knows,
-- life of keys in milliseconds, then for each draft: name, entry, which key (0: none), digest.
-- Returns a line for each draft: 'ID PREVIOUS', '=ID' if its key was known, '!' and why it was refused.
local before = redis.call('GET', KEYS[3])
if before then
  local number, results = string.match(before, '^(%d+)\n(.*)$')
  if number == ARGV[2] then return results end
end
local state = redis.call('HMGET', KEYS[1], 'last', 'birth', 'settled')
if not state[1] then return redis.error_reply('UNBEGUN there is no state') end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if now < tonumber(state[3]) then return redis.error_reply('SETTLING nodes come back') end
local function parts(id)
  local ms, seq = string.match(id, '^(%d+)-(%d+)$')
  return tonumber(ms), tonumber(seq)
end
local ms, seq = parts(state[1])
local function rise(id)
  local other_ms, other_seq = parts(id)
  if other_ms > ms or (other_ms == ms and other_seq > seq) then ms, seq = other_ms, other_seq end
end
rise(ARGV[7])
local function next_id()
  if now > ms then ms, seq = now, 0 else seq = seq + 1 end
  return string.format('%.0f-%.0f', ms, seq)
end
local messages, bytes, age = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local drafts = (#ARGV - 8) / 4
local channels = false
local results, news = {}, {}

-- Drops the oldest entries until no more than `bytes` are left, but never the newest. The counter that each entry carries
-- says how much was published before it.
local function trim_bytes(stream, total)
  while true do
    local oldest = redis.call('XRANGE', stream, '-', '+', 'COUNT', 2)
    if not oldest[2] then return total end
    local base = 0
    for at = 1, #oldest[2][2] - 1, 2 do
      if oldest[2][2][at] == 'b' then base = tonumber(oldest[2][2][at + 1]) or 0 end
    end
    local first = 0
    for at = 1, #oldest[1][2] - 1, 2 do
      if oldest[1][2][at] == 'b' then first = tonumber(oldest[1][2][at + 1]) or 0 end
    end
    if total - first <= bytes then return first end
    redis.call('XTRIM', stream, 'MINID', '=', oldest[2][1])
    if total - base <= bytes then return base end
  end
end

local function keep(draft)
  local at = 8 + (draft - 1) * 4
  local name, entry, which, digest = ARGV[at + 1], ARGV[at + 2], tonumber(ARGV[at + 3]), ARGV[at + 4]
  local stream, key = KEYS[3 + draft], nil
  if which > 0 then
    key = KEYS[3 + drafts + which]
    local known = redis.call('GET', key)
    if known then
      local id, same = string.match(known, '^(%S+) (.*)$')
      return same == digest and '=' .. id or '!KEY'
    end
  end
  local previous, total, base = state[2], 0, 0
  local head = redis.call('HGET', KEYS[2], name)
  if head then
    local last, sum, from = string.match(head, '^(%S+) (%d+) (%d+)$')
    previous, total, base = last, tonumber(sum), tonumber(from)
  else
    channels = channels or redis.call('HLEN', KEYS[2])
    if channels >= tonumber(ARGV[6]) then return '!CHANNELS' end
  end
  local added, id
  for try = 1, 2 do
    id = next_id()
    local counted = string.format('%.0f', total)
    if messages > 0 then
      added = redis.pcall('XADD', stream, 'MAXLEN', '=', ARGV[3], id, '1', entry, 'p', previous, 'b', counted)
    else
      added = redis.pcall('XADD', stream, id, '1', entry, 'p', previous, 'b', counted)
    end
    if type(added) ~= 'table' or not added.err then break end
    -- The stream has seen greater ids than the state knows of.
    local info = redis.pcall('XINFO', 'STREAM', stream)
    if info.err then break end
    for field = 1, #info - 1, 2 do
      if info[field] == 'last-generated-id' then rise(info[field + 1]) end
    end
  end
  if type(added) == 'table' and added.err then
    return '!STREAM ' .. string.gsub(added.err, '[\r\n]', ' ')
  end
  if channels and not head then channels = channels + 1 end
  total = total + #entry
  if bytes > 0 and total - base > bytes then base = trim_bytes(stream, total) end
  if age > 0 then
    redis.call('XTRIM', stream, 'MINID', '=', string.format('%.0f', math.max(0, now - age)))
    redis.call('PEXPIRE', stream, ARGV[5])
  end
  redis.call('HSET', KEYS[2], name, string.format('%s %.0f %.0f', id, total, base))
  if key then redis.call('SET', key, id .. ' ' .. digest, 'PX', ARGV[8]) end
  news[#news + 1] = id .. ' ' .. previous .. ' ' .. #name .. ' ' .. #entry .. '\n' .. name .. entry
  return id .. ' ' .. previous
end

for draft = 1, drafts do results[draft] = keep(draft) end
redis.call('HSET', KEYS[1], 'last', string.format('%.0f-%.0f', ms, seq))
local lines = table.concat(results, '\n')
redis.call('SET', KEYS[3], ARGV[2] .. '\n' .. lines, 'PX', 60000)
if #news > 0 then redis.call('PUBLISH', ARGV[1], '1\n' .. table.concat(news)) end
return lines
