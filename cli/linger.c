/* Closes connections whose request was answered before all of it had arrived.

A connection that is closed with unread data is reset, and the peer's next write fails. A client or
proxy that is still sending then takes the connection for broken, and the response is lost
(RFC 9112, 9.6). So only the response's direction is closed at first, and what still arrives is read
and discarded, up to limits. It is read slowly: a proxy may look for the response only when it cannot
send more (nginx with proxy_request_buffering off). */

#define _GNU_SOURCE
#include "linger.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    MOST = 64,            /* connections, each with a thread */
    MOST_SECONDS = 5,     /* for each */
    MOST_BYTES = 64 << 20, /* for each */
    PIECE = 1 << 15,
    PIECES = 32,            /* between two pauses */
    PAUSE_MILLISECONDS = 10,
    STACK = 1 << 17,
};

static atomic_int lingering;

static int64_t milliseconds(void)
{
    struct timespec moment;
    clock_gettime(CLOCK_MONOTONIC, &moment);
    return (int64_t)moment.tv_sec * 1000 + moment.tv_nsec / 1000000;
}

/* Discards what has arrived, at most `PIECES`. Returns how much; 0 if the peer has ended. */
static size_t discard(int fd)
{
    char piece[PIECE];
    size_t size = 0;
    for (int i = 0; i < PIECES; i++) {
        ssize_t got = recv(fd, piece, sizeof piece, MSG_DONTWAIT);
        if (got <= 0)
            break;
        size += (size_t)got;
    }
    return size;
}

static void discard_all(int fd)
{
    const struct timespec pause = {.tv_nsec = PAUSE_MILLISECONDS * 1000000};
    int64_t end = milliseconds() + MOST_SECONDS * 1000, left;
    struct pollfd arriving = {.fd = fd, .events = POLLIN};
    size_t discarded = 0, size;
    while (discarded < MOST_BYTES && (left = end - milliseconds()) > 0) {
        if (poll(&arriving, 1, (int)left) <= 0)
            continue;
        nanosleep(&pause, NULL);
        if ((size = discard(fd)) == 0)
            return;
        discarded += size;
    }
}

static void *run(void *argument)
{
    int fd = (int)(intptr_t)argument;
    discard_all(fd);
    close(fd);
    atomic_fetch_sub(&lingering, 1);
    return NULL;
}

/* Starts a thread that receives no signals: those of the process are for its own threads. */
static _Bool start(int fd)
{
    pthread_t thread;
    pthread_attr_t attributes;
    sigset_t all, before;
    sigfillset(&all);
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, STACK);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    _Bool started = pthread_create(&thread, &attributes, run, (void *)(intptr_t)fd) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return started;
}

_Bool linger(int fd)
{
    if (atomic_fetch_add(&lingering, 1) < MOST) {
        shutdown(fd, SHUT_WR);
        if (start(fd))
            return 1;
    }
    atomic_fetch_sub(&lingering, 1);
    return 0;
}
