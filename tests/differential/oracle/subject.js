// subject: the pseudo-fields of the connection that differ.c matches.
'use strict';

module.exports = {
    '@conn': 'k3v9x0q2ap.17',
    '@remote': '10.0.0.7',
    '@subprotocol': '',
    '@path': '/ws',
    '@connected_ms': 1700000000000,
};
