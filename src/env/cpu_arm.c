/* aarch64 features by the kernel's names (Documentation/arch/arm64/elf_hwcaps.rst), which are also
 * what gcc's -march=native reads. */
#include <stdio.h>
#include <string.h>

#include "env/cpu.h"

/* By bit. "" marks what no compiler's -march=native selects on: event streams, access to ID
 * registers, cache maintenance, hints, timers, floating-point modes, memory tags and permissions.
 * Newer kernels show more of them on the same processor. */
static const char *const first[] = {
    "fp",     "asimd",       "",         "aes",        "pmull",    "sha1",       "sha2",
    "crc32",  "atomics",     "fphp",     "asimdhp",    "",         "asimdrdm",   "jscvt",
    "fcma",   "lrcpc",       "",         "sha3",       "sm3",      "sm4",        "asimddp",
    "sha512", "sve",         "asimdfhm", "",           "uscat",    "ilrcpc",     "flagm",
    "ssbs",   "sb",          "paca",     "pacg",       "gcs",      "cmpbr",      "fprcvt",
    "f8mm8",  "f8mm4",       "svef16mm", "sveeltperm", "sveaes2",  "svebfscale", "sve2p2",
    "sme2p2", "smesbitperm", "smeaes",   "smesfexpa",  "smestmop", "smesmop4",
};

static const char *const second[] = {
    "",          "sve2",      "sveaes",   "svepmull",  "svebitperm", "svesha3",    "svesm4",
    "flagm2",    "frint",     "svei8mm",  "svef32mm",  "svef64mm",   "svebf16",    "i8mm",
    "bf16",      "",          "rng",      "",          "",           "",           "",
    "",          "",          "sme",      "smei16i64", "smef64f64",  "smei8i32",   "smef16f32",
    "smeb16f32", "smef32f32", "smefa64",  "wfxt",      "",           "",           "cssc",
    "",          "sve2p1",    "sme2",     "sme2p1",    "smei16i32",  "smebi32i32", "smeb16b16",
    "smef16f16", "mops",      "hbc",      "sveb16b16", "lrcpc3",     "lse128",     "fpmr",
    "lut",       "faminmax",  "f8cvt",    "f8fma",     "f8dp4",      "f8dp2",      "f8e4m3",
    "f8e5m2",    "smelutv2",  "smef8f16", "smef8f32",  "smesf8fma",  "smesf8dp4",  "smesf8dp2",
    "",
};

static const char *const third[] = {"", "", "lsfe", "ls64"};

enum {
    FIRST_COUNT = sizeof(first) / sizeof(*first),
    SECOND_COUNT = sizeof(second) / sizeof(*second),
    THIRD_COUNT = sizeof(third) / sizeof(*third),
    NAME_SIZE = 24,
};

/* A bit that has no name yet still tells two processors apart. */
static size_t add_bits(const char **names, char (*unnamed)[NAME_SIZE], uint64_t bits,
                       const char *const *table, size_t table_count, const char *word)
{
    size_t count = 0;
    for (unsigned bit = 0; bit < 64; bit++) {
        if ((bits >> bit & 1) == 0)
            continue;
        const char *name = bit < table_count ? table[bit] : NULL;
        if (name == NULL) {
            snprintf(unnamed[bit], NAME_SIZE, "%s:%u", word, bit);
            name = unnamed[bit];
        }
        if (*name != '\0')
            names[count++] = name;
    }
    return count;
}

static const char *level_of(const struct cpu_arm_capabilities *capabilities)
{
    enum { ASIMD = 1 << 1, SVE = 1 << 22, SVE2 = 1 << 1 };
    if ((capabilities->hwcap2 & SVE2) != 0)
        return "sve2";
    if ((capabilities->hwcap & SVE) != 0)
        return "sve";
    return (capabilities->hwcap & ASIMD) != 0 ? "neon" : "generic";
}

enum b10_reason cpu_decide_arm(struct cpu_facts *facts,
                               const struct cpu_arm_capabilities *capabilities,
                               struct b10_error *error)
{
    const char *names[3 * 64 + 1];
    char unnamed[3][64][NAME_SIZE];
    char vector[NAME_SIZE];
    size_t count = add_bits(names, unnamed[0], capabilities->hwcap, first, FIRST_COUNT, "hwcap");
    count +=
        add_bits(names + count, unnamed[1], capabilities->hwcap2, second, SECOND_COUNT, "hwcap2");
    count +=
        add_bits(names + count, unnamed[2], capabilities->hwcap3, third, THIRD_COUNT, "hwcap3");
    if (capabilities->vector_bytes > 0) {
        snprintf(vector, sizeof(vector), "sve-bits:%u", capabilities->vector_bytes * 8);
        names[count++] = vector;
    }
    snprintf(facts->level, sizeof(facts->level), "%s", level_of(capabilities));
    return cpu_set_features(facts, names, count, error);
}
