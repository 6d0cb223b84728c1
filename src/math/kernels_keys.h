/**
 * Kernel that sorts 64-bit keys, on GCC's vectors, as wide as the instruction set's:
 * VF_LANES. Not a header of its own; included after kernels_sparse.h.
 */
#ifndef VF_LANES
#error "include from the file of an instruction set"
#endif
#ifndef MQ_MATH_KERNELS_KEYS_H
#define MQ_MATH_KERNELS_KEYS_H

#include <string.h>

#define KEYS (VF_LANES / 2)

typedef uint64_t keys_v __attribute__((vector_size(8 * KEYS)));

#define FEW_VECTORS (MQ_SORT_FEW / KEYS)

/* A key's place is how many are below it: no branch depends on the keys. */
static void
sort_few(uint64_t *keys, size_t n)
{
    uint64_t own[MQ_SORT_FEW], place[MQ_SORT_FEW], taken = 0;
    keys_v mine[FEW_VECTORS], below[FEW_VECTORS];
    for (size_t i = 0; i < MQ_SORT_FEW; i++)
        own[i] = i < n ? keys[i] : UINT64_MAX;
    memcpy(mine, own, sizeof(own));
    memset(below, 0, sizeof(below));
    for (size_t i = 0; i < n; i++) {
        keys_v other = own[i] - (keys_v){0};
        for (size_t v = 0; v < FEW_VECTORS; v++)
            below[v] -= (keys_v)(other < mine[v]);
    }
    memcpy(place, below, sizeof(place));
    for (size_t i = 0; i < n; i++) {
        uint64_t at = place[i];
        while (taken >> at & 1) /* by an equal key */
            at++;
        taken |= UINT64_C(1) << at;
        keys[at] = own[i];
    }
}

#endif
