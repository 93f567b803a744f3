#include "ipc/closing.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <nng/nng.h>

#include "wire/workaround.h"

static uint64_t sum_written(nng_stat *stat)
{
    uint64_t sum = 0;
    for (nng_stat *child = nng_stat_child(stat); child; child = nng_stat_next(child)) {
        if (nng_stat_type(child) == NNG_STAT_COUNTER && strcmp(nng_stat_name(child), "tx_msgs") == 0 &&
            strcmp(nng_stat_name(stat), "pipe") == 0)
            sum += nng_stat_value(child);
        sum += sum_written(child);
    }
    return sum;
}

uint64_t closing_messages_written(void)
{
    nng_stat *root;
    if (nng_stats_get(&root) != 0)
        return 0;
    uint64_t sum = sum_written(root);
    nng_stats_free(root);
    return sum;
}

/* Shared by both threads; freed by the one that leaves last. */
struct job {
    pthread_mutex_t lock;
    pthread_cond_t done;
    bool is_done;
    bool is_left; /* nobody waits for it any more */
    void (*close)(void *arg);
    void (*release)(void *arg);
    void *arg;
};

static void job_free(struct job *job)
{
    pthread_cond_destroy(&job->done);
    pthread_mutex_destroy(&job->lock);
    free(job);
}

static void *run(void *arg)
{
    struct job *job = arg;
    job->close(job->arg);
    pthread_mutex_lock(&job->lock);
    bool is_left = job->is_left;
    job->is_done = true;
    pthread_cond_signal(&job->done);
    pthread_mutex_unlock(&job->lock);
    if (is_left) {
        job->release(job->arg);
        job_free(job);
    }
    return NULL;
}

static struct job *job_new(void (*close)(void *arg), void (*release)(void *arg), void *arg)
{
    struct job *job = calloc(1, sizeof *job);
    pthread_condattr_t attributes;
    if (!job)
        return NULL;
    job->close = close;
    job->release = release;
    job->arg = arg;
    pthread_mutex_init(&job->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&job->done, &attributes);
    pthread_condattr_destroy(&attributes);
    return job;
}

static bool job_wait(struct job *job, unsigned limit_ms)
{
    struct timespec end;
    clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_sec += limit_ms / 1000;
    end.tv_nsec += (long)(limit_ms % 1000) * 1000000;
    if (end.tv_nsec >= 1000000000) {
        end.tv_sec++;
        end.tv_nsec -= 1000000000;
    }
    pthread_mutex_lock(&job->lock);
    int result = 0;
    while (!job->is_done && result != ETIMEDOUT)
        result = pthread_cond_timedwait(&job->done, &job->lock, &end);
    bool is_done = job->is_done;
    job->is_left = !is_done;
    pthread_mutex_unlock(&job->lock);
    return is_done;
}

bool closing_run(void (*close)(void *arg), void (*release)(void *arg), void *arg, unsigned limit_ms)
{
    struct job *job = WORKAROUND(bounded_close) ? job_new(close, release, arg) : NULL;
    pthread_t thread;
    if (!job || pthread_create(&thread, NULL, run, job) != 0) {
        if (job)
            job_free(job);
        close(arg);
        return true;
    }
    if (!job_wait(job, limit_ms)) {
        pthread_detach(thread);
        return false;
    }
    pthread_join(thread, NULL);
    job_free(job);
    return true;
}
