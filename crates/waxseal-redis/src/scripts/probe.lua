-- Whether a write would be taken, and the server's time. KEYS: the probe. Replicated as any write.
redis.call('SET', KEYS[1], '', 'PX', 60000)
local time = redis.call('TIME')
return {tonumber(time[1]), tonumber(time[2])}
