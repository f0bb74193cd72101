-- KEYS: row, traces. ARGV[5]: hash; ARGV[6]: handle.
local row, held = follow(KEYS[1], KEYS[2], ARGV[5])
if not row then return {0, false} end
redis.call('DEL', KEYS[1])
if OWNERS ~= '' and is_owned(row) then redis.call('ZREM', OWNERS .. '{' .. tag(row) .. '}:s', ARGV[6]) end
return {1, doubt(row, held)}
