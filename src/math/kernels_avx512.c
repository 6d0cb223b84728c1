/* AVX-512 F, BW, DQ, VL: the primitives that kernels_vector.h is written on, 16 floats a vector. */
#include <immintrin.h>
#include <stdint.h>

typedef __m512 vf;
#define VF_LANES 16

#define PART(n) ((__mmask16)((1u << (n)) - 1u))

#define vf_load(p) _mm512_loadu_ps(p)
#define vf_store(p, x) _mm512_storeu_ps(p, x)
/* The first n < 16 lanes; the others read as 0 and are not written. */
#define vf_load_part(p, n) _mm512_maskz_loadu_ps(PART(n), p)
#define vf_store_part(p, n, x) _mm512_mask_storeu_ps(p, PART(n), x)
#define vf_set1(s) _mm512_set1_ps(s)
#define vf_add(a, b) _mm512_add_ps(a, b)
#define vf_sub(a, b) _mm512_sub_ps(a, b)
#define vf_mul(a, b) _mm512_mul_ps(a, b)
#define vf_div(a, b) _mm512_div_ps(a, b)
#define vf_fma(a, b, c) _mm512_fmadd_ps(a, b, c)
#define vf_sqrt(a) _mm512_sqrt_ps(a)
/* Where x is NaN the first gives bound, the other two give NaN. */
#define vf_max_or(x, bound) _mm512_max_ps(x, bound)
#define vf_max_keep(x, bound) _mm512_max_ps(bound, x)
#define vf_min_keep(x, bound) _mm512_min_ps(bound, x)
#define vf_round(x) _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)
/* x where a > 0, else 0 */
#define vf_where_positive(a, x)                                                                    \
    _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(a, _mm512_setzero_ps(), _CMP_GT_OQ), x)
/* bit i: a[i] > b[i] */
#define vf_greater(a, b) (unsigned)_mm512_cmp_ps_mask(a, b, _CMP_GT_OQ)

/* 2^n for whole n in [-126, 127] */
static inline vf
vf_power_of_two(vf n)
{
    __m512i exponent = _mm512_add_epi32(_mm512_cvtps_epi32(n), _mm512_set1_epi32(127));
    return _mm512_castsi512_ps(_mm512_slli_epi32(exponent, 23));
}

static inline __m256
fold(vf x)
{
    return _mm256_add_ps(_mm512_castps512_ps256(x), _mm512_extractf32x8_ps(x, 1));
}

static inline float
vf_sum(vf x)
{
    __m256 h = fold(x);
    __m128 s = _mm_add_ps(_mm256_castps256_ps128(h), _mm256_extractf128_ps(h, 1));
    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    s = _mm_add_ss(s, _mm_movehdup_ps(s));
    return _mm_cvtss_f32(s);
}

/* The four sums to p[0..3]. */
static inline void
vf_sum4(vf a, vf b, vf c, vf d, float *p)
{
    __m256 ab = _mm256_hadd_ps(fold(a), fold(b)), cd = _mm256_hadd_ps(fold(c), fold(d));
    __m256 abcd = _mm256_hadd_ps(ab, cd);
    _mm_storeu_ps(p, _mm_add_ps(_mm256_castps256_ps128(abcd), _mm256_extractf128_ps(abcd, 1)));
}

/* Byte panels: 32 sums of int16, one vector a panel. */
typedef __m512i vs;
typedef __m512i vp;
#define VS_PER_PANEL 1
#define vs_set1(s) _mm512_set1_epi16(s)
#define vp_load(p) _mm512_loadu_si512(p)
/* acc[r] += pairs[2r]*w[0] + pairs[2r+1]*w[1], wrapping. The addition is spelled out so that it
 * stays in its register: from the intrinsic, compilers copy sums about and spill some. */
#define vs_add_pairs(acc, part, w)                                                                 \
    __asm__("vpaddw %1, %0, %0" : "+v"(acc) : "v"(_mm512_maddubs_epi16(part, _mm512_set1_epi32(w))))
#define vs_bits(acc, above) (uint32_t) _mm512_cmpgt_epi16_mask((acc)[0], _mm512_set1_epi16(above))

#include "math/kernels_vector.h"
#include "math/kernels_sparse.h"
#include "math/kernels_keys.h"

const struct mq_kernels mq_kernels_avx512 = {MQ_KERNEL_TABLE(MQ_KERNEL_AVX512)};
