/* SPDX-License-Identifier: Apache-2.0
 *
 * The process that reads untrusted files: what it may not do, what becomes of it when it crashes or lies, and that what
 * was read through it is what is read without it. */
#define _DEFAULT_SOURCE
#define _POSIX_C_SOURCE 200809L

#include "test.h"

#include "file.h"
#include "format_internal.h"
#include "sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define FILTERED 0
#elif defined(__linux__) && (defined(__x86_64__) || defined(__aarch64__))
#define FILTERED 1
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#else
#define FILTERED 0
#endif

static hone__sandbox *start(hone__sandbox_function function, void *context, size_t memory) {
    hone__sandbox *sandbox;
    hone_error err = {0};
    if (hone__sandbox_start(&sandbox, function, context, memory, &err) != HONE_OK) fail_msg("%s", err.message);
    return sandbox;
}

/* ---- what it may not do ---------------------------------------------------------------------------------------- */

enum { ATTEMPTS = 7 };
static const char *const attempts[ATTEMPTS] = {"open to read", "open to write", "a socket",         "a process",
                                               "a signal",     "a program",     "executable memory"};

/* One byte for each: whether it worked. */
static void attempt(int channel, void *context) {
    char done[ATTEMPTS] = {0};
    const char *path = context;
    done[0] = open("/etc/passwd", O_RDONLY) >= 0;
    done[1] = open(path, O_WRONLY | O_CREAT, 0600) >= 0;
    done[2] = socket(AF_INET, SOCK_STREAM, 0) >= 0;
    pid_t child = fork();
    if (child == 0) _exit(0);
    done[3] = child > 0;
    done[4] = kill(getppid(), 0) == 0;
    char *const arguments[] = {NULL};
    execve("/bin/true", arguments, arguments);
    done[5] = errno != EPERM;
    done[6] = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED;
    hone__channel_write(channel, done, sizeof done);
}

static void it_can_do_no_harm(void **state) {
    (void)state;
    char done[ATTEMPTS], path[64];
    if (!FILTERED) skip();
    snprintf(path, sizeof path, "/tmp/hone-sandbox-%ld", (long)getpid());
    hone__sandbox *sandbox = start(attempt, path, 1 << 28);
    assert_int_equal(hone__sandbox_receive(sandbox, done, sizeof done, NULL), HONE_OK);
    for (int i = 0; i < ATTEMPTS; i++)
        if (done[i]) fail_msg("it can: %s", attempts[i]);
    hone__sandbox_stop(sandbox);
    assert_int_equal(access(path, F_OK), -1);
}

static void allocate(int channel, void *context) {
    size_t *sizes = context;
    char got[2];
    for (size_t i = 0; i < 2; i++) {
        void *p = malloc(sizes[i]);
        got[i] = p != NULL;
        free(p);
    }
    hone__channel_write(channel, got, sizeof got);
}

static void its_memory_is_limited(void **state) {
    (void)state;
    size_t sizes[2] = {(size_t)1 << 26, (size_t)1 << 30};
    char got[2];
    if (!FILTERED) skip();
    hone__sandbox *sandbox = start(allocate, sizes, (size_t)1 << 28);
    assert_int_equal(hone__sandbox_receive(sandbox, got, sizeof got, NULL), HONE_OK);
    assert_true(got[0] && !got[1]);
    hone__sandbox_stop(sandbox);
}

/* ---- how it ends ----------------------------------------------------------------------------------------------- */

static void crash(int channel, void *context) {
    (void)channel, (void)context;
    volatile int *nowhere = NULL;
    *nowhere = 1;
}

static void leave(int channel, void *context) {
    (void)channel, (void)context;
}

static void a_dead_reader_is_told_of_and_stays_dead(void **state) {
    (void)state;
    char byte;
    for (int i = 0; i < 2; i++) {
        if (i == 0 && !FILTERED) continue; /* the sanitizers make something else of a crash */
        hone_error err = {0}, again = {0};
        hone__sandbox *sandbox = start(i == 0 ? crash : leave, NULL, 1 << 28);
        assert_int_equal(hone__sandbox_receive(sandbox, &byte, 1, &err), HONE_FORMAT);
        assert_non_null(strstr(err.message, i == 0 ? "crashed its reader (signal" : "without an answer"));
        assert_int_equal(hone__sandbox_send(sandbox, &byte, 1, &again), HONE_FORMAT);
        assert_string_equal(again.message, err.message);
        hone__sandbox_stop(sandbox);
    }
}

static void wait_forever(int channel, void *context) {
    (void)context;
    char byte;
    hone__channel_read(channel, &byte, 1);
}

static void it_is_stopped_at_any_time(void **state) {
    (void)state;
    hone__sandbox_stop(start(wait_forever, NULL, 1 << 28));
    hone__sandbox_stop(NULL);
}

/* ---- files ----------------------------------------------------------------------------------------------------- */

static void refused_files_say_the_same(void **state) {
    (void)state;
    static const char *const names[] = {"truncated.h5",     "soft-link.h5",      "wrong-shape.h5", "absurd-size.h5",
                                        "external-link.h5", "missing-weight.h5", "text-weights.h5"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        hone_error here = {0}, there = {0};
        hone_model *model;
        char *path = hone__asprintf("%sreject/%s", HONE_TEST_GOLDEN, names[i]);
        hone_status status = hone_model_load(&model, path, NULL, &here);
        hone_set_sandbox(true);
        assert_int_equal(hone_model_load(&model, path, NULL, &there), status);
        hone_set_sandbox(false);
        assert_string_equal(there.message, here.message);
        hone__free(path);
    }
}

/* This process's only child; 0: the system does not say. */
static pid_t only_child(void) {
    int child = 0;
    char *path = hone__asprintf("/proc/self/task/%d/children", (int)getpid());
    FILE *file = fopen(path, "r");
    hone__free(path);
    if (!file) return 0;
    if (fscanf(file, "%d", &child) != 1) child = 0;
    fclose(file);
    return child;
}

/* Once the answer was "nothing there", and the file was said to lack what it holds. */
static void a_reader_lost_on_the_way_is_no_empty_file(void **state) {
    (void)state;
    unsigned char *bytes;
    size_t size;
    hone__h5 *h5;
    hone_error err = {0};
    assert_int_equal(hone__file_read(HONE_TEST_GOLDEN "accept/keras3-conv.h5", 1 << 20, &bytes, &size, &err), HONE_OK);
    for (int lost = 0; lost < 2; lost++) {
        hone_set_sandbox(true);
        assert_int_equal(hone__h5_open(&h5, bytes, size, &err), HONE_OK);
        hone_set_sandbox(false);
        pid_t child = only_child();
        if (child == 0) {
            hone__h5_close(h5);
            hone__free(bytes);
            skip();
        }
        if (lost) assert_int_equal(kill(child, SIGKILL), 0);
        assert_int_equal(hone__h5_kind_of(h5, "/model_weights"), lost ? HONE_H5_NOTHING : HONE_H5_GROUP);
        assert_int_equal(hone__h5_has_attribute(h5, "/", "model_config"), !lost);
        assert_int_equal(hone__h5_finish(h5, HONE_OK, &err), lost ? HONE_LIMIT : HONE_OK);
    }
    assert_non_null(strstr(err.message, "more than the time allowed"));
    hone__free(bytes);
}

static hone_status load_through_it(void *context) {
    hone_model *model;
    hone_compiled compiled;
    hone_status status = hone_model_load(&model, context, &compiled, NULL);
    if (status == HONE_OK) hone_model_free(model);
    return status;
}

/* Not test_every_allocation: an allocation may fail on the other side, whose count goes on from this one's. */
static void failing_memory_is_survived(void **state) {
    (void)state;
    char path[] = HONE_TEST_GOLDEN "versions/keras-3.6.0/chain.keras";
    hone_status status = HONE_MEMORY;
    hone_set_sandbox(true);
    for (long n = 0; status != HONE_OK; n++) {
        test_allocator a;
        test_allocator_install(&a, n);
        status = load_through_it(path);
        long live = atomic_load(&a.live);
        bool failed_here = atomic_load(&a.count) > n;
        test_allocator_remove();
        assert_int_equal(live, 0);
        assert_int_equal(status, failed_here ? HONE_MEMORY : status == HONE_OK ? HONE_OK : HONE_MEMORY);
    }
    hone_set_sandbox(false);
}
/* ---- where it is not allowed ----------------------------------------------------------------------------------- */

#if FILTERED

/* As a container may forbid it: of these calls and, where that is asked for, of a filter, nothing but an error is had. */
static bool forbid(bool processes) {
#define CALL(number)                                                                                                   \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (number), 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EAGAIN)
    struct sock_filter no_processes[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offsetof(struct seccomp_data, nr)),
        CALL(SYS_clone),
        CALL(SYS_clone3),
#ifdef SYS_fork
        CALL(SYS_fork),
        CALL(SYS_vfork),
#endif
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_filter no_filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_prctl, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offsetof(struct seccomp_data, args[0])),
        CALL(PR_SET_SECCOMP),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
#undef CALL
    const struct sock_fprog program = {.len = processes ? sizeof no_processes / sizeof *no_processes
                                                        : sizeof no_filter / sizeof *no_filter,
                                       .filter = processes ? no_processes : no_filter};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) == 0;
}

/* In a process of its own, since a filter is for good: what it found, as its exit status. */
enum finding { AS_IT_SHOULD, NOT_FORBIDDEN, WRONG_STATUS, WRONG_WORDS, NOT_TRUSTED };

static int load_where_forbidden(bool processes) {
    static const char path[] = HONE_TEST_GOLDEN "accept/keras3-conv.h5";
    hone_model *model = NULL;
    hone_error err = {0};
    if (!forbid(processes)) return NOT_FORBIDDEN;
    hone_set_sandbox(true);
    hone_status status = hone_model_load(&model, path, NULL, &err);
    hone_model_free(model);
    if (status != (processes ? HONE_UNSUPPORTED : HONE_OK)) return WRONG_STATUS;
    if (!processes) return AS_IT_SHOULD;
    if (!strstr(err.message, "cannot be started") || !strstr(err.message, "--trust-files")) return WRONG_WORDS;
    hone_set_sandbox(false);
    status = hone_model_load(&model, path, NULL, &err);
    hone_model_free(model);
    return status == HONE_OK ? AS_IT_SHOULD : NOT_TRUSTED;
}

static int finding_where_forbidden(bool processes) {
    int status;
    pid_t child = fork();
    if (child == 0) _exit(load_where_forbidden(processes));
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

#endif

/* No process: the file is not read, and the way out is told. No filter: read within the limits alone. */
static void what_is_forbidden_is_told(void **state) {
    (void)state;
#if FILTERED
    assert_int_equal(finding_where_forbidden(true), AS_IT_SHOULD);
    assert_int_equal(finding_where_forbidden(false), AS_IT_SHOULD);
#else
    skip();
#endif
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_can_do_no_harm),          cmocka_unit_test(its_memory_is_limited),
        cmocka_unit_test(it_is_stopped_at_any_time),  cmocka_unit_test(a_dead_reader_is_told_of_and_stays_dead),
        cmocka_unit_test(refused_files_say_the_same), cmocka_unit_test(failing_memory_is_survived),
        cmocka_unit_test(what_is_forbidden_is_told),  cmocka_unit_test(a_reader_lost_on_the_way_is_no_empty_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
