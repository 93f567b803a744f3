// differ: the core's answers, by the program that differ.c is.
'use strict';

const {spawn} = require('child_process');
const readline = require('readline');

class Differ {
    constructor(program) {
        this.waiting = []; // {answers, count, resolve, reject}, in the order of the questions
        this.child = spawn(program, [], {stdio: ['pipe', 'pipe', 'inherit']});
        this.child.stdin.on('error', () => {}); // its end is told by 'close'
        this.child.on('error', (error) => this.fail(error));
        this.ended = new Promise((resolve) => {
            this.child.on('close', (code, signal) => {
                this.fail(new Error(`${program} ended with ${signal ?? code}`));
                resolve(code === 0);
            });
        });
        readline.createInterface({input: this.child.stdout}).on('line', (line) => this.take(line));
    }

    take(line) {
        const first = this.waiting[0];
        first.answers.push(JSON.parse(line));
        if (first.answers.length === first.count) {
            this.waiting.shift();
            first.resolve(first.answers);
        }
    }

    fail(error) {
        this.failed = error;
        this.waiting.splice(0).forEach(({reject}) => reject(error));
    }

    // The answers to the cases (texts), in their order.
    ask(texts) {
        if (this.failed) {
            return Promise.reject(this.failed);
        }
        return new Promise((resolve, reject) => {
            this.waiting.push({answers: [], count: texts.length, resolve, reject});
            this.child.stdin.write(texts.join('\n') + '\n\n');
        });
    }

    // A promise of whether it ended well.
    close() {
        this.child.stdin.end();
        return this.ended;
    }
}

module.exports = {Differ};
