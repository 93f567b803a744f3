/* What filters match. Each operator with a missing field, each type, an array, a dotted path, integers and
 * floats. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/filter.h"
#include "unit/core/json_case.h"
#include "wire/mp.h"

enum outcome { MISSES, MATCHES };

struct row {
    const char *filter;
    const char *session;
    enum outcome outcome;
};

static const struct row equality[] = {
    {"{}", "{}", MATCHES},
    {"{}", "{'a': 1}", MATCHES},
    {"{'a': 1}", "{}", MISSES},
    {"{'a': 1}", "{'a': 1}", MATCHES},
    {"{'a': 1}", "{'a': 1.0}", MATCHES},
    {"{'a': 1.0}", "{'a': 1}", MATCHES},
    {"{'a': 1}", "{'a': 2}", MISSES},
    {"{'a': -1}", "{'a': -1}", MATCHES},
    {"{'a': -1}", "{'a': -1.0}", MATCHES},
    {"{'a': -1}", "{'a': 1}", MISSES},
    {"{'a': 0}", "{'a': -0.0}", MATCHES},
    {"{'a': 18446744073709551615}", "{'a': 18446744073709551615}", MATCHES},
    {"{'a': -1}", "{'a': 18446744073709551615}", MISSES},
    {"{'a': 9007199254740993}", "{'a': 9007199254740992.0}", MISSES},
    {"{'a': 9007199254740992}", "{'a': 9007199254740992.0}", MATCHES},
    {"{'a': 1}", "{'a': '1'}", MISSES},
    {"{'a': 1}", "{'a': true}", MISSES},
    {"{'a': 0}", "{'a': false}", MISSES},
    {"{'a': 0}", "{'a': null}", MISSES},
    {"{'a': 1}", "{'a': {'b': 1}}", MISSES},
    {"{'a': 'x'}", "{'a': 'x'}", MATCHES},
    {"{'a': 'x'}", "{'a': 'X'}", MISSES},
    {"{'a': 'x'}", "{'a': 'xx'}", MISSES},
    {"{'a': 'x'}", "{'a': null}", MISSES},
    {"{'a': ''}", "{'a': ''}", MATCHES},
    {"{'a': ''}", "{}", MISSES},
    {"{'a': '\\u00e9'}", "{'a': '\\u00e9'}", MATCHES},
    {"{'a': 'a\\u0000b'}", "{'a': 'a\\u0000c'}", MISSES},
    {"{'a': true}", "{'a': true}", MATCHES},
    {"{'a': true}", "{'a': false}", MISSES},
    {"{'a': true}", "{'a': 1}", MISSES},
    {"{'a': false}", "{}", MISSES},
    {"{'a': 1}", "{'a': [1, 2]}", MATCHES},
    {"{'a': 2.0}", "{'a': [1, 2]}", MATCHES},
    {"{'a': 3}", "{'a': [1, 2]}", MISSES},
    {"{'a': 1}", "{'a': []}", MISSES},
    {"{'a': 1}", "{'a': [[1]]}", MISSES},
    {"{'a': 'x'}", "{'a': [1, null, {'b': 'x'}, 'x']}", MATCHES},
    {"{'a': 1, 'b': 2}", "{'a': 1, 'b': 2}", MATCHES},
    {"{'a': 1, 'b': 2}", "{'a': 1}", MISSES},
    {"{'b': 2}", "{'bb': 2, 'a': {'b': 2}, 'b': 2}", MATCHES},
    {"{'a': {'$eq': 1}}", "{'a': 1.0}", MATCHES},
    {"{'a': {'$eq': 1}}", "{'a': 2}", MISSES},
    {"{'a': {'$eq': 'x'}}", "{'a': ['y', 'x']}", MATCHES},
    {"{'a': {'$eq': true}}", "{}", MISSES},
};

static const struct row inequality[] = {
    {"{'a': {'$ne': 1}}", "{}", MATCHES},
    {"{'a': {'$ne': 1}}", "{'a': 1}", MISSES},
    {"{'a': {'$ne': 1}}", "{'a': 1.0}", MISSES},
    {"{'a': {'$ne': 1.5}}", "{'a': 1}", MATCHES},
    {"{'a': {'$ne': 1}}", "{'a': 2}", MATCHES},
    {"{'a': {'$ne': 1}}", "{'a': '1'}", MATCHES},
    {"{'a': {'$ne': 1}}", "{'a': null}", MATCHES},
    {"{'a': {'$ne': 1}}", "{'a': true}", MATCHES},
    {"{'a': {'$ne': 1}}", "{'a': {}}", MATCHES},
    {"{'a': {'$ne': 1}}", "{'a': []}", MATCHES},
    {"{'a': {'$ne': 1}}", "{'a': [2, 3]}", MATCHES},
    {"{'a': {'$ne': 1}}", "{'a': [2, 1]}", MISSES},
    {"{'a': {'$ne': 'x'}}", "{'a': 'x'}", MISSES},
    {"{'a': {'$ne': false}}", "{'a': false}", MISSES},
    {"{'a.b': {'$ne': 1}}", "{'a': {'b': 1}}", MISSES},
    {"{'a.b': {'$ne': 1}}", "{'a': 5}", MATCHES},
    {"{'a.b': {'$ne': 1}}", "{'a': [{'b': 2}, {'b': 1}]}", MISSES},
    {"{'a.b': {'$ne': 1}}", "{'a': [{'b': 2}, {}]}", MATCHES},
};

static const struct row order[] = {
    {"{'a': {'$gt': 1}}", "{}", MISSES},
    {"{'a': {'$gt': 1}}", "{'a': 2}", MATCHES},
    {"{'a': {'$gt': 1}}", "{'a': 1}", MISSES},
    {"{'a': {'$gt': 1}}", "{'a': 1.5}", MATCHES},
    {"{'a': {'$gt': 1.5}}", "{'a': 2}", MATCHES},
    {"{'a': {'$gt': 1.5}}", "{'a': 1}", MISSES},
    {"{'a': {'$gt': 9007199254740992.0}}", "{'a': 9007199254740993}", MATCHES},
    {"{'a': {'$gt': -5}}", "{'a': -4}", MATCHES},
    {"{'a': {'$gt': -5}}", "{'a': 18446744073709551615}", MATCHES},
    {"{'a': {'$gt': 9223372036854775807}}", "{'a': 9223372036854775808}", MATCHES},
    {"{'a': {'$gt': 1}}", "{'a': '2'}", MISSES},
    {"{'a': {'$gt': 0}}", "{'a': true}", MISSES},
    {"{'a': {'$gt': 0}}", "{'a': null}", MISSES},
    {"{'a': {'$gt': 0}}", "{'a': {'b': 1}}", MISSES},
    {"{'a': {'$gt': 5}}", "{'a': [1, 9]}", MATCHES},
    {"{'a': {'$gt': 5}}", "{'a': [1, '9']}", MISSES},
    {"{'a': {'$gt': 5}}", "{'a': [[9]]}", MISSES},
    {"{'a': {'$gt': 'b'}}", "{'a': 'c'}", MATCHES},
    {"{'a': {'$gt': 'b'}}", "{'a': 'b'}", MISSES},
    {"{'a': {'$gt': 'b'}}", "{'a': 'ba'}", MATCHES},
    {"{'a': {'$gt': 'Z'}}", "{'a': 'a'}", MATCHES},
    {"{'a': {'$gt': 'z'}}", "{'a': '\\u00e9'}", MATCHES},
    {"{'a': {'$gt': 'b'}}", "{'a': 5}", MISSES},
    {"{'a': {'$gt': false}}", "{'a': true}", MATCHES},
    {"{'a': {'$gt': true}}", "{'a': true}", MISSES},
    {"{'a': {'$gt': false}}", "{'a': 1}", MISSES},
    {"{'a.b': {'$gt': 1}}", "{'a': {'b': 2}}", MATCHES},
    {"{'a.b': {'$gt': 1}}", "{'a': [{'b': 0}, {'b': 2}]}", MATCHES},
    {"{'a': {'$gte': 1}}", "{}", MISSES},
    {"{'a': {'$gte': 1}}", "{'a': 1}", MATCHES},
    {"{'a': {'$gte': 1}}", "{'a': 1.0}", MATCHES},
    {"{'a': {'$gte': 1.0}}", "{'a': 1}", MATCHES},
    {"{'a': {'$gte': 1}}", "{'a': 0}", MISSES},
    {"{'a': {'$gte': 1}}", "{'a': 0.99}", MISSES},
    {"{'a': {'$gte': 1}}", "{'a': '1'}", MISSES},
    {"{'a': {'$gte': false}}", "{'a': false}", MATCHES},
    {"{'a': {'$gte': 'b'}}", "{'a': 'b'}", MATCHES},
    {"{'a': {'$gte': 'b'}}", "{'a': ['a', 'c']}", MATCHES},
    {"{'a.b': {'$gte': 1}}", "{'a': {'b': 1}}", MATCHES},
    {"{'a': {'$lt': 1}}", "{}", MISSES},
    {"{'a': {'$lt': 1}}", "{'a': 0}", MATCHES},
    {"{'a': {'$lt': 1}}", "{'a': 0.5}", MATCHES},
    {"{'a': {'$lt': 0.5}}", "{'a': 0}", MATCHES},
    {"{'a': {'$lt': 1}}", "{'a': 1}", MISSES},
    {"{'a': {'$lt': 1}}", "{'a': -9223372036854775808}", MATCHES},
    {"{'a': {'$lt': 9007199254740993}}", "{'a': 9007199254740992.0}", MATCHES},
    {"{'a': {'$lt': 1}}", "{'a': null}", MISSES},
    {"{'a': {'$lt': 1}}", "{'a': false}", MISSES},
    {"{'a': {'$lt': 1}}", "{'a': ''}", MISSES},
    {"{'a': {'$lt': 'b'}}", "{'a': 'a'}", MATCHES},
    {"{'a': {'$lt': 'b'}}", "{'a': 'aaaaaaaaa'}", MATCHES},
    {"{'a': {'$lt': 'b'}}", "{'a': ''}", MATCHES},
    {"{'a': {'$lt': true}}", "{'a': false}", MATCHES},
    {"{'a': {'$lt': 5}}", "{'a': [9, 1]}", MATCHES},
    {"{'a': {'$lt': 5}}", "{'a': [9, 8]}", MISSES},
    {"{'a.b': {'$lt': 5}}", "{'a': {'b': [9, 1]}}", MATCHES},
    {"{'a': {'$lte': 1}}", "{}", MISSES},
    {"{'a': {'$lte': 1}}", "{'a': 1.0}", MATCHES},
    {"{'a': {'$lte': 1.0}}", "{'a': 1}", MATCHES},
    {"{'a': {'$lte': 1}}", "{'a': 1.01}", MISSES},
    {"{'a': {'$lte': 1}}", "{'a': true}", MISSES},
    {"{'a': {'$lte': 'b'}}", "{'a': 'b'}", MATCHES},
    {"{'a': {'$lte': 'b'}}", "{'a': 'ba'}", MISSES},
    {"{'a': {'$lte': true}}", "{'a': true}", MATCHES},
    {"{'a': {'$lte': 1}}", "{'a': [3, 2, 1]}", MATCHES},
    {"{'a.b': {'$lte': 1}}", "{'a': {'b': 1}}", MATCHES},
    /* Several operators on one field: each may be met by another element. */
    {"{'a': {'$gte': 1, '$lt': 5}}", "{'a': 3}", MATCHES},
    {"{'a': {'$gte': 1, '$lt': 5}}", "{'a': 5}", MISSES},
    {"{'a': {'$gte': 1, '$lt': 5}}", "{'a': 0}", MISSES},
    {"{'a': {'$gte': 1, '$lt': 5}}", "{}", MISSES},
    {"{'a': {'$gte': 1, '$lt': 5}}", "{'a': [0, 9]}", MATCHES},
    {"{'a': {'$gte': 1, '$lt': 5}}", "{'a': [9, 8]}", MISSES},
    {"{'a': {'$gt': 1, '$ne': 3}}", "{'a': 3}", MISSES},
    {"{'a': {'$gt': 1, '$ne': 3}}", "{'a': [2, 3]}", MISSES},
};

static const struct row lists[] = {
    {"{'a': {'$in': [1, 'x', true]}}", "{}", MISSES},
    {"{'a': {'$in': [1, 'x', true]}}", "{'a': 1}", MATCHES},
    {"{'a': {'$in': [1, 'x', true]}}", "{'a': 1.0}", MATCHES},
    {"{'a': {'$in': [1.0, 2.5]}}", "{'a': 1}", MATCHES},
    {"{'a': {'$in': [1.0, 2.5]}}", "{'a': 2}", MISSES},
    {"{'a': {'$in': [1, 'x', true]}}", "{'a': 'x'}", MATCHES},
    {"{'a': {'$in': [1, 'x', true]}}", "{'a': true}", MATCHES},
    {"{'a': {'$in': [1, 'x', true]}}", "{'a': false}", MISSES},
    {"{'a': {'$in': [1, 'x', true]}}", "{'a': '1'}", MISSES},
    {"{'a': {'$in': [1, 'x', true]}}", "{'a': null}", MISSES},
    {"{'a': {'$in': [1, 'x', true]}}", "{'a': {'x': 1}}", MISSES},
    {"{'a': {'$in': [1, 'x', true]}}", "{'a': ['y', 'x']}", MATCHES},
    {"{'a': {'$in': [1, 'x', true]}}", "{'a': ['y', ['x']]}", MISSES},
    {"{'a': {'$in': [1, 1, 1.0]}}", "{'a': 1}", MATCHES},
    {"{'a': {'$in': [5, 3, 9, 1, 7]}}", "{'a': 7}", MATCHES},
    {"{'a': {'$in': [5, 3, 9, 1, 7]}}", "{'a': 6}", MISSES},
    {"{'a': {'$in': ['b', 'aa', 'a', '']}}", "{'a': 'aa'}", MATCHES},
    {"{'a': {'$in': ['b', 'aa', 'a', '']}}", "{'a': ''}", MATCHES},
    {"{'a': {'$in': [9007199254740993, -1]}}", "{'a': 9007199254740992.0}", MISSES},
    {"{'a': {'$in': []}}", "{}", MISSES},
    {"{'a': {'$in': []}}", "{'a': []}", MISSES},
    {"{'a.b': {'$in': [1, 2]}}", "{'a': {'b': 2}}", MATCHES},
    {"{'a.b': {'$in': [1, 2]}}", "{'a': [{'b': 3}, {'b': 2}]}", MATCHES},
    {"{'a': {'$nin': [1, 'x']}}", "{}", MATCHES},
    {"{'a': {'$nin': [1, 'x']}}", "{'a': 1}", MISSES},
    {"{'a': {'$nin': [1, 'x']}}", "{'a': 1.0}", MISSES},
    {"{'a': {'$nin': [1.5]}}", "{'a': 1}", MATCHES},
    {"{'a': {'$nin': [1, 'x']}}", "{'a': 'y'}", MATCHES},
    {"{'a': {'$nin': [1, 'x']}}", "{'a': null}", MATCHES},
    {"{'a': {'$nin': [1, 'x']}}", "{'a': true}", MATCHES},
    {"{'a': {'$nin': [1, 'x']}}", "{'a': {}}", MATCHES},
    {"{'a': {'$nin': [1, 'x']}}", "{'a': ['y', 'x']}", MISSES},
    {"{'a': {'$nin': [1, 'x']}}", "{'a': ['y', 'z']}", MATCHES},
    {"{'a': {'$nin': []}}", "{}", MATCHES},
    {"{'a.b': {'$nin': [1]}}", "{'a': {'b': 1}}", MISSES},
    {"{'a.b': {'$nin': [1]}}", "{'a': {}}", MATCHES},
    {"{'a': {'$all': [1, 2]}}", "{}", MISSES},
    {"{'a': {'$all': [1, 2]}}", "{'a': [2, 1, 3]}", MATCHES},
    {"{'a': {'$all': [1, 2]}}", "{'a': [2.0, 1.0]}", MATCHES},
    {"{'a': {'$all': [1.0, 2.0]}}", "{'a': [1, 2]}", MATCHES},
    {"{'a': {'$all': [1, 2]}}", "{'a': [1, 3]}", MISSES},
    {"{'a': {'$all': [1, 2]}}", "{'a': [1, 1]}", MISSES},
    {"{'a': {'$all': [1, 2]}}", "{'a': 1}", MISSES},
    {"{'a': {'$all': [1]}}", "{'a': 1}", MATCHES},
    {"{'a': {'$all': [1, 1.0]}}", "{'a': 1}", MATCHES},
    {"{'a': {'$all': ['x', true]}}", "{'a': [true, 'x']}", MATCHES},
    {"{'a': {'$all': ['x']}}", "{'a': null}", MISSES},
    {"{'a': {'$all': [true]}}", "{'a': [1]}", MISSES},
    {"{'a': {'$all': [1]}}", "{'a': {'b': 1}}", MISSES},
    {"{'a': {'$all': [1]}}", "{'a': [[1]]}", MISSES},
    {"{'a': {'$all': []}}", "{}", MISSES},
    {"{'a': {'$all': []}}", "{'a': []}", MISSES},
    {"{'a.b': {'$all': [1, 2]}}", "{'a': {'b': [1, 2]}}", MATCHES},
    {"{'a.b': {'$all': [1, 2]}}", "{'a': [{'b': 1}, {'b': 2}]}", MATCHES},
    {"{'a.b': {'$all': [1, 2]}}", "{'a': [{'b': 1}, {'c': 2}]}", MISSES},
};

static const struct row presence[] = {
    {"{'a': {'$exists': true}}", "{}", MISSES},
    {"{'a': {'$exists': true}}", "{'a': null}", MATCHES},
    {"{'a': {'$exists': true}}", "{'a': 0}", MATCHES},
    {"{'a': {'$exists': true}}", "{'a': 0.5}", MATCHES},
    {"{'a': {'$exists': true}}", "{'a': ''}", MATCHES},
    {"{'a': {'$exists': true}}", "{'a': false}", MATCHES},
    {"{'a': {'$exists': true}}", "{'a': []}", MATCHES},
    {"{'a': {'$exists': true}}", "{'a': {}}", MATCHES},
    {"{'a': {'$exists': false}}", "{}", MATCHES},
    {"{'a': {'$exists': false}}", "{'a': null}", MISSES},
    {"{'a': {'$exists': false}}", "{'a': []}", MISSES},
    {"{'a.b': {'$exists': true}}", "{'a': {'b': null}}", MATCHES},
    {"{'a.b': {'$exists': true}}", "{'a': 5}", MISSES},
    {"{'a.b': {'$exists': true}}", "{'a': [{'c': 1}, {'b': 1}]}", MATCHES},
    {"{'a.b': {'$exists': false}}", "{'a': [{'c': 1}, {'b': 1}]}", MISSES},
    {"{'a.b': {'$exists': false}}", "{'a': [1, 2]}", MATCHES},
    {"{'a.0': {'$exists': true}}", "{'a': [1]}", MATCHES},
    {"{'a.1': {'$exists': true}}", "{'a': [1]}", MISSES},
    {"{'a.0': {'$exists': true}}", "{'a': []}", MISSES},
    {"{'a': {'$exists': true, '$ne': 1}}", "{}", MISSES},
    {"{'a': {'$exists': true, '$ne': 1}}", "{'a': 2}", MATCHES},
};

static const struct row logic[] = {
    {"{'$and': [{'a': 1}, {'b': 2}]}", "{'a': 1, 'b': 2}", MATCHES},
    {"{'$and': [{'a': 1}, {'b': 2}]}", "{'a': 1}", MISSES},
    {"{'$and': [{'a': {'$gt': 1}}, {'a': {'$lt': 3}}]}", "{'a': 2.0}", MATCHES},
    {"{'$and': [{}]}", "{}", MATCHES},
    {"{'$or': [{'a': 1}, {'b': 2}]}", "{'b': 2}", MATCHES},
    {"{'$or': [{'a': 1}, {'b': 2}]}", "{'a': 1}", MATCHES},
    {"{'$or': [{'a': 1}, {'b': 2}]}", "{'a': 2, 'b': 1}", MISSES},
    {"{'$or': [{'a': 1}, {'b': 2}]}", "{}", MISSES},
    {"{'$or': [{'a': 5}, {}]}", "{}", MATCHES},
    {"{'$or': [{'a': 1}, {'b': 2}], 'c': 3}", "{'a': 1, 'c': 3}", MATCHES},
    {"{'$or': [{'a': 1}, {'b': 2}], 'c': 3}", "{'a': 1}", MISSES},
    {"{'$nor': [{'a': 1}, {'b': 2}]}", "{}", MATCHES},
    {"{'$nor': [{'a': 1}, {'b': 2}]}", "{'a': 1}", MISSES},
    {"{'$nor': [{'a': 1}, {'b': 2}]}", "{'b': [2]}", MISSES},
    {"{'$nor': [{'a': 1}, {'b': 2}]}", "{'a': 2, 'b': 1}", MATCHES},
    {"{'$nor': [{}]}", "{}", MISSES},
    {"{'$nor': [{'$nor': [{'a': 1}]}]}", "{'a': 1}", MATCHES},
    {"{'$and': [{'$or': [{'a': 1}, {'a': 2}]}, {'$or': [{'b': 1}, {'b': 2}]}]}", "{'a': 2, 'b': 1}", MATCHES},
    {"{'$and': [{'$or': [{'a': 1}, {'a': 2}]}, {'$or': [{'b': 1}, {'b': 2}]}]}", "{'a': 2, 'b': 3}", MISSES},
    {"{'$or': [{'$and': [{'a': 1}, {'b': 1}]}, {'$nor': [{'c': 1}]}]}", "{'c': 1}", MISSES},
    {"{'$or': [{'$and': [{'a': 1}, {'b': 1}]}, {'$nor': [{'c': 1}]}]}", "{'c': 2}", MATCHES},
    {"{'a': {'$not': {'$gt': 5}}}", "{}", MATCHES},
    {"{'a': {'$not': {'$gt': 5}}}", "{'a': 6}", MISSES},
    {"{'a': {'$not': {'$gt': 5}}}", "{'a': 5.0}", MATCHES},
    {"{'a': {'$not': {'$gt': 5}}}", "{'a': 'x'}", MATCHES},
    {"{'a': {'$not': {'$gt': 5}}}", "{'a': null}", MATCHES},
    {"{'a': {'$not': {'$gt': 5}}}", "{'a': true}", MATCHES},
    {"{'a': {'$not': {'$gt': 5}}}", "{'a': {}}", MATCHES},
    {"{'a': {'$not': {'$gt': 5}}}", "{'a': [1, 9]}", MISSES},
    {"{'a.b': {'$not': {'$gt': 5}}}", "{'a': {'b': 9}}", MISSES},
    {"{'a': {'$not': {'$gte': 1, '$lt': 5}}}", "{'a': 3}", MISSES},
    {"{'a': {'$not': {'$gte': 1, '$lt': 5}}}", "{'a': 7}", MATCHES},
    {"{'a': {'$not': {'$gte': 1, '$lt': 5}}}", "{'a': [0, 9]}", MISSES},
    {"{'a': {'$not': {'$not': {'$gt': 5}}}}", "{'a': 6}", MATCHES},
    {"{'a': {'$not': {'$not': {'$gt': 5}}}}", "{}", MISSES},
    {"{'a': {'$not': {'$exists': true}}}", "{}", MATCHES},
    {"{'a': {'$not': {'$in': [1, 2]}}}", "{'a': [3, 2]}", MISSES},
    {"{'a': {'$not': {'$all': [1, 2]}}}", "{'a': [1]}", MATCHES},
    {"{'a': {'$not': {'$all': []}}}", "{}", MATCHES},
    {"{'a': {'$not': {'$ne': 1}}}", "{'a': 1}", MATCHES},
    {"{'a': {'$not': {'$ne': 1}}}", "{}", MISSES},
    {"{'a': {'$gt': 1, '$not': {'$gt': 5}}}", "{'a': 3}", MATCHES},
    {"{'a': {'$gt': 1, '$not': {'$gt': 5}}}", "{'a': 7}", MISSES},
};

static const struct row paths[] = {
    {"{'a.b': 1}", "{'a': {'b': 1}}", MATCHES},
    {"{'a.b': 1}", "{'a': {'b': 1.0}}", MATCHES},
    {"{'a.b': 1}", "{'a': {'c': 1}}", MISSES},
    {"{'a.b': 1}", "{'a': 1}", MISSES},
    {"{'a.b': 1}", "{'a': null}", MISSES},
    {"{'a.b': 1}", "{'b': 1}", MISSES},
    {"{'a.b.c': 'x'}", "{'a': {'b': {'c': ['y', 'x']}}}", MATCHES},
    {"{'a.b': 1}", "{'a': [{'b': 2}, {'b': 1}]}", MATCHES},
    {"{'a.b': 1}", "{'a': [{'b': [3, 1]}]}", MATCHES},
    {"{'a.b': 1}", "{'a': [[{'b': 1}]]}", MISSES},
    {"{'a.b': 1}", "{'a': [1, 'b']}", MISSES},
    {"{'a.b.c': 1}", "{'a': [{'b': [{'c': 2}]}, {'b': [{'c': 1}]}]}", MATCHES},
    {"{'a.b': 1, 'a.c': 2}", "{'a': [{'b': 1}, {'c': 2}]}", MATCHES},
    {"{'a.0': 5}", "{'a': [5, 6]}", MATCHES},
    {"{'a.1': 5}", "{'a': [5, 6]}", MISSES},
    {"{'a.1': 6.0}", "{'a': [5, 6]}", MATCHES},
    {"{'a.2': 5}", "{'a': [5, 6]}", MISSES},
    {"{'a.00': 5}", "{'a': [5, 6]}", MISSES},
    {"{'a.99999999999': 5}", "{'a': [5, 6]}", MISSES},
    {"{'a.0': 5}", "{'a': {'0': 5}}", MATCHES},
    {"{'a.99999999999': 5}", "{'a': {'99999999999': 5}}", MATCHES},
    {"{'a.0': 5}", "{'a': [{'0': 5}]}", MATCHES},
    {"{'a.0': 5}", "{'a': [7, {'0': 5}]}", MATCHES},
    {"{'a.0': 5}", "{'a': [[5, 6]]}", MISSES},
    {"{'a.0.1': 6}", "{'a': [[5, 6]]}", MATCHES},
    {"{'a.0.b': 1}", "{'a': [{'b': 1}, {'b': 2}]}", MATCHES},
    {"{'a.1.b': 1}", "{'a': [{'b': 1}, {'b': 2}]}", MISSES},
    {"{'a.0.b': 1}", "{'a': [{'0': {'b': 1}}]}", MATCHES},
    {"{'a.1.b': 1}", "{'a': [{'1': {'b': 1}}]}", MATCHES},
    {"{'a.0.b': 1}", "{'a': [[{'b': 1}]]}", MATCHES},
    {"{'a.0.0.b': 1}", "{'a': [[{'b': 1}]]}", MATCHES},
    {"{'a.b.1': 2}", "{'a': [{'b': [1, 2]}]}", MATCHES},
    {"{'a.1': {'$gt': 5}}", "{'a': [1, 6]}", MATCHES},
    {"{'a.0': {'$gt': 5}}", "{'a': [1, 6]}", MISSES},
    {"{'a.0': {'$ne': 1}}", "{'a': [1, 6]}", MISSES},
    {"{'a.0': {'$in': [1]}}", "{'a': [1, 6]}", MATCHES},
    {"{'p0.p1.p2.p3.p4.p5.p6.p7.p8.p9.pa.pb.pc.pd.pe.pf': 1}", "{'p0': 1}", MISSES},
    {"{'a b-\\u00e9': 1}", "{'a b-\\u00e9': 1}", MATCHES},
};

/* The subject is conn `k3.17` from 10.0.0.7 at 1700000000000 on /ws without a subprotocol. */
static const struct row pseudo_fields[] = {
    {"{'@conn': 'k3.17'}", "{}", MATCHES},
    {"{'@conn': 'k3.18'}", "{'@conn': 'k3.18'}", MISSES},
    {"{'@conn': {'$ne': 'k3.17'}}", "{}", MISSES},
    {"{'@conn': {'$in': ['k3.16', 'k3.17']}}", "{}", MATCHES},
    {"{'@conn': {'$nin': ['k3.16']}}", "{}", MATCHES},
    {"{'@conn': {'$exists': true}}", "{}", MATCHES},
    {"{'@conn': {'$exists': false}}", "{}", MISSES},
    {"{'@conn': 17}", "{}", MISSES},
    {"{'@remote': '10.0.0.7'}", "{}", MATCHES},
    {"{'@remote': '10.0.0.8'}", "{}", MISSES},
    {"{'@connected_ms': 1700000000000}", "{}", MATCHES},
    {"{'@connected_ms': {'$lt': 1700000000000.5}}", "{}", MATCHES},
    {"{'@connected_ms': {'$gt': 1700000000000}}", "{}", MISSES},
    {"{'@connected_ms': {'$gte': 0, '$lte': 1700000000000}}", "{}", MATCHES},
    {"{'@subprotocol': ''}", "{}", MATCHES},
    {"{'@subprotocol': 'sluice.v1.json'}", "{}", MISSES},
    {"{'@path': '/ws'}", "{}", MATCHES},
    {"{'@path': {'$not': {'$gt': '/v'}}}", "{}", MISSES},
    {"{'@path': {'$all': ['/ws']}}", "{}", MATCHES},
    {"{'$or': [{'@path': '/x'}, {'a': 1}]}", "{'a': 1}", MATCHES},
};

static bool matches(const char *filter_text, const char *session_text)
{
    struct buf query = BUF_INIT;
    struct buf session = BUF_INIT;
    struct filter *filter = NULL;
    struct fault fault = {.code = CODE_OK};
    case_put(&query, filter_text);
    case_put(&session, session_text);
    void *query_bytes = case_exact(&query);
    void *session_bytes = case_exact(&session);
    if (filter_compile(&filter, query_bytes, query.len, NULL, &fault) < 0) {
        fail_msg("%s: %s at '%s'", filter_text, fault.message, fault.at);
    }
    free(query_bytes); /* the filter has its own copy */
    struct subject subject = {session_bytes, session.len, "k3.17", "10.0.0.7", "", "/ws", 1700000000000};
    bool result = filter_matches(filter, NULL, &subject);
    filter_free(filter);
    free(session_bytes);
    buf_deinit(&query);
    buf_deinit(&session);
    return result;
}

static void check_rows(const struct row *rows, size_t count)
{
    unsigned wrong = 0;
    for (size_t i = 0; i < count; i++) {
        if (matches(rows[i].filter, rows[i].session) != (rows[i].outcome == MATCHES)) {
            print_error("%s on %s should %s\n", rows[i].filter, rows[i].session,
                        rows[i].outcome == MATCHES ? "match" : "miss");
            wrong++;
        }
    }
    assert_int_equal(wrong, 0);
}

#define ROWS_TEST(name)                                                                                      \
    static void test_##name##_rows(void **state)                                                             \
    {                                                                                                        \
        (void)state;                                                                                         \
        check_rows(name, sizeof name / sizeof name[0]);                                                      \
    }

ROWS_TEST(equality)
ROWS_TEST(inequality)
ROWS_TEST(order)
ROWS_TEST(lists)
ROWS_TEST(presence)
ROWS_TEST(logic)
ROWS_TEST(paths)
ROWS_TEST(pseudo_fields)

/* A filter on a list of @count numbers, 2 apart, and a session whose `a` is @value or (negative) the same
 * list. */
static bool matches_many(const char *operator_name, uint32_t count, int64_t value)
{
    struct buf query = BUF_INIT;
    struct buf session = BUF_INIT;
    struct filter *filter;
    struct fault fault;
    mp_put_map(&query, 1);
    mp_put_text(&query, "a");
    mp_put_map(&query, 1);
    mp_put_text(&query, operator_name);
    mp_put_array(&query, count);
    mp_put_map(&session, 1);
    mp_put_text(&session, "a");
    if (value < 0) {
        mp_put_array(&session, count);
    } else {
        mp_put_int(&session, value);
    }
    for (uint32_t i = 0; i < count; i++) {
        mp_put_uint(&query, 2 * (uint64_t)i * 7919 % (2 * (uint64_t)count)); /* in no order */
        if (value < 0) {
            mp_put_double(&session, 2.0 * i);
        }
    }
    assert_int_equal(filter_compile(&filter, query.data, query.len, NULL, &fault), 0);
    struct subject subject = {session.data, session.len, "", "", "", "", 0};
    bool result = filter_matches(filter, NULL, &subject);
    filter_free(filter);
    buf_deinit(&query);
    buf_deinit(&session);
    return result;
}

static void test_the_longest_list_is_searched(void **state)
{
    (void)state;
    assert_true(matches_many("$in", FILTER_IN_VALUES, 0));
    assert_true(matches_many("$in", FILTER_IN_VALUES, 4096));
    assert_true(matches_many("$in", FILTER_IN_VALUES, 8190));
    assert_false(matches_many("$in", FILTER_IN_VALUES, 4097));
    assert_false(matches_many("$in", FILTER_IN_VALUES, 8192));
    assert_true(matches_many("$all", FILTER_IN_VALUES, -1));
    assert_false(matches_many("$all", FILTER_IN_VALUES, 0));
}

/* What JSON cannot say: bin and float32 in a session. */
static void test_bin_matches_nothing_but_exists(void **state)
{
    (void)state;
    static const uint8_t session[] = {0x81, 0xa1, 'a', 0xc4, 0x01, 'x'};
    static const char *const filters[] = {"{'a': 'x'}", "{'a': {'$exists': false}}", "{'a': {'$lte': 'x'}}"};
    struct subject subject = {session, sizeof session, "", "", "", "", 0};
    for (size_t i = 0; i < sizeof filters / sizeof filters[0]; i++) {
        struct buf query = BUF_INIT;
        struct filter *filter;
        struct fault fault;
        case_put(&query, filters[i]);
        assert_int_equal(filter_compile(&filter, query.data, query.len, NULL, &fault), 0);
        assert_false(filter_matches(filter, NULL, &subject));
        filter_free(filter);
        buf_deinit(&query);
    }
}

static void test_short_floats_equal_long_ones(void **state)
{
    (void)state;
    static const uint8_t session[] = {0x81, 0xa1, 'a', 0xca, 0x3f, 0xc0, 0, 0}; /* 1.5 in 32 bits */
    struct subject subject = {session, sizeof session, "", "", "", "", 0};
    struct buf query = BUF_INIT;
    struct filter *filter;
    struct fault fault;
    case_put(&query, "{'a': 1.5}");
    assert_int_equal(filter_compile(&filter, query.data, query.len, NULL, &fault), 0);
    assert_true(filter_matches(filter, NULL, &subject));
    filter_free(filter);
    buf_deinit(&query);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equality_rows),
        cmocka_unit_test(test_inequality_rows),
        cmocka_unit_test(test_order_rows),
        cmocka_unit_test(test_lists_rows),
        cmocka_unit_test(test_presence_rows),
        cmocka_unit_test(test_logic_rows),
        cmocka_unit_test(test_paths_rows),
        cmocka_unit_test(test_pseudo_fields_rows),
        cmocka_unit_test(test_the_longest_list_is_searched),
        cmocka_unit_test(test_bin_matches_nothing_but_exists),
        cmocka_unit_test(test_short_floats_equal_long_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
