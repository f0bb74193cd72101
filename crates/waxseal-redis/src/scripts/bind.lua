-- KEYS: the owner's generation and index. ARGV[5]: public id; ARGV[6]: the end of the absolute lifetime.
enlist(KEYS[2], ARGV[5], tonumber(ARGV[6]))
-- Writes, even if the list had it already, so that `WAIT` waits for it.
redis.call('PEXPIRE', KEYS[2], math.max(redis.call('PTTL', KEYS[2]), 1))
return redis.call('GET', KEYS[1]) or ''
