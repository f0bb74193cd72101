-- KEYS: row. ARGV[5]: owner.
local row = redis.call('GET', KEYS[1]) or ''
if not lives(row) or owner(row) ~= ARGV[5] then return 0 end
local held = holds(row)
if held == false then return 0 end
return answer(1, doubt(row, held), row)
