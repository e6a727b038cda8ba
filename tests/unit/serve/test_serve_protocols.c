/* SPDX-License-Identifier: Apache-2.0
 *
 * TensorFlow Serving's REST, the Open Inference Protocol and /predict on the wire: right answers to the bit, and the
 * right refusals. */
#define _POSIX_C_SOURCE 200809L
#include "serve_client.h"

static const hone_shape pair = {1, {2}}, image = {3, {4, 4, 1}};
static hone_server *server;

static int begin(void **state) {
    if (make_folder(state) != 0) return -1;
    save_model(&pair, 0, 1, in_folder("pair.h5"));
    save_model(&image, 0, 2, in_folder("image.h5"));
    hone_served_model models[] = {{"pair", in_folder("pair.h5")}, {"a\"b", in_folder("image.h5")}};
    hone_server_config config = hone_server_config_default();
    config.models = models;
    config.model_count = 2;
    config.threads = 2;
    config.max_body = 100000;
    config.max_pixels = 10000;
    config.other_metrics = true;
    server = start_server(&config);
    return 0;
}

static int end(void **state) {
    hone_server_free(server);
    return remove_folder(state);
}

static void want_row(const hone_value *list, const float *expected, size_t n) {
    assert_int_equal(hone_value_count(list), n);
    for (size_t i = 0; i < n; i++) {
        double value;
        assert_true(hone_value_as_real(hone_value_at(list, i), &value));
        assert_true((float)value == expected[i]);
    }
}

static void rows_and_columns_answer_as_the_model_does(void **state) {
    (void)state;
    static const float x[4] = {0.0f, 0.5f, 1.0f, 0.25f};
    float y[6];
    expected_outputs(&pair, 1, x, 2, y);
    static const char *const rows[] = {
        "{\"instances\": [[0.0, 0.5], [1, 0.25]]}",
        "{\"instances\": [{\"x\": [0.0, 0.5]}, {\"x\": [1.0, 0.25]}], \"signature_name\": \"serving_default\"}",
        "{\"other\": {\"a\": [null]}, \"signature_name\": \"\", \"instances\": [[0e0, 5e-1], [1.0, 25e-2]]} tail"};
    for (size_t i = 0; i < 3; i++) {
        reply *r = ask_text(server, "POST /v1/models/pair:predict", rows[i]);
        want(r, 200, "\"predictions\"");
        hone_value *v = parse_reply(r);
        want_row(hone_value_at(hone_value_get(v, "predictions"), 0), y, 3);
        want_row(hone_value_at(hone_value_get(v, "predictions"), 1), y + 3, 3);
        hone_value_free(v);
    }
    static const char *const columns[] = {"{\"inputs\": [[0.0, 0.5], [1, 0.25]]}",
                                          "{\"inputs\": {\"x\": [[0.0, 0.5], [1, 0.25]], \"more\": 1}}"};
    for (size_t i = 0; i < 2; i++) {
        reply *r = ask(server, "POST /v1/models/pair/versions/1:predict",
                       "Content-Type: application/x-www-form-urlencoded\r\n", columns[i], strlen(columns[i]));
        want(r, 200, "\"outputs\"");
        hone_value *v = parse_reply(r);
        want_row(hone_value_at(hone_value_get(v, "outputs"), 1), y + 3, 3);
        hone_value_free(v);
    }
}

static void tensorflow_refuses_in_its_words(void **state) {
    (void)state;
    static const struct {
        const char *line, *body;
        int status;
        const char *text;
    } cases[] = {
        {"POST /v1/models/pair:predict", "", 400, "The document is empty"},
        {"POST /v1/models/pair:predict", "[]", 400, "JSON Parse error"},
        {"POST /v1/models/pair:predict", "{\"instances\": [[1, 2]", 400, "JSON Parse error"},
        {"POST /v1/models/pair:predict", "{}", 400, "Missing 'inputs' or 'instances' key"},
        {"POST /v1/models/pair:predict", "{\"instances\": [[1, 2]], \"inputs\": [[1, 2]]}", 400, "both"},
        {"POST /v1/models/pair:predict", "{\"instances\": []}", 400, "empty"},
        {"POST /v1/models/pair:predict", "{\"instances\": 7}", 400, "list"},
        {"POST /v1/models/pair:predict", "{\"instances\": [[1, 2], [1]]}", 400, "has 1 items, expected 2"},
        {"POST /v1/models/pair:predict", "{\"instances\": [[1, 2, 3]]}", 400, "more than 2"},
        {"POST /v1/models/pair:predict", "{\"instances\": [[1, [2]]]}", 400, "level 1"},
        {"POST /v1/models/pair:predict", "{\"instances\": [[1, \\\"a\\\"]]}", 400, "number"},
        {"POST /v1/models/pair:predict", "{\"instances\": [[1, 2], {\"x\": [1, 2]}]}", 400, "mixes"},
        {"POST /v1/models/pair:predict", "{\"instances\": [{\"y\": [1, 2]}]}", 400, "no input 'y'"},
        {"POST /v1/models/pair:predict", "{\"instances\": [{\"x\": [1, 2], \"x\": [1, 2]}]}", 400, "twice"},
        {"POST /v1/models/pair:predict", "{\"instances\": [{}]}", 400, "0 of the model's 1 inputs"},
        {"POST /v1/models/pair:predict", "{\"instances\": [{\"b64\": \"AAAA\"}]}", 400, "an object"},
        {"POST /v1/models/pair:predict", "{\"inputs\": {\"b64\": \"AAAA\"}}", 400, "an object"},
        {"POST /v1/models/pair:predict", "{\"instances\": [[1, 2]], \"signature_name\": 5}", 400, "must be a string"},
        {"POST /v1/models/pair:predict", "{\"instances\": [[1, 2]], \"signature_name\": \"other\"}", 400, "other"},
        {"POST /v1/models/pair:predict", "{\"instances\": [[1, 2]], \"signature_name\": \"with_unknown\"}", 400,
         "with_unknown"}, /* a model that does not know what it does not know */
        {"POST /v1/models/none:predict", "{\"instances\": [[1, 2]]}", 404, "Latest(none)"},
        {"POST /v1/models/pair/versions/7:predict", "{\"instances\": [[1, 2]]}", 404, "Specific(pair, 7)"},
        {"POST /v1/models/pair/versions/99999999999999999999:predict", "{}", 400, "Malformed request"},
        {"POST /v1/models/pair/labels/stable:predict", "{}", 400, "label: stable"},
        {"POST /v1/models/pair:explain", "{}", 400, "Malformed request: POST"},
        {"POST /v1/models/pair", "{}", 400, "Malformed request: POST"},
        {"GET /v1/models/pair:predict", NULL, 400, "Malformed request: GET"},
        {"GET /v1/models", NULL, 400, "Missing model name in request."},
        {"GET /v1/models/none", NULL, 404, "Could not find any versions of model none"},
        {"GET /v1/models/none/metadata", NULL, 404, "none"},
        {"POST /v1/models/pair:regress", "{\"examples\": [{\"x\": [1.0, 2.0]}]}", 400, "3 outputs"},
        {"POST /v1/models/pair:classify", "{\"examples\": []}", 400, "examples"},
        {"POST /v1/models/pair:classify", "{\"examples\": [{\"x\": [1, 0.5]}]}", 400, "mixes"},
        {"POST /v1/models/pair:classify", "{\"examples\": [{\"x\": [null, 0.5]}]}", 400, "no number"},
        {"POST /v1/models/pair:classify", "{\"examples\": [{\"x\": [0.5]}]}", 400, "1 values, expected 2"},
        {"GET /v1", NULL, 404, "not found"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        reply *r = ask_text(server, cases[i].line, cases[i].body);
        want(r, cases[i].status, cases[i].text);
        hone_value *v = parse_reply(r); /* an error is JSON, whatever the client sent */
        assert_non_null(hone_value_as_string(hone_value_get(v, "error")));
        hone_value_free(v);
    }
}

static void tensorflow_describes_its_models(void **state) {
    (void)state;
    hone_value *v = parse_reply(ask_text(server, "GET /v1/models/pair", NULL));
    const hone_value *status = hone_value_at(hone_value_get(v, "model_version_status"), 0);
    assert_string_equal(hone_value_as_string(hone_value_get(status, "version")), "1");
    assert_string_equal(hone_value_as_string(hone_value_get(status, "state")), "AVAILABLE");
    hone_value_free(v);
    want(ask_text(server, "GET /v1/MODELS", NULL), 404, NULL);
    v = parse_reply(ask_text(server, "GET /v1/models/pair/versions/1/metadata", NULL));
    const hone_value *d = hone_value_get(hone_value_get(v, "metadata"), "signature_def");
    d = hone_value_get(hone_value_get(d, "signature_def"), "serving_default");
    const hone_value *x = hone_value_get(hone_value_get(d, "inputs"), "x");
    assert_string_equal(hone_value_as_string(hone_value_get(x, "dtype")), "DT_FLOAT");
    const hone_value *dims = hone_value_get(hone_value_get(x, "tensor_shape"), "dim");
    assert_string_equal(hone_value_as_string(hone_value_get(hone_value_at(dims, 0), "size")), "-1");
    assert_string_equal(hone_value_as_string(hone_value_get(hone_value_at(dims, 1), "size")), "2");
    hone_value_free(v);
    v = parse_reply(ask_text(server, "POST /v1/models/pair:classify", "{\"examples\": [{\"x\": [0.0, 0.5]}]}"));
    const hone_value *first = hone_value_at(hone_value_at(hone_value_get(v, "results"), 0), 2);
    assert_string_equal(hone_value_as_string(hone_value_at(first, 0)), "\"owl\"");
    hone_value_free(v);
    want(ask(server, "OPTIONS /v1/models/pair:predict", "Origin: https://a.example\r\n", NULL, 0), 200, NULL);
    want(ask(server, "OPTIONS /v1/models/pair:predict", "", NULL, 0), 400, "Origin");
    /* A method that is not there: what is, is said. */
    const reply *r = ask(server, "PUT /v2/models/pair/infer", "", NULL, 0);
    want(r, 405, NULL);
    assert_string_equal(header_of(r, "Allow"), "POST");
    r = ask(server, "DELETE /v2/models/pair", "", NULL, 0);
    want(r, 405, NULL);
    assert_string_equal(header_of(r, "Allow"), "GET");
}

/* ---- Open Inference Protocol ----------------------------------------------------------------------------------- */

static const char worked[] =
    "{\"inputs\":[{\"name\":\"x\",\"shape\":[1,2],\"datatype\":\"FP32\",\"parameters\":{"
    "\"binary_data_size\":8}}],\"outputs\":[{\"name\":\"p\",\"parameters\":{\"binary_data\":true}}]}"
    "\x00\x00\x00\x3f\x00\x00\x80\xbf";
enum { WORKED_JSON = 152, WORKED_SIZE = 160 };

/* The floats behind the JSON of a binary reply. */
static void want_binary(const reply *r, const float *expected, size_t n) {
    want(r, 200, "\"binary_data_size\":");
    const char *length = header_of(r, "Inference-Header-Content-Length");
    assert_non_null(length);
    size_t json = strtoul(length, NULL, 10);
    assert_int_equal(r->size, json + n * sizeof(float));
    assert_memory_equal(r->body + json, expected, n * sizeof(float));
    assert_string_equal(header_of(r, "Content-Type"), "application/octet-stream");
}

static void inference_takes_json_and_bytes(void **state) {
    (void)state;
    static const float x[4] = {0.5f, -1.0f, 0.0f, 2.0f};
    float y[6];
    expected_outputs(&pair, 1, x, 2, y);
    assert_int_equal(sizeof worked - 1, WORKED_SIZE);
    want_binary(
        ask(server, "POST /v2/models/pair/infer", "Inference-Header-Content-Length: 152\r\n", worked, WORKED_SIZE), y,
        3);
    /* raw: the body is the input, and the answer binary */
    want_binary(
        ask(server, "POST /v2/models/pair/versions/1/infer", "Inference-Header-Content-Length: 0\r\n", x, sizeof x), y,
        6);
    static const char *const bodies[] = {
        "{\"id\":\"42\",\"inputs\":[{\"name\":\"x\",\"shape\":[2,2],\"datatype\":\"FP32\",\"data\":[0.5,-1,0,2.0]}]}",
        "{\"inputs\":[{\"data\":[[0.5,-1],[0,2]],\"datatype\":\"FP32\",\"shape\":[2,2],\"name\":\"x\"}],\"id\":\"42\"}",
        ("{\"inputs\":[{\"name\":\"\\u0078\",\"shape\":[2,2],\"datatype\":\"FP32\",\"data\":[0.5,-1,0,2.0]}],\"id\":"
         "\"42\","
         "\"parameters\":{\"binary_data_output\":true,\"x\":1},"
         "\"outputs\":[{\"name\":\"p\",\"parameters\":{\"binary_data\":false}}]}")};
    for (size_t i = 0; i < 3; i++) {
        reply *r = ask_text(server, "POST /v2/models/pair/infer", bodies[i]);
        want(r, 200, "\"id\":\"42\"");
        assert_null(header_of(r, "Inference-Header-Content-Length"));
        hone_value *v = parse_reply(r);
        assert_string_equal(hone_value_as_string(hone_value_get(v, "model_version")), "1");
        const hone_value *out = hone_value_at(hone_value_get(v, "outputs"), 0);
        assert_string_equal(hone_value_as_string(hone_value_get(out, "datatype")), "FP32");
        want_row(hone_value_get(out, "data"), y, 6);
        hone_value_free(v);
    }
    reply *r = ask_text(server, "POST /v2/models/pair/infer",
                        "{\"inputs\":[{\"name\":\"x\",\"shape\":[1,2],\"datatype\":\"FP32\",\"data\":[1,2]}],"
                        "\"outputs\":[{\"name\":\"p\",\"parameters\":{\"classification\":2}}]}");
    want(r, 200, "\"datatype\":\"BYTES\",\"shape\":[1,2]");
    hone_value *v = parse_reply(r);
    const hone_value *data = hone_value_get(hone_value_at(hone_value_get(v, "outputs"), 0), "data");
    double first, second;
    int index;
    char name[16];
    assert_int_equal(sscanf(hone_value_as_string(hone_value_at(data, 0)), "%lf:%d:%15s", &first, &index, name), 3);
    assert_int_equal(sscanf(hone_value_as_string(hone_value_at(data, 1)), "%lf:", &second), 1);
    assert_true(first >= second && index >= 0 && index < 3);
    hone_value_free(v);
}

static void pixels_are_scaled_by_the_model(void **state) {
    (void)state;
    unsigned char body[256] = {0};
    float x[16], y[3];
    char head[200], length[64];
    int n = snprintf(head, sizeof head,
                     "{\"inputs\":[{\"name\":\"x\",\"shape\":[1,4,4,1],\"datatype\":\"UINT8\",\"parameters\":{"
                     "\"binary_data_size\":16}}],\"parameters\":{\"binary_data_output\":true}}");
    memcpy(body, head, (size_t)n);
    for (int i = 0; i < 16; i++) body[n + i] = (unsigned char)(16 * i), x[i] = (float)(16 * i) / 255.0f;
    expected_outputs(&image, 2, x, 1, y);
    snprintf(length, sizeof length, "Inference-Header-Content-Length: %d\r\n", n);
    reply *r = ask(server, "POST /v2/models/a%22b/infer", length, body, (size_t)n + 16);
    want(r, 200, NULL);
    float got[3];
    memcpy(got, r->body + r->size - sizeof got, sizeof got);
    for (int i = 0; i < 3; i++) assert_float_equal(got[i], y[i], 1e-6);
    want(ask_text(server, "POST /v2/models/pair/infer",
                  "{\"inputs\":[{\"name\":\"x\",\"shape\":[1,2],\"datatype\":\"UINT8\",\"data\":[1,2]}]}"),
         400, "'UINT8'");
    want(ask_text(
             server, "POST /v2/models/a%22b/infer",
             "{\"inputs\":[{\"name\":\"x\",\"shape\":[1,4,4,1],\"datatype\":\"UINT8\",\"data\":[1,2,3,4,5,6,7,8,9,10,"
             "11,12,13,14,15,256]}]}"),
         400, "no UINT8");
}

static void inference_refuses_in_words(void **state) {
    (void)state;
#define INPUT(rest) "{\"inputs\":[{\"name\":\"x\"," rest "}]}"
    static const struct {
        const char *header, *body;
        int status;
        const char *text;
    } cases[] = {
        {"", "", 400, "JSON Parse error"},
        {"", "{}", 400, "expected 1 inputs but got 0"},
        {"", "{\"inputs\":[]}", 400, "expected 1 inputs but got 0"},
        {"", INPUT("\"shape\":[1,2],\"datatype\":\"FP32\",\"data\":[1]"), 400, "1 numbers, expected 2"},
        {"", INPUT("\"shape\":[1,2],\"datatype\":\"FP32\",\"data\":[1,2,3]"), 400, "3 numbers, expected 2"},
        {"", INPUT("\"shape\":[1,3],\"datatype\":\"FP32\",\"data\":[1,2,3]"), 400, "unexpected shape"},
        {"", INPUT("\"shape\":[0,2],\"datatype\":\"FP32\",\"data\":[]"), 400, "unexpected shape"},
        {"", INPUT("\"shape\":[-1,2],\"datatype\":\"FP32\",\"data\":[1,2]"), 400, "negative"},
        {"", INPUT("\"shape\":[1.5,2],\"datatype\":\"FP32\",\"data\":[1,2]"), 400, "no whole number"},
        {"", INPUT("\"shape\":[9007199254740992,2],\"datatype\":\"FP32\",\"data\":[1,2]"), 400, NULL},
        {"", INPUT("\"shape\":[4611686018427387904,2],\"datatype\":\"FP32\",\"data\":[1,2]"), 400, NULL},
        {"", INPUT("\"shape\":[1000000,2],\"datatype\":\"FP32\",\"data\":[1,2]"), 400, "fewer numbers"},
        {"", INPUT("\"shape\":[1,2],\"datatype\":\"FP64\",\"data\":[1,2]"), 400, "'FP64'"},
        {"", INPUT("\"shape\":[1,2],\"datatype\":\"FP32\""), 400, "neither"},
        {"", INPUT("\"shape\":[1,2],\"datatype\":\"FP32\",\"parameters\":{\"binary_data_size\":8}"), 400,
         "unexpected size"},
        {"", "{\"inputs\":[{\"name\":\"y\",\"shape\":[1,2],\"datatype\":\"FP32\",\"data\":[1,2]}]}", 400, "input 'y'"},
        {"", "{\"inputs\":[{\"shape\":[1,2],\"datatype\":\"FP32\",\"data\":[1,2]}]}", 400, "no 'name'"},
        {"",
         "{\"inputs\":[{\"name\":\"x\",\"shape\":[1,2],\"datatype\":\"FP32\",\"data\":[1,2]},{\"name\":\"x\",\"shape\":"
         "[1,2],\"datatype\":\"FP32\",\"data\":[1,2]}]}",
         400, "twice"},
        {"",
         "{\"inputs\":[{\"name\":\"x\",\"shape\":[1,2],\"datatype\":\"FP32\",\"data\":[1,2]}],\"outputs\":[{\"name\":"
         "\"q\"}]}",
         400, "output 'q'"},
        {"",
         "{\"inputs\":[{\"name\":\"x\",\"shape\":[1,2],\"datatype\":\"FP32\",\"data\":[1,2]}],\"outputs\":[{\"name\":"
         "\"unknown\"}]}",
         400, "output 'unknown'"},
        {"", INPUT("\"shape\":[1,2],\"datatype\":\"FP32\",\"data\":[1,2]") "x", 400, "follows"},
        {"Inference-Header-Content-Length: 161\r\n", worked, 400, "161"},
        {"Inference-Header-Content-Length: -1\r\n", worked, 400, "-1"},
        {"Inference-Header-Content-Length: ten\r\n", worked, 400, "ten"},
        {"Inference-Header-Content-Length: 151\r\n", worked, 400, "JSON Parse error"},
        {"Inference-Header-Content-Length: 0\r\n", "1234567", 400, "unexpected size"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t size = cases[i].body == worked ? WORKED_SIZE : strlen(cases[i].body);
        reply *r = ask(server, "POST /v2/models/pair/infer", cases[i].header, cases[i].body, size);
        want(r, cases[i].status, cases[i].text);
        hone_value *v = parse_reply(r);
        assert_non_null(hone_value_as_string(hone_value_get(v, "error")));
        hone_value_free(v);
    }
    /* leftover and short chunks */
    char body[WORKED_SIZE + 1];
    memcpy(body, worked, WORKED_SIZE);
    const char header[] = "Inference-Header-Content-Length: 152\r\n";
    want(ask(server, "POST /v2/models/pair/infer", header, body, WORKED_SIZE - 1), 400, "unexpected size");
    body[WORKED_SIZE] = 0;
    want(ask(server, "POST /v2/models/pair/infer", header, body, WORKED_SIZE + 1), 400,
         "unexpected additional input data");
}

static void inference_describes_itself(void **state) {
    (void)state;
    want(ask_text(server, "GET /v2", NULL), 200, "binary_tensor_data");
    want(ask_text(server, "GET /v2/", NULL), 200, "binary_tensor_data");
    want(ask_text(server, "GET /v2/health/live", NULL), 200, "\"live\": true");
    want(ask_text(server, "GET /v2/health/ready", NULL), 200, "\"live\": true");
    want(ask_text(server, "GET /v2/models/pair/ready", NULL), 200, "\"ready\": true");
    want(ask_text(server, "GET /v2/models/pair/versions/1/ready", NULL), 200, "\"ready\": true");
    want(ask_text(server, "GET /v2/models/pair/versions/2/ready", NULL), 404, "pair");
    want(ask_text(server, "GET /v2/models/none", NULL), 404, "none");
    want(ask_text(server, "GET /v2/models/pair/nothing", NULL), 404, NULL);
    want(ask_text(server, "POST /v2", "{}"), 405, "Method Not Allowed");
    want(ask_text(server, "GET /v2/models/pair/infer", NULL), 405, "Method Not Allowed");
    want(ask_text(server, "POST /v2/models/pair", "{}"), 405, "Method Not Allowed");
    hone_value *v = parse_reply(ask_text(server, "GET /v2/models/a%22b", NULL));
    assert_string_equal(hone_value_as_string(hone_value_get(v, "name")), "a\"b");
    const hone_value *in = hone_value_at(hone_value_get(v, "inputs"), 0);
    assert_string_equal(hone_value_as_string(hone_value_get(in, "name")), "x");
    assert_int_equal(hone_value_count(hone_value_get(in, "shape")), 4);
    hone_value_free(v);
}

/* ---- pictures -------------------------------------------------------------------------------------------------- */

static size_t read_file(const char *path, char *out, size_t room) {
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    size_t size = fread(out, 1, room, f);
    fclose(f);
    return size;
}

static size_t make_png(char *out, size_t room, int side) {
    hone_image picture = {side, side, 1, calloc((size_t)side * (size_t)side, 1)};
    for (int i = 0; i < side * side; i++) picture.pixels[i] = (unsigned char)(i * 7);
    assert_int_equal(hone_image_write(&picture, in_folder("picture.png"), NULL), HONE_OK);
    free(picture.pixels);
    return read_file(in_folder("picture.png"), out, room);
}

static void pictures_are_classified(void **state) {
    (void)state;
    char png[4096], form[16384];
    size_t size = make_png(png, sizeof png, 8);
    reply *r = ask(server, "POST /predict?model=a%22b&top=2", "", png, size);
    want(r, 200, "\"model\": \"a\\\"b\"");
    hone_value *v = parse_reply(r);
    const hone_value *one = hone_value_at(hone_value_get(v, "predictions"), 0);
    double confidence, first, sum = 0, p;
    int64_t index, version;
    assert_true(hone_value_as_real(hone_value_get(one, "confidence"), &confidence));
    assert_true(hone_value_as_integer(hone_value_get(one, "index"), &index));
    assert_true(hone_value_as_integer(hone_value_get(v, "version"), &version));
    assert_int_equal(version, 1);
    for (size_t i = 0; i < 3; i++) {
        assert_true(hone_value_as_real(hone_value_at(hone_value_get(one, "probabilities"), i), &p));
        assert_true(p <= confidence);
        sum += p;
    }
    assert_float_equal(sum, 1, 1e-5);
    assert_int_equal(hone_value_count(hone_value_get(one, "top")), 2);
    assert_true(hone_value_as_real(hone_value_get(hone_value_at(hone_value_get(one, "top"), 0), "confidence"), &first));
    assert_true(first == confidence);
    hone_value_free(v);

    size_t n = (size_t)sprintf(form, "--b\r\nContent-Disposition: form-data; name=\"note\"\r\n\r\nhello\r\n");
    for (int i = 0; i < 2; i++) {
        n += (size_t)sprintf(form + n, "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"%s\"\r\n\r\n",
                             i ? "图\xff\x1b.png" : "a\\\"1.png");
        memcpy(form + n, i ? "no picture at all" : png, i ? 17 : size);
        n += i ? 17 : size;
        n += (size_t)sprintf(form + n, "\r\n");
    }
    n += (size_t)sprintf(form + n, "--b--\r\n");
    const char type[] = "Content-Type: multipart/form-data; boundary=b\r\n";
    want(ask(server, "POST /predict?model=a%22b", type, form, n), 400, "picture 2 ('图??.png')");
    want(ask(server, "POST /predict?model=a%22b", type, form, n - 20), 400, "cut off");
    want(ask(server, "POST /predict?model=a%22b", "Content-Type: multipart/form-data\r\n", form, n), 400, "boundary");
    want(ask(server, "POST /predict?model=pair", "", png, size), 422, "no pictures");
    want(ask(server, "POST /predict?model=none", "", png, size), 404, "none");
    want(ask(server, "POST /predict?model=a%22b&top=0", "", png, size), 400, "top");
    want(ask(server, "POST /predict?model=a%22b&version=2", "", png, size), 404, "no version '2'");
    want(ask(server, "POST /predict?version=77", "", png, size), 404, "no version '77'");
    want(ask(server, "POST /predict?model=a%22b", "", "no picture", 10), 400, "not a picture");
    want(ask(server, "POST /predict?model=a%22b", "", "GIF89a", 6), 422, "a GIF file, where PNG or JPEG is expected");
    want(ask(server, "POST /predict?model=a%22b", "", "\0\0\0\030ftypheic", 12), 422, "a HEIC file");
    want(ask(server, "POST /predict?model=a%22b", "", "RIFF\0\0\0\0WEBPVP8 ", 16), 422, "a WebP file");
    want(ask(server, "POST /predict?model=a%22b", "", "", 0), 400, "no body");
    want(ask(server, "POST /predict?model=a%22b", "", png, size / 2), 400, NULL);
    /* a small file that says it is huge is refused before it is decoded */
    memcpy(png + 16, "\x00\x00\x7f\xff\x00\x00\x7f\xff", 8);
    want(ask(server, "POST /predict?model=a%22b", "", png, size), 413, "limit");
}

/* A model with a convolution says where it looks; one without says that it cannot. */
static void a_heat_map_is_as_large_as_the_input(void **state) {
    (void)state;
    char png[4096];
    size_t size = make_png(png, sizeof png, 8);
    hone_served_model models[] = {{"c", "mnist-cnn"}}; /* a preset: fresh weights */
    hone_server_config config = hone_server_config_default();
    config.models = models;
    config.model_count = 1;
    config.threads = 1;
    hone_server *s = start_server(&config);
    reply *r = ask(s, "POST /predict?heat_map=1&nearest=3", "", png, size);
    want(r, 200, "heat_map");
    hone_value *v = parse_reply(r);
    const hone_value *map = hone_value_get(hone_value_at(hone_value_get(v, "predictions"), 0), "heat_map");
    assert_int_equal(hone_value_count(map), 28);
    for (size_t y = 0; y < 28; y++) {
        assert_int_equal(hone_value_count(hone_value_at(map, y)), 28);
        for (size_t x = 0; x < 28; x++) {
            double value;
            assert_true(hone_value_as_real(hone_value_at(hone_value_at(map, y), x), &value));
            assert_true(value >= 0 && value <= 1);
        }
    }
    hone_value_free(v);
    hone_server_free(s);
    want(ask(server, "POST /predict?model=a%22b&heat_map=1", "", png, size), 422, NULL);
    want(ask(server, "POST /predict?model=a%22b&heat_map=0", "", png, size), 200, NULL);
    want(ask(server, "POST /predict?model=a%22b&nearest=0", "", png, size), 400, "nearest");
}

static void forms_with_two_pictures_get_two_answers(void **state) {
    (void)state;
    char png[4096], form[16384];
    size_t size = make_png(png, sizeof png, 4), n = 0;
    for (int i = 0; i < 2; i++) {
        n += (size_t)sprintf(form + n,
                             "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"%d.png\"\r\n\r\n", i);
        memcpy(form + n, png, size);
        n += size;
        n += (size_t)sprintf(form + n, "\r\n");
    }
    n += (size_t)sprintf(form + n, "--b--\r\n");
    reply *r =
        ask(server, "POST /predict?model=a%22b", "Content-Type: multipart/form-data; boundary=\"b\"\r\n", form, n);
    want(r, 200, "\"file\": \"1.png\"");
    hone_value *v = parse_reply(r);
    const hone_value *list = hone_value_get(v, "predictions");
    assert_int_equal(hone_value_count(list), 2);
    assert_true(hone_value_equal(hone_value_get(hone_value_at(list, 0), "probabilities"),
                                 hone_value_get(hone_value_at(list, 1), "probabilities")));
    hone_value_free(v);
}

/* ---- around ---------------------------------------------------------------------------------------------------- */

static void limits_and_compression(void **state) {
    (void)state;
    static char large[100001];
    memset(large, ' ', sizeof large);
    want(ask(server, "POST /v1/models/pair:predict", "", large, sizeof large), 413, "100001");
    want(ask(server, "POST /v1/models/pair:predict", "Content-Encoding: br\r\n", "x", 1), 415, "br");
    want(ask(server, "POST /v1/models/pair:predict", "Content-Encoding: gzip\r\n", "x", 1), 400, "packed body");
    /* {"instances": [[0.0, 0.5]]} by zlib's raw bytes: stored, so that nothing needs zlib here */
    static const unsigned char packed[] = "\x78\x01\x01\x1b\x00\xe4\xff{\"instances\": [[0.0, 0.5]]}\x7d\x26\x08\x3c";
    reply *r = ask(server, "POST /v1/models/pair:predict", "Content-Encoding: deflate\r\n", packed, sizeof packed - 1);
    want(r, HONE_WITH_ZLIB ? 200 : 415, HONE_WITH_ZLIB ? "predictions" : NULL);
    r = ask(server, "GET /metrics", "Accept-Encoding: gzip\r\n", NULL, 0);
    want(r, 200, NULL);
    if (header_of(r, "Content-Encoding")) assert_int_equal((unsigned char)r->body[0], 0x1f);
}

/* Every line is a comment or a sample of the family whose TYPE came last; buckets rise and end with the count. */
static void metrics_are_well_formed(void **state) {
    (void)state;
    reply *r = ask_text(server, "GET /metrics", NULL);
    want(r, 200, "hone_model_loaded{model=\"a\\\"b\",version=\"1\"} 1\n");
    want(r, 200, "hone_predictions_total{model=\"pair\",version=\"1\",class=\"\\\"owl\\\"\"}");
    want(r, 200, "nv_inference_count{model=\"pair\"");
    assert_int_equal(r->body[r->size - 1], '\n');
    char family[128] = "";
    double last = -1, inf = -1;
    for (char *line = strtok(r->body, "\n"); line; line = strtok(NULL, "\n")) {
        if (strncmp(line, "# TYPE ", 7) == 0) {
            char before[128];
            snprintf(before, sizeof before, "%s", family);
            assert_int_equal(sscanf(line + 7, "%127s", family), 1);
            assert_string_not_equal(before, family);
            continue;
        }
        if (*line == '#') continue;
        if (strncmp(line, family, strlen(family)) != 0) fail_msg("'%s' in the family %s", line, family);
        double value = strtod(strrchr(line, ' ') + 1, NULL);
        if (strstr(line, "_bucket{")) {
            bool first = last < 0 || inf >= 0;
            if (!first) assert_true(value >= last);
            last = value;
            inf = strstr(line, "le=\"+Inf\"") ? value : -1;
        } else if (strstr(line, "_count{") && inf >= 0) {
            assert_true(value == inf);
            last = inf = -1;
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_and_columns_answer_as_the_model_does),
        cmocka_unit_test(tensorflow_refuses_in_its_words),
        cmocka_unit_test(tensorflow_describes_its_models),
        cmocka_unit_test(inference_takes_json_and_bytes),
        cmocka_unit_test(pixels_are_scaled_by_the_model),
        cmocka_unit_test(inference_refuses_in_words),
        cmocka_unit_test(inference_describes_itself),
        cmocka_unit_test(pictures_are_classified),
        cmocka_unit_test(a_heat_map_is_as_large_as_the_input),
        cmocka_unit_test(forms_with_two_pictures_get_two_answers),
        cmocka_unit_test(limits_and_compression),
        cmocka_unit_test(metrics_are_well_formed),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
