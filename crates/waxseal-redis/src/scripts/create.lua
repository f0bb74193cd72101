-- KEYS: row, tombstones, and on a server that has all keys: the owner's generation and index, if there is an owner.
-- ARGV[5]: public id; ARGV[6]: the new row; ARGV[7]: in a cluster, the owner's generation.
local new = ARGV[6]
local row = head(KEYS[1])
if lives(row) then
  local held = holds(row)
  if held == nil then return answer(3, doubt(row, held)) end
  if held then return 0 end
end
if has_tombstone(KEYS[2], hash(new)) then return 0 end
if is_owned(new) then
  local since = KEYS[3] and generation(KEYS[3]) or ARGV[7]
  new = string.sub(new, 1, 85) .. since .. ZERO .. string.sub(new, 102)
end
redis.call('SET', KEYS[1], new, 'PX', ttl(expires(new)))
if KEYS[3] then enlist(KEYS[4], ARGV[5], absolute_end(new)) end
return 1
