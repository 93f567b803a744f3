// differences: all that is known to differ between mingo, MongoDB and Sluice, by name, with examples that each
// run tries. docs/mongodb-differences.md explains each name; that it has the same names is checked.
'use strict';

// Where mingo is not MongoDB. On a case that meets one, queries.js and updates.js work out MongoDB's result.
// {doc, filter | update, mongodb, mingo}: texts; a result is true, false, a document, or 'error'.
const MINGO = {
    indexes: [
        {doc: '{"a": [{"0": 1}]}', filter: '{"a.0": 1}', mongodb: true, mingo: false},
        {doc: '{"a": [[5]]}', filter: '{"a.0": 5}', mongodb: false, mingo: true},
        {doc: '{"a": [5]}', filter: '{"a.00": 5}', mongodb: false, mingo: true},
    ],
    'nested-arrays': [
        {doc: '{"a": {"b": [[1]]}}', filter: '{"a.b": 1}', mongodb: false, mingo: true},
        {doc: '{"a": [[5], {"b": 2}]}', filter: '{"a.b": 5}', mongodb: false, mingo: true},
    ],
    'arrays-behind-arrays': [
        {
            doc: '{"a": [{"b": [1]}, {"b": [2]}]}',
            filter: '{"a.b": {"$in": [1]}}',
            mongodb: true,
            mingo: false,
        },
        {doc: '{"a": [{"b": [1]}, {"b": [2]}]}', filter: '{"a.b": {"$gt": 1}}', mongodb: true, mingo: false},
    ],
    'exists-of-elements': [
        {doc: '{"a": [{"b": []}]}', filter: '{"a.b.0": {"$exists": true}}', mongodb: false, mingo: true},
    ],
    'all-of-a-scalar': [{doc: '{"a": 1}', filter: '{"a": {"$all": [1]}}', mongodb: true, mingo: false}],
    'string-order': [
        {doc: '{"a": "～"}', filter: '{"a": {"$lt": "😀"}}', mongodb: true, mingo: false},
        {doc: '{"a": "～"}', update: '{"$min": {"a": "😀"}}', mongodb: '{"a": "～"}', mingo: '{"a": "😀"}'},
    ],
    errors: [
        {doc: '{"a": "x"}', update: '{"$inc": {"a": 1}}', mongodb: 'error', mingo: '{"a": "x"}'},
        {doc: '{"a": 1}', update: '{"$set": {"a.b": 1}}', mongodb: 'error', mingo: '{"a": 1}'},
        {doc: '{"a": null}', update: '{"$set": {"a.b": 1}}', mongodb: 'error', mingo: '{"a": {"b": 1}}'},
        {
            doc: '{"a": [1]}',
            update: '{"$rename": {"a.0": "b"}}',
            mongodb: 'error',
            mingo: '{"a": [null], "b": 1}',
        },
        {doc: '{"a": 1}', update: '{"$pull": {"a": 1}}', mongodb: 'error', mingo: '{"a": 1}'},
    ],
    'slice-of-a-new-array': [
        {
            doc: '{}',
            update: '{"$push": {"a": {"$each": [1, 2], "$slice": 1}}}',
            mongodb: '{"a": [1]}',
            mingo: '{"a": [1, 2]}',
        },
    ],
    'repeated-values': [
        {
            doc: '{"a": [1, 1, 3]}',
            update: '{"$addToSet": {"a": 2}}',
            mongodb: '{"a": [1, 1, 3, 2]}',
            mingo: '{"a": [1, 1, 3]}',
        },
        {
            doc: '{}',
            update: '{"$addToSet": {"a": {"$each": [1, 1]}}}',
            mongodb: '{"a": [1]}',
            mingo: '{"a": [1, 1]}',
        },
    ],
    'order-of-fields': [
        {
            doc: '{"a": [{"x": 1, "y": 2}]}',
            update: '{"$addToSet": {"a": {"y": 2, "x": 1}}}',
            mongodb: '{"a": [{"x": 1, "y": 2}, {"y": 2, "x": 1}]}',
            mingo: '{"a": [{"x": 1, "y": 2}]}',
        },
    ],
    'order-of-arrays-and-maps': [
        {doc: '{"a": 5}', update: '{"$max": {"a": [1]}}', mongodb: '{"a": [1]}', mingo: '{"a": 5}'},
        {
            doc: '{"a": {"x": 1, "y": 2}}',
            update: '{"$max": {"a": {"x": "b"}}}',
            mongodb: '{"a": {"x": "b"}}',
            mingo: '{"a": {"x": 1, "y": 2}}',
        },
    ],
    'pull-from-nested-arrays': [
        {doc: '{"a": [[1], 1]}', update: '{"$pull": {"a": 1}}', mongodb: '{"a": [[1]]}', mingo: '{"a": []}'},
    ],
    'pull-of-what-is-no-map': [
        {
            doc: '{"a": [5, [{"b": 5}], {"b": 5}]}',
            update: '{"$pull": {"a": {"b": 5}}}',
            mongodb: '{"a": [5, [{"b": 5}]]}',
            mingo: '{"a": []}',
        },
    ],
    'pull-by-alternatives': [
        {
            doc: '{"a": [{"b": 1}]}',
            update: '{"$pull": {"a": {"$or": [{"b": 1}]}}}',
            mongodb: '{"a": []}',
            mingo: '{"a": [{"b": 1}]}',
        },
        {
            doc: '{"a": []}',
            update: '{"$pull": {"a": {"b": 1, "$or": [{"b": 1}]}}}',
            mongodb: '{"a": []}',
            mingo: 'error',
        },
    ],
};

// Where mingo is not MongoDB either, but no case is made that meets it, or results are not compared that far.
const AVOIDED = {
    integers: [
        {doc: '{"a": 9007199254740993}', filter: '{"a": 9007199254740992}', mongodb: false, mingo: true},
    ],
    'types-of-numbers': [],
    'order-of-new-fields': [],
    'names-of-javascript': [
        {doc: '{}', filter: '{"a.__proto__": {"$exists": false}}', mongodb: true, mingo: 'error'},
    ],
};

const nested = (depth) => '{"$and":['.repeat(depth) + '{"a":1}' + ']}'.repeat(depth);

// What MongoDB takes and Sluice refuses, with the code of the error. {filter | update, doc?, code}
const REFUSALS = {
    null: [
        {filter: '{"a": null}', code: 'bad_filter'},
        {filter: '{"a": {"$in": [null]}}', code: 'bad_filter'},
    ],
    maps: [
        {filter: '{"a": {"b": 1}}', code: 'bad_filter'},
        {filter: '{"a": {}}', code: 'bad_filter'},
    ],
    arrays: [
        {filter: '{"a": [1]}', code: 'bad_filter'},
        {filter: '{"a": {"$all": [[1]]}}', code: 'bad_filter'},
    ],
    'exists-without-boolean': [{filter: '{"a": {"$exists": 1}}', code: 'bad_filter'}],
    'other-operators': [
        {filter: '{"a": {"$regex": "x"}}', code: 'bad_filter'},
        {filter: '{"a": {"$elemMatch": {"b": 1}}}', code: 'bad_filter'},
        {filter: '{"a": {"$size": 1}}', code: 'bad_filter'},
        {filter: '{"a": {"$type": "string"}}', code: 'bad_filter'},
        {filter: '{"a": {"$mod": [2, 0]}}', code: 'bad_filter'},
        {filter: '{"$expr": true}', code: 'bad_filter'},
        {update: '{"$mul": {"a": 2}}', code: 'bad_update'},
        {update: '{"$pop": {"a": 1}}', code: 'bad_update'},
        {update: '{"$pullAll": {"a": [1]}}', code: 'bad_update'},
        {update: '{"$bit": {"a": {"or": 1}}}', code: 'bad_update'},
        {update: '{"$currentDate": {"a": true}}', code: 'bad_update'},
        {update: '{"$setOnInsert": {"a": 1}}', code: 'bad_update'},
        {update: '{"$push": {"a": {"$each": [1], "$position": 0}}}', code: 'bad_update'},
        {update: '{"$push": {"a": {"$each": [1], "$sort": 1}}}', code: 'bad_update'},
        {doc: '{"a": [1]}', update: '{"$set": {"a.$[]": 1}}', code: 'bad_update'},
        {doc: '{"a": [1]}', update: '[{"$set": {"a": 1}}]', code: 'bad_update'},
    ],
    names: [
        {filter: '{"@who": 1}', code: 'bad_filter'},
        {filter: '{"a..b": 1}', code: 'bad_filter'},
        {filter: '{"a": 1, "a": 2}', code: 'bad_filter'},
        {update: '{"$set": {"a": {"$b": 1}}}', code: 'bad_value'},
        {update: '{"$set": {"a": {"b.c": 1}}}', code: 'bad_value'},
        {update: '{"$set": {"a": {"": 1}}}', code: 'bad_value'},
        {update: '{"$set": {"@a": 1}}', code: 'bad_update'},
        {update: '{"$set": {"a": {"b": 1, "b": 2}}}', code: 'bad_value'},
    ],
    replacement: [
        {update: '{"a": 1}', code: 'bad_update'},
        {update: '{}', code: 'bad_update'},
    ],
    'pull-of-arrays': [{update: '{"$pull": {"a": [1]}}', code: 'bad_update'}],
    'leading-zeros': [{doc: '{"a": [1]}', update: '{"$set": {"a.00": 2}}', code: 'update_failed'}],
    infinity: [{doc: '{"a": 1.5e308}', update: '{"$inc": {"a": 1.5e308}}', code: 'update_failed'}],
    limits: [
        {filter: nested(17), code: 'bad_filter'},
        {doc: '{"a": []}', update: '{"$set": {"a.70000": 1}}', code: 'session_too_large'},
    ],
};

// What MongoDB refuses or does not have, and Sluice takes. {filter | update, doc, result}
const ADDITIONS = {
    'pseudo-fields': [{doc: '{}', filter: '{"@path": "/ws"}', result: true}],
    'pull-with-not': [
        {doc: '{"a": [1, 2]}', update: '{"$pull": {"a": {"$not": {"$gt": 1}}}}', result: '{"a": [2]}'},
    ],
    'unsigned-integers': [
        {
            doc: '{"a": 9223372036854775807}',
            update: '{"$inc": {"a": 1}}',
            result: '{"a": 9223372036854775808}',
        },
    ],
};

module.exports = {ADDITIONS, AVOIDED, MINGO, REFUSALS};
