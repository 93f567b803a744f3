// tally: which operators decided how many cases, which differences of mingo were met.
//
// An operator of a filter decides a case where the filter's result would be the other one if the operator's
// were.
// An operator of an update acts on a case where without it the outcome, a document or a refusal, would be
// another; else it rests (not counted where the rest of the update is refused: that tells nothing).
'use strict';

const {isSameOutcome, judgeUpdate, operationsOf, updateOf} = require('./updates');
const {plain} = require('./values');

const FILTER_OPERATORS = [
    'equality',
    '$eq',
    '$ne',
    '$gt',
    '$gte',
    '$lt',
    '$lte',
    '$in',
    '$nin',
    '$all',
    '$exists',
    '$not',
    '$and',
    '$or',
    '$nor',
];
const UPDATE_OPERATORS = [
    '$set',
    '$unset',
    '$inc',
    '$min',
    '$max',
    '$push',
    '$slice',
    '$addToSet',
    '$pull',
    '$rename',
];

const zeros = (names) => Object.fromEntries(names.map((name) => [name, [0, 0]]));

// Operators with their results that decide the filter: a Set of '$gt true'.
function decisive(tree) {
    const found = new Set();
    (function visit(node) {
        if (node.operator) {
            found.add(`${node.operator} ${node.result}`);
        }
        const neutral = node.kind === 'and'; // what a child's siblings must be for the child to decide
        for (const child of node.children ?? []) {
            if (node.children.every((other) => other === child || other.result === neutral)) {
                visit(child);
            }
        }
    })(tree);
    return found;
}

function withoutSlice({operand, ...operation}) {
    return {...operation, operand: {$each: operand.$each}};
}

// Operators with whether they act: a Set of '$push true'.
function acting(update, doc, outcome) {
    const operations = operationsOf(update);
    const found = new Set();
    function note(operator, others) {
        const without = judgeUpdate(updateOf(others), doc);
        if (!without.error) {
            found.add(`${operator} ${!isSameOutcome(outcome, without)}`);
        }
    }
    operations.forEach((operation, i) => {
        const before = operations.slice(0, i);
        const after = operations.slice(i + 1);
        note(operation.operator, [...before, ...after]);
        if (operation.operator === '$push' && operation.operand?.$slice !== undefined) {
            note('$slice', [...before, withoutSlice(operation), ...after]);
        }
    });
    return found;
}

class Tally {
    constructor() {
        this.cases = 0;
        this.filters = 0;
        this.matching = 0;
        this.withArgs = 0;
        this.refused = 0;
        this.operators = zeros(FILTER_OPERATORS);
        this.updateOperators = zeros(UPDATE_OPERATORS);
        this.differences = {}; // name: [met, mattered]
    }

    report(name, isWrong) {
        this.differences[name] ??= [0, 0];
        this.differences[name][0]++;
        this.differences[name][1] += Number(isWrong);
    }

    add(one, expected) {
        this.cases++;
        if ('update' in one) {
            this.refused += Number('error' in expected);
            this.count(this.updateOperators, acting(plain(one.update), plain(one.doc), expected));
            return;
        }
        this.filters++;
        this.matching += Number(expected.match);
        this.withArgs += Number('with_args' in one);
        this.count(this.operators, decisive(expected.tree));
    }

    count(table, found) {
        for (const entry of found) {
            const [operator, result] = entry.split(' ');
            table[operator][result === 'true' ? 0 : 1]++;
        }
    }
}

module.exports = {Tally};
