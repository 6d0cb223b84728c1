/**
 * String interner: byte strings to dense int32 codes 0…n-1, in order of first appearance.
 *
 * This is where ids from outside become array indices. Strings may hold any bytes, up to
 * MQ_STRMAP_KEY_MAX. Cost: O(length) expected per look-up, about 24 bytes an entry beside the
 * text. Threads: look-ups are reentrant while nobody adds; adding needs exclusion.
 */
#ifndef MQ_BASE_STRMAP_H
#define MQ_BASE_STRMAP_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "marquee/status.h"

/** Longest key in bytes. Longer ones are refused with MQ_E_RANGE. */
#define MQ_STRMAP_KEY_MAX 65535

/** Zero-initialise; then mq_strmap_release. */
struct mq_strmap {
    int32_t count;     /**< entries; codes are 0…count-1 */
    const char **keys; /**< [count] NUL-terminated, owned by the map; stable while the map lives */
    uint32_t *sizes;   /**< [count] bytes without the NUL */
    uint32_t *slots;   /* code + 1 by hash, 0 empty; power of two */
    uint32_t *hashes;  /* [count] */
    size_t slot_count;
    size_t keys_capacity, sizes_capacity, hashes_capacity;
    struct mq_arena text;
};

void mq_strmap_release(struct mq_strmap *map);

/** Code of a key, or -1. */
int32_t mq_strmap_find(const struct mq_strmap *map, const void *key, size_t size);

/** mq_strmap_find of a NUL-terminated key. */
int32_t mq_strmap_find_text(const struct mq_strmap *map, const char *key);

/**
 * Code of a key, added (copied) when new.
 * @return MQ_OK | MQ_E_NOMEM | MQ_E_RANGE (key too long, or 2^31-1 entries reached)
 */
enum mq_status mq_strmap_add(struct mq_strmap *map, const void *key, size_t size, int32_t *ret_code,
                             struct mq_error *err);

/** mq_strmap_add of a NUL-terminated key. */
enum mq_status mq_strmap_add_text(struct mq_strmap *map, const char *key, int32_t *ret_code,
                                  struct mq_error *err);

/** Hash of bytes, the same on every machine and run; for sharding and sampling too. */
uint64_t mq_hash_bytes(const void *bytes, size_t size, uint64_t seed);

#endif
