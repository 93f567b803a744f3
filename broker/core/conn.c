#include "core/conn.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/stored_event.h"
#include "wire/mp.h"

/* Copy @text to *@at, move *@at behind it, return the copy. */
static char *put_string(char **at, const char *text)
{
    char *copy = *at;
    size_t size = strlen(text) + 1;
    memcpy(copy, text, size);
    *at += size;
    return copy;
}

struct conn *conn_new(const char *epoch, uint64_t number, const struct opening *opening, void *peer,
                      struct core_time now)
{
    static const uint8_t empty_map = 0x80;
    struct conn *conn = calloc(1, sizeof(*conn));
    if (!conn)
        return NULL;
    size_t size = strlen(opening->remote) + strlen(opening->path) + strlen(opening->subprotocol) + 3;
    char *strings = malloc(size);
    conn->session = blob_new(&empty_map, 1);
    conn->remote = strings;
    if (!strings || !conn->session) {
        conn_free(conn);
        return NULL;
    }
    put_string(&strings, opening->remote);
    conn->path = put_string(&strings, opening->path);
    conn->subprotocol = put_string(&strings, opening->subprotocol);
    conn->number = number;
    conn->peer = peer;
    conn->version = 1;
    conn->connected_ms = now.wall_ms;
    conn->connected_mono = now.mono_ms;
    snprintf(conn->id, sizeof(conn->id), "%s.%" PRIu64, epoch, number);
    return conn;
}

void conn_free(struct conn *conn)
{
    if (!conn)
        return;
    blob_unref(conn->session);
    stored_event_release(conn);
    free(conn->remote);
    free(conn);
}

struct subject conn_subject(const struct conn *conn)
{
    return (struct subject){
        .session = conn->session->data,
        .session_len = conn->session->len,
        .conn = conn->id,
        .remote = conn->remote,
        .subprotocol = conn->subprotocol,
        .path = conn->path,
        .connected_ms = conn->connected_ms,
    };
}

uint64_t conn_number(const char *epoch, const char *id, size_t len)
{
    size_t epoch_len = strlen(epoch);
    uint64_t number = 0;
    if (len <= epoch_len + 1 || len > CONN_ID_MAX || memcmp(id, epoch, epoch_len) != 0 ||
        id[epoch_len] != '.')
        return 0;
    if (id[epoch_len + 1] == '0')
        return 0;
    for (size_t i = epoch_len + 1; i < len; i++) {
        if (id[i] < '0' || id[i] > '9' || number > (UINT64_MAX - 9) / 10)
            return 0;
        number = number * 10 + (uint64_t)(id[i] - '0');
    }
    return number;
}
