#include "waker.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "clock.h"

static int waker_watch(const struct waker *waker, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data = {.fd = fd}};

    return epoll_ctl(waker->epoll_fd, EPOLL_CTL_ADD, fd, &event);
}

int waker_init(struct waker *waker)
{
    waker->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    waker->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    waker->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    waker->armed_ms = CLOCK_NEVER;
    if (waker->epoll_fd < 0 || waker->event_fd < 0 || waker->timer_fd < 0 ||
        waker_watch(waker, waker->event_fd) < 0 || waker_watch(waker, waker->timer_fd) < 0) {
        int error = errno;
        waker_deinit(waker);
        errno = error;
        return -1;
    }
    return 0;
}

void waker_deinit(struct waker *waker)
{
    int *fds[] = {&waker->epoll_fd, &waker->event_fd, &waker->timer_fd};

    for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
        if (*fds[i] >= 0)
            close(*fds[i]);
        *fds[i] = -1;
    }
}

void waker_wake(const struct waker *waker)
{
    const uint64_t one = 1;
    int error = errno; /* a signal handler must leave it as it was */
    ssize_t written = write(waker->event_fd, &one, sizeof(one));

    (void)written; /* fails only when the counter is full, and then it is readable */
    errno = error;
}

void waker_arm(struct waker *waker, int64_t at_ms)
{
    struct itimerspec when = {{0, 0}, {0, 0}};

    if (at_ms == waker->armed_ms)
        return;
    if (at_ms != CLOCK_NEVER) {
        when.it_value.tv_sec = at_ms / 1000;
        when.it_value.tv_nsec = at_ms % 1000 * 1000000;
        if (at_ms <= 0)
            when.it_value.tv_nsec = 1; /* all zero would disarm it */
    }
    timerfd_settime(waker->timer_fd, TFD_TIMER_ABSTIME, &when, NULL);
    waker->armed_ms = at_ms;
}

void waker_clear(struct waker *waker)
{
    uint64_t count;
    ssize_t got = read(waker->event_fd, &count, sizeof(count));

    if (read(waker->timer_fd, &count, sizeof(count)) > 0)
        waker->armed_ms = CLOCK_NEVER; /* it has fired */
    (void)got;
}

void waker_wait(struct waker *waker, int64_t deadline_ms)
{
    struct pollfd fd = {.fd = waker->epoll_fd, .events = POLLIN};

    for (;;) {
        int64_t left = deadline_ms == CLOCK_NEVER ? -1 : deadline_ms - clock_ms();
        if (deadline_ms != CLOCK_NEVER && left < 0)
            left = 0;
        if (poll(&fd, 1, left > INT_MAX ? INT_MAX : (int)left) >= 0 || errno != EINTR)
            return;
        /* A signal handler that wants something has woken us by sluice_stop(). */
    }
}
