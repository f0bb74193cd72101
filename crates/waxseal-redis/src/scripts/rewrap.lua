-- KEYS: row. ARGV[5]: hash; ARGV[6]: revision; ARGV[7]: kid; ARGV[8]: the sealed bytes.
local row = head(KEYS[1])
if not lives(row) or hash(row) ~= ARGV[5] or revision(row) ~= ARGV[6] then return 0 end
local held = holds(row)
if held == false then return 0 end
local texts = is_owned(row) and 32 + string.byte(row, 103) or 0
local front = string.sub(row, 1, 104 + texts + string.byte(row, 104))
redis.call('SET', KEYS[1], string.sub(front, 1, 81) .. ARGV[7] .. string.sub(front, 86) .. ARGV[8], 'KEEPTTL')
return answer(1, doubt(row, held))
