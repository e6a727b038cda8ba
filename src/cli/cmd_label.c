/* SPDX-License-Identifier: Apache-2.0
 *
 * hone label: the labelling page over a folder of pictures, and its labels as a file. */
#define _POSIX_C_SOURCE 200809L
#include "commands.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

extern char **environ;

typedef struct settings {
    const char *host, *model, *size, *export, *token_file, *catalog;
    int64_t port, retrain_after;
    bool no_browser, no_learning;
} settings;

enum { TOKEN_SIZE = 160, PAGE_SIZE = 64, PATH_SIZE = 4096 };

/* ---- the first scan -------------------------------------------------------------------------------------------- */

static bool show_scan(void *context, int64_t done, int64_t total) {
    const bool *quiet = context;
    if (!*quiet && terminal_columns() > 0)
        fprintf(stderr, "\rlooking at the pictures: %lld of %lld%s", (long long)done, (long long)total,
                done == total ? "\n" : "");
    return true;
}

static void show_left_out(void *context, const char *path, bool is_picture, const char *why) {
    const bool *quiet = context;
    if (is_picture) note(*quiet, "'%s' is quarantined: %s", path, why);
}

/* ---- export ---------------------------------------------------------------------------------------------------- */

static int export_labels(const char *folder, const settings *s, const common_options *common) {
    hone_error err = {0};
    hone_catalog *catalog;
    hone_catalog_config config = hone_catalog_config_default();
    config.create = false;
    config.file = s->catalog;
    int64_t rows = 0;
    hone_status status = hone_catalog_open(&catalog, folder, &config, &err);
    if (status != HONE_OK)
        return failed(&err, status == HONE_NOT_FOUND ? "hone label DATA makes a catalog first" : NULL,
                      "cannot export the labels of '%s'", folder);
    status = hone_catalog_export(catalog, s->export, false, &rows, &err);
    hone_catalog_close(catalog);
    if (status != HONE_OK) return failed(&err, NULL, "cannot export the labels of '%s'", folder);
    if (common->json) {
        hone_value *value = hone_value_object();
        hone_value_set_string(value, "file", s->export);
        hone_value_set_integer(value, "rows", rows);
        return print_json(value);
    }
    char number[32];
    printf("%s row%s in %s\n", with_commas(rows, number), plural(rows), s->export);
    return finish_output();
}

/* ---- the token ------------------------------------------------------------------------------------------------- */

/* The page's secret from a file that only its owner can read; one that is not there is made by the server's first token,
 * so that the page's address outlives a restart. */
static int read_token(char token[TOKEN_SIZE], const char *path) {
    FILE *file;
    token[0] = '\0';
    if (access(path, F_OK) != 0 && errno == ENOENT) return -1;
    int status = open_tokens(&file, path);
    if (status >= 0) return status;
    size_t size = fread(token, 1, TOKEN_SIZE - 1, file);
    bool ok = !ferror(file);
    fclose(file);
    token[size] = '\0';
    token[strcspn(token, "\r\n")] = '\0';
    return ok ? -1 : token_failed(path, "it cannot be read");
}

static int write_token(const char *path, const char *url) {
    const char *token = strstr(url, "token=") + strlen("token=");
    int file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, S_IRUSR | S_IWUSR);
    bool ok = file >= 0 && write(file, token, strlen(token)) == (ssize_t)strlen(token);
    if (file >= 0 && close(file) != 0) ok = false;
    return ok ? -1 : token_failed(path, strerror(errno));
}

/* ---- the browser ----------------------------------------------------------------------------------------------- */

/* Other users can read the arguments of our processes, and so the token in an address: the browser is given a private
 * file that leads there. Its name stays in page, to be removed at the end; empty where there is none. */
static void write_page(char page[PAGE_SIZE], const char *url) {
    char from[PAGE_SIZE - 5] = "/tmp/hone-label-XXXXXX"; /* ".html" still fits behind it */
    page[0] = '\0';
    int file = mkstemp(from); /* readable by us alone */
    FILE *stream = file >= 0 ? fdopen(file, "w") : NULL;
    if (!stream) {
        if (file >= 0) close(file);
        return;
    }
    fprintf(stream, "<!doctype html><meta http-equiv=\"refresh\" content=\"0;url=%s\"><title>hone label</title>\n",
            url);
    snprintf(page, PAGE_SIZE, "%s.html", from);
    bool ok = fclose(stream) == 0 && link(from, page) == 0; /* fails where the name is taken, unlike rename */
    unlink(from);
    if (!ok) page[0] = '\0';
}

static bool open_browser(char page[PAGE_SIZE], const char *url) {
    write_page(page, url);
    char program[] = "xdg-open";
    char *const arguments[] = {program, page, NULL};
    pid_t child;
    posix_spawn_file_actions_t quiet;
    if (!*page || posix_spawn_file_actions_init(&quiet) != 0) return false;
    posix_spawn_file_actions_addopen(&quiet, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addopen(&quiet, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    bool ok = posix_spawnp(&child, program, &quiet, NULL, arguments, environ) == 0;
    posix_spawn_file_actions_destroy(&quiet);
    return ok;
}

/* ---- serving --------------------------------------------------------------------------------------------------- */

static int serve(const char *folder, const settings *s, const common_options *common) {
    char token[TOKEN_SIZE] = "", page[PAGE_SIZE] = "";
    picture_size size = {0};
    int status = parse_picture_size(&size, &verb_label, s->size);
    if (status >= 0) return status;
    if (s->token_file) {
        status = read_token(token, s->token_file);
        if (status >= 0) return status;
    }
    hone_threads *threads;
    status = start_threads(&threads, common->threads);
    if (status >= 0) return status;
    bool quiet = common->quiet;
    hone_catalog_scan_config scan = {
        .threads = threads, .progress = show_scan, .left_out = show_left_out, .context = &quiet};
    hone_label_config config = hone_label_config_default();
    config.host = s->host;
    config.port = (int)s->port;
    config.model = s->model;
    config.height = size.height;
    config.width = size.width;
    config.token = *token ? token : NULL;
    config.learn = !s->no_learning;
    config.retrain_after = (int)s->retrain_after;
    config.catalog = s->catalog;
    config.threads = (int)common->threads;
    config.seed = (uint64_t)common->seed;
    config.scan = &scan;
    hone_error err = {0};
    hone_label_server *server;
    hone_status made = hone_label_server_create(&server, folder, &config, &err);
    hone_threads_free(threads);
    if (made != HONE_OK) return failed(&err, catalog_hint(folder, s->catalog), "cannot label '%s'", folder);
    hold_ends(); /* only now: Ctrl-C ends the scan at once */
    if (s->token_file && !*token && (status = write_token(s->token_file, hone_label_server_url(server))) >= 0) {
        hone_label_server_free(server);
        return status;
    }
    char number[32];
    int64_t pictures = hone_label_server_pictures(server);
    note(common->quiet, "%s picture%s in '%s'", with_commas(pictures, number), plural(pictures), folder);
    if (!is_loopback(s->host))
        note(false, "whoever can reach %s and has this address can label; it is sent unencrypted", s->host);
    fprintf(stderr, "listening on %s\n", hone_label_server_url(server));
    if (!s->no_browser && terminal_columns() > 0 && !open_browser(page, hone_label_server_url(server)))
        note(common->quiet, "no browser was found: open the address above in one");
    status = EXIT_DONE;
    if (common->json) {
        hone_value *value = hone_value_object();
        hone_value_set_string(value, "url", hone_label_server_url(server));
        hone_value_set_integer(value, "pictures", hone_label_server_pictures(server));
        status = print_json(value);
    }
    wait_for_end();
    note(common->quiet, "stopping; every label is in the catalog");
    hone_label_server_free(server);
    if (*page) unlink(page);
    return status;
}

static int run(int argc, char **argv) {
    settings s = {.host = "127.0.0.1", .retrain_after = 20};
    common_options common = {0};
    const option table[] = {
        {OPTION_INTEGER, "port", 0, "P", &s.port, 0, 65535, "listen there (default: any free port)", NULL},
        {OPTION_TEXT, "host", 0, "ADDRESS", &s.host, 0, 0,
         "listen on this address (default 127.0.0.1: this machine only)", NULL},
        {OPTION_TEXT, "model", 0, "FILE", &s.model, 0, 0, "show this model's suggestions", NULL},
        {OPTION_TEXT, "size", 0, "HxW", &s.size, 0, 0, "of its pictures, where its file leaves that open", NULL},
        {OPTION_INTEGER, "retrain-after", 0, "N", &s.retrain_after, 1, 1000000,
         "learn again after N labels, or a tenth of them (default 20)", NULL},
        {OPTION_FLAG, "no-learning", 0, NULL, &s.no_learning, 0, 0, "train nothing in the background", NULL},
        {OPTION_FLAG, "no-browser", 0, NULL, &s.no_browser, 0, 0, "print the address, open no browser", NULL},
        {OPTION_TEXT, "token-file", 0, "FILE", &s.token_file, 0, 0,
         "keep the address's secret there: the address outlives a restart", NULL},
        {OPTION_TEXT, "catalog", 0, "FILE", &s.catalog, 0, 0, "the catalog's file (default DATA/hone.db)", NULL},
        {OPTION_TEXT, "export", 0, "FILE", &s.export, 0, 0, "write the labels to FILE (.csv, .jsonl) and end", NULL},
    };
    static positionals words;
    int status = options_parse(&verb_label, table, sizeof table / sizeof table[0], &common, &words, argc, argv);
    if (status >= 0) return status;
    if (words.count != 1)
        return usage_error(&verb_label, "expected one DATA: a folder of pictures, or the name of a data set");
    char folder[PATH_SIZE];
    hone_error err = {0};
    if (hone_dataset_locate(folder, sizeof folder, words.at[0], &err) != HONE_OK)
        return failed(&err, data_hint(words.at[0]), "cannot label '%s'", words.at[0]);
    return s.export ? export_labels(folder, &s, &common) : serve(folder, &s, &common);
}

const verb verb_label = {
    .name = "label",
    .usage = "DATA [options]",
    .summary = "give pictures their labels, on a web page, helped by a model",
    .details =
        "DATA is a folder of pictures or the name of a data set; the labels go into its catalog (hone.db in that "
        "folder), the pictures are never touched. The page is\n"
        "served to this machine only, at an address with a secret that is printed on stderr; Ctrl-C ends it. "
        "After twenty labels\n"
        "small models begin to suggest the rest, and learn again in the background as labels come.",
    .examples = "  hone label photos/\n  hone label photos/ --model cats.h5 --port 8080\n  hone label photos/ --export "
                "labels.csv",
    .run = run,
};
