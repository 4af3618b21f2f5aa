/* Prints a number that is the same on every processor that can run it at all. Compiled for one
 * processor, it uses what only that one and its like have: loops to vectorise, bits to count,
 * and where the compiler has a feature on, an instruction of it. */
#include <stdint.h>
#include <stdio.h>

#if defined(__x86_64__)
#include <x86intrin.h>
#endif

enum { COUNT = 1024 };

static float floats[2][COUNT];
static double doubles[COUNT];
static int32_t words[COUNT];
static int64_t longs[COUNT];

static void fill(uint64_t seed)
{
    for (int i = 0; i < COUNT; i++) {
        seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        floats[0][i] = (float)(seed >> 40);
        floats[1][i] = (float)(seed >> 50);
        doubles[i] = (double)(seed >> 20);
        words[i] = (int32_t)(seed >> 33);
        longs[i] = (int64_t)seed;
    }
}

/* Vectorised at -O3, contracted where there is a fused multiply-add. */
static void calculate(void)
{
    for (int i = 0; i < COUNT; i++)
        floats[0][i] = floats[0][i] * floats[1][i] + 1.5F;
    for (int i = 0; i < COUNT; i++)
        doubles[i] = doubles[i] * 0.5 + (double)words[i];
    for (int i = 0; i < COUNT; i++)
        words[i] = words[i] * 7 > 11 ? words[i] * 7 : 11;
    for (int i = 0; i < COUNT; i++)
        longs[i] = longs[i] * 31 ^ (longs[i] >> 7);
}

static uint64_t bits(uint64_t x, uint64_t y)
{
    uint64_t sum = (uint64_t)__builtin_popcountll(x) + (uint64_t)__builtin_clzll(x | 1);
    sum += (uint64_t)__builtin_ctzll(x | 2) + (x & (x - 1)) + (~x & y) + (x & -x);
    sum ^= __builtin_bswap64(y) + (x << (y & 63)) + (x >> (y & 31));
    __atomic_fetch_add((uint64_t *)&longs[0], sum & 1, __ATOMIC_SEQ_CST);
    return sum;
}

#if defined(__x86_64__)
static uint64_t special(uint64_t x, uint64_t y)
{
    uint64_t sum = x ^ y;
#ifdef __SSE4_2__
    sum += _mm_crc32_u64(x, y);
#endif
#ifdef __BMI2__
    sum += _pdep_u64(x, y) + _pext_u64(y, x);
#endif
#ifdef __ADX__
    unsigned long long carried;
    sum += _addcarryx_u64(1, x, y, &carried);
    sum += carried;
#endif
#ifdef __AES__
    sum += (uint64_t)_mm_cvtsi128_si64(
        _mm_aesenc_si128(_mm_set1_epi64x((long long)x), _mm_set1_epi64x((long long)y)));
#endif
#ifdef __PCLMUL__
    sum += (uint64_t)_mm_cvtsi128_si64(
        _mm_clmulepi64_si128(_mm_set1_epi64x((long long)x), _mm_set1_epi64x((long long)y), 0));
#endif
#ifdef __SHA__
    sum += (uint64_t)_mm_cvtsi128_si64(
        _mm_sha1msg1_epu32(_mm_set1_epi64x((long long)x), _mm_set1_epi64x((long long)y)));
#endif
#ifdef __SSE4A__
    sum += (uint64_t)_mm_cvtsi128_si64(
        _mm_extract_si64(_mm_set1_epi64x((long long)x), _mm_set1_epi64x(0x808)));
#endif
    return sum;
}
#else
static uint64_t special(uint64_t x, uint64_t y)
{
    return x ^ y;
}
#endif

int main(void)
{
    volatile uint64_t seed = 2024;
    fill(seed);
    calculate();
    uint64_t sum = 0;
    for (int i = 0; i < COUNT; i++) {
        uint64_t x = (uint64_t)longs[i];
        sum = sum * 31 + bits(x, (uint64_t)words[i]) + special(x, seed);
        sum += (uint64_t)(int64_t)floats[0][i] + (uint64_t)(int64_t)doubles[i];
    }
    printf("%016llx\n", (unsigned long long)sum);
    return 0;
}
