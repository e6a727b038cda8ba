-- One 28x28x1 picture for wrk, as the Open Inference Protocol's binary tensor or as JSON:
--
--   wrk -t1 -c16 -d5 --latency -s bench/serve/wrk.lua http://127.0.0.1:8501 -- binary MODEL INPUT
--   wrk -t1 -c16 -d5 --latency -s bench/serve/wrk.lua http://127.0.0.1:8501 -- json MODEL INPUT
--
-- MODEL and INPUT are names: GET /v2/models/MODEL tells the input's. Answers that are not 200 are counted and shown.
-- The floats are written by hand: LuaJIT has no string.pack.

local function bytes_of(x) -- little-endian float32 of a number from 0 to 1
    if x == 0 then return "\0\0\0\0" end
    local mantissa, exponent = math.frexp(x) -- x = mantissa * 2^exponent, mantissa from 0.5 to 1
    local m = math.floor((mantissa * 2 - 1) * 2 ^ 23 + 0.5)
    local e = exponent + 126
    if m == 2 ^ 23 then m, e = 0, e + 1 end
    return string.char(m % 256, math.floor(m / 256) % 256, math.floor(m / 65536) + (e % 2) * 128, math.floor(e / 2))
end

function init(args)
    local kind, model, input = args[1] or "binary", args[2] or "model", args[3] or "input_layer"
    local numbers, binary = {}, {}
    for i = 0, 783 do
        local x = (i * 37 % 256) / 255
        numbers[#numbers + 1] = string.format("%.6g", x)
        binary[#binary + 1] = bytes_of(x)
    end
    local head = string.format('{"inputs":[{"name":"%s","shape":[1,28,28,1],"datatype":"FP32",', input)
    wrk.method = "POST"
    wrk.path = "/v2/models/" .. model .. "/infer"
    if kind == "json" then
        wrk.headers["Content-Type"] = "application/json"
        wrk.body = head .. '"data":[' .. table.concat(numbers, ", ") .. "]}]}"
    else
        local json = head .. '"parameters":{"binary_data_size":3136}}],"parameters":{"binary_data_output":true}}'
        wrk.headers["Content-Type"] = "application/octet-stream"
        wrk.headers["Inference-Header-Content-Length"] = tostring(#json)
        wrk.body = json .. table.concat(binary)
    end
    request_bytes = wrk.format()
end

function request()
    return request_bytes
end

local threads = {}

function setup(thread)
    threads[#threads + 1] = thread
end

function response(status, headers, body)
    if status ~= 200 then
        refused = (refused or 0) + 1
        refusal = status .. " " .. body
    end
end

function done()
    for _, thread in ipairs(threads) do
        if thread:get("refused") then print("not 200: " .. thread:get("refused") .. ", such as " .. thread:get("refusal")) end
    end
end
