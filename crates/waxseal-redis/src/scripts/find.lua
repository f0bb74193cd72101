-- KEYS: row, tombstones. ARGV[5]: hash; ARGV[6]: the last byte wanted of the row.
local row = redis.call('GETRANGE', KEYS[1], 0, ARGV[6])
if lives(row) and hash(row) == ARGV[5] then
  local held = holds(row)
  if held ~= false then return answer(1, doubt(row, held), row) end
end
if has_tombstone(KEYS[2], ARGV[5]) then return 2 end
return 0
