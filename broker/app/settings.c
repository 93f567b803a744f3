#include "app/settings.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "app/address.h"
#include "wire/event_name.h"

#define AT(field) .offset = offsetof(struct config, field)

/* What the ranges mean: 0 where nothing or no limit makes sense, else what still works, up to a size that no
 * other rule breaks. Messages and sessions together must fit one nng message of 1 MiB, also where JSON
 * numbers grow to more than twice their size as MessagePack. */
#define KIB           UINT64_C(1024)
#define MIB           (1024 * KIB)
#define NNG_BYTES_MAX (MIB - KIB)
#define HOUR_MS       UINT64_C(3600000)
#define DAY_MS        (24 * HOUR_MS)

static const char *name_fault(const char *text)
{
    static const char chars[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
    if (*text == '\0')
        return "is empty";
    if (strlen(text) > 64)
        return "has more than 64 bytes";
    if (strspn(text, chars) != strlen(text))
        return "has other characters than A-Z a-z 0-9 - _ .";
    return *text == '.' ? "begins with a dot" : NULL;
}

static const char *path_fault(const char *text)
{
    if (*text != '/')
        return "does not begin with /";
    if (strlen(text) > 255)
        return "has more than 255 bytes";
    for (const char *p = text; *p; p++)
        if (*p <= ' ' || *p > '~' || strchr("?#%\"<>\\", *p))
            return "has a character that cannot stand in the path of a URL as it is";
    return NULL;
}

static const char *static_fault(const char *text)
{
    struct stat st;
    if (stat(text, &st) != 0)
        return "cannot be found";
    return S_ISDIR(st.st_mode) ? NULL : "is not a directory";
}

static const char *header_fault(const char *text)
{
    static const char chars[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'*+-.^_`|~";
    if (*text == '\0' || strlen(text) > 64)
        return "has not 1 to 64 bytes";
    return strspn(text, chars) == strlen(text) ? NULL : "is not the name of an HTTP header";
}

/* A name that a session may have at its top. */
static const char *field_fault(const char *text)
{
    if (*text == '\0' || strlen(text) > 256)
        return "has not 1 to 256 bytes";
    if (strchr("$@", *text) || strchr(text, '.'))
        return "begins with $ or @ or has a dot, and no top-level field of a session does";
    return NULL;
}

static const char *prefix_fault(const char *text)
{
    char name[2 * EVENT_NAME_MAX];
    if (*text == '\0')
        return "is empty, and a batch could not be told from a message";
    if (strlen(text) > 32)
        return "has more than 32 bytes";
    snprintf(name, sizeof name, "%sx", text);
    return event_name_fault(name, strlen(name)) ? "cannot be the begin of an event name" : NULL;
}

static const char *key_fault(const char *text)
{
    size_t len = strlen(text);
    return len < 16 || len > 256 ? "has not 16 to 256 bytes" : NULL;
}

static const char *file_fault(const char *text)
{
    return *text ? NULL : "is empty";
}

static const char *level_fault(const char *text)
{
    return log_level_from_text(text) < 0 ? "is none of error, warn, info, debug" : NULL;
}

static const char running[] = "Running";
static const char addresses[] = "Addresses";
static const char clients[] = "Clients";
static const char messages[] = "Messages, questions and sessions";
static const char batching[] = "Batches";
static const char handlers[] = "Handlers";
static const char grouping[] = "Groups";

const struct setting SETTINGS[] = {
    /* clang-format off */
    {running, "config", SETTING_TEXT, SETTING_LINE_ONLY, AT(file), "FILE", .check = file_fault,
     .help = "read settings from FILE, a JSON object with comments; the command line comes before it"},
    {running, "check", SETTING_FLAG, SETTING_LINE_ONLY, AT(wants_check), "",
     .help = "check command line and config file, say what is wrong with them, and exit"},
    {running, "log_level", SETTING_LEVEL, SETTING_ANYWHERE, AT(log_level), "LEVEL", .check = level_fault,
     .help = "log nothing below LEVEL: error, warn, info or debug"},
    {running, "drain_ms", SETTING_UNSIGNED, SETTING_ANYWHERE, AT(drain_ms), "MS", 0, HOUR_MS,
     .help = "at SIGTERM or SIGINT, close the connections at random times within MS (50 each, if that is less), so that not all come back at once"},
    {running, "help", SETTING_FLAG, SETTING_LINE_ONLY, AT(wants_help), "",
     .help = "show this text"},
    {running, "version", SETTING_FLAG, SETTING_LINE_ONLY, AT(wants_version), "",
     .help = "show the version"},

    {addresses, "listen", SETTING_TEXT, SETTING_ANYWHERE, AT(listen), "HOST:PORT", .check = listen_fault,
     .help = "where clients connect; [::1]:8080 for IPv6, port 0 for any free one"},
    {addresses, "path", SETTING_TEXT, SETTING_ANYWHERE, AT(ws.path), "PATH", .check = path_fault,
     .help = "the path at which clients open a WebSocket"},
    {addresses, "static", SETTING_TEXT, SETTING_ANYWHERE, AT(ws.static_dir), "DIR", .check = static_fault,
     .help = "serve the files of DIR at all other paths (for demos)"},
    {addresses, "name", SETTING_TEXT, SETTING_ANYWHERE, AT(name), "NAME", .check = name_fault,
     .help = "the broker's name: part of the default addresses, told to handlers"},
    {addresses, "calls", SETTING_LIST, SETTING_ANYWHERE, AT(calls), "ADDR", .check = handler_address_fault,
     .default_text = "ipc://$XDG_RUNTIME_DIR/sluice/NAME/calls, or below /tmp/sluice-UID",
     .help = "where handlers send requests: ipc:///PATH or tcp://HOST:PORT; may be repeated"},
    {addresses, "events", SETTING_LIST, SETTING_ANYWHERE, AT(events), "ADDR", .check = handler_address_fault,
     .default_text = "beside calls: .../NAME/events",
     .help = "where handlers subscribe to events, likewise"},
    {addresses, "insecure", SETTING_FLAG, SETTING_ANYWHERE, AT(is_insecure), "",
     .help = "let calls and events be TCP addresses that other machines can reach; nothing on them is encrypted"},
    {addresses, "key_file", SETTING_TEXT, SETTING_ANYWHERE, AT(key_file), "FILE", .check = file_fault,
     .help = "file with the secret that every request over TCP must carry (unauthorized)"},
    {addresses, "key", SETTING_TEXT, SETTING_ANYWHERE, AT(key), "TEXT", .check = key_fault,
     .help = "the secret itself; other users can read a command line, so prefer key_file"},

    {clients, "max_connections", SETTING_UNSIGNED, SETTING_ANYWHERE, AT(ws.max_connections), "N", 1, 1000000,
     .help = "connections at a time, unfinished handshakes included; one more is refused (HTTP 503)"},
    {clients, "max_per_address", SETTING_UNSIGNED, SETTING_ANYWHERE, AT(ws.max_per_address), "N", 0, 1000000,
     .help = "connections at a time from one address; one more is refused (HTTP 429); 0 for no limit"},
    {clients, "handshake_ms", SETTING_UNSIGNED, SETTING_ANYWHERE, AT(ws.handshake_ms), "MS", 100, HOUR_MS,
     .help = "time from the accepted socket to the end of the handshake; then it is hung up on"},
    {clients, "ping_ms", SETTING_UNSIGNED, SETTING_ANYWHERE, AT(ws.ping_ms), "MS", 10, DAY_MS,
     .help = "time between pings"},
    {clients, "timeout_ms", SETTING_UNSIGNED, SETTING_ANYWHERE, AT(ws.timeout_ms), "MS", 20, DAY_MS,
     .help = "a connection is closed (3010) after this time without a byte from the client"},
    {clients, "stall_ms", SETTING_UNSIGNED, SETTING_ANYWHERE, AT(ws.stall_ms), "MS", 10, DAY_MS,
     .help = "a connection is closed (3012) when its queue makes no progress for this time"},
    {clients, "queue_bytes", SETTING_SIZE, SETTING_ANYWHERE, AT(ws.queue_bytes), "BYTES", 4 * KIB, 1024 * MIB,
     .help = "bytes that may wait for one connection; it is closed (3012) when one more message does not fit"},
    {clients, "queue_items", SETTING_UNSIGNED, SETTING_ANYWHERE, AT(ws.queue_items), "N", 8, 1000000,
     .help = "messages that may wait for one connection, likewise (3012)"},
    {clients, "headers", SETTING_LIST, SETTING_ANYWHERE, AT(headers), "NAME", .check = header_fault,
     .help = "a header of the handshake that @connect passes on to handlers; may be repeated"},

    {messages, "max_message_bytes", SETTING_SIZE, SETTING_ANYWHERE, AT(core.max_message_bytes), "BYTES", KIB, 240 * KIB,
     .help = "largest message; a client's larger one closes its connection (1009), a handler's is refused (message_too_large)"},
    {messages, "max_session_bytes", SETTING_SIZE, SETTING_ANYWHERE, AT(core.max_session_bytes), "BYTES", KIB, 240 * KIB,
     .help = "largest session; an update beyond it is refused (session_too_large)"},
    {messages, "question_ms", SETTING_UNSIGNED, SETTING_ANYWHERE, AT(core.question_ms), "MS", 10, DAY_MS,
     .help = "time for an answer; then the client that asked gets the error timeout"},
    {messages, "max_questions", SETTING_UNSIGNED, SETTING_ANYWHERE, AT(core.max_questions), "N", 1, 65536,
     .help = "open questions of one connection; one more is refused (too_many_questions)"},
    {messages, "index", SETTING_LIST, SETTING_ANYWHERE, AT(index), "FIELD", .check = field_fault,
     .default_text = "all", .help = "a top-level field of the sessions to index; may be repeated; others are then not indexed"},
    {messages, "max_scan", SETTING_UNSIGNED, SETTING_ANYWHERE, AT(core.max_scan), "N", 1, 100000000,
     .help = "sessions that one operation may look at one by one where the index does not help; one that would have to look at more is refused (too_costly)"},
    {messages, "max_names", SETTING_UNSIGNED, SETTING_ANYWHERE, AT(core.max_names), "N", 16, 1000000,
     .help = "event names whose seq is counted; the one not used for longest is forgotten for another"},

    {batching, "batch_prefix", SETTING_TEXT, SETTING_ANYWHERE, AT(core.batch_prefix), "TEXT", .check = prefix_fault,
     .help = "what stands before the event's name in the name of a batch"},
    {batching, "batch_bytes", SETTING_SIZE, SETTING_ANYWHERE, AT(core.batch_bytes), "BYTES", KIB, 256 * KIB,
     .help = "max_bytes of a batch that names none; a full one is sent before its interval is over"},
    {batching, "batch_items", SETTING_UNSIGNED, SETTING_ANYWHERE, AT(core.batch_items), "N", 1, 10000,
     .help = "max_items of a batch that names none, likewise"},
    {batching, "max_batches", SETTING_UNSIGNED, SETTING_ANYWHERE, AT(core.max_batches), "N", 1, 65536,
     .help = "events that may have a batch; one more is refused (limit)"},
    {batching, "batches", SETTING_BATCHES, SETTING_FILE_ONLY, AT(batches), "[...]",
     .help = "batches to begin with: a list of objects with event, interval_ms, max_items, max_bytes, keep, latest_by, "
             "as in the operation batch"},

    {handlers, "max_subscribers", SETTING_UNSIGNED, SETTING_ANYWHERE, AT(ipc.max_subscribers), "N", 1, 1024,
     .help = "links to events; one more is hung up on"},
    {handlers, "publish_queue", SETTING_UNSIGNED, SETTING_ANYWHERE, AT(ipc.publish_queue), "N", 1, 8192,
     .help = "messages that wait for one subscriber; then the oldest is lost, which shows in seq"},
    {handlers, "max_publish_bytes", SETTING_SIZE, SETTING_ANYWHERE, AT(core.max_publish_bytes), "BYTES", KIB, NNG_BYTES_MAX,
     .help = "events of one name go together into one message up to this size; a larger event goes alone"},
    {handlers, "max_waiting", SETTING_UNSIGNED, SETTING_ANYWHERE, AT(ipc.max_waiting), "N", 8, 65536,
     .help = "requests that wait for their reply, in all; a link that adds to them is ended, and its handler connects again"},
    {handlers, "max_waiting_per_link", SETTING_UNSIGNED, SETTING_ANYWHERE, AT(ipc.max_waiting_per_link), "N", 1, 65536,
     .help = "requests of one link that wait for their reply, likewise"},
    {handlers, "max_request_bytes", SETTING_SIZE, SETTING_ANYWHERE, AT(core.max_request_bytes), "BYTES", 64 * KIB, NNG_BYTES_MAX,
     .help = "largest request, a larger one ends its link; and largest reply (reply_too_large)"},
    {handlers, "max_ops", SETTING_UNSIGNED, SETTING_ANYWHERE, AT(core.max_ops), "N", 1, 65536,
     .help = "operations in one request, at most max_request_bytes / 640; one with more is refused (request_too_large)"},
    {handlers, "max_clients", SETTING_UNSIGNED, SETTING_ANYWHERE, AT(core.max_clients), "N", 1, 1000000,
     .help = "handlers whose replies are stored; the one not heard of for longest is forgotten for another"},
    {handlers, "stored_replies", SETTING_UNSIGNED, SETTING_ANYWHERE, AT(core.stored_replies), "N", 1, 65536,
     .help = "replies stored for one handler; a repeat of an older request is refused (id_too_old)"},
    {handlers, "stored_bytes", SETTING_SIZE, SETTING_ANYWHERE, AT(core.stored_bytes), "BYTES", 4 * KIB, 1024 * MIB,
     .help = "bytes of replies stored for one handler, likewise (id_too_old)"},
    {handlers, "stored_bytes_total", SETTING_SIZE, SETTING_ANYWHERE, AT(core.stored_bytes_total), "BYTES", 64 * KIB, KIB * 64 * MIB,
     .help = "bytes of replies stored for all handlers, likewise (id_too_old)"},
    {handlers, "stored_ms", SETTING_UNSIGNED, SETTING_ANYWHERE, AT(core.stored_ms), "MS", 100, DAY_MS,
     .help = "how long a reply is stored, likewise (id_too_old)"},
    {handlers, "announce_ms", SETTING_UNSIGNED, SETTING_ANYWHERE, AT(core.announce_ms), "MS", 100, DAY_MS,
     .help = "how long a handler's subscribe counts unless it is repeated; then clients may get no_handler"},
    {handlers, "alive_ms", SETTING_UNSIGNED, SETTING_ANYWHERE, AT(core.alive_ms), "MS", 10, HOUR_MS,
     .help = "time between two @alive"},

    {grouping, "max_groups", SETTING_UNSIGNED, SETTING_ANYWHERE, AT(core.max_groups), "N", 1, 65536,
     .help = "groups at a time; a join that needs one more is refused (limit)"},
    {grouping, "max_members", SETTING_UNSIGNED, SETTING_ANYWHERE, AT(core.max_members), "N", 1, 65536,
     .help = "members of all groups at a time; one more is refused (limit)"},
    {grouping, "group_backlog", SETTING_UNSIGNED, SETTING_ANYWHERE, AT(core.group_backlog), "N", 1, 10000000,
     .help = "events of one group that wait or are being handled; then the group is full, and its on_full says what happens (overloaded)"},
    {grouping, "group_backlog_bytes", SETTING_SIZE, SETTING_ANYWHERE, AT(core.group_backlog_bytes), "BYTES", 4 * KIB, KIB * 64 * MIB,
     .help = "bytes of these events, likewise (overloaded)"},
    {grouping, "group_pause_max_ms", SETTING_UNSIGNED, SETTING_ANYWHERE, AT(core.group_pause_max_ms), "MS", 0, DAY_MS,
     .help = "how long a full group with on_full pause leaves the connections that feed it unread; then it refuses what they send (overloaded)"},
    {grouping, "group_keep_ms", SETTING_UNSIGNED, SETTING_ANYWHERE, AT(core.group_keep_ms), "MS", 0, DAY_MS,
     .help = "how long a group still takes events that no member lists any more; then those that wait are dead (unlisted)"},
    {grouping, "group_lease_ms", SETTING_UNSIGNED, SETTING_ANYWHERE, AT(core.group_lease_ms), "MS", 100, HOUR_MS,
     .help = "lease of members that ask for none: an event not done by then goes to another member"},
    {grouping, "group_max_attempts", SETTING_UNSIGNED, SETTING_ANYWHERE, AT(core.group_max_attempts), "N", 1, 1000,
     .help = "how often an event is handed out before it is dead (failed)"},
    {grouping, "group_dead", SETTING_UNSIGNED, SETTING_ANYWHERE, AT(core.group_dead), "N", 0, 1000000,
     .help = "dead events that each group keeps to be looked at; the oldest is forgotten for another"},
    {grouping, "group_dead_bytes", SETTING_SIZE, SETTING_ANYWHERE, AT(core.group_dead_bytes), "BYTES", 0, 1024 * MIB,
     .help = "bytes of these dead events, likewise"},
    {grouping, "link_grace_ms", SETTING_UNSIGNED, SETTING_ANYWHERE, AT(core.link_grace_ms), "MS", 0, HOUR_MS,
     .help = "time for a member to come back after its link over TCP has ended; then what it held goes to others"},
    {grouping, "groups", SETTING_GROUPS, SETTING_FILE_ONLY, AT(groups), "{...}",
     .help = "groups that are there from the start, by name: objects with events, on_full (pause or refuse), max_age_ms, "
             "max_attempts, backlog, backlog_bytes"},
    /* clang-format on */
};

const size_t SETTING_COUNT = sizeof(SETTINGS) / sizeof(SETTINGS[0]);

_Static_assert(sizeof(SETTINGS) / sizeof(SETTINGS[0]) <= CONFIG_SETTINGS_MAX,
               "config.origins has a place for each");

const struct setting *setting_find(const char *key)
{
    for (size_t i = 0; i < SETTING_COUNT; i++)
        if (strcmp(SETTINGS[i].key, key) == 0)
            return &SETTINGS[i];
    return NULL;
}

void setting_option(const struct setting *s, char *out, size_t size)
{
    snprintf(out, size, "%s", s->key);
    for (char *p = out; *p; p++)
        if (*p == '_')
            *p = '-';
}

static const void *field(const struct config *c, const struct setting *s)
{
    return (const char *)c + s->offset;
}

void setting_format(const struct setting *s, const struct config *c, char *out, size_t size)
{
    static const char *const levels[] = {"error", "warn", "info", "debug"};
    const void *at = field(c, s);
    *out = '\0';
    if (s->default_text) {
        snprintf(out, size, "%s", s->default_text);
    } else if (s->kind == SETTING_UNSIGNED) {
        snprintf(out, size, "%u", *(const unsigned *)at);
    } else if (s->kind == SETTING_SIZE) {
        snprintf(out, size, "%zu", *(const size_t *)at);
    } else if (s->kind == SETTING_LEVEL) {
        snprintf(out, size, "%s", levels[*(const enum log_level *)at]);
    } else if (s->kind == SETTING_TEXT) {
        const char *text = *(const char *const *)at;
        snprintf(out, size, "%s", text ? text : "");
    }
}

void setting_range(const struct setting *s, char *out, size_t size)
{
    *out = '\0';
    if (s->kind == SETTING_UNSIGNED || s->kind == SETTING_SIZE)
        snprintf(out, size, "%" PRIu64 " to %" PRIu64, s->min, s->max);
}

struct origin setting_origin(const struct config *c, const struct setting *s)
{
    return c->origins[s - SETTINGS];
}

int setting_fault(struct config *c, const struct setting *s, struct origin origin, const char *format, ...)
{
    char text[512];
    char option[64];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (origin.from == ORIGIN_FILE)
        return config_fault(c, origin, "%s: %s", s->key, text);
    setting_option(s, option, sizeof option);
    return config_fault(c, origin, "--%s: %s", option, text);
}

/* Where the value goes, or NULL: the command line was read first, and what it set stays. */
static void *place(struct config *c, const struct setting *s, struct origin origin)
{
    if (setting_origin(c, s).from > origin.from)
        return NULL;
    c->origins[s - SETTINGS] = origin;
    return (char *)c + s->offset;
}

int setting_set_flag(struct config *c, const struct setting *s, struct origin origin, bool value)
{
    bool *at = place(c, s, origin);
    if (at)
        *at = value;
    return 0;
}

int setting_set_number(struct config *c, const struct setting *s, struct origin origin, double value)
{
    char range[64];
    if (!(value >= (double)s->min && value <= (double)s->max)) {
        setting_range(s, range, sizeof range);
        return setting_fault(c, s, origin, "%.15g is not %s", value, range);
    }
    if (value != (double)(uint64_t)value)
        return setting_fault(c, s, origin, "%.15g is not a whole number", value);
    void *at = place(c, s, origin);
    if (at && s->kind == SETTING_SIZE)
        *(size_t *)at = (size_t)value;
    else if (at)
        *(unsigned *)at = (unsigned)value;
    return 0;
}

int setting_set_text(struct config *c, const struct setting *s, struct origin origin, const char *text)
{
    const char *why = s->check ? s->check(text) : NULL;
    if (why)
        return setting_fault(c, s, origin, "\"%s\" %s", text, why);
    void *at = place(c, s, origin);
    if (!at)
        return 0;
    if (s->kind == SETTING_LEVEL) {
        *(enum log_level *)at = (enum log_level)log_level_from_text(text);
    } else if (s->kind == SETTING_LIST) {
        if (((struct text_list *)at)->count == CONFIG_LIST_MAX)
            return setting_fault(c, s, origin, "more than %d are given", CONFIG_LIST_MAX);
        if (text_list_add(at, text, origin) == 0)
            return 0;
        c->is_short = true;
        return -1;
    } else {
        *(const char **)at = text;
    }
    return 0;
}
