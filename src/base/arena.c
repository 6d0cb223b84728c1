#include "base/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

#define FIRST_BLOCK_BYTES ((size_t)16 << 10)
#define LARGEST_BLOCK_BYTES ((size_t)8 << 20)

struct mq_arena_block {
    struct mq_arena_block *next;
    size_t size; /* of data */
    size_t used;
    _Alignas(MQ_ALIGNMENT) unsigned char data[];
};

void
mq_arena_init(struct mq_arena *arena, size_t limit_bytes)
{
    *arena = (struct mq_arena){.limit_bytes = limit_bytes};
}

static void
free_chain(struct mq_arena_block *block)
{
    while (block != NULL) {
        struct mq_arena_block *next = block->next;
        free(block);
        block = next;
    }
}

void
mq_arena_release(struct mq_arena *arena)
{
    if (arena == NULL)
        return;
    free_chain(arena->head);
    arena->head = NULL;
    arena->used_bytes = 0;
}

void
mq_arena_reset(struct mq_arena *arena)
{
    struct mq_arena_block *head = arena->head;
    if (head != NULL) {
        /* Blocks never shrink along the chain's growth, so the head is the largest. */
        free_chain(head->next);
        head->next = NULL;
        head->used = 0;
    }
    arena->used_bytes = 0;
}

static void *
allocate(struct mq_arena *arena, size_t size, size_t alignment)
{
    if (size == 0)
        size = 1;
    if (size > SIZE_MAX / 2)
        return NULL;
    if (arena->limit_bytes != 0 &&
        size > arena->limit_bytes - MQ_MIN(arena->used_bytes, arena->limit_bytes))
        return NULL;
    struct mq_arena_block *block = arena->head;
    size_t start = 0;
    if (block != NULL)
        start = (block->used + alignment - 1) / alignment * alignment;
    if (block == NULL || start > block->size || size > block->size - start) {
        size_t grown =
            block == NULL ? FIRST_BLOCK_BYTES : MQ_MIN(block->size * 2, LARGEST_BLOCK_BYTES);
        if (block != NULL)
            grown = MQ_MAX(grown, block->size);
        grown = MQ_MAX(grown, size);
        size_t bytes = sizeof(*block) + grown;
        bytes = (bytes + MQ_ALIGNMENT - 1) / MQ_ALIGNMENT * MQ_ALIGNMENT;
        struct mq_arena_block *fresh = aligned_alloc(MQ_ALIGNMENT, bytes);
        if (fresh == NULL)
            return NULL;
        fresh->next = block;
        fresh->size = grown;
        fresh->used = 0;
        arena->head = block = fresh;
        start = 0;
    }
    block->used = start + size;
    arena->used_bytes += size;
    return memset(block->data + start, 0, size);
}

void *
mq_arena_alloc(struct mq_arena *arena, size_t size)
{
    return allocate(arena, size, 16);
}

void *
mq_arena_array(struct mq_arena *arena, size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes))
        return NULL;
    return allocate(arena, bytes, MQ_ALIGNMENT);
}

char *
mq_arena_copy(struct mq_arena *arena, const void *bytes, size_t size)
{
    char *copy = size < SIZE_MAX ? allocate(arena, size + 1, 1) : NULL;
    if (copy != NULL && size > 0)
        memcpy(copy, bytes, size);
    return copy;
}

char *
mq_arena_format(struct mq_arena *arena, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *text = n < 0 ? NULL : allocate(arena, (size_t)n + 1, 1);
    if (text != NULL)
        vsnprintf(text, (size_t)n + 1, format, again);
    va_end(again);
    return text;
}
