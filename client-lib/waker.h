#ifndef SLUICE_CLIENT_WAKER_H
#define SLUICE_CLIENT_WAKER_H

/* waker: one descriptor that becomes readable when another thread or a signal handler wants attention, or
 * when a point in time has come. It is what sluice_fd() gives to foreign loops. */

#include <stdint.h>

struct waker {
    int epoll_fd; /* the two others, in one descriptor */
    int event_fd;
    int timer_fd;
    int64_t armed_ms; /* what the timer is set to */
};

/* 0, or -1 with errno. */
int waker_init(struct waker *waker);
void waker_deinit(struct waker *waker);

/* Make it readable. Any thread, and signal handlers. */
void waker_wake(const struct waker *waker);

/* Make it readable at @at_ms of clock_ms(); CLOCK_NEVER: not by time. */
void waker_arm(struct waker *waker, int64_t at_ms);

/* Make it unreadable until the next wake or the armed time. */
void waker_clear(struct waker *waker);

/* Wait until it is readable, at most until @deadline_ms. */
void waker_wait(struct waker *waker, int64_t deadline_ms);

#endif
