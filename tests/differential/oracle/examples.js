// examples: whether mingo and the core still do what differences.js says of them.
'use strict';

const fs = require('fs');

const {ADDITIONS, AVOIDED, MINGO, REFUSALS} = require('./differences');
const {apply, matches} = require('./mingo');
const {plain, read, same} = require('./values');
const {expectedOf} = require('./cases');

// true, false, a plain document or 'error'.
function resultOf(outcome) {
    if (outcome.error || outcome.code) {
        return 'error';
    }
    return outcome.doc ?? outcome.match;
}

function askMingo({doc, filter, update}) {
    const plainDoc = plain(read(doc));
    try {
        if (filter) {
            return matches(plain(read(filter)), plainDoc);
        }
        apply(plain(read(update)), plainDoc);
        return plainDoc;
    } catch {
        return 'error';
    }
}

function askOracle({doc, filter, update}) {
    return resultOf(
        expectedOf(
            filter ? {doc: read(doc), filter: read(filter)} : {doc: read(doc), update: read(update)},
            () => {},
        ),
    );
}

const isResult = (result, wanted) =>
    same(result, typeof wanted === 'string' && wanted !== 'error' ? plain(read(wanted)) : wanted);

// The texts go to the core as they are: JavaScript would lose large integers and keys that stand twice.
function lineOf({doc = '{}', filter, update}) {
    return `{"doc": ${doc}, ` + (filter ? `"filter": ${filter}}` : `"update": ${update}}`);
}

// What is wrong, as lines.
async function tryExamples(differ) {
    const wrong = [];
    let count = 0;
    async function all(table, check) {
        for (const [name, examples] of Object.entries(table)) {
            for (const example of examples) {
                const [answer] = await differ.ask([lineOf(example)]);
                count++;
                for (const [who, result, wanted] of check(example, answer)) {
                    if (!isResult(result, wanted)) {
                        wrong.push(
                            `${name}: ${lineOf(example)}: ${who} says ${JSON.stringify(result)}, not ${wanted}`,
                        );
                    }
                }
            }
        }
    }
    await all(MINGO, (example, answer) => [
        ['mingo', askMingo(example), example.mingo],
        ['the oracle', askOracle(example), example.mongodb],
        ['the core', resultOf(answer), example.mongodb],
    ]);
    await all(AVOIDED, (example, answer) => [
        ['mingo', askMingo(example), example.mingo],
        ['the core', resultOf(answer), example.mongodb],
    ]);
    await all(REFUSALS, (example, answer) => [
        ['the core', answer.code ?? 'no error', JSON.stringify(example.code)],
    ]);
    await all(ADDITIONS, (example, answer) => [['the core', resultOf(answer), example.result]]);
    return {count, wrong};
}

// Names that the document and differences.js do not share. Each name begins a row of a table.
function strayNames(file) {
    const text = fs.readFileSync(file, 'utf8');
    const written = [...text.matchAll(/^\| `([a-z-]+)` \|/gm)].map(([, name]) => name);
    const known = [MINGO, AVOIDED, REFUSALS, ADDITIONS].flatMap(Object.keys);
    return [
        ...known.filter((name) => !written.includes(name)).map((name) => `${name}: not in ${file}`),
        ...written.filter((name) => !known.includes(name)).map((name) => `${name}: only in ${file}`),
    ];
}

module.exports = {strayNames, tryExamples};
