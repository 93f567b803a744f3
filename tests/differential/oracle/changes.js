// changes: random updates for a document, of which about as many do something as do not.
'use strict';

const {BELOW, TOP, map, newPath, number, operand, places, scalar} = require('./documents');
const {filter} = require('./filters');
const {follow, isOnOnePath} = require('./paths');
const {Float, isMap, isScalar} = require('./values');

const OPERATORS = {
    $set: 7,
    $unset: 7,
    $inc: 8,
    $min: 8,
    $max: 7,
    $push: 13,
    $addToSet: 8,
    $pull: 8,
    $rename: 9,
};

const isNumber = (v) => typeof v === 'number' || v instanceof Float;

// A path of the operator's liking, most of the time.
function pathFor(r, doc, operator) {
    const all = places(doc);
    const likes =
        {
            $inc: isNumber,
            $push: Array.isArray,
            $addToSet: Array.isArray,
            $pull: Array.isArray,
        }[operator] ?? (() => true);
    const liked = all.filter((place) => likes(place.value));
    const existing = {$set: 0.6, $unset: 0.45, $inc: 0.7, $push: 0.65, $rename: 0.32}[operator] ?? 0.75;
    if (r.chance(existing)) {
        const from = liked.length > 0 && r.chance(0.92) ? liked : all;
        if (from.length > 0) {
            return r.pick(from).path;
        }
    }
    return newPath(r, doc);
}

const turned = (v) => (isMap(v) ? Object.fromEntries(Object.entries(v).reverse()) : v);

// An element of the array, or anything.
function element(r, list) {
    if (!Array.isArray(list) || list.length === 0 || r.chance(0.35)) {
        return operand(r);
    }
    const one = r.pick(list);
    return r.chance(0.2) ? turned(one) : one;
}

function pushed(r, list) {
    if (r.chance(0.25)) {
        return element(r, list);
    }
    const length = r.pick([0, 0, 0, 1, 1, 2, 3]);
    const values = Array.from({length}, () => element(r, list));
    if (r.chance(0.1)) {
        return {$each: values};
    }
    const size = Array.isArray(list) && r.chance(0.4) ? list.length : r.below(6);
    return {$each: values, $slice: r.pick([size, size, -size, new Float(size)])};
}

function added(r, list) {
    return r.chance(0.6)
        ? element(r, list)
        : {$each: Array.from({length: r.below(3)}, () => element(r, list))};
}

function pulledMaps(r, maps) {
    if (r.chance(0.1)) {
        return {};
    }
    const example = maps.length > 0 ? r.pick(maps) : map(r, BELOW, 1);
    const query = filter(r, example, {isOfSession: false, depth: 2});
    return r.chance(0.15) ? {[r.pick(['$and', '$or', '$nor'])]: [query]} : query;
}

function pulledValues(r, list) {
    const known = list.filter((v) => isScalar(v) && v !== null);
    const pick = () => (known.length > 0 && r.chance(0.7) ? r.pick(known) : scalar(r, false));
    const one = r.pick([
        '$gt',
        '$gte',
        '$lt',
        '$lte',
        '$ne',
        '$in',
        '$nin',
        '$eq',
        '$not',
        '$all',
        '$exists',
    ]);
    const operands = {
        $in: () => [pick(), pick()],
        $nin: () => [pick(), pick()],
        $all: () => [pick()],
        $exists: () => r.chance(0.5),
        $not: () => ({$gt: pick()}),
    };
    return {[one]: (operands[one] ?? pick)()};
}

function pulled(r, list) {
    list = Array.isArray(list) ? list : [];
    const maps = list.filter(isMap);
    const scalars = list.filter(isScalar);
    const kind = r.below(10);
    if (kind < (maps.length > scalars.length ? 6 : 1)) {
        return pulledMaps(r, maps);
    }
    if (kind < 7) {
        return pulledValues(r, list);
    }
    return scalars.length > 0 && r.chance(0.7) ? r.pick(scalars) : scalar(r, true);
}

function renamed(r, doc) {
    if (r.chance(0.6)) {
        const parts = [r.pick(TOP)];
        if (r.chance(0.4)) {
            parts.push(r.pick(BELOW));
        }
        return parts.join('.');
    }
    return newPath(r, doc);
}

// Sums of integers stay within what JavaScript counts exactly.
function increment(r, value) {
    if (Math.abs(value) > 2 ** 52) {
        return r.pick([0, new Float(1), 0.5]);
    }
    return r.chance(0.5) ? r.pick([0, new Float(0)]) : r.pick([1, -1, 2, new Float(1), 0.5, -1.5]);
}

function operandFor(r, doc, operator, value) {
    switch (operator) {
        case '$set':
            return value !== undefined && r.chance(0.5) ? value : operand(r);
        case '$unset':
            return r.pick([1, '', true, null]);
        case '$inc':
            return increment(r, value);
        case '$min':
        case '$max':
            return isNumber(value) && r.chance(0.6) ? number(r) : operand(r);
        case '$push':
            return pushed(r, value);
        case '$addToSet':
            return added(r, value);
        case '$pull':
            return pulled(r, value);
        default:
            return renamed(r, doc);
    }
}

// Few updates name one path twice: nothing more is learnt from those.
function update(r, doc) {
    const result = {};
    const taken = [];
    for (let tries = 2 * r.weighted({1: 2, 2: 4, 3: 4, 4: 2}); tries > 0; tries--) {
        const operator = r.weighted(OPERATORS);
        const path = pathFor(r, doc, operator);
        const operand = operandFor(r, doc, operator, follow(doc, path).value);
        const paths = operator === '$rename' ? [path, operand] : [path];
        const isConflict = paths.some((one) => taken.some((other) => isOnOnePath(one, other)));
        if (!isConflict || r.chance(0.03)) {
            result[operator] ??= {};
            result[operator][path] = operand;
            taken.push(...paths);
            tries--;
        }
    }
    return result;
}

module.exports = {update};
