-- Gives a session the pass with which it outlives the end of its owner's others. Changes nothing else; says until when
-- the session lasts at most, which pass it has, and for the step from which generation.
-- KEYS: row. ARGV[5]: hash; ARGV[6]: owner; ARGV[7]: the owner's generation; ARGV[8]: the pass.
local row = head(KEYS[1])
if not lives(row) or hash(row) ~= ARGV[5] or owner(row) ~= ARGV[6] or not holds(row) then return 0 end
-- It may have become its owner's after the generation was read.
local since, pass = ARGV[7], ARGV[8]
if number(row, 86) > number(since, 1) then since = string.sub(row, 86, 93) end
-- Somebody else is about to keep it too: with one pass for both, neither ends it for the other.
if string.sub(row, 86, 93) == since and string.sub(row, 94, 101) ~= ZERO then pass = string.sub(row, 94, 101) end
-- Changes nothing, and comes first, so that a full server takes what follows: the row stays as long as it is.
redis.call('PEXPIRE', KEYS[1], math.max(redis.call('PTTL', KEYS[1]), 1))
redis.call('SETRANGE', KEYS[1], 85, since .. pass)
return {1, string.sub(row, 74, 81), pass, since}
