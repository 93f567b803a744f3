/* sluice_doc(): whatever stands in a format, it is read as a document or refused with a message; what it
 * makes is MessagePack. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"
#include "doc.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t len);

static const sluice_value *make(sluice_event *step, const char *format, ...)
{
    const sluice_value *value;
    struct doc_args args;

    va_start(args.list, format);
    value = doc_make(step, format, &args);
    va_end(args.list);
    return value;
}

static void use(sluice_event *step, const sluice_value *value)
{
    size_t len;
    const void *bytes = sluice_bytes(value, &len);

    if (!sluice_raw(step, bytes, len) || !sluice_to_json(value) || !sluice_object(value))
        abort();
    for (size_t i = 0; i < sluice_size(value) && i < 20; i++) {
        sluice_item(value, i);
        sluice_key(value, i);
    }
    sluice_get_str(value, "a.b.0", NULL);
    sluice_send_where(step, value, "x", value, value);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t len)
{
    sluice_client *client = sluice_client_new(NULL, NULL);
    sluice_event *step = sluice_begin(client);
    char *format = malloc(len + 1);
    const sluice_value *value;

    memcpy(format, data, len);
    format[len] = '\0';
    for (size_t i = 0; i < len; i++) /* no conversions: there is nothing that they could take */
        if (format[i] == '%' && format[i + 1] == '%')
            i++;
        else if (format[i] == '%')
            format[i] = '_';
    value = make(step, format);
    if (value)
        use(step, value);
    else if (step->fault.error != SLUICE_E_DOC || !step->fault.message[0])
        abort();
    sluice_client_free(client);
    free(format);
    return 0;
}
