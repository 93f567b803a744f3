// queries: what MongoDB makes of a filter, by mingo's word.
//
// A filter is read into a tree of conditions. mingo judges each condition alone and the filter as a whole.
// Where a condition on this document is a named difference of mingo (differences.js), the path is followed by
// paths.js, and mingo is asked about each value that it leads to; the filter as a whole then has the outcome
// in the condition's place.
'use strict';

const {matches} = require('./mingo');
const {lookUp} = require('./paths');
const {compare, isOrderedApart} = require('./order');
const {isMap} = require('./values');

const LOGICAL = {$and: 'and', $or: 'or', $nor: 'nor'};
const NEGATIONS = {$ne: '$eq', $nin: '$in'};
const EQUALITIES = new Set(['equality', '$eq', '$ne']);
const COMPARISONS = new Set(['$gt', '$gte', '$lt', '$lte']);

const isOperators = (v) => isMap(v) && Object.keys(v).some((key) => key[0] === '$');

// {kind: 'and' | 'or' | 'nor' | 'not' | 'leaf', operator?, children | path, value}. An 'and' without an
// operator is a map of several conditions.
function readOperators(path, operators) {
    const children = Object.entries(operators).map(([operator, value]) =>
        operator === '$not'
            ? {kind: 'not', operator, children: [readOperators(path, value)]}
            : {kind: 'leaf', operator, path, value},
    );
    return children.length === 1 ? children[0] : {kind: 'and', children};
}

function readQuery(query) {
    const children = Object.entries(query).map(([key, value]) => {
        if (key in LOGICAL) {
            return {kind: LOGICAL[key], operator: key, children: value.map(readQuery)};
        }
        return isOperators(value)
            ? readOperators(key, value)
            : {kind: 'leaf', operator: 'equality', path: key, value};
    });
    return children.length === 1 ? children[0] : {kind: 'and', children};
}

const leafQuery = (leaf) => ({
    [leaf.path]: leaf.operator === 'equality' ? leaf.value : {[leaf.operator]: leaf.value},
});

// The names of the differences of mingo that a condition meets in a document.
function differencesOf(leaf, seen) {
    const names = [];
    const values = seen.found.map((found) => found.value);
    const isExists = leaf.operator === '$exists';
    if (seen.nestsOnWay || (seen.nestsAtEnd && EQUALITIES.has(leaf.operator))) {
        names.push('nested-arrays');
    }
    if (seen.passesTwice && !EQUALITIES.has(leaf.operator)) {
        names.push('arrays-behind-arrays');
    }
    if (isExists && seen.passes && /\.\d+$/.test(leaf.path)) {
        names.push('exists-of-elements');
    }
    if (seen.isAmbiguous) {
        names.push('indexes');
    }
    if (leaf.operator === '$all' && !seen.passes && values.some((v) => !Array.isArray(v))) {
        names.push('all-of-a-scalar');
    }
    if (COMPARISONS.has(leaf.operator) && values.flat().some((v) => isOrderedApart(v, leaf.value))) {
        names.push('string-order');
    }
    return names;
}

function compareStrings(operator, a, b) {
    const order = compare(a, b);
    return {$gt: order > 0, $gte: order >= 0, $lt: order < 0, $lte: order <= 0}[operator];
}

// Whether one scalar meets the operator, by mingo.
function meets(operator, value, scalar) {
    if (COMPARISONS.has(operator) && typeof scalar === 'string' && typeof value === 'string') {
        return compareStrings(operator, scalar, value);
    }
    return matches({v: {[operator]: value}}, {v: scalar});
}

// A condition, value by value.
function judgeByValue(leaf, seen) {
    const {operator, value} = leaf;
    if (operator === '$exists') {
        return seen.found.length > 0 === value;
    }
    if (operator in NEGATIONS) {
        return !judgeByValue({...leaf, operator: NEGATIONS[operator]}, seen);
    }
    if (operator === '$all') {
        return value.length > 0 && value.every((v) => judgeByValue({operator: '$eq', value: v}, seen));
    }
    const scalars = seen.found
        .flatMap((found) => (found.isElement ? [found.value] : [found.value].flat()))
        .filter((v) => v === null || typeof v !== 'object');
    return scalars.some((scalar) => meets(operator === 'equality' ? '$eq' : operator, value, scalar));
}

function judgeLeaf(leaf, doc, report) {
    const seen = lookUp(doc, leaf.path);
    const byMingo = matches(leafQuery(leaf), doc);
    leaf.names = differencesOf(leaf, seen);
    leaf.result = leaf.names.length > 0 ? judgeByValue(leaf, seen) : byMingo;
    for (const name of leaf.names) {
        report(name, byMingo !== leaf.result);
    }
}

// Sets `result` in all of the tree.
function judge(node, doc, report) {
    if (node.kind === 'leaf') {
        judgeLeaf(node, doc, report);
        return node.result;
    }
    const results = node.children.map((child) => judge(child, doc, report));
    if (node.kind === 'and') {
        node.result = results.every(Boolean);
    } else if (node.kind === 'or') {
        node.result = results.some(Boolean);
    } else {
        node.result = !results.some(Boolean);
    }
    return node.result;
}

const isAdjusted = (node) => (node.kind === 'leaf' ? node.names.length > 0 : node.children.some(isAdjusted));

// The tree as a filter again, with what mingo gets wrong replaced by fields of `known`.
function rewrite(node, known) {
    if (node.kind === 'leaf') {
        if (node.names.length === 0) {
            return leafQuery(node);
        }
        const field = `#${Object.keys(known).length}`;
        known[field] = node.result;
        return {[field]: true};
    }
    if (node.children.length === 0) {
        return {};
    }
    const key = {and: '$and', or: '$or', nor: '$nor', not: '$nor'}[node.kind];
    return {[key]: node.children.map((child) => rewrite(child, known))};
}

// {result, tree}: whether @query matches @doc (both plain). @report(name, isWrong) hears of each difference
// of mingo that was met and whether it mattered.
function judgeQuery(query, doc, report) {
    const tree = readQuery(query);
    const known = {};
    judge(tree, doc, report);
    const asked = isAdjusted(tree) ? rewrite(tree, known) : query;
    const result = matches(asked, {...doc, ...known});
    if (result !== tree.result) {
        throw new Error('mingo disagrees with itself: the parts of the filter say otherwise than the whole');
    }
    return {result, tree};
}

module.exports = {judgeQuery};
