#include "ws/peers.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/uthash_nomem.h"

struct peer {
    char text[PEER_TEXT_MAX]; /* the key */
    unsigned connections;
    UT_hash_handle hh;
};

struct peers {
    struct peer *by_text;
};

struct peers *peers_new(void)
{
    return calloc(1, sizeof(struct peers));
}

void peers_free(struct peers *peers)
{
    free(peers);
}

static void address_text(const struct sockaddr *address, char text[PEER_TEXT_MAX])
{
    memset(text, 0, PEER_TEXT_MAX);
    if (address->sa_family == AF_INET) {
        inet_ntop(AF_INET, &((const struct sockaddr_in *)(const void *)address)->sin_addr, text,
                  PEER_TEXT_MAX);
        return;
    }
    if (address->sa_family != AF_INET6)
        return;
    const struct in6_addr *six = &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr;
    if (IN6_IS_ADDR_V4MAPPED(six))
        inet_ntop(AF_INET, six->s6_addr + 12, text, PEER_TEXT_MAX);
    else
        inet_ntop(AF_INET6, six, text, PEER_TEXT_MAX);
}

int peers_enter(struct peers *peers, const struct sockaddr *address, unsigned limit, struct peer **out)
{
    char text[PEER_TEXT_MAX];
    struct peer *peer;
    address_text(address, text);
    HASH_FIND_STR(peers->by_text, text, peer);
    if (peer && limit > 0 && peer->connections >= limit)
        return 1;
    if (!peer) {
        peer = calloc(1, sizeof(*peer));
        if (!peer)
            return -ENOMEM;
        memcpy(peer->text, text, sizeof(peer->text));
        HASH_ADD_STR(peers->by_text, text, peer);
        if (!peer->hh.tbl) {
            free(peer);
            return -ENOMEM;
        }
    }
    peer->connections++;
    *out = peer;
    return 0;
}

void peers_leave(struct peers *peers, struct peer *peer)
{
    if (--peer->connections > 0)
        return;
    HASH_DEL(peers->by_text, peer);
    free(peer);
}

const char *peer_text(const struct peer *peer)
{
    return peer->text;
}
