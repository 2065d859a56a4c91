-- Sends the raw requests of the file BENCH_REQUESTS in turn (separated by a NUL byte); "#########" in one becomes a number that no other
-- has. With BENCH_COUNT, answers are counted by status. With BENCH_ROTATE, the name of a member, each request is sent once, and each
-- token of that name that comes back makes the next one: a chain of rotations for each connection. With BENCH_PAUSE each connection waits
-- between 0 and twice so many milliseconds before it asks again. The last line printed is the result as JSON.
local requests, at, serial = {}, 0, tonumber(os.getenv("BENCH_SERIAL") or "0")
local threads = {}

function setup(thread) threads[#threads + 1] = thread end

function init()
  local file = io.open(os.getenv("BENCH_REQUESTS"), "rb")
  for one in file:read("*a"):gmatch("[^%z]+") do requests[#requests + 1] = one end
  file:close()
  numbered = requests[1]:find("#########", 1, true) ~= nil
end

function request()
  at = at % #requests + 1
  if not numbered then return requests[at] end
  serial = serial + 1
  return (requests[at]:gsub("#########", string.format("%09d", serial)))
end

local member = os.getenv("BENCH_ROTATE")
if member then
  -- A request with another token: the first one's, which is JSON or a form.
  local head, before, after
  local function with(token)
    if not head then
      local body
      head, body = requests[1]:match("^(.-\r\n)\r\n(.*)$")
      before, after = body:match('^(.*"' .. member .. '": *")[^"]+(.*)$')
      if not before then before, after = body:match("^(.*" .. member .. "=)[^&]+(.*)$") end
    end
    local body = before .. token .. after
    return head:gsub("Content%-Length: %d+", "Content-Length: " .. #body) .. "\r\n" .. body
  end

  function request()
    -- None left means that rotations failed: what is sent again is refused, and counted.
    return #requests > 1 and table.remove(requests, 1) or requests[1]
  end

  function response(status, headers, body)
    local token = body:match('"' .. member .. '": *"([^"]+)"')
    if token then requests[#requests + 1] = with(token) end
  end
end

local pause = tonumber(os.getenv("BENCH_PAUSE") or "0")
if pause > 0 then
  function delay() return math.random(0, 2 * pause) end
end

s2xx, s4xx, s503, s5xx = 0, 0, 0, 0
if os.getenv("BENCH_COUNT") then
  function response(status)
    if status < 300 then s2xx = s2xx + 1
    elseif status == 503 then s503 = s503 + 1
    elseif status >= 500 then s5xx = s5xx + 1
    else s4xx = s4xx + 1 end
  end
end

function done(summary, latency)
  local ok, bad, busy, broken = 0, 0, 0, 0
  for _, thread in ipairs(threads) do
    ok, bad = ok + thread:get("s2xx"), bad + thread:get("s4xx")
    busy, broken = busy + thread:get("s503"), broken + thread:get("s5xx")
  end
  local e = summary.errors
  print(string.format(
    '{"requests":%d,"seconds":%.6f,"p50":%.4f,"p99":%.4f,"max":%.4f,"non2xx":%d,"socket":%d,"s2xx":%d,"s4xx":%d,"s503":%d,"s5xx":%d}',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1000, latency:percentile(99) / 1000, latency.max / 1000,
    e.status, e.connect + e.read + e.write + e.timeout, ok, bad, busy, broken))
end
