#include "base/memory.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum mq_status
mq_alloc_array_raw(size_t count, size_t size, void *ret_block, struct mq_error *err)
{
    size_t bytes;
    if (__builtin_mul_overflow(count ? count : 1, size, &bytes) || bytes > SIZE_MAX - MQ_ALIGNMENT)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate %zu elements of %zu bytes: size overflows",
                       count, size);
    bytes = (bytes + MQ_ALIGNMENT - 1) / MQ_ALIGNMENT * MQ_ALIGNMENT;
    void *block = aligned_alloc(MQ_ALIGNMENT, bytes);
    if (block == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate %zu bytes of memory", bytes);
    *(void **)ret_block = block;
    return MQ_OK;
}

enum mq_status
mq_alloc_array(size_t count, size_t size, void *ret_block, struct mq_error *err)
{
    enum mq_status st = mq_alloc_array_raw(count, size, ret_block, err);
    if (st == MQ_OK)
        memset(*(void **)ret_block, 0, (count ? count : 1) * size);
    return st;
}

enum mq_status
mq_grow(void *block, size_t *capacity, size_t need, size_t size, struct mq_error *err)
{
    if (need <= *capacity)
        return MQ_OK;
    size_t grown = *capacity ? *capacity : 16;
    while (grown < need) {
        if (__builtin_mul_overflow(grown, (size_t)2, &grown))
            return mq_fail(err, MQ_E_NOMEM, "cannot grow an array to %zu elements", need);
    }
    size_t bytes;
    if (__builtin_mul_overflow(grown, size, &bytes))
        return mq_fail(err, MQ_E_NOMEM, "cannot grow an array to %zu elements of %zu bytes", grown,
                       size);
    void *moved = realloc(*(void **)block, bytes);
    if (moved == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate %zu bytes of memory", bytes);
    *(void **)block = moved;
    *capacity = grown;
    return MQ_OK;
}

char *
mq_strdup(const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = malloc(size);
    if (copy != NULL)
        memcpy(copy, text, size);
    return copy;
}

char *
mq_strfmt(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *text = NULL;
    int n = vasprintf(&text, format, args);
    va_end(args);
    return n < 0 ? NULL : text;
}

static uint64_t
status_field_bytes(const char *field)
{
    FILE *file = fopen("/proc/self/status", "re");
    if (file == NULL)
        return 0;
    char line[256];
    unsigned long long kib = 0;
    size_t length = strlen(field);
    while (fgets(line, sizeof(line), file) != NULL) {
        if (strncmp(line, field, length) == 0) {
            kib = strtoull(line + length, NULL, 10);
            break;
        }
    }
    fclose(file);
    return (uint64_t)kib * 1024;
}

uint64_t
mq_memory_peak_bytes(void)
{
    return status_field_bytes("VmHWM:");
}

uint64_t
mq_memory_resident_bytes(void)
{
    return status_field_bytes("VmRSS:");
}

uint64_t
mq_memory_total_bytes(void)
{
    long pages = sysconf(_SC_PHYS_PAGES);
    long page = sysconf(_SC_PAGESIZE);
    uint64_t total = pages > 0 && page > 0 ? (uint64_t)pages * (uint64_t)page : 0;
    FILE *file = fopen("/sys/fs/cgroup/memory.max", "re");
    if (file != NULL) {
        unsigned long long limit = 0;
        if (fscanf(file, "%llu", &limit) == 1 && limit > 0 && limit < total)
            total = limit;
        fclose(file);
    }
    return total;
}
