#ifndef SLUICE_IPC_LOCK_FILE_H
#define SLUICE_IPC_LOCK_FILE_H

/* lock_file: says that a socket file belongs to this process. nng's own way, to dial the path and see whether
 * anybody answers, can end the listener of the broker that runs there. The kernel drops the lock with the
 * process. */

#include <stddef.h>

/* Create and lock @path. Returns a descriptor, or -1 with a message for people in @error: who has it (another
 * broker, by process id), or why it could not be made. */
int lock_file_take(const char *path, char *error, size_t size);

/* Remove the file and let the lock go. -1 is fine. */
void lock_file_release(int fd, const char *path);

#endif
