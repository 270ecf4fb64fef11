// The floor for all pushes: a WebSocket server that is only a loop of send().
//
// The lines of a POST are messages; each goes to each client in a separate send(). It supports only the handshake of
// the load generator, whose key and response are the example of RFC 6455 section 1.3. Sockets block: it has no buffers.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MOST_CLIENTS = 100000, REQUEST = 4 << 20, EVENTS = 1024 };

static const char WELCOME[] =
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
static const char OK[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

static int clients[MOST_CLIENTS], client_count;
static char request[REQUEST + 1];

static size_t frame(uint8_t *to, const char *message, size_t length) {
    size_t header = length < 126 ? 2 : 4;
    to[0] = 0x81;
    to[1] = length < 126 ? length : 126;
    if (header == 4) to[2] = length >> 8, to[3] = length;
    memcpy(to + header, message, length);
    return header + length;
}

static void broadcast(char *lines) {
    static uint8_t bytes[4 + 65535];
    for (char *line = strtok(lines, "\n"); line; line = strtok(0, "\n")) {
        size_t length = frame(bytes, line, strlen(line));
        for (int i = 0; i < client_count; i++) send(clients[i], bytes, length, MSG_NOSIGNAL);
    }
}

static void forget(int fd) {
    for (int i = 0; i < client_count; i++)
        if (clients[i] == fd) clients[i] = clients[--client_count];
    close(fd);
}

// Requests come only from the benchmark, each sent at once: read on until it is complete.
static void serve(int fd) {
    size_t got = 0, wanted = 1;
    char *body = 0;
    while (got < wanted) {
        ssize_t size = recv(fd, request + got, REQUEST - got, 0);
        if (size <= 0) return forget(fd);
        request[got += size] = 0;
        if (!body && (body = strstr(request, "\r\n\r\n"))) {
            char *field = strcasestr(request, "\r\ncontent-length:");
            body += 4;
            wanted = body - request + (field && field < body ? strtoull(field + 17, 0, 10) : 0);
        }
        if (!body) wanted = got + 1;
    }
    if (strcasestr(request, "\r\nupgrade: websocket") && client_count < MOST_CLIENTS) {
        send(fd, WELCOME, sizeof WELCOME - 1, MSG_NOSIGNAL);
        clients[client_count++] = fd;
    } else {
        broadcast(body);
        send(fd, OK, sizeof OK - 1, MSG_NOSIGNAL);
    }
}

int main(void) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), epoll = epoll_create1(EPOLL_CLOEXEC), on = 1;
    if (bind(listener, (void *)&address, length) || listen(listener, 4096)) return perror("listen"), 1;
    getsockname(listener, (void *)&address, &length);
    struct epoll_event events[EVENTS], event = {.events = EPOLLIN, .data.fd = listener};
    epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event);
    printf("the C loop is listening on http://127.0.0.1:%d\n", ntohs(address.sin_port));
    fflush(stdout);
    for (;;) {
        int ready = epoll_wait(epoll, events, EVENTS, -1);
        for (int i = 0; i < ready; i++) {
            if (events[i].data.fd != listener) {
                serve(events[i].data.fd);
                continue;
            }
            event.data.fd = accept4(listener, 0, 0, SOCK_CLOEXEC);
            if (event.data.fd < 0) return perror("accept"), 1;
            setsockopt(event.data.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
            epoll_ctl(epoll, EPOLL_CTL_ADD, event.data.fd, &event);
        }
    }
}
