-- KEYS: row. ARGV[5]: owner; ARGV[6]: public id.
local row = head(KEYS[1])
if not lives(row) or owner(row) ~= ARGV[5] then return 0 end
local held = holds(row)
if held == false then return 0 end
redis.call('DEL', KEYS[1])
if OWNERS ~= '' then redis.call('ZREM', OWNERS .. '{' .. tag(row) .. '}:s', ARGV[6]) end
return answer(1, doubt(row, held))
