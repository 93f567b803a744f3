#ifndef SLUICE_BENCH_LINK_H
#define SLUICE_BENCH_LINK_H

/* link: one non-blocking TCP socket in an epoll set, with what it could not yet send and what it has
 * received of an unfinished frame.
 *
 * Reading goes through a scratch buffer that all links of a program share: only an unfinished frame's
 * bytes stay with the link, so an idle one costs no buffer. A wake-up is one recv and at most one send. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "wire/buf.h"

struct link {
    int fd; /* -1 when closed */
    int epoll_fd;
    void *owner;             /* epoll's data.ptr */
    bool reads_when_blocked; /* go on reading while the socket takes no more bytes */
    uint32_t watched;        /* epoll events asked for */
    size_t most_bytes;       /* of one recv or send; SIZE_MAX for no limit */
    struct buf rest;         /* received: the beginning of an unfinished frame */
    struct buf out;          /* not yet taken by the socket, from `out_sent` on */
    size_t out_sent;
};

/* Take over @fd (non-blocking) and watch it. Returns 0, or a negative errno; then @fd is still the caller's.
 */
int link_open(struct link *l, int epoll_fd, int fd, void *owner, bool reads_when_blocked);

/* Close the socket and free what is kept; does nothing when closed. */
void link_close(struct link *l);

/* Put the kept rest and what one recv brings into @scratch. Returns the bytes there, or a negative errno:
 * -EAGAIN when nothing new came, -ECONNRESET also when the peer has closed in order, -ENOMEM. */
ssize_t link_receive(struct link *l, uint8_t *scratch, size_t size);

/* Keep @n bytes for the next link_receive(). Returns 0 or -ENOMEM. */
int link_keep(struct link *l, const uint8_t *bytes, size_t n);

/* Send @n bytes by one send(), and keep what the socket does not take for link_flush() (all of it, if earlier
 * bytes wait). Returns 0 or a negative errno. */
int link_send(struct link *l, const uint8_t *bytes, size_t n);

/* The socket is writable: send what waits, by one send(). Returns 0 or a negative errno. */
int link_flush(struct link *l);

static inline bool link_is_blocked(const struct link *l)
{
    return l->out.len > 0;
}

#endif
