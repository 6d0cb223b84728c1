/* AVX2 with FMA: the primitives that kernels_vector.h is written on, 8 floats a vector. */
#include <immintrin.h>
#include <stdint.h>

typedef __m256 vf;
#define VF_LANES 8

static const int32_t part_mask[16] = {-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0};
#define PART(n) _mm256_loadu_si256((const __m256i *)(const void *)(part_mask + 8 - (n)))

#define vf_load(p) _mm256_loadu_ps(p)
#define vf_store(p, x) _mm256_storeu_ps(p, x)
/* The first n < 8 lanes; the others read as 0 and are not written. */
#define vf_load_part(p, n) _mm256_maskload_ps(p, PART(n))
#define vf_store_part(p, n, x) _mm256_maskstore_ps(p, PART(n), x)
#define vf_set1(s) _mm256_set1_ps(s)
#define vf_add(a, b) _mm256_add_ps(a, b)
#define vf_sub(a, b) _mm256_sub_ps(a, b)
#define vf_mul(a, b) _mm256_mul_ps(a, b)
#define vf_div(a, b) _mm256_div_ps(a, b)
#define vf_fma(a, b, c) _mm256_fmadd_ps(a, b, c)
#define vf_sqrt(a) _mm256_sqrt_ps(a)
/* Where x is NaN the first gives bound, the other two give NaN. */
#define vf_max_or(x, bound) _mm256_max_ps(x, bound)
#define vf_max_keep(x, bound) _mm256_max_ps(bound, x)
#define vf_min_keep(x, bound) _mm256_min_ps(bound, x)
#define vf_round(x) _mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)
/* x where a > 0, else 0 */
#define vf_where_positive(a, x) _mm256_and_ps(_mm256_cmp_ps(a, _mm256_setzero_ps(), _CMP_GT_OQ), x)
/* bit i: a[i] > b[i] */
#define vf_greater(a, b) (unsigned)_mm256_movemask_ps(_mm256_cmp_ps(a, b, _CMP_GT_OQ))

/* 2^n for whole n in [-126, 127] */
static inline vf
vf_power_of_two(vf n)
{
    __m256i exponent = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
    return _mm256_castsi256_ps(_mm256_slli_epi32(exponent, 23));
}

static inline float
vf_sum(vf x)
{
    __m128 s = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    s = _mm_add_ss(s, _mm_movehdup_ps(s));
    return _mm_cvtss_f32(s);
}

/* The four sums to p[0..3]. */
static inline void
vf_sum4(vf a, vf b, vf c, vf d, float *p)
{
    vf ab = _mm256_hadd_ps(a, b), cd = _mm256_hadd_ps(c, d);
    vf abcd = _mm256_hadd_ps(ab, cd);
    _mm_storeu_ps(p, _mm_add_ps(_mm256_castps256_ps128(abcd), _mm256_extractf128_ps(abcd, 1)));
}

/* Byte panels: 16 sums of int16 a vector, two vectors a panel. */
typedef __m256i vs;
typedef __m256i vp;
#define VS_PER_PANEL 2
#define vs_set1(s) _mm256_set1_epi16(s)
#define vp_load(p) _mm256_loadu_si256((const __m256i *)(const void *)(p))
/* acc[r] += pairs[2r]*w[0] + pairs[2r+1]*w[1], wrapping. The addition is spelled out so that it
 * stays in its register: from the intrinsic, compilers copy sums about and spill some. */
#define vs_add_pairs(acc, part, w)                                                                 \
    __asm__("vpaddw %1, %0, %0" : "+x"(acc) : "x"(_mm256_maddubs_epi16(part, _mm256_set1_epi32(w))))

static inline uint32_t
vs_bits(const vs acc[VS_PER_PANEL], int16_t above)
{
    vs bound = _mm256_set1_epi16(above);
    /* Packing works within 128-bit halves: put the quarters back in order. */
    vs packed =
        _mm256_packs_epi16(_mm256_cmpgt_epi16(acc[0], bound), _mm256_cmpgt_epi16(acc[1], bound));
    return (uint32_t)_mm256_movemask_epi8(_mm256_permute4x64_epi64(packed, 0xd8));
}

#include "math/kernels_vector.h"
#include "math/kernels_sparse.h"
#include "math/kernels_keys.h"

const struct mq_kernels mq_kernels_avx2 = {MQ_KERNEL_TABLE(MQ_KERNEL_AVX2)};
