#include "support/broker.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

#define ARGUMENTS_MAX 32
#define READY_MS      10000
#define END_MS        10000

static void sleep_ms(int ms)
{
    usleep((useconds_t)ms * 1000);
}

int broker_init(struct broker *broker, const char *program)
{
    memset(broker, 0, sizeof(*broker));
    broker->program = program;
    snprintf(broker->dir, sizeof(broker->dir), "/tmp/sluice-test-XXXXXX");
    if (!mkdtemp(broker->dir))
        return -1;
    snprintf(broker->calls, sizeof(broker->calls), "ipc://%s/calls", broker->dir);
    snprintf(broker->events, sizeof(broker->events), "ipc://%s/events", broker->dir);
    return 0;
}

/* posix_spawn, as a process that has used nng cannot fork. */
static int spawn(struct broker *broker, const char *log, char **arguments)
{
    posix_spawn_file_actions_t actions;
    int error;

    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 1, log, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    posix_spawn_file_actions_adddup2(&actions, 1, 2);
    error = posix_spawn(&broker->pid, broker->program, &actions, NULL, arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (error)
        broker->pid = 0;
    return error ? -1 : 0;
}

/* The port that the log's line "ready" names, or 0. */
static int ready_port(const char *log)
{
    FILE *file = fopen(log, "r");
    char line[2048];
    int port = 0;

    while (file && fgets(line, sizeof(line), file)) {
        const char *listen = strstr(line, "\"ready\"") ? strstr(line, "listen=") : NULL;
        if (listen && (listen = strrchr(strtok((char *)listen, " \n"), ':')))
            port = atoi(listen + 1);
    }
    if (file)
        fclose(file);
    return port;
}

static void show(const char *log)
{
    FILE *file = fopen(log, "r");
    char line[2048];

    while (file && fgets(line, sizeof(line), file))
        fputs(line, stderr);
    if (file)
        fclose(file);
}

int broker_start(struct broker *broker, const char *const *extra)
{
    char log[128];
    const char *arguments[ARGUMENTS_MAX] = {broker->program, "--listen",    "127.0.0.1:0",
                                            "--calls",       broker->calls, "--events",
                                            broker->events,  "--drain-ms",  "0"};
    size_t count = 9;

    while (extra && *extra && count < ARGUMENTS_MAX - 1)
        arguments[count++] = *extra++;
    snprintf(log, sizeof(log), "%s/log", broker->dir);
    unlink(log);
    if (spawn(broker, log, (char **)arguments) < 0)
        return -1;
    for (int waited = 0; waited < READY_MS; waited += 10) {
        broker->port = ready_port(log);
        if (broker->port)
            return 0;
        if (waitpid(broker->pid, NULL, WNOHANG) == broker->pid) {
            broker->pid = 0;
            break;
        }
        sleep_ms(10);
    }
    fprintf(stderr, "%s did not get ready:\n", broker->program);
    show(log);
    broker_end(broker, SIGKILL);
    return -1;
}

void broker_end(struct broker *broker, int signal)
{
    if (!broker->pid)
        return;
    kill(broker->pid, signal);
    for (int waited = 0; waited < END_MS; waited += 10) {
        if (waitpid(broker->pid, NULL, WNOHANG) == broker->pid) {
            broker->pid = 0;
            return;
        }
        sleep_ms(10);
    }
    kill(broker->pid, SIGKILL);
    waitpid(broker->pid, NULL, 0);
    broker->pid = 0;
}

void broker_deinit(struct broker *broker)
{
    DIR *dir;
    const struct dirent *entry;
    char path[512];

    broker_end(broker, SIGTERM);
    dir = opendir(broker->dir);
    while (dir && (entry = readdir(dir))) {
        snprintf(path, sizeof(path), "%s/%s", broker->dir, entry->d_name);
        unlink(path);
    }
    if (dir)
        closedir(dir);
    rmdir(broker->dir);
}
