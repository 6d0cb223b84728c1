/**
 * Arena: many small allocations with one lifetime (a batch, a request, a model, a file).
 *
 * Blocks grow geometrically; nothing is freed singly. Allocation failure is reported once, by
 * NULL from the allocating call. Threads: one arena, one thread at a time.
 */
#ifndef MQ_BASE_ARENA_H
#define MQ_BASE_ARENA_H

#include <stddef.h>
#include <stdint.h>

struct mq_arena_block;

/** Zero-initialise (`struct mq_arena arena = {0};`) or mq_arena_init; then release. */
struct mq_arena {
    struct mq_arena_block *head; /**< newest block */
    size_t used_bytes;           /**< handed out, over all blocks */
    size_t limit_bytes;          /**< 0: none; else allocation beyond it returns NULL */
};

/** Start an empty arena. @param limit_bytes stated maximum, 0 for none */
void mq_arena_init(struct mq_arena *arena, size_t limit_bytes);

/** Free all blocks; the arena is empty and usable again. NULL allowed. */
void mq_arena_release(struct mq_arena *arena);

/** Forget all allocations but keep the largest block, for reuse in a loop. */
void mq_arena_reset(struct mq_arena *arena);

/** `size` zeroed bytes, 16-byte aligned; NULL when memory or the limit is exhausted. */
void *mq_arena_alloc(struct mq_arena *arena, size_t size);

/** `count` zeroed elements of `size` bytes, 64-byte aligned, product checked; NULL as above. */
void *mq_arena_array(struct mq_arena *arena, size_t count, size_t size);

/** Copy of `size` bytes plus a terminating NUL; NULL as above. */
char *mq_arena_copy(struct mq_arena *arena, const void *bytes, size_t size);

/** Formatted string in the arena; NULL as above. */
char *mq_arena_format(struct mq_arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
