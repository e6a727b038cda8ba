/* SPDX-License-Identifier: Apache-2.0
 *
 * The child process: a socket pair, a fork, limits, a filter of system calls. Under the sanitizers, whose own machinery
 * would not survive them, the memory limit and the filter are left out. */
#define _DEFAULT_SOURCE /* MAP_ANONYMOUS, syscall numbers */
#define _POSIX_C_SOURCE 200809L

#include "sandbox.h"

#include "core_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#if defined(__linux__)
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#endif

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

enum {
    ANSWER_SECONDS = 60,   /* of waiting for one answer */
    COMPUTE_SECONDS = 120, /* of CPU time in all */
    MOST_DESCRIPTORS = 4096
};
/* Both sides look so long for what comes next before they sleep: questions are many and short, and being woken takes
 * longer than answering, on a virtual machine ten times as long. */
static const double look_seconds = 1e-4;
enum {
    MOST_MISSES = 4
}; /* in a row: then the other side does not get a CPU so soon, and looking only keeps it from one */
static _Thread_local int misses;

struct hone__sandbox {
    pid_t pid;        /* 0: it has ended, */
    hone_error death; /* and so */
    int channel;
};

/* ---- the child ------------------------------------------------------------------------------------------------- */

/* What recv says, asked until something is there, but not for long: it may still be -1 and EAGAIN. */
static ssize_t look(int channel, void *bytes, size_t size) {
    double end = 0;
    for (;;) {
        ssize_t n = recv(channel, bytes, size, MSG_DONTWAIT);
        if (n >= 0 && misses < MOST_MISSES) misses = 0;
        if (n >= 0 || (errno != EAGAIN && errno != EWOULDBLOCK) || misses >= MOST_MISSES) return n;
        double now = hone__seconds();
        if (end == 0) end = now + look_seconds;
        if (now < end) continue;
        misses++;
        errno = EAGAIN;
        return n;
    }
}

bool hone__channel_read(int channel, void *bytes, size_t size) {
    char *at = bytes;
    while (size > 0) {
        ssize_t n = look(channel, at, size);
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) n = read(channel, at, size);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return false;
        at += n;
        size -= (size_t)n;
    }
    return true;
}

bool hone__channel_write(int channel, const void *bytes, size_t size) {
    const char *at = bytes;
    while (size > 0) {
        ssize_t n = write(channel, at, size);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return false;
        at += n;
        size -= (size_t)n;
    }
    return true;
}

static void limit(int what, rlim_t most) {
    struct rlimit r;
    if (getrlimit(what, &r) != 0) return;
    if (r.rlim_max == RLIM_INFINITY || r.rlim_max > most) r.rlim_max = most;
    r.rlim_cur = r.rlim_max;
    setrlimit(what, &r);
}

/* Bytes of address space in use: RLIMIT_AS counts them too. 0: unknown. */
static size_t address_space(void) {
    unsigned long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (!file) return 0;
    if (fscanf(file, "%lu", &pages) != 1) pages = 0;
    fclose(file);
    return (size_t)pages * (size_t)sysconf(_SC_PAGESIZE);
}

static void set_limits(size_t memory) {
    size_t used = SANITIZED ? 0 : address_space(), most;
    if (used > 0 && hone__add(used, memory, &most)) limit(RLIMIT_AS, (rlim_t)most);
    limit(RLIMIT_CPU, COMPUTE_SECONDS);
    limit(RLIMIT_FSIZE, 0);
    limit(RLIMIT_CORE, 0);
}

#if defined(__linux__) && !SANITIZED && (defined(__x86_64__) || defined(__aarch64__))

#if defined(__x86_64__)
#define THIS_ARCHITECTURE AUDIT_ARCH_X86_64
#else
#define THIS_ARCHITECTURE AUDIT_ARCH_AARCH64
#endif

#define LOAD(field)  BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offsetof(struct seccomp_data, field))
#define RETURN(what) BPF_STMT(BPF_RET | BPF_K, (what))
#define DENY         (SECCOMP_RET_ERRNO | EPERM)
/* The call number is loaded, before and after each of these. */
#define ALLOW(call) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (call), 0, 1), RETURN(SECCOMP_RET_ALLOW)
/* Only on this descriptor; both architectures are little-endian, so the low half of an argument comes first. */
#define ALLOW_ON(call, descriptor)                                                                                     \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (call), 0, 4), LOAD(args[0]),                                                  \
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)(descriptor), 0, 1), RETURN(SECCOMP_RET_ALLOW), RETURN(DENY)
/* Unless it makes memory executable. */
#define ALLOW_DATA(call)                                                                                               \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (call), 0, 4), LOAD(args[2]),                                                  \
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, PROT_EXEC, 1, 0), RETURN(SECCOMP_RET_ALLOW), RETURN(DENY)

/* Computing, memory, the channel, the end. Everything else is refused: no files, no network, no processes. */
static void set_filter(int channel) {
    const struct sock_filter program[] = {
        LOAD(arch),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, THIS_ARCHITECTURE, 1, 0),
        RETURN(SECCOMP_RET_KILL_PROCESS),
        LOAD(nr),
        ALLOW_ON(SYS_read, channel),
        ALLOW_ON(SYS_recvfrom, channel),
        ALLOW_ON(SYS_write, channel),
        ALLOW_DATA(SYS_mmap),
        ALLOW_DATA(SYS_mprotect),
        ALLOW(SYS_munmap),
        ALLOW(SYS_mremap),
        ALLOW(SYS_madvise),
        ALLOW(SYS_brk),
        ALLOW(SYS_futex),
        ALLOW(SYS_clock_gettime),
        ALLOW(SYS_gettimeofday),
        ALLOW(SYS_getrandom),
        ALLOW(SYS_sched_yield),
        ALLOW(SYS_rt_sigreturn),
        ALLOW(SYS_rt_sigprocmask),
        ALLOW(SYS_restart_syscall),
        ALLOW(SYS_exit),
        ALLOW(SYS_exit_group),
        RETURN(DENY),
    };
    /* the kernel's structure has no const; it only reads */
    struct sock_filter copy[sizeof program / sizeof program[0]];
    memcpy(copy, program, sizeof program);
    const struct sock_fprog filter = {.len = sizeof program / sizeof program[0], .filter = copy};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0) prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter, 0, 0);
}

#else

static void set_filter(int channel) {
    (void)channel;
}

#endif

static void close_others(int channel) {
#if defined(__linux__) && defined(SYS_close_range)
    bool before = channel == 0 || syscall(SYS_close_range, 0, channel - 1, 0) == 0;
    if (before && syscall(SYS_close_range, channel + 1, ~0U, 0) == 0) return;
#endif
    for (int descriptor = 0; descriptor < MOST_DESCRIPTORS; descriptor++)
        if (descriptor != channel) close(descriptor);
}

/* The embedding program's handlers are not for this process: it dies of what it does. */
static void forget_handlers(void) {
    static const int fatal[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGINT, SIGTERM};
    for (size_t i = 0; i < sizeof fatal / sizeof fatal[0]; i++) signal(fatal[i], SIG_DFL);
}

static _Noreturn void run_child(int channel, hone__sandbox_function function, void *context, size_t memory) {
#if defined(__linux__)
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* the parent's end is its end */
#endif
    hone_set_log(NULL, NULL, HONE_LOG_ERROR);
    if (!SANITIZED) forget_handlers();
    set_limits(memory);
    if (!SANITIZED) close_others(channel); /* a sanitizer's report goes to stderr */
    set_filter(channel);
    function(channel, context);
    _exit(0);
}

/* ---- the parent ------------------------------------------------------------------------------------------------ */

bool hone__sandbox_is_safe(void) {
#if SANITIZED && defined(__linux__)
    struct stat tasks;
    return stat("/proc/self/task", &tasks) != 0 || tasks.st_nlink <= 3; /* itself, its parent, one thread's folder */
#else
    return true;
#endif
}

hone_status hone__sandbox_start(hone__sandbox **out, hone__sandbox_function function, void *context, size_t memory,
                                hone_error *err) {
    int ends[2];
    *out = NULL;
    misses = 0; /* the child's, too */
    hone__sandbox *sandbox = hone__alloc(1, sizeof *sandbox);
    if (!sandbox) return hone__fail_memory(err, sizeof *sandbox, "a process");
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0) {
        hone__free(sandbox);
        HONE_FAIL(err, HONE_IO, "no channel to the process that reads untrusted files could be opened: %s",
                  strerror(errno));
    }
    pid_t pid = fork();
    if (pid == 0) {
        close(ends[0]);
        run_child(ends[1], function, context, memory);
    }
    int reason = errno;
    close(ends[1]);
    if (pid < 0) {
        close(ends[0]);
        hone__free(sandbox);
        HONE_FAIL(
            err, HONE_UNSUPPORTED,
            "the process that reads untrusted files cannot be started: %s; --trust-files or HONE_SANDBOX=off reads "
            "them without it",
            strerror(reason));
    }
    fcntl(ends[0], F_SETFD, FD_CLOEXEC);
    *sandbox = (hone__sandbox){.pid = pid, .channel = ends[0]};
    *out = sandbox;
    return HONE_OK;
}

/* Waits for the child to end; its status, or -1 where somebody else has taken it. */
static int reap(hone__sandbox *sandbox) {
    int status = -1;
    pid_t got;
    if (sandbox->pid <= 0) return -1;
    while ((got = waitpid(sandbox->pid, &status, 0)) < 0 && errno == EINTR) continue;
    sandbox->pid = 0;
    return got < 0 ? -1 : status;
}

void hone__sandbox_stop(hone__sandbox *sandbox) {
    if (!sandbox) return;
    if (sandbox->pid > 0) kill(sandbox->pid, SIGKILL);
    reap(sandbox);
    close(sandbox->channel);
    hone__free(sandbox);
}

/* Ends the child, if it has not ended, and says of what; later questions get the same words. */
static hone_status say_death(hone__sandbox *sandbox, hone_error *err) {
    hone_error *death = &sandbox->death;
    if (sandbox->pid > 0) {
        int status = reap(sandbox), by = status != -1 && WIFSIGNALED(status) ? WTERMSIG(status) : 0;
        if (by == SIGXCPU || by == SIGKILL)
            hone__fail(death, HONE_LIMIT, "reading it took more than the time allowed, in a process of its own");
        else if (by != 0)
            hone__fail(death, HONE_FORMAT,
                       "it crashed its reader (signal %d), in a process of its own: the file is damaged, or made to do "
                       "harm",
                       by);
        else
            hone__fail(death, HONE_FORMAT, "its reader, a process of its own, ended without an answer");
    }
    HONE_FAIL(err, death->status, "%s", death->message);
}

static hone_status await(hone__sandbox *sandbox, short event, hone_error *err) {
    double end = hone__seconds() + ANSWER_SECONDS;
    struct pollfd p = {.fd = sandbox->channel, .events = event};
    for (;;) {
        double left = end - hone__seconds();
        int n = left > 0 ? poll(&p, 1, (int)(left * 1000) + 1) : 0;
        if (n > 0) return HONE_OK;
        if (n < 0 && errno == EINTR) continue;
        kill(sandbox->pid, SIGKILL);
        return say_death(sandbox, err);
    }
}

hone_status hone__sandbox_send(hone__sandbox *sandbox, const void *bytes, size_t size, hone_error *err) {
    const char *at = bytes;
    while (size > 0) {
        if (sandbox->pid == 0) return say_death(sandbox, err);
        ssize_t n = send(sandbox->channel, at, size, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            HONE_TRY(await(sandbox, POLLOUT, err));
            continue;
        }
        if (n <= 0) return say_death(sandbox, err);
        at += n;
        size -= (size_t)n;
    }
    return HONE_OK;
}

hone_status hone__sandbox_receive(hone__sandbox *sandbox, void *bytes, size_t size, hone_error *err) {
    char *at = bytes;
    while (size > 0) {
        if (sandbox->pid == 0) return say_death(sandbox, err);
        ssize_t n = look(sandbox->channel, at, size);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            HONE_TRY(await(sandbox, POLLIN, err));
            continue;
        }
        if (n <= 0) return say_death(sandbox, err);
        at += n;
        size -= (size_t)n;
    }
    return HONE_OK;
}
