#include "app/config.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/address.h"
#include "app/config_file.h"
#include "app/options.h"
#include "app/runtime_dir.h"
#include "app/settings.h"

#define FAULTS_SHOWN 20

void config_init(struct config *c)
{
    *c = (struct config){
        .core = CORE_OPTIONS_DEFAULT,
        .ws =
            {
                .path = "/ws",
                .max_connections = 10000,
                .max_per_address = 0,
                .handshake_ms = 10000,
                .ping_ms = 25000,
                .timeout_ms = 60000,
                .stall_ms = 10000,
                .queue_bytes = 1048576,
                .queue_items = 4096,
            },
        .ipc =
            {
                .publish_queue = 256,
                .max_subscribers = 32,
                .max_waiting = 1024,
                .max_waiting_per_link = 16,
            },
        .listen = "127.0.0.1:8080",
        .name = "sluice",
        .log_level = LOG_LEVEL_INFO,
        .drain_ms = 5000,
    };
}

void text_list_clear(struct text_list *list)
{
    free(list->items);
    free(list->origins);
    *list = (struct text_list){0};
}

int text_list_add(struct text_list *list, const char *text, struct origin origin)
{
    const char **items = realloc(list->items, (list->count + 2) * sizeof(*items));
    if (!items)
        return -1;
    list->items = items;
    list->items[list->count] = NULL;
    struct origin *origins = realloc(list->origins, (list->count + 1) * sizeof(*origins));
    if (!origins)
        return -1;
    list->origins = origins;
    list->origins[list->count] = origin;
    list->items[list->count++] = text;
    list->items[list->count] = NULL;
    return 0;
}

void config_deinit(struct config *c)
{
    text_list_clear(&c->calls);
    text_list_clear(&c->events);
    text_list_clear(&c->headers);
    text_list_clear(&c->index);
    buf_deinit(&c->faults);
    for (size_t i = 0; i < c->kept_count; i++)
        free(c->kept[i]);
    free(c->kept);
    free(c->batches);
    for (size_t i = 0; i < c->group_count; i++)
        text_list_clear(&c->groups[i].events);
    free(c->groups);
    *c = (struct config){0};
}

const char *config_keep(struct config *c, const char *text, size_t len)
{
    char **kept = realloc(c->kept, (c->kept_count + 1) * sizeof(*kept));
    char *copy = malloc(len + 1);
    if (kept)
        c->kept = kept;
    if (!kept || !copy) {
        free(copy);
        c->is_short = true;
        return NULL;
    }
    memcpy(copy, text, len);
    copy[len] = '\0';
    c->kept[c->kept_count] = copy;
    c->kept_count++;
    return copy;
}

int config_fault(struct config *c, struct origin origin, const char *format, ...)
{
    char text[768];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    for (char *p = text; *p; p++)
        if ((unsigned char)*p < ' ' || *p == 0x7f)
            *p = '?';
    if (origin.from == ORIGIN_LINE)
        c->is_line_wrong = true;
    if (c->fault_count++ >= FAULTS_SHOWN)
        return -1;
    if (origin.from == ORIGIN_FILE)
        buf_printf(&c->faults, "%s:%zu:%zu: %s\n", c->file, origin.line, origin.column, text);
    else
        buf_printf(&c->faults, "sluiced: %s\n", text);
    return -1;
}

int config_exit_code(const struct config *c)
{
    return c->is_line_wrong ? 2 : 1;
}

/* The secret is the file's first line. */
static int read_key(struct config *c)
{
    const struct setting *s = setting_find("key_file");
    struct origin origin = setting_origin(c, s);
    char text[512];
    if (c->key)
        return setting_fault(c, s, origin, "the secret is set twice, by key and by key_file");
    int fd = open(c->key_file, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    int error = errno;
    if (fd >= 0)
        close(fd);
    if (n < 0)
        return setting_fault(c, s, origin, "cannot read \"%s\": %s", c->key_file, strerror(error));
    text[n] = '\0';
    text[strcspn(text, "\r\n")] = '\0';
    const char *why = setting_find("key")->check(text);
    if (why)
        return setting_fault(c, s, origin, "the secret in \"%s\" %s", c->key_file, why);
    c->key = config_keep(c, text, strlen(text));
    return c->key ? 0 : -1;
}

/* The default address of @list: @file in the directory @dir. */
static int add_default(struct config *c, struct text_list *list, const char *dir, const char *file)
{
    char address[PATH_MAX];
    struct origin none = {.from = ORIGIN_DEFAULT};
    int n = snprintf(address, sizeof address, "ipc://%s/%s", dir, file);
    if (n < 0 || (size_t)n >= sizeof address || handler_address_fault(address))
        return config_fault(c, none, "the path %s/%s is too long for a socket; set --calls and --events", dir,
                            file);
    const char *kept = config_keep(c, address, strlen(address));
    if (kept && text_list_add(list, kept, none) == 0)
        return 0;
    c->is_short = true;
    return -1;
}

static int default_addresses(struct config *c)
{
    char dir[PATH_MAX];
    char error[PATH_MAX + 256];
    struct origin none = {.from = ORIGIN_DEFAULT};
    if (c->calls.count && c->events.count)
        return 0;
    if (runtime_dir_path(c->name, dir, sizeof dir) != 0)
        return config_fault(c, none, "XDG_RUNTIME_DIR is too long");
    if (!c->calls.count && add_default(c, &c->calls, dir, "calls") != 0)
        return -1;
    if (!c->events.count && add_default(c, &c->events, dir, "events") != 0)
        return -1;
    if (c->fault_count || runtime_dir_check(dir, !c->wants_check, error, sizeof error) == 0)
        return 0;
    return config_fault(c, none, "%s", error);
}

/* Whether an address before @list[@index] is the same: in @list itself or in @other. */
static bool is_taken(const struct text_list *list, size_t index, const struct text_list *other)
{
    for (size_t i = 0; i < index; i++)
        if (handler_address_equal(list->items[i], list->items[index]))
            return true;
    for (size_t i = 0; other && i < other->count; i++)
        if (handler_address_equal(other->items[i], list->items[index]))
            return true;
    return false;
}

static void check_addresses(struct config *c, const char *key, const struct text_list *list,
                            const struct text_list *other)
{
    const struct setting *s = setting_find(key);
    for (size_t i = 0; i < list->count; i++) {
        const char *address = list->items[i];
        if (is_taken(list, i, other))
            setting_fault(c, s, list->origins[i], "\"%s\" is given twice", address);
        else if (!c->is_insecure && !handler_address_is_local(address))
            setting_fault(
                c, s, list->origins[i],
                "other machines can reach \"%s\", and nothing on it is encrypted; --insecure allows it",
                address);
    }
}

/* @low must be @relation ("below", "at most") @high; blamed on the one that was set. */
static void check_pair(struct config *c, const char *low, const char *high, double low_value,
                       double high_value, bool may_equal)
{
    const struct setting *s = setting_find(low);
    const struct setting *t = setting_find(high);
    if (low_value < high_value || (may_equal && low_value == high_value))
        return;
    if (setting_origin(c, t).from > setting_origin(c, s).from)
        setting_fault(c, t, setting_origin(c, t), "%.0f must be %s %s (%.0f)", high_value,
                      may_equal ? "at least" : "above", low, low_value);
    else
        setting_fault(c, s, setting_origin(c, s), "%.0f must be %s %s (%.0f)", low_value,
                      may_equal ? "at most" : "below", high, high_value);
}

static void check_pairs(struct config *c)
{
    check_pair(c, "ping_ms", "timeout_ms", c->ws.ping_ms, c->ws.timeout_ms, false);
    check_pair(c, "max_message_bytes", "queue_bytes", (double)c->core.max_message_bytes,
               (double)c->ws.queue_bytes, true);
    check_pair(c, "batch_bytes", "queue_bytes", (double)c->core.batch_bytes, (double)c->ws.queue_bytes, true);
    check_pair(c, "max_waiting_per_link", "max_waiting", c->ipc.max_waiting_per_link, c->ipc.max_waiting,
               true);
    check_pair(c, "stored_bytes", "stored_bytes_total", (double)c->core.stored_bytes,
               (double)c->core.stored_bytes_total, true);
}

/* One value that several parts need. */
static int spread(struct config *c)
{
    struct host_port parts;
    host_port_read(&parts, c->listen);
    c->ws.host = config_keep(c, parts.host, strlen(parts.host));
    c->ws.port = parts.port;
    c->ws.headers = c->headers.items;
    c->ws.max_message_bytes = c->core.max_message_bytes;
    c->core.index_fields = c->index.items;
    c->core.ping_ms = c->ws.ping_ms;
    c->core.name = c->name;
    c->core.key = c->key;
    c->core.version = SLUICE_VERSION;
    c->ipc.calls = c->calls.items;
    c->ipc.events = c->events.items;
    c->ipc.max_request_bytes = c->core.max_request_bytes;
    return c->ws.host ? 0 : -1;
}

static int load(struct config *c, int argc, char **argv)
{
    if (options_read(c, argc, argv) != 0)
        return -1;
    if (c->wants_help || c->wants_version)
        return 0;
    if (c->file && config_file_read(c) != 0)
        return -1;
    if (c->key_file)
        read_key(c);
    check_addresses(c, "calls", &c->calls, NULL);
    check_addresses(c, "events", &c->events, &c->calls);
    check_pairs(c);
    default_addresses(c);
    return c->fault_count ? -1 : spread(c);
}

int config_load(struct config *c, int argc, char **argv)
{
    int result = load(c, argc, argv);
    if (c->fault_count > FAULTS_SHOWN)
        buf_printf(&c->faults, "sluiced: and %u faults more\n", c->fault_count - FAULTS_SHOWN);
    if (c->is_short) {
        config_fault(c, (struct origin){.from = ORIGIN_DEFAULT}, "out of memory");
        return -1;
    }
    return result;
}
