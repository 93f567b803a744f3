#ifndef SLUICE_WS_CALLBACKS_H
#define SLUICE_WS_CALLBACKS_H

/* callbacks: the one function that libwebsockets calls, for all protocols. It routes and does nothing else.
 */

#include <libwebsockets.h>

int callbacks_run(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t len);

#endif
