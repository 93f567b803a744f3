#include "bench/conn.h"

#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "bench/clock.h"
#include "bench/frame.h"

static void conn_end(struct conn *c)
{
    if (c->state == CONN_CLOSED)
        return;
    if (c->due == CONN_ANY_NUMBER)
        c->due = c->next;
    link_close(&c->link);
    buf_deinit(&c->fragments);
    c->state = CONN_CLOSED;
    c->traffic->ended++;
}

/* The connection broke. Only what happens before we hang up ourselves is a failure. */
static void conn_lose(struct conn *c, const char *why)
{
    if (c->state == CONN_SHAKING || c->state == CONN_OPEN) {
        c->traffic->tally.lost++;
        tally_note(&c->traffic->tally, "connection %u: %s", c->number, why);
    }
    conn_end(c);
}

/* How many bytes the next system call may move. */
static void conn_chop(struct conn *c)
{
    struct traffic *t = c->traffic;

    if (t->chop_bytes > 0)
        c->link.most_bytes = 1 + random_next(&t->random) % t->chop_bytes;
}

static void conn_send(struct conn *c, const uint8_t *bytes, size_t n)
{
    int result;

    conn_chop(c);
    result = link_send(&c->link, bytes, n);
    if (result < 0)
        conn_lose(c, strerror(-result));
}

/* Put a masked frame at @out and return its size. The masking key is new for each frame, as RFC 6455 asks
 * (section 5.3): a server must not gain by a key that it has just seen, and one number from a generator
 * costs nothing beside the frame. */
static size_t put_frame(struct traffic *t, uint8_t *out, enum frame_opcode opcode, const uint8_t *payload,
                        size_t n)
{
    uint32_t number = random_next(&t->random);
    uint8_t key[4];
    size_t header;

    memcpy(key, &number, sizeof(key));
    header = frame_write_header(out, opcode, true, n, key);
    frame_mask(out + header, payload, n, key);
    return header + n;
}

static void conn_send_control(struct conn *c, enum frame_opcode opcode, const uint8_t *payload, size_t n)
{
    uint8_t frame[FRAME_HEADER_MAX + FRAME_CONTROL_MAX];

    conn_send(c, frame, put_frame(c->traffic, frame, opcode, payload, n));
}

/* When message @seq of @c was meant to be sent. */
static uint64_t meant_ns(const struct conn *c, uint64_t seq)
{
    const struct traffic *t = c->traffic;
    double place = (double)seq * t->connections + c->number; /* among the messages of all connections */

    if (t->interval_ns == 0)
        return c->sent_ns[seq % t->window];
    return t->start_ns + (uint64_t)(place * t->interval_ns);
}

static bool is_measured(const struct traffic *t, uint64_t ns)
{
    return ns >= t->measure_from_ns && ns < t->measure_to_ns;
}

/* Whether message @seq of @sender, which came to @c, is under way. Counts it if not. */
static bool check_expected(struct conn *c, const struct conn *sender, uint64_t seq)
{
    struct traffic *t = c->traffic;

    if (seq >= sender->oldest && seq < sender->next && sender->sent_ns[seq % t->window] != 0)
        return true;
    t->tally.unexpected++;
    tally_note(&t->tally, "connection %u: message %" PRIu64 " is not under way", c->number, seq);
    return false;
}

/* Message @seq of @c needs nothing more. */
static void conn_settle(struct conn *c, uint64_t seq, uint64_t now)
{
    struct traffic *t = c->traffic;
    uint64_t meant = meant_ns(c, seq);

    if (is_measured(t, meant))
        histogram_record(&t->tally.latency, now > meant ? now - meant : 0);
    c->answered++;
    c->sent_ns[seq % t->window] = 0;
    while (c->oldest < c->next && c->sent_ns[c->oldest % t->window] == 0)
        c->oldest++;
}

static void count_received(struct traffic *t, uint64_t now)
{
    if (is_measured(t, now))
        t->tally.measured++;
    t->tally.received++;
}

static void conn_take_echo(struct conn *c, uint64_t seq, uint64_t now)
{
    struct traffic *t = c->traffic;

    if (!check_expected(c, c, seq))
        return;
    if (seq < c->highest) {
        t->tally.misordered++;
        tally_note(&t->tally, "connection %u: message %" PRIu64 " came after %" PRIu64, c->number, seq,
                   c->highest - 1);
    } else {
        c->highest = seq + 1;
    }
    count_received(t, now);
    conn_settle(c, seq, now);
}

/* A cast: @c got the caster's message @seq. */
static void conn_take_cast(struct conn *c, uint64_t seq, uint64_t now)
{
    struct traffic *t = c->traffic;
    struct conn *caster = t->caster;

    if (!check_expected(c, caster, seq))
        return;
    if (seq != c->highest) {
        t->tally.misordered++;
        tally_note(&t->tally, "connection %u: message %" PRIu64 " came where %" PRIu64 " was due", c->number,
                   seq, c->highest);
        if (seq < c->highest) /* for the second time, or too late: it counts for nothing */
            return;
    }
    c->highest = seq + 1;
    count_received(t, now);
    if (--t->cast_left[seq % t->window] > 0)
        return;
    conn_settle(caster, seq, now);
    if (caster != c) /* or it pumps by itself */
        conn_pump(caster);
}

static void conn_take_message(struct conn *c, uint8_t opcode, const uint8_t *text, size_t n, uint64_t now)
{
    struct traffic *t = c->traffic;
    struct tally *tally = &t->tally;
    enum message_kind kind = MESSAGE_WRONG;
    uint32_t sender = t->caster ? t->caster->number : c->number;
    uint64_t seq = 0, count = 1;

    if (opcode == FRAME_TEXT)
        kind = message_judge(&t->message, sender, text, n, &seq);
    if (kind == MESSAGE_WRONG && t->caster)
        kind = message_judge_batch(&t->message, sender, text, n, &seq, &count);
    switch (kind) {
    case MESSAGE_ECHO:
        for (uint64_t i = 0; i < count; i++)
            t->caster ? conn_take_cast(c, seq + i, now) : conn_take_echo(c, seq, now);
        break;
    case MESSAGE_SKIP:
        break;
    case MESSAGE_ERROR:
        tally->errors++;
        tally_note(tally, "connection %u: %.*s", c->number, (int)(n < 200 ? n : 200), (const char *)text);
        break;
    case MESSAGE_WRONG:
        tally->wrong++;
        tally_note(tally, "connection %u: not what was sent: %.*s", c->number, (int)(n < 200 ? n : 200),
                   (const char *)text);
        break;
    }
}

static void conn_take_close(struct conn *c, const uint8_t *payload, size_t n)
{
    char why[FRAME_CONTROL_MAX + 64];

    if (n >= 2)
        snprintf(why, sizeof(why), "closed by the server: %d %.*s", payload[0] << 8 | payload[1], (int)n - 2,
                 (const char *)payload + 2);
    else
        snprintf(why, sizeof(why), "closed by the server without a code");
    conn_lose(c, why);
}

/* A frame of a message in several frames, or the first of one. */
static void conn_take_fragment(struct conn *c, const struct frame *f, const uint8_t *payload, uint64_t now)
{
    bool is_first = f->opcode != FRAME_CONTINUATION;

    if (is_first == (c->fragments_opcode != 0)) {
        conn_lose(c, "continuation frames out of order");
        return;
    }
    if (is_first)
        c->fragments_opcode = (uint8_t)f->opcode;
    buf_put(&c->fragments, payload, f->payload_bytes);
    if (c->fragments.failed || c->fragments.len > c->traffic->frame_limit) {
        conn_lose(c, "a message too large");
        return;
    }
    if (f->is_final) {
        conn_take_message(c, c->fragments_opcode, c->fragments.data, c->fragments.len, now);
        c->fragments_opcode = 0;
        buf_reset(&c->fragments);
    }
}

static void conn_take_frame(struct conn *c, const struct frame *f, const uint8_t *payload, uint64_t now)
{
    if (f->is_masked) {
        conn_lose(c, "a masked frame from a server");
        return;
    }
    switch (f->opcode) {
    case FRAME_PING:
        conn_send_control(c, FRAME_PONG, payload, f->payload_bytes);
        break;
    case FRAME_PONG:
        break;
    case FRAME_CLOSE:
        conn_take_close(c, payload, f->payload_bytes);
        break;
    default:
        if (f->is_final && f->opcode != FRAME_CONTINUATION && c->fragments_opcode == 0)
            conn_take_message(c, (uint8_t)f->opcode, payload, f->payload_bytes, now);
        else
            conn_take_fragment(c, f, payload, now);
        break;
    }
}

/* Returns the bytes used, 0 when the head is not complete. */
static size_t conn_shake_hands(struct conn *c, const uint8_t *bytes, size_t n)
{
    size_t head = handshake_head_bytes(bytes, n);
    char why[160];

    if (head == 0) {
        if (n > HANDSHAKE_MAX_BYTES)
            conn_lose(c, "the answer to the handshake has no end");
        return 0;
    }
    if (handshake_check_answer(bytes, head, c->key, c->traffic->subprotocol, why, sizeof(why)) < 0) {
        conn_lose(c, why);
        return head;
    }
    c->state = CONN_OPEN;
    c->traffic->opened++;
    return head;
}

static void conn_read(struct conn *c)
{
    struct traffic *t = c->traffic;
    struct frame f;
    ssize_t received;
    size_t n, at = 0;
    uint64_t now;
    int result = 0;

    conn_chop(c);
    received = link_receive(&c->link, t->scratch_in, t->scratch_bytes);
    if (received == -EAGAIN)
        return;
    if (received < 0) {
        conn_lose(c, strerror((int)-received));
        return;
    }
    now = clock_ns();
    n = (size_t)received;
    if (c->state == CONN_SHAKING)
        at = conn_shake_hands(c, t->scratch_in, n);
    while (c->state >= CONN_OPEN &&
           (result = frame_read(&f, t->scratch_in + at, n - at, t->frame_limit)) == 0) {
        conn_take_frame(c, &f, t->scratch_in + at + f.header_bytes, now);
        at += f.header_bytes + f.payload_bytes;
    }
    if (result < 0)
        conn_lose(c, result == -EMSGSIZE ? "a frame too large" : "a frame that breaks RFC 6455");
    else if (c->state != CONN_CLOSED && at < n && link_keep(&c->link, t->scratch_in + at, n - at) < 0)
        conn_lose(c, strerror(ENOMEM));
}

/* Spread connections over addresses of loopback: one has no more than about 28,000 free ports. */
static int choose_source(const struct conn *c, int fd)
{
    struct sockaddr_in source = {.sin_family = AF_INET};
    uint32_t sources = c->traffic->sources;
    int on = 1;

    if (sources == 0)
        return 0;
    source.sin_addr.s_addr = htonl(INADDR_LOOPBACK + c->number % sources);
    if (setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on)) < 0)
        return -1;
    return bind(fd, (const struct sockaddr *)&source, sizeof(source));
}

int conn_open(struct conn *c, struct traffic *traffic, uint32_t number, int epoll_fd,
              const struct sockaddr *address, socklen_t address_bytes)
{
    int fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), result;
    struct buf request = BUF_INIT;

    memset(c, 0, sizeof(*c));
    c->traffic = traffic;
    c->number = number;
    if (fd < 0)
        return -errno;
    if (choose_source(c, fd) < 0 || (connect(fd, address, address_bytes) < 0 && errno != EINPROGRESS))
        result = -errno;
    else
        result = link_open(&c->link, epoll_fd, fd, c, true);
    if (result < 0) {
        close(fd);
        return result;
    }
    c->state = CONN_SHAKING;
    c->sent_ns = calloc(traffic->window, sizeof(*c->sent_ns));
    handshake_put_request(&request, traffic->host, traffic->path, traffic->subprotocol, &traffic->random,
                          c->key);
    if (c->sent_ns == NULL || request.failed)
        conn_lose(c, strerror(ENOMEM));
    else
        conn_send(c, request.data, request.len); /* waits in the link until the socket is connected */
    buf_deinit(&request);
    return 0;
}

void conn_wake(struct conn *c, uint32_t events)
{
    int result = 0;

    if (events & EPOLLOUT) {
        conn_chop(c);
        result = link_flush(&c->link);
    }
    if (result < 0)
        conn_lose(c, strerror(-result));
    else if (events & ~(uint32_t)EPOLLOUT)
        conn_read(c);
    conn_pump(c);
}

void conn_pump(struct conn *c)
{
    struct traffic *t = c->traffic;
    size_t n = 0, frame_bytes = FRAME_HEADER_MAX + t->message.len;
    uint64_t now;

    if (c->state != CONN_OPEN || link_is_blocked(&c->link) || c->next >= c->due ||
        c->next - c->oldest >= t->window)
        return;
    now = clock_ns();
    while (c->next < c->due && c->next - c->oldest < t->window && c->next < MESSAGE_SEQ_MAX &&
           n + frame_bytes <= t->scratch_bytes) {
        uint64_t meant;

        c->sent_ns[c->next % t->window] = now;
        if (t->caster)
            t->cast_left[c->next % t->window] = t->connections;
        meant = meant_ns(c, c->next);
        if (t->interval_ns > 0 && is_measured(t, meant))
            histogram_record(&t->tally.lateness, now > meant ? now - meant : 0);
        n += put_frame(t, t->scratch_out + n, FRAME_TEXT, message_write(&t->message, c->number, c->next),
                       t->message.len);
        c->next++;
        t->tally.sent++;
    }
    conn_send(c, t->scratch_out, n);
}

void conn_stop(struct conn *c)
{
    if (c->due == CONN_ANY_NUMBER)
        c->due = c->next;
}

bool conn_is_finished(const struct conn *c)
{
    return c->state == CONN_CLOSED || c->answered >= c->due;
}

void conn_hang_up(struct conn *c)
{
    static const uint8_t normal[] = {1000 >> 8, 1000 & 0xff};

    if (c->state != CONN_OPEN)
        return;
    c->state = CONN_CLOSING;
    conn_send_control(c, FRAME_CLOSE, normal, sizeof(normal));
}

void conn_free(struct conn *c)
{
    conn_end(c);
    free(c->sent_ns);
    c->sent_ns = NULL;
}
