-- KEYS: row. ARGV[5]: hash; ARGV[6]: the idle end.
local row = head(KEYS[1])
if not lives(row) or hash(row) ~= ARGV[5] then return 0 end
local held = holds(row)
if held == false then return 0 end
local ends = math.max(expires(row), math.min(tonumber(ARGV[6]), absolute_end(row)))
local seen = math.max(number(row, 58), NOW)
-- In this order, so that it is done on a full server too: the row stays as long as it is.
redis.call('PEXPIRE', KEYS[1], ttl(ends))
redis.call('SETRANGE', KEYS[1], 49, packed(ends) .. packed(seen))
return answer(1, doubt(row, held))
