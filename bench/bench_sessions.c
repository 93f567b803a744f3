/* bench_sessions: what filters and updates cost when sessions are many, in the core alone: requests in,
 * effects counted, no socket. Each query is measured beside a full scan of the same filter (hidden in two
 * $nor, through which no index is looked for), each update beside a core without an index, in the same round.
 *
 * Prints JSON: for each row the figure of every round, which is the median of the round's operations for
 * queries, and for updates the mean of the thread's CPU time, so that rare expensive steps count.
 * Exits with 1 where an answer is wrong: too many, too few, somebody else, or a scan that was none. */

#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/clock.h"
#include "bench/sessions_world.h"
#include "core/conn.h"

enum {
    FEW = 1000,
    MANY = 100000,
    ASKS = 1000,     /* values asked for, one after the other */
    SCANS = 5,       /* of a row and round, among MANY */
    UPDATES = 10000, /* of a row and round */
    CHANGES = 10,    /* how often every session changes while memory is watched */
    ROUNDS_MAX = 99,
    ROWS_MAX = 64
};

/* -- rows ---------------------------------------------------------------------------------------------- */

struct row {
    const char *name;
    const char *beside; /* what beside_ns is of */
    uint32_t sessions;
    uint64_t matches, candidates; /* of the last operation */
    unsigned rounds;
    double ns[ROUNDS_MAX], beside_ns[ROUNDS_MAX];
};

static struct row rows[ROWS_MAX];
static unsigned row_count;

static struct row *row_use(const char *name, const char *beside, uint32_t sessions)
{
    for (unsigned i = 0; i < row_count; i++) {
        if (strcmp(rows[i].name, name) == 0 && rows[i].sessions == sessions)
            return &rows[i];
    }
    if (row_count == ROWS_MAX)
        fail("too many rows");
    rows[row_count] = (struct row){.name = name, .beside = beside, .sessions = sessions};
    return &rows[row_count++];
}

static void row_add(struct row *row, double ns, double beside_ns)
{
    row->ns[row->rounds] = ns;
    row->beside_ns[row->rounds] = beside_ns;
    row->rounds++;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *of, size_t count)
{
    qsort(of, count, sizeof(*of), compare);
    return count % 2 ? of[count / 2] : (of[count / 2 - 1] + of[count / 2]) / 2;
}

/* -- queries ------------------------------------------------------------------------------------------- */

enum given { GIVEN_ROOM, GIVEN_TOPIC, GIVEN_TEN, GIVEN_TWO, GIVEN_CITY, GIVEN_TEAM };

struct question {
    const char *name;
    const char *op; /* but its filter */
    const char *filter;
    enum given given;
    unsigned asks;    /* in a round */
    uint64_t matches; /* 0: what the scan says */
    bool few_too;     /* also asked among FEW sessions */
};

#define SEND     "\"op\":\"send\",\"event\":\"news\",\"payload\":{\"text\":\"good morning\"}"
#define COUNT    "\"op\":\"count\""
#define DISTINCT "\"op\":\"count\",\"distinct\":\"user\""
#define UPDATE   "\"op\":\"update\",\"update\":{\"$inc\":{\"seen\":1}}"
#define V        "{\"$arg\":\"v\"}"
#define ROOM     "{\"room\":" V "}"
#define TOPIC    "{\"topics\":" V "}"
#define TEAM     "{\"team\":" V "}"
#define RANGE    "\"level\":{\"$gte\":50}"

static const struct question questions[] = {
    {"send, room", SEND, ROOM, GIVEN_ROOM, ASKS, EACH, true},
    {"send, one of eleven topics", SEND, TOPIC, GIVEN_TOPIC, ASKS, EACH, true},
    {"count, room", COUNT, ROOM, GIVEN_ROOM, ASKS, EACH, true},
    {"count, one of eleven topics", COUNT, TOPIC, GIVEN_TOPIC, ASKS, EACH, true},
    {"update, room", UPDATE, ROOM, GIVEN_ROOM, ASKS, EACH, true},
    {"count, room and range", COUNT, "{\"room\":" V "," RANGE "}", GIVEN_ROOM, ASKS, 0, false},
    {"count, city and range", COUNT, "{\"city\":" V "," RANGE "}", GIVEN_CITY, 100, 0, false},
    {"count, team and range", COUNT, "{\"team\":" V "," RANGE "}", GIVEN_TEAM, 5, 0, false},
    {"count, room and team", COUNT, "{\"room\":" V ",\"team\":\"red\"}", GIVEN_ROOM, ASKS, 0, false},
    {"count, team and room", COUNT, "{\"team\":\"red\",\"room\":" V "}", GIVEN_ROOM, ASKS, 0, false},
    {"count, $in of ten rooms", COUNT, "{\"room\":{\"$in\":" V "}}", GIVEN_TEN, ASKS, 10 * EACH, false},
    {"count, $or of two rooms", COUNT, "{\"$or\":[" ROOM ",{\"room\":{\"$arg\":\"w\"}}]}", GIVEN_TWO, ASKS,
     2 * EACH, false},
    {"count distinct, room", DISTINCT, ROOM, GIVEN_ROOM, ASKS, EACH, false},
    {"count distinct, team", DISTINCT, TEAM, GIVEN_TEAM, 5, 0, false},
    {"send, team", SEND, TEAM, GIVEN_TEAM, 5, 0, false},
};

/* What is asked for the @a-th time: a value, its column, and the arguments that name it. */
struct asked {
    unsigned column;
    uint32_t value;
    char args[TEXT_MAX];
};

static struct asked asked_for(const struct world *w, enum given given, unsigned a)
{
    struct asked asked = {0};
    uint32_t rooms = w->count / EACH, per_column = ASKS / (COLUMNS - 1);
    asked.value = a * (rooms > ASKS ? rooms / ASKS : 1) % rooms;
    if (given == GIVEN_TOPIC) {
        asked.column = 1 + a % (COLUMNS - 1);
        asked.value = a / (COLUMNS - 1) % per_column * (rooms / per_column);
        snprintf(asked.args, TEXT_MAX, "{\"v\":\"topic-%06u\"}", (asked.column - 1) * rooms + asked.value);
    } else if (given == GIVEN_CITY) {
        snprintf(asked.args, TEXT_MAX, "{\"v\":\"city-%03u\"}", a % (w->count / CITY));
    } else if (given == GIVEN_TEAM) {
        snprintf(asked.args, TEXT_MAX, "{\"v\":\"%s\"}", world_team(a));
    } else if (given == GIVEN_TWO) {
        snprintf(asked.args, TEXT_MAX, "{\"v\":\"room-%05u\",\"w\":\"room-%05u\"}", asked.value,
                 (asked.value + rooms / 2) % rooms);
    } else if (given == GIVEN_TEN) {
        int len = snprintf(asked.args, TEXT_MAX, "{\"v\":[");
        for (uint32_t i = 0; i < 10; i++)
            len += snprintf(asked.args + len, TEXT_MAX - (size_t)len, "%s\"room-%05u\"", i ? "," : "",
                            (asked.value + i * (rooms / 10)) % rooms);
        snprintf(asked.args + len, TEXT_MAX - (size_t)len, "]}");
    } else {
        snprintf(asked.args, TEXT_MAX, "{\"v\":\"room-%05u\"}", asked.value);
    }
    return asked;
}

/* What came of asking once. */
struct answer {
    double ns;
    uint64_t matches, candidates;
};

static struct answer ask(struct world *w, const char *op, const char *filter, const char *args)
{
    char whole[2 * TEXT_MAX];
    struct answer answer;
    bool sends = strcmp(op, SEND) == 0, updates = strcmp(op, UPDATE) == 0;
    snprintf(whole, sizeof(whole), "{%s,\"filter\":%s,\"args\":%s}", op, filter, args);
    world_put(w, &w->request, whole);
    uint64_t looked_at = w->counters.sessions_scanned, deliveries = w->deliveries, begin = clock_ns();
    world_run(w, &w->request);
    answer.ns = (double)(clock_ns() - begin);
    answer.matches = world_number(w, sends || updates ? "matched" : "count");
    answer.candidates = w->counters.sessions_scanned - looked_at;
    if (sends && w->deliveries - deliveries != answer.matches)
        fail("%" PRIu64 " matched and %" PRIu64 " got it: %s", answer.matches, w->deliveries - deliveries,
             whole);
    return answer;
}

/* How many messages those with the value have got. */
static uint64_t got_by(const struct world *w, const struct asked *asked)
{
    uint64_t sum = 0;
    for (uint32_t p = asked->value * EACH; p < (asked->value + 1) * EACH; p++)
        sum += w->got[w->member[asked->column][p]];
    return sum;
}

static double ask_index(struct world *w, const struct question *q, struct row *row)
{
    double ns[ASKS] = {0};
    for (unsigned a = 0; a < q->asks; a++) {
        const struct asked asked = asked_for(w, q->given, a);
        world_change_two(w, asked.column, asked.value);
        const struct answer answer = ask(w, q->op, q->filter, asked.args);
        if (q->matches && answer.matches != q->matches)
            fail("%s: %" PRIu64 " matched", q->name, answer.matches);
        ns[a] = answer.ns;
        row->matches = answer.matches;
        row->candidates = answer.candidates;
    }
    return median(ns, q->asks);
}

/* The same filter where no index is looked for, and the index's answer (not timed) beside it. */
static double ask_scan(struct world *w, const struct question *q)
{
    double ns[SCANS * (MANY / FEW)] = {0};
    char hidden[TEXT_MAX];
    unsigned asks = w->count == MANY ? SCANS : sizeof(ns) / sizeof(ns[0]);
    bool is_known = (q->given == GIVEN_ROOM || q->given == GIVEN_TOPIC) && strcmp(q->op, SEND) == 0;
    snprintf(hidden, sizeof(hidden), "{\"$nor\":[{\"$nor\":[%s]}]}", q->filter);
    for (unsigned a = 0; a < asks; a++) {
        const struct asked asked = asked_for(w, q->given, a * 7 + 1);
        world_change_two(w, asked.column, asked.value);
        uint64_t before = got_by(w, &asked);
        const struct answer wanted = ask(w, q->op, q->filter, asked.args);
        if (is_known && got_by(w, &asked) != before + EACH)
            fail("%s: somebody else got it", q->name);
        const struct answer answer = ask(w, q->op, hidden, asked.args);
        if (answer.matches != wanted.matches || answer.candidates != w->count)
            fail("%s: %" PRIu64 " matched, and %" PRIu64 " in a scan of %" PRIu64, q->name, wanted.matches,
                 answer.matches, answer.candidates);
        ns[a] = answer.ns;
    }
    return median(ns, asks);
}

static void measure_question(struct world *w, const struct question *q)
{
    struct row *row = row_use(q->name, "full scan", w->count);
    double ns = ask_index(w, q, row);
    row_add(row, ns, ask_scan(w, q));
}

/* A filter with arguments, compiled once, or with the values in it and a number that makes it new each time.
 */
static double ask_compiled(struct world *w, bool is_new, struct row *row)
{
    static unsigned fresh = LEVELS;
    uint64_t compiled = w->counters.filters_compiled;
    double ns[ASKS] = {0};
    for (unsigned a = 0; a < ASKS; a++) {
        const struct asked asked = asked_for(w, GIVEN_ROOM, a);
        char filter[TEXT_MAX] = "{\"room\":" V ",\"level\":{\"$ne\":{\"$arg\":\"n\"}}}",
             args[TEXT_MAX] = "{}";
        fresh++;
        if (is_new)
            snprintf(filter, TEXT_MAX, "{\"room\":\"room-%05u\",\"level\":{\"$ne\":%u}}", asked.value, fresh);
        else
            snprintf(args, TEXT_MAX, "{\"v\":\"room-%05u\",\"n\":%u}", asked.value, fresh);
        world_change_two(w, 0, asked.value);
        const struct answer answer = ask(w, SEND, filter, args);
        if (answer.matches != EACH)
            fail("%s: %" PRIu64 " matched", row->name, answer.matches);
        ns[a] = answer.ns;
        row->matches = answer.matches;
        row->candidates = answer.candidates;
    }
    compiled = w->counters.filters_compiled - compiled;
    if (is_new ? compiled != ASKS : compiled > 1)
        fail("%s: %" PRIu64 " filters compiled", row->name, compiled);
    return median(ns, ASKS);
}

static void measure_compiled(struct world *w, bool new_first)
{
    struct row *row = row_use("send, room, same filter", "filters ever new", w->count);
    double new_ns = new_first ? ask_compiled(w, true, row) : 0, ns = ask_compiled(w, false, row);
    row_add(row, ns, new_first ? new_ns : ask_compiled(w, true, row));
}

/* Page through what is found. Returns the nanoseconds of a page; in @row all matches, and candidates of a
 * page. */
static double find_all(struct world *w, const char *filter, unsigned limit, struct row *row)
{
    char op[TEXT_MAX], after[64] = "";
    struct mp_reader r;
    struct mp_token token;
    uint64_t ns = 0, looked_at = w->counters.sessions_scanned, pages = 0;
    row->matches = 0;
    for (bool more = true; more; pages++) {
        snprintf(op, sizeof(op), "{\"op\":\"find\",\"filter\":%s,\"keys\":[\"user\"],\"limit\":%u%s}", filter,
                 limit, after);
        world_put(w, &w->request, op);
        uint64_t begin = clock_ns();
        world_run(w, &w->request);
        ns += clock_ns() - begin;
        if (!mp_map_get(world_result(w), "sessions", 8, &r) || !mp_next(&r, &token) || token.type != MP_ARRAY)
            world_fail_reply(w);
        row->matches += token.count;
        more = mp_map_get(world_result(w), "after", 5, &r) && mp_next(&r, &token);
        if (more)
            snprintf(after, sizeof(after), ",\"after\":\"%.*s\"", (int)token.len, token.bytes);
    }
    row->candidates = (w->counters.sessions_scanned - looked_at) / pages;
    return (double)ns / (double)pages;
}

static void measure_find(struct world *w, const char *name, unsigned limit)
{
    struct row *row = row_use(name, "full scan", w->count), scan;
    double scan_ns = find_all(w, "{\"$nor\":[{\"$nor\":[{\"team\":\"red\"}]}]}", limit, &scan);
    double ns = find_all(w, "{\"team\":\"red\"}", limit, row);
    if (row->matches != scan.matches)
        fail("%s: %" PRIu64 " found, and %" PRIu64 " in a scan", name, row->matches, scan.matches);
    row_add(row, ns, scan_ns);
}

/* -- updates ------------------------------------------------------------------------------------------- */

enum field { FIELD_TEAM, FIELD_USER, FIELD_TOPICS, FIELDS };

static const char *const field_rows[FIELDS] = {
    [FIELD_TEAM] = "update, field of 2 values",
    [FIELD_USER] = "update, field of a value each",
    [FIELD_TOPICS] = "update, one of eleven topics",
};

/* A core with an index and one without, which get the same updates. */
struct pair {
    struct world *indexed, *bare;
    uint32_t turn[FIELDS]; /* how many updates there were */
};

/* The @turn-th change of a field: of the sessions in random order, each to a value that is not its own: the
 * other one of two, or one that nobody has had. */
static void put_update(struct world *w, const uint32_t *order, enum field field, uint32_t turn,
                       struct buf *request)
{
    uint32_t session = order[turn % w->count], pass = turn / w->count + 1;
    char fields[TEXT_MAX];
    if (field == FIELD_TEAM)
        snprintf(fields, sizeof(fields), "\"team\":\"%s\"", world_team(session + pass));
    else if (field == FIELD_USER)
        snprintf(fields, sizeof(fields), "\"user\":\"user-%06u\"", session + pass * w->count);
    else
        snprintf(fields, sizeof(fields), "\"topics.10\":\"own-%06u\"", session + pass * w->count);
    world_put_set(w, request, session, fields);
}

/* The mean of UPDATES. */
static double update_many(struct world *w, const uint32_t *order, enum field field, uint32_t turn)
{
    static struct buf requests[UPDATES];
    struct timespec begin, end;
    for (unsigned i = 0; i < UPDATES; i++)
        put_update(w, order, field, turn + i, &requests[i]);
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &begin);
    for (unsigned i = 0; i < UPDATES; i++)
        world_run(w, &requests[i]);
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &end);
    if (world_number(w, "modified") != 1)
        world_fail_reply(w);
    return ((double)(end.tv_sec - begin.tv_sec) * NS_PER_S + (double)(end.tv_nsec - begin.tv_nsec)) / UPDATES;
}

static void measure_updates(struct pair *pair, enum field field)
{
    struct row *row = row_use(field_rows[field], "no index", pair->indexed->count);
    const uint32_t *order = pair->indexed->order;
    double bare_ns = update_many(pair->bare, order, field, pair->turn[field]);
    row->matches = 1;
    row_add(row, update_many(pair->indexed, order, field, pair->turn[field]), bare_ns);
    pair->turn[field] += UPDATES;
}

/* -- memory -------------------------------------------------------------------------------------------- */

/* Fields of 100,000, 1,000 and 2 different values. */
enum { SCALARS = 3, GROUPS = 1000 };

struct memory {
    size_t loaded, changed; /* bytes in use: with all sessions, and after every one changed CHANGES times */
    size_t resident;        /* of the process, at the end */
};

/* Bytes asked for and not freed, with what malloc adds to each block. */
static size_t bytes_in_use(void)
{
    struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}

static size_t bytes_resident(void)
{
    unsigned long pages = 0;
    FILE *statm = fopen("/proc/self/statm", "r");
    if (!statm || fscanf(statm, "%*u %lu", &pages) != 1)
        fail("cannot read /proc/self/statm");
    fclose(statm);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

static struct memory measure_memory(bool is_indexed)
{
    size_t before = bytes_in_use();
    struct world *w = world_new(MANY, is_indexed);
    struct memory memory = {0};
    for (uint32_t pass = 0; pass <= CHANGES; pass++) {
        world_shuffle(w, w->order);
        for (uint32_t i = 0; i < MANY; i++) {
            uint32_t session = w->order[i];
            world_set(w, session, "\"user\":\"user-%07u\",\"group\":%u,\"team\":\"%s\"",
                      session + pass * MANY, (session + pass * 7) % GROUPS, world_team(session + pass));
        }
        world_rest(w);
        if (is_indexed && w->counters.index_entries != MANY * SCALARS)
            fail("%" PRIu64 " entries in the index", w->counters.index_entries);
        memory.changed = bytes_in_use() - before;
        if (pass == 0)
            memory.loaded = memory.changed;
    }
    memory.resident = bytes_resident();
    world_free(w);
    malloc_trim(0);
    return memory;
}

/* -- the program --------------------------------------------------------------------------------------- */

static void put_list(const char *name, const double *of, unsigned count)
{
    printf(", \"%s\": [", name);
    for (unsigned i = 0; i < count; i++)
        printf("%s%.1f", i ? ", " : "", of[i]);
    printf("]");
}

static void put_memory(const char *name, const struct memory *memory)
{
    printf("  \"%s\": {\"loaded_bytes\": %zu, \"changed_bytes\": %zu, \"resident_bytes\": %zu},\n", name,
           memory->loaded, memory->changed, memory->resident);
}

static void print_json(const struct memory *indexed, const struct memory *bare)
{
    const struct conn *part = NULL; /* what each has of the index's, used or not */
    printf("{\"memory\": {\n  \"sessions\": %d, \"scalars\": %d, \"changes\": %d,\n", MANY, SCALARS, CHANGES);
    put_memory("indexed", indexed);
    put_memory("bare", bare);
    printf("  \"part_bytes\": %zu\n },\n \"rows\": [\n", sizeof(struct index_part) + sizeof(part->visit));
    for (unsigned i = 0; i < row_count; i++) {
        const struct row *row = &rows[i];
        printf("  {\"name\": \"%s\", \"beside\": \"%s\", \"sessions\": %u, \"matches\": %" PRIu64
               ", \"candidates\": %" PRIu64,
               row->name, row->beside, row->sessions, row->matches, row->candidates);
        put_list("ns", row->ns, row->rounds);
        put_list("beside_ns", row->beside_ns, row->rounds);
        printf("}%s\n", i + 1 < row_count ? "," : "");
    }
    printf("]}\n");
}

static void measure_round(struct pair *few, struct pair *many, bool few_first)
{
    struct pair *in_turn[] = {few_first ? few : many, few_first ? many : few};
    for (size_t i = 0; i < sizeof(questions) / sizeof(questions[0]); i++) {
        for (int n = 0; n < 2; n++) {
            if (questions[i].few_too || in_turn[n] == many)
                measure_question(in_turn[n]->indexed, &questions[i]);
        }
    }
    measure_compiled(many->indexed, few_first);
    measure_find(many->indexed, "find, team, page of 100", 100);
    measure_find(many->indexed, "find, team, page of 1000", 1000);
    for (int field = 0; field < FIELDS; field++) {
        measure_updates(in_turn[0], (enum field)field);
        measure_updates(in_turn[1], (enum field)field);
    }
}

int main(int argc, char **argv)
{
    long rounds = argc == 2 ? strtol(argv[1], NULL, 10) : 0;
    if (rounds < 1 || rounds > ROUNDS_MAX) {
        fprintf(stderr, "Usage: bench_sessions ROUNDS   (1 to %d)\n", ROUNDS_MAX);
        return 2;
    }
    const struct memory bare = measure_memory(false), indexed = measure_memory(true);
    struct pair few = {.indexed = world_chat(FEW, true), .bare = world_chat(FEW, false)};
    struct pair many = {.indexed = world_chat(MANY, true), .bare = world_chat(MANY, false)};
    for (long round = 0; round < rounds; round++) {
        fprintf(stderr, "round %ld of %ld\n", round + 1, rounds);
        measure_round(&few, &many, round % 2 == 0);
    }
    print_json(&indexed, &bare);
    world_free(few.indexed);
    world_free(few.bare);
    world_free(many.indexed);
    world_free(many.bare);
    return 0;
}
