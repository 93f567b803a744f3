#ifndef SLUICE_CLIENT_ERROR_H
#define SLUICE_CLIENT_ERROR_H

/* error: the codes of the public header, their texts, and faults that carry one with its message. */

#include <stdbool.h>
#include <stddef.h>

#include <sluice/sluice.h>

struct sluice_fault {
    int error; /* SLUICE_OK while nothing is wrong */
    char code[32];
    char message[320];
    char at[224];
};

/* Nothing is wrong. */
void error_clear(struct sluice_fault *fault);

/* Say what is wrong. @error must be negative. Returns @error, so that callers can return it. */
int error_set(struct sluice_fault *fault, int error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Memory was refused. Returns SLUICE_E_NOMEM. */
int error_nomem(struct sluice_fault *fault);

/* Whether what failed with @error may succeed when it is tried again after a while. */
bool error_is_temporary(int error);

/* The enum value for the broker's code @text[@len]; SLUICE_E_REFUSED for one that this version does not know.
 */
int error_from_code(const char *text, size_t len);

#endif
