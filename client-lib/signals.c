/* SIGTERM and SIGINT as sluice_stop(), for a few clients of a process. */
#include "signals.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>

#include "client.h"

#define CLIENTS_MAX 16

static _Atomic(struct sluice_client *) clients[CLIENTS_MAX]; /* read by the signal handler */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;     /* guards all below, and writing above */
static unsigned client_count;
static const int numbers[] = {SIGTERM, SIGINT};
static struct sigaction before[2];

static void stop_all(int number)
{
    int error = errno;

    (void)number;
    for (size_t i = 0; i < CLIENTS_MAX; i++)
        sluice_stop(atomic_load(&clients[i]));
    for (size_t i = 0; i < 2; i++)
        signal(numbers[i], SIG_DFL); /* the next one ends the process */
    errno = error;
}

static int install(void)
{
    struct sigaction action;

    memset(&action, 0, sizeof(action));
    action.sa_handler = stop_all;
    sigemptyset(&action.sa_mask);
    sigaddset(&action.sa_mask, SIGTERM);
    sigaddset(&action.sa_mask, SIGINT);
    for (size_t i = 0; i < 2; i++)
        if (sigaction(numbers[i], &action, &before[i]) < 0)
            return -1;
    return 0;
}

int sluice_stop_on_signals(sluice_client *client)
{
    size_t slot = 0;
    int error = 0;

    if (!client)
        return SLUICE_E_ARGUMENT;
    if (client->handles_signals)
        return 0;
    pthread_mutex_lock(&lock);
    while (slot < CLIENTS_MAX && atomic_load(&clients[slot]))
        slot++;
    if (slot == CLIENTS_MAX)
        error = error_set(&client->fault, SLUICE_E_SYSTEM, "%d clients stop on signals already", CLIENTS_MAX);
    else if (client_count == 0 && install() < 0)
        error = error_set(&client->fault, SLUICE_E_SYSTEM, "cannot handle signals: %s", strerror(errno));
    if (error == 0) {
        atomic_store(&clients[slot], client);
        client->handles_signals = true;
        client_count++;
    }
    pthread_mutex_unlock(&lock);
    return error;
}

void signals_forget(struct sluice_client *client)
{
    if (!client->handles_signals)
        return;
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < CLIENTS_MAX; i++)
        if (atomic_load(&clients[i]) == client)
            atomic_store(&clients[i], NULL);
    if (--client_count == 0)
        for (size_t i = 0; i < 2; i++)
            sigaction(numbers[i], &before[i], NULL);
    client->handles_signals = false;
    pthread_mutex_unlock(&lock);
}
