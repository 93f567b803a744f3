/* Walking values item by item, and as msgpack-c's tree. */
#include <msgpack.h>
#include <string.h>

#include "event.h"
#include "value.h"

size_t sluice_size(const sluice_value *value)
{
    struct mp_reader at;
    struct mp_token token;

    if (!value_find(value, "", &at) || !mp_next(&at, &token))
        return 0;
    return token.type == MP_ARRAY || token.type == MP_MAP ? token.count : 0;
}

/* Where item @index begins (of a map: its key). */
static bool walk_to(const struct sluice_value *value, size_t index, bool *is_map, struct mp_reader *at)
{
    struct sluice_value *memo =
        (struct sluice_value *)value; /* all are made by value_over(), none is const */
    struct mp_token token;
    size_t i = 0;

    *at = mp_reader(value->bytes, value->len);
    if (!mp_next(at, &token) || (token.type != MP_ARRAY && token.type != MP_MAP) || index >= token.count)
        return false;
    *is_map = token.type == MP_MAP;
    if (memo->walk_at && memo->walk_index <= index) {
        at->at = memo->walk_at;
        i = memo->walk_index;
    }
    for (; i < index; i++)
        if (!mp_skip(at) || (*is_map && !mp_skip(at)))
            return false;
    memo->walk_index = index;
    memo->walk_at = at->at;
    return true;
}

const sluice_value *sluice_item(const sluice_value *value, size_t index)
{
    struct mp_reader at;
    const uint8_t *bytes;
    size_t len;
    bool is_map;

    if (!value || !walk_to(value, index, &is_map, &at) || (is_map && !mp_skip(&at)) ||
        !mp_raw(&at, &bytes, &len))
        return NULL;
    return value_part(value, bytes, len);
}

const char *sluice_key(const sluice_value *value, size_t index)
{
    struct mp_reader at;
    const char *text;
    char *copy;
    size_t len;
    bool is_map;

    if (!value || !walk_to(value, index, &is_map, &at) || !is_map || !mp_str(&at, &text, &len) ||
        memchr(text, '\0', len))
        return NULL;
    copy = arena_text(&value->event->arena, text, len);
    if (!copy)
        error_nomem(&value->event->fault);
    return copy;
}

/* ---- msgpack-c's tree ----
 *
 * Built here and not by msgpack_unpack(), which stops at depth 32. The bytes were checked: counts fit. */

static bool object_read(struct arena *arena, struct mp_reader *r, msgpack_object *object, unsigned depth);

static bool object_items(struct arena *arena, struct mp_reader *r, msgpack_object *items, size_t count,
                         unsigned depth)
{
    for (size_t i = 0; i < count; i++)
        if (!object_read(arena, r, &items[i], depth))
            return false;
    return true;
}

static bool object_array(struct arena *arena, struct mp_reader *r, msgpack_object *object, uint32_t count,
                         unsigned depth)
{
    object->type = MSGPACK_OBJECT_ARRAY;
    object->via.array.size = count;
    object->via.array.ptr = arena_alloc(arena, sizeof(msgpack_object) * (size_t)count);
    return object->via.array.ptr && object_items(arena, r, object->via.array.ptr, count, depth);
}

static bool object_map(struct arena *arena, struct mp_reader *r, msgpack_object *object, uint32_t count,
                       unsigned depth)
{
    msgpack_object_kv *pairs = arena_alloc(arena, sizeof(*pairs) * (size_t)count);

    object->type = MSGPACK_OBJECT_MAP;
    object->via.map.size = count;
    object->via.map.ptr = pairs;
    if (!pairs)
        return false;
    for (uint32_t i = 0; i < count; i++)
        if (!object_read(arena, r, &pairs[i].key, depth) || !object_read(arena, r, &pairs[i].val, depth))
            return false;
    return true;
}

static void object_scalar(const struct mp_token *token, msgpack_object *object)
{
    switch (token->type) {
    case MP_BOOL:
        object->type = MSGPACK_OBJECT_BOOLEAN;
        object->via.boolean = token->boolean;
        break;
    case MP_UINT:
        object->type = MSGPACK_OBJECT_POSITIVE_INTEGER;
        object->via.u64 = token->uint;
        break;
    case MP_INT:
        object->type = MSGPACK_OBJECT_NEGATIVE_INTEGER;
        object->via.i64 = token->sint;
        break;
    case MP_FLOAT:
        object->type = MSGPACK_OBJECT_FLOAT64;
        object->via.f64 = token->real;
        break;
    case MP_STR:
        object->type = MSGPACK_OBJECT_STR;
        object->via.str.ptr = token->bytes;
        object->via.str.size = token->len;
        break;
    case MP_BIN:
        object->type = MSGPACK_OBJECT_BIN;
        object->via.bin.ptr = token->bytes;
        object->via.bin.size = token->len;
        break;
    case MP_EXT:
        object->type = MSGPACK_OBJECT_EXT;
        object->via.ext.type = token->ext;
        object->via.ext.ptr = token->bytes;
        object->via.ext.size = token->len;
        break;
    default:
        object->type = MSGPACK_OBJECT_NIL;
        break;
    }
}

static bool object_read(struct arena *arena, struct mp_reader *r, msgpack_object *object, unsigned depth)
{
    struct mp_token token;

    if (!mp_next(r, &token))
        return false;
    if (token.type != MP_ARRAY && token.type != MP_MAP) {
        object_scalar(&token, object);
        return true;
    }
    if (depth == 0)
        return false;
    if (token.type == MP_ARRAY)
        return object_array(arena, r, object, token.count, depth - 1);
    return object_map(arena, r, object, token.count, depth - 1);
}

const struct msgpack_object *sluice_object(const sluice_value *value)
{
    struct mp_reader r;
    msgpack_object *root;

    if (!value)
        return NULL;
    r = mp_reader(value->bytes, value->len);
    root = arena_alloc(&value->event->arena, sizeof(*root));
    if (!root || !object_read(&value->event->arena, &r, root, MP_DEPTH + 1)) {
        error_nomem(&value->event->fault);
        return NULL;
    }
    return root;
}
