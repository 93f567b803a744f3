#include "error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "wire/codes.h"

#define NUMBER(array) (sizeof(array) / sizeof((array)[0]))

/* The one table of errors. Those below -100 are the broker's: their text is in wire/codes.h. */
static const struct {
    int error;
    enum code code;
    const char *text;
} errors[] = {
    {SLUICE_OK, CODE_OK, "no error"},
    {SLUICE_E_NOMEM, CODE_OK, "out of memory"},
    {SLUICE_E_ARGUMENT, CODE_OK, "an argument is missing or out of range"},
    {SLUICE_E_DOC, CODE_OK, "a document cannot be read"},
    {SLUICE_E_ADDRESS, CODE_OK, "not an address that can be dialed"},
    {SLUICE_E_TIMEOUT, CODE_OK, "the broker gave no reply in time"},
    {SLUICE_E_TOO_LARGE, CODE_OK, "the operation does not fit one request"},
    {SLUICE_E_PROTOCOL, CODE_OK, "the broker's reply cannot be understood"},
    {SLUICE_E_SYSTEM, CODE_OK, "the system refused something"},
    {SLUICE_E_STOPPED, CODE_OK, "stopped"},
    {SLUICE_E_STATE, CODE_OK, "this cannot be called here"},
    {SLUICE_E_REFUSED, CODE_OK, "the broker refused the operation"},
    {SLUICE_E_BAD_REQUEST, CODE_BAD_REQUEST, NULL},
    {SLUICE_E_BAD_VERSION, CODE_BAD_VERSION, NULL},
    {SLUICE_E_REQUEST_TOO_LARGE, CODE_REQUEST_TOO_LARGE, NULL},
    {SLUICE_E_UNAUTHORIZED, CODE_UNAUTHORIZED, NULL},
    {SLUICE_E_NEW_EPOCH, CODE_NEW_EPOCH, NULL},
    {SLUICE_E_ID_REUSED, CODE_ID_REUSED, NULL},
    {SLUICE_E_ID_TOO_OLD, CODE_ID_TOO_OLD, NULL},
    {SLUICE_E_UNKNOWN_OP, CODE_UNKNOWN_OP, NULL},
    {SLUICE_E_UNKNOWN_KEY, CODE_UNKNOWN_KEY, NULL},
    {SLUICE_E_BAD_ARGUMENT, CODE_BAD_ARGUMENT, NULL},
    {SLUICE_E_BAD_EVENT, CODE_BAD_EVENT, NULL},
    {SLUICE_E_RESERVED_EVENT, CODE_RESERVED_EVENT, NULL},
    {SLUICE_E_BAD_FILTER, CODE_BAD_FILTER, NULL},
    {SLUICE_E_BAD_UPDATE, CODE_BAD_UPDATE, NULL},
    {SLUICE_E_BAD_VALUE, CODE_BAD_VALUE, NULL},
    {SLUICE_E_CONFLICT, CODE_CONFLICT, NULL},
    {SLUICE_E_UPDATE_FAILED, CODE_UPDATE_FAILED, NULL},
    {SLUICE_E_SESSION_TOO_LARGE, CODE_SESSION_TOO_LARGE, NULL},
    {SLUICE_E_MESSAGE_TOO_LARGE, CODE_MESSAGE_TOO_LARGE, NULL},
    {SLUICE_E_REPLY_TOO_LARGE, CODE_REPLY_TOO_LARGE, NULL},
    {SLUICE_E_TOO_COSTLY, CODE_TOO_COSTLY, NULL},
    {SLUICE_E_LIMIT, CODE_LIMIT, NULL},
    {SLUICE_E_OVERLOADED, CODE_OVERLOADED, NULL},
    {SLUICE_E_UNKNOWN_GROUP, CODE_UNKNOWN_GROUP, NULL},
    {SLUICE_E_UNKNOWN_MEMBER, CODE_UNKNOWN_MEMBER, NULL},
    {SLUICE_E_BAD_TURN, CODE_BAD_TURN, NULL},
    {SLUICE_E_LEASE_EXPIRED, CODE_LEASE_EXPIRED, NULL},
    {SLUICE_E_STALE, CODE_STALE, NULL},
    {SLUICE_E_UNLISTED, CODE_UNLISTED, NULL},
    {SLUICE_E_TOO_OLD, CODE_TOO_OLD, NULL},
};

const char *sluice_strerror(int error)
{
    for (size_t i = 0; i < NUMBER(errors); i++)
        if (errors[i].error == error)
            return errors[i].text ? errors[i].text : code_help(errors[i].code);
    return "unknown error";
}

const char *sluice_version(void)
{
    return SLUICE_VERSION;
}

int error_from_code(const char *text, size_t len)
{
    for (size_t i = 0; i < NUMBER(errors); i++) {
        const char *known = errors[i].text ? NULL : code_text(errors[i].code);
        if (known && strlen(known) == len && memcmp(known, text, len) == 0)
            return errors[i].error;
    }
    return SLUICE_E_REFUSED;
}

bool error_is_temporary(int error)
{
    switch (error) {
    case SLUICE_E_TIMEOUT:
    case SLUICE_E_NOMEM:
    case SLUICE_E_CONFLICT:
    case SLUICE_E_OVERLOADED:
    case SLUICE_E_LIMIT:
    case SLUICE_E_NEW_EPOCH:
    case SLUICE_E_UNKNOWN_MEMBER:
    case SLUICE_E_LEASE_EXPIRED:
    case SLUICE_E_STALE:
        return true;
    default:
        return false;
    }
}

void error_clear(struct sluice_fault *fault)
{
    fault->error = SLUICE_OK;
    fault->code[0] = fault->message[0] = fault->at[0] = '\0';
}

int error_set(struct sluice_fault *fault, int error, const char *format, ...)
{
    va_list args;

    error_clear(fault);
    fault->error = error;
    va_start(args, format);
    vsnprintf(fault->message, sizeof(fault->message), format, args);
    va_end(args);
    return error;
}

int error_nomem(struct sluice_fault *fault)
{
    return error_set(fault, SLUICE_E_NOMEM, "out of memory");
}

int sluice_fault_error(const sluice_fault *fault)
{
    return fault ? fault->error : SLUICE_OK;
}

const char *sluice_fault_code(const sluice_fault *fault)
{
    return fault ? fault->code : "";
}

const char *sluice_fault_message(const sluice_fault *fault)
{
    return fault ? fault->message : "";
}

const char *sluice_fault_at(const sluice_fault *fault)
{
    return fault ? fault->at : "";
}
