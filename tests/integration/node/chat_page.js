// chat_page.js URL SCENARIO: uses the chat page in Chromium as people would, in two browser contexts that share no storage.
// `talk`: they talk, one leaves. `restart`: prints "restart now", waits for a line, and they must find each other again.
// Exits 0 if all was seen; SCREENSHOT names a file for a picture of what Ann saw last.
'use strict';

const readline = require('readline');
const {chromium} = require('playwright-core');

const [url, scenario] = process.argv.slice(2);
const STEP_MS = Number(process.env.STEP_MS || 10000);
const FLAGS = [
    '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync', '--disable-dev-shm-usage',
];

class Person {
    static async open(browser, name, room) {
        const context = await browser.newContext();
        const person = new Person();
        person.name = name;
        person.page = await context.newPage();
        person.page.setDefaultTimeout(STEP_MS);
        person.faults = [];
        person.page.on('pageerror', (error) => person.faults.push(String(error)));
        person.page.on('console', (line) => line.type() === 'error' && person.faults.push(line.text()));
        await person.page.goto(url);
        await person.page.fill('#name', name);
        await person.page.fill('#room', room);
        await person.page.click('#join');
        await person.page.waitForSelector('#text:enabled');
        return person;
    }

    async say(text) {
        await this.page.fill('#text', text);
        await this.page.click('#send');
    }

    // A message in the list, from this name and with exactly this text.
    async hears(name, text) {
        await this.page.waitForFunction(
            ([name, text]) => [...document.querySelectorAll('#messages .message')].some(
                (item) => item.querySelector('b').textContent === name && item.querySelector('.what').textContent === text),
            [name, text]);
    }

    async heardNothingOf(text) {
        if ((await this.page.textContent('#messages')).includes(text)) {
            throw new Error(`${this.name} should not have heard: ${text}`);
        }
    }

    async counts(number) {
        await this.page.waitForFunction((n) => document.querySelector('#count').textContent === n, String(number));
    }
}

async function step(what, promise) {
    try {
        await promise;
        console.log(`ok: ${what}`);
    } catch (error) {
        throw new Error(`not seen: ${what} (${String(error.message).split('\n')[0]})`);
    }
}

async function talk(browser) {
    const ann = await Person.open(browser, 'Ann', 'lobby');
    await step('Ann is alone', ann.counts(1));
    const bob = await Person.open(browser, 'Bob', 'lobby');
    await step('Ann sees that two are there', ann.counts(2));
    await step('Bob sees that two are there', bob.counts(2));
    const eve = await Person.open(browser, 'Eve', 'cellar');
    await step('Eve is alone in the cellar', eve.counts(1));

    await ann.say('hello Bob');
    await step('Bob hears Ann', bob.hears('Ann', 'hello Bob'));
    await step('Ann hears herself', ann.hears('Ann', 'hello Bob'));
    await bob.say('<img src=x onerror="document.title=1"> \u00e4\u20ac\u{1f600} & "quotes"');
    await step('Ann hears Bob, and markup is text',
        ann.hears('Bob', '<img src=x onerror="document.title=1"> \u00e4\u20ac\u{1f600} & "quotes"'));
    await step('Eve heard nothing', eve.heardNothingOf('hello Bob'));

    await bob.page.context().close();
    await step('Bob closes his window and the count goes down', ann.counts(1));
    return [ann, bob, eve];
}

async function restart(browser) {
    const ann = await Person.open(browser, 'Ann', 'lobby');
    const bob = await Person.open(browser, 'Bob', 'lobby');
    await step('both are there', ann.counts(2));
    const input = readline.createInterface({input: process.stdin});
    console.log('restart now');
    await new Promise((resolve) => input.once('line', resolve));
    input.close();
    await step('both come back', ann.counts(2));
    await ann.page.waitForSelector('#text:enabled');
    await ann.say('here again');
    await step('Bob hears Ann', bob.hears('Ann', 'here again'));
    for (const person of [ann, bob]) {
        person.faults = person.faults.filter((text) => !text.includes('WebSocket connection to'));
    }
    return [ann, bob];
}

(async () => {
    const browser = await chromium.launch({executablePath: process.env.CHROMIUM || '/usr/bin/chromium', args: FLAGS});
    try {
        const people = await {talk, restart}[scenario](browser);
        if (process.env.SCREENSHOT) {
            await people[0].page.screenshot({path: process.env.SCREENSHOT});
        }
        const faults = people.flatMap((person) => person.faults);
        if (faults.length > 0) {
            throw new Error(`the page complained: ${faults.join('; ')}`);
        }
    } finally {
        await browser.close();
    }
})().catch((error) => {
    console.log(`FAILED: ${error.message}`);
    process.exit(1);
});
