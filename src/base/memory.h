/**
 * Checked, aligned memory: every allocation of Marquee that depends on outside data goes through
 * here, so that products cannot overflow and vectors are 64-byte aligned.
 *
 * Threads: reentrant. Ownership: returned blocks are owned by the caller, freed with mq_free.
 */
#ifndef MQ_BASE_MEMORY_H
#define MQ_BASE_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "marquee/status.h"

/** Alignment of every block from mq_alloc_array and of arena blocks, in bytes. */
#define MQ_ALIGNMENT 64

/** Free on scope exit: `mq_autofree char *text = NULL;` for blocks of malloc or this header. */
#define mq_autofree __attribute__((cleanup(mq_autofree_cleanup)))

static inline void
mq_autofree_cleanup(void *pointer)
{
    free(*(void **)pointer);
}

#define MQ_COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define MQ_MIN(a, b) ((a) < (b) ? (a) : (b))
#define MQ_MAX(a, b) ((a) > (b) ? (a) : (b))

/**
 * Zeroed array of `count` elements of `size` bytes, 64-byte aligned. count 0 gives one element.
 * @return MQ_OK | MQ_E_NOMEM (also when count*size overflows)
 */
enum mq_status mq_alloc_array(size_t count, size_t size, void *ret_block, struct mq_error *err);

/** As mq_alloc_array without clearing: for large blocks that are written whole. */
enum mq_status mq_alloc_array_raw(size_t count, size_t size, void *ret_block, struct mq_error *err);

/** Free a block of mq_alloc_array; NULL allowed. (Blocks are plain free()-able too.) */
static inline void
mq_free(void *block)
{
    free(block);
}

/**
 * Make room for `need` elements in a growable array kept as (pointer, capacity), doubling.
 * The block comes from realloc (16-byte aligned), contents kept, new tail uninitialised.
 *
 * @param block    address of the element pointer; NULL pointer with capacity 0 to start
 * @param capacity in elements, updated
 * @return MQ_OK | MQ_E_NOMEM
 */
enum mq_status mq_grow(void *block, size_t *capacity, size_t need, size_t size,
                       struct mq_error *err);

/** Copy of a NUL-terminated string, owned by the caller; NULL on exhaustion. */
char *mq_strdup(const char *text);

/** Formatted string, owned by the caller; NULL on exhaustion. */
char *mq_strfmt(const char *format, ...) __attribute__((format(printf, 1, 2)));

/** Peak resident memory of this process in bytes (VmHWM), 0 when unknown. */
uint64_t mq_memory_peak_bytes(void);

/** Current resident memory of this process in bytes (VmRSS), 0 when unknown. */
uint64_t mq_memory_resident_bytes(void);

/** Physical memory of the machine, or of its control group where that is smaller, in bytes. */
uint64_t mq_memory_total_bytes(void);

#endif
