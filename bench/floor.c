/* floor: the least a server can do. It accepts, and for each publication calls write(2) once for each subscriber with the
 * same bytes, as many as a signed frame has. No queue, no history, no limit, no signature: nobody could use it.
 *
 * GET / subscribes, POST / publishes its body. Prints its port once it listens.   floor [--tls CERT KEY] BYTES
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MOST = 65536, REQUEST = 65536 };

static const char HEAD[] = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";
static const char TAKEN[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
static int readers[MOST], reader_count, listener, epoll_fd;
static SSL *secured[MOST];
static SSL_CTX *tls;
static char event[REQUEST];
static size_t event_bytes;

static void die(const char *what) {
    fprintf(stderr, "floor: %s: %s\n", what, strerror(errno));
    exit(1);
}

static ssize_t put(int fd, const char *data, size_t bytes) {
    return secured[fd] != NULL ? SSL_write(secured[fd], data, (int)bytes) : send(fd, data, bytes, MSG_NOSIGNAL);
}

static void hang_up(int fd) {
    for (int i = 0; i < reader_count; i++)
        if (readers[i] == fd) readers[i] = readers[--reader_count];
    if (secured[fd] != NULL) SSL_free(secured[fd]);
    secured[fd] = NULL;
    close(fd);
}

static void publish(const char *data, size_t bytes) {
    if (bytes > event_bytes - 8) bytes = event_bytes - 8;
    memset(event, '.', event_bytes);
    memcpy(event, "data: ", 6);
    memcpy(event + 6, data, bytes);
    memcpy(event + event_bytes - 2, "\n\n", 2);
    for (int i = 0; i < reader_count; i++)
        if (put(readers[i], event, event_bytes) != (ssize_t)event_bytes) fprintf(stderr, "floor: short write\n");
}

static void requested(int fd) {
    static char text[REQUEST];
    ssize_t got = secured[fd] != NULL ? SSL_read(secured[fd], text, sizeof text - 1) : recv(fd, text, sizeof text - 1, 0);
    if (got <= 0) {
        bool later = secured[fd] != NULL ? SSL_get_error(secured[fd], (int)got) == SSL_ERROR_WANT_READ : errno == EAGAIN;
        if (got == 0 || !later) hang_up(fd);
        return;
    }
    text[got] = 0;
    char *body = strstr(text, "\r\n\r\n");
    if (text[0] == 'G') {
        readers[reader_count++] = fd;
        put(fd, HEAD, sizeof HEAD - 1);
    } else if (body != NULL) { /* the bench sends a request in one piece */
        publish(body + 4, strlen(body + 4));
        put(fd, TAKEN, sizeof TAKEN - 1);
    }
}

static void welcome(void) {
    int fd, on = 1;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        if (fd >= MOST) die("too many");
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        if (tls != NULL) {
            secured[fd] = SSL_new(tls);
            SSL_set_fd(secured[fd], fd);
            SSL_set_accept_state(secured[fd]);
        }
        struct epoll_event watched = {.events = EPOLLIN, .data.fd = fd};
        if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &watched) != 0) die("epoll_ctl");
    }
}

static void listen_now(void) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof address) != 0 || listen(listener, 4096) != 0)
        die("listen");
    getsockname(listener, (struct sockaddr *)&address, &length);
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event watched = {.events = EPOLLIN, .data.fd = listener};
    if (epoll_fd < 0 || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener, &watched) != 0) die("epoll");
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
}

int main(int count, char **words) {
    if (count == 5 && strcmp(words[1], "--tls") == 0) {
        tls = SSL_CTX_new(TLS_server_method());
        if (tls == NULL || SSL_CTX_use_certificate_chain_file(tls, words[2]) != 1 ||
            SSL_CTX_use_PrivateKey_file(tls, words[3], SSL_FILETYPE_PEM) != 1)
            die("TLS");
        SSL_CTX_set_mode(tls, SSL_MODE_RELEASE_BUFFERS);
    } else if (count != 2) {
        fprintf(stderr, "floor [--tls CERT KEY] BYTES\n");
        return 2;
    }
    event_bytes = (size_t)atoi(words[count - 1]);
    if (event_bytes < 64 || event_bytes > sizeof event) die("BYTES");
    listen_now();
    for (;;) {
        struct epoll_event events[256];
        int ready = epoll_wait(epoll_fd, events, 256, -1);
        for (int i = 0; i < ready; i++) {
            if (events[i].data.fd == listener) welcome();
            else requested(events[i].data.fd);
        }
    }
}
