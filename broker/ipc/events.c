#include "ipc/events.h"

#include <string.h>

#include <nng/protocol/pubsub0/pub.h>

#include "wire/workaround.h"

int events_open(nng_socket *out, struct links *links, unsigned queue)
{
    int result = nng_pub0_open(out);
    if (result != 0)
        return result;
    if (WORKAROUND(publish_queue)) /* nng's own default is 16 */
        result = nng_socket_set_int(*out, NNG_OPT_SENDBUF, (int)queue);
    if (result == 0)
        result = links_follow(links, *out, LINK_EVENTS);
    if (result != 0)
        nng_close(*out);
    return result;
}

int events_publish(nng_socket socket, const void *body, size_t len)
{
    nng_msg *message;
    int result = nng_msg_alloc(&message, len);
    if (result != 0)
        return result;
    memcpy(nng_msg_body(message), body, len);
    result = nng_sendmsg(socket, message, NNG_FLAG_NONBLOCK);
    if (result != 0)
        nng_msg_free(message);
    return result;
}
