#ifndef SLUICE_CORE_QUESTIONS_H
#define SLUICE_CORE_QUESTIONS_H

/* questions: what clients asked and nobody has answered yet. All have the same time to live, so the
 * list in order of asking is also the order of their deadlines. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/message.h"

struct conn;

struct question {
    struct conn *conn;
    uint64_t serial;  /* from 1; clients use an `i` again, this tells the questions apart */
    bool is_answered; /* in the step under way */
    uint64_t deadline_ms;
    struct question *prev, *next;           /* in order of asking */
    struct question *conn_prev, *conn_next; /* of the same connection */
    struct question_id id;
    size_t event_len;
    char event[];
};

struct questions {
    struct question *oldest;
    uint64_t serial; /* the last one given */
};

/* NULL when memory is refused. */
struct question *question_open(struct questions *questions, struct conn *conn, const struct question_id *id,
                               const char *event, size_t event_len, uint64_t deadline_ms);

/* One with this id that is not answered, or NULL. */
struct question *question_find(const struct conn *conn, const struct question_id *id);
size_t question_count(const struct conn *conn);

/* It is answered, or nobody will. Frees it. */
void question_close(struct questions *questions, struct question *question);

/* Close all of a connection's. */
void questions_drop(struct questions *questions, struct conn *conn);

#endif
