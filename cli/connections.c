/* Watches how requests arrive, from below the HTTP library that receives them.

The server's HTTP library reports a body that broke off like one that ended, drops a Content-Length
that came with a Transfer-Encoding, waits for a body without end, and leaves connections beyond its
limit unanswered. This library is preloaded into a worker (LD_PRELOAD) and stands between the HTTP
library and the C library's accept4, recv and close. It parses the framing of each request as
RFC 9112 defines it (sections 2.2, 5, 6 and 7.1) and

- adds a header field, whose name nobody can guess, to each request whose body was not there together
  with its head: by its value the application learns later whether the body it read is the whole one;
- spoils a head whose framing is ambiguous, or whose target has another authority than its Host
  field, so that the HTTP library answers 400 and closes;
- renames fields whose names have underscores, so that the application does not find them;
- ends the reading of a body that arrives too slowly, or has not arrived when the worker stops;
- closes a connection whose client reads its responses too slowly;
- discards what still arrives of a request that has been answered, before the connection is closed;
- refuses connections beyond a limit, and reserves some for health checks.

All other bytes pass unchanged, and are not copied.

tokio reads a socket again without waiting only if the last read filled its whole buffer. So
`receive` returns less than was requested only when the socket is drained. */

#define _GNU_SOURCE
#include "linger.h"

#include <dlfcn.h>
#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { DESCRIPTORS = 1 << 16, LINE = 128, MARK = 128, MOST_AHEAD = 5 };

enum state { WHOLE, BROKEN, SLOW, STOPPED };

enum phase {
    HEAD,
    BODY,
    CHUNK_SIZE,
    CHUNK_SPACE,
    CHUNK_EXTENSION,
    CHUNK_SIZE_LF,
    CHUNK,
    CHUNK_CR,
    CHUNK_LF,
    TRAILER_START,
    TRAILER,
    TRAILER_LF,
    LAST_LF,
    SPOILED, /* the HTTP library refuses what it received: what follows does not matter */
    REFUSED, /* answered here: to the HTTP library the client has closed the connection */
};

/* A body in chunks that arrived whole. */
struct whole {
    uint64_t request, content; /* the number of the request, and of the content's bytes */
};

struct connection {
    uint64_t id;       /* unique in this process */
    uint64_t requests; /* whose heads have arrived */
    uint64_t whole;    /* of these, how many have arrived whole */
    enum phase phase;
    /* Of the head that is arriving: */
    char line[LINE]; /* the beginning of the present line */
    size_t length;   /* of the present line so far */
    bool named;      /* the present line has had a colon */
    bool begun, unwelcome, chunked, measured, ambiguous, holds_cr;
    uint64_t body;         /* its Content-Length */
    char authority[LINE];  /* of a target in absolute form */
    size_t authority_size; /* otherwise 0 */
    bool unconfirmed;      /* no Host field has had that authority yet */
    /* Of the body that is arriving: */
    uint64_t left;     /* bytes of it, or of its present chunk */
    uint64_t content;  /* bytes of it in chunks so far */
    unsigned digits;   /* of the chunk's size */
    enum state state;  /* BROKEN, or why the reading of it was ended */
    bool awaited;      /* the application has begun to read it */
    double since;      /* when something was last received */
    double waited;     /* seconds spent on waiting */
    uint64_t received; /* bytes in these seconds */
    /* Bodies in chunks whose state the application has not requested; several if pipelined: */
    struct whole *unclaimed;
    size_t unclaimed_count;
    /* Of the responses that are not acknowledged yet: */
    uint64_t taken; /* bytes that the client had acknowledged when this was last checked */
    uint64_t owed;  /* bytes that it will have acknowledged once it has all that was sent by then */
    double behind;  /* seconds by which it is behind the least rate; below 0 it is ahead */
    /* Beyond the limit of connections, kept for health checks: */
    bool spare;
    /* What did not fit into the HTTP library's buffer because a field was added: */
    unsigned char *late;
    size_t late_size;
};

static struct {
    atomic_bool begun;
    pid_t owner;
    int most, most_spare;
    bool stopping;
    atomic_bool left; /* accept no more: the connections that wait are another process's */
    int ordinary, spare;
    uint64_t ids;
    char name[64];
    char refusal[1024];
    size_t refusal_size;
} watch;

static _Atomic(struct connection *) table[DESCRIPTORS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static int (*next_accept4)(int, struct sockaddr *, socklen_t *, int);
static ssize_t (*next_recv)(int, void *, size_t, int);
static int (*next_close)(int);

static pthread_once_t resolved = PTHREAD_ONCE_INIT;

static void resolve(void)
{
    *(void **)&next_accept4 = dlsym(RTLD_NEXT, "accept4");
    *(void **)&next_recv = dlsym(RTLD_NEXT, "recv");
    *(void **)&next_close = dlsym(RTLD_NEXT, "close");
}

static double now(void)
{
    struct timespec moment;
    clock_gettime(CLOCK_MONOTONIC, &moment);
    return (double)moment.tv_sec + (double)moment.tv_nsec / 1e9;
}

static struct connection *watched(int fd)
{
    return fd >= 0 && fd < DESCRIPTORS ? atomic_load(&table[fd]) : NULL;
}

/* ---- The framing of requests ---- */

static bool is(const char *text, size_t size, const char *word)
{
    return size == strlen(word) && strncasecmp(text, word, size) == 0;
}

static bool starts(const struct connection *c, const char *word)
{
    return c->length >= strlen(word) && memcmp(c->line, word, strlen(word)) == 0;
}

static void measure(struct connection *c, const char *value, size_t size)
{
    uint64_t body = 0;
    bool good = size > 0 && size <= 18;
    for (size_t i = 0; good && i < size; i++) {
        good = value[i] >= '0' && value[i] <= '9';
        body = body * 10 + (uint64_t)(value[i] - '0');
    }
    if (!good || (c->measured && c->body != body))
        c->ambiguous = true;
    c->measured = true;
    c->body = body;
}

/* Reads the authority of a target that is not a path. A proxy may route by the authority, but the
   application finds only the Host field, so the two must be equal (RFC 9112, 3.2.2). */
static void take_absolute(struct connection *c, const char *target, const char *end)
{
    static const char *const schemes[] = {"http://", "https://"};
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
        size_t size = strlen(schemes[i]);
        if ((size_t)(end - target) < size || strncasecmp(target, schemes[i], size) != 0)
            continue;
        const char *stop = target += size;
        while (stop < end && strchr("/?# ", *stop) == NULL)
            stop++;
        if (stop == end) /* longer than what is known of the line */
            break;
        c->authority_size = (size_t)(stop - target);
        memcpy(c->authority, target, c->authority_size);
        c->unconfirmed = true;
        c->ambiguous |= c->authority_size == 0;
        return;
    }
    c->ambiguous = true;
}

static void take_request_line(struct connection *c, size_t size)
{
    const char *end = c->line + size, *space = memchr(c->line, ' ', size);
    const char *target = space == NULL ? end : space + 1;
    bool path = target < end && *target == '/';
    bool asterisk = end - target > 1 && target[0] == '*' && target[1] == ' ';
    if (!path && !asterisk)
        take_absolute(c, target, end);
    bool probe = starts(c, "GET /livez ") || starts(c, "GET /readyz ");
    c->unwelcome |= c->spare && !probe;
    c->begun = true;
}

/* Replaces each underscore in this part of a field's line that belongs to the name. WSGI has one
   variable for Content_Encoding and Content-Encoding, but proxies read only the latter. */
static void rename_field(struct connection *c, unsigned char *part, size_t size)
{
    if (c->named)
        return;
    unsigned char *colon = memchr(part, ':', size), *end = colon == NULL ? part + size : colon;
    c->named = colon != NULL;
    while ((part = memchr(part, '_', (size_t)(end - part))) != NULL)
        *part = '.';
}

static void take_field(struct connection *c, size_t size)
{
    const char *colon = memchr(c->line, ':', size);
    if (colon == NULL)
        return; /* none of these fields, or a line that the HTTP library refuses */
    size_t name = (size_t)(colon - c->line);
    bool coding = is(c->line, name, "transfer-encoding");
    bool host = c->authority_size > 0 && is(c->line, name, "host");
    if (!coding && !host && !is(c->line, name, "content-length"))
        return;
    const char *value = colon + 1, *end = c->line + size;
    while (value < end && (*value == ' ' || *value == '\t'))
        value++;
    while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    if (c->length > LINE) { /* only its beginning is known */
        c->ambiguous = true;
    } else if (host) {
        c->unconfirmed = false;
        c->ambiguous |= (size_t)(end - value) != c->authority_size ||
                        strncasecmp(value, c->authority, c->authority_size) != 0;
    } else if (coding) {
        if (c->chunked || !is(value, (size_t)(end - value), "chunked"))
            c->ambiguous = true;
        c->chunked = true;
    } else {
        measure(c, value, (size_t)(end - value));
    }
}

static void take_line(struct connection *c)
{
    size_t size = c->length < LINE ? c->length : LINE;
    if (size == c->length && size > 0 && c->line[size - 1] == '\r')
        size--;
    if (c->begun)
        take_field(c, size);
    else
        take_request_line(c, size);
}

/* Ends the head; writes the text to add to it into `text` and returns its size. */
static size_t finish_head(struct connection *c, int fd, size_t available, char *text)
{
    bool chunked = c->chunked;
    bool ambiguous = c->ambiguous || c->unconfirmed || (chunked && c->measured);
    uint64_t body = c->body;
    c->requests++;
    c->begun = c->chunked = c->measured = c->ambiguous = c->unconfirmed = false;
    c->body = 0;
    c->authority_size = 0;
    if (ambiguous) {
        c->phase = SPOILED;
        return (size_t)snprintf(text, MARK, "@\r\n"); /* not allowed in the name of a field */
    }
    c->state = BROKEN;
    c->awaited = false;
    c->waited = 0;
    c->received = 0;
    if (!chunked) {
        c->phase = body == 0 ? HEAD : BODY;
        c->left = body;
        c->whole += body == 0;
        if (body <= available)
            return 0;
    } else {
        c->phase = CHUNK_SIZE;
        c->left = 0;
        c->content = 0;
        c->digits = 0;
    }
    return (size_t)snprintf(
        text, MARK, "%s: %d-%llu-%llu\r\n", watch.name, fd, (unsigned long long)c->id,
        (unsigned long long)c->requests
    );
}

static void finish_body(struct connection *c)
{
    c->phase = HEAD;
    c->whole = c->requests;
}

static void finish_chunks(struct connection *c)
{
    finish_body(c);
    struct whole *more = realloc(c->unclaimed, (c->unclaimed_count + 1) * sizeof *more);
    if (more == NULL)
        abort(); /* as the HTTP library does when there is no memory */
    c->unclaimed = more;
    c->unclaimed[c->unclaimed_count++] = (struct whole){c->requests, c->content};
}

/* Whether the body in chunks of this request arrived whole with this size of content. Removes it
   from the list. */
static bool take_whole(struct connection *c, uint64_t request, uint64_t content)
{
    size_t at = 0;
    while (at < c->unclaimed_count && c->unclaimed[at].request < request)
        at++;
    if (at == c->unclaimed_count || c->unclaimed[at].request != request)
        return false;
    bool same = c->unclaimed[at].content == content;
    c->unclaimed_count -= at + 1;
    memmove(c->unclaimed, c->unclaimed + at + 1, c->unclaimed_count * sizeof *c->unclaimed);
    return same;
}

static enum phase after(unsigned char byte, unsigned char wanted, enum phase next)
{
    return byte == wanted ? next : SPOILED;
}

static int hexadecimal(unsigned char byte)
{
    if (byte >= '0' && byte <= '9')
        return byte - '0';
    byte |= 0x20;
    return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

/* One byte of a body in chunks, outside of a chunk's content. */
static void take_chunked(struct connection *c, unsigned char byte)
{
    int digit;
    switch (c->phase) {
    case CHUNK_SIZE:
        digit = hexadecimal(byte);
        if (digit >= 0 && c->digits < 15) {
            c->left = c->left * 16 + (uint64_t)digit;
            c->digits++;
            break;
        }
        if (digit >= 0 || c->digits == 0) {
            c->phase = SPOILED;
            break;
        }
        /* fall through */
    case CHUNK_SPACE:
        if (byte == ' ' || byte == '\t')
            c->phase = CHUNK_SPACE;
        else if (byte == ';')
            c->phase = CHUNK_EXTENSION;
        else
            c->phase = after(byte, '\r', CHUNK_SIZE_LF);
        break;
    case CHUNK_EXTENSION:
        if (byte == '\r')
            c->phase = CHUNK_SIZE_LF;
        else if (byte == '\n')
            c->phase = SPOILED;
        break;
    case CHUNK_SIZE_LF:
        c->phase = after(byte, '\n', c->left > 0 ? CHUNK : TRAILER_START);
        break;
    case CHUNK_CR:
        c->phase = after(byte, '\r', CHUNK_LF);
        break;
    case CHUNK_LF:
        c->phase = after(byte, '\n', CHUNK_SIZE);
        c->digits = 0;
        break;
    case TRAILER_START:
    case TRAILER:
        if (byte == '\r')
            c->phase = c->phase == TRAILER ? TRAILER_LF : LAST_LF;
        else
            c->phase = byte == '\n' ? SPOILED : TRAILER;
        break;
    case TRAILER_LF:
        c->phase = after(byte, '\n', TRAILER_START);
        break;
    default: /* LAST_LF */
        c->phase = after(byte, '\n', LAST_LF);
        if (c->phase == LAST_LF)
            finish_chunks(c);
    }
}

/* Parses data[at..size) and renames fields in it. Returns where it stopped: at the end, or after a
   head to which `text` must be added at *where. */
static size_t scan(
    struct connection *c, int fd, unsigned char *data, size_t at, size_t size, size_t *where,
    char *text, size_t *text_size
)
{
    *text_size = 0;
    while (at < size) {
        if (c->phase == SPOILED || c->phase == REFUSED)
            return size;
        if (c->phase == HEAD) {
            const unsigned char *end = memchr(data + at, '\n', size - at);
            size_t part = end == NULL ? size - at : (size_t)(end - (data + at));
            if (c->begun)
                rename_field(c, data + at, part);
            if (c->length < LINE)
                memcpy(c->line + c->length, data + at, part < LINE - c->length ? part : LINE - c->length);
            c->length += part;
            if (end == NULL)
                return size;
            *where = at;
            at += part + 1;
            bool blank = c->length == 0 || (c->length == 1 && c->line[0] == '\r');
            if (!blank)
                take_line(c);
            c->length = 0;
            c->named = false;
            if (blank && c->begun && (*text_size = finish_head(c, fd, size - at, text)) > 0)
                return at;
        } else if (c->phase == BODY || c->phase == CHUNK) {
            size_t part = c->left < size - at ? (size_t)c->left : size - at;
            c->left -= part;
            c->content += part;
            at += part;
            if (c->left == 0 && c->phase == BODY)
                finish_body(c);
            else if (c->left == 0)
                c->phase = CHUNK_CR;
        } else {
            take_chunked(c, data[at++]);
        }
    }
    return at;
}

/* Whether what arrived ends with half of the blank line after a head. Once the HTTP library has
   that half, nothing can be added to the head. */
static bool ends_in_blank_line(const struct connection *c)
{
    return c->phase == HEAD && c->begun && c->length == 1 && c->line[0] == '\r';
}

static void keep(struct connection *c, const unsigned char *data, size_t size)
{
    unsigned char *more = realloc(c->late, c->late_size + size);
    if (more == NULL)
        abort();
    memcpy(more + c->late_size, data, size);
    c->late = more;
    c->late_size += size;
}

static size_t take_late(struct connection *c, unsigned char *into, size_t room)
{
    size_t taken = c->late_size < room ? c->late_size : room;
    if (taken == 0)
        return 0;
    memcpy(into, c->late, taken);
    c->late_size -= taken;
    memmove(c->late, c->late + taken, c->late_size);
    return taken;
}

static size_t put(
    struct connection *c, unsigned char *into, size_t filled, size_t room, const void *data,
    size_t size
)
{
    size_t fits = size < room - filled ? size : room - filled;
    memcpy(into + filled, data, fits);
    if (fits < size)
        keep(c, (const unsigned char *)data + fits, size - fits);
    return filled + fits;
}

/* Parses what was received, `size` bytes in a buffer that has `room`. Returns how many bytes the
   HTTP library receives; more may wait in `late`. */
static size_t take(struct connection *c, int fd, unsigned char *data, size_t size, size_t room)
{
    char text[MARK];
    size_t where, text_size, filled = 0, from = 0;
    size_t at = c->holds_cr ? 0 : scan(c, fd, data, 0, size, &where, text, &text_size);
    if (!c->holds_cr && text_size == 0 && !ends_in_blank_line(c))
        return size;
    size_t before = c->holds_cr;
    unsigned char *raw = malloc(size + before);
    if (raw == NULL)
        abort();
    raw[0] = '\r';
    memcpy(raw + before, data, size);
    size += before;
    if (c->holds_cr) {
        c->holds_cr = false;
        at = scan(c, fd, raw, 0, size, &where, text, &text_size);
    }
    while (text_size > 0) {
        filled = put(c, data, filled, room, raw + from, where - from);
        filled = put(c, data, filled, room, text, text_size);
        from = where;
        at = scan(c, fd, raw, at, size, &where, text, &text_size);
    }
    if (ends_in_blank_line(c)) {
        c->holds_cr = true;
        c->length = 0;
        size--;
    }
    filled = put(c, data, filled, room, raw + from, size - from);
    free(raw);
    return filled;
}

/* ---- Connections ---- */

static void refuse(int fd)
{
    (void)!send(fd, watch.refusal, watch.refusal_size, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* Decides on a request, other than a health check, that came over a spare connection. */
static void admit(struct connection *c, int fd)
{
    c->unwelcome = false;
    if (watch.ordinary < watch.most) {
        watch.spare--;
        watch.ordinary++;
        c->spare = false;
        return;
    }
    if (c->requests <= 1) /* otherwise it would precede the responses to earlier requests */
        refuse(fd);
    c->phase = REFUSED;
}

static ssize_t receive(struct connection *c, int fd, unsigned char *into, size_t room)
{
    if (c->phase == REFUSED)
        return 0;
    size_t filled = take_late(c, into, room);
    while (filled < room) {
        size_t asked = room - filled;
        ssize_t got = next_recv(fd, into + filled, asked, 0);
        if (got <= 0)
            return filled > 0 ? (ssize_t)filled : got;
        double moment = now();
        c->waited += moment - c->since; /* reset below if a head ends in what was received */
        c->received += (uint64_t)got;
        c->since = moment;
        filled += take(c, fd, into + filled, (size_t)got, asked);
        if (c->unwelcome)
            admit(c, fd);
        if (c->phase == REFUSED)
            return 0;
        if ((size_t)got < asked)
            break;
    }
    if (filled == 0 && room > 0) { /* only what is held back */
        errno = EAGAIN;
        return -1;
    }
    return (ssize_t)filled;
}

static bool take_in(int fd)
{
    struct connection *c = fd < DESCRIPTORS ? calloc(1, sizeof *c) : NULL;
    bool ordinary = watch.ordinary < watch.most;
    if (c == NULL || (!ordinary && watch.spare >= watch.most_spare)) {
        free(c);
        return false;
    }
    c->id = ++watch.ids;
    c->spare = !ordinary;
    if (c->spare)
        watch.spare++;
    else
        watch.ordinary++;
    c->since = now();
    atomic_store(&table[fd], c);
    return true;
}

int accept4(int fd, struct sockaddr *address, socklen_t *size, int flags)
{
    pthread_once(&resolved, resolve);
    /* Python's own sockets are accepted in another way. */
    if (!atomic_load(&watch.begun) || !(flags & SOCK_NONBLOCK))
        return next_accept4(fd, address, size, flags);
    if (atomic_load(&watch.left)) {
        errno = EAGAIN;
        return -1;
    }
    socklen_t room = size == NULL ? 0 : *size;
    for (;;) {
        if (size != NULL)
            *size = room;
        int accepted = next_accept4(fd, address, size, flags);
        if (accepted < 0)
            return accepted;
        pthread_mutex_lock(&lock);
        bool taken = take_in(accepted);
        pthread_mutex_unlock(&lock);
        if (taken)
            return accepted;
        refuse(accepted);
        next_close(accepted);
    }
}

ssize_t recv(int fd, void *into, size_t room, int flags)
{
    pthread_once(&resolved, resolve);
    if (watched(fd) == NULL || flags != 0)
        return next_recv(fd, into, room, flags);
    pthread_mutex_lock(&lock);
    ssize_t got = receive(watched(fd), fd, into, room);
    int error = errno;
    pthread_mutex_unlock(&lock);
    errno = error;
    return got;
}

/* Whether a request has not been received to its end. */
static bool is_arriving(const struct connection *c, int fd)
{
    int unread = 0;
    return c->phase != HEAD || (ioctl(fd, FIONREAD, &unread) == 0 && unread > 0);
}

int close(int fd)
{
    pthread_once(&resolved, resolve);
    bool arriving = false;
    /* A child process closes its own copies, and may do so in this process's memory (vfork). */
    if (watched(fd) != NULL && getpid() == watch.owner) {
        pthread_mutex_lock(&lock);
        struct connection *c = atomic_exchange(&table[fd], NULL);
        if (c->spare)
            watch.spare--;
        else
            watch.ordinary--;
        arriving = is_arriving(c, fd);
        free(c->late);
        free(c->unclaimed);
        free(c);
        pthread_mutex_unlock(&lock);
    }
    return arriving && linger(fd) ? 0 : next_close(fd);
}

/* ---- What the application calls ---- */

/* Watch the connections that are accepted from now on: `most` of them, and `spare` more for health
   checks; others are answered with `refusal`. `name` is the name of the field that is added. */
void connections_watch(int most, int spare, const char *name, const char *refusal)
{
    watch.owner = getpid();
    watch.most = most;
    watch.most_spare = spare;
    snprintf(watch.name, sizeof watch.name, "%s", name);
    snprintf(watch.refusal, sizeof watch.refusal, "%s", refusal);
    watch.refusal_size = strlen(watch.refusal);
    atomic_store(&watch.begun, true);
}

/* Leave the connections that wait from now on to the processes that share the listening socket. */
void connections_leave(void)
{
    atomic_store(&watch.left, true);
}

/* How many connections are open. */
int connections_open(void)
{
    pthread_mutex_lock(&lock);
    int open = watch.ordinary + watch.spare;
    pthread_mutex_unlock(&lock);
    return open;
}

/* Whether this library replaces the C library's calls in this process. */
int connections_preloaded(void)
{
    return dlsym(RTLD_DEFAULT, "accept4") == (void *)accept4;
}

/* The connection that a field with this value names, and the number of its request. */
static struct connection *marked(const char *mark, unsigned long long *request)
{
    int fd;
    unsigned long long id;
    if (sscanf(mark, "%d-%llu-%llu", &fd, &id, request) != 3)
        return NULL;
    struct connection *c = watched(fd);
    return c != NULL && c->id == id ? c : NULL;
}

/* The application begins to read the body of the request with this field value. Until then the HTTP
   library does not request it either from a client that waits for 100 Continue. */
void connections_await(const char *mark)
{
    unsigned long long request;
    pthread_mutex_lock(&lock);
    struct connection *c = marked(mark, &request);
    if (c != NULL && c->requests == request && !c->awaited) {
        c->awaited = true;
        c->since = now();
    }
    pthread_mutex_unlock(&lock);
}

/* How the body arrived of the request with this field value, of which the HTTP library delivered
   `content` bytes. A body in chunks is broken if that differs from what was received here. */
int connections_body(const char *mark, unsigned long long content)
{
    enum state state = BROKEN;
    unsigned long long request;
    pthread_mutex_lock(&lock);
    struct connection *c = marked(mark, &request);
    if (c != NULL) {
        if (c->whole < request)
            state = c->state;
        else if (take_whole(c, request, content))
            state = WHOLE;
    }
    pthread_mutex_unlock(&lock);
    return state;
}

/* The worker stops: end the reading of bodies with the next `connections_expire`. */
void connections_stop(void)
{
    pthread_mutex_lock(&lock);
    watch.stopping = true;
    pthread_mutex_unlock(&lock);
}

static void end_body(struct connection *c, int fd, enum state reason)
{
    c->state = reason;
    shutdown(fd, SHUT_RD); /* what has been received already is still read */
}

/* Ends the reading of a body that is too slow, or has not arrived when the worker stops, and of a
   spare connection that sends no request. */
static void expire_reading(
    struct connection *c, int fd, double patience, double rate, double spare_patience
)
{
    double moment = now();
    int unread = 0;
    if (c->phase == HEAD) {
        if (c->spare && c->requests == 0 && moment - c->since > spare_patience)
            shutdown(fd, SHUT_RD);
    } else if (watch.stopping) {
        end_body(c, fd, STOPPED);
    } else if (!c->awaited || (ioctl(fd, FIONREAD, &unread) == 0 && unread > 0)) {
        c->since = moment; /* the server does not read: that is not the client's delay */
    } else {
        double waited = c->waited + moment - c->since;
        if (waited < patience)
            return;
        if ((double)c->received < rate * waited)
            end_body(c, fd, SLOW);
        c->waited = 0;
        c->received = 0;
        c->since = moment;
    }
}

/* Closes a connection whose client reads its responses too slowly. A client with a large buffer
   takes much at once and then nothing until it has read that, so it may be ahead of the rate. */
static void expire_writing(struct connection *c, int fd, double patience, double rate)
{
    struct tcp_info info;
    socklen_t size = sizeof info;
    int due = 0;
    if (ioctl(fd, TIOCOUTQ, &due) < 0 || due == 0 ||
        getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) < 0) {
        c->behind = 0;
        return;
    }
    c->behind += 1 - (double)(info.tcpi_bytes_acked - c->taken) / rate;
    if (info.tcpi_bytes_acked >= c->owed && c->behind > 0)
        c->behind = 0; /* it took all that was sent then; the rest has been sent since */
    c->taken = info.tcpi_bytes_acked;
    c->owed = c->taken + (uint64_t)due;
    if (c->behind < -MOST_AHEAD * patience)
        c->behind = -MOST_AHEAD * patience;
    if (c->behind < patience)
        return;
    /* Drops what was not read; otherwise the kernel would keep sending it after the close. */
    struct linger at_once = { .l_onoff = 1, .l_linger = 0 };
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    shutdown(fd, SHUT_RDWR);
}

/* To be called once a second. Ends the reading of bodies for which the server waited `patience`
   seconds while they arrived at less than `rate` bytes a second, and of spare connections that send
   no request; closes connections whose clients read their responses as slowly as that. */
void connections_expire(double patience, double rate, double spare_patience)
{
    for (int fd = 0; fd < DESCRIPTORS; fd++) {
        if (watched(fd) == NULL)
            continue;
        pthread_mutex_lock(&lock);
        struct connection *c = watched(fd);
        if (c != NULL) {
            expire_reading(c, fd, patience, rate, spare_patience);
            expire_writing(c, fd, patience, rate);
        }
        pthread_mutex_unlock(&lock);
    }
}
