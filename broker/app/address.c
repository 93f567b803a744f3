#include "app/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/un.h>

#define IPC            "ipc://"
#define TCP            "tcp://"
#define PATH_MAX_BYTES (sizeof(((struct sockaddr_un *)0)->sun_path) - 1)

static const char *port_read(unsigned *port, const char *text)
{
    char *end;
    if (*text == '\0')
        return "has no port after the colon; write HOST:PORT, for example 127.0.0.1:8080";
    if (strspn(text, "0123456789") != strlen(text) || strlen(text) > 5)
        return "has a port that is no number from 0 to 65535";
    unsigned long number = strtoul(text, &end, 10);
    if (number > 65535)
        return "has a port that is no number from 0 to 65535";
    *port = (unsigned)number;
    return NULL;
}

static bool is_host_name(const char *host)
{
    for (const char *p = host; *p; p++)
        if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_", *p))
            return false;
    return *host != '\0';
}

/* What is all digits and dots is meant as an IPv4 address: a resolver would take "127.1" and wait for
 * "1.2.3.4.5". */
static bool is_broken_ipv4(const char *host)
{
    struct in_addr address;
    return strspn(host, "0123456789.") == strlen(host) && inet_pton(AF_INET, host, &address) != 1;
}

const char *host_port_read(struct host_port *out, const char *text)
{
    struct in6_addr address;
    const char *host = text;
    const char *colon = strrchr(text, ':');
    bool has_brackets = *text == '[';
    if (has_brackets) {
        host = text + 1;
        colon = strchr(text, ']');
        if (!colon)
            return "has no ] after the IPv6 address";
        if (colon[1] != ':')
            return "has no port; write [IPV6]:PORT, for example [::1]:8080";
    } else if (!colon) {
        return "has no port; write HOST:PORT, for example 127.0.0.1:8080";
    } else if (strchr(text, ':') != colon) {
        return "needs brackets around the IPv6 address, for example [::1]:8080";
    }
    size_t len = (size_t)(colon - host);
    if (len == 0)
        return "has no host; write 127.0.0.1:PORT for this machine only, 0.0.0.0:PORT or [::]:PORT for all";
    if (len > ADDRESS_HOST_MAX)
        return "has a host of more than 255 bytes";
    memcpy(out->host, host, len);
    out->host[len] = '\0';
    if (has_brackets && inet_pton(AF_INET6, out->host, &address) != 1)
        return "has no IPv6 address between the brackets";
    if (!has_brackets && (!is_host_name(out->host) || is_broken_ipv4(out->host)))
        return "has a host that is neither an address nor a name";
    return port_read(&out->port, colon + (has_brackets ? 2 : 1));
}

const char *listen_fault(const char *text)
{
    struct host_port parts;
    return host_port_read(&parts, text);
}

static bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

const char *handler_address_fault(const char *text)
{
    struct host_port parts;
    if (begins(text, IPC)) {
        const char *path = text + strlen(IPC);
        if (*path != '/')
            return "needs an absolute path: ipc:///DIRECTORY/FILE";
        if (path[strlen(path) - 1] == '/')
            return "names a directory, and a file is needed: ipc:///DIRECTORY/FILE";
        return strlen(path) > PATH_MAX_BYTES ? "has a path of more than 107 bytes, which no socket can have"
                                             : NULL;
    }
    if (begins(text, TCP))
        return host_port_read(&parts, text + strlen(TCP));
    return "is neither ipc:///PATH nor tcp://HOST:PORT";
}

bool handler_address_is_tcp(const char *text)
{
    return begins(text, TCP);
}

bool handler_address_is_local(const char *text)
{
    struct host_port parts;
    struct in_addr four;
    struct in6_addr six;
    if (!handler_address_is_tcp(text))
        return true;
    if (host_port_read(&parts, text + strlen(TCP)))
        return false;
    if (inet_pton(AF_INET, parts.host, &four) == 1)
        return ntohl(four.s_addr) >> 24 == IN_LOOPBACKNET;
    if (inet_pton(AF_INET6, parts.host, &six) == 1)
        return IN6_IS_ADDR_LOOPBACK(&six);
    return strcasecmp(parts.host, "localhost") == 0;
}

bool handler_address_equal(const char *a, const char *b)
{
    struct host_port x;
    struct host_port y;
    if (!handler_address_is_tcp(a) || !handler_address_is_tcp(b))
        return strcmp(a, b) == 0;
    if (host_port_read(&x, a + strlen(TCP)) || host_port_read(&y, b + strlen(TCP)))
        return false;
    return x.port != 0 && x.port == y.port && strcasecmp(x.host, y.host) == 0;
}
