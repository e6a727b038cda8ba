/* SPDX-License-Identifier: Apache-2.0
 *
 * An event loop: a thread and a daemon of libmicrohttpd that is run by it and owns some of the connections. The one
 * idea: the loop is ours and not the library's, so that it is we who deal connections evenly to the loops, and who
 * decide how a thread waits.
 *
 * Whoever has something for a loop writes a number into its pipe: a new connection's descriptor, or a sign. */
#ifdef __linux__
#define _GNU_SOURCE /* syscall */
#else
#define _POSIX_C_SOURCE 200809L
#endif
#include "http_internal.h"

#include "background.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/syscall.h>
#endif

enum { SIGN_WAKE = -1, SIGN_QUIT = -2, MAILS_AT_ONCE = 64, CROWD_ROUNDS = 4, PROMISE_REQUESTS = 8 };

/* Says to Linux' scheduler (6.12 and later) that this thread works in short pieces. It then gets the CPU sooner, and
 * leaves it sooner to a client on the same machine. Where that is not known nothing happens. */
static void ask_for_short_slices(void) {
#if defined(__linux__) && defined(SYS_sched_setattr)
    static const uint64_t slice_nanos = 100000; /* the least that the kernel takes */
    struct {
        uint32_t size, policy;
        uint64_t flags;
        int32_t nice;
        uint32_t priority;
        uint64_t runtime, deadline, period;
    } attributes = {.size = sizeof attributes};
    if (syscall(SYS_sched_getattr, 0, &attributes, sizeof attributes, 0) != 0) return;
    if (attributes.policy != SCHED_OTHER) return;
    attributes.runtime = slice_nanos;
    syscall(SYS_sched_setattr, 0, &attributes, 0);
#endif
}

/* ---- what others ask of a loop --------------------------------------------------------------------------------- */

/* An int is written as a whole or not at all; the pipe has room for more of them than there are connections. */
static bool mail(hone__http_loop *loop, int number) {
    ssize_t n;
    do n = write(loop->pipe[1], &number, sizeof number);
    while (n < 0 && errno == EINTR);
    atomic_store(&loop->has_mail, true);
    return n == (ssize_t)sizeof number;
}

void hone__http_loop_give(hone__http_loop *loop, int socket) {
    atomic_fetch_add(&loop->connections, 1);
    if (mail(loop, socket)) return;
    atomic_fetch_sub(&loop->connections, 1);
    close(socket);
}

/* The loop that this thread runs. */
static _Thread_local hone__http_loop *mine;

void hone__http_loop_resumed(hone__http_loop *loop) {
    if (loop == mine)
        loop->has_resumed = true;
    else if (!atomic_exchange(&loop->is_woken, true))
        mail(loop, SIGN_WAKE);
}

/* ---- the thread ------------------------------------------------------------------------------------------------ */

/* A client that has gone already has no address. libmicrohttpd closes what it does not take, and tells of what it takes
 * (on_connection), which counts it until it ends; until then it was counted as given. */
static void take_over(hone__http_loop *loop, int socket) {
    struct sockaddr_storage address;
    socklen_t size = sizeof address;
    memset(&address, 0, sizeof address);
    if (getpeername(socket, (struct sockaddr *)&address, &size) == 0)
        MHD_add_connection(loop->daemon, socket, (struct sockaddr *)&address, size);
    else
        close(socket);
    atomic_fetch_sub(&loop->connections, 1);
}

/* False: the loop is to end. */
static bool read_mail(hone__http_loop *loop) {
    int numbers[MAILS_AT_ONCE];
    bool goes_on = true;
    /* One flag before and one after, so that neither is up for what was read: whoever writes raises has_mail when it is
     * written, and who finds is_woken up has resumed its connection before the run that follows. */
    atomic_store(&loop->has_mail, false);
    ssize_t n = read(loop->pipe[0], numbers, sizeof numbers);
    atomic_store(&loop->is_woken, false);
    for (ssize_t i = 0; i < n / (ssize_t)sizeof *numbers; i++) {
        if (numbers[i] >= 0) take_over(loop, numbers[i]);
        if (numbers[i] == SIGN_QUIT) goes_on = false;
    }
    if (n == (ssize_t)sizeof numbers) atomic_store(&loop->has_mail, true); /* perhaps there is more */
    return goes_on;
}

/* How long poll may sleep before libmicrohttpd has something to do by itself, in its units. */
static int patience(hone__http_loop *loop) {
    MHD_UNSIGNED_LONG_LONG milliseconds;
    if (MHD_get_timeout(loop->daemon, &milliseconds) != MHD_YES) return -1;
    return milliseconds < 60000 ? (int)milliseconds : 60000;
}

/* Sleeps until there is something to do. */
static void sleep_well(hone__http_loop *loop) {
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(loop->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    struct pollfd polled[2] = {{.fd = info->epoll_fd, .events = POLLIN}, {.fd = loop->pipe[0], .events = POLLIN}};
    poll(polled, 2, patience(loop));
    if (polled[1].revents != 0) atomic_store(&loop->has_mail, true);
}

/* ---- looking for the next request ------------------------------------------------------------------------------ */

/* A thread that is woken starts some ten microseconds late, on a virtual machine fifty. So one that has answered looks for
 * the next request for a while before it sleeps, where that has paid of late: requests came soon, and one at a time, for a
 * crowd leaves no time to look and needs the other CPU for its clients. */

void hone__http_loop_asked(hone__http_loop *loop, double now) {
    bool is_soon = now - loop->answered < 2 * loop->spin_seconds; /* or would have been, had nobody slept */
    loop->promise += (is_soon - loop->promise) / PROMISE_REQUESTS;
}

static bool pays_to_look(const hone__http_loop *loop, double now) {
    return loop->promise > 0.5 && loop->crowd < 2 && now < loop->answered + loop->spin_seconds;
}

/* False: it is time to sleep. Whoever else wants this CPU goes before; who finds that there is somebody stops looking,
 * until requests have shown again that it pays. */
static bool look_on(hone__http_loop *loop) {
    double now = hone__seconds();
    if (loop->spin_seconds <= 0 || !pays_to_look(loop, now)) return false;
    sched_yield();
    if (hone__seconds() - now > loop->spin_seconds / 2) loop->promise = 0;
    return true;
}

/* Whatever is there is read, and answered at once or when all was read. */
static void run_round(hone__http_loop *loop) {
    const hone__http_config *config = hone__http_server_config(loop->server);
    loop->read = 0;
    loop->has_resumed = false;
    MHD_run_wait(loop->daemon, 0);
    if (loop->read > 0) loop->crowd += (loop->read - loop->crowd) / CROWD_ROUNDS;
    if (config->gathered) config->gathered(config->context);
}

/* While requests keep coming the thread does not sleep: one epoll_wait finds all that are there. */
static void *run(void *context) {
    hone__http_loop *loop = mine = context;
    ask_for_short_slices();
    for (bool goes_on = true; goes_on;) {
        if (atomic_load(&loop->has_mail)) goes_on = read_mail(loop);
        uint64_t before = loop->requests;
        run_round(loop); /* at the end, too: what was just resumed is answered */
        if (loop->requests != before || loop->has_resumed || !goes_on) continue;
        if (!look_on(loop)) sleep_well(loop);
    }
    return NULL;
}

/* ---- beginning and end ----------------------------------------------------------------------------------------- */

hone_status hone__http_loop_start(hone__http_loop *loop, struct MHD_Daemon *daemon, double spin_seconds,
                                  hone_error *err) {
    loop->daemon = daemon;
    loop->spin_seconds = spin_seconds;
    if (pipe(loop->pipe) != 0) HONE_FAIL(err, HONE_IO, "cannot make a pipe: %s", strerror(errno));
    for (int i = 0; i < 2; i++) {
        fcntl(loop->pipe[i], F_SETFD, FD_CLOEXEC);
        fcntl(loop->pipe[i], F_SETFL, O_NONBLOCK);
    }
    HONE_TRY(hone__background_start(&loop->thread, run, loop, err));
    loop->is_running = true;
    return HONE_OK;
}

void hone__http_loop_stop(hone__http_loop *loop) {
    if (loop->is_running) {
        mail(loop, SIGN_QUIT);
        pthread_join(loop->thread, NULL);
    }
    if (loop->daemon) MHD_stop_daemon(loop->daemon);
    for (int i = 0; i < 2; i++)
        if (loop->pipe[i] >= 0) close(loop->pipe[i]);
}
