/*
 * Open addressing with linear probing over 32-bit slots that hold code + 1; keys live in an arena
 * and the full hash is kept beside, so that growing never touches the text. The hash folds 64x64
 * bit products (Wang Yi, "wyhash"), chosen for short ids; it is fixed because sharding uses it.
 */
#include "base/strmap.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

static uint64_t
read64(const unsigned char *p)
{
    uint64_t v;
    memcpy(&v, p, 8);
    return v;
}

static uint64_t
read_tail(const unsigned char *p, size_t n)
{
    uint64_t v = 0;
    for (size_t i = 0; i < n; i++)
        v |= (uint64_t)p[i] << (8 * i);
    return v;
}

static uint64_t
fold(uint64_t a, uint64_t b)
{
    __uint128_t product = (__uint128_t)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

uint64_t
mq_hash_bytes(const void *bytes, size_t size, uint64_t seed)
{
    const unsigned char *p = bytes;
    uint64_t h = seed ^ UINT64_C(0x9e3779b97f4a7c15);
    size_t left = size;
    while (left >= 16) {
        h = fold(read64(p) ^ UINT64_C(0xa0761d6478bd642f) ^ h,
                 read64(p + 8) ^ UINT64_C(0xe7037ed1a0b428db));
        p += 16;
        left -= 16;
    }
    uint64_t a = left >= 8 ? read64(p) : read_tail(p, left);
    uint64_t b = left > 8 ? read_tail(p + 8, left - 8) : 0;
    h = fold(a ^ UINT64_C(0x8ebc6af09c88c6e3) ^ h, b ^ UINT64_C(0x589965cc75374cc3));
    return fold(h ^ (uint64_t)size, UINT64_C(0x1d8e4e27c47d124f));
}

void
mq_strmap_release(struct mq_strmap *map)
{
    if (map == NULL)
        return;
    free(map->keys);
    free(map->sizes);
    free(map->slots);
    free(map->hashes);
    mq_arena_release(&map->text);
    *map = (struct mq_strmap){0};
}

/* The slot that holds the key, or the empty one where it belongs. */
static size_t
probe(const struct mq_strmap *map, const void *key, size_t size, uint32_t hash)
{
    size_t mask = map->slot_count - 1;
    size_t slot = hash & mask;
    while (map->slots[slot] != 0) {
        uint32_t code = map->slots[slot] - 1;
        if (map->hashes[code] == hash && map->sizes[code] == size &&
            memcmp(map->keys[code], key, size) == 0)
            return slot;
        slot = (slot + 1) & mask;
    }
    return slot;
}

int32_t
mq_strmap_find(const struct mq_strmap *map, const void *key, size_t size)
{
    if (map->count == 0 || size > MQ_STRMAP_KEY_MAX)
        return -1;
    size_t slot = probe(map, key, size, (uint32_t)mq_hash_bytes(key, size, 0));
    return (int32_t)map->slots[slot] - 1;
}

int32_t
mq_strmap_find_text(const struct mq_strmap *map, const char *key)
{
    return mq_strmap_find(map, key, strlen(key));
}

static enum mq_status
grow_slots(struct mq_strmap *map, struct mq_error *err)
{
    size_t grown = map->slot_count ? map->slot_count * 2 : 64;
    uint32_t *slots = calloc(grown, sizeof(*slots));
    if (slots == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate %zu bytes of memory",
                       grown * sizeof(*slots));
    free(map->slots);
    map->slots = slots;
    map->slot_count = grown;
    for (int32_t code = 0; code < map->count; code++) {
        size_t slot = map->hashes[code] & (grown - 1);
        while (slots[slot] != 0)
            slot = (slot + 1) & (grown - 1);
        slots[slot] = (uint32_t)code + 1;
    }
    return MQ_OK;
}

enum mq_status
mq_strmap_add(struct mq_strmap *map, const void *key, size_t size, int32_t *ret_code,
              struct mq_error *err)
{
    if (size > MQ_STRMAP_KEY_MAX)
        return mq_fail(err, MQ_E_RANGE, "an id of %zu bytes is longer than the allowed %d bytes",
                       size, MQ_STRMAP_KEY_MAX);
    enum mq_status st;
    if ((size_t)map->count * 4 >= map->slot_count * 3 && (st = grow_slots(map, err)) != MQ_OK)
        return st;
    uint32_t hash = (uint32_t)mq_hash_bytes(key, size, 0);
    size_t slot = probe(map, key, size, hash);
    if (map->slots[slot] != 0) {
        *ret_code = (int32_t)map->slots[slot] - 1;
        return MQ_OK;
    }
    if (map->count == INT32_MAX)
        return mq_fail(err, MQ_E_RANGE, "more than %d distinct ids", INT32_MAX);
    size_t need = (size_t)map->count + 1;
    if ((st = mq_grow(&map->keys, &map->keys_capacity, need, sizeof(*map->keys), err)) != MQ_OK ||
        (st = mq_grow(&map->sizes, &map->sizes_capacity, need, sizeof(*map->sizes), err)) !=
            MQ_OK ||
        (st = mq_grow(&map->hashes, &map->hashes_capacity, need, sizeof(*map->hashes), err)) !=
            MQ_OK)
        return st;
    char *copy = mq_arena_copy(&map->text, key, size);
    if (copy == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate memory for an id of %zu bytes", size);
    int32_t code = map->count++;
    map->keys[code] = copy;
    map->sizes[code] = (uint32_t)size;
    map->hashes[code] = hash;
    map->slots[slot] = (uint32_t)code + 1;
    *ret_code = code;
    return MQ_OK;
}

enum mq_status
mq_strmap_add_text(struct mq_strmap *map, const char *key, int32_t *ret_code, struct mq_error *err)
{
    return mq_strmap_add(map, key, strlen(key), ret_code, err);
}
