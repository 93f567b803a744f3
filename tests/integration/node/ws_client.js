// ws_client.js URL [SUBPROTOCOL]: a client of the npm package `ws`, driven by lines of JSON on stdin
// ({"send": text}, {"close": code, "reason": text}); prints a line of JSON for all that happens to it.
'use strict';

const readline = require('readline');
const WebSocket = require('ws');

const [url, subprotocol] = process.argv.slice(2);
const tell = (what) => process.stdout.write(JSON.stringify(what) + '\n');
const socket = new WebSocket(url, subprotocol ? [subprotocol] : [], {perMessageDeflate: false});

socket.on('open', () => tell({open: socket.protocol}));
socket.on('message', (data, isBinary) => tell(isBinary ? {bytes: data.toString('hex')} : {text: data.toString()}));
socket.on('error', (error) => tell({error: String(error.message)}));
socket.on('close', (code, reason) => {
    tell({close: code, reason: reason.toString()});
    process.exit(0);
});

readline.createInterface({input: process.stdin}).on('line', (line) => {
    const command = JSON.parse(line);
    if (command.send !== undefined) {
        socket.send(command.send);
    } else if (command.bytes !== undefined) {
        socket.send(Buffer.from(command.bytes, 'hex'));
    } else if (command.stop) {
        socket.terminate();
    } else {
        socket.close(command.close, command.reason);
    }
});
