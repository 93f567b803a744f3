#include "address.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "error.h"
#include "link.h"

static int take(char **out, char *text, struct sluice_fault *fault)
{
    *out = text;
    return text ? 0 : error_nomem(fault);
}

static char *address_default(void)
{
    const char *set = getenv("SLUICE_BROKER"), *dir = getenv("XDG_RUNTIME_DIR");
    char *text;
    int len;

    if (set && *set)
        return strdup(set);
    if (dir && *dir == '/')
        len = asprintf(&text, "ipc://%s/sluice/sluice/calls", dir);
    else
        len = asprintf(&text, "ipc:///tmp/sluice-%u/sluice/calls", (unsigned)getuid());
    return len < 0 ? NULL : text;
}

int address_calls(const char *list, char **out, struct sluice_fault *fault)
{
    char *address, *start;
    int error = take(&address, list ? strdup(list) : address_default(), fault);

    if (error < 0)
        return error;
    start = address + strspn(address, " \t");
    start[strcspn(start, " \t")] = '\0';
    if (strchr(start, ','))
        error = error_set(fault, SLUICE_E_ADDRESS, "%.200s: this version serves one broker", start);
    else if (!link_address_valid(start))
        error =
            error_set(fault, SLUICE_E_ADDRESS, "%.200s: an address is ipc:///path or tcp://host:port", start);
    else
        error = take(out, strdup(start), fault);
    free(address);
    return error;
}

/* The host of tcp://host:port, and how many bytes it has; NULL for others. */
static const char *tcp_host(const char *address, size_t *len)
{
    const char *colon;

    if (strncmp(address, "tcp://", 6) != 0 || !(colon = strrchr(address + 6, ':')))
        return NULL;
    *len = (size_t)(colon - address) - 6;
    return address + 6;
}

static bool is_any_host(const char *host, size_t len)
{
    static const char *const any[] = {"", "*", "0.0.0.0", "[::]"};

    for (size_t i = 0; i < sizeof(any) / sizeof(any[0]); i++)
        if (strlen(any[i]) == len && memcmp(any[i], host, len) == 0)
            return true;
    return false;
}

char *address_events(const char *told, const char *calls)
{
    size_t told_len, calls_len;
    const char *told_host = tcp_host(told, &told_len), *calls_host = tcp_host(calls, &calls_len);
    char *text;

    if (!told_host || !calls_host || !is_any_host(told_host, told_len))
        return strdup(told);
    if (asprintf(&text, "tcp://%.*s%s", (int)calls_len, calls_host, told_host + told_len) < 0)
        return NULL;
    return text;
}
