#ifndef SLUICE_VERSION_H
#define SLUICE_VERSION_H

/* The version of the headers; sluice_version() tells that of the library. */
#define SLUICE_VERSION_MAJOR 0
#define SLUICE_VERSION_MINOR 1
#define SLUICE_VERSION_PATCH 0
#define SLUICE_VERSION       "0.1.0"

#endif
