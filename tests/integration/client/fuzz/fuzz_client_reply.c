/* Replies: whatever comes is read or not understood. */
#include <stdlib.h>
#include <string.h>

#include "event.h"
#include "reply.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t len);

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t len)
{
    unsigned char *bytes = malloc(len ? len : 1); /* so that a read beyond is seen */
    struct sluice_fault fault;
    struct failed_entry failed;
    struct turn_reply turn;
    struct reply reply;
    const uint8_t *raw;
    size_t raw_len;

    memcpy(bytes, data, len);
    if (reply_read(&reply, bytes, len, 7, &fault) == 0)
        for (uint32_t i = 0; i < reply.count; i++)
            if (reply_result(&reply.results, &raw, &raw_len, &fault) == SLUICE_E_PROTOCOL)
                break;
    if (turn_reply_read(&turn, bytes, len, 7, &fault) == 0) {
        struct event_parts parts;
        for (uint32_t i = 0; i < turn.failed_count && turn_reply_failed(&turn.failed, &failed); i++)
            ;
        for (uint32_t i = 0; i < turn.event_count && event_parse(&turn.events, &parts); i++)
            ;
    }
    free(bytes);
    return 0;
}
