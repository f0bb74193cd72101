-- Writes, and changes nothing: since Redis 7.2, `WAIT` waits for the last write of its own connection, and thereby for
-- all that others wrote before.
-- KEYS: row.
local row = head(KEYS[1])
if row ~= '' then
  redis.call('PEXPIRE', KEYS[1], ttl(expires(row)))
else
  -- First, so that a full server takes what follows.
  redis.call('DEL', KEYS[1])
  redis.call('SET', KEYS[1], '')
  redis.call('DEL', KEYS[1])
end
return 1
