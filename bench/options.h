#ifndef SLUICE_BENCH_OPTIONS_H
#define SLUICE_BENCH_OPTIONS_H

/* options: wsload's command line. */

#include "bench/load.h"

struct options {
    struct load_options load; /* its texts point into `url` and argv */
    const char *json_path;    /* or NULL; "-": standard output */
    char url[512];            /* cut into host, port and path */
};

enum { OPTIONS_E_DONE = 1 }; /* --help was printed */

/* Returns 0, OPTIONS_E_DONE, or -EINVAL after a message on standard error. */
int options_read(struct options *o, int argc, char **argv);

#endif
