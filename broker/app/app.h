#ifndef SLUICE_APP_APP_H
#define SLUICE_APP_APP_H

/* app: sluiced as a whole: one loop with core, clients' edge and handlers' edge on it, from start to end. */

struct config;

/* Run until SIGTERM or SIGINT and return the exit code: 0, or 1 (with a line on standard error) when it
 * cannot start. A second signal ends the process at once, with 128 and the signal's number. @config has been
 * loaded. */
int app_run(const struct config *config);

/* Check what only the parts themselves can tell about @config. 0, or 1 with lines on standard error. */
int app_check(const struct config *config);

#endif
