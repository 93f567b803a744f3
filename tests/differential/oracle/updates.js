// updates: what MongoDB makes of an update, by mingo's word.
//
// What MongoDB refuses, mingo passes over: the reasons are here. Where an operator on this document is a
// named difference of mingo (differences.js), the value is worked out here and mingo is told to $set it; all
// else, the paths too, is mingo's.
'use strict';

const mingo = require('./mingo');
const {compare, isOrderedApart} = require('./order');
const {follow, isOnOnePath} = require('./paths');
const {judgeQuery} = require('./queries');
const {isMap, plain, same} = require('./values');

// The operations of an update, one by one: {operator, path, operand}.
function operationsOf(update) {
    return Object.entries(update).flatMap(([operator, fields]) =>
        Object.entries(fields).map(([path, operand]) => ({operator, path, operand})),
    );
}

function updateOf(operations) {
    const update = {};
    for (const {operator, path, operand} of operations) {
        update[operator] ??= {};
        update[operator][path] = operand;
    }
    return update;
}

const each = (operand) => (isMap(operand) && '$each' in operand ? operand.$each : [operand]);

// Whether two of the paths are on one path; mingo has the last word.
function hasConflict(operations) {
    const paths = operations.flatMap(({operator, path, operand}) =>
        operator === '$rename' ? [path, operand] : [path],
    );
    return (
        paths.some((path, i) => paths.some((other, k) => k > i && isOnOnePath(path, other))) &&
        mingo.hasConflict(updateOf(operations))
    );
}

function isRenameRefused(doc, from, to) {
    const source = follow(doc, from);
    const target = follow(doc, to);
    if (source.state === 'missing') {
        return false;
    }
    return source.state === 'blocked' || source.inArray || target.state === 'blocked' || target.inArray;
}

// Whether MongoDB refuses the operation on this document.
function isRefused({operator, path, operand}, doc) {
    const {state, value} = follow(doc, path);
    switch (operator) {
        case '$unset':
            return false;
        case '$rename':
            return isRenameRefused(doc, path, operand);
        case '$inc':
            return state === 'blocked' || (state === 'found' && typeof value !== 'number');
        case '$push':
        case '$addToSet':
        case '$pull':
            return state === 'blocked' || (state === 'found' && !Array.isArray(value));
        default:
            return state === 'blocked';
    }
}

const isRepeated = (list) => list.some((v, i) => list.some((other, k) => k > i && same(v, other)));
const isOrderedByFields = (a, b) => isMap(a) && isMap(b) && same(a, b) && compare(a, b) !== 0;

// Each of the next takes {operand, state, value}, and returns [names of differences, the value that MongoDB
// sets (undefined: it does nothing)], or null where mingo is right.

function push({operand, state}) {
    if (state !== 'missing' || !isMap(operand) || !('$slice' in operand)) {
        return null;
    }
    const {$each, $slice} = operand;
    return [['slice-of-a-new-array'], $slice < 0 ? $each.slice($slice) : $each.slice(0, $slice)];
}

function addToSet({operand, state, value}) {
    const old = state === 'found' ? value : [];
    const added = each(operand);
    const names = [];
    if (isRepeated(old) || (state === 'missing' && isRepeated(added))) {
        names.push('repeated-values');
    }
    if ([...old, ...added].some((a) => added.some((b) => isOrderedByFields(a, b)))) {
        names.push('order-of-fields');
    }
    const result = [...old];
    for (const v of added) {
        if (!result.some((other) => compare(v, other) === 0)) {
            result.push(v);
        }
    }
    return names.length > 0 ? [names, result] : null;
}

function extreme(direction, {operand, state, value}) {
    const names = [];
    if (state !== 'found') {
        return null;
    }
    if (Array.isArray(operand) || Array.isArray(value) || (isMap(operand) && isMap(value))) {
        names.push('order-of-arrays-and-maps');
    }
    if (isOrderedApart(operand, value)) {
        names.push('string-order');
    }
    return names.length > 0 ? [names, compare(operand, value) * direction > 0 ? operand : value] : null;
}

// Whether MongoDB pulls the element; notes the names of what mingo does otherwise.
function isPulled(condition, element, names) {
    const note = (name) => names.add(name);
    if (!isMap(condition)) {
        if (Array.isArray(element)) {
            note('pull-from-nested-arrays');
        }
        return compare(condition, element) === 0;
    }
    const first = Object.keys(condition)[0];
    if (first?.[0] === '$' && !['$and', '$or', '$nor'].includes(first)) {
        return judgeQuery({v: condition}, {v: element}, note).result;
    }
    if (!isMap(element)) {
        note('pull-of-what-is-no-map');
        return false;
    }
    return judgeQuery(condition, element, note).result;
}

const isOfAlternatives = (condition) =>
    isMap(condition) && ['$and', '$or', '$nor'].some((key) => key in condition);

function pull({operand, state, value}) {
    const names = new Set(isOfAlternatives(operand) ? ['pull-by-alternatives'] : []);
    const result =
        state === 'found' ? value.filter((element) => !isPulled(operand, element, names)) : undefined;
    return names.size > 0 ? [[...names], result] : null;
}

const ADJUSTMENTS = {
    $push: push,
    $addToSet: addToSet,
    $min: (at) => extreme(-1, at),
    $max: (at) => extreme(1, at),
    $pull: pull,
};

// [names of differences, the operations to tell mingo instead]
function adjust(operation, doc) {
    const {operator, path, operand} = operation;
    const adjusted = ADJUSTMENTS[operator]?.({operand, ...follow(doc, path)});
    if (!adjusted) {
        return [[], [operation]];
    }
    const [names, result] = adjusted;
    return [names, result === undefined ? [] : [{operator: '$set', path, operand: result}]];
}

function applyByMingo(operations, doc) {
    const copy = plain(doc);
    mingo.apply(plain(updateOf(operations)), copy);
    return copy;
}

// What mingo alone makes of it, for the report.
function askMingo(operations, doc) {
    try {
        return {doc: applyByMingo(operations, doc)};
    } catch {
        return {error: 'update_failed'};
    }
}

const isSameOutcome = (a, b) => a.error === b.error && (a.error !== undefined || same(a.doc, b.doc));

function expect(operations, doc, names) {
    if (hasConflict(operations)) {
        return {error: 'bad_update'};
    }
    if (operations.some((operation) => isRefused(operation, doc))) {
        names.add('errors');
        return {error: 'update_failed'};
    }
    const adjusted = operations.map((operation) => adjust(operation, doc));
    adjusted.forEach(([more]) => more.forEach((name) => names.add(name)));
    return {
        doc: applyByMingo(
            adjusted.flatMap(([, done]) => done),
            doc,
        ),
    };
}

// {doc} or {error}: what becomes of @doc (all plain). @report as in judgeQuery().
function judgeUpdate(update, doc, report) {
    const operations = operationsOf(update);
    const names = new Set();
    const outcome = expect(operations, doc, names);
    if (names.size > 0 && report) {
        const isWrong = !isSameOutcome(outcome, askMingo(operations, doc));
        names.forEach((name) => report(name, isWrong));
    }
    return outcome;
}

module.exports = {isSameOutcome, judgeUpdate, operationsOf, updateOf};
