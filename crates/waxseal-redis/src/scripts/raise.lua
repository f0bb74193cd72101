-- Ends all sessions of an owner but the one with the pass, if any.
-- KEYS: the owner's generation and index. ARGV[5]: the pass; ARGV[6]: the kept public id or ''; ARGV[7]: the end of
-- its absolute lifetime; ARGV[8]: the generation at which the pass was given.
local state = redis.call('GET', KEYS[1])
-- Sent twice, by the network: it was done the first time.
if state and string.sub(state, 9, 16) == ARGV[5] then
  -- Written again, so that `WAIT` waits for it. The first write does nothing, so that a full server takes the second.
  redis.call('ZREM', KEYS[2], '')
  redis.call('SET', KEYS[1], state)
  return 1
end
-- Raised since by somebody else: the pass is good for one step, and the kept session may have another by now.
if ARGV[6] ~= '' and state and number(state, 1) > number(ARGV[8], 1) then return 0 end
-- First, so that a full server takes what follows: to end sessions must always be possible.
redis.call('UNLINK', KEYS[2])
redis.call('SET', KEYS[1], packed((state and number(state, 1) or 0) + 1) .. ARGV[5])
if ARGV[6] ~= '' then enlist(KEYS[2], ARGV[6], tonumber(ARGV[7])) end
return 1
