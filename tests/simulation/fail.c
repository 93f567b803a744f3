#include "fail.h"

#include <stdarg.h>
#include <stdio.h>

struct failure failure;

void wrong(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(failure.text, sizeof failure.text, format, args);
    va_end(args);
    longjmp(failure.back, 1);
}
