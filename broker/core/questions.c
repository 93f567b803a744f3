#include "core/questions.h"

#include <string.h>
#include <utlist.h>

#include "core/conn.h"
#include "wire/recycler.h"

struct question *question_open(struct questions *questions, struct conn *conn, const struct question_id *id,
                               const char *event, size_t event_len, uint64_t deadline_ms)
{
    struct question *question = recycler_take(sizeof(*question) + event_len);
    if (!question)
        return NULL;
    question->conn = conn;
    question->serial = ++questions->serial;
    question->is_answered = false;
    question->deadline_ms = deadline_ms;
    question->id = *id;
    question->event_len = event_len;
    memcpy(question->event, event, event_len);
    DL_APPEND(questions->oldest, question);
    DL_APPEND2(conn->questions, question, conn_prev, conn_next);
    return question;
}

struct question *question_find(const struct conn *conn, const struct question_id *id)
{
    struct question *question = conn->questions;
    while (question && (question->is_answered || !question_id_equal(&question->id, id)))
        question = question->conn_next;
    return question;
}

size_t question_count(const struct conn *conn)
{
    size_t count = 0;
    for (const struct question *question = conn->questions; question; question = question->conn_next)
        count++;
    return count;
}

void question_close(struct questions *questions, struct question *question)
{
    DL_DELETE2(question->conn->questions, question, conn_prev, conn_next);
    DL_DELETE(questions->oldest, question);
    recycler_give(question, sizeof(*question) + question->event_len);
}

void questions_drop(struct questions *questions, struct conn *conn)
{
    while (conn->questions)
        question_close(questions, conn->questions);
}
