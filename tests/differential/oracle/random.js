// random: numbers that a seed repeats, another sequence for each case: a case can be made again alone.
'use strict';

// One of MurmurHash3's finishers: every bit of the input reaches every bit of the output.
function mix(x) {
    x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
    x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
    return (x ^ (x >>> 16)) >>> 0;
}

class Random {
    constructor(seed, sequence) {
        this.a = mix(seed >>> 0);
        this.b = mix(Math.floor(seed / 2 ** 32) + 0x9e3779b9);
        this.c = mix(sequence + 0x7f4a7c15);
        this.d = 1;
        for (let i = 0; i < 12; i++) {
            this.next();
        }
    }

    // sfc32: 32 bits.
    next() {
        const result = (this.a + this.b + this.d) >>> 0;
        this.d = (this.d + 1) >>> 0;
        this.a = this.b ^ (this.b >>> 9);
        this.b = (this.c + (this.c << 3)) >>> 0;
        this.c = (((this.c << 21) | (this.c >>> 11)) + result) >>> 0;
        return result;
    }

    // 0 to n - 1.
    below(n) {
        return this.next() % n;
    }

    chance(probability) {
        return this.next() < probability * 2 ** 32;
    }

    pick(list) {
        return list[this.below(list.length)];
    }

    // One of the names in {name: weight}.
    weighted(weights) {
        let total = 0;
        for (const name in weights) {
            total += weights[name];
        }
        let left = this.below(total);
        for (const name in weights) {
            left -= weights[name];
            if (left < 0) {
                return name;
            }
        }
        throw new Error('weights are whole and not all 0');
    }
}

module.exports = {Random};
