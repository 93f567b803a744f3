// paths: where a dotted path leads, as MongoDB reads it in filters and in updates. What mingo makes of paths
// through arrays is not always that; this is the measure by which differences.js tells.
'use strict';

const {isMap} = require('./values');

const isIndex = (part) => /^(0|[1-9]\d*)$/.test(part);

// All values that a filter's path leads to, and what was met on the way:
//   found: [{value, isElement}]   isElement: an index led to it, so an array's elements are not compared
//   passes                        the path goes through an array by a name
//   passesTwice                   ... and then meets another array, on its way or at its end
//   nestsOnWay, nestsAtEnd        an array stands in an array where a name passes; where a path of more
//                                 than one part ends
//   isAmbiguous                   an index meets an array that has maps with a field of that name, ends
//                                 at an element that is an array, or has a leading zero
function lookUp(doc, path) {
    const parts = path.split('.');
    const seen = {
        found: [],
        passes: false,
        passesTwice: false,
        nestsOnWay: false,
        nestsAtEnd: false,
        isAmbiguous: false,
    };

    function end(value, passed) {
        if (Array.isArray(value)) {
            seen.passesTwice ||= passed;
            seen.nestsAtEnd ||= parts.length > 1 && value.some(Array.isArray);
        }
        seen.found.push({value, isElement: false});
    }

    function step(value, i, passed) {
        if (i === parts.length) {
            end(value, passed);
        } else if (isMap(value)) {
            if (Object.hasOwn(value, parts[i])) {
                step(value[parts[i]], i + 1, passed);
            }
        } else if (Array.isArray(value)) {
            elements(value, i, passed);
        }
    }

    function element(value, i, passed) {
        if (i === parts.length) {
            seen.isAmbiguous ||= Array.isArray(value);
            seen.found.push({value, isElement: true});
        } else if (Array.isArray(value)) {
            elements(value, i, passed);
        } else {
            step(value, i, passed);
        }
    }

    function elements(array, i, passed) {
        const isDigits = /^\d+$/.test(parts[i]);
        if (isDigits) {
            seen.isAmbiguous ||=
                !isIndex(parts[i]) || array.some((v) => isMap(v) && Object.hasOwn(v, parts[i]));
        } else {
            seen.nestsOnWay ||= array.some(Array.isArray);
            seen.passesTwice ||= passed;
            seen.passes = true;
        }
        array.forEach((value, index) => {
            if (isMap(value)) {
                step(value, i, passed || !isDigits);
            }
            if (parts[i] === String(index)) {
                element(value, i + 1, passed);
            }
        });
    }

    step(doc, 0, false);
    return seen;
}

// Where an update's path leads: {state, value, inArray}. 'found'; 'missing': it can be made; 'blocked': by a
// scalar, or by a name where an array needs an index. inArray: it goes through an array.
function follow(doc, path) {
    let at = doc;
    let inArray = false;
    for (const part of path.split('.')) {
        if (Array.isArray(at)) {
            inArray = true;
            if (!isIndex(part)) {
                return {state: 'blocked', inArray};
            }
        } else if (!isMap(at)) {
            return {state: 'blocked', inArray};
        }
        if (!Object.hasOwn(at, part)) {
            return {state: 'missing', inArray};
        }
        at = at[part];
    }
    return {state: 'found', value: at, inArray};
}

// Whether one of the paths is the other or leads through it.
const isOnOnePath = (a, b) => a === b || a.startsWith(b + '.') || b.startsWith(a + '.');

module.exports = {follow, isOnOnePath, lookUp};
