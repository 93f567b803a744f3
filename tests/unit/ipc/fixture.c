#include "unit/ipc/fixture.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <nng/protocol/pubsub0/sub.h>
#include <nng/protocol/reqrep0/req.h>

#define WATCH_MS 250

static uint64_t clock_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

uint64_t clock_ms(void)
{
    return clock_us() / 1000;
}

/* The core's side. */

static struct told *tell(struct fixture *f, int what)
{
    assert_true(f->told_count < TRACE_MAX);
    struct told *told = &f->told[f->told_count++];
    *told = (struct told){.what = what};
    return told;
}

static void on_link_up(void *arg, uint64_t link, bool is_tcp)
{
    struct told *told = tell(arg, TOLD_UP);
    told->link = link;
    told->is_tcp = is_tcp;
}

static void on_link_down(void *arg, uint64_t link)
{
    tell(arg, TOLD_DOWN)->link = link;
}

static void on_subscribers(void *arg, unsigned count)
{
    tell(arg, TOLD_SUBSCRIBERS)->count = count;
}

static void on_request(void *arg, const struct ipc_peer *peer, ipc_ticket ticket, const void *body,
                       size_t len)
{
    struct fixture *f = arg;
    struct told *told = tell(f, TOLD_REQUEST);
    told->link = peer->link;
    told->is_tcp = peer->is_tcp;
    told->ticket = ticket;
    told->len = len;
    memcpy(told->start, body, len < sizeof told->start - 1 ? len : sizeof told->start - 1);
    if (f->hold)
        return;
    if (f->reply_bytes == 0) {
        ipc_reply(f->ipc, ticket, body, len);
        return;
    }
    char *reply = calloc(1, f->reply_bytes);
    assert_non_null(reply);
    ipc_reply(f->ipc, ticket, reply, f->reply_bytes);
    free(reply);
}

static void on_wake(void *arg)
{
    struct fixture *f = arg;
    (void)!write(f->wake_fd, &(uint64_t){1}, sizeof(uint64_t));
}

/* Life cycle. */

static void address_put(struct fixture *f, char *to, const char *address)
{
    if (strchr(address, ':'))
        snprintf(to, sizeof f->addresses[0], "%s", address);
    else
        snprintf(to, sizeof f->addresses[0], "ipc://%s/%s", f->folder, address);
}

void fixture_add_calls(struct fixture *f, const char *address)
{
    size_t i = 0;
    while (f->calls[i])
        i++;
    assert_true(i < ADDRESSES_MAX);
    address_put(f, f->addresses[i], address);
    f->calls[i] = f->addresses[i];
}

void fixture_add_events(struct fixture *f, const char *address)
{
    size_t i = 0;
    while (f->event_addresses[i])
        i++;
    assert_true(i < ADDRESSES_MAX);
    address_put(f, f->addresses[ADDRESSES_MAX + i], address);
    f->event_addresses[i] = f->addresses[ADDRESSES_MAX + i];
}

int fixture_setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    snprintf(f->folder, sizeof f->folder, "/tmp/sluice-ipc-test-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    f->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    assert_true(f->wake_fd >= 0);
    f->options = (struct ipc_options){
        .calls = f->calls,
        .events = f->event_addresses,
        .max_request_bytes = 1000000,
        .publish_queue = 256,
        .max_subscribers = 32,
        .max_waiting = 1024,
        .max_waiting_per_link = 16,
        .counters = &f->counters,
        .wake = on_wake,
        .wake_arg = f,
    };
    f->events = (struct ipc_events){f, on_link_up, on_link_down, on_request, on_subscribers};
    fixture_add_calls(f, "calls");
    fixture_add_events(f, "events");
    *state = f;
    return 0;
}

void fixture_start(struct fixture *f)
{
    if (ipc_new(&f->ipc, &f->options, &f->events, f->error, sizeof f->error) != 0)
        fail_msg("%s", f->error);
}

void fixture_stop(struct fixture *f)
{
    ipc_free(f->ipc);
    f->ipc = NULL;
}

static void remove_folder(const char *path)
{
    DIR *folder = opendir(path);
    assert_non_null(folder);
    for (struct dirent *entry; (entry = readdir(folder));)
        unlinkat(dirfd(folder), entry->d_name, 0);
    closedir(folder);
    rmdir(path);
}

int fixture_teardown(void **state)
{
    struct fixture *f = *state;
    fixture_stop(f);
    close(f->wake_fd);
    remove_folder(f->folder);
    free(f);
    return 0;
}

/* The loop. */

static void turn(struct fixture *f, int timeout_ms)
{
    struct pollfd wait = {.fd = f->wake_fd, .events = POLLIN};
    if (poll(&wait, 1, timeout_ms) > 0)
        (void)!read(f->wake_fd, &(uint64_t){0}, sizeof(uint64_t));
    uint64_t begin = clock_us();
    while (f->ipc && ipc_drain(f->ipc)) {
        uint64_t end = clock_us();
        f->max_drain_us = end - begin > f->max_drain_us ? end - begin : f->max_drain_us;
        begin = clock_us();
    }
    if (f->ipc && clock_ms() - f->watched_ms >= WATCH_MS) {
        f->watched_ms = clock_ms();
        ipc_watch(f->ipc);
    }
}

void fixture_until(struct fixture *f, bool (*is_true)(struct fixture *f, void *arg), void *arg)
{
    uint64_t end = clock_ms() + WAIT_MS;
    while (!is_true(f, arg)) {
        if (clock_ms() > end)
            fail_msg("what was waited for did not come within %d ms", WAIT_MS);
        turn(f, 5);
    }
}

void fixture_run(struct fixture *f, unsigned ms)
{
    for (uint64_t end = clock_ms() + ms; clock_ms() < end;)
        turn(f, 5);
}

size_t told_times(const struct fixture *f, int what)
{
    size_t times = 0;
    for (size_t i = 0; i < f->told_count; i++)
        times += (int)f->told[i].what == what;
    return times;
}

const struct told *told_request(const struct fixture *f, const char *start)
{
    for (size_t i = 0; i < f->told_count; i++)
        if (f->told[i].what == TOLD_REQUEST && strncmp(f->told[i].start, start, strlen(start)) == 0)
            return &f->told[i];
    return NULL;
}

struct times {
    int what;
    size_t times;
};

static bool is_told(struct fixture *f, void *arg)
{
    struct times *times = arg;
    return told_times(f, times->what) >= times->times;
}

void fixture_until_told(struct fixture *f, int what, size_t times)
{
    fixture_until(f, is_told, &(struct times){what, times});
}

struct count {
    const uint64_t *counter;
    uint64_t value;
};

static bool is_counted(struct fixture *f, void *arg)
{
    struct count *count = arg;
    (void)f;
    return *count->counter == count->value;
}

void fixture_until_counter(struct fixture *f, const uint64_t *counter, uint64_t value)
{
    fixture_until(f, is_counted, &(struct count){counter, value});
}

/* Peers of nng's in this process. */

void requester_open(struct requester *r, const char *address)
{
    assert_int_equal(0, nng_req0_open(&r->socket));
    assert_int_equal(0, nng_dial(r->socket, address, NULL, 0));
}

void requester_close(struct requester *r)
{
    nng_close(r->socket);
}

/* On one of nng's threads. */
static void question_step(void *arg)
{
    struct question *q = arg;
    int result = nng_aio_result(q->aio);
    int phase = 2;
    q->result = result;
    if (result != 0 && q->phase == 0) {
        nng_msg_free(nng_aio_get_msg(q->aio));
    } else if (result == 0 && q->phase == 1) {
        nng_msg *reply = nng_aio_get_msg(q->aio);
        q->reply_len = nng_msg_len(reply);
        memcpy(q->reply, nng_msg_body(reply), q->reply_len < 63 ? q->reply_len : 63);
        nng_msg_free(reply);
    } else if (result == 0) {
        phase = 1;
    }
    q->phase = phase;
    if (phase == 1)
        nng_ctx_recv(q->context, q->aio);
}

struct question *ask(struct requester *r, const char *text, size_t len)
{
    struct question *q = calloc(1, sizeof *q);
    nng_msg *message;
    assert_non_null(q);
    if (len < strlen(text))
        len = strlen(text);
    assert_int_equal(0, nng_ctx_open(&q->context, r->socket));
    assert_int_equal(0, nng_aio_alloc(&q->aio, question_step, q));
    assert_int_equal(0, nng_msg_alloc(&message, len));
    memset(nng_msg_body(message), 0, len);
    memcpy(nng_msg_body(message), text, strlen(text));
    nng_aio_set_msg(q->aio, message);
    nng_ctx_send(q->context, q->aio);
    return q;
}

bool question_is_over(struct question *q)
{
    return q->phase == 2;
}

static bool is_over(struct fixture *f, void *arg)
{
    (void)f;
    return question_is_over(arg);
}

void fixture_until_over(struct fixture *f, struct question *q)
{
    fixture_until(f, is_over, q);
}

void question_free(struct question *q)
{
    nng_ctx_close(q->context);
    nng_aio_free(q->aio);
    free(q);
}

void assert_echo(struct fixture *f, struct requester *r, const char *text)
{
    struct question *q = ask(r, text, 0);
    fixture_until_over(f, q);
    assert_int_equal(0, q->result);
    assert_int_equal(strlen(text), q->reply_len);
    assert_memory_equal(text, q->reply, q->reply_len);
    question_free(q);
}

void assert_serves(struct fixture *f, const char *address)
{
    struct requester r;
    assert_int_equal(0, nng_req0_open(&r.socket));
    assert_int_equal(0, nng_dial(r.socket, address, NULL, NNG_FLAG_NONBLOCK));
    assert_echo(f, &r, "still there?");
    requester_close(&r);
}

/* Raw sockets. */

int raw_connect(const char *address)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    bool is_ipc = strncmp(address, "ipc://", 6) == 0;
    if (is_ipc)
        snprintf(un.sun_path, sizeof un.sun_path, "%s", address + 6);
    else
        in.sin_port = htons((uint16_t)strtoul(strrchr(address, ':') + 1, NULL, 10));
    int fd = socket(is_ipc ? AF_UNIX : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    int result = is_ipc ? connect(fd, (struct sockaddr *)&un, sizeof un)
                        : connect(fd, (struct sockaddr *)&in, sizeof in);
    if (result != 0)
        fail_msg("cannot connect to %s: %s", address, strerror(errno));
    return fd;
}

void raw_read_greeting(int fd)
{
    uint8_t header[8];
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    assert_int_equal(1, poll(&wait, 1, WAIT_MS));
    assert_int_equal(8, recv(fd, header, 8, MSG_WAITALL));
    assert_memory_equal("\0SP\0", header, 4);
}

void raw_greet(int fd, uint16_t protocol)
{
    uint8_t header[8] = {0, 'S', 'P', 0, (uint8_t)(protocol >> 8), (uint8_t)protocol, 0, 0};
    assert_int_equal(8, send(fd, header, 8, MSG_NOSIGNAL));
    raw_read_greeting(fd);
}

bool raw_request(int fd, const char *address, char fill, size_t len)
{
    bool is_ipc = strncmp(address, "ipc://", 6) == 0;
    size_t head = (is_ipc ? 1 : 0) + 8, total = head + 4 + len;
    uint8_t *frame = malloc(total);
    assert_non_null(frame);
    frame[0] = 1; /* IPC frames begin with their kind */
    for (int i = 0; i < 8; i++)
        frame[head - 1 - (size_t)i] = (uint8_t)((4 + len) >> (8 * i));
    memcpy(frame + head, (uint8_t[]){0x80, 0, 0, 1}, 4); /* REQ's id */
    memset(frame + head + 4, fill, len);
    ssize_t sent = send(fd, frame, total, MSG_NOSIGNAL);
    free(frame);
    return sent == (ssize_t)total;
}

bool raw_is_ended(int fd, unsigned ms)
{
    char bytes[65536];
    for (uint64_t end = clock_ms() + ms; clock_ms() <= end;) {
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        if (poll(&wait, 1, (int)(end - clock_ms())) <= 0)
            return false;
        if (recv(fd, bytes, sizeof bytes, MSG_DONTWAIT) <= 0)
            return true;
    }
    return false;
}

/* Child processes. */

pid_t child_start(int *from_child, const char *role, const char *address, const char *argument)
{
    int pipe_fds[2];
    pid_t pid;
    posix_spawn_file_actions_t actions;
    char *argv[] = {"ipc-test-peer", "peer", (char *)role, (char *)address, (char *)argument, NULL};
    assert_int_equal(0, pipe2(pipe_fds, O_CLOEXEC));
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, pipe_fds[1], STDOUT_FILENO);
    assert_int_equal(0, posix_spawn(&pid, "/proc/self/exe", &actions, NULL, argv, environ));
    posix_spawn_file_actions_destroy(&actions);
    close(pipe_fds[1]);
    fcntl(pipe_fds[0], F_SETFL, O_NONBLOCK);
    *from_child = pipe_fds[0];
    return pid;
}

struct line {
    int fd;
    const char *start;
    char text[256];
    size_t len;
};

static bool is_line(struct fixture *f, void *arg)
{
    struct line *line = arg;
    (void)f;
    while (line->len < sizeof line->text - 1 && read(line->fd, line->text + line->len, 1) == 1) {
        if (line->text[line->len++] != '\n')
            continue;
        line->text[line->len - 1] = '\0';
        if (strncmp(line->text, line->start, strlen(line->start)) == 0)
            return true;
        line->len = 0;
    }
    return false;
}

void fixture_until_line(struct fixture *f, int from_child, const char *start, char *rest, size_t size)
{
    struct line line = {.fd = from_child, .start = start};
    fixture_until(f, is_line, &line);
    if (rest)
        snprintf(rest, size, "%s", line.text + strlen(start));
}

void child_kill(pid_t pid)
{
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

static void say(const char *text)
{
    printf("%s\n", text);
    fflush(stdout);
}

/* Asks @count questions at once and waits for ever. */
static int child_asks(const char *address, int count)
{
    struct requester r;
    requester_open(&r, address);
    for (int i = 0; i < count; i++)
        ask(&r, "from a child", 0);
    say("asked");
    pause();
    return 0;
}

/* Subscribes to all until "end" comes, then tells how many came, and the number of the last one that began
 * with "n=". */
static int child_subscribes(const char *address)
{
    nng_socket socket;
    nng_msg *message;
    unsigned long count = 0, last = 0;
    if (nng_sub0_open(&socket) != 0 || nng_socket_set_int(socket, NNG_OPT_RECVBUF, 8192) != 0 ||
        nng_socket_set(socket, NNG_OPT_SUB_SUBSCRIBE, "", 0) != 0 || nng_dial(socket, address, NULL, 0) != 0)
        return 1;
    say("subscribed");
    while (nng_recvmsg(socket, &message, 0) == 0) {
        const char *text = nng_msg_body(message);
        bool is_end = strncmp(text, "end", 3) == 0;
        if (count++ == 0)
            say("first");
        if (strncmp(text, "n=", 2) == 0)
            last = strtoul(text + 2, NULL, 10);
        nng_msg_free(message);
        if (is_end)
            break;
    }
    printf("got %lu messages, last %lu\n", count, last);
    fflush(stdout);
    nng_close(socket);
    return 0;
}

static void ignore_wake(void *arg)
{
    (void)arg;
}

static void ignore_link_up(void *arg, uint64_t link, bool is_tcp)
{
    (void)arg, (void)link, (void)is_tcp;
}

static void ignore_link_down(void *arg, uint64_t link)
{
    (void)arg, (void)link;
}

/* A broker that only listens, until it is killed. */
static int child_listens(const char *calls, const char *events)
{
    struct counters counters = {0};
    struct ipc *ipc;
    char error[256];
    const char *call_addresses[] = {calls, NULL}, *event_addresses[] = {events, NULL};
    struct ipc_options options = {.calls = call_addresses,
                                  .events = event_addresses,
                                  .max_request_bytes = 1000,
                                  .publish_queue = 16,
                                  .max_waiting = 16,
                                  .counters = &counters,
                                  .wake = ignore_wake};
    struct ipc_events callbacks = {.link_up = ignore_link_up, .link_down = ignore_link_down};
    if (ipc_new(&ipc, &options, &callbacks, error, sizeof error) != 0) {
        say(error);
        return 1;
    }
    say("listening");
    pause();
    return 0;
}

bool fixture_begin(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "only") == 0)
        cmocka_set_test_filter(argv[2]);
    return argc == 5 && strcmp(argv[1], "peer") == 0;
}

int fixture_child(char **argv)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* no child outlives a test that failed */
    alarm(60);
    if (strcmp(argv[2], "asks") == 0)
        return child_asks(argv[3], (int)strtol(argv[4], NULL, 10));
    if (strcmp(argv[2], "subscribes") == 0)
        return child_subscribes(argv[3]);
    if (strcmp(argv[2], "listens") == 0)
        return child_listens(argv[3], argv[4]);
    return 1;
}
