// order: how MongoDB compares values (manual, "Comparison/Sort Order"), where mingo does so in another way.
'use strict';

const {isMap} = require('./values');

const rank = (v) => {
    if (v === null || v === undefined) {
        return 0;
    }
    if (typeof v === 'number') {
        return 1;
    }
    if (typeof v === 'string') {
        return 2;
    }
    if (Array.isArray(v)) {
        return 4;
    }
    return typeof v === 'boolean' ? 5 : 3;
};

const sign = (a, b) => (a > b) - (a < b);

// By the bytes of UTF-8.
const compareStrings = (a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b));

function compareLists(a, b, compareAt) {
    for (let i = 0; i < Math.min(a.length, b.length); i++) {
        const order = compareAt(i);
        if (order !== 0) {
            return order;
        }
    }
    return sign(a.length, b.length);
}

function compare(a, b) {
    if (rank(a) !== rank(b)) {
        return sign(rank(a), rank(b));
    }
    if (typeof a === 'string') {
        return compareStrings(a, b);
    }
    if (Array.isArray(a)) {
        return compareLists(a, b, (i) => compare(a[i], b[i]));
    }
    if (isMap(a)) {
        const x = Object.entries(a);
        const y = Object.entries(b);
        return compareLists(
            x,
            y,
            (i) =>
                sign(rank(x[i][1]), rank(y[i][1])) ||
                compareStrings(x[i][0], y[i][0]) ||
                compare(x[i][1], y[i][1]),
        );
    }
    return rank(a) === 0 ? 0 : sign(a, b);
}

// Whether UTF-16's order, which JavaScript's < knows, is another one.
const isOrderedApart = (a, b) =>
    typeof a === 'string' && typeof b === 'string' && sign(a, b) !== compareStrings(a, b);

module.exports = {compare, isOrderedApart};
