// values: JSON that keeps 1 and 1.0 apart. A whole number written as a float is a Float; all else is
// JavaScript's own.
'use strict';

class Float {
    constructor(number) {
        this.number = number;
    }
}

const isMap = (v) => v !== null && typeof v === 'object' && !Array.isArray(v) && !(v instanceof Float);
const isScalar = (v) => v === null || typeof v !== 'object' || v instanceof Float;

function floatText(number) {
    const text = Object.is(number, -0) ? '-0' : String(number);
    return /[.e]/.test(text) ? text : text + '.0';
}

// The text of a value.
function write(v) {
    if (v instanceof Float) {
        return floatText(v.number);
    }
    if (Array.isArray(v)) {
        return '[' + v.map(write).join(',') + ']';
    }
    if (isMap(v)) {
        return (
            '{' +
            Object.keys(v)
                .map((key) => JSON.stringify(key) + ':' + write(v[key]))
                .join(',') +
            '}'
        );
    }
    return JSON.stringify(v);
}

// The value of a text.
function read(text) {
    const marked = text.replace(/"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g, (token) =>
        token[0] !== '"' && /[.eE]/.test(token) ? `{"#float":${token}}` : token,
    );
    return JSON.parse(marked, (key, v) => {
        if (isMap(v) && '#float' in v) {
            const number = v['#float'];
            return Number.isInteger(number) ? new Float(number) : number;
        }
        return v;
    });
}

// A copy in which numbers are numbers, as mingo knows them.
function plain(v) {
    if (v instanceof Float) {
        return v.number;
    }
    if (Array.isArray(v)) {
        return v.map(plain);
    }
    if (isMap(v)) {
        const copy = {};
        for (const key of Object.keys(v)) {
            copy[key] = plain(v[key]);
        }
        return copy;
    }
    return v;
}

// Whether two plain values are the same but for the order of fields; what is undefined in an array counts
// as null (a hole that JavaScript leaves where MongoDB fills with null).
function same(a, b) {
    if (Array.isArray(a) || Array.isArray(b)) {
        if (!Array.isArray(a) || !Array.isArray(b) || a.length !== b.length) {
            return false;
        }
        for (let i = 0; i < a.length; i++) {
            if (!same(a[i], b[i])) {
                return false;
            }
        }
        return true;
    }
    if (isMap(a) && isMap(b)) {
        const names = Object.keys(a);
        return (
            names.length === Object.keys(b).length &&
            names.every((name) => Object.hasOwn(b, name) && same(a[name], b[name]))
        );
    }
    return (a ?? null) === (b ?? null);
}

module.exports = {Float, isMap, isScalar, plain, read, same, write};
