// mingo: the entries of mingo that cost least: its front door copies its tables of operators at each call.
'use strict';

const {update} = require('mingo');
const {Context} = require('mingo/core');
const queryOperators = require('mingo/operators/query');
const updateOperators = require('mingo/operators/update');
const {Query} = require('mingo/query');

const context = Context.init({query: queryOperators});

function matches(query, doc) {
    return new Query(query, {context}).test(doc);
}

// Change @doc, operator by operator. Conflicts are seen below one operator only.
function apply(changes, doc) {
    for (const [operator, fields] of Object.entries(changes)) {
        updateOperators[operator](fields)(doc);
    }
}

// Whether two paths of an update are on one path.
function hasConflict(changes) {
    try {
        update({}, changes);
        return false;
    } catch (error) {
        return error.message.includes('would create a conflict');
    }
}

module.exports = {apply, hasConflict, matches};
