-- wrk -s texts.lua URL -- BASIC COUNT: each request sends a marked text to the next of COUNT users.
-- wrk -s texts.lua URL -- BASIC: each request gets URL. The last line printed is a JSON object.
local ffi = require("ffi")
ffi.cdef("typedef struct { long s; long ns; } moment; int clock_gettime(int, moment *);")
local now, count, number, plain = ffi.new("moment"), 0, 0, nil

function init(arguments)
  wrk.headers["Authorization"] = "Basic " .. arguments[1]
  count = tonumber(arguments[2] or "")
  plain = not count and wrk.format("GET")
end

function request()
  if plain then return plain end
  number = number + 1
  ffi.C.clock_gettime(0, now)
  local path = "/ari/endpoints/sendMessage?to=pjsip:u%05d&from=sip:bench@example.org&body=T%d%09d.%d."
  return wrk.format("PUT", path:format(number % count, tonumber(now.s), tonumber(now.ns), number), nil, "")
end

function done(summary, latency)
  local e = summary.errors
  local line = '{"operations":%d,"failed":%d,"wall_s":%.3f,"p50_ms":%.3f,"p99_ms":%.3f,"max_ms":%.3f}\n'
  io.write(line:format(summary.requests, e.status + e.connect + e.read + e.write + e.timeout, summary.duration / 1e6,
    latency:percentile(50) / 1000, latency:percentile(99) / 1000, latency.max / 1000))
end
