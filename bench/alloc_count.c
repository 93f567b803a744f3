/* alloc_count: counts the allocations of the program that it is loaded into (LD_PRELOAD), by who asked: the
 * program itself, which is our code, or a library. The counters are in the file that ALLOC_COUNT_FILE names,
 * which must be there: three 64-bit numbers, ours, the libraries', and what was freed, to be read at any
 * time.
 *
 * Who asked is told by the return address: is it in the program's text or not? */
#include <elf.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

/* glibc's own, which exist for this purpose: no dlsym(), which allocates. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);
void *__libc_memalign(size_t alignment, size_t size);
void __libc_free(void *old);

static struct counts {
    uint64_t ours, libraries, freed;
} unread, *counts = &unread; /* until the file is there */

static uintptr_t text_from, text_to;

/* The kernel tells where the program's headers are. */
static void find_text(void)
{
    const Elf64_Phdr *parts = (const Elf64_Phdr *)getauxval(AT_PHDR);
    uintptr_t base = 0;

    for (unsigned long i = 0; i < getauxval(AT_PHNUM); i++) {
        if (parts[i].p_type == PT_PHDR)
            base = (uintptr_t)parts - parts[i].p_vaddr;
        if (parts[i].p_type == PT_LOAD && (parts[i].p_flags & PF_X)) {
            text_from = base + parts[i].p_vaddr;
            text_to = text_from + parts[i].p_memsz;
        }
    }
}

__attribute__((constructor)) static void start(void)
{
    const char *path = getenv("ALLOC_COUNT_FILE");
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    void *map = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof(*counts), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

    if (fd >= 0)
        close(fd);
    find_text();
    if (map != MAP_FAILED)
        counts = map;
}

static inline void count(const void *caller)
{
    bool is_ours = (uintptr_t)caller >= text_from && (uintptr_t)caller < text_to;

    __atomic_fetch_add(is_ours ? &counts->ours : &counts->libraries, 1, __ATOMIC_RELAXED);
}

#define COUNT() count(__builtin_return_address(0))

void *malloc(size_t size)
{
    COUNT();
    return __libc_malloc(size);
}

void *calloc(size_t nmemb, size_t size)
{
    COUNT();
    return __libc_calloc(nmemb, size);
}

void *realloc(void *ptr, size_t size)
{
    COUNT();
    return __libc_realloc(ptr, size);
}

void *memalign(size_t alignment, size_t size)
{
    COUNT();
    return __libc_memalign(alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    COUNT();
    return __libc_memalign(alignment, size);
}

/* The C library allocates in these for whoever calls them, so the caller counts. */
char *strndup(const char *string, size_t n)
{
    size_t len = strnlen(string, n);
    char *copy = __libc_malloc(len + 1);

    COUNT();
    if (copy) {
        memcpy(copy, string, len);
        copy[len] = '\0';
    }
    return copy;
}

char *strdup(const char *s)
{
    size_t len = strlen(s);
    char *copy = __libc_malloc(len + 1);

    COUNT();
    return copy ? memcpy(copy, s, len + 1) : NULL;
}

void free(void *ptr)
{
    if (ptr)
        __atomic_fetch_add(&counts->freed, 1, __ATOMIC_RELAXED);
    __libc_free(ptr);
}
