// documents: random sessions, and paths into them.
//
// Few names and few values, so that filters and updates meet what they ask for. Names of digits stand in maps
// too, as a path's digits can mean either. What differences.js lists as avoided is not made here.
'use strict';

const {Float, isMap} = require('./values');

const TOP = ['a', 'b', 'c', 'd', 'e'];
const BELOW = ['a', 'b', 'c', 'x', '0', '1'];

const NUMBERS = [
    0,
    1,
    1,
    2,
    2,
    3,
    5,
    7,
    -1,
    -4,
    10,
    new Float(0),
    new Float(1),
    new Float(1),
    new Float(2),
    new Float(3),
    new Float(5),
    new Float(-4),
    0.5,
    1.5,
    2.5,
    -0.5,
    1e15,
    new Float(1e15),
    9007199254740991,
    new Float(9007199254740991),
    -9007199254740991,
    1.5e300,
    new Float(-0),
];
const STRINGS = [
    'a',
    'a',
    'b',
    'b',
    'ab',
    'aa',
    'c',
    '',
    'B',
    '1',
    '2',
    'true',
    'null',
    'é',
    'zürich',
    '日本',
    '～',
    '😀',
    'a\u0000b',
    'x'.repeat(40),
];

function number(r) {
    return r.pick(NUMBERS);
}

function string(r) {
    return r.pick(STRINGS);
}

function scalar(r, withNull) {
    const kind = r.below(20);
    if (kind < 9) {
        return number(r);
    }
    if (kind < 16) {
        return string(r);
    }
    return kind < 19 || !withNull ? r.chance(0.5) : null;
}

function map(r, names, depth) {
    const chosen = names.filter(() => r.chance(depth === 0 ? 0.75 : 0.4));
    const result = {};
    for (const name of r.chance(0.5) ? chosen.reverse() : chosen) {
        result[name] = value(r, depth + 1);
    }
    return result;
}

function array(r, depth) {
    const shape = r.below(20);
    const length = r.pick([0, 1, 1, 2, 2, 3, 3, 4]);
    return Array.from({length}, () => {
        if (shape < 9 || depth >= 4) {
            return scalar(r, true);
        }
        if (shape < 14) {
            return map(r, BELOW, depth + 1);
        }
        return shape < 18 ? value(r, depth + 1) : array(r, depth + 1);
    });
}

function value(r, depth) {
    const kind = r.below(20);
    if (kind < 9 || depth >= 4) {
        return scalar(r, true);
    }
    return kind < 15 ? array(r, depth) : map(r, BELOW, depth);
}

function document(r) {
    return map(r, TOP, 0);
}

// A value for updates to store: rarely deep.
function operand(r) {
    return r.chance(0.75) ? scalar(r, true) : value(r, 2);
}

// A path as a filter writes it: through maps by name, through arrays mostly without an index.
function queryPath(r, doc) {
    const parts = [];
    let at = doc;
    while (parts.length < 5) {
        if (isMap(at)) {
            const names = Object.keys(at);
            const name =
                names.length === 0 || r.chance(0.07)
                    ? r.pick(parts.length === 0 ? TOP : BELOW)
                    : r.pick(names);
            parts.push(name);
            at = at[name];
        } else if (Array.isArray(at)) {
            const kind = r.below(10);
            if (kind < 3) {
                break;
            }
            const index = r.below(at.length + 1);
            if (kind < 5) {
                parts.push(r.chance(0.05) ? '0' + index : String(index));
                at = at[index];
            } else {
                const maps = at.filter(isMap);
                if (maps.length === 0) {
                    break;
                }
                at = r.pick(maps);
            }
        } else {
            if (r.chance(0.06)) {
                parts.push(r.pick(BELOW));
            }
            break;
        }
        if (isMap(at) && r.chance(0.25)) {
            break;
        }
    }
    return parts.join('.');
}

// All places of a document that an update can name: {path, value}, without the document itself.
function places(doc) {
    const found = [];
    (function visit(at, path) {
        const names = Array.isArray(at) ? [...at.keys()] : isMap(at) ? Object.keys(at) : [];
        for (const name of names) {
            const below = path === '' ? String(name) : `${path}.${name}`;
            found.push({path: below, value: at[name]});
            visit(at[name], below);
        }
    })(doc, '');
    return found;
}

// A path that need not lead anywhere, nor be able to.
function newPath(r, doc) {
    const all = places(doc);
    if (all.length === 0 || r.chance(0.35)) {
        const parts = [r.pick(TOP)];
        const isOpen = !(parts[0] in doc) || isMap(doc[parts[0]]);
        while (parts.length < 4 && r.chance(isOpen ? 0.4 : 0.1)) {
            parts.push(r.pick(BELOW));
        }
        return parts.join('.');
    }
    const open = all.filter((place) => isMap(place.value) || Array.isArray(place.value));
    const base = r.pick(open.length > 0 && r.chance(0.93) ? open : all);
    if (Array.isArray(base.value)) {
        const part = r.chance(0.88) ? base.value.length + r.below(3) : r.pick(BELOW);
        return `${base.path}.${part}` + (r.chance(0.2) ? '.' + r.pick(BELOW) : '');
    }
    return `${base.path}.${r.pick(BELOW)}` + (r.chance(0.15) ? '.' + r.pick(BELOW) : '');
}

module.exports = {BELOW, TOP, document, map, newPath, number, operand, places, queryPath, scalar, string};
