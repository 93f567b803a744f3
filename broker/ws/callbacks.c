#include "ws/callbacks.h"

#include "ws/conn.h"
#include "ws/handshake.h"
#include "ws/writer.h"

static int on_receive(struct lws *wsi, struct ws_conn *conn, const void *in, size_t len)
{
    ws_conn_receive(conn, in, len, lws_is_final_fragment(wsi), lws_frame_is_binary(wsi),
                    lws_remaining_packet_payload(wsi));
    return 0;
}

/* It gives a code for most breaches of the protocol, but not for control frames that are too long. Here is
 * still time to give one. */
static void on_drop(struct lws *wsi, struct ws_conn *conn)
{
    static uint8_t text[] = "a frame that may not be";
    if (ws_conn_is_cut_off(conn))
        lws_close_reason(wsi, LWS_CLOSE_STATUS_PROTOCOL_ERR, text, sizeof(text) - 1);
    ws_conn_leaves(conn, lws_get_close_payload(wsi), (size_t)lws_get_close_length(wsi));
}

static int on_conn(struct lws *wsi, struct ws_conn *conn, enum lws_callback_reasons reason, void *user,
                   void *in, size_t len)
{
    switch ((int)reason) {
    case LWS_CALLBACK_HTTP:
        handshake_not_found(conn);
        return -1;
    case LWS_CALLBACK_ESTABLISHED:
        return handshake_done(conn);
    case LWS_CALLBACK_RECEIVE:
        return on_receive(wsi, conn, in, len);
    case LWS_CALLBACK_RECEIVE_PONG:
        ws_conn_heard(conn);
        return 0;
    case LWS_CALLBACK_SERVER_WRITEABLE:
        return writer_resume(conn);
    case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE:
        return ws_conn_peer_closes(conn, in, len);
    case LWS_CALLBACK_WS_SERVER_DROP_PROTOCOL:
        on_drop(wsi, conn);
        return 0;
    case LWS_CALLBACK_CLOSED:
        ws_conn_leaves(conn, NULL, 0);
        return 0;
    case LWS_CALLBACK_WSI_DESTROY:
        lws_set_opaque_user_data(wsi, NULL);
        ws_conn_free(conn);
        return 0;
    default:
        return lws_callback_http_dummy(wsi, reason, user, in, len);
    }
}

int callbacks_run(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t len)
{
    if (reason == LWS_CALLBACK_SERVER_NEW_CLIENT_INSTANTIATED) {
        struct ws *ws = lws_context_user(lws_get_context(wsi));
        lws_set_opaque_user_data(wsi, ws->entering);
        ws->entering = NULL;
    }
    struct ws_conn *conn = wsi ? lws_get_opaque_user_data(wsi) : NULL;
    if (!conn) /* about the context or a socket of libwebsockets' own */
        return 0;
    conn->wsi = wsi;
    return on_conn(wsi, conn, reason, user, in, len);
}
