#include "group_options.h"

#include <limits.h>
#include <string.h>

#include <sluice/sluice.h>

#include "value.h"
#include "wire/mp.h"

#define SESSION_KEYS_MAX 64

static const struct number {
    const char *name;
    size_t offset;
    unsigned max, min;
} numbers[] = {
    {"per_conn", offsetof(struct group_options, per_conn), 256, 1},
    {"lease_ms", offsetof(struct group_options, lease_ms), 3600000, 100},
    {"max", offsetof(struct group_options, max), 1024, 1},
};
#define NUMBERS (sizeof(numbers) / sizeof(numbers[0]))

static unsigned *number_of(struct group_options *options, size_t i)
{
    return (unsigned *)(void *)((char *)options + numbers[i].offset);
}

static bool is_group_name(const char *text)
{
    size_t len = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-./");

    return len > 0 && len <= GROUP_NAME_MAX && text[len] == '\0';
}

static int read_group(struct group_options *options, const struct sluice_value *value,
                      struct sluice_fault *fault)
{
    const char *name = sluice_get_str(value, "", "");

    if (!is_group_name(name))
        return error_set(fault, SLUICE_E_ARGUMENT, "`group` is a text of 1 to %d letters, digits and _ - . /",
                         GROUP_NAME_MAX);
    memcpy(options->group, name, strlen(name) + 1);
    return 0;
}

static int read_session_keys(struct group_options *options, const struct sluice_value *value,
                             struct sluice_fault *fault)
{
    size_t count = sluice_size(value);

    if (sluice_get_type(value, "") != SLUICE_ARRAY || count > SESSION_KEYS_MAX)
        return error_set(fault, SLUICE_E_ARGUMENT, "`session_keys` is a list of at most %d keys",
                         SESSION_KEYS_MAX);
    for (size_t i = 0; i < count; i++)
        if (sluice_get_type(sluice_item(value, i), "") != SLUICE_STR)
            return error_set(fault, SLUICE_E_ARGUMENT, "`session_keys` is a list of texts");
    buf_put(&options->session_keys, value->bytes, value->len);
    return options->session_keys.failed ? error_nomem(fault) : 0;
}

static int read_number(struct group_options *options, size_t i, const struct sluice_value *value,
                       struct sluice_fault *fault)
{
    int64_t number = sluice_get_int(value, "", -1);

    if (number < numbers[i].min || number > numbers[i].max)
        return error_set(fault, SLUICE_E_ARGUMENT, "`%s` is a number from %u to %u", numbers[i].name,
                         numbers[i].min, numbers[i].max);
    *number_of(options, i) = (unsigned)number;
    return 0;
}

static int read_option(struct group_options *options, const char *key, const struct sluice_value *value,
                       struct sluice_fault *fault)
{
    if (!value)
        return error_nomem(fault);
    if (key && strcmp(key, "group") == 0)
        return read_group(options, value, fault);
    if (key && strcmp(key, "session_keys") == 0)
        return read_session_keys(options, value, fault);
    for (size_t i = 0; key && i < NUMBERS; i++)
        if (strcmp(key, numbers[i].name) == 0)
            return read_number(options, i, value, fault);
    return error_set(fault, SLUICE_E_ARGUMENT, "a subscription has no option `%.64s`", key ? key : "");
}

int group_options_read(struct group_options *options, const struct sluice_value *map,
                       struct sluice_fault *fault)
{
    size_t count = sluice_size(map);
    int error = 0;

    memset(options, 0, sizeof(*options));
    if (!value_is_map(map))
        return error_set(fault, SLUICE_E_ARGUMENT, "the options of a subscription are a map");
    for (size_t i = 0; i < count && error == 0; i++)
        error = read_option(options, sluice_key(map, i), sluice_item(map, i), fault);
    if (error == 0 && count > 0 && !options->group[0])
        error = error_set(fault, SLUICE_E_ARGUMENT, "`%s` is an option of handlers that have a `group`",
                          sluice_key(map, 0));
    return error;
}

static bool same_keys(const struct buf *a, const struct buf *b)
{
    return a->len == b->len && memcmp(a->data, b->data, a->len) == 0;
}

static int contradicts(const struct group_options *options, const char *name, struct sluice_fault *fault)
{
    return error_set(fault, SLUICE_E_ARGUMENT,
                     "group %s: `%s` is another one than in an earlier subscription of this client",
                     options->group, name);
}

int group_options_merge(struct group_options *options, const struct group_options *more, bool *changed,
                        struct sluice_fault *fault)
{
    struct group_options added = *more;

    *changed = false;
    for (size_t i = 0; i < NUMBERS; i++) {
        unsigned has = *number_of(options, i), wants = *number_of(&added, i);
        if (wants && has && wants != has)
            return contradicts(options, numbers[i].name, fault);
    }
    if (more->session_keys.len > 0 && options->session_keys.len > 0 &&
        !same_keys(&more->session_keys, &options->session_keys))
        return contradicts(options, "session_keys", fault);
    if (more->session_keys.len > 0 && options->session_keys.len == 0) {
        if (!buf_reserve(&options->session_keys, more->session_keys.len)) {
            buf_deinit(&options->session_keys);
            return error_nomem(fault);
        }
        buf_put(&options->session_keys, more->session_keys.data, more->session_keys.len);
        *changed = true;
    }
    for (size_t i = 0; i < NUMBERS; i++) {
        if (*number_of(options, i) || !*number_of(&added, i))
            continue;
        *number_of(options, i) = *number_of(&added, i);
        *changed = true;
    }
    return 0;
}

void group_options_deinit(struct group_options *options)
{
    buf_deinit(&options->session_keys);
}
