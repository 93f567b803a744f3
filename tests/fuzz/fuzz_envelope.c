/* Any bytes as a client's message, on a connection of either encoding. What is accepted must be what the core
 * was promised: checked MessagePack, a text for a name, an id within its bounds; what is refused must say
 * why. */

#include <string.h>

#include "fuzz/expect.h"
#include "wire/mp.h"
#include "wire/utf8.h"
#include "ws/envelope.h"

static void expect_checked(const void *mp, size_t len)
{
    const struct mp_rules rules = {.flags = MP_ALLOW_BIN, .code = CODE_BAD_MESSAGE};
    struct fault fault;
    EXPECT(mp_check(mp, len, &rules, NULL, &fault) == 0);
}

static void expect_id(const struct question_id *id)
{
    if (id->kind == QUESTION_NUMBER)
        EXPECT(id->number <= QUESTION_NUMBER_MAX);
    if (id->kind == QUESTION_TEXT)
        EXPECT(id->len >= 1 && id->len <= QUESTION_TEXT_MAX && utf8_valid(id->text, id->len));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct envelope_room room; /* zero is how it begins; used again, as the edge does */
    struct envelope envelope;
    struct fault fault;
    if (size < 1)
        return 0;
    enum encoding encoding = data[0] & 1 ? ENCODING_MSGPACK : ENCODING_JSON;
    bool is_binary = (encoding == ENCODING_MSGPACK) != ((data[0] & 2) != 0);
    int result = envelope_read(&envelope, &room, data + 1, size - 1, encoding, is_binary, &fault);
    expect_id(&envelope.id);
    if (envelope.event)
        EXPECT(utf8_valid(envelope.event, envelope.event_len));
    if (result != 0) {
        EXPECT(result == -1 && fault.message[0] != '\0');
        EXPECT(fault.code == CODE_BAD_MESSAGE || fault.code == CODE_BAD_ID);
        EXPECT(!envelope.payload && !envelope.trace);
        return 0;
    }
    EXPECT(envelope.event && !(data[0] & 2));
    if (envelope.payload)
        expect_checked(envelope.payload, envelope.payload_len);
    if (envelope.trace)
        expect_checked(envelope.trace, envelope.trace_len);
    return 0;
}
