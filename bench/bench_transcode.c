/* bench_transcode: MB/s of JSON text, to MessagePack and back, of our one-pass transcoders and of what one
 * would write with cJSON and msgpack-c: a tree, walked.
 *
 *     bench_transcode SECONDS     prints {"DOCUMENT": {"bytes", "to_mp", "to_mp_beside", "to_json",
 *                                 "to_json_beside"}, ...}
 *
 * Each figure takes SECONDS; the two sides take turns in ten slices of it. Both must get the same values.
 *
 * A document that is read again and again is learnt by the processor: it guesses each branch right. The last
 * one is therefore many texts, in turn, as a broker gets them. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>
#include <msgpack.h>

#include "bench/clock.h"
#include "bench/random.h"
#include "bench/transcode_documents.h"
#include "wire/buf.h"
#include "wire/json.h"

enum { SLICES = 10, RUNS_A_LOOK = 32, VARIED_TEXTS = 128, VARIED_BYTES = 1000 };

/* A document as our writers make it. */
struct text {
    struct buf json, mp;
};

/* What is measured: one document, or many in turn. */
struct subject {
    struct text texts[VARIED_TEXTS];
    size_t count, next;
    struct buf out; /* reused by every run of ours */
    msgpack_sbuffer packed;
    msgpack_zone zone;
};

static void die(const char *what)
{
    fprintf(stderr, "bench_transcode: %s\n", what);
    exit(1);
}

static const struct text *next_text(struct subject *s)
{
    const struct text *text = &s->texts[s->next];

    s->next = s->next + 1 < s->count ? s->next + 1 : 0;
    return text;
}

static void our_to_mp(struct subject *s)
{
    const struct text *text = next_text(s);
    size_t offset;

    buf_reset(&s->out);
    if (json_to_mp((const char *)text->json.data, text->json.len, &s->out, &offset) != NULL)
        die("a document is no JSON");
}

static void our_to_json(struct subject *s)
{
    const struct text *text = next_text(s);

    buf_reset(&s->out);
    if (!mp_to_json(text->mp.data, text->mp.len, &s->out))
        die("a document is no MessagePack");
}

/* ---- cJSON and msgpack-c ---- */

static void pack(msgpack_packer *p, const cJSON *item)
{
    size_t len;

    if (cJSON_IsString(item)) {
        len = strlen(item->valuestring);
        msgpack_pack_str(p, len);
        msgpack_pack_str_body(p, item->valuestring, len);
    } else if (cJSON_IsNumber(item)) {
        if (item->valuedouble == (double)(int64_t)item->valuedouble)
            msgpack_pack_int64(p, (int64_t)item->valuedouble);
        else
            msgpack_pack_double(p, item->valuedouble);
    } else if (cJSON_IsArray(item) || cJSON_IsObject(item)) {
        const cJSON *child;

        len = (size_t)cJSON_GetArraySize(item);
        cJSON_IsArray(item) ? msgpack_pack_array(p, len) : msgpack_pack_map(p, len);
        cJSON_ArrayForEach(child, item)
        {
            if (cJSON_IsObject(item)) {
                len = strlen(child->string);
                msgpack_pack_str(p, len);
                msgpack_pack_str_body(p, child->string, len);
            }
            pack(p, child);
        }
    } else if (cJSON_IsBool(item)) {
        cJSON_IsTrue(item) ? msgpack_pack_true(p) : msgpack_pack_false(p);
    } else {
        msgpack_pack_nil(p);
    }
}

static void their_to_mp(struct subject *s)
{
    const struct text *text = next_text(s);
    cJSON *tree = cJSON_ParseWithLength((const char *)text->json.data, text->json.len);
    msgpack_packer packer;

    if (tree == NULL)
        die("cJSON cannot read a document");
    msgpack_sbuffer_clear(&s->packed);
    msgpack_packer_init(&packer, &s->packed, msgpack_sbuffer_write);
    pack(&packer, tree);
    cJSON_Delete(tree);
}

/* cJSON wants terminated strings. */
static char *terminated(const char *text, size_t len)
{
    char *copy = malloc(len + 1);

    if (copy == NULL)
        die("out of memory");
    memcpy(copy, text, len);
    copy[len] = '\0';
    return copy;
}

static cJSON *tree_of(const msgpack_object *o)
{
    cJSON *item = NULL;
    char *text;

    switch (o->type) {
    case MSGPACK_OBJECT_STR:
        text = terminated(o->via.str.ptr, o->via.str.size);
        item = cJSON_CreateString(text);
        free(text);
        return item;
    case MSGPACK_OBJECT_POSITIVE_INTEGER:
        return cJSON_CreateNumber((double)o->via.u64);
    case MSGPACK_OBJECT_NEGATIVE_INTEGER:
        return cJSON_CreateNumber((double)o->via.i64);
    case MSGPACK_OBJECT_FLOAT32:
    case MSGPACK_OBJECT_FLOAT64:
        return cJSON_CreateNumber(o->via.f64);
    case MSGPACK_OBJECT_BOOLEAN:
        return cJSON_CreateBool(o->via.boolean);
    case MSGPACK_OBJECT_ARRAY:
        item = cJSON_CreateArray();
        for (uint32_t i = 0; i < o->via.array.size; i++)
            cJSON_AddItemToArray(item, tree_of(&o->via.array.ptr[i]));
        return item;
    case MSGPACK_OBJECT_MAP:
        item = cJSON_CreateObject();
        for (uint32_t i = 0; i < o->via.map.size; i++) {
            const msgpack_object_kv *pair = &o->via.map.ptr[i];

            text = terminated(pair->key.via.str.ptr, pair->key.via.str.size);
            cJSON_AddItemToObject(item, text, tree_of(&pair->val));
            free(text);
        }
        return item;
    default:
        return cJSON_CreateNull();
    }
}

static void their_to_json(struct subject *s)
{
    const struct text *text = next_text(s);
    msgpack_object object;
    size_t at = 0;
    cJSON *tree;
    char *printed;

    if (msgpack_unpack((const char *)text->mp.data, text->mp.len, &at, &s->zone, &object) < 0)
        die("msgpack-c cannot read a document");
    tree = tree_of(&object);
    printed = cJSON_PrintUnformatted(tree);
    if (printed == NULL)
        die("out of memory");
    free(printed);
    cJSON_Delete(tree);
    msgpack_zone_clear(&s->zone);
}

/* ---- Measuring ---- */

/* Nanoseconds of one run, as seen in @slice_ns. */
static double time_run(void (*run)(struct subject *), struct subject *s, uint64_t slice_ns)
{
    uint64_t begin = clock_ns(), now, runs = 0;

    do {
        for (unsigned i = 0; i < RUNS_A_LOOK; i++)
            run(s);
        runs += RUNS_A_LOOK;
        now = clock_ns();
    } while (now - begin < slice_ns);
    return (double)(now - begin) / (double)runs;
}

/* Of all texts, for each. */
static double mean_bytes(const struct subject *s)
{
    size_t bytes = 0;

    for (size_t i = 0; i < s->count; i++)
        bytes += s->texts[i].json.len;
    return (double)bytes / (double)s->count;
}

/* MB/s of both, slice by slice in turn. */
static void compare(const char *name, struct subject *s, void (*ours)(struct subject *),
                    void (*theirs)(struct subject *), uint64_t slice_ns)
{
    double our_ns = 0, their_ns = 0;

    for (unsigned i = 0; i < SLICES; i++) {
        our_ns += time_run(ours, s, slice_ns);
        their_ns += time_run(theirs, s, slice_ns);
    }
    printf(", \"%s\": %.3f, \"%s_beside\": %.3f", name, 1000.0 * SLICES * mean_bytes(s) / our_ns, name,
           1000.0 * SLICES * mean_bytes(s) / their_ns);
}

static void subject_init(struct subject *s)
{
    memset(s, 0, sizeof(*s));
    msgpack_sbuffer_init(&s->packed);
    if (!msgpack_zone_init(&s->zone, MSGPACK_ZONE_CHUNK_SIZE))
        die("out of memory");
}

/* Read it once, so that both sides start from the text that our writer makes of it. */
static void subject_add(struct subject *s, const char *json)
{
    struct text *text = &s->texts[s->count++];
    size_t offset;

    if (json_to_mp(json, strlen(json), &text->mp, &offset) != NULL ||
        !mp_to_json(text->mp.data, text->mp.len, &text->json))
        die("a document cannot be read");
}

/* Words, some of them not ASCII, and escapes: the same texts in every run. */
static void subject_add_varied(struct subject *s)
{
    static const char *const words[] = {
        "the ",
        "message ",
        "of ",
        "somebody ",
        "a ",
        "connection ",
        "was ",
        "answered, ",
        "f\xc3\xbcr ",
        "\xe4\xbd\xa0\xe5\xa5\xbd",
        "\xf0\x9f\x98\x80 ",
        "d\xc3\xa9j\xc3\xa0 ",
        "\\n",
        "\\\"",
        "\\\\",
        "\\u0001",
    };
    struct random random = {.state = 1};

    while (s->count < VARIED_TEXTS) {
        struct buf json = BUF_INIT;

        buf_put_text(&json, "{\"text\":\"");
        while (json.len < VARIED_BYTES)
            buf_put_text(&json, words[random_next(&random) % (sizeof(words) / sizeof(words[0]))]);
        buf_put_text(&json, "\"}");
        buf_put_byte(&json, '\0');
        subject_add(s, (const char *)json.data);
        buf_deinit(&json);
    }
}

/* Both sides must do the same work. */
static void subject_check(struct subject *s)
{
    struct buf back = BUF_INIT;

    for (size_t i = 0; i < s->count; i++) {
        const struct text *text = &s->texts[i];

        their_to_mp(s);
        buf_reset(&back);
        if (!mp_to_json(s->packed.data, s->packed.size, &back) || back.len != text->json.len ||
            memcmp(back.data, text->json.data, back.len) != 0)
            die("cJSON and msgpack-c make something else of a document");
    }
    buf_deinit(&back);
}

static void subject_deinit(struct subject *s)
{
    for (size_t i = 0; i < s->count; i++) {
        buf_deinit(&s->texts[i].json);
        buf_deinit(&s->texts[i].mp);
    }
    buf_deinit(&s->out);
    msgpack_sbuffer_destroy(&s->packed);
    msgpack_zone_destroy(&s->zone);
}

int main(int argc, char **argv)
{
    double seconds = argc == 2 ? strtod(argv[1], NULL) : 0;
    uint64_t slice_ns = (uint64_t)(seconds * NS_PER_S / SLICES);

    if (!(seconds > 0 && seconds <= 60)) {
        fputs("Usage: bench_transcode SECONDS\n", stderr);
        return 2;
    }
    for (size_t i = 0; i <= TRANSCODE_DOCUMENTS; i++) {
        static struct subject s;
        bool is_varied = i == TRANSCODE_DOCUMENTS;

        subject_init(&s);
        if (is_varied)
            subject_add_varied(&s);
        else
            subject_add(&s, transcode_documents[i].text);
        subject_check(&s);
        printf("%s\"%s\": {\"bytes\": %.0f", i == 0 ? "{" : ",\n ",
               is_varied ? "varied texts" : transcode_documents[i].name, mean_bytes(&s));
        compare("to_mp", &s, our_to_mp, their_to_mp, slice_ns);
        compare("to_json", &s, our_to_json, their_to_json, slice_ns);
        printf("}");
        subject_deinit(&s);
    }
    printf("}\n");
    return 0;
}
