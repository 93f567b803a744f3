// shrink: the smallest case found that still fails.
'use strict';

const {withArguments} = require('./filters');
const {Float, isMap, write} = require('./values');

const MAX_TRIES = 4000;

const replaced = (list, i, ...by) => [...list.slice(0, i), ...by, ...list.slice(i + 1)];

// All values that are a step smaller: something removed, or one part in the place of the whole.
function* smaller(v) {
    if (Array.isArray(v)) {
        for (let i = 0; i < v.length; i++) {
            yield replaced(v, i);
        }
        for (let i = 0; i < v.length; i++) {
            for (const part of smaller(v[i])) {
                yield replaced(v, i, part);
            }
        }
    } else if (isMap(v)) {
        for (const key of Object.keys(v)) {
            const {[key]: _, ...rest} = v;
            yield rest;
        }
        for (const key of Object.keys(v)) {
            for (const part of smaller(v[key])) {
                yield {...v, [key]: part};
            }
        }
        yield* Object.values(v);
    } else if (v instanceof Float ? v.number !== 1 : v !== 1 && v !== 'a') {
        yield 1;
        if (typeof v === 'string') {
            yield 'a';
        }
    }
}

// @one with another doc, filter or update. Arguments, if any, then stand for all constants.
function changed(one, key, value) {
    const hasArguments = 'with_args' in one && key === 'filter';
    return {...one, [key]: value, ...(hasArguments ? withArguments(value, () => true) : {})};
}

function* steps(one) {
    if (one.with_args) {
        yield {doc: one.doc, filter: one.filter};
    }
    for (const key of ['update', 'filter', 'doc'].filter((name) => name in one)) {
        for (const value of smaller(one[key])) {
            if (isMap(value)) {
                yield changed(one, key, value);
            }
        }
    }
}

// @fails(case) is a promise of whether the case still fails.
async function shrink(one, fails) {
    let tries = 0;
    for (let smallest = one; ;) {
        let found = null;
        for (const step of steps(smallest)) {
            if (++tries > MAX_TRIES) {
                return smallest;
            }
            if (write(step).length < write(smallest).length && (await fails(step))) {
                found = step;
                break;
            }
        }
        if (!found) {
            return smallest;
        }
        smallest = found;
    }
}

module.exports = {shrink};
