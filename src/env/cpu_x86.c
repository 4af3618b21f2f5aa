/* Which of the x86-64 features that gcc and clang know by -m names are usable here.
 *
 * Bits: Intel SDM volume 2A, CPUID, and AMD APM volume 3, appendix E. State components: XCR0 (SDM
 * volume 1, 13.3). What no compiler selects on has no row: hypervisor, tsc, mitigations, … */
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "env/cpu.h"

/* State that the kernel must save for a feature to be usable: components of XCR0. */
enum state {
    ANY_STATE = 0,
    XSAVED = 0x1,       /* the kernel uses XSAVE at all */
    YMM = 0x6,          /* SSE and AVX */
    ZMM = 0xe6,         /* and opmask, upper halves, upper registers */
    TILE = 0x60000,     /* tile configuration and data */
    EXTENDED = 0x80000, /* R16 to R31 */
};

struct feature {
    const char *name;
    uint16_t where; /* offset of the register in struct cpu_x86_leaves */
    uint8_t bit;
    uint32_t state;
};

#define IN(field) offsetof(struct cpu_x86_leaves, field)

static const struct feature features[] = {
    {"sse3", IN(leaf1_ecx), 0, ANY_STATE},
    {"pclmul", IN(leaf1_ecx), 1, ANY_STATE},
    {"ssse3", IN(leaf1_ecx), 9, ANY_STATE},
    {"fma", IN(leaf1_ecx), 12, YMM},
    {"cx16", IN(leaf1_ecx), 13, ANY_STATE},
    {"sse4.1", IN(leaf1_ecx), 19, ANY_STATE},
    {"sse4.2", IN(leaf1_ecx), 20, ANY_STATE},
    {"movbe", IN(leaf1_ecx), 22, ANY_STATE},
    {"popcnt", IN(leaf1_ecx), 23, ANY_STATE},
    {"aes", IN(leaf1_ecx), 25, ANY_STATE},
    {"xsave", IN(leaf1_ecx), 26, XSAVED},
    {"avx", IN(leaf1_ecx), 28, YMM},
    {"f16c", IN(leaf1_ecx), 29, YMM},
    {"rdrnd", IN(leaf1_ecx), 30, ANY_STATE},

    {"mmx", IN(leaf1_edx), 23, ANY_STATE},
    {"fxsr", IN(leaf1_edx), 24, ANY_STATE},
    {"sse", IN(leaf1_edx), 25, ANY_STATE},
    {"sse2", IN(leaf1_edx), 26, ANY_STATE},

    {"fsgsbase", IN(leaf7_ebx), 0, ANY_STATE},
    {"sgx", IN(leaf7_ebx), 2, ANY_STATE},
    {"bmi", IN(leaf7_ebx), 3, ANY_STATE},
    {"hle", IN(leaf7_ebx), 4, ANY_STATE},
    {"avx2", IN(leaf7_ebx), 5, YMM},
    {"bmi2", IN(leaf7_ebx), 8, ANY_STATE},
    {"invpcid", IN(leaf7_ebx), 10, ANY_STATE},
    {"rtm", IN(leaf7_ebx), 11, ANY_STATE},
    {"avx512f", IN(leaf7_ebx), 16, ZMM},
    {"avx512dq", IN(leaf7_ebx), 17, ZMM},
    {"rdseed", IN(leaf7_ebx), 18, ANY_STATE},
    {"adx", IN(leaf7_ebx), 19, ANY_STATE},
    {"avx512ifma", IN(leaf7_ebx), 21, ZMM},
    {"clflushopt", IN(leaf7_ebx), 23, ANY_STATE},
    {"clwb", IN(leaf7_ebx), 24, ANY_STATE},
    {"avx512pf", IN(leaf7_ebx), 26, ZMM},
    {"avx512er", IN(leaf7_ebx), 27, ZMM},
    {"avx512cd", IN(leaf7_ebx), 28, ZMM},
    {"sha", IN(leaf7_ebx), 29, ANY_STATE},
    {"avx512bw", IN(leaf7_ebx), 30, ZMM},
    {"avx512vl", IN(leaf7_ebx), 31, ZMM},

    {"prefetchwt1", IN(leaf7_ecx), 0, ANY_STATE},
    {"avx512vbmi", IN(leaf7_ecx), 1, ZMM},
    {"pku", IN(leaf7_ecx), 4, ANY_STATE}, /* by what the kernel turned on (OSPKE) */
    {"waitpkg", IN(leaf7_ecx), 5, ANY_STATE},
    {"avx512vbmi2", IN(leaf7_ecx), 6, ZMM},
    {"shstk", IN(leaf7_ecx), 7, ANY_STATE},
    {"gfni", IN(leaf7_ecx), 8, ANY_STATE},
    {"vaes", IN(leaf7_ecx), 9, YMM},
    {"vpclmulqdq", IN(leaf7_ecx), 10, YMM},
    {"avx512vnni", IN(leaf7_ecx), 11, ZMM},
    {"avx512bitalg", IN(leaf7_ecx), 12, ZMM},
    {"avx512vpopcntdq", IN(leaf7_ecx), 14, ZMM},
    {"rdpid", IN(leaf7_ecx), 22, ANY_STATE},
    {"cldemote", IN(leaf7_ecx), 25, ANY_STATE},
    {"movdiri", IN(leaf7_ecx), 27, ANY_STATE},
    {"movdir64b", IN(leaf7_ecx), 28, ANY_STATE},
    {"enqcmd", IN(leaf7_ecx), 29, ANY_STATE},

    {"avx5124vnniw", IN(leaf7_edx), 2, ZMM},
    {"avx5124fmaps", IN(leaf7_edx), 3, ZMM},
    {"uintr", IN(leaf7_edx), 5, ANY_STATE},
    {"avx512vp2intersect", IN(leaf7_edx), 8, ZMM},
    {"serialize", IN(leaf7_edx), 14, ANY_STATE},
    {"tsxldtrk", IN(leaf7_edx), 16, ANY_STATE},
    {"pconfig", IN(leaf7_edx), 18, ANY_STATE},
    {"amx-bf16", IN(leaf7_edx), 22, TILE},
    {"avx512fp16", IN(leaf7_edx), 23, ZMM},
    {"amx-tile", IN(leaf7_edx), 24, TILE},
    {"amx-int8", IN(leaf7_edx), 25, TILE},

    {"sha512", IN(leaf7_1_eax), 0, YMM},
    {"sm3", IN(leaf7_1_eax), 1, YMM},
    {"sm4", IN(leaf7_1_eax), 2, YMM},
    {"raoint", IN(leaf7_1_eax), 3, ANY_STATE},
    {"avxvnni", IN(leaf7_1_eax), 4, YMM},
    {"avx512bf16", IN(leaf7_1_eax), 5, ZMM},
    {"cmpccxadd", IN(leaf7_1_eax), 7, ANY_STATE},
    {"amx-fp16", IN(leaf7_1_eax), 21, TILE},
    {"hreset", IN(leaf7_1_eax), 22, ANY_STATE},
    {"avxifma", IN(leaf7_1_eax), 23, YMM},
    {"movrs", IN(leaf7_1_eax), 31, ANY_STATE},

    {"avxvnniint8", IN(leaf7_1_edx), 4, YMM},
    {"avxneconvert", IN(leaf7_1_edx), 5, YMM},
    {"amx-complex", IN(leaf7_1_edx), 8, TILE},
    {"avxvnniint16", IN(leaf7_1_edx), 10, YMM},
    {"usermsr", IN(leaf7_1_edx), 15, ANY_STATE},
    {"apxf", IN(leaf7_1_edx), 21, EXTENDED},

    {"xsaveopt", IN(leafd_1_eax), 0, XSAVED},
    {"xsavec", IN(leafd_1_eax), 1, XSAVED},
    {"xsaves", IN(leafd_1_eax), 3, XSAVED},

    {"ptwrite", IN(leaf14_ebx), 4, ANY_STATE},

    {"amx-fp8", IN(leaf1e_1_eax), 4, TILE},
    {"amx-transpose", IN(leaf1e_1_eax), 5, TILE},
    {"amx-tf32", IN(leaf1e_1_eax), 6, TILE},
    {"amx-avx512", IN(leaf1e_1_eax), 7, TILE | ZMM},
    {"amx-movrs", IN(leaf1e_1_eax), 8, TILE},

    {"sahf", IN(leaf80000001_ecx), 0, ANY_STATE},
    {"lzcnt", IN(leaf80000001_ecx), 5, ANY_STATE},
    {"sse4a", IN(leaf80000001_ecx), 6, ANY_STATE},
    {"prfchw", IN(leaf80000001_ecx), 8, ANY_STATE},
    {"xop", IN(leaf80000001_ecx), 11, YMM},
    {"lwp", IN(leaf80000001_ecx), 15, ANY_STATE},
    {"fma4", IN(leaf80000001_ecx), 16, YMM},
    {"tbm", IN(leaf80000001_ecx), 21, ANY_STATE},
    {"mwaitx", IN(leaf80000001_ecx), 29, ANY_STATE},

    {"3dnowa", IN(leaf80000001_edx), 30, ANY_STATE},
    {"3dnow", IN(leaf80000001_edx), 31, ANY_STATE},

    {"clzero", IN(leaf80000008_ebx), 0, ANY_STATE},
    {"rdpru", IN(leaf80000008_ebx), 4, ANY_STATE},
    {"wbnoinvd", IN(leaf80000008_ebx), 9, ANY_STATE},

    {"avx512bmm", IN(leaf80000021_eax), 23, ZMM},
};

/* Where new instructions get their bits. What has no row above, and is not known to be no
 * instruction, is named by its number: a compiler newer than this table may select on it. */
static const struct {
    const char *name;
    uint16_t where;
    uint32_t no_instructions;
} growing[] = {
    /* LASS, counters, fast rep, FRED, LKGS, WRMSRNS, NMI source, LAM, MSRLIST, INVD */
    {"cpuid-7.1.eax", IN(leaf7_1_eax),
     1u << 6 | 1u << 8 | 7u << 10 | 0xfu << 17 | 3u << 26 | 1u << 30},
    /* user timer, UIRET, supervisor shadow stacks, MWAIT, lockstep; prefetchi, AVX10 (below) */
    {"cpuid-7.1.edx", IN(leaf7_1_edx), 1u << 13 | 1u << 14 | 7u << 17 | 3u << 23},
    /* int8, bf16, complex, fp16 again */
    {"cpuid-1e.1.eax", IN(leaf1e_1_eax), 0xf},
    {"cpuid-24.1.ecx", IN(leaf24_1_ecx), 0},
    {"cpuid-29.ebx", IN(leaf29_ebx), 0},
};

enum {
    FEATURE_COUNT = sizeof(features) / sizeof(*features),
    GROWING_COUNT = sizeof(growing) / sizeof(*growing),
    COMPOSED_COUNT = 4, /* kl, widekl, avx10, prefetchi */
    NAME_SIZE = 32,
};

/* ---- reading ---- */

static void read_basic(struct cpu_x86_leaves *leaves, const struct cpu_x86_source *source)
{
    void *context = source->context;
    uint32_t highest = source->cpuid(context, 0, 0).eax;
    if (highest >= 7) {
        struct cpu_x86_registers said = source->cpuid(context, 7, 0);
        leaves->leaf7_ebx = said.ebx;
        leaves->leaf7_ecx = said.ecx;
        leaves->leaf7_edx = said.edx;
        if (said.eax >= 1) {
            said = source->cpuid(context, 7, 1);
            leaves->leaf7_1_eax = said.eax;
            leaves->leaf7_1_edx = said.edx;
        }
    }
    if (highest >= 0xd)
        leaves->leafd_1_eax = source->cpuid(context, 0xd, 1).eax;
    if (highest >= 0x14)
        leaves->leaf14_ebx = source->cpuid(context, 0x14, 0).ebx;
    if (highest >= 0x19)
        leaves->leaf19_ebx = source->cpuid(context, 0x19, 0).ebx;
    if (highest >= 0x1e)
        leaves->leaf1e_1_eax = source->cpuid(context, 0x1e, 1).eax;
    if (highest >= 0x24) {
        struct cpu_x86_registers said = source->cpuid(context, 0x24, 0);
        leaves->leaf24_ebx = said.ebx;
        if (said.eax >= 1)
            leaves->leaf24_1_ecx = source->cpuid(context, 0x24, 1).ecx;
    }
    if (highest >= 0x29)
        leaves->leaf29_ebx = source->cpuid(context, 0x29, 0).ebx;
}

static void read_extended(struct cpu_x86_leaves *leaves, const struct cpu_x86_source *source)
{
    void *context = source->context;
    uint32_t highest = source->cpuid(context, 0x80000000, 0).eax;
    if (highest >= 0x80000001) {
        struct cpu_x86_registers said = source->cpuid(context, 0x80000001, 0);
        leaves->leaf80000001_ecx = said.ecx;
        leaves->leaf80000001_edx = said.edx;
    }
    if (highest >= 0x80000008)
        leaves->leaf80000008_ebx = source->cpuid(context, 0x80000008, 0).ebx;
    if (highest >= 0x80000021)
        leaves->leaf80000021_eax = source->cpuid(context, 0x80000021, 0).eax;
}

void cpu_read_x86(struct cpu_x86_leaves *leaves, const struct cpu_x86_source *source)
{
    enum { XSAVE_BY_OS = 1 << 27 }; /* OSXSAVE */
    *leaves = (struct cpu_x86_leaves){0};
    struct cpu_x86_registers said = source->cpuid(source->context, 1, 0);
    leaves->leaf1_ecx = said.ecx;
    leaves->leaf1_edx = said.edx;
    if ((said.ecx & XSAVE_BY_OS) != 0)
        leaves->xcr0 = source->xcr0(source->context);
    read_basic(leaves, source);
    read_extended(leaves, source);
}

/* ---- deciding ---- */

static uint32_t word_at(const struct cpu_x86_leaves *leaves, uint16_t where)
{
    uint32_t word;
    memcpy(&word, (const char *)leaves + where, sizeof(word));
    return word;
}

static bool bit_is_set(const struct cpu_x86_leaves *leaves, const struct feature *feature)
{
    return (word_at(leaves, feature->where) >> feature->bit & 1) != 0 &&
           (leaves->xcr0 & feature->state) == feature->state;
}

static bool has(const char *const *names, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(names[i], name) == 0)
            return true;
    }
    return false;
}

/* The vector classes that PyTorch and the x86-64 levels distinguish. */
static const char *level_of(const char *const *names, size_t count)
{
    static const char *const wide[] = {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"};
    size_t found = 0;
    for (size_t i = 0; i < sizeof(wide) / sizeof(*wide); i++)
        found += has(names, count, wide[i]);
    if (found == sizeof(wide) / sizeof(*wide))
        return "avx512";
    if (has(names, count, "avx2") && has(names, count, "fma"))
        return "avx2";
    if (has(names, count, "avx"))
        return "avx";
    return has(names, count, "sse4.2") ? "sse42" : "sse2";
}

/* Features that more than one bit decides. */
static size_t add_composed(const char **names, const struct cpu_x86_leaves *leaves,
                           char avx10[NAME_SIZE])
{
    enum { KEY_LOCKER = 1 << 23, BY_OS = 1 << 0, WIDE = 1 << 2, AVX10 = 1 << 19 };
    enum { PREFETCHI_INTEL = 1 << 14, PREFETCHI_AMD = 1 << 20 };
    size_t count = 0;
    if ((leaves->leaf7_ecx & KEY_LOCKER) != 0 && (leaves->leaf19_ebx & BY_OS) != 0) {
        names[count++] = "kl";
        if ((leaves->leaf19_ebx & WIDE) != 0)
            names[count++] = "widekl";
    }
    if ((leaves->leaf7_1_edx & AVX10) != 0 && (leaves->xcr0 & ZMM) == ZMM) {
        snprintf(avx10, NAME_SIZE, "avx10.%u", (unsigned)(leaves->leaf24_ebx & 0xff));
        names[count++] = avx10;
    }
    if ((leaves->leaf7_1_edx & PREFETCHI_INTEL) != 0 ||
        (leaves->leaf80000021_eax & PREFETCHI_AMD) != 0)
        names[count++] = "prefetchi";
    return count;
}

static size_t add_numbered(const char **names, const struct cpu_x86_leaves *leaves,
                           char (*numbered)[NAME_SIZE])
{
    size_t count = 0;
    for (size_t i = 0; i < GROWING_COUNT; i++) {
        uint32_t bits = word_at(leaves, growing[i].where) & ~growing[i].no_instructions;
        for (size_t j = 0; j < FEATURE_COUNT; j++) {
            if (features[j].where == growing[i].where)
                bits &= ~(UINT32_C(1) << features[j].bit);
        }
        if (bits == 0)
            continue;
        snprintf(numbered[i], NAME_SIZE, "%s:%x", growing[i].name, (unsigned)bits);
        names[count++] = numbered[i];
    }
    return count;
}

enum b10_reason cpu_decide_x86(struct cpu_facts *facts, const struct cpu_x86_leaves *leaves,
                               struct b10_error *error)
{
    const char *names[FEATURE_COUNT + COMPOSED_COUNT + GROWING_COUNT];
    char avx10[NAME_SIZE];
    char numbered[GROWING_COUNT][NAME_SIZE];
    size_t count = 0;
    for (size_t i = 0; i < FEATURE_COUNT; i++) {
        if (bit_is_set(leaves, &features[i]))
            names[count++] = features[i].name;
    }
    snprintf(facts->level, sizeof(facts->level), "%s", level_of(names, count));
    count += add_composed(names + count, leaves, avx10);
    count += add_numbered(names + count, leaves, numbered);
    return cpu_set_features(facts, names, count, error);
}
