// httpload: keep-alive HTTP/1.1 connections that send prepared requests one after another, as fast as responses arrive.
//
//   httpload [-r RATE] PORT CONNECTIONS REQUESTS
//
// REQUESTS is a file: each request preceded by a line with its length in bytes. Connection c of C sends the requests
// c, c + C, c + 2C, ... and starts over when there are no more. For every line "SECONDS" on standard input it sends for
// that long, waits for the last responses and prints
//   {"answers": N, "seconds": S}
// with S from the first request to the last response. With -r it does not wait for responses: RATE times per second it
// sends the next of REQUESTS on any free connection, RATE x SECONDS of them, and adds "begun": T (CLOCK_MONOTONIC).
// Request k of them was due at T + k / RATE; it may be sent up to a millisecond later, and waits if no connection is
// free, so that a slow server cannot lower the rate. End of input ends it. Exit status 1, with a message on standard
// error, if a response is not a 200, a connection was closed, or nothing arrived for 20 s.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { PATIENCE_MS = 20000, EVENTS = 256, BUFFER = 256 * 1024, HEAD = 4096 };

typedef struct { char *bytes; size_t length; } Request;

typedef struct {
    int fd;
    size_t next;       // the request to send next
    size_t sent;       // bytes of it that were sent
    int writing;       // whether the rest waits for space in the socket's buffer
    char head[HEAD];   // of the response that is being read; it may arrive in pieces
    size_t head_length;
    size_t body_left;
} Connection;

static char buffer[BUFFER];
static Request *requests;
static size_t request_count, connection_count;

static void fail(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fputs("httpload: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    exit(1);
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec * 1e-9;
}

static void load_requests(const char *path) {
    FILE *file = fopen(path, "rb");
    if (!file) fail("%s: %m", path);
    size_t length;
    while (fscanf(file, "%zu", &length) == 1) {
        fgetc(file);  // the newline
        requests = realloc(requests, (request_count + 1) * sizeof *requests);
        Request *r = &requests[request_count++];
        *r = (Request){malloc(length), length};
        if (fread(r->bytes, 1, length, file) != length) fail("%s: request %zu is cut short", path, request_count);
    }
    fclose(file);
}

static void open_connection(Connection *c, int port, int epoll) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    int on = 1;
    inet_pton(AF_INET, "127.0.0.1", &to.sin_addr);
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0 || connect(c->fd, (void *)&to, sizeof to)) fail("connect: %m");
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    // BBR, if it is the system's default, would send a large request no faster than the ones before it.
    setsockopt(c->fd, IPPROTO_TCP, TCP_CONGESTION, "reno", 4);
    fcntl(c->fd, F_SETFL, O_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &event);
}

// Send what fits in the socket's buffer. epoll is updated only if the state changes: a small request always fits.
static void send_on(Connection *c, int epoll) {
    const Request *r = &requests[c->next];
    while (c->sent < r->length) {
        ssize_t n = write(c->fd, r->bytes + c->sent, r->length - c->sent);
        if (n < 0 && errno != EAGAIN) fail("write: %m");
        if (n < 0) break;
        c->sent += n;
    }
    int waits = c->sent < r->length;
    if (waits != c->writing) {
        c->writing = waits;
        struct epoll_event event = {.events = EPOLLIN | (waits ? EPOLLOUT : 0), .data.ptr = c};
        epoll_ctl(epoll, EPOLL_CTL_MOD, c->fd, &event);
    }
}

static void send_next(Connection *c, int epoll) {
    c->sent = 0;
    send_on(c, epoll);
}

static size_t content_length(const char *head) {
    const char *field = strcasestr(head, "\r\ncontent-length:");
    if (!field) fail("an answer without a content-length: %s", head);
    return strtoull(field + 17, 0, 10);
}

// -> whether these bytes complete a response
static int feed(Connection *c, const char *data, size_t size) {
    for (size_t i = 0; i < size;) {
        if (c->body_left) {
            size_t taken = size - i < c->body_left ? size - i : c->body_left;
            c->body_left -= taken;
            i += taken;
        } else {
            if (c->head_length == HEAD - 1) fail("an answer's head is longer than %d bytes", HEAD);
            c->head[c->head_length++] = data[i++];
            if (c->head_length < 4 || memcmp(c->head + c->head_length - 4, "\r\n\r\n", 4)) continue;
            c->head[c->head_length] = 0;
            if (memcmp(c->head, "HTTP/1.1 200 ", 13))
                fail("expected a 200, got: %s%.*s", c->head, (int)(size - i < 300 ? size - i : 300), data + i);
            c->body_left = content_length(c->head);
            c->head_length = 0;
        }
        if (!c->body_left) {
            if (i < size) fail("an answer that nobody asked for");
            return 1;
        }
    }
    return 0;
}

static ssize_t receive(Connection *c, size_t answers) {
    ssize_t size = read(c->fd, buffer, sizeof buffer);
    if (size <= 0) fail("a connection was closed after %zu answers", answers);
    return size;
}

static void run(Connection *connections, double seconds, int epoll) {
    struct epoll_event events[EVENTS];
    size_t answers = 0, open = connection_count;
    double begun = now(), until = begun + seconds;
    for (size_t i = 0; i < connection_count; i++) send_next(&connections[i], epoll);
    while (open) {
        int ready = epoll_wait(epoll, events, EVENTS, PATIENCE_MS);
        if (ready <= 0) fail("no answer for %d s", PATIENCE_MS / 1000);
        for (int i = 0; i < ready; i++) {
            Connection *c = events[i].data.ptr;
            if (events[i].events & EPOLLOUT) send_on(c, epoll);
            if (!(events[i].events & ~EPOLLOUT)) continue;
            if (!feed(c, buffer, receive(c, answers))) continue;
            answers++;
            c->next += connection_count;
            if (c->next >= request_count) c->next %= connection_count;
            if (now() < until) send_next(c, epoll);
            else open--;
        }
    }
    printf("{\"answers\": %zu, \"seconds\": %.6f}\n", answers, now() - begun);
    fflush(stdout);
}

static void run_paced(Connection *connections, double seconds, double rate, int epoll) {
    static size_t upcoming;  // continues from round to round
    struct epoll_event events[EVENTS];
    size_t wanted = rate * seconds, sent = 0, answers = 0;
    // The connection that has been idle longest goes first, so that all of them are used.
    Connection **resting = calloc(connection_count, sizeof *resting);
    for (size_t i = 0; i < connection_count; i++) resting[i] = &connections[i];
    double begun = now(), last_answer = begun;
    while (answers < wanted) {
        for (; sent < wanted && sent - answers < connection_count && now() >= begun + sent / rate; sent++) {
            Connection *c = resting[sent % connection_count];
            c->next = upcoming++ % request_count;
            send_next(c, epoll);
        }
        int ready = epoll_wait(epoll, events, EVENTS, 1);
        for (int i = 0; i < ready; i++) {
            Connection *c = events[i].data.ptr;
            if (events[i].events & EPOLLOUT) send_on(c, epoll);
            if (!(events[i].events & ~EPOLLOUT) || !feed(c, buffer, receive(c, answers))) continue;
            resting[answers++ % connection_count] = c;
            last_answer = now();
        }
        if (sent > answers && now() > last_answer + PATIENCE_MS / 1000) fail("no answer for %d s", PATIENCE_MS / 1000);
    }
    printf("{\"answers\": %zu, \"seconds\": %.6f, \"begun\": %.6f}\n", answers, now() - begun, begun);
    fflush(stdout);
    free(resting);
}

int main(int argc, char **argv) {
    double rate = 0;
    for (int option; (option = getopt(argc, argv, "r:")) != -1;) {
        if (option != 'r') return 2;
        rate = strtod(optarg, 0);
    }
    if (argc - optind != 3) {
        fputs("usage: httpload [-r RATE] PORT CONNECTIONS REQUESTS\n", stderr);
        return 2;
    }
    connection_count = strtoull(argv[optind + 1], 0, 10);
    load_requests(argv[optind + 2]);
    if (!rate && (request_count < connection_count || request_count % connection_count))
        fail("expected a multiple of %zu requests, got %zu", connection_count, request_count);
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    Connection *connections = calloc(connection_count, sizeof *connections);
    for (size_t i = 0; i < connection_count; i++) {
        connections[i].next = i;
        open_connection(&connections[i], atoi(argv[optind]), epoll);
    }
    puts("READY");
    fflush(stdout);
    char line[64];
    while (fgets(line, sizeof line, stdin)) {
        if (rate) run_paced(connections, strtod(line, 0), rate, epoll);
        else run(connections, strtod(line, 0), epoll);
    }
    return 0;
}
