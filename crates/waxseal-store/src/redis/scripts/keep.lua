-- Gives a session the pass with which it outlives the end of its owner's others. Changes nothing else.
-- KEYS: row, traces. ARGV[5]: hash; ARGV[6]: owner; ARGV[7]: the owner's generation; ARGV[8]: the pass.
local row, held = follow(KEYS[1], KEYS[2], ARGV[5])
if not row or not held or owner(row) ~= ARGV[6] then return {0, false} end
-- Changes nothing, and comes first, so that a full server takes what follows: the row stays as long as it is.
redis.call('PEXPIRE', KEYS[1], math.max(redis.call('PTTL', KEYS[1]), 1))
redis.call('SETRANGE', KEYS[1], 85, ARGV[7] .. ARGV[8])
return {1, false, string.sub(row, 74, 81)}
