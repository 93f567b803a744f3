#ifndef SLUICE_APP_OPTIONS_H
#define SLUICE_APP_OPTIONS_H

#include <stdio.h>

struct config;

/* options: settings from the command line, `--key VALUE` or `--key=VALUE`. Texts of @argv are borrowed. 0, or
 * -1 with faults. */
int options_read(struct config *c, int argc, char **argv);

/* Write --help. */
void options_help(FILE *out);

#endif
