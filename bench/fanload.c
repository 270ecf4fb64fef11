// fanload: many WebSocket clients on loopback that count messages, cheap enough that the server is the bottleneck.
//
//   fanload [OPTIONS] PORT PATH CLIENTS
//
//   -a HEADER   a header line for the handshakes, such as "Authorization: Bearer ..."
//   -p FILE     one path per line, assigned to the clients in turns, instead of PATH
//   -s TEXT     what each client sends once it is connected
//   -u TEXT     a client is ready once it gets a message that begins with TEXT; messages up to then are not counted
//   -w N        handshakes at a time, 256 by default
//   -d N        N of the clients never read. They have small segments, as outside loopback, so that it shows soon
//
// Connects CLIENTS clients, 2,000 per source address of 127.0.0.0/8, and prints "READY seconds". Then, for every line
// "K" on standard input, waits until each client that reads has received K more messages and prints
//   {"frames": CLIENTS x K, "first": T, "p99": T, "last": T, "each": [T, ...]}
// with the times on CLOCK_MONOTONIC, in seconds, at which the first, 99 % and the last of them were read. "each" has,
// for each of the K messages, the time when the last client had it; it is empty unless the line is "K each". Control
// frames are not counted. End of input ends it. Exit status 1, with a message on standard error, if a client was
// refused or closed, if one got more than K messages, or if nothing arrived for 20 s ("K each" rounds then end early).
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { CLIENTS_AN_ADDRESS = 2000, PATIENCE_MS = 20000, EVENTS = 1024, BUFFER = 256 * 1024 };
enum { DEAF_SEGMENT = 1460, DEAF_BUFFER = 64 * 1024, MISMATCH = 255 };
enum { SHAKING, WAITING, OPEN };

typedef struct {
    int fd;
    uint8_t state;         // SHAKING: in the handshake, WAITING for the message of -u, OPEN
    uint8_t matched;       // characters seen so far of the handshake's blank line; then of the message of -u
    uint8_t header[14];    // of the frame that is being read; it may arrive in pieces
    uint8_t header_length;
    uint64_t payload_left;
    uint64_t got;          // messages received in this count
} Client;

static uint8_t buffer[BUFFER];

static const char *header_line = "", *said = "", *awaited = "", **paths;
static size_t path_count, awaited_length;
static int count, deaf, at_a_time = 256;

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

// Compare the next bytes of a message with the text this client waits for.
static void look(Client *c, const uint8_t *data, size_t size) {
    for (size_t i = 0; i < size && c->matched < awaited_length; i++)
        c->matched = data[i] == (uint8_t)awaited[c->matched] ? c->matched + 1 : MISMATCH;
}

static void end_wait(Client *c) {
    if (c->matched == awaited_length) c->state = OPEN;
    c->matched = 0;
}

// -> how many messages these bytes complete
static uint64_t feed(Client *c, const uint8_t *data, size_t size) {
    uint64_t messages = 0;
    const uint8_t *end = data + size;
    while (data < end) {
        if (c->payload_left) {
            size_t taken = (size_t)(end - data) < c->payload_left ? (size_t)(end - data) : c->payload_left;
            if (c->state == WAITING) look(c, data, taken);
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
        if (c->payload_left) continue;
        messages += ends_message(c);
        if (c->state == WAITING) end_wait(c);
    }
    return messages;
}

// ---- handshakes ----

static void begin(Client *c, int number, int port, int epoll) {
    struct sockaddr_in from = {.sin_family = AF_INET}, to = {.sin_family = AF_INET, .sin_port = htons(port)};
    char address[32], request[4096];
    int on = 1, segment = DEAF_SEGMENT, room = DEAF_BUFFER;
    // Few ports per address, and other addresses than in the last run: finding a free port among used ones is slow.
    snprintf(address, sizeof address, "127.%d.0.%d", 1 + getpid() % 254, 2 + number / CLIENTS_AN_ADDRESS);
    inet_pton(AF_INET, address, &from.sin_addr);
    inet_pton(AF_INET, "127.0.0.1", &to.sin_addr);
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0) fail("socket %d: %m", number);
    setsockopt(c->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);  // a port may serve several addresses
    if (number >= count - deaf) {
        setsockopt(c->fd, IPPROTO_TCP, TCP_MAXSEG, &segment, sizeof segment);
        setsockopt(c->fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
    }
    if (bind(c->fd, (void *)&from, sizeof from)) fail("bind to %s: %m", address);
    if (connect(c->fd, (void *)&to, sizeof to)) fail("connect client %d: %m", number);
    fcntl(c->fd, F_SETFL, O_NONBLOCK);
    ssize_t length = snprintf(request, sizeof request,
        "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n%s%s"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
        paths[number % path_count], port, header_line, *header_line ? "\r\n" : "");
    if (write(c->fd, request, length) != length) fail("handshake of client %d: %m", number);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &event);
}

// One text frame, masked with zeros, which leaves its content unchanged.
static void say(Client *c) {
    uint8_t frame[6 + 125] = {0x81, 0x80 | strlen(said)};
    memcpy(frame + 6, said, strlen(said));
    ssize_t length = 6 + strlen(said);
    if (write(c->fd, frame, length) != length) fail("a client could not say %s: %m", said);
}

// Bytes after the handshake are frames already.
static void shake(Client *c, const uint8_t *data, size_t size) {
    if (!c->matched && size > 12 && memcmp(data + 9, "101", 3)) fail("refused: %.*s", (int)(size < 200 ? size : 200), data);
    for (size_t i = 0; i < size; i++) {
        c->matched = data[i] == "\r\n\r\n"[c->matched] ? c->matched + 1 : data[i] == '\r';
        if (c->matched < 4) continue;
        c->matched = 0;
        c->state = *awaited ? WAITING : OPEN;
        if (*said) say(c);
        feed(c, data + i + 1, size - i - 1);
        return;
    }
}

static void connect_all(Client *clients, int port, int epoll) {
    struct epoll_event events[EVENTS];
    for (int begun = 0, open = 0; open < count;) {
        for (; begun < count && begun - open < at_a_time; begun++) begin(&clients[begun], begun, port, epoll);
        int ready = epoll_wait(epoll, events, EVENTS, PATIENCE_MS);
        if (ready <= 0) fail("handshakes stopped at %d of %d", open, count);
        for (int i = 0; i < ready; i++) {
            Client *c = events[i].data.ptr;
            ssize_t got = read(c->fd, buffer, sizeof buffer);
            if (got <= 0) fail("a client was closed after %d of %d handshakes", open, count);
            bool was_open = c->state == OPEN;
            if (c->state == SHAKING) shake(c, buffer, got);
            else feed(c, buffer, got);
            open += !was_open && c->state == OPEN;
        }
    }
    for (int i = count - deaf; i < count; i++) epoll_ctl(epoll, EPOLL_CTL_DEL, clients[i].fd, 0);
}

// ---- counting ----

static void print_round(uint64_t got, double first, double p99, double last, const double *each, uint64_t messages) {
    printf("{\"frames\": %" PRIu64 ", \"first\": %.6f, \"p99\": %.6f, \"last\": %.6f, \"each\": [", got, first, p99, last);
    for (uint64_t i = 0; i < messages; i++) printf("%s%.6f", i ? ", " : "", each[i]);
    puts("]}");
    fflush(stdout);
}

static void count_messages(Client *clients, uint64_t messages, bool tell_each, int epoll) {
    struct epoll_event events[EVENTS];
    uint64_t got = 0, readers = count - deaf, wanted = readers * messages;
    uint32_t *readers_that_have = calloc(messages, sizeof *readers_that_have);
    double *each = calloc(messages, sizeof *each), first = 0, p99 = 0, time = 0;
    for (int i = 0; i < count; i++) clients[i].got = 0;
    while (got < wanted) {
        int ready = epoll_wait(epoll, events, EVENTS, PATIENCE_MS);
        if (ready <= 0 && tell_each) break;  // the rest is lost: the caller counts it
        if (ready <= 0) fail("stopped at %" PRIu64 " of %" PRIu64 " messages", got, wanted);
        for (int i = 0; i < ready; i++) {
            Client *c = events[i].data.ptr;
            ssize_t size = read(c->fd, buffer, sizeof buffer);
            if (size <= 0) fail("a client was closed after %" PRIu64 " of %" PRIu64 " messages", got, wanted);
            uint64_t until = c->got + feed(c, buffer, size);
            if (until > messages) fail("a client got %" PRIu64 " messages, expected %" PRIu64, until, messages);
            time = now();
            got += until - c->got;
            for (; c->got < until; c->got++)
                if (++readers_that_have[c->got] == readers) each[c->got] = time;
            if (got && !first) first = time;
            if (got * 100 >= wanted * 99 && !p99) p99 = time;
        }
    }
    print_round(got, first, p99, time, each, tell_each ? messages : 0);
    free(readers_that_have);
    free(each);
}

// ---- the command ----

static void load_paths(const char *name) {
    FILE *file = fopen(name, "r");
    char line[512];
    if (!file) fail("%s: %m", name);
    while (fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = 0;
        paths = realloc(paths, (path_count + 1) * sizeof *paths);
        paths[path_count++] = strdup(line);
    }
    fclose(file);
}

static void load_option(int option) {
    if (option == 'a') header_line = optarg;
    else if (option == 'p') load_paths(optarg);
    else if (option == 's') said = optarg;
    else if (option == 'u') awaited = optarg;
    else if (option == 'w') at_a_time = atoi(optarg);
    else if (option == 'd') deaf = atoi(optarg);
    else exit(2);
}

int main(int argc, char **argv) {
    for (int option; (option = getopt(argc, argv, "a:p:s:u:w:d:")) != -1;) load_option(option);
    if (argc - optind != 3) {
        fputs("usage: fanload [-a HEADER] [-p FILE] [-s TEXT] [-u TEXT] [-w N] [-d N] PORT PATH CLIENTS\n", stderr);
        return 2;
    }
    if (!path_count) paths = (const char **)&argv[optind + 1], path_count = 1;
    awaited_length = strlen(awaited);
    if (strlen(said) > 125 || awaited_length >= MISMATCH) fail("-s takes 125 characters and -u %d", MISMATCH - 1);
    count = atoi(argv[optind + 2]);
    Client *clients = calloc(count, sizeof *clients);
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    double begun = now();
    connect_all(clients, atoi(argv[optind]), epoll);
    printf("READY %.3f\n", now() - begun);
    fflush(stdout);
    char line[64];
    while (fgets(line, sizeof line, stdin))
        count_messages(clients, strtoull(line, 0, 10), strstr(line, "each") != 0, epoll);
    return 0;
}
