/* Operations of members: join, leave, extend. */

#include <stdlib.h>
#include <string.h>

#include "core/ops.h"
#include "core/turn.h"
#include "wire/event_name.h"

#define LEASE_MIN    100 /* ms */
#define LEASE_MAX    3600000
#define PER_CONN_MAX 256

/* -- join ---------------------------------------------------------------------------------------------- */

enum { JOIN_GROUP = 1, JOIN_EVENTS, JOIN_LEASE_MS, JOIN_SESSION_KEYS, JOIN_PER_CONN };

const struct arg_spec ARGS_JOIN[] = {
    OP_ARG,
    [JOIN_GROUP] = {"group", ARG_STR, true},
    [JOIN_EVENTS] = {"events", ARG_STRS, true},
    [JOIN_LEASE_MS] = {"lease_ms", ARG_UINT, false},
    [JOIN_SESSION_KEYS] = {"session_keys", ARG_STRS, false},
    [JOIN_PER_CONN] = {"per_conn", ARG_UINT, false},
    ARGS_END,
};

/* The strings of a list, each with its zero byte. NULL when memory is refused. */
static struct key_list *read_strings(const struct arg *arg)
{
    struct key_list *list = malloc(sizeof(*list) + arg->len + arg->token.count);
    uint32_t count;
    struct mp_reader r = args_strings(arg, &count);
    if (!list)
        return NULL;
    list->count = count;
    list->len = 0;
    for (uint32_t i = 0; i < count; i++) {
        const char *text;
        size_t len;
        mp_str(&r, &text, &len);
        memcpy(list->text + list->len, text, len);
        list->text[list->len + len] = '\0';
        list->len += len + 1;
    }
    return list;
}

static int check_group_name(struct call *call, const struct mp_token *name)
{
    const char *wrong = group_name_fault(name->bytes, name->len);
    return wrong ? call_fault(call, CODE_BAD_ARGUMENT, "group", "%s", wrong) : 0;
}

static int check_events(struct call *call)
{
    uint32_t count;
    struct mp_reader r = args_strings(&call->args[JOIN_EVENTS], &count);
    const struct place events = place_key(call->at, "events", 6);
    if (count < 1 || count > GROUP_PATTERNS)
        return call_fault(call, CODE_BAD_ARGUMENT, "events", "this must have 1 to %d patterns",
                          GROUP_PATTERNS);
    for (uint32_t i = 0; i < count; i++) {
        const struct place at = place_index(&events, i);
        const char *text;
        size_t len;
        mp_str(&r, &text, &len);
        const char *wrong = event_pattern_fault(text, len);
        if (wrong)
            return fault_set(call->fault, CODE_BAD_EVENT, &at, "%s", wrong);
    }
    return 0;
}

static int check_session_keys(struct call *call)
{
    uint32_t count;
    struct mp_reader r = args_strings(&call->args[JOIN_SESSION_KEYS], &count);
    const struct place keys = place_key(call->at, "session_keys", 12);
    if (count > GROUP_KEYS)
        return call_fault(call, CODE_BAD_ARGUMENT, "session_keys", "at most %d keys", GROUP_KEYS);
    for (uint32_t i = 0; i < count; i++) {
        const struct place at = place_index(&keys, i);
        const char *text;
        size_t len;
        mp_str(&r, &text, &len);
        if (memchr(text, 0, len))
            return fault_set(call->fault, CODE_BAD_ARGUMENT, &at, "a key has no zero byte");
    }
    return 0;
}

static int read_joining(struct call *call, struct joining *joining)
{
    const struct request *request = call->request;
    uint64_t lease = call->core->options.group_lease_ms, per_conn = 1;
    if (check_group_name(call, &call->args[JOIN_GROUP].token) < 0 || check_events(call) < 0 ||
        check_session_keys(call) < 0 ||
        call_number(call, &call->args[JOIN_LEASE_MS], "lease_ms", LEASE_MIN, LEASE_MAX, &lease) < 0 ||
        call_number(call, &call->args[JOIN_PER_CONN], "per_conn", 1, PER_CONN_MAX, &per_conn) < 0)
        return -1;
    *joining = (struct joining){
        .client = request->client,
        .client_len = request->client_len,
        .link = request->caller.link,
        .pid = request->caller.pid,
        .is_tcp = request->caller.is_tcp,
        .lease_ms = (unsigned)lease,
        .per_conn = (unsigned)per_conn,
    };
    return 0;
}

/* The group has another member now; NULL with the call's fault. */
static struct member *join(struct call *call, struct joining *joining, bool *created)
{
    const struct mp_token *name = &call->args[JOIN_GROUP].token;
    struct group *group = group_make(call->core, name->bytes, name->len, call->fault);
    return group ? member_join(group, joining, created, call->fault) : NULL;
}

int op_join(struct call *call)
{
    const struct arg *keys = &call->args[JOIN_SESSION_KEYS];
    struct joining joining;
    bool created = false;
    if (read_joining(call, &joining) < 0)
        return -1;
    joining.patterns = read_strings(&call->args[JOIN_EVENTS]);
    joining.keys = keys->given ? read_strings(keys) : NULL;
    struct member *member = NULL;
    if (joining.patterns && (joining.keys || !keys->given))
        member = join(call, &joining, &created);
    else
        call_fault(call, CODE_OVERLOADED, NULL, "the broker is out of memory");
    if (!member) {
        free(joining.patterns);
        free(joining.keys);
        return -1;
    }
    greetings_use(&call->core->greetings, joining.client, joining.client_len);
    result_text(call, "member", member->id);
    result_uint(call, "turn", member->turn);
    result_uint(call, "lease_ms", member->lease_ms);
    result_bool(call, "created", created);
    result_uint(call, "attempts", member->group->max_attempts);
    return 0;
}

/* -- leave, extend ------------------------------------------------------------------------------------- */

enum { MEMBER_ID = 1, MEMBER_SEQS };

const struct arg_spec ARGS_LEAVE[] = {
    OP_ARG,
    [MEMBER_ID] = {"member", ARG_STR, true},
    ARGS_END,
};

const struct arg_spec ARGS_EXTEND[] = {
    OP_ARG,
    [MEMBER_ID] = {"member", ARG_STR, true},
    [MEMBER_SEQS] = {"seqs", ARG_LIST, false},
    ARGS_END,
};

/* The member that is meant, if the client is its own, or NULL. */
static struct member *own_member(const struct call *call)
{
    const struct request *request = call->request;
    const struct mp_token *id = &call->args[MEMBER_ID].token;
    struct member *member = member_find(call->core, id->bytes, id->len);
    bool is_own = member && member->client_len == request->client_len &&
                  memcmp(member->client, request->client, request->client_len) == 0;
    return is_own ? member : NULL;
}

int op_leave(struct call *call)
{
    struct member *member = own_member(call);
    unsigned returned = member ? member_end(member, JOB_LEFT) : 0;
    result_bool(call, "left", member != NULL);
    result_uint(call, "returned", returned);
    return 0;
}

static int check_seqs(struct call *call, const struct arg *seqs)
{
    const struct place at_seqs = place_key(call->at, "seqs", 4);
    struct mp_reader r = mp_reader(seqs->raw, seqs->len);
    struct mp_token list, seq;
    if (!seqs->given || !mp_next(&r, &list))
        return 0;
    for (uint32_t i = 0; i < list.count; i++) {
        const struct place at = place_index(&at_seqs, i);
        if (!mp_next(&r, &seq) || seq.type != MP_UINT)
            return fault_set(call->fault, CODE_BAD_ARGUMENT, &at, "this must be an event's `seq`");
    }
    return 0;
}

static unsigned extend_all(struct member *member)
{
    struct job *jobs[TURN_EVENTS_MAX]; /* it holds no more; and extending changes the list */
    unsigned count = 0;
    for (struct job *job = member->held; job && count < TURN_EVENTS_MAX; job = job->held_next)
        jobs[count++] = job;
    for (unsigned i = 0; i < count; i++)
        member_extend(member, jobs[i]);
    return count;
}

static unsigned extend_some(struct member *member, const struct arg *seqs)
{
    struct mp_reader r = mp_reader(seqs->raw, seqs->len);
    struct mp_token list, seq;
    unsigned extended = 0;
    mp_next(&r, &list);
    while (mp_next(&r, &seq)) {
        struct job *job = member_job(member, seq.uint);
        if (job) {
            member_extend(member, job);
            extended++;
        }
    }
    return extended;
}

int op_extend(struct call *call)
{
    const struct arg *seqs = &call->args[MEMBER_SEQS];
    struct member *member = own_member(call);
    if (check_seqs(call, seqs) < 0)
        return -1;
    if (!member)
        return call_fault(call, CODE_UNKNOWN_MEMBER, "member",
                          "this client has no such member, or it has ended: join anew");
    member->heard_ms = call->core->now.mono_ms;
    result_uint(call, "extended", seqs->given ? extend_some(member, seqs) : extend_all(member));
    member_arm(member);
    return 0;
}
