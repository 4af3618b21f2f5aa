/* CPUID of real processors.
 *
 * Unless a row says otherwise, its registers stand in the public dumps of InstLatx64
 * (instlatx64.atw.hu), of the file that the comment names; XCR0 is what leaf 0xD there lists as
 * possible, which is what Linux turns on. Leaves without a row are 0. */
#ifndef UNIT_RECORDED_X86_H
#define UNIT_RECORDED_X86_H

#include "env/cpu.h"

struct answer {
    uint32_t leaf, subleaf;
    struct cpu_x86_registers said;
};

struct processor {
    const char *name;
    uint64_t xcr0;
    const char *level;
    const char *has;   /* some of what makes it what it is */
    const char *lacks; /* some of what its neighbours have */
    struct answer answers[14];
};

static const struct processor processors[] = {
    /* GenuineIntel00306F2_HaswellEP_00 */
    {"Haswell-EP, Xeon E5-2630 v3",
     0x7,
     "avx2",
     "avx2 fma f16c bmi bmi2 lzcnt movbe invpcid fsgsbase rdrnd aes pclmul xsaveopt",
     "avx512f adx rdseed sha xsavec clflushopt rtm hle sse4a vaes gfni",
     {{0x0, 0, {0xf, 0x756e6547, 0x6c65746e, 0x49656e69}},
      {0x1, 0, {0x306f2, 0x100800, 0x7ffefbff, 0xbfebfbff}},
      {0x7, 0, {0, 0x37ab, 0, 0x9c000400}},
      {0xd, 0, {0x7, 0x340, 0x340, 0}},
      {0xd, 1, {0x1, 0, 0, 0}},
      {0x80000000, 0, {0x80000008, 0, 0, 0}},
      {0x80000001, 0, {0, 0, 0x21, 0x2c100800}},
      {0x80000008, 0, {0x302e, 0, 0, 0}}}},

    /* GenuineIntel0050654_SkylakeXeon */
    {"Skylake-X, Xeon Gold 6154",
     0x2ff,
     "avx512",
     "avx512f avx512cd avx512bw avx512dq avx512vl rtm hle adx rdseed clwb clflushopt xsaves prfchw",
     "avx512vnni avx512vbmi avx512ifma sha gfni vaes rdpid avx512bf16 amx-tile ptwrite pku",
     {{0x0, 0, {0x16, 0x756e6547, 0x6c65746e, 0x49656e69}},
      {0x1, 0, {0x50654, 0x400800, 0x7ffefbff, 0xbfebfbff}},
      {0x7, 0, {0, 0xd39ffffb, 0x8, 0}},
      {0xd, 0, {0x2ff, 0x340, 0xa88, 0}},
      {0xd, 1, {0xf, 0x340, 0x100, 0}},
      {0x14, 0, {0x1, 0xf, 0x7, 0}},
      {0x80000000, 0, {0x80000008, 0, 0, 0}},
      {0x80000001, 0, {0, 0, 0x121, 0x2c100800}},
      {0x80000008, 0, {0x302e, 0, 0, 0}}}},

    /* GenuineIntel00606A6_ICX_CPUID2 */
    {"Ice Lake-SP",
     0x2e7,
     "avx512",
     "avx512vbmi avx512vbmi2 avx512vnni avx512bitalg avx512vpopcntdq avx512ifma sha gfni vaes "
     "vpclmulqdq rdpid pconfig wbnoinvd sgx",
     "avx512bf16 avx512fp16 amx-tile avxvnni serialize waitpkg movdiri avx512vp2intersect clzero",
     {{0x0, 0, {0x1b, 0x756e6547, 0x6c65746e, 0x49656e69}},
      {0x1, 0, {0x606a6, 0x800800, 0x7ffefbff, 0xbfebfbff}},
      {0x7, 0, {0, 0xf3bfbfff, 0x40417f4e, 0xbc040412}},
      {0xd, 0, {0x2e7, 0xa80, 0xa88, 0}},
      {0xd, 1, {0xf, 0xa00, 0x100, 0}},
      {0x14, 0, {0x1, 0xf, 0x7, 0}},
      {0x80000000, 0, {0x80000008, 0, 0, 0}},
      {0x80000001, 0, {0, 0, 0x121, 0x2c100800}},
      {0x80000008, 0, {0x392e, 0x200, 0, 0}}}},

    /* GenuineIntel00806F8_SapphireRapids_05 */
    {"Sapphire Rapids",
     0x602e7,
     "avx512",
     "amx-tile amx-int8 amx-bf16 avx512fp16 avx512bf16 avxvnni serialize tsxldtrk waitpkg movdiri "
     "movdir64b cldemote enqcmd uintr shstk ptwrite wbnoinvd pconfig",
     "amx-fp16 avxifma prefetchi avx10.1 hreset avx512vp2intersect kl",
     {{0x0, 0, {0x20, 0x756e6547, 0x6c65746e, 0x49656e69}},
      {0x1, 0, {0x806f8, 0x800800, 0x7ffefbff, 0xbfebfbff}},
      {0x7, 0, {0x2, 0xf3bfbffb, 0xbb417fee, 0xffdd4430}},
      {0x7, 1, {0x1c30, 0, 0, 0}},
      {0xd, 0, {0x602e7, 0x2b00, 0x2b00, 0}},
      {0xd, 1, {0x1f, 0x2a80, 0xdd00, 0}},
      {0x14, 0, {0x1, 0x5f, 0x7, 0}},
      {0x1e, 0, {0, 0x4010, 0, 0}},
      {0x80000000, 0, {0x80000008, 0, 0, 0}},
      {0x80000001, 0, {0, 0, 0x121, 0x2c100000}},
      {0x80000008, 0, {0x3934, 0x200, 0, 0}}}},

    /* GenuineIntel00A06D1_GraniteRapids_03 */
    {"Granite Rapids",
     0x602e7,
     "avx512",
     "amx-fp16 amx-tile avx10.1 prefetchi avx512fp16 uintr",
     "avx10.2 avxifma apxf cmpccxadd amx-complex",
     {{0x0, 0, {0x24, 0x756e6547, 0x6c65746e, 0x49656e69}},
      {0x1, 0, {0xa06d1, 0x800800, 0x7ffefbff, 0xbfebfbff}},
      {0x7, 0, {0x2, 0xf3bfbffb, 0xbb417fee, 0xffdd4430}},
      {0x7, 1, {0x40201d30, 0x1, 0, 0xe4000}},
      {0xd, 0, {0x602e7, 0x2b00, 0x2b00, 0}},
      {0xd, 1, {0x1f, 0x2a80, 0x1dd00, 0}},
      {0x14, 0, {0x1, 0x5f, 0x7, 0}},
      {0x1e, 0, {0, 0x4010, 0, 0}},
      {0x24, 0, {0, 0x70001, 0, 0}},
      {0x80000000, 0, {0x80000008, 0, 0, 0}},
      {0x80000001, 0, {0, 0, 0x121, 0x2c100000}},
      {0x80000008, 0, {0x3934, 0x200, 0, 0}}}},

    /* A performance core of a Core i9-12900K; libcpuid has the dump of both kinds. */
    {"Alder Lake",
     0x207,
     "avx2",
     "avxvnni gfni vaes vpclmulqdq sha serialize waitpkg hreset kl widekl pconfig ptwrite",
     "avx512f avx512vnni amx-tile rtm uintr",
     {{0x0, 0, {0x20, 0x756e6547, 0x6c65746e, 0x49656e69}},
      {0x1, 0, {0x90672, 0x800800, 0x7ffafbff, 0xbfebfbff}},
      {0x7, 0, {0x1, 0x239ca7eb, 0x98c027ac, 0xfc1cc410}},
      {0x7, 1, {0x400810, 0, 0, 0}},
      {0xd, 0, {0x207, 0x340, 0xa88, 0}},
      {0xd, 1, {0xf, 0x3d0, 0x19900, 0}},
      {0x14, 0, {0x1, 0x5f, 0x7, 0}},
      {0x19, 0, {0x7, 0x15, 0x3, 0}}, /* the dump has 0x14: Windows leaves Key Locker off */
      {0x1e, 0, {0, 0, 0, 0}},
      {0x80000000, 0, {0x80000008, 0, 0, 0}},
      {0x80000001, 0, {0, 0, 0x121, 0x2c100000}},
      {0x80000008, 0, {0x302e, 0, 0, 0}}}},

    /* AuthenticAMD0830F10_K17_Rome */
    {"Zen 2, EPYC 7742",
     0x207,
     "avx2",
     "avx2 fma sha clzero mwaitx sse4a rdpid rdpru clwb wbnoinvd adx",
     "avx512f vaes vpclmulqdq gfni pku invpcid shstk xop fma4 tbm 3dnow prefetchi",
     {{0x0, 0, {0x10, 0x68747541, 0x444d4163, 0x69746e65}},
      {0x1, 0, {0x830f10, 0x800800, 0x7ef8320b, 0x178bfbff}},
      {0x7, 0, {0, 0x219c91a9, 0x400004, 0}},
      {0xd, 0, {0x207, 0x340, 0x380, 0}},
      {0xd, 1, {0xf, 0x340, 0, 0}},
      {0x80000000, 0, {0x80000020, 0x68747541, 0x444d4163, 0x69746e65}},
      {0x80000001, 0, {0x830f10, 0x40000000, 0x75c237ff, 0x2fd3fbff}},
      {0x80000008, 0, {0x3030, 0x18ef757, 0x707f, 0x10000}}}},

    /* AuthenticAMD0A10F11_K19_Genoa_01 */
    {"Zen 4, EPYC Genoa",
     0x2e7,
     "avx512",
     "avx512f avx512bf16 avx512vnni avx512vbmi2 vaes gfni invpcid shstk clzero mwaitx rdpru sse4a",
     "avxvnni avx512fp16 amx-tile movdiri avx512vp2intersect prefetchi rtm",
     {{0x0, 0, {0x10, 0x68747541, 0x444d4163, 0x69746e65}},
      {0x1, 0, {0xa10f11, 0xc00800, 0x7efa320b, 0x178bfbff}},
      {0x7, 0, {0x1, 0xf1bf97a9, 0x415fce, 0x10000010}},
      {0x7, 1, {0x20, 0, 0, 0}},
      {0xd, 0, {0x2e7, 0x980, 0x988, 0}},
      {0xd, 1, {0xf, 0x990, 0x1800, 0}},
      {0x80000000, 0, {0x80000028, 0x68747541, 0x444d4163, 0x69746e65}},
      {0x80000001, 0, {0xa10f11, 0x40000000, 0x75c237ff, 0x2fd3fbff}},
      {0x80000008, 0, {0x3934, 0x79bef25f, 0x80bf, 0x10007}},
      {0x80000021, 0, {0x62fcf, 0x15c, 0, 0}}}},

    /* AuthenticAMD0B00F21_K20_Turin_01 */
    {"Zen 5, EPYC Turin",
     0x2e7,
     "avx512",
     "avxvnni avx512vp2intersect movdiri movdir64b prefetchi avx512bf16",
     "avx512fp16 avx512bmm amx-tile serialize",
     {{0x0, 0, {0x10, 0x68747541, 0x444d4163, 0x69746e65}},
      {0x1, 0, {0xb00f21, 0x400800, 0x7efa320b, 0x178bfbff}},
      {0x7, 0, {0x1, 0xf1bf97ab, 0x19415fce, 0x10000110}},
      {0x7, 1, {0x30, 0, 0, 0}},
      {0xd, 0, {0x2e7, 0x980, 0x988, 0}},
      {0xd, 1, {0xf, 0x990, 0x1800, 0}},
      {0x80000000, 0, {0x80000028, 0x68747541, 0x444d4163, 0x69746e65}},
      {0x80000001, 0, {0xb00f21, 0x40000000, 0x75c237ff, 0x2fd3fbff}},
      {0x80000008, 0, {0x3934, 0x79bef25f, 0x703f, 0x10007}},
      {0x80000021, 0, {0xd93fffcf, 0x80382, 0, 0}}}},

    /* Recorded for this test: a KVM guest, Linux, 2 of the processors of an EPYC 9004. */
    {"Zen 4 in a virtual machine",
     0xe7,
     "avx512",
     "avx512f avx512bf16 gfni vaes clzero invpcid shstk",
     "mwaitx rdpru pku wbnoinvd",
     {{0x0, 0, {0x10, 0x68747541, 0x444d4163, 0x69746e65}},
      {0x1, 0, {0xa10f11, 0x20800, 0xfffa3203, 0x178bfbff}},
      {0x7, 0, {0x1, 0xf1bf07ab, 0x405fc6, 0x10}},
      {0x7, 1, {0x20, 0, 0, 0}},
      {0xd, 1, {0xf, 0, 0, 0}},
      {0x80000000, 0, {0x80000028, 0x68747541, 0x444d4163, 0x69746e65}},
      {0x80000001, 0, {0xa10f11, 0, 0x4003f3, 0x2fd3fbff}},
      {0x80000008, 0, {0x3030, 0x50020005, 0, 0}}}},
};

#endif
