// cases: the n-th case of a seed, what must come of it, and whether it did.
//
// A case is {doc, filter, with_args?, args?} or {doc, update}, of values as in values.js.
'use strict';

const {update: randomUpdate} = require('./changes');
const {document} = require('./documents');
const {filter: randomFilter, withArguments} = require('./filters');
const {judgeQuery} = require('./queries');
const {Random} = require('./random');
const subject = require('./subject');
const {judgeUpdate} = require('./updates');
const {plain, same, write} = require('./values');

const FILTERS = 0.58; // of all cases
const WITH_ARGS = 0.6; // of the filters

function makeCase(seed, n) {
    const r = new Random(seed, n);
    const doc = document(r);
    if (!r.chance(FILTERS)) {
        return {doc, update: randomUpdate(r, doc)};
    }
    const filter = randomFilter(r, doc);
    if (!r.chance(WITH_ARGS)) {
        return {doc, filter};
    }
    const share = r.pick([0.4, 1]);
    return {doc, filter, ...withArguments(filter, () => r.chance(share))};
}

// What must come of a case: {match, tree} or {doc} or {error}.
function expectedOf(one, report) {
    const doc = plain(one.doc);
    if ('update' in one) {
        return judgeUpdate(plain(one.update), doc, report);
    }
    const {result, tree} = judgeQuery(plain(one.filter), {...doc, ...subject}, report);
    return {match: result, tree};
}

// What is wrong with the answer of the core, or null.
function complaint(one, expected, answer) {
    if ('match' in expected) {
        if (answer.match !== expected.match) {
            return answer.code
                ? 'the filter was refused'
                : `it ${answer.match ? 'matches' : 'does not match'}`;
        }
        if ('with_args' in one && answer.with_args !== expected.match) {
            return 'with arguments the result is another';
        }
        return answer.index ? null : 'through the index the result is another';
    }
    if (expected.error) {
        return answer.code === expected.error ? null : `it must be refused (${expected.error})`;
    }
    if (answer.code) {
        return 'the update was refused';
    }
    if (!same(answer.doc, expected.doc)) {
        return 'the document is another';
    }
    // A number whose type alone changes has changed; mingo knows one type.
    return !answer.changed && !same(expected.doc, plain(one.doc)) ? '`changed` is wrong' : null;
}

module.exports = {complaint, expectedOf, makeCase, write};
