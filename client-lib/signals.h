#ifndef SLUICE_CLIENT_SIGNALS_H
#define SLUICE_CLIENT_SIGNALS_H

struct sluice_client;

/* Stop no longer on signals; does nothing if the client never did. */
void signals_forget(struct sluice_client *client);

#endif
