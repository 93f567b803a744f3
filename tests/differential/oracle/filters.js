// filters: random filters for a document.
//
// Each part is made with a wish, whether it shall match, and its parts with the wishes that make each of them
// decide, mostly: so a wrong operator is seen at the root. Whether wishes come true is not known here.
'use strict';

const {number, queryPath, scalar, string} = require('./documents');
const {compare} = require('./order');
const {lookUp} = require('./paths');
const subject = require('./subject');
const {Float, isMap, isScalar, plain} = require('./values');

const LEAVES = {
    $eq: 7,
    $ne: 9,
    $gt: 10,
    $gte: 9,
    $lt: 10,
    $lte: 9,
    $in: 10,
    $nin: 9,
    $all: 9,
    $exists: 7,
    $not: 8,
};
const LOGICAL = {$and: 5, $or: 3, $nor: 3};

// The same number in its other type, where it has one.
function inOtherType(v) {
    if (v instanceof Float) {
        return Object.is(v.number, -0) ? 0 : v.number;
    }
    return Number.isInteger(v) ? new Float(v) : v;
}

function neighbour(r, v) {
    const n = v instanceof Float ? v.number : v;
    if (typeof n === 'number') {
        const moved = n + r.pick([-1, 1, -0.5, 0.5]);
        return Number.isSafeInteger(moved) || !Number.isInteger(moved) ? moved : number(r);
    }
    if (typeof n === 'string') {
        return r.pick([n + 'a', n.slice(0, -1), string(r)]);
    }
    return !n;
}

// The scalars that a filter finds at the path.
function scalarsAt(doc, path) {
    return lookUp(doc, path)
        .found.flatMap(({value, isElement}) => (Array.isArray(value) && !isElement ? value : [value]))
        .filter((v) => isScalar(v) && v !== null);
}

// @near: how often not the value itself but one beside it.
function constant(r, known, near) {
    if (known.length === 0 || r.chance(0.15)) {
        return scalar(r, false);
    }
    const v = r.pick(known);
    if (r.chance(0.25)) {
        return inOtherType(v);
    }
    return r.chance(near) ? neighbour(r, v) : v;
}

function constants(r, known, operator) {
    if (r.chance(0.03)) {
        return [];
    }
    if (operator === '$all' && known.length > 0 && r.chance(0.55)) {
        return known
            .filter((v, i) => i === 0 || r.chance(0.5))
            .map((v) => (r.chance(0.3) ? inOtherType(v) : v));
    }
    return Array.from({length: 1 + r.below(3)}, () => constant(r, known, 0.3));
}

function anyOperand(r, known, operator) {
    if (operator === '$exists') {
        return r.chance(0.5);
    }
    if (['$in', '$nin', '$all'].includes(operator)) {
        return constants(r, known, operator);
    }
    return constant(r, known, ['$gt', '$lt', '$gte', '$lte'].includes(operator) ? 0.75 : 0.3);
}

// Whether the operator would match one of these scalars, at a guess: what counts is what mingo says.
function guess(operator, operand, scalars, isThere) {
    const has = (v) => scalars.some((one) => compare(one, v) === 0);
    const orders = () => scalars.filter((v) => typeof v === typeof operand).map((v) => compare(v, operand));
    switch (operator) {
        case '$eq':
            return has(operand);
        case '$ne':
            return !has(operand);
        case '$in':
            return operand.some(has);
        case '$nin':
            return !operand.some(has);
        case '$all':
            return operand.length > 0 && operand.every(has);
        case '$exists':
            return isThere === operand;
        case '$gt':
            return orders().some((order) => order > 0);
        case '$gte':
            return orders().some((order) => order >= 0);
        case '$lt':
            return orders().some((order) => order < 0);
        default:
            return orders().some((order) => order <= 0);
    }
}

// An operand, if a few tries find one with which the operator does as wished; else undefined.
function wishedOperand(r, known, isThere, operator, wish) {
    const scalars = plain(known);
    for (let tries = 0; tries < 5; tries++) {
        const operand = anyOperand(r, known, operator);
        if (guess(operator, plain(operand), scalars, isThere) === wish) {
            return operand;
        }
    }
    return undefined;
}

// Wishes for @count parts of which all must match (or one, @isOr) such that each decides whether they do.
function wishes(r, count, isOr, wish) {
    const neutral = !isOr;
    const result = Array(count).fill(neutral);
    if (wish !== neutral) {
        result[r.below(count)] = wish;
    }
    return result.map((one) => (r.chance(0.15) ? !one : one));
}

function addOperator(r, known, isThere, wish, depth, result) {
    let operator;
    for (let tries = 0; tries < 4; tries++) {
        operator = r.weighted(LEAVES);
        if (operator in result) {
            continue;
        }
        if (operator === '$not') {
            if (depth < 2) {
                result.$not = operators(r, known, isThere, !wish, depth + 1);
                return;
            }
            continue;
        }
        const operand = wishedOperand(r, known, isThere, operator, wish);
        if (operand !== undefined) {
            result[operator] = operand;
            return;
        }
    }
    result.$eq ??= constant(r, known, 0.3);
}

function operators(r, known, isThere, wish, depth) {
    const result = {};
    for (const one of wishes(r, r.chance(0.2) ? 2 : 1, false, wish)) {
        addOperator(r, known, isThere, one, depth, result);
    }
    return result;
}

// [path, what stands beside it]
function condition(r, doc, wish, isOfSession) {
    const isPseudo = isOfSession && r.chance(0.04);
    let path, known;
    for (let tries = 0; tries < 3; tries++) {
        path = isPseudo ? r.pick(Object.keys(subject)) : queryPath(r, doc);
        known = isPseudo ? [subject[path]] : scalarsAt(doc, path);
        if (known.length > 0 || r.chance(0.3)) {
            break;
        }
    }
    const isThere = isPseudo || lookUp(doc, path).found.length > 0;
    const isEquality = r.chance(0.1);
    const operand = isEquality ? wishedOperand(r, known, isThere, '$eq', wish) : undefined;
    return [path, operand ?? operators(r, known, isThere, wish, 0)];
}

// @isOfSession: it may have pseudo-fields.
function filter(r, doc, {wish = r.chance(0.5), isOfSession = true, depth = 0} = {}) {
    const result = {};
    if (r.chance(0.004)) {
        return result;
    }
    for (const one of wishes(r, r.pick([1, 1, 1, 2, 2, 3]), false, wish)) {
        if (depth < 3 && r.chance(depth === 0 ? 0.45 : 0.25)) {
            const operator = r.weighted(LOGICAL);
            const children = wishes(
                r,
                r.pick([1, 2, 2, 3]),
                operator !== '$and',
                operator === '$nor' ? !one : one,
            );
            result[operator] = children.map((child) =>
                filter(r, doc, {wish: child, isOfSession, depth: depth + 1}),
            );
        } else {
            const [path, asked] = condition(r, doc, one, isOfSession);
            result[path] = asked;
        }
    }
    return result;
}

// The same filter with arguments in the place of constants; @isTaken() says of which ones.
function withArguments(query, isTaken) {
    const args = {};
    const known = new Map(); // equal constants share an argument

    function argument(v) {
        const key = JSON.stringify(v) + (v instanceof Float);
        if (!known.has(key)) {
            known.set(key, `p${known.size}`);
            args[known.get(key)] = v;
        }
        return {$arg: known.get(key)};
    }

    function replaceIn(operator, v) {
        if (operator === '$not') {
            return replaceAll(v);
        }
        if (operator === '$exists') {
            return v;
        }
        if (Array.isArray(v)) {
            return isTaken() ? argument(v) : v.map((one) => (isTaken() ? argument(one) : one));
        }
        return isTaken() ? argument(v) : v;
    }

    function replaceAll(fields) {
        return Object.fromEntries(
            Object.entries(fields).map(([operator, v]) => [operator, replaceIn(operator, v)]),
        );
    }

    function replace(part) {
        return Object.fromEntries(
            Object.entries(part).map(([key, v]) => {
                if (key in LOGICAL) {
                    return [key, v.map(replace)];
                }
                return [key, isMap(v) ? replaceAll(v) : replaceIn('$eq', v)];
            }),
        );
    }

    return {with_args: replace(query), args};
}

module.exports = {filter, withArguments};
