/* SPDX-License-Identifier: Apache-2.0
 *
 * Which kernels run here: HONE_CPU lowers, never raises, and says in words what it cannot; every table is complete. */
#define _POSIX_C_SOURCE 200809L

#include "kernels.h"

#include <hone/model.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static const char *const levels[] = {"scalar", "neon", "avx2", "avx512"};
enum { LEVELS = sizeof levels / sizeof *levels };

static void every_table_is_complete(void **state) {
    (void)state;
    size_t found = 0;
    for (size_t i = 0; i < LEVELS; i++) {
        const hone_kernels *k = hone__kernels_named(levels[i]);
        if (!k) continue;
        found++;
        assert_string_equal(k->name, levels[i]);
        assert_true(k->vector_floats >= 1);
        /* From the first function on, the table is function pointers to its end. */
        const unsigned char *at = (const unsigned char *)k + offsetof(hone_kernels, gemm_scratch);
        for (; at < (const unsigned char *)(k + 1); at += sizeof(void (*)(void))) {
            void (*function)(void);
            memcpy(&function, at, sizeof function);
            assert_non_null(function);
        }
    }
    assert_true(found >= 1);
    assert_non_null(hone__kernels_named("scalar"));
    assert_null(hone__kernels_named("avx"));
    assert_null(hone__kernels_named(""));
}

/* The choice is made once per process, so each wish is tried in a child of its own. */
static bool chooses(const char *wish, const char *level) {
    const pid_t child = fork();
    if (child == 0) {
        setenv("HONE_CPU", wish, 1);
        const bool ok = strcmp(hone_cpu_level(), level) == 0 && strcmp(hone__kernels()->name, level) == 0 &&
                        strncmp(hone_cpu_description(), level, strlen(level)) == 0;
        _exit(ok ? 0 : 1);
    }
    int status = 1;
    return waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void hone_cpu_lowers(void **state) {
    (void)state;
    const char *best = "scalar";
    for (size_t i = 0; i < LEVELS; i++) {
        if (!hone__kernels_named(levels[i])) continue;
        assert_true(chooses(levels[i], levels[i]));
        best = levels[i];
    }
    assert_true(chooses("", best)); /* empty counts as unset */
}

static void hone_cpu_is_checked(void **state) {
    (void)state;
    hone_error err;
    for (size_t i = 0; i < LEVELS; i++) {
        setenv("HONE_CPU", levels[i], 1);
        const hone_status status = hone_cpu_check(&err);
        if (hone__kernels_named(levels[i])) {
            assert_int_equal(status, HONE_OK);
        } else {
            assert_int_equal(status, HONE_UNSUPPORTED);
            assert_non_null(strstr(err.message, levels[i]));
        }
    }
    setenv("HONE_CPU", "AVX2 ", 1);
    assert_int_equal(hone_cpu_check(&err), HONE_ARGUMENT);
    assert_non_null(strstr(err.message, "'AVX2 '"));
    assert_int_equal(hone_cpu_check(NULL), HONE_ARGUMENT);
    unsetenv("HONE_CPU");
    assert_int_equal(hone_cpu_check(&err), HONE_OK);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_table_is_complete),
        cmocka_unit_test(hone_cpu_lowers),
        cmocka_unit_test(hone_cpu_is_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
