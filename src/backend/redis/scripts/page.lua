-- One page of a channel. KEYS: state, heads, the stream. ARGV: name, 'oldest' or 'now' or 'after', the cursor, messages,
-- bytes, age in milliseconds (0: none). Returns: gap, floor, last, more, entries.
local birth = redis.call('HGET', KEYS[1], 'birth')
if not birth then return redis.error_reply('UNBEGUN there is no state') end
local kind, cursor, messages, bytes, age = ARGV[2], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local head = redis.call('HGET', KEYS[2], ARGV[1])
if not head then
  return {(kind == 'after' and cursor ~= birth) and 1 or 0, birth, birth, 0, {}}
end
local last = string.match(head, '^(%S+)')
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if age > 0 then
  local trimmed = redis.pcall('XTRIM', KEYS[3], 'MINID', '=', string.format('%.0f', math.max(0, now - age)))
end
local function parts(id)
  local ms, seq = string.match(id, '^(%d+)-(%d+)$')
  return tonumber(ms), tonumber(seq)
end
local function less(a, b)
  local ams, aseq = parts(a)
  local bms, bseq = parts(b)
  return ams < bms or (ams == bms and aseq < bseq)
end
local function previous(entry)
  local fields = entry[2]
  for at = 1, #fields - 1, 2 do
    if fields[at] == 'p' then return fields[at + 1] end
  end
  return ''
end
local function size(entry)
  local total = 0
  for _, field in ipairs(entry[2]) do total = total + #field end
  return total
end
local floor = last
local first = redis.call('XRANGE', KEYS[3], '-', '+', 'COUNT', 1)
if first[1] then floor = previous(first[1]) end
if kind == 'now' then return {0, floor, last, 0, {}} end
-- Entries from here on, and whether there are more.
local function read(from)
  local found, total = {}, 0
  while true do
    local wanted = math.min(64, messages + 1 - #found)
    local entries = redis.call('XRANGE', KEYS[3], from, '+', 'COUNT', wanted)
    for _, entry in ipairs(entries) do
      total = total + size(entry)
      if #found > 0 and (#found >= messages or total > bytes) then return found, 1 end
      found[#found + 1] = entry
      from = '(' .. entry[1]
    end
    if #entries < wanted then return found, 0 end
  end
end
if kind == 'oldest' then
  local entries, more = read('-')
  return {0, floor, last, more, entries}
end
local ms = parts(cursor)
local entries, more = {}, 0
if ms < 18446744073709551615 then entries, more = read('(' .. cursor) end
if entries[1] then
  local before, gap = previous(entries[1]), 0
  if before ~= '' and before ~= cursor then
    -- Unless the cursor is that of an entry that is not ours, behind which a page has ended.
    local own = redis.call('XRANGE', KEYS[3], cursor, cursor)
    gap = own[1] and previous(own[1]) == '' and 0 or 1
  end
  return {gap, floor, last, more, entries}
end
if cursor == last then return {0, floor, last, 0, {}} end
if less(last, cursor) and ms > now then
  -- Of another life altogether: no message has had this id, and none of ours would be in its order.
  entries, more = read('-')
end
return {1, floor, last, more, entries}
