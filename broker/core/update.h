#ifndef SLUICE_CORE_UPDATE_H
#define SLUICE_CORE_UPDATE_H

/* update: changes of a session as data: $set $unset $inc $min $max $push $addToSet $pull $rename, with
 * MongoDB's semantics (MongoDB manual, "Update Operators") on dotted paths. */

#include <stdbool.h>
#include <stddef.h>

#include "wire/buf.h"
#include "wire/fault.h"

#define UPDATE_NODES 256

struct update;

/* Compile a well-formed MessagePack value. Takes a copy of what it needs. Caller owns *@out. 0, or -1 with
 * CODE_BAD_UPDATE (or BAD_VALUE for a value that cannot be stored; OVERLOADED when memory is refused) and the
 * place below @at. Two paths of which one is or contains the other are refused (MongoDB: conflict). */
int update_compile(struct update **out, const void *mp, size_t len, const struct place *at,
                   struct fault *fault);

void update_free(struct update *update);

/* Write the successor of the document @doc (checked map) into @out (appended). *@changed says whether it
 * differs. A failing operator ($inc of a string, a path through a scalar, ...) gives -1 with
 * CODE_UPDATE_FAILED and its place below @at; a result beyond @limit_bytes CODE_SESSION_TOO_LARGE, deeper
 * than DOC_DEPTH CODE_BAD_VALUE. @out's content is then undefined. */
int update_apply(const struct update *update, const void *doc, size_t len, size_t limit_bytes,
                 struct buf *out, bool *changed, const struct place *at, struct fault *fault);

/* Call @fn for each path that $set names (for `ttl_ms`). */
void update_each_set(const struct update *update, void (*fn)(void *arg, const char *path, size_t len),
                     void *arg);

#endif
