/* load: opens N subscribers, counts what they are sent, measures publish to receipt. One thread, one epoll loop.
 *
 * It shares nothing with the hub. A subscriber sends the requests it is given, one after the other on its own
 * connection; {cookie} and {kid} stand for what earlier answers said. Each delivery is found by its mark, which
 * bench/payload.py puts into the data: "jb~" and 19 digits, the monotonic clock in nanoseconds.
 *
 * On standard input, a line each:   expect N   answered "reached" once N deliveries came since the last report
 *                                   report     answered by a line of JSON with all since the last report
 *                                   go N       with --come-back: all of them come back, N at once
 *                                   quit
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MARK = 3 + 19, CARRY = MARK - 1, ANSWER = 16384, READ = 65536, MAX_REQUESTS = 4, MAX_LATENCIES = 1 << 23 };
enum state { NEW, CONNECTING, TLS_HANDSHAKE, ANSWERING, AWAY, STARTING, OPEN, CLOSED };

struct subscriber {
    int fd;
    SSL *ssl;
    enum state state;
    int step;             /* which request is being answered */
    char *answer;         /* what came of its answer; freed once open */
    size_t answer_bytes;
    char *cookie, *kid;   /* from the answers; freed once open */
    char *out;            /* what is still to be sent of a request */
    size_t out_bytes, out_done;
    unsigned char carry[CARRY];
    unsigned char carried;
    uint64_t opening_ns;  /* when it began */
    FILE *sample;         /* everything it is sent, for a look at the signatures; NULL = not kept */
};

static struct {
    struct sockaddr_in server;
    int subscribers, at_once, sources, samples, requests, come_back;
    bool tls;
    const char *sample_prefix, *ready, *after;
    char *request[MAX_REQUESTS];
    size_t after_bytes;
} given = {.subscribers = 1, .at_once = 128, .sources = 8, .ready = ""};

static struct subscriber *all;
static int epoll_fd, started, opened, away, failed, closed_early;
static bool came_back;
static SSL_CTX *tls;
static uint64_t delivered, delivered_bytes, expected;
static uint32_t *latencies_us;
static size_t latency_count;
static uint64_t since_ns, cpu_before_us;
static uint32_t *openings_us;
static char first_error[256];

static uint64_t now_ns(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static uint64_t cpu_us(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000u +
           (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

static void die(const char *what) {
    fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
    exit(1);
}

static char *read_file(const char *name, size_t *bytes) {
    FILE *file = fopen(name, "rb");
    char *text = calloc(1, ANSWER);
    if (file == NULL || text == NULL) die(name);
    *bytes = fread(text, 1, ANSWER - 1, file);
    fclose(file);
    return text;
}

/* ---- one subscriber: its requests ---- */

static void hang_up(struct subscriber *one, enum state state) {
    one->state = state;
    if (one->ssl != NULL) SSL_free(one->ssl);
    one->ssl = NULL;
    if (one->fd >= 0) close(one->fd);
    one->fd = -1;
}

static void fail(struct subscriber *one, const char *why) {
    if (first_error[0] == 0) {
        size_t used = (size_t)snprintf(first_error, sizeof first_error, "%s, request %d: ", why, one->step);
        for (size_t i = 0; i < one->answer_bytes && used < sizeof first_error - 1; i++) {
            unsigned char letter = (unsigned char)one->answer[i];
            first_error[used++] = letter < ' ' || letter > '~' || letter == '"' || letter == '\\' ? ' ' : (char)letter;
        }
    }
    if (one->state == OPEN) closed_early++; else failed++;
    hang_up(one, CLOSED);
}

static void watch(struct subscriber *one, bool writing) {
    struct epoll_event event = {.events = EPOLLIN | (writing ? EPOLLOUT : 0), .data.ptr = one};
    if (epoll_ctl(epoll_fd, EPOLL_CTL_MOD, one->fd, &event) != 0) die("epoll_ctl");
}

static void send_out(struct subscriber *one) {
    while (one->out_done < one->out_bytes) {
        const char *rest = one->out + one->out_done;
        int left = (int)(one->out_bytes - one->out_done);
        ssize_t sent = one->ssl != NULL ? SSL_write(one->ssl, rest, left) : send(one->fd, rest, (size_t)left, MSG_NOSIGNAL);
        if (sent <= 0) {
            bool later = one->ssl != NULL ? SSL_get_error(one->ssl, (int)sent) == SSL_ERROR_WANT_WRITE
                                          : errno == EAGAIN || errno == EWOULDBLOCK;
            if (later) watch(one, true); else fail(one, "sending");
            return;
        }
        one->out_done += (size_t)sent;
    }
    free(one->out);
    one->out = NULL;
    one->out_bytes = one->out_done = 0;
    watch(one, false);
}

static void send_bytes(struct subscriber *one, const char *bytes, size_t count) {
    one->out = malloc(count);
    if (one->out == NULL) die("malloc");
    memcpy(one->out, bytes, count);
    one->out_bytes = count;
    one->out_done = 0;
    send_out(one);
}

static void send_request(struct subscriber *one) {
    char text[ANSWER];
    size_t used = 0;
    for (const char *at = given.request[one->step]; *at != 0 && used < sizeof text - 512;) {
        const char *value = NULL;
        if (strncmp(at, "{cookie}", 8) == 0) value = one->cookie != NULL ? one->cookie : "", at += 8;
        else if (strncmp(at, "{kid}", 5) == 0) value = one->kid != NULL ? one->kid : "", at += 5;
        if (value == NULL) text[used++] = *at++;
        else used += (size_t)snprintf(text + used, sizeof text - used, "%s", value);
    }
    one->answer_bytes = 0;
    one->state = ANSWERING;
    send_bytes(one, text, used);
}

static void start(struct subscriber *one) {
    int on = 1;
    one->opening_ns = now_ns();
    one->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (one->fd < 0) die("socket");
    struct sockaddr_in source = {.sin_family = AF_INET};
    source.sin_addr.s_addr = htonl(INADDR_LOOPBACK + (uint32_t)((one - all) % given.sources));
    setsockopt(one->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    setsockopt(one->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (bind(one->fd, (struct sockaddr *)&source, sizeof source) != 0) die("bind");
    if (one->answer == NULL) one->answer = malloc(ANSWER);
    if (one->answer == NULL) die("malloc");
    if (one->sample == NULL && one - all < given.samples) {
        char name[1024];
        snprintf(name, sizeof name, "%s%d", given.sample_prefix, (int)(one - all));
        one->sample = fopen(name, "wb");
        if (one->sample == NULL) die(name);
    }
    struct epoll_event event = {.events = EPOLLOUT, .data.ptr = one};
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, one->fd, &event) != 0) die("epoll_ctl");
    one->state = CONNECTING;
    if (connect(one->fd, (struct sockaddr *)&given.server, sizeof given.server) != 0 && errno != EINPROGRESS)
        fail(one, "connecting");
}

static void handshake(struct subscriber *one) {
    int result = SSL_do_handshake(one->ssl);
    if (result == 1) {
        send_request(one);
        return;
    }
    int error = SSL_get_error(one->ssl, result);
    if (error == SSL_ERROR_WANT_READ) watch(one, false);
    else if (error == SSL_ERROR_WANT_WRITE) watch(one, true);
    else fail(one, "TLS handshake");
}

static void connected(struct subscriber *one) {
    int error = 0;
    socklen_t length = sizeof error;
    getsockopt(one->fd, SOL_SOCKET, SO_ERROR, &error, &length);
    if (error != 0) {
        errno = error;
        fail(one, strerror(error));
    } else if (given.tls) {
        one->ssl = SSL_new(tls);
        SSL_set_fd(one->ssl, one->fd);
        SSL_set_connect_state(one->ssl);
        one->state = TLS_HANDSHAKE;
        handshake(one);
    } else {
        send_request(one);
    }
}

/* ---- what it is sent ---- */

static void count_marks(struct subscriber *one, unsigned char *data, size_t bytes, uint64_t at_ns) {
    /* There is room for the carried bytes in front of the data. */
    unsigned char *from = data - one->carried, *end = data + bytes, *kept = from;
    memcpy(from, one->carry, one->carried);
    for (unsigned char *at = from; end - at >= MARK;) {
        unsigned char *mark = memmem(at, (size_t)(end - at), "jb~", 3);
        if (mark == NULL || end - mark < MARK) break;
        uint64_t sent_ns = 0;
        for (int digit = 0; digit < 19; digit++) sent_ns = sent_ns * 10 + (uint64_t)(mark[3 + digit] - '0');
        if (latency_count < MAX_LATENCIES) latencies_us[latency_count++] = (uint32_t)((at_ns - sent_ns) / 1000);
        delivered++;
        at = kept = mark + MARK;
    }
    if (end - kept > CARRY) kept = end - CARRY;
    one->carried = (unsigned char)(end - kept);
    memcpy(one->carry, kept, one->carried);
}

static char *copy_between(const char *text, const char *before, const char *ends) {
    const char *found = strcasestr(text, before);
    if (found == NULL) return NULL;
    found += strlen(before);
    return strndup(found, strcspn(found, ends));
}

static void open_now(struct subscriber *one, size_t body_at) {
    unsigned char buffer[CARRY + ANSWER];
    size_t bytes = one->answer_bytes - body_at;
    one->state = OPEN;
    openings_us[opened++] = (uint32_t)((now_ns() - one->opening_ns) / 1000);
    memcpy(buffer + CARRY, one->answer + body_at, bytes);
    count_marks(one, buffer + CARRY, bytes, now_ns());
    free(one->answer), free(one->cookie), free(one->kid);
    one->answer = one->cookie = one->kid = NULL;
    one->answer_bytes = 0;
}

/* Looks at what there is of an answer: sends the next request, or opens. */
static void look_at_answer(struct subscriber *one) {
    one->answer[one->answer_bytes] = 0;
    char *head_end = strstr(one->answer, "\r\n\r\n");
    if (head_end == NULL) return;
    size_t body_at = (size_t)(head_end - one->answer) + 4;
    int status = atoi(one->answer + 9);
    bool last = one->step == given.requests - 1;
    if (status != 101 && (status < 200 || status > 299)) {
        fail(one, "refused");
        return;
    }
    if (last) {
        if (one->state == ANSWERING && given.after != NULL) send_bytes(one, given.after, given.after_bytes);
        if (one->fd < 0) return;
        one->state = STARTING;
        if (memmem(one->answer + body_at, one->answer_bytes - body_at, given.ready, strlen(given.ready)) != NULL)
            open_now(one, body_at);
        return;
    }
    char *length = strcasestr(one->answer, "\r\ncontent-length:");
    size_t body_bytes = length != NULL && length < head_end ? strtoul(length + 17, NULL, 10) : 0;
    if (one->answer_bytes < body_at + body_bytes) return;
    char *cookie = copy_between(one->answer, "\r\nset-cookie: ", ";\r"), *kid = copy_between(one->answer, "\"kid\":\"", "\"");
    if (cookie != NULL) free(one->cookie), one->cookie = cookie;
    if (kid != NULL) free(one->kid), one->kid = kid;
    one->step++;
    if (one->step == given.come_back && !came_back) {
        hang_up(one, AWAY);
        away++;
    } else {
        send_request(one);
    }
}

static void receive(struct subscriber *one) {
    static unsigned char buffer[CARRY + READ];
    unsigned char *data = buffer + CARRY;
    for (;;) {
        ssize_t got = one->ssl != NULL ? SSL_read(one->ssl, data, READ) : recv(one->fd, data, READ, 0);
        if (got <= 0) {
            bool later = one->ssl != NULL ? SSL_get_error(one->ssl, (int)got) == SSL_ERROR_WANT_READ
                                          : got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
            if (!later) fail(one, one->state == OPEN ? "closed" : "closed early");
            return;
        }
        if (one->sample != NULL) fwrite(data, 1, (size_t)got, one->sample);
        if (one->state == OPEN) {
            delivered_bytes += (uint64_t)got;
            count_marks(one, data, (size_t)got, now_ns());
        } else {
            if (one->answer_bytes + (size_t)got >= ANSWER) {
                fail(one, "answer too long");
                return;
            }
            memcpy(one->answer + one->answer_bytes, data, (size_t)got);
            one->answer_bytes += (size_t)got;
            look_at_answer(one);
        }
        /* What TLS has decoded already makes no noise on the socket. */
        if (one->fd < 0 || one->ssl == NULL || SSL_pending(one->ssl) == 0) return;
    }
}

static void happened(struct subscriber *one, uint32_t events) {
    if (one->fd < 0) return;
    if (one->state == CONNECTING) connected(one);
    else if (one->state == TLS_HANDSHAKE) handshake(one);
    else {
        if (events & EPOLLOUT && one->out != NULL) send_out(one);
        if (one->fd >= 0 && events & (EPOLLIN | EPOLLHUP | EPOLLERR)) receive(one);
    }
}

/* ---- all of them ---- */

static int compare(const void *left, const void *right) {
    uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
    return a < b ? -1 : a > b;
}

static uint32_t quantile(uint32_t *sorted, size_t count, double share) {
    return count == 0 ? 0 : sorted[(size_t)(share * (double)(count - 1))];
}

static void report(void) {
    uint64_t at_ns = now_ns(), cpu = cpu_us();
    qsort(latencies_us, latency_count, sizeof *latencies_us, compare);
    printf("{\"delivered\":%llu,\"bytes\":%llu,\"seconds\":%.6f,\"p50_us\":%u,\"p99_us\":%u,\"max_us\":%u,"
           "\"client_cpu_us\":%llu,\"open\":%d,\"failed\":%d,\"closed_early\":%d,\"error\":\"%s\"}\n",
           (unsigned long long)delivered, (unsigned long long)delivered_bytes, (double)(at_ns - since_ns) / 1e9,
           quantile(latencies_us, latency_count, 0.5), quantile(latencies_us, latency_count, 0.99),
           quantile(latencies_us, latency_count, 1.0), (unsigned long long)(cpu - cpu_before_us), opened, failed,
           closed_early, first_error);
    fflush(stdout);
    delivered = delivered_bytes = expected = latency_count = 0;
    since_ns = now_ns(), cpu_before_us = cpu_us();
}

static void command(char *line) {
    if (strncmp(line, "expect ", 7) == 0) expected = strtoull(line + 7, NULL, 10);
    else if (strncmp(line, "report", 6) == 0) report();
    else if (strncmp(line, "go ", 3) == 0) {
        given.at_once = atoi(line + 3);
        came_back = true;
        started = away = 0;
        since_ns = now_ns();
    } else if (strncmp(line, "quit", 4) == 0) exit(0);
}

/* False at the end of the input. */
static bool read_commands(void) {
    static char text[4096];
    static size_t used;
    ssize_t got = read(STDIN_FILENO, text + used, sizeof text - used - 1);
    if (got <= 0) return got < 0 && errno == EAGAIN;
    used += (size_t)got;
    text[used] = 0;
    char *line = text, *end;
    while ((end = strchr(line, '\n')) != NULL) {
        command(line);
        line = end + 1;
    }
    used = (size_t)(text + used - line);
    memmove(text, line, used);
    return true;
}

static void parse(int count, char **words) {
    static const struct option options[] = {
        {"connect", required_argument, NULL, 'c'}, {"subscribers", required_argument, NULL, 'n'},
        {"at-once", required_argument, NULL, 'a'}, {"request", required_argument, NULL, 'r'},
        {"ready", required_argument, NULL, 'y'},   {"after", required_argument, NULL, 'f'},
        {"tls", no_argument, NULL, 't'},           {"samples", required_argument, NULL, 's'},
        {"sample-prefix", required_argument, NULL, 'p'}, {"come-back", required_argument, NULL, 'b'}, {0}};
    size_t ignored;
    for (int option; (option = getopt_long(count, words, "", options, NULL)) != -1;) {
        char *colon;
        switch (option) {
        case 'c':
            colon = strrchr(optarg, ':');
            if (colon == NULL) die("--connect wants HOST:PORT");
            *colon = 0;
            given.server.sin_family = AF_INET;
            given.server.sin_port = htons((uint16_t)atoi(colon + 1));
            if (inet_pton(AF_INET, optarg, &given.server.sin_addr) != 1) die(optarg);
            if ((ntohl(given.server.sin_addr.s_addr) >> 24) != 127) die("only 127.0.0.0/8 is ever loaded");
            break;
        case 'n': given.subscribers = atoi(optarg); break;
        case 'a': given.at_once = atoi(optarg); break;
        case 'r':
            if (given.requests == MAX_REQUESTS) die("too many requests");
            given.request[given.requests++] = read_file(optarg, &ignored);
            break;
        case 'y': given.ready = optarg; break;
        case 'f': given.after = read_file(optarg, &given.after_bytes); break;
        case 't': given.tls = true; break;
        case 's': given.samples = atoi(optarg); break;
        case 'p': given.sample_prefix = optarg; break;
        case 'b': given.come_back = atoi(optarg); break;
        default: exit(2);
        }
    }
    if (given.requests == 0 || given.server.sin_port == 0) {
        fprintf(stderr, "load: --connect and --request are needed\n");
        exit(2);
    }
}

static void prepare(void) {
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    all = calloc((size_t)given.subscribers, sizeof *all);
    openings_us = calloc((size_t)given.subscribers, sizeof *openings_us);
    latencies_us = malloc(MAX_LATENCIES * sizeof *latencies_us);
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (all == NULL || openings_us == NULL || latencies_us == NULL || epoll_fd < 0) die("start");
    for (int i = 0; i < given.subscribers; i++) all[i].fd = -1;
    if (given.tls) {
        tls = SSL_CTX_new(TLS_client_method());
        /* One cipher for every server, so that their costs compare. The certificate is the bench's own. */
        if (tls == NULL || SSL_CTX_set_min_proto_version(tls, TLS1_3_VERSION) != 1 ||
            SSL_CTX_set_ciphersuites(tls, "TLS_AES_128_GCM_SHA256") != 1)
            die("TLS");
        SSL_CTX_set_mode(tls, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE);
    }
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    fcntl(STDIN_FILENO, F_SETFL, fcntl(STDIN_FILENO, F_GETFL) | O_NONBLOCK);
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, STDIN_FILENO, &event) != 0) die("standard input");
}

static void start_some(void) {
    while (started < given.subscribers && started - opened - failed - away < given.at_once) {
        struct subscriber *one = &all[started++];
        if (one->state == NEW || one->state == AWAY) start(one);
    }
}

static void tell_away(void) {
    static bool told;
    if (told || away == 0 || away + failed < given.subscribers) return;
    told = true;
    printf("{\"away\":%d,\"failed\":%d,\"error\":\"%s\"}\n", away, failed, first_error);
    fflush(stdout);
}

static void tell_opened(void) {
    static bool told;
    if (told || opened + failed < given.subscribers) return;
    told = true;
    qsort(openings_us, (size_t)opened, sizeof *openings_us, compare);
    printf("{\"open\":%d,\"failed\":%d,\"seconds\":%.6f,\"p50_us\":%u,\"p99_us\":%u,\"delivered\":%llu,\"error\":\"%s\"}\n",
           opened, failed, (double)(now_ns() - since_ns) / 1e9, quantile(openings_us, (size_t)opened, 0.5),
           quantile(openings_us, (size_t)opened, 0.99), (unsigned long long)delivered, first_error);
    fflush(stdout);
    since_ns = now_ns(), cpu_before_us = cpu_us();
}

int main(int count, char **words) {
    parse(count, words);
    prepare();
    since_ns = now_ns();
    for (;;) {
        struct epoll_event events[256];
        start_some();
        tell_away();
        tell_opened();
        /* While deliveries are due it never sleeps, so that no server pays for waking it: over a network the interrupt
         * of a network card on another machine would. */
        int ready = epoll_wait(epoll_fd, events, 256, expected != 0 ? 0 : 1000);
        for (int i = 0; i < ready; i++) {
            if (events[i].data.ptr != NULL) happened(events[i].data.ptr, events[i].events);
            else if (!read_commands()) return 0;
        }
        if (expected != 0 && delivered >= expected) {
            expected = 0;
            puts("reached");
            fflush(stdout);
        }
    }
}
