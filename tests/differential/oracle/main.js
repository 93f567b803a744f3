// main: the comparison of the core's filters and updates with MongoDB's, by mingo. See ../run.
//
//   main.js --differ PROGRAM [--document FILE] [--seed N] [--cases N] [--until-difference]
//   main.js --differ PROGRAM --seed N --only N     one case of a seed again
//   main.js --differ PROGRAM --case TEXT           any case
'use strict';

const {parseArgs} = require('util');

const {complaint, expectedOf, makeCase} = require('./cases');
const {Differ} = require('./differ');
const {MINGO} = require('./differences');
const {strayNames, tryExamples} = require('./examples');
const {shrink} = require('./shrink');
const {Tally} = require('./tally');
const {read, write} = require('./values');

const BATCH = 500;
const SHOWN = 5; // failures that are told in full
const SAMPLE = 50000; // cases, from which on a run must be a fair sample
const MIN_DECIDED = 0.02; // of the cases, by each operator and either way
const MIN_MATCHING = 0.2;
const MAX_MATCHING = 0.8;

const {values: options} = parseArgs({
    options: {
        differ: {type: 'string'},
        document: {type: 'string'},
        seed: {type: 'string', default: process.env.SLUICE_SEED ?? String(Date.now())},
        cases: {type: 'string', default: '100000'},
        only: {type: 'string'},
        case: {type: 'string'},
        'until-difference': {type: 'boolean', default: false},
    },
});
const seed = Number(options.seed);
const say = (line) => console.log(line);
const ignore = () => {};

// What must come of the case, with `thrown` if the oracle cannot say.
function judge(one, report) {
    try {
        return expectedOf(one, report);
    } catch (error) {
        return {thrown: error};
    }
}

const whatIsWrong = (one, expected, answer) =>
    expected.thrown ? `the oracle failed: ${expected.thrown.message}` : complaint(one, expected, answer);

async function examine(differ, one) {
    const [answer] = await differ.ask([write(one)]);
    const expected = judge(one, ignore);
    return {answer, expected, wrong: whatIsWrong(one, expected, answer)};
}

// Whether the case shows the same. What the oracle cannot judge, or the core refuses, shows something else.
async function failsAlike(differ, one, first) {
    const {answer, expected, wrong} = await examine(differ, one);
    return (
        wrong !== null &&
        Boolean(expected.thrown) === Boolean(first.expected.thrown) &&
        answer.code === first.answer.code
    );
}

async function tell(differ, one, title) {
    const {answer, expected, wrong} = await examine(differ, one);
    const {tree, ...shown} = expected;
    say(`${title}: ${wrong ?? 'as expected'}`);
    say(`  case:    ${write(one)}`);
    say(`  mingo:   ${JSON.stringify(expected.thrown ? String(expected.thrown.stack) : shown)}`);
    say(`  Sluice:  ${JSON.stringify(answer)}`);
    return wrong;
}

const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

async function tellFailure(differ, one, n) {
    const first = await examine(differ, one);
    await tell(differ, one, `case ${n} of seed ${seed}`);
    say(`  again:   tests/differential/run --seed ${seed} --only ${n}`);
    const small = await shrink(one, (smaller) => failsAlike(differ, smaller, first));
    if (small !== one) {
        await tell(differ, small, '  smaller');
        say(`  again:   tests/differential/run --case ${quoted(write(small))}`);
    }
}

// Ask the core about a batch and, while it works, mingo. Returns the numbers of the cases that fail.
async function compareBatch(differ, tally, from, to) {
    const cases = Array.from({length: to - from}, (_, i) => makeCase(seed, from + i));
    const answers = differ.ask(cases.map(write));
    const expected = cases.map((one) => {
        const outcome = judge(one, (name, isWrong) => tally.report(name, isWrong));
        if (!outcome.thrown) {
            tally.add(one, outcome);
        }
        return outcome;
    });
    const got = await answers;
    return cases.flatMap((one, i) => (whatIsWrong(one, expected[i], got[i]) ? [from + i] : []));
}

const percent = (part, whole) => `${((100 * part) / whole).toFixed(1)} %`;

function table(head, rows) {
    const all = [head, ...rows].map((row) => row.map(String));
    const widths = head.map((_, i) => Math.max(...all.map((row) => row[i].length)));
    for (const row of all) {
        say(
            '  ' +
                row
                    .map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i])))
                    .join('  '),
        );
    }
    say('');
}

const rowsOf = (counts) => Object.entries(counts).map(([name, pair]) => [name, ...pair]);

function summarize(tally, seconds) {
    const updates = tally.cases - tally.filters;
    say(`\nseed ${seed}: ${tally.cases} cases in ${seconds.toFixed(0)} s\n`);
    say(
        `${tally.filters} filters, of which ${percent(tally.matching, tally.filters)} match; ` +
            `${tally.withArgs} also with arguments. Cases that an operator decides:`,
    );
    table(['operator', 'it matches', 'it does not'], rowsOf(tally.operators));
    say(
        `${updates} updates, of which ${percent(tally.refused, updates)} are refused. Cases in which an operator:`,
    );
    table(['operator', 'acts', 'rests'], rowsOf(tally.updateOperators));
    say('Differences of mingo from MongoDB (docs/mongodb-differences.md), and how often they were:');
    table(['name', 'met', 'of consequence'], rowsOf(tally.differences));
}

// What the cases lack to be a fair sample.
function shortcomings(tally) {
    const found = [];
    const least = MIN_DECIDED * tally.cases;
    if (tally.cases < SAMPLE) {
        return found;
    }
    for (const counts of [tally.operators, tally.updateOperators]) {
        for (const [operator, pair] of Object.entries(counts)) {
            if (Math.min(...pair) < least) {
                found.push(
                    `${operator} decides too few cases: ${pair.join(' and ')}, not ${least} either way`,
                );
            }
        }
    }
    const matching = tally.matching / tally.filters;
    if (!(matching >= MIN_MATCHING && matching <= MAX_MATCHING)) {
        found.push(`${percent(tally.matching, tally.filters)} of the filters match`);
    }
    for (const name of Object.keys(MINGO)) {
        if (!tally.differences[name]?.[1]) {
            found.push(`${name}: never of consequence`);
        }
    }
    return found;
}

// Returns how many cases agreed and how many did not.
async function compareAll(differ, tally) {
    const count = Number(options.cases);
    let failed = 0;
    for (let from = 0; from < count; from += BATCH) {
        for (const n of await compareBatch(differ, tally, from, Math.min(count, from + BATCH))) {
            failed++;
            if (options['until-difference']) {
                say(`difference at case ${n}`);
                return {passed: n, failed};
            }
            if (failed <= SHOWN) {
                await tellFailure(differ, makeCase(seed, n), n);
            }
        }
    }
    return {passed: count - failed, failed};
}

async function run(differ) {
    if (options.case !== undefined || options.only !== undefined) {
        const one = options.case !== undefined ? read(options.case) : makeCase(seed, Number(options.only));
        return (await tell(differ, one, 'case')) === null;
    }
    say(`seed ${seed}`);
    const begin = Date.now();
    const tally = new Tally();
    const {passed, failed} = await compareAll(differ, tally);
    if (options['until-difference']) {
        say(failed === 0 ? 'no difference' : '');
        return failed === 0;
    }
    const examples = await tryExamples(differ);
    const stray = options.document ? strayNames(options.document) : [];
    summarize(tally, (Date.now() - begin) / 1000);
    const complaints = [...examples.wrong, ...stray, ...shortcomings(tally)];
    complaints.forEach((line) => say(`wrong: ${line}`));
    say(`${passed + examples.count - examples.wrong.length} passed, ${failed + complaints.length} failed`);
    return failed + complaints.length === 0;
}

async function main() {
    if (!Number.isSafeInteger(seed) || seed < 0) {
        throw new Error(`a seed is a whole number below 2^53, not ${options.seed}`);
    }
    const differ = new Differ(options.differ);
    const isGood = await run(differ);
    return (await differ.close()) && isGood;
}

main().then(
    (isGood) => {
        process.exitCode = isGood ? 0 : 1;
    },
    (error) => {
        console.error(error.stack);
        process.exit(2);
    },
);
