/* simulation: the core's groups against a model, from seeds.
 *
 *   --seeds N     so many seeds (2,000)         --first S   from this one on (1)
 *   --minutes M   instead: as many as there is time for
 *   --jobs N      processes (2)                 --inputs N  of each seed (2,000)
 *   --seed N      this one alone                --verbose   told input by input
 *   --quota       fail where something happened too seldom, as a full run must not
 *
 * Ends with the summary and 'N passed, N failed'. A seed that fails is told with its last inputs. */

#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "run.h"

#define JOBS_MAX     64
#define SEED_SECONDS 60 /* then it hangs */
#define LAST_INPUTS  25 /* told of a seed that fails */
#define FAILURES_MAX 5  /* of one job, then it gives up */

struct job {
    struct summary summary;
    uint64_t seed; /* under way */
    uint64_t passed, failed;
};

struct wish {
    uint64_t first, seeds;
    unsigned inputs, jobs, minutes;
    bool is_one, is_verbose, has_quota, stops_at_failure;
};

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* -- seeds --------------------------------------------------------------------------------------------- */

/* The same again, from a little before it fails. */
static void tell_failure(const struct wish *wish, uint64_t seed, const struct run_result *result)
{
    static struct summary ignored;
    uint64_t from = result->step > LAST_INPUTS ? result->step - LAST_INPUTS : 1;
    printf("seed %llu fails at step %llu; its last inputs:\n", (unsigned long long)seed,
           (unsigned long long)result->step);
    run_seed(seed, wish->inputs, from, &ignored);
    printf("seed %llu fails at step %llu: %s\n", (unsigned long long)seed, (unsigned long long)result->step,
           result->text);
    printf("again: simulation --seed %llu --inputs %u --verbose\n", (unsigned long long)seed, wish->inputs);
    fflush(stdout);
}

static void run_one(const struct wish *wish, struct job *job, uint64_t seed)
{
    job->seed = seed;
    alarm(SEED_SECONDS);
    struct run_result result = run_seed(seed, wish->inputs, wish->is_verbose ? 0 : UINT64_MAX, &job->summary);
    if (result.is_good) {
        job->passed++;
        return;
    }
    job->failed++;
    if (wish->is_verbose)
        printf("seed %llu fails at step %llu: %s\n", (unsigned long long)seed,
               (unsigned long long)result.step, result.text);
    else
        tell_failure(wish, seed, &result);
}

static int run_job(const struct wish *wish, struct job *job, unsigned index)
{
    double end = seconds() + wish->minutes * 60.0;
    for (uint64_t i = index; wish->minutes ? seconds() < end : i < wish->seeds; i += wish->jobs) {
        run_one(wish, job, wish->first + i);
        if (job->failed >= (wish->stops_at_failure ? 1 : FAILURES_MAX))
            break;
    }
    return job->failed ? 1 : 0;
}

/* -- jobs ---------------------------------------------------------------------------------------------- */

/* A process that dies takes its seed with it, and no other. */
static void look_at_end(struct job *job, int status)
{
    if (WIFEXITED(status) && WEXITSTATUS(status) == (job->failed ? 1 : 0))
        return; /* else a sanitizer has had the last word */
    job->failed++;
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
        printf("seed %llu hangs\n", (unsigned long long)job->seed);
    else
        printf("seed %llu: the process died (status %d)\n", (unsigned long long)job->seed, status);
}

static void run_jobs(const struct wish *wish, struct job *jobs)
{
    pid_t pids[JOBS_MAX];
    for (unsigned i = 0; i < wish->jobs; i++) {
        fflush(stdout);
        pids[i] = fork();
        if (pids[i] == 0) {
            int status = run_job(wish, &jobs[i], i);
            fflush(stdout);
            exit(status);
        }
    }
    for (unsigned i = 0; i < wish->jobs; i++) {
        int status = 0;
        if (pids[i] < 0 || waitpid(pids[i], &status, 0) < 0)
            jobs[i].failed++;
        else
            look_at_end(&jobs[i], status);
    }
}

/* -- what is wanted ------------------------------------------------------------------------------------ */

static bool read_wish(struct wish *wish, int argc, char **argv)
{
    static const struct option options[] = {
        {"seeds", required_argument, NULL, 's'},   {"first", required_argument, NULL, 'f'},
        {"minutes", required_argument, NULL, 'm'}, {"jobs", required_argument, NULL, 'j'},
        {"inputs", required_argument, NULL, 'i'},  {"seed", required_argument, NULL, 'o'},
        {"verbose", no_argument, NULL, 'v'},       {"quota", no_argument, NULL, 'q'},
        {"until-failure", no_argument, NULL, 'u'}, {NULL, 0, NULL, 0},
    };
    *wish = (struct wish){.first = 1, .seeds = 2000, .inputs = 2000, .jobs = 2};
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        uint64_t number = optarg ? strtoull(optarg, NULL, 10) : 0;
        switch (option) {
        case 's':
            wish->seeds = number;
            break;
        case 'f':
            wish->first = number;
            break;
        case 'm':
            wish->minutes = (unsigned)number;
            break;
        case 'j':
            wish->jobs = (unsigned)number;
            break;
        case 'i':
            wish->inputs = (unsigned)number;
            break;
        case 'o':
            wish->is_one = true;
            wish->first = number;
            break;
        case 'v':
            wish->is_verbose = true;
            break;
        case 'q':
            wish->has_quota = true;
            break;
        case 'u':
            wish->stops_at_failure = true;
            break;
        default:
            return false;
        }
    }
    if (wish->is_one) {
        wish->seeds = wish->jobs = 1;
        wish->minutes = 0;
    }
    return wish->jobs >= 1 && wish->jobs <= JOBS_MAX && optind == argc;
}

int main(int argc, char **argv)
{
    struct wish wish;
    static struct summary summary;
    uint64_t passed = 0, failed = 0;
    double began = seconds();
    if (!read_wish(&wish, argc, argv)) {
        fputs("usage: simulation [--seeds N] [--first S] [--minutes M] [--jobs N] [--inputs N] [--quota]\n"
              "                  [--until-failure] [--seed N] [--verbose]\n",
              stderr);
        return 2;
    }
    struct job *jobs =
        mmap(NULL, JOBS_MAX * sizeof(*jobs), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (jobs == MAP_FAILED)
        return 2;
    run_jobs(&wish, jobs);
    for (unsigned i = 0; i < wish.jobs; i++) {
        summary_add(&summary, &jobs[i].summary);
        passed += jobs[i].passed;
        failed += jobs[i].failed;
    }
    double took = seconds() - began;
    if (!wish.is_one)
        summary_print(&summary, stdout);
    printf("%llu inputs in %.1f s, %.0f in a second on each of %u cores\n",
           (unsigned long long)summary.counts[COUNT_INPUTS], took,
           (double)summary.counts[COUNT_INPUTS] / took / wish.jobs, wish.jobs);
    if (wish.has_quota && !failed)
        failed += summary_missing(&summary, stdout);
    printf("%llu passed, %llu failed\n", (unsigned long long)passed, (unsigned long long)failed);
    return failed ? 1 : 0;
}
