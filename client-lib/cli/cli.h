#ifndef SLUICE_CLI_CLI_H
#define SLUICE_CLI_CLI_H

/* cli: the commands of the program `sluice`. Each returns the exit status. */

#include <sluice/sluice.h>

enum { CLI_OK = 0, CLI_FAILED = 1, CLI_USAGE = 2 };

int cli_call(sluice_client *client, const char *json);
int cli_stats(sluice_client *client);
int cli_inspect(sluice_client *client, const char *group);
int cli_dead(sluice_client *client, const char *group);
int cli_watch(sluice_client *client, const char *pattern);

/* Print the groups that the result of `stats` tells of. */
void cli_print_groups(const sluice_value *stats);

/* Print the client's last fault. Returns CLI_FAILED. */
int cli_fault(sluice_client *client);

#endif
