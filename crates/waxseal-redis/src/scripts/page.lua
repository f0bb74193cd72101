-- A part of an owner's list, in the order of ends and public ids.
-- KEYS: the owner's index. ARGV[5]: how many; ARGV[6]: the last public id before, or ''; ARGV[7]: its score.
local first = 0
if ARGV[6] ~= '' then
  local rank = redis.call('ZRANK', KEYS[1], ARGV[6])
  -- If it has left the list, or moved on in it, whatever may have followed it.
  local score = rank and redis.call('ZSCORE', KEYS[1], ARGV[6])
  if rank and tonumber(score) == tonumber(ARGV[7]) then
    first = rank + 1
  else
    first = redis.call('ZCOUNT', KEYS[1], '-inf', '(' .. ARGV[7])
  end
end
return redis.call('ZRANGE', KEYS[1], first, first + ARGV[5] - 1, 'WITHSCORES')
