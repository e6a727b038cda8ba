/* SPDX-License-Identifier: Apache-2.0
 *
 * hone_collect against a server that does all that servers do wrong (server.py, on the loopback interface). Each test
 * brings a table entry of its own with mirrors that point at the server's modes, and reads in the server's log what was
 * asked for. */
#define _XOPEN_SOURCE 700
#include "collect.h"
#include "data_test.h"
#include "readers.h"
#include "verify.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#if HONE_WITH_ZIP
#include <zip.h>
#endif

enum { SAMPLES = 300, SIDE = 28 };

static char served[FOLDER_SIZE], log_path[80];
static int port;
static pid_t server;
static int server_input;
static unsigned char images[16 + SAMPLES * SIDE * SIDE], labels[8 + SAMPLES];
static char images_hash[65];

/* ---- the server ------------------------------------------------------------------------------------------------ */

static void start_server(void) {
    int in[2], out[2];
    assert_int_equal(pipe(in), 0);
    assert_int_equal(pipe(out), 0);
    fcntl(in[1], F_SETFD, FD_CLOEXEC);
    fcntl(out[0], F_SETFD, FD_CLOEXEC);
    server = fork();
    if (server == 0) {
        dup2(in[0], 0);
        dup2(out[1], 1);
        execlp(HONE_PYTHON, HONE_PYTHON, HONE_SERVER, served, log_path, (char *)NULL);
        _exit(127);
    }
    close(in[0]);
    close(out[1]);
    server_input = in[1];
    FILE *answer = fdopen(out[0], "r");
    if (!answer || fscanf(answer, "%d", &port) != 1) fail_msg("the server did not start");
    fclose(answer);
}

static void serve_file(const char *name, const void *data, size_t size) {
    char path[200];
    snprintf(path, sizeof path, "%s/%s", served, name);
    assert_int_equal(hone__file_write(path, data, size, NULL), HONE_OK);
}

static int set_up(void **state) {
    (void)state;
    if (folder_make(served, "served") != 0) return -1;
    snprintf(log_path, sizeof log_path, "%s/log", served);
    bytes b = {.size = 0};
    add_idx_header(&b, 8, 3, (const uint32_t[]){SAMPLES, SIDE, SIDE});
    memcpy(images, b.data, b.size);
    uint32_t noise = 1; /* so that no part of the file looks like another */
    for (size_t i = b.size; i < sizeof images; i++)
        images[i] = (unsigned char)((noise = noise * 1664525u + 1013904223u) >> 24);
    b.size = 0;
    add_idx_header(&b, 8, 1, (const uint32_t[]){SAMPLES});
    memcpy(labels, b.data, b.size);
    for (size_t i = 0; i < SAMPLES; i++) labels[8 + i] = (unsigned char)(i % 10);
    hone__sha256 sha;
    hone__sha256_init(&sha);
    hone__sha256_update(&sha, images, sizeof images);
    hone__sha256_digest(&sha, images_hash);
    serve_file("train-images-idx3-ubyte", images, sizeof images);
    serve_file("train-labels-idx1-ubyte", labels, sizeof labels);
    start_server();
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    close(server_input); /* the server ends with its input */
    waitpid(server, NULL, 0);
    return folder_remove(served);
}

/* How many requests the log has that contain text. */
static int count_requests(const char *text) {
    char line[512];
    int count = 0;
    FILE *log = fopen(log_path, "r");
    while (log && fgets(line, sizeof line, log)) count += strstr(line, text) != NULL;
    if (log) fclose(log);
    return count;
}

/* ---- a table entry --------------------------------------------------------------------------------------------- */

static hone__source_file files[2];
static hone__source source;
static char mirror_text[8][80];
static const char *mirrors[9];
static hone_collect_config config;
static char target[600];

typedef struct listener {
    int calls, last_attempt, messages;
    uint64_t cancel_at; /* bytes; 0: never */
    char message[200];
} listener;
static listener heard;

static bool listen_to(void *context, const hone_collect_progress *progress) {
    listener *l = context;
    l->calls++;
    if (progress->attempt > l->last_attempt) l->last_attempt = progress->attempt;
    if (progress->message) {
        l->messages++;
        snprintf(l->message, sizeof l->message, "%s", progress->message);
    }
    assert_non_null(progress->file);
    return l->cancel_at == 0 || progress->done < l->cancel_at;
}

/* A data set of one file (the images) that is found at the given modes of the server, in this order. */
static void use_mirrors(const char *const *modes) {
    static const char *const names[] = {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"};
    assert_int_equal(truncate(log_path, 0) == 0 || !hone__file_exists(log_path), 1);
    files[0] = (hone__source_file){"train-images-idx3-ubyte", images_hash, NULL, SAMPLES};
    files[1] = (hone__source_file){"train-labels-idx1-ubyte", NULL, NULL, SAMPLES};
    size_t count = 0;
    for (; modes[count]; count++) {
        snprintf(mirror_text[count], sizeof mirror_text[count], "http://127.0.0.1:%d/%s/", port, modes[count]);
        mirrors[count] = mirror_text[count];
    }
    mirrors[count] = NULL;
    source = (hone__source){.name = "testset",
                            .title = "A test",
                            .licence = "CC0",
                            .homepage = "http://127.0.0.1/",
                            .class_names = names,
                            .classes = 10,
                            .files = files,
                            .file_count = 1,
                            .mirrors = mirrors};
    config = hone_collect_config_default();
    snprintf(target, sizeof target, "%s/to", test_folder);
    config.to = target;
    config.retries = 2;
    config.stall_seconds = 60; /* on a machine that is busy with other things, this server may take its time */
    config.backoff_seconds = 0.01;
    config.progress = listen_to;
    config.context = &heard;
    memset(&heard, 0, sizeof heard);
}
#define USE(...) use_mirrors((const char *const[]){__VA_ARGS__, NULL})

static const char *placed(const char *name) {
    static char path[700];
    snprintf(path, sizeof path, "%s/%s", target, name);
    return path;
}

static void assert_collects(uint64_t least_bytes) {
    hone_collect_result result;
    hone_error err;
    unsigned char *data;
    size_t size;
    if (hone__collect_source(&result, &source, &config, &err) != HONE_OK) fail_msg("%s", err.message);
    assert_string_equal(result.folder, target);
    assert_string_equal(result.name, "testset");
    assert_true(result.bytes >= least_bytes);
    hone_collect_result_release(&result);
    assert_int_equal(hone__file_read(placed("train-images-idx3-ubyte"), 1 << 20, &data, &size, NULL), HONE_OK);
    assert_int_equal(size, sizeof images);
    assert_memory_equal(data, images, size);
    hone__free(data);
    assert_false(hone__file_exists(placed("train-images-idx3-ubyte.part")));
    assert_false(hone__file_exists(placed("train-images-idx3-ubyte.part.from")));
}

static void assert_fails(hone_status status, const char *part) {
    hone_collect_result result;
    hone_error err = {.message = ""};
    hone_status got = hone__collect_source(&result, &source, &config, &err);
    if (got != status || !strstr(err.message, part))
        fail_msg("status %d, message \"%s\" where status %d and \"%s\" are expected", got, err.message, status, part);
    assert_null(result.folder);
    assert_false(hone__file_exists(placed("train-images-idx3-ubyte")));
}

/* ---- what goes well -------------------------------------------------------------------------------------------- */

static void files_are_fetched_once(void **state) {
    (void)state;
    hone_collect_result result;
    USE("good");
    source.file_count = 2;
    assert_collects(sizeof images + sizeof labels);
    assert_int_equal(count_requests("/good/"), 2);
    assert_true(heard.calls > 0);
    assert_int_equal(hone__collect_source(&result, &source, &config, NULL), HONE_OK);
    assert_true(result.was_cached);
    assert_int_equal(result.bytes, 0);
    hone_collect_result_release(&result);
    assert_int_equal(count_requests("/good/"), 2);
}

/* What lies whole in HONE_DATA is taken as it is; of what does not, nothing is touched there. */
static void the_users_own_folder_comes_first(void **state) {
    (void)state;
    char own[1100];
    hone_collect_result result;
    USE("good");
    snprintf(target, sizeof target, "%s/testset", test_folder);
    assert_collects(sizeof images);
    config.to = NULL;
    setenv("HONE_DATA", test_folder, 1);
    setenv("XDG_CACHE_HOME", in_folder("cache"), 1);
    assert_int_equal(hone__collect_source(&result, &source, &config, NULL), HONE_OK);
    assert_string_equal(result.folder, target);
    assert_true(result.was_cached);
    hone_collect_result_release(&result);
    assert_int_equal(count_requests("/good/"), 1);
    assert_false(hone__file_exists(in_folder("cache")));
    snprintf(own, sizeof own, "%s", placed("train-images-idx3-ubyte"));
    put_file("testset/train-images-idx3-ubyte", "cut", 3);
    snprintf(target, sizeof target, "%s/cache/hone/testset", test_folder);
    assert_collects(sizeof images);
    unsigned char *data;
    size_t size;
    assert_int_equal(hone__file_read(own, 100, &data, &size, NULL), HONE_OK);
    assert_int_equal(size, 3);
    hone__free(data);
    unsetenv("HONE_DATA");
    unsetenv("XDG_CACHE_HOME");
}

static void a_redirect_is_followed(void **state) {
    (void)state;
    USE("moved");
    assert_collects(sizeof images);
}

static void a_broken_connection_is_resumed(void **state) {
    (void)state;
    char range[64];
    USE("breaks");
    assert_collects(sizeof images);
    snprintf(range, sizeof range, "2 /breaks/train-images-idx3-ubyte bytes=%zu- \"one\"", sizeof images / 2);
    assert_int_equal(count_requests(range), 1);
    assert_int_equal(count_requests("/breaks/"), 2);
    assert_non_null(strstr(heard.message, "trying again"));
}

static void a_server_without_ranges_begins_again(void **state) {
    (void)state;
    USE("forgets");
    assert_collects(sizeof images + sizeof images / 2);
    assert_int_equal(count_requests("/forgets/"), 2);
}

static void a_file_that_changed_begins_again(void **state) {
    (void)state;
    USE("changes");
    assert_collects(sizeof images + sizeof images / 2);
    assert_int_equal(count_requests("\"old\""), 1);
}

static void halves_of_two_versions_are_noticed(void **state) {
    (void)state;
    USE("joins");
    assert_collects(sizeof images * 2);
    assert_int_equal(count_requests("/joins/"), 3);
}

static void a_busy_server_is_asked_again(void **state) {
    (void)state;
    USE("busy");
    assert_collects(sizeof images);
    assert_int_equal(heard.last_attempt, 3);
    assert_int_equal(count_requests("/busy/"), 3);
}

static void a_cancelled_download_is_resumed_by_the_next(void **state) {
    (void)state;
    USE("slow");
    heard.cancel_at = 40000;
    assert_fails(HONE_CANCELLED, "cancelled");
    assert_true(hone__file_exists(placed("train-images-idx3-ubyte.part")));
    heard.cancel_at = 0;
    assert_collects(1);
    assert_int_equal(count_requests("bytes="), 1);
    assert_int_equal(count_requests("\"one\""), 1);
}

static void a_complete_partial_file_needs_no_bytes(void **state) {
    (void)state;
    char note[200];
    USE("good");
    assert_int_equal(hone__make_folders(target, NULL), HONE_OK);
    assert_int_equal(hone__file_write(placed("train-images-idx3-ubyte.part"), images, sizeof images, NULL), HONE_OK);
    snprintf(note, sizeof note, "http://127.0.0.1:%d/good/train-images-idx3-ubyte\n\"one\"\n", port);
    assert_int_equal(hone__file_write(placed("train-images-idx3-ubyte.part.from"), note, strlen(note), NULL), HONE_OK);
    assert_collects(0);
    assert_int_equal(count_requests("/good/"), 1);
}

static void a_partial_file_of_another_mirror_is_not_continued(void **state) {
    (void)state;
    USE("good");
    assert_int_equal(hone__make_folders(target, NULL), HONE_OK);
    assert_int_equal(hone__file_write(placed("train-images-idx3-ubyte.part"), labels, 100, NULL), HONE_OK);
    assert_int_equal(hone__file_write(placed("train-images-idx3-ubyte.part.from"), "http://x/\n\n", 11, NULL), HONE_OK);
    assert_collects(sizeof images);
    assert_int_equal(count_requests("bytes="), 0);
}

static void a_damaged_copy_is_replaced(void **state) {
    (void)state;
    USE("good");
    assert_int_equal(hone__make_folders(target, NULL), HONE_OK);
    images[5000] ^= 1;
    assert_int_equal(hone__file_write(placed("train-images-idx3-ubyte"), images, sizeof images, NULL), HONE_OK);
    images[5000] ^= 1;
    assert_collects(sizeof images);
}

/* ---- what does not --------------------------------------------------------------------------------------------- */

static void wrong_answers_lead_to_the_next_mirror(void **state) {
    (void)state;
    static const char *const wrong[] = {"missing", "forbidden", "garbage", "page",
                                        "empty",   "circles",   "escapes", "endless"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char path[32];
        remove_test_folder(NULL);
        make_test_folder(NULL);
        USE(wrong[i], "good");
        assert_collects(sizeof images);
        snprintf(path, sizeof path, "/%s/", wrong[i]);
        if (strcmp(wrong[i], "circles") != 0) assert_int_equal(count_requests(path), 1); /* asked once, not again */
        assert_int_equal(heard.messages, 1);
        assert_non_null(strstr(heard.message, "mirror 1 of 2: "));
        assert_non_null(strstr(heard.message, ", trying the next"));
    }
}

static void breaking_and_lying_servers_are_given_up(void **state) {
    (void)state;
    USE("always_breaks", "too_long", "lies", "stalls", "good");
    config.retries = 1;
    config.stall_seconds = 2;
    assert_collects(sizeof images);
    assert_int_equal(count_requests("/always_breaks/"), 2);
    assert_int_equal(count_requests("/stalls/"), 2);
}

static void one_error_names_what_each_mirror_said(void **state) {
    (void)state;
    USE("missing", "garbage", "page");
    mirrors[3] = "http://127.0.0.1:1/"; /* nobody listens there */
    mirrors[4] = NULL;
    config.retries = 1;
    assert_fails(HONE_IO, "testset: no mirror has 'train-images-idx3-ubyte' (127.0.0.1");
    hone_collect_result result;
    hone_error err;
    hone__collect_source(&result, &source, &config, &err);
    assert_non_null(strstr(err.message, "the server answers 404; 127.0.0.1"));
    assert_non_null(strstr(err.message, "Failed to connect"));
    assert_null(strstr(err.message, "\n"));
    assert_false(hone__file_exists(placed("train-images-idx3-ubyte.part"))); /* nothing came, nothing stays */
}

#if HONE_WITH_NETTLE
static void a_wrong_checksum_places_nothing(void **state) {
    (void)state;
    USE("good");
    files[0].content = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    assert_fails(HONE_FORMAT, "SHA-256 of the unpacked data is");
}
#endif

static void a_wrong_number_of_samples_places_nothing(void **state) {
    (void)state;
    USE("good");
    files[0].content = NULL;
    files[0].samples = SAMPLES + 1;
    assert_fails(HONE_FORMAT, "holds 300 samples, where 301 are expected");
}

static void a_full_disk_is_said_and_stops(void **state) {
    (void)state;
    struct rlimit old, small;
    USE("good", "good");
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small = old;
    small.rlim_cur = 20000;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    assert_fails(HONE_IO, "cannot write");
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    assert_int_equal(count_requests("/good/"), 1);
    put_file("file", "x", 1);
    snprintf(target, sizeof target, "%s/file/to", test_folder);
    assert_fails(HONE_IO, "file");
}

/* ---- from elsewhere -------------------------------------------------------------------------------------------- */

static void an_address_replaces_the_mirrors(void **state) {
    (void)state;
    char from[80];
    USE("missing");
    snprintf(from, sizeof from, "http://127.0.0.1:%d/good", port); /* without the slash */
    config.from = from;
    assert_collects(sizeof images);
    assert_int_equal(count_requests("/missing/"), 0);
}

static void a_folder_replaces_the_mirrors(void **state) {
    (void)state;
    USE("good");
    config.from = served;
    source.file_count = 2;
    assert_collects(sizeof images + sizeof labels);
    assert_int_equal(count_requests("/"), 0);
    remove_test_folder(NULL);
    make_test_folder(NULL);
    USE("good");
    files[0].name = "t10k-images-idx3-ubyte";
    config.from = served;
    assert_fails(HONE_NOT_FOUND, "has no file 't10k-images-idx3-ubyte'");
    files[0] = (hone__source_file){"train-labels-idx1-ubyte", NULL, NULL, SAMPLES + 1};
    assert_fails(HONE_FORMAT, "train-labels-idx1-ubyte': holds 300 samples, where");
}

static void unpacked_files_stay_unpacked(void **state) {
    (void)state;
    USE("good");
    files[0].name = "train-images-idx3-ubyte.gz";
    config.from = served;
    assert_collects(sizeof images);
    hone_collect_result result;
    assert_int_equal(hone__collect_source(&result, &source, &config, NULL), HONE_OK);
    assert_true(result.was_cached);
    hone_collect_result_release(&result);
}

#if HONE_WITH_ZIP
static void an_archive_is_fetched_checked_and_unpacked(void **state) {
    (void)state;
    char path[200], hash[65];
    unsigned char *data;
    size_t size;
    snprintf(path, sizeof path, "%s/all.zip", served);
    zip_t *zip = zip_open(path, ZIP_CREATE | ZIP_TRUNCATE, NULL);
    assert_non_null(zip);
    zip_source_t *member = zip_source_buffer(zip, images, sizeof images, 0);
    assert_true(zip_file_add(zip, "gzip/train-images-idx3-ubyte", member, 0) >= 0);
    assert_int_equal(zip_close(zip), 0);
    assert_int_equal(hone__file_read(path, 1 << 20, &data, &size, NULL), HONE_OK);
    hone__sha256 sha;
    hone__sha256_init(&sha);
    hone__sha256_update(&sha, data, size);
    hone__sha256_digest(&sha, hash);
    hone__free(data);
    hone__source_archive archive = {"all.zip", "testset-all.zip", hash, "gzip/"};
    USE("good");
    source.archive = &archive;
    assert_collects(size);
    assert_false(hone__file_exists(placed("testset-all.zip"))); /* the folder is the user's */
    assert_int_equal(count_requests("/good/all.zip"), 1);
    /* In the cache the archive stays, and a second data set in it needs no download. */
    setenv("XDG_CACHE_HOME", test_folder, 1);
    config.to = NULL;
    hone_collect_result result;
    hone_error err;
    for (int i = 0; i < 2; i++) {
        source.name = i ? "second" : "first";
        if (hone__collect_source(&result, &source, &config, &err) != HONE_OK) fail_msg("%s", err.message);
        assert_false(result.was_cached && i == 0);
        hone_collect_result_release(&result);
    }
    unsetenv("XDG_CACHE_HOME");
    assert_true(hone__file_exists(in_folder("hone/testset-all.zip")));
    assert_true(hone__file_exists(in_folder("hone/second/train-images-idx3-ubyte")));
    assert_int_equal(count_requests("/good/all.zip"), 2);
    archive.folder = "else/";
    remove_test_folder(NULL);
    make_test_folder(NULL);
    USE("good");
    source.archive = &archive;
    assert_fails(HONE_NOT_FOUND, "has no readable member 'else/train-images-idx3-ubyte'");
}
#endif

/* With the n-th allocation failing, n = 0, 1, 2, …: nothing leaks, and what is placed is whole. */
static void check_every_allocation(void) {
    test_allocator a = {.fail_at = 0};
    long n = 0;
    for (; n == 0 || atomic_load(&a.count) > n - 1; n++) {
        hone_collect_result result;
        test_allocator_install(&a, n);
        hone_status status = hone__collect_source(&result, &source, &config, NULL);
        hone_collect_result_release(&result);
        long live = atomic_load(&a.live);
        test_allocator_remove();
        assert_int_equal(live, 0);
        if (status != HONE_OK) assert_int_equal(status, HONE_MEMORY);
        if (hone__file_exists(placed("train-images-idx3-ubyte"))) {
            assert_int_equal(hone__verify_file(&source, &files[0], placed("train-images-idx3-ubyte"), NULL), HONE_OK);
            unlink(placed("train-images-idx3-ubyte"));
        }
    }
    assert_true(n > 10);
}

static void nothing_leaks_when_memory_runs_out(void **state) {
    (void)state;
    USE("good");
    check_every_allocation();
    config.from = served;
    check_every_allocation();
}

static void the_table_of_names(void **state) {
    (void)state;
    hone_collect_result result;
    hone_error err;
    int count = 0;
    for (; hone_collect_name(count); count++) {
        const hone__source *s = hone__source_find(hone_collect_name(count));
        assert_non_null(s);
        assert_non_null(hone_collect_title(count));
        assert_true(s->licence && s->homepage && s->citation && s->mirrors[0] && s->file_count > 0);
        for (int i = 0; s->mirrors[i]; i++) assert_int_equal(s->mirrors[i][strlen(s->mirrors[i]) - 1], '/');
        for (size_t i = 0; i < s->file_count; i++) {
            if (s->files[i].content) assert_int_equal(strlen(s->files[i].content), 64);
            if (s->files[i].published) assert_int_equal(strlen(s->files[i].published), 64);
        }
    }
    assert_int_equal(count, 8);
    assert_null(hone_collect_title(count));
    assert_int_equal(hone_collect(&result, "mnits", NULL, &err), HONE_NOT_FOUND);
    assert_non_null(strstr(err.message, "no data set is called 'mnits'; there are mnist, fashion-mnist"));
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, make_test_folder, remove_test_folder)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(files_are_fetched_once),
        TEST(the_users_own_folder_comes_first),
        TEST(a_redirect_is_followed),
        TEST(a_broken_connection_is_resumed),
        TEST(a_server_without_ranges_begins_again),
        TEST(a_file_that_changed_begins_again),
        TEST(halves_of_two_versions_are_noticed),
        TEST(a_busy_server_is_asked_again),
        TEST(a_cancelled_download_is_resumed_by_the_next),
        TEST(a_complete_partial_file_needs_no_bytes),
        TEST(a_partial_file_of_another_mirror_is_not_continued),
        TEST(a_damaged_copy_is_replaced),
        TEST(wrong_answers_lead_to_the_next_mirror),
        TEST(breaking_and_lying_servers_are_given_up),
        TEST(one_error_names_what_each_mirror_said),
#if HONE_WITH_NETTLE
        TEST(a_wrong_checksum_places_nothing),
#endif
        TEST(a_wrong_number_of_samples_places_nothing),
        TEST(a_full_disk_is_said_and_stops),
        TEST(an_address_replaces_the_mirrors),
        TEST(a_folder_replaces_the_mirrors),
        TEST(unpacked_files_stay_unpacked),
#if HONE_WITH_ZIP
        TEST(an_archive_is_fetched_checked_and_unpacked),
#endif
        TEST(nothing_leaks_when_memory_runs_out),
        TEST(the_table_of_names),
    };
    setenv("no_proxy", "*", 1);
    unsetenv("NO_PROXY");
    unsetenv("HONE_DATA");
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
