// fanload: many WebSocket subscribers on loopback that count messages, at a cost that leaves the server the bottleneck.
//
//   fanload PORT PATH CLIENTS
//
// Connects CLIENTS clients, 20,000 to a source address (127.0.0.2, .3, ...), and prints "READY seconds". Then, for every
// line "K" on standard input, waits until all clients together have got CLIENTS x K more messages and prints
//   {"frames": CLIENTS x K, "first": T, "last": T}
// with the times on CLOCK_MONOTONIC, in seconds, at which the first and the last of them were read. Control frames are
// not counted. End of input ends it. Exit status 1, with a sentence on standard error, when a client was refused or
// closed, or when nothing came for 20 s.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { CLIENTS_AN_ADDRESS = 20000, HANDSHAKES_AT_A_TIME = 256, PATIENCE_MS = 20000, EVENTS = 1024, BUFFER = 256 * 1024 };

typedef struct {
    int fd;
    uint8_t open;          // the handshake is over
    uint8_t matched;       // characters of the handshake's blank line seen so far
    uint8_t header[14];    // of the frame that is being read; it may come in pieces
    uint8_t header_length;
    uint64_t payload_left;
} Client;

static uint8_t buffer[BUFFER];

static void fail(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fputs("fanload: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    exit(1);
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec * 1e-9;
}

// ---- frames (RFC 6455 section 5.2; what a server sends is not masked) ----

static uint64_t ends_message(const Client *c) {
    int final = c->header[0] & 0x80, control = c->header[0] & 0x08;
    return final && !control;
}

static size_t header_size(const uint8_t *header) {
    int length = header[1] & 127;
    return length < 126 ? 2 : length == 126 ? 4 : 10;
}

static uint64_t payload_size(const uint8_t *header) {
    size_t size = header_size(header);
    if (size == 2) return header[1] & 127;
    uint64_t length = 0;
    for (size_t i = 2; i < size; i++) length = length << 8 | header[i];
    return length;
}

// -> how many messages these bytes have completed
static uint64_t feed(Client *c, const uint8_t *data, size_t size) {
    uint64_t messages = 0;
    const uint8_t *end = data + size;
    while (data < end) {
        if (c->payload_left) {
            size_t taken = (size_t)(end - data) < c->payload_left ? (size_t)(end - data) : c->payload_left;
            c->payload_left -= taken;
            data += taken;
        } else if (!c->header_length && end - data >= 10) {  // a header in one piece, nearly always
            c->header[0] = data[0];
            c->payload_left = payload_size(data);
            data += header_size(data);
        } else {
            c->header[c->header_length++] = *data++;
            if (c->header_length < 2 || c->header_length < header_size(c->header)) continue;
            c->header_length = 0;
            c->payload_left = payload_size(c->header);
        }
        if (!c->payload_left) messages += ends_message(c);
    }
    return messages;
}

// ---- handshakes ----

static void begin(Client *c, int number, int port, const char *request, int epoll) {
    struct sockaddr_in from = {.sin_family = AF_INET}, to = {.sin_family = AF_INET, .sin_port = htons(port)};
    char address[32];
    int on = 1;
    snprintf(address, sizeof address, "127.0.0.%d", 2 + number / CLIENTS_AN_ADDRESS);
    inet_pton(AF_INET, address, &from.sin_addr);
    inet_pton(AF_INET, "127.0.0.1", &to.sin_addr);
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0) fail("socket %d: %m", number);
    setsockopt(c->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);  // a port may serve several addresses
    if (bind(c->fd, (void *)&from, sizeof from)) fail("bind to %s: %m", address);
    if (connect(c->fd, (void *)&to, sizeof to)) fail("connect client %d: %m", number);
    fcntl(c->fd, F_SETFL, O_NONBLOCK);
    ssize_t length = strlen(request);
    if (write(c->fd, request, length) != length) fail("handshake of client %d: %m", number);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &event);
}

// -> whether the handshake is over now; what follows it are frames already
static int shake(Client *c, const uint8_t *data, size_t size) {
    if (!c->matched && size > 12 && memcmp(data + 9, "101", 3)) fail("refused: %.*s", (int)(size < 200 ? size : 200), data);
    for (size_t i = 0; i < size; i++) {
        c->matched = data[i] == "\r\n\r\n"[c->matched] ? c->matched + 1 : data[i] == '\r';
        if (c->matched == 4) {
            c->open = 1;
            feed(c, data + i + 1, size - i - 1);
            return 1;
        }
    }
    return 0;
}

static void connect_all(Client *clients, int count, int port, const char *path, int epoll) {
    char request[2048];
    snprintf(request, sizeof request,
        "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n", path, port);
    struct epoll_event events[EVENTS];
    for (int begun = 0, open = 0; open < count;) {
        for (; begun < count && begun - open < HANDSHAKES_AT_A_TIME; begun++) begin(&clients[begun], begun, port, request, epoll);
        int ready = epoll_wait(epoll, events, EVENTS, PATIENCE_MS);
        if (ready <= 0) fail("handshakes stopped at %d of %d", open, count);
        for (int i = 0; i < ready; i++) {
            Client *c = events[i].data.ptr;
            ssize_t got = read(c->fd, buffer, sizeof buffer);
            if (got <= 0) fail("a client was closed after %d of %d handshakes", open, count);
            if (c->open) feed(c, buffer, got);
            else open += shake(c, buffer, got);
        }
    }
}

// ---- counting ----

static void count_messages(uint64_t wanted, int epoll) {
    struct epoll_event events[EVENTS];
    uint64_t got = 0;
    double first = 0;
    while (got < wanted) {
        int ready = epoll_wait(epoll, events, EVENTS, PATIENCE_MS);
        if (ready <= 0) fail("stopped at %" PRIu64 " of %" PRIu64 " messages", got, wanted);
        for (int i = 0; i < ready; i++) {
            Client *c = events[i].data.ptr;
            ssize_t size = read(c->fd, buffer, sizeof buffer);
            if (size <= 0) fail("a client was closed after %" PRIu64 " of %" PRIu64 " messages", got, wanted);
            got += feed(c, buffer, size);
            if (got && !first) first = now();
        }
    }
    printf("{\"frames\": %" PRIu64 ", \"first\": %.6f, \"last\": %.6f}\n", got, first, now());
    fflush(stdout);
}

int main(int argc, char **argv) {
    if (argc != 4) {
        fputs("usage: fanload PORT PATH CLIENTS\n", stderr);
        return 2;
    }
    int count = atoi(argv[3]), epoll = epoll_create1(EPOLL_CLOEXEC);
    Client *clients = calloc(count, sizeof *clients);
    double begun = now();
    connect_all(clients, count, atoi(argv[1]), argv[2], epoll);
    printf("READY %.3f\n", now() - begun);
    fflush(stdout);
    char line[64];
    while (fgets(line, sizeof line, stdin)) count_messages(count * strtoull(line, 0, 10), epoll);
    return 0;
}
