#include "bench/message.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "wire/buf.h"

enum { CONNECTION_DIGITS = 6, SEQ_DIGITS = 9, CONNECTION_BASE = 100000, SEQ_BASE = 100000000 };
enum { DEPTH_MAX = 16 }; /* a payload of ours has depth 1 */

/* JSON in the form that a strict writer gives it: only what must be escaped is. */
static const char mixed_filler[] = "Gr\xc3\xbc\xc3\x9f dich, \\\"Welt\\\"\\n\xe4\xbd\xa0\xe5\xa5\xbd "
                                   "C:\\\\temp \xf0\x9f\x98\x80 {a: [1, 2]}\\t";

/* Exactly @n bytes of filler; a cut pattern's place is taken by x. */
static void put_filler(struct buf *out, enum message_filler filler, size_t n)
{
    size_t whole = filler == MESSAGE_MIXED ? n / (sizeof(mixed_filler) - 1) : 0;

    for (size_t i = 0; i < whole; i++)
        buf_put_text(out, mixed_filler);
    for (size_t i = whole * (sizeof(mixed_filler) - 1); i < n; i++)
        buf_put_byte(out, 'x');
}

int message_init(struct message *m, const struct message_options *options)
{
    struct buf text = BUF_INIT;

    memset(m, 0, sizeof(*m));
    if (options->payload_bytes < MESSAGE_PAYLOAD_MIN || options->payload_bytes > MESSAGE_PAYLOAD_MAX)
        return -EINVAL;
    buf_put_text(&text, "{\"e\":\"");
    m->event_at = text.len;
    buf_put_text(&text, options->event);
    m->event_bytes = text.len - m->event_at;
    buf_put_text(&text, "\",\"p\":");
    m->payload_at = text.len;
    m->payload_bytes = options->payload_bytes;
    buf_put_text(&text, "{\"c\":");
    m->connection_at = text.len;
    buf_put_text(&text, "......,\"n\":");
    m->seq_at = text.len;
    buf_put_text(&text, ".........,\"d\":\"");
    put_filler(&text, options->filler, options->payload_bytes - MESSAGE_PAYLOAD_MIN);
    buf_put_text(&text, "\"}");
    if (options->is_question) {
        buf_put_text(&text, ",\"i\":");
        m->id_at = text.len;
        buf_put_text(&text, ".........");
    }
    buf_put_text(&text, "}");
    if (text.failed) {
        buf_deinit(&text);
        return -ENOMEM;
    }
    m->text = (char *)buf_take(&text, &m->len);
    return 0;
}

void message_deinit(struct message *m)
{
    free(m->text);
    m->text = NULL;
}

static void write_digits(char *at, unsigned digits, uint64_t value)
{
    while (digits-- > 0) {
        at[digits] = (char)('0' + value % 10);
        value /= 10;
    }
}

/* Returns false where there are other characters than @digits digits. */
static bool read_digits(const char *at, unsigned digits, uint64_t *value)
{
    *value = 0;
    for (unsigned i = 0; i < digits; i++) {
        if (at[i] < '0' || at[i] > '9')
            return false;
        *value = *value * 10 + (uint64_t)(at[i] - '0');
    }
    return true;
}

const uint8_t *message_write(struct message *m, uint32_t connection, uint64_t seq)
{
    write_digits(m->text + m->connection_at, CONNECTION_DIGITS, CONNECTION_BASE + (uint64_t)connection);
    write_digits(m->text + m->seq_at, SEQ_DIGITS, SEQ_BASE + seq);
    if (m->id_at > 0)
        write_digits(m->text + m->id_at, SEQ_DIGITS, SEQ_BASE + seq);
    return (const uint8_t *)m->text;
}

/* A place in JSON text. Only brackets and strings are understood: enough to cut a message of a server that
 * is not under suspicion of writing bad JSON, only of writing the wrong one. */
struct cursor {
    const char *at, *end;
};

static void skip_space(struct cursor *c)
{
    while (c->at < c->end && (*c->at == ' ' || *c->at == '\t' || *c->at == '\n' || *c->at == '\r'))
        c->at++;
}

static bool take(struct cursor *c, char wanted)
{
    skip_space(c);
    if (c->at == c->end || *c->at != wanted)
        return false;
    c->at++;
    return true;
}

static bool skip_string(struct cursor *c)
{
    for (c->at++; c->at < c->end; c->at++) {
        if (*c->at == '"') {
            c->at++;
            return true;
        }
        if (*c->at == '\\')
            c->at++;
    }
    c->at = c->end;
    return false;
}

/* Step over one value; its text is from @value to where the cursor stands then. */
static bool skip_value(struct cursor *c, const char **value)
{
    unsigned depth = 0;

    skip_space(c);
    *value = c->at;
    while (c->at < c->end) {
        char now = *c->at;

        if (depth == 0 && (now == ',' || now == '}' || now == ']' || now == ' '))
            return c->at > *value;
        if (now == '"') {
            if (!skip_string(c))
                return false;
            continue;
        }
        if (now == '{' || now == '[')
            depth++;
        if ((now == '}' || now == ']') && --depth == 0) {
            c->at++;
            return true;
        }
        if (depth > DEPTH_MAX)
            return false;
        c->at++;
    }
    return false;
}

struct piece {
    const char *text;
    size_t len;
};

struct envelope {
    struct piece e, p, i; /* the values' JSON texts; empty where absent */
};

/* Cut a message into its parts; other keys are passed over. Returns false when it is no JSON map. */
static bool envelope_read(struct envelope *envelope, const uint8_t *text, size_t len)
{
    struct cursor c = {(const char *)text, (const char *)text + len};

    memset(envelope, 0, sizeof(*envelope));
    if (!take(&c, '{'))
        return false;
    do {
        struct piece *part = NULL;
        const char *key, *value;

        skip_space(&c);
        key = c.at;
        if (c.at == c.end || *c.at != '"' || !skip_string(&c))
            return false;
        if (c.at - key == 3)
            part = key[1] == 'e'   ? &envelope->e
                   : key[1] == 'p' ? &envelope->p
                   : key[1] == 'i' ? &envelope->i
                                   : NULL;
        if (!take(&c, ':') || !skip_value(&c, &value))
            return false;
        if (part)
            *part = (struct piece){value, (size_t)(c.at - value)};
    } while (take(&c, ','));
    return take(&c, '}') && c.at == c.end;
}

static bool piece_equals(struct piece piece, const char *text, size_t len)
{
    return piece.len == len && piece.text && memcmp(piece.text, text, len) == 0;
}

/* What came is not the text that was sent: the keys may stand in another order, or it is no echo. */
static enum message_kind judge_parts(struct message *m, uint32_t connection, const uint8_t *text, size_t len,
                                     uint64_t *seq)
{
    size_t seq_in_payload = m->seq_at - m->payload_at;
    struct envelope envelope;

    if (!envelope_read(&envelope, text, len))
        return MESSAGE_WRONG;
    if (piece_equals(envelope.e, "\"@welcome\"", 10))
        return MESSAGE_SKIP;
    if (piece_equals(envelope.e, "\"@error\"", 8))
        return MESSAGE_ERROR;
    if (!piece_equals(envelope.e, m->text + m->event_at - 1, m->event_bytes + 2) ||
        envelope.p.len != m->payload_bytes || envelope.i.len != (m->id_at > 0 ? SEQ_DIGITS : 0) ||
        !read_digits(envelope.p.text + seq_in_payload, SEQ_DIGITS, seq) || *seq < SEQ_BASE)
        return MESSAGE_WRONG;
    *seq -= SEQ_BASE;
    message_write(m, connection, *seq);
    if (memcmp(envelope.p.text, m->text + m->payload_at, m->payload_bytes) != 0 ||
        (m->id_at > 0 && memcmp(envelope.i.text, m->text + m->id_at, SEQ_DIGITS) != 0))
        return MESSAGE_WRONG;
    return MESSAGE_ECHO;
}

enum message_kind message_judge(struct message *m, uint32_t connection, const uint8_t *text, size_t len,
                                uint64_t *seq)
{
    if (len == m->len && read_digits((const char *)text + m->seq_at, SEQ_DIGITS, seq) && *seq >= SEQ_BASE) {
        *seq -= SEQ_BASE;
        message_write(m, connection, *seq);
        if (memcmp(text, m->text, len) == 0)
            return MESSAGE_ECHO;
    }
    return judge_parts(m, connection, text, len, seq);
}

/* Step over the payload of message @seq of @connection, if that is what stands there. */
static bool take_payload(struct cursor *c, struct message *m, uint32_t connection, uint64_t *seq)
{
    size_t seq_in_payload = m->seq_at - m->payload_at;

    if ((size_t)(c->end - c->at) < m->payload_bytes ||
        !read_digits(c->at + seq_in_payload, SEQ_DIGITS, seq) || *seq < SEQ_BASE)
        return false;
    *seq -= SEQ_BASE;
    message_write(m, connection, *seq);
    if (memcmp(c->at, m->text + m->payload_at, m->payload_bytes) != 0)
        return false;
    c->at += m->payload_bytes;
    return true;
}

static bool is_batch_of(const struct message *m, struct piece e)
{
    static const char prefix[] = "\"" MESSAGE_BATCH_PREFIX;
    size_t n = sizeof(prefix) - 1;

    return e.len == n + m->event_bytes + 1 && memcmp(e.text, prefix, n) == 0 &&
           memcmp(e.text + n, m->text + m->event_at, m->event_bytes) == 0;
}

enum message_kind message_judge_batch(struct message *m, uint32_t connection, const uint8_t *text, size_t len,
                                      uint64_t *first, uint64_t *count)
{
    struct envelope envelope;
    struct cursor c;
    uint64_t seq;

    if (!envelope_read(&envelope, text, len) || !is_batch_of(m, envelope.e) || envelope.i.len > 0 ||
        envelope.p.text == NULL)
        return MESSAGE_WRONG;
    c = (struct cursor){envelope.p.text, envelope.p.text + envelope.p.len};
    if (!take(&c, '{') || c.end - c.at < 4 || memcmp(c.at, "\"d\":", 4) != 0)
        return MESSAGE_WRONG;
    c.at += 4;
    *count = 0;
    do {
        if (!take(&c, *count == 0 ? '[' : ',') || !take_payload(&c, m, connection, &seq))
            return MESSAGE_WRONG;
        if (*count == 0)
            *first = seq;
        if (seq != *first + (*count)++)
            return MESSAGE_WRONG;
    } while (c.at < c.end && *c.at == ',');
    return take(&c, ']') && take(&c, '}') && c.at == c.end ? MESSAGE_ECHO : MESSAGE_WRONG;
}
