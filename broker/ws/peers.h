#ifndef SLUICE_WS_PEERS_H
#define SLUICE_WS_PEERS_H

/* peers: how many connections each address has. */

#include <netinet/in.h>
#include <sys/socket.h>

#define PEER_TEXT_MAX INET6_ADDRSTRLEN

struct peers;

/* One address with at least one connection. */
struct peer;

/* NULL when memory is refused. */
struct peers *peers_new(void);

/* All must have been given back. */
void peers_free(struct peers *peers);

/* One connection more from @address, of at most @limit (0: no limit). 0 with *@out, to be given back by
 * peers_leave(); 1 when the address has as many already; -ENOMEM. An IPv4 address mapped into IPv6 is the
 * IPv4 address. */
int peers_enter(struct peers *peers, const struct sockaddr *address, unsigned limit, struct peer **out);

void peers_leave(struct peers *peers, struct peer *peer);

/* The address as text, without port; valid until given back. */
const char *peer_text(const struct peer *peer);

#endif
